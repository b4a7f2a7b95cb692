//! `/campaigns/{name}/schedule`: by which way, from whom, about what, when and how fast.

use std::borrow::Cow;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::form::{Reader, shown, ticked};
use super::step::StepForm;
use super::when::{self, Repeat};
use super::{Choice, Given, Head};
use crate::campaigns::cron;
use crate::campaigns::definition::{Definition, Missed, Schedule, Zone};
use crate::campaigns::drafts::{Draft, Step};
use crate::campaigns::plan::lies_behind;
use crate::consent::model::Channel;
use crate::web::console::Visit;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// The orders of channels there are.
const WAYS: [(&str, &[Channel]); 4] = [
    ("email", &[Channel::Email]),
    ("sms", &[Channel::Sms]),
    ("email,sms", &[Channel::Email, Channel::Sms]),
    ("sms,email", &[Channel::Sms, Channel::Email]),
];

/// Zones that are offered by name; any other may be written.
const ZONES: [&str; 16] = [
    "Europe/Paris",
    "Europe/Brussels",
    "Europe/Zurich",
    "Europe/Luxembourg",
    "Europe/Berlin",
    "Europe/Madrid",
    "Europe/Rome",
    "Europe/London",
    "Indian/Reunion",
    "America/Martinique",
    "America/Cayenne",
    "Pacific/Noumea",
    "America/Montreal",
    "America/New_York",
    "America/Los_Angeles",
    "UTC",
];

/// The step as its fields show it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    way: String,
    topic: String,
    sender_name: String,
    sender_address: String,
    reply_to: String,
    postal_address: String,
    sender_sms: String,
    /// `now`, `at` or `every`.
    when: String,
    at_day: String,
    at_time: String,
    /// `recipient` or `fixed`.
    whose: String,
    zone: String,
    fallback_zone: String,
    /// `daily`, `workdays`, `weekly`, `monthly` or `cron`.
    repeat: String,
    repeat_weekday: String,
    repeat_day: String,
    repeat_time: String,
    cron: String,
    #[serde(deserialize_with = "ticked")]
    skip_missed: bool,
    ends_day: String,
    ends_time: String,
    rate: String,
    relay: String,
    provider: String,
    priority: String,
}

impl StepForm for Form {
    const STEP: Step = Step::Schedule;
    const PAGE: &'static str = "campaign_schedule";

    type View = View;

