//! What a person may choose, what he chose, and what follows, without I/O.

use std::collections::BTreeSet;

use chrono::{Months, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::consent::model::{Channel, Tracking};
use crate::ids::CustomerId;

/// The languages one may choose: those in which our pages speak.
pub const LANGUAGES: [&str; 4] = ["en", "fr", "de", "es"];

/// The months of a pause one may choose without giving a day.
pub const PAUSES: [u32; 3] = [1, 3, 6];

/// How often at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// As we write.
    Any,
    Weekly,
    Fortnightly,
    Monthly,
}

impl Frequency {
    pub const ALL: [Self; 4] = [Self::Any, Self::Weekly, Self::Fortnightly, Self::Monthly];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Weekly => "weekly",
            Self::Fortnightly => "fortnightly",
            Self::Monthly => "monthly",
        }
    }

    /// Days between two messages at least, as the database keeps them.
    pub fn days(self) -> Option<i64> {
        match self {
            Self::Any => None,
            Self::Weekly => Some(7),
            Self::Fortnightly => Some(14),
            Self::Monthly => Some(30),
        }
    }

    /// The choice that comes nearest to a number of days without being more frequent.
    pub fn from_days(days: Option<i64>) -> Self {
        match days {
            None | Some(..=0) => Self::Any,
            Some(1..=7) => Self::Weekly,
            Some(8..=14) => Self::Fortnightly,
            Some(_) => Self::Monthly,
        }
    }

    fn from_field(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// What stands for one topic on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub channel: Channel,
    pub topic: String,
    /// Whether he gets messages about it: granted, not suppressed, not expired.
    pub is_on: bool,
    /// Whether a yes can be given on the page: the topic is offered on consent, and there is an address. A
    /// yes to text messages has to come by text message.
    pub can_grant: bool,
    /// What decides, 0 when nothing is on record.
    pub evidence_id: i64,
}

impl Choice {
    /// Its field in the form.
    pub fn field(&self) -> String {
        format!("{}:{}", self.channel, self.topic)
    }
}

/// What stands for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    pub customer: CustomerId,
    pub email: Option<String>,
    /// Whether there is a mailbox to which a link can be sent.
    pub has_mailbox: bool,
    pub phone: Option<String>,
    /// ISO 639-1; not always one of [`LANGUAGES`].
    pub language: String,
    pub tracking: Tracking,
    pub frequency: Frequency,
    /// The first day in his zone on which he may get messages again.
    pub paused_until: Option<NaiveDate>,
    pub zone: Tz,
    /// Of the topics offered and of those he has, email first.
    pub choices: Vec<Choice>,
}

impl Preferences {
    /// What the form is shown with.
    pub fn shown(&self) -> Shown {
        let fields = |is_on| {
            let choices = self.choices.iter().filter(move |one| one.is_on == is_on);
            choices.map(Choice::field).collect()
        };
        Shown {
            on: fields(true),
            off: fields(false),
            language: self.language.clone(),
            may_track: self.tracking == Tracking::Full,
            frequency: self.frequency,
            paused_until: self.paused_until,
        }
    }

    /// What a form is sealed with: what it is shown with and the evidence behind, so that one opened before
    /// another change is known even when that change was taken back.
    pub fn seal(&self) -> Vec<u8> {
        let evidence: Vec<i64> = self.choices.iter().map(|one| one.evidence_id).collect();
        // Longer than the message of any token, so that one cannot stand for the other.
        let sealed = serde_json::json!(["preferences form", self.customer, self.shown(), evidence]);
        sealed.to_string().into_bytes()
    }

    pub fn choice(&self, channel: Channel, topic: &str) -> Option<&Choice> {
        self.choices
            .iter()
            .find(|one| one.channel == channel && one.topic == topic)
    }
}

/// What a form was shown with: it comes back with the form, and only what differs is what he changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub on: BTreeSet<String>,
    pub off: BTreeSet<String>,
    pub language: String,
    pub may_track: bool,
    pub frequency: Frequency,
    pub paused_until: Option<NaiveDate>,
}

/// What a form asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// `None` when it did not say, or nothing that can be read: then nobody knows what he changed.
    pub shown: Option<Shown>,
    /// MAC of [`Preferences::seal`], base64url.
    pub seal: String,
    pub ticked: BTreeSet<String>,
    pub language: String,
    pub may_track: bool,
    pub frequency: Option<Frequency>,
    pub pause: Pause,
}

/// What a form says about a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// As it is.
    Keep,
    /// None, or no longer.
    Off,
    /// Until this day.
    Until(NaiveDate),
    /// A day was to be given, and none after today was.
    Unreadable,
}

