//! What a campaign by text message would say, weigh and cost, reckoned from a sample of the people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::sender::{Outgoing, Verdict};
use crate::campaigns::definition::Definition;
use crate::campaigns::sms::{frame, sender_of};
use crate::config::{SANDBOX, Settings, StopBy, WebSettings};
use crate::consent::model::Channel;
use crate::customers::model::Customer;
use crate::customers::number::{self, PhoneKind};
use crate::gate::model::{Request, Route};

use crate::gate::rules::Rules;
use crate::ids::{DeliveryKey, WaveId};
use crate::keys::Keys;
use crate::statistics::Sentence;
use crate::templates::model::{Link, RecipientLinks};
use crate::templates::sms::{Encoding, offenders};
use crate::templates::{CompiledSms, Template};
use crate::tokens::{LinkKind, LinkToken, SHORT_CODE_CHARACTERS, short_code};

/// Characters of a short link with its scheme that still leave room in one part.
const LINK_CHARACTERS: usize = 30;
/// Characters that cost the short alphabet which are named.
const OFFENDERS_SHOWN: usize = 8;
/// Characters of a long token and its path, `/c/…`.
const LONG_TOKEN: &str = "/c/00000000000000000000000000000000000000000000000";

/// What was reckoned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SmsForecast {
    pub provider: String,
    /// How many will get it by text message.
    pub will_receive: u64,
    /// People looked at: those of the sample who have a mobile number.
    pub sampled: u64,
    /// How many of them need so many parts.
    pub parts: BTreeMap<u64, u64>,
    /// For how many it does not fit the GSM alphabet, in which a part holds more than twice as much.
    pub ucs2: u64,
    /// The characters that cause it, the most frequent first, and for how many.
    pub offenders: Vec<(char, u64)>,
    /// For how many there is no message: it cannot be rendered, or is too long.
    pub failed: u64,
    /// ISO 4217.
    pub currency: String,
    /// Mean of the sample times all, in millionths; `None` while no price is known.
    pub typical_micros: Option<i64>,
    /// The most parts at the dearest price of the sample times all.
    pub worst_micros: Option<i64>,
    /// Countries of the sample without a price.
    pub unpriced: Vec<String>,
    /// When it may arrive, by country.
    pub hours: Vec<String>,
}

/// A forecast, and what it says against the launch.
#[derive(Debug, Clone)]
pub(super) struct Forecast {
    pub forecast: SmsForecast,
    pub verdict: Verdict,
}

/// Reckons for the people of `sample` who have a mobile number; `will_receive` is how many would get it.
pub(super) fn forecast(
    definition: &Definition,
    template: &Template,
    (settings, rules): (&Settings, &Rules),
    provider: &str,
    sample: &[Customer],
    will_receive: u64,
) -> Forecast {
    let account = settings.sms.provider_named(provider);
    let mut tally = Tally::default();
    let mut verdict = Verdict::default();
    let mut scribe = Scribe {
        template,
        settings,
        provider,
        compiled: BTreeMap::new(),
        keys: Keys::from_secret(&[0; 32]),
    };
    for customer in sample {
        let Some(phone) = &customer.phone else {
            continue;
        };
        let number = number::read(phone);
        if number.kind != PhoneKind::Mobile {
            continue;
        }
        let country = number.country.unwrap_or_else(|| customer.country.clone());
        let price = account.and_then(|account| account.price_micros(&country));
        match scribe.write(customer) {
            Ok(written) => tally.count(country, price, &written),
            Err(problem) => {
                tally.fail(country);
                if !verdict.warnings.contains(&problem) {
                    verdict.warnings.push(problem);
                }
            }
        }
    }
    // One that fails for each in his own way would drown the rest.
    verdict.warnings.truncate(3);
    judge(definition, settings, provider, &tally, &mut verdict);
    let request = Request {
        provider: Some(provider.to_owned()),
        ..definition.request(Channel::Sms)
    };
    let (hours, open) = hours(rules, request.route(), &tally.countries);
    if !open.is_empty() {
        verdict.warnings.push(
            Sentence::new(
                "no [[quiet_hours]] for text messages to {countries}: they go out at night too",
            )
            .with("countries", open.join(", ")),
        );
    }
    Forecast {
        forecast: tally.forecast(settings, provider, will_receive, hours),
        verdict,
    }
}