    fn of(plan: &Definition) -> Self {
        let way = WAYS.iter().find(|(_, way)| *way == plan.channels());
        let schedule = plan.schedule.as_ref();
        let at = schedule.and_then(|schedule| schedule.at);
        let every = schedule.and_then(|schedule| schedule.every.clone());
        let (zone, whose) = match schedule.map(|schedule| schedule.zone) {
            Some(Zone::Named(zone)) => (zone, "fixed"),
            Some(Zone::Recipient) => (Tz::Europe__Paris, "recipient"),
            None => (Tz::Europe__Paris, "fixed"),
        };
        let day = |at: Option<NaiveDateTime>| {
            at.map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string())
        };
        let time = |at: Option<NaiveDateTime>| {
            at.map_or_else(String::new, |at| at.format("%H:%M").to_string())
        };
        let mut form = Self {
            way: way.map_or("email", |(name, _)| name).to_owned(),
            topic: plan.topic.clone(),
            sender_name: plan.sender.name.clone(),
            sender_address: plan.sender.address.clone(),
            reply_to: plan.sender.reply_to.clone().unwrap_or_default(),
            postal_address: plan.sender.postal_address.clone(),
            sender_sms: plan.sender.sms.clone().unwrap_or_default(),
            when: match (at, &every) {
                (Some(_), _) => "at",
                (None, Some(_)) => "every",
                (None, None) => "now",
            }
            .to_owned(),
            at_day: day(at),
            at_time: time(at),
            whose: whose.to_owned(),
            zone: zone.name().to_owned(),
            fallback_zone: schedule
                .map_or(Tz::Europe__Paris, |schedule| schedule.fallback_zone)
                .name()
                .to_owned(),
            repeat: "weekly".to_owned(),
            repeat_weekday: "1".to_owned(),
            repeat_day: "1".to_owned(),
            repeat_time: "09:30".to_owned(),
            skip_missed: schedule.is_some_and(|schedule| schedule.missed == Missed::Skip),
            ends_day: day(plan.ends_at),
            ends_time: time(plan.ends_at),
            rate: shown(plan.rate_per_second),
            relay: plan.relay.clone().unwrap_or_default(),
            provider: plan.provider.clone().unwrap_or_default(),
            priority: match plan.priority {
                0 => String::new(),
                priority => priority.to_string(),
            },
            ..Self::default()
        };
        if let Some(every) = every {
            form.repeats(&every);
        }
        form
    }

    fn given(given: &Given) -> Self {
        given.read()
    }

    fn judge(plan: &Definition, now: DateTime<Utc>, read: &mut Reader<'_>) {
        if lies_behind(plan, now) {
            let told = read.words.t(
                "This time lies behind us. Give one to come, or send it as soon as it is launched.",
            );
            read.fault("at_day", told);
        }
    }

    fn put(&self, plan: &mut Definition, read: &mut Reader<'_>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let way = WAYS.iter().find(|(name, _)| *name == self.way);
        let way = way.map_or(&[Channel::Email][..], |(_, way)| way);
        plan.channel = way.first().copied().unwrap_or(Channel::Email);
        plan.channels = if way.len() > 1 {
            way.to_vec()
        } else {
            Vec::new()
        };
        let by_sms = way.contains(&Channel::Sms);
        plan.topic.clone_from(&self.topic);
        plan.sender.name.clone_from(&self.sender_name);
        plan.sender.address.clone_from(&self.sender_address);
        plan.sender.reply_to = some(&self.reply_to);
        plan.sender.postal_address.clone_from(&self.postal_address);
        // What is about text messages stands in no plan that sends none.
        plan.sender.sms = some(&self.sender_sms).filter(|_| by_sms);
        plan.provider = some(&self.provider).filter(|_| by_sms);
        plan.relay = some(&self.relay);
        plan.rate_per_second = read.whole("rate", &self.rate);
        plan.priority = read.whole("priority", &self.priority).unwrap_or(0);
        plan.ends_at = self.moment(
            ("ends_day", &self.ends_day),
            ("ends_time", &self.ends_time),
            read,
        );
        plan.schedule = self.schedule(read);
    }

    async fn view(
        self,
        visit: &Visit,
        state: &State,
        draft: &Draft,
        head: Head,
        _query: &Given,
    ) -> Result<View, ApiError> {
        let words = visit.words();
        Ok(view(state, draft, head, self, words))
    }
}

impl Form {
    /// Puts a repetition into the fields.
    fn repeats(&mut self, every: &str) {
        every.clone_into(&mut self.cron);
        let Some((repeat, time)) = when::read(every) else {
            "cron".clone_into(&mut self.repeat);
            return;
        };
        self.repeat_time = time.format("%H:%M").to_string();
        match repeat {
            Repeat::Daily => "daily".clone_into(&mut self.repeat),
            Repeat::Workdays => "workdays".clone_into(&mut self.repeat),
            Repeat::Weekly(day) => {
                "weekly".clone_into(&mut self.repeat);
                self.repeat_weekday = day.to_string();
            }
            Repeat::Monthly(day) => {
                "monthly".clone_into(&mut self.repeat);
                self.repeat_day = day.to_string();
            }
        }
    }