impl Wishes {
    /// Reads the fields of a form sent on `today` (in the person's zone). Whatever it holds, it is read.
    pub fn read(fields: &[(String, String)], today: NaiveDate) -> Self {
        let field = |name: &str| {
            let field = fields.iter().find(|(known, _)| known == name);
            field.map_or("", |(_, value)| value.trim())
        };
        Self {
            shown: serde_json::from_str(field("shown")).ok(),
            seal: field("seal").to_owned(),
            ticked: fields
                .iter()
                .filter(|(name, _)| name == "topic")
                .map(|(_, value)| value.clone())
                .collect(),
            language: field("language").to_owned(),
            may_track: field("tracking") == "full",
            frequency: Frequency::from_field(field("frequency")),
            pause: pause(field("pause"), field("pause_until"), today),
        }
    }
}

fn pause(choice: &str, day: &str, today: NaiveDate) -> Pause {
    let months = PAUSES
        .into_iter()
        .find(|months| months.to_string() == choice);
    if let Some(months) = months {
        return today
            .checked_add_months(Months::new(months))
            .map_or(Pause::Unreadable, Pause::Until);
    }
    match (choice, day.is_empty()) {
        ("date", _) | (_, false) => NaiveDate::parse_from_str(day, "%Y-%m-%d")
            .ok()
            .filter(|day| *day > today && chrono::Datelike::year(day) <= 9999)
            .map_or(Pause::Unreadable, Pause::Until),
        ("off", _) => Pause::Off,
        _ => Pause::Keep,
    }
}

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Grant {
        channel: Channel,
        topic: String,
    },
    Withdraw {
        channel: Channel,
        topic: String,
    },
    Language(String),
    Tracking(Tracking),
    Frequency(Frequency),
    Pause(Option<NaiveDate>),
    /// No advertising any more, on any channel.
    Stop,
}

/// What follows from a form: only what he changed, and of a form that was not shown with what stands now
/// (`is_fresh`), only what asks for less. The second tells whether something was held back for that.
pub fn changes(now: &Preferences, wishes: &Wishes, is_fresh: bool) -> (Vec<Change>, bool) {
    let Some(shown) = &wishes.shown else {
        return (Vec::new(), true);
    };
    let mut changes = Vec::new();
    let mut is_held_back = false;
    let mut more = |change: Change, changes: &mut Vec<Change>| {
        if is_fresh {
            changes.push(change);
        } else {
            is_held_back = true;
        }
    };
    for choice in &now.choices {
        let (channel, topic) = (choice.channel, choice.topic.clone());
        let field = choice.field();
        let is_ticked = wishes.ticked.contains(&field);
        if shown.on.contains(&field) && !is_ticked && choice.is_on {
            changes.push(Change::Withdraw { channel, topic });
        } else if shown.off.contains(&field) && is_ticked && !choice.is_on && choice.can_grant {
            more(Change::Grant { channel, topic }, &mut changes);
        }
    }
    if let Some(frequency) = wishes.frequency
        && frequency != shown.frequency
        && frequency != now.frequency
    {
        if frequency > now.frequency {
            changes.push(Change::Frequency(frequency));
        } else {
            more(Change::Frequency(frequency), &mut changes);
        }
    }
    match wishes.pause {
        Pause::Until(day) if now.paused_until.is_none_or(|until| until < day) => {
            changes.push(Change::Pause(Some(day)));
        }
        Pause::Until(day) if now.paused_until != Some(day) => {
            more(Change::Pause(Some(day)), &mut changes);
        }
        Pause::Off if shown.paused_until.is_some() && now.paused_until.is_some() => {
            more(Change::Pause(None), &mut changes);
        }
        _ => {}
    }
    let is_spoken = LANGUAGES.contains(&wishes.language.as_str());
    if is_spoken && wishes.language != shown.language && wishes.language != now.language {
        changes.push(Change::Language(wishes.language.clone()));
    }
    let is_tracked = now.tracking == Tracking::Full;
    if shown.may_track && !wishes.may_track && is_tracked {
        changes.push(Change::Tracking(Tracking::None));
    }
    if !shown.may_track && wishes.may_track && !is_tracked {
        more(Change::Tracking(Tracking::Full), &mut changes);
    }
    (changes, is_held_back)
}

/// An address that its owner recognises and nobody else learns: `c•••@e•••.org`.
pub fn masked_email(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    match domain.rsplit_once('.') {
        Some((name, end)) => format!("{}•••@{}•••.{end}", first(local), first(name)),
        None => format!("{}•••", first(local)),
    }
}

/// A number of which the last two digits are shown.
pub fn masked_phone(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let last: String = digits.iter().skip(digits.len().saturating_sub(2)).collect();
    format!("••• {last}")
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
