//! `/settings/rules`: the rules in force, readably, and the key of the settings by which each is changed.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::config::{
    LevelSettings, PressureSettings, QuietHoursSettings, Rotation, WindowKind, in_language,
};
use crate::consent::ladder::Level;
use crate::consent::model::Basis;
use crate::web::console::Visit;
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    parts: Vec<Part<'a>>,
}

/// Some rules that are changed in one place.
#[derive(Debug, Serialize)]
struct Part<'a> {
    title: &'a str,
    /// The table of the settings file.
    key: &'static str,
    rules: Vec<Rule>,
    /// What holds where there is none.
    none: &'a str,
}

#[derive(Debug, Serialize)]
struct Rule {
    name: String,
    says: String,
}

fn rule(name: impl Into<String>, says: impl Into<String>) -> Rule {
    Rule {
        name: name.into(),
        says: says.into(),
    }
}

/// The page.
pub(super) async fn page(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let view = View {
        title: words.t("Rules"),
        section: "settings",
        tab: "rules",
        parts: vec![
            topics(&state, words),
            pressure(&state, words),
            hours(&state, words),
            holidays(&state, words),
            levels(&state, words),
            windows(&state, words),
            control(&state, words),
            kept(&state, words),
        ],
    };
    visit.answer(&state, "settings_rules", &view)
}

fn days(count: u32, words: &Words) -> String {
    words.counted(u64::from(count), "{n} day", "{n} days")
}

/// Days, of which none means without end.
fn held(count: u32, words: &Words) -> String {
    match count {
        0 => words.t("without end").to_owned(),
        count => words.fill(
            "{days} after the last act of the person",
            &[("days", days(count, words))],
        ),
    }
}

/// A channel as people call it.
fn channel<'a>(word: &'a str, words: &'a Words) -> &'a str {
    match word {
        "email" => words.t("email"),
        "sms" => words.t("SMS"),
        other => other,
    }
}

/// A legal basis as people call it.
fn basis<'a>(word: &'a str, words: &'a Words) -> &'a str {
    match Basis::ALL.into_iter().find(|basis| basis.as_str() == word) {
        Some(Basis::Consent) => words.t("consent"),
        Some(Basis::SoftOptIn) => words.t("existing customer (similar products)"),
        Some(Basis::B2bLegitimateInterest) => words.t("business interest (B2B)"),
        Some(Basis::Contract) => words.t("contract"),
        None => word,
    }
}

fn topics<'a>(state: &State, words: &'a Words) -> Part<'a> {
    let topics = &state.settings.permission.topics;
    Part {
        title: words.t("Topics"),
        key: "[[permission.topics]]",
        rules: topics
            .iter()
            .map(|topic| {
                let bases: Vec<&str> = topic.bases.iter().map(|word| basis(word, words)).collect();
                rule(
                    format!(
                        "{} ({})",
                        in_language(&topic.title, words.language().code()),
                        topic.name
                    ),
                    words.fill("allowed on: {bases}", &[("bases", bases.join(", "))]),
                )
            })
            .collect(),
        none: words.t("No topic is offered on the forms."),
    }
}

fn pressure<'a>(state: &State, words: &'a Words) -> Part<'a> {
    Part {
        title: words.t("Contact pressure"),
        key: "[[pressure]]",
        rules: state
            .settings
            .pressure
            .iter()
            .map(|cap| rule(cap_title(cap, words), cap_span(cap, words)))
            .collect(),
        none: words.t("No cap beyond those of the rungs."),
    }
}

fn cap_title(cap: &PressureSettings, words: &Words) -> String {
    let max = words.counted(
        u64::from(cap.max),
        "at most {n} message",
        "at most {n} messages",
    );
    let mut parts = vec![max];
    if let Some(word) = &cap.channel {
        parts.push(words.fill("by {channel}", &[("channel", channel(word, words))]));
    }
    if let Some(topic) = &cap.topic {
        parts.push(words.fill("about {topic}", &[("topic", topic.as_str())]));
    }
    parts.join(" ")
}

fn cap_span(cap: &PressureSettings, words: &Words) -> String {
    let span = [("days", days(cap.days, words))];
    match (cap.window, cap.days) {
        (WindowKind::Calendar, 1) => words.t("on one day of the recipient").to_owned(),
        (WindowKind::Calendar, _) => words.fill("in {days} of the calendar", &span),
        (WindowKind::Sliding, 1) => words.t("in any 24 hours").to_owned(),
        (WindowKind::Sliding, _) => words.fill("in any {days}", &span),
    }
}

fn hours<'a>(state: &State, words: &'a Words) -> Part<'a> {
    Part {
        title: words.t("When messages may go"),
        key: "[[quiet_hours]]",
        rules: state
            .settings
            .quiet_hours
            .iter()
            .map(|hours| rule(hours_of(hours, words), spans(hours, words)))
            .collect(),
        none: words
            .t("At any hour; text messages in France never at night, on Sundays or holidays."),
    }
}

fn hours_of(hours: &QuietHoursSettings, words: &Words) -> String {
    let country = hours
        .country
        .as_deref()
        .unwrap_or_else(|| words.t("other countries"));
    let of = format!("{}, {country}", channel(&hours.channel, words));
    match &hours.provider {
        Some(provider) => words.fill(
            "{of}, through {provider}",
            &[("of", of.as_str()), ("provider", provider)],
        ),
        None => of,
    }
}