    fn schedule(&self, read: &mut Reader<'_>) -> Option<Schedule> {
        if self.when != "at" && self.when != "every" {
            return None;
        }
        let problem = "Choose a time zone, such as Europe/Paris.";
        let zone = |field, text: &str, read: &mut Reader<'_>| {
            read.parsed(field, text, |text| Tz::from_str(text).ok(), problem)
                .unwrap_or(Tz::Europe__Paris)
        };
        let fixed = zone("zone", &self.zone, read);
        let fallback = zone("fallback_zone", &self.fallback_zone, read);
        let missed = match self.skip_missed {
            true => Missed::Skip,
            false => Missed::Launch,
        };
        if self.when == "at" {
            let at = self.moment(("at_day", &self.at_day), ("at_time", &self.at_time), read);
            if at.is_none() && read.faults.iter().all(|fault| fault.field != "at_day") {
                let problem = read.words.t("Give the day of the launch.");
                read.fault("at_day", problem);
            }
            let zone = match self.whose.as_str() {
                "recipient" => Zone::Recipient,
                _ => Zone::Named(fixed),
            };
            return at.map(|at| when::schedule(Some(at), None, zone, (fallback, missed)));
        }
        let every = self.every(read)?;
        let zone = Zone::Named(fixed);
        Some(when::schedule(None, Some(every), zone, (fallback, missed)))
    }

    fn every(&self, read: &mut Reader<'_>) -> Option<String> {
        if self.repeat == "cron" {
            if let Err(problem) = cron::parse(&self.cron) {
                read.fault("cron", problem);
                return None;
            }
            return Some(self.cron.clone());
        }
        let time = self.time("repeat_time", &self.repeat_time, read)?;
        let day = |text: &str| text.parse::<u8>().ok();
        let repeat = match self.repeat.as_str() {
            "daily" => Repeat::Daily,
            "workdays" => Repeat::Workdays,
            "monthly" => match day(&self.repeat_day).filter(|day| (1..=28).contains(day)) {
                Some(day) => Repeat::Monthly(day),
                None => {
                    let problem = read.words.t("Choose a day from 1 to 28.");
                    read.fault("repeat_day", problem);
                    return None;
                }
            },
            _ => Repeat::Weekly(
                day(&self.repeat_weekday)
                    .filter(|day| (1..=7).contains(day))
                    .unwrap_or(1),
            ),
        };
        Some(when::write(repeat, time))
    }

    fn time(&self, field: &'static str, text: &str, read: &mut Reader<'_>) -> Option<NaiveTime> {
        let text = if text.is_empty() { "09:30" } else { text };
        let time = |text: &str| {
            NaiveTime::parse_from_str(text, "%H:%M")
                .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
                .ok()
        };
        read.parsed(field, text, time, "Give a time, such as 09:30.")
    }

    /// A day with its time; none where no day is given.
    fn moment(
        &self,
        (day_field, day): (&'static str, &str),
        (time_field, time): (&'static str, &str),
        read: &mut Reader<'_>,
    ) -> Option<NaiveDateTime> {
        let day = read.parsed(
            day_field,
            day,
            |text| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok(),
            "Give a day, such as 2026-12-24.",
        )?;
        let time = self.time(time_field, time, read)?;
        Some(day.and_time(time))
    }
}

#[derive(Debug, Serialize)]
pub(super) struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    head: Head,
    form: Form,
    ways: Vec<Choice>,
    topics: Vec<Choice>,
    whens: Vec<Choice>,
    whose: Vec<Choice>,
    zones: Vec<Choice>,
    fallback_zones: Vec<Choice>,
    repeats: Vec<Choice>,
    weekdays: Vec<Choice>,
    relays: Vec<Choice>,
    providers: Vec<Choice>,
    has_routes: bool,
}