/// A message to one of the sample.
#[derive(Debug)]
struct Written {
    parts: u64,
    offenders: Vec<char>,
    is_ucs2: bool,
    /// How often STOP is said, apart from what the provider appends.
    stops: usize,
}

/// Writes the messages of the sample.
#[derive(Debug)]
struct Scribe<'a> {
    template: &'a Template,
    settings: &'a Settings,
    provider: &'a str,
    /// By language.
    compiled: BTreeMap<String, Result<CompiledSms, Sentence>>,
    /// Any will do: only the length of a link counts.
    keys: Keys,
}

impl Scribe<'_> {
    fn write(&mut self, customer: &Customer) -> Result<Written, Sentence> {
        let language = self.template.language_for(&customer.language);
        let compiled = self
            .compiled
            .entry(language.to_owned())
            .or_insert_with(|| {
                let frame = frame(&self.settings.sms, self.provider, language);
                self.template
                    .compile_sms(language, &frame)
                    .map_err(|error| unwritten(language, &error))
            })
            .as_ref()
            .map_err(Clone::clone)?;
        let links = links(compiled.links(), &self.settings.web, &self.keys);
        let rendered = compiled
            .render(customer, &links)
            .map_err(|error| unwritten(language, &error))?;
        let is_ucs2 = rendered.size.encoding == Encoding::Ucs2;
        Ok(Written {
            parts: u64::try_from(rendered.size.parts).unwrap_or(u64::MAX),
            offenders: if is_ucs2 {
                let found = offenders(&rendered.text).into_iter();
                found.map(|offender| offender.character).collect()
            } else {
                Vec::new()
            },
            is_ucs2,
            stops: rendered
                .text
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| *word == "STOP")
                .count(),
        })
    }
}

fn unwritten(language: &str, error: &dyn fmt::Display) -> Sentence {
    Sentence::new("[{language}] sms: {error}")
        .with("language", language)
        .with("error", Sentence::from(error.to_string()))
}

/// Links as long as those that will be sent.
fn links(links: &[Link], web: &WebSettings, keys: &Keys) -> RecipientLinks {
    let url = |kind| {
        let delivery = DeliveryKey {
            wave: WaveId(1),
            seq: 1,
        };
        match short_code(LinkToken { delivery, kind }, keys) {
            Some(code) => format!("{}/{code}", web.short_url()),
            None => format!("{}{LONG_TOKEN}", web.public_url),
        }
    };
    RecipientLinks {
        clicks: links
            .iter()
            .map(|link| url(LinkKind::Click(link.number)))
            .collect(),
        unsubscribe: url(LinkKind::Unsubscribe),
        ..RecipientLinks::default()
    }
    .with_sample_offer()
}

/// What the sample adds up to.
#[derive(Debug, Default)]
struct Tally {
    sampled: u64,
    failed: u64,
    parts: BTreeMap<u64, u64>,
    ucs2: u64,
    offenders: BTreeMap<char, u64>,
    most_stops: usize,
    countries: BTreeSet<String>,
    unpriced: BTreeSet<String>,
    /// Of those whose price is known.
    priced: u64,
    cost_micros: i64,
    dearest_micros: Option<i64>,
}

impl Tally {
    fn fail(&mut self, country: String) {
        self.sampled += 1;
        self.failed += 1;
        self.countries.insert(country);
    }

    fn count(&mut self, country: String, price: Option<i64>, written: &Written) {
        self.sampled += 1;
        *self.parts.entry(written.parts).or_default() += 1;
        self.ucs2 += u64::from(written.is_ucs2);
        for character in &written.offenders {
            *self.offenders.entry(*character).or_default() += 1;
        }
        self.most_stops = self.most_stops.max(written.stops);
        match price {
            Some(price) => {
                let parts = i64::try_from(written.parts).unwrap_or(i64::MAX);
                self.priced += 1;
                self.cost_micros = self.cost_micros.saturating_add(price.saturating_mul(parts));
                self.dearest_micros = self.dearest_micros.max(Some(price));
            }
            None => {
                self.unpriced.insert(country.clone());
            }
        }
        self.countries.insert(country);
    }