/// `Mon-Fri 08:00-20:00` with the days in the reader's language.
fn spans(hours: &QuietHoursSettings, words: &Words) -> String {
    let spoken: Vec<String> = hours
        .allowed
        .iter()
        .map(|span| {
            let (days, times) = span.split_once(' ').unwrap_or((span, ""));
            let days: Vec<&str> = days.split('-').map(|day| weekday(day, words)).collect();
            format!("{} {}", days.join("–"), times.replace('-', "–"))
        })
        .collect();
    let spoken = spoken.join(", ");
    if hours.holidays_are_quiet {
        words.fill("{hours}; not on public holidays", &[("hours", spoken)])
    } else {
        spoken
    }
}

fn weekday<'a>(word: &'a str, words: &'a Words) -> &'a str {
    match word {
        "Mon" => words.t("Mon"),
        "Tue" => words.t("Tue"),
        "Wed" => words.t("Wed"),
        "Thu" => words.t("Thu"),
        "Fri" => words.t("Fri"),
        "Sat" => words.t("Sat"),
        "Sun" => words.t("Sun"),
        other => other,
    }
}

fn holidays<'a>(state: &State, words: &'a Words) -> Part<'a> {
    Part {
        title: words.t("Holidays of your own"),
        key: "[holidays]",
        rules: state
            .settings
            .holidays
            .iter()
            .map(|(country, listed)| rule(country, listed.join(", ")))
            .collect(),
        none: words.t("Only the public ones."),
    }
}

fn levels<'a>(state: &State, words: &'a Words) -> Part<'a> {
    let levels = &state.settings.permission.levels;
    let all = [
        (Level::Situational, &levels.situational),
        (Level::BrandTrust, &levels.brand_trust),
        (Level::PersonalRelationship, &levels.personal_relationship),
        (Level::Points, &levels.points),
        (Level::Intravenous, &levels.intravenous),
    ];
    Part {
        title: words.t("Rungs of the permission ladder"),
        key: "[permission.levels.NAME]",
        rules: all
            .into_iter()
            .map(|(level, settings)| rule(words.t(level.title()), level_says(settings, words)))
            .collect(),
        none: "",
    }
}

fn level_says(level: &LevelSettings, words: &Words) -> String {
    let channels: Vec<&str> = level
        .channels
        .iter()
        .map(|word| channel(word, words))
        .collect();
    let often = match level.contacts_per_week {
        0 => words.t("as often as agreed").to_owned(),
        n => words.counted(
            u64::from(n),
            "at most {n} message a week",
            "at most {n} messages a week",
        ),
    };
    let holds = words.fill("holds {time}", &[("time", held(level.holds_days, words))]);
    [channels.join(", "), often, holds].join(", ")
}

fn windows<'a>(state: &State, words: &'a Words) -> Part<'a> {
    let permission = &state.settings.permission;
    let bases = [
        (Basis::Consent, permission.consent_days),
        (Basis::SoftOptIn, permission.soft_opt_in_days),
        (Basis::B2bLegitimateInterest, permission.b2b_days),
        (Basis::Contract, permission.contract_days),
    ];
    Part {
        title: words.t("How long a permission holds"),
        key: "[permission]",
        rules: bases
            .into_iter()
            .map(|(of, days)| rule(basis(of.as_str(), words), held(days, words)))
            .collect(),
        none: "",
    }
}

fn control<'a>(state: &State, words: &'a Words) -> Part<'a> {
    let control = &state.settings.control;
    let rotates = match control.rotates {
        Rotation::Monthly => words.t("drawn anew each month"),
        Rotation::Quarterly => words.t("drawn anew each quarter"),
        Rotation::Yearly => words.t("drawn anew each year"),
        Rotation::Never => words.t("always the same people"),
    };
    let rules = match control.percent {
        0 => Vec::new(),
        percent => vec![rule(
            words.fill(
                "{share} of the base",
                &[("share", words.percent(Some(f64::from(percent) / 100.0)))],
            ),
            rotates,
        )],
    };
    Part {
        title: words.t("Standing control group"),
        key: "[control]",
        rules,
        none: words.t("There is none."),
    }
}

fn kept<'a>(state: &State, words: &'a Words) -> Part<'a> {
    let settings = &state.settings;
    let retention = &settings.retention;
    let people = [
        ("after", days(retention.days, words)),
        ("answer", days(retention.answer_days, words)),
    ];
    let people = if retention.act {
        words.fill(
            "asked once more {after} after their last act, deleted {answer} later",
            &people,
        )
    } else {
        words.fill(
            "reported {after} after their last act; nothing is deleted by itself",
            &people,
        )
    };
    let ledger = match settings.delivery.keep_days {
        0 => words.t("for ever").to_owned(),
        kept => days(kept, words),
    };
    Part {
        title: words.t("What is kept, and for how long"),
        key: "[retention], [delivery] keep_days, [inbound] keep_days",
        rules: vec![
            rule(words.t("People who give no sign"), people),
            rule(words.t("The ledger of a wave"), ledger),
            rule(
                words.t("Mail that came in"),
                days(settings.inbound.keep_days, words),
            ),
        ],
        none: "",
    }
}