fn view(state: &State, draft: &Draft, head: Head, form: Form, words: &Words) -> View {
    let settings = &state.settings;
    let mut topics = vec![Choice::new("", words.t("Choose a topic"), &form.topic)];
    let known = settings.permission.topics.iter();
    topics.extend(known.map(|topic| {
        let title = crate::config::in_language(&topic.title, words.language().code());
        Choice::new(&topic.name, title, &form.topic)
    }));
    if !topics.iter().any(|topic| topic.is_chosen) {
        topics.push(Choice::new(&form.topic, form.topic.as_str(), &form.topic));
    }
    let routes = |names: Vec<&str>, chosen: &str| {
        let mut choices = vec![Choice::new("", words.t("The usual one"), chosen)];
        choices.extend(
            names
                .into_iter()
                .map(|name| Choice::new(name, name, chosen)),
        );
        choices
    };
    let relays: Vec<&str> = settings.email.relays.keys().map(String::as_str).collect();
    let providers: Vec<&str> = settings.sms.providers.keys().map(String::as_str).collect();
    let zones = |chosen: &str| {
        let mut zones: Vec<Choice> = ZONES
            .iter()
            .map(|zone| Choice::new(zone, *zone, chosen))
            .collect();
        if !zones.iter().any(|zone| zone.is_chosen) {
            zones.push(Choice::new(chosen, chosen, chosen));
        }
        zones
    };
    View {
        title: draft.name.clone(),
        section: "campaigns",
        script: "/assets/campaigns.js",
        ways: [
            ("email", words.t("By email")),
            ("sms", words.t("By text message")),
            ("email,sms", words.t("By email, else by text message")),
            ("sms,email", words.t("By text message, else by email")),
        ]
        .map(|(value, title)| Choice::new(value, title, &form.way))
        .into(),
        topics,
        whens: [
            ("now", words.t("As soon as it is launched")),
            ("at", words.t("At a time")),
            ("every", words.t("Again and again")),
        ]
        .map(|(value, title)| Choice::new(value, title, &form.when))
        .into(),
        whose: [
            ("fixed", words.t("The same instant for everyone")),
            ("recipient", words.t("Each recipient's own time")),
        ]
        .map(|(value, title)| Choice::new(value, title, &form.whose))
        .into(),
        zones: zones(&form.zone),
        fallback_zones: zones(&form.fallback_zone),
        repeats: [
            ("daily", words.t("Every day")),
            ("workdays", words.t("From Monday to Friday")),
            ("weekly", words.t("Every week")),
            ("monthly", words.t("Every month")),
            ("cron", words.t("As a cron expression says")),
        ]
        .map(|(value, title)| Choice::new(value, title, &form.repeat))
        .into(),
        weekdays: (1..=7)
            .map(|day: u8| {
                let title: Cow<'_, str> = when::weekday(day, words).into();
                Choice::new(&day.to_string(), title, &form.repeat_weekday)
            })
            .collect(),
        has_routes: !relays.is_empty() || providers.len() > 1,
        relays: routes(relays, &form.relay),
        providers: routes(providers, &form.provider),
        head,
        form,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaigns::drafts::model::blank;
    use crate::web::public::words::Language;

    #[test]
    fn the_fields_hold_a_plan_and_give_it_back() {
        let words = Words::new(Language::English, "EUR", Tz::UTC);
        let mut plan = blank("spring");
        plan.channel = Channel::Sms;
        plan.channels = vec![Channel::Sms, Channel::Email];
        plan.topic = "offers".to_owned();
        plan.sender.name = "Shop".to_owned();
        plan.sender.address = "shop@example.org".to_owned();
        plan.sender.postal_address = "1, rue".to_owned();
        plan.sender.sms = Some("Shop".to_owned());
        plan.rate_per_second = Some(20);
        for schedule in [
            None,
            Some(when::schedule(
                NaiveDateTime::parse_from_str("2026-12-01T09:30", "%Y-%m-%dT%H:%M").ok(),
                None,
                Zone::Recipient,
                (Tz::Europe__Berlin, Missed::Skip),
            )),
            Some(when::schedule(
                None,
                Some("30 9 * * 1".to_owned()),
                Zone::Named(Tz::Europe__Paris),
                (Tz::Europe__Paris, Missed::Launch),
            )),
            Some(when::schedule(
                None,
                Some("*/30 8-18 * * *".to_owned()),
                Zone::Named(Tz::UTC),
                (Tz::Europe__Paris, Missed::Launch),
            )),
        ] {
            plan.schedule = schedule;
            let mut back = blank("spring");
            let mut read = Reader::new(&words);
            Form::of(&plan).put(&mut back, &mut read);
            assert_eq!(read.faults, []);
            assert_eq!(back, plan);
        }
    }

    #[test]
    fn a_time_without_a_day_is_told() {
        let words = Words::new(Language::English, "EUR", Tz::UTC);
        let mut form = Form::of(&blank("spring"));
        form.when = "at".to_owned();
        let mut read = Reader::new(&words);
        form.put(&mut blank("spring"), &mut read);
        assert!(read.faults.iter().any(|fault| fault.field == "at_day"));
        form.at_day = "tomorrow".to_owned();
        let mut read = Reader::new(&words);
        form.put(&mut blank("spring"), &mut read);
        assert_eq!(read.faults.len(), 1, "{:?}", read.faults);
    }
}