    fn forecast(
        self,
        settings: &Settings,
        provider: &str,
        will_receive: u64,
        hours: Vec<String>,
    ) -> SmsForecast {
        let most_parts = self.parts.keys().next_back().copied().unwrap_or(0);
        let all = i64::try_from(will_receive).unwrap_or(i64::MAX);
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut offenders: Vec<(char, u64)> = self.offenders.into_iter().collect();
        offenders.sort_by_key(|(_, people)| std::cmp::Reverse(*people));
        offenders.truncate(OFFENDERS_SHOWN);
        SmsForecast {
            provider: provider.to_owned(),
            will_receive,
            sampled: self.sampled,
            parts: self.parts,
            ucs2: self.ucs2,
            offenders,
            failed: self.failed,
            currency: settings.sms.currency.clone(),
            // Whose price is not known costs nothing here, as is said beside it.
            typical_micros: self
                .dearest_micros
                .map(|_known| share(self.cost_micros, all, self.sampled)),
            worst_micros: self.dearest_micros.map(|price| {
                let dearest = price.saturating_mul(whole(most_parts));
                share(
                    dearest.saturating_mul(whole(self.priced)),
                    all,
                    self.sampled,
                )
            }),
            unpriced: self.unpriced.into_iter().collect(),
            hours,
        }
    }
}

/// What `of` a sample comes to among `all`.
fn share(of: i64, all: i64, sampled: u64) -> i64 {
    let sum = i128::from(of) * i128::from(all) / i128::from(sampled.max(1));
    i64::try_from(sum).unwrap_or(i64::MAX)
}

/// What the settings and the sample say against the launch.
fn judge(
    definition: &Definition,
    settings: &Settings,
    provider: &str,
    tally: &Tally,
    verdict: &mut Verdict,
) {
    let account = settings.sms.provider_named(provider);
    let Verdict { refusals, warnings } = verdict;
    // A messaging service has senders of its own.
    let is_service = account
        .and_then(|account| account.twilio.as_ref())
        .is_some_and(|twilio| twilio.service.is_some());
    if !is_service {
        let judged = Outgoing {
            sender: &sender_of(definition, account),
            stop: account.and_then(|account| account.stop.as_ref()),
            countries: &tally.countries,
            is_sandbox: account.is_none(),
        }
        .judge();
        refusals.extend(judged.refusals);
        warnings.extend(judged.warnings);
    }
    if tally.sampled > 0 && tally.failed == tally.sampled {
        refusals.push(Sentence::new(
            "sms: there is nobody for whom it could be written",
        ));
    }
    if provider == SANDBOX {
        warnings.push(Sentence::new(
            "no SMS provider is configured: text messages go to the outbox, nothing leaves this machine",
        ));
    }
    let base = settings.web.short_url();
    let key = match settings.web.short_url {
        Some(_) => "web.short_url",
        None => "web.public_url",
    };
    if provider != SANDBOX && !base.starts_with("https://") {
        warnings.push(
            Sentence::new("{key} is not https: telephones warn of such links").with("key", key),
        );
    }
    let characters = base.chars().count() + 1 + SHORT_CODE_CHARACTERS;
    if characters > LINK_CHARACTERS {
        warnings.push(
            Sentence::new("short links take {n} characters of each message: a host of at most 10 characters in web.short_url makes them {few}")
                .named("n", characters)
                .named("few", LINK_CHARACTERS),
        );
    }
    if account.is_some_and(|account| account.prices.is_empty()) {
        warnings.push(
            Sentence::new("there is no price in [sms.providers.{provider}.prices], so nothing can be said of the cost")
                .with("provider", provider),
        );
    } else if account.is_some() && !tally.unpriced.is_empty() {
        let countries: Vec<&str> = tally.unpriced.iter().map(String::as_str).collect();
        warnings.push(
            Sentence::new("no price for {countries}: the estimate leaves them out; add them to [sms.providers.{provider}.prices]")
                .with("countries", countries.join(", "))
                .with("provider", provider),
        );
    }
    // One is ours.
    let stop = account.and_then(|account| account.stop.as_ref());
    let own = usize::from(stop.is_some_and(|stop| {
        stop.by == StopBy::Us && stop.text.values().any(|text| text.contains("STOP"))
    }));
    if stop.is_some() && tally.most_stops > own {
        warnings.push(Sentence::new(
            "the template says STOP itself, and the STOP mention of the provider's settings stands there too; leave it out of the template",
        ));
    }
}

/// The hours of each country, as the gate keeps them, and the countries without any.
fn hours(
    rules: &Rules,
    route: Route<'_>,
    countries: &BTreeSet<String>,
) -> (Vec<String>, Vec<String>) {
    let mut by_hours: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut open = Vec::new();
    for country in countries {
        let words = rules.quiet_hours.told(route, country);
        if words.is_none() {
            open.push(country.clone());
        }
        let words = words.map_or_else(|| "at any hour".to_owned(), |words| words.to_string());
        by_hours.entry(words).or_default().push(country);
    }
    let told = by_hours
        .into_iter()
        .map(|(words, countries)| format!("{}: {words}", countries.join(", ")))
        .collect();
    (told, open)
}

impl fmt::Display for SmsForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  by sms        {:>9}  through {}",
            self.will_receive, self.provider
        )?;
        if self.sampled == 0 {
            return writeln!(
                f,
                "    parts       nobody of the sample has a mobile number"
            );
        }
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|(parts, people)| {
                let plural = if *parts == 1 { "" } else { "s" };
                format!("{parts} part{plural}: {}", percent(*people, self.sampled))
            })
            .collect();
        writeln!(
            f,
            "    parts       {} (of {} people looked at)",
            parts.join(", "),
            self.sampled
        )?;
        if self.ucs2 > 0 {
            let characters: Vec<String> = self
                .offenders
                .iter()
                .map(|(character, people)| {
                    format!("{character:?} {}", percent(*people, self.sampled))
                })
                .collect();
            writeln!(
                f,
                "    encoding    UCS-2 for {}, because of {}",
                percent(self.ucs2, self.sampled),
                characters.join(", ")
            )?;
        }
        if self.failed > 0 {
            writeln!(
                f,
                "    no message  for {}",
                percent(self.failed, self.sampled)
            )?;
        }
        if let (Some(typical), Some(worst)) = (self.typical_micros, self.worst_micros) {
            writeln!(
                f,
                "    cost        about {} {currency}, at worst {} {currency}",
                money(typical),
                money(worst),
                currency = self.currency
            )?;
        }
        for hours in &self.hours {
            writeln!(f, "    hours       {hours}")?;
        }
        Ok(())
    }
}

/// "93 %", and "under 1 %" for few.
fn percent(n: u64, of: u64) -> String {
    let whole = (n * 200 + of) / (of * 2).max(1);
    match (n, whole) {
        (0, _) => "0 %".to_owned(),
        (_, 0) => "under 1 %".to_owned(),
        (_, 100) if n < of => "over 99 %".to_owned(),
        (_, whole) => format!("{whole} %"),
    }
}

/// Two decimals.
fn money(micros: i64) -> String {
    let cents = micros.saturating_add(5_000) / 10_000;
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_in_words() {
        assert_eq!(percent(93, 100), "93 %");
        assert_eq!(percent(1, 1_000), "under 1 %");
        assert_eq!(percent(999, 1_000), "over 99 %");
        assert_eq!(percent(3, 3), "100 %");
        assert_eq!(money(1_234_567), "1.23");
        assert_eq!(money(49_000), "0.05");
        assert_eq!(money(4_900_000_000), "4900.00");
    }

    #[test]
    fn hours_are_those_of_the_settings_by_country() {
        let settings = Settings::load_from(None, Default::default()).unwrap();
        let rules = Rules::new(&settings).unwrap();
        let countries = ["DE", "FR", "RE"].map(str::to_owned).into();
        assert_eq!(
            hours(&rules, Route::from(Channel::Sms), &countries),
            (
                vec![
                    "FR, RE: Mon-Fri 08:00-20:00, Sat 10:00-18:00, not on public holidays"
                        .to_owned(),
                    "DE: Mon-Sat 08:00-20:00, not on public holidays".to_owned(),
                ],
                Vec::new()
            )
        );
    }
}
