//! What a campaign is made of: the TOML file, the API and the console all give this.

use std::path::Path;
use std::str::FromStr;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

pub use super::cells::{Cell, Metric, Test};
use super::model::{Goal, Windows};
pub use super::offer::{Costs, Offer};
use super::{cells, schedule};
use crate::config::SenderId;
use crate::consent::ladder::{Level, OfferKind};
use crate::consent::model::Channel;
use crate::gate::model::Request;
use crate::statistics::Sentence;

/// A campaign's plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// A rule of the segment language.
    pub segment: String,
    /// The name of a template folder.
    pub template: String,
    /// The first of its channels.
    #[serde(default = "email")]
    pub channel: Channel,
    /// Several channels in order: each person gets the first that he allows and can receive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// What the permission must be about, such as "offers".
    pub topic: String,
    pub sender: Sender,
    /// None: launched by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Messages per second at most; none: as fast as the channel goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u32>,
    /// The relay it goes through; none: the one that lists its sender's domain, or the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// The SMS provider it goes through; none: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Percent of the eligible held back at random, to measure what the campaign causes.
    #[serde(default)]
    pub control_percent: u8,
    #[serde(default)]
    pub goal: Goal,
    /// Days after the hand-over in which a response counts.
    #[serde(default = "fourteen")]
    pub window_days: u32,
    /// The same for single kinds of response.
    #[serde(default, skip_serializing_if = "Windows::is_empty")]
    pub windows: Windows,
    /// The rung of the permission ladder it needs.
    #[serde(default)]
    pub level: Level,
    /// What it proposes; the rung must allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_kind: Option<OfferKind>,
    /// Who goes first where the caps do not leave room for all campaigns: −100 to 100.
    #[serde(default)]
    pub priority: i64,
    /// Local date-time in the schedule's zone from which nothing is handed over any more.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "local_date_time",
        serialize_with = "print_local_date_time"
    )]
    #[schema(value_type = Option<String>, example = "2026-12-20T18:00")]
    pub ends_at: Option<NaiveDateTime>,
    /// One message a household.
    #[serde(default)]
    pub per_household: bool,
    /// Whether the standing control group is left out; `false` for what everyone must get.
    #[serde(default = "yes")]
    pub global_control: bool,
    /// What it proposes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
    /// The arms of a test; none: everyone gets the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Cell>,
    /// How it is decided between the cells; none: by people, from the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<Costs>,
    /// Percent of the delivered who are expected to respond; none: as earlier waves like it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_response_percent: Option<f64>,
}

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    pub name: String,
    /// Of its emails; a campaign by SMS alone needs none.
    #[serde(default)]
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Stands in the foot of every email: a sender may not hide (CPCE L34-5, CAN-SPAM).
    #[serde(default)]
    pub postal_address: String,
    /// Of its text messages: a short code, a number, or a name of at most 11 characters; none: that of the
    /// provider's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<String>,
}

/// When a campaign is launched: `at` one date-time or `every` time a cron expression says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Local date-time, `2026-12-01T09:30`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "local_date_time",
        serialize_with = "print_local_date_time"
    )]
    #[schema(value_type = Option<String>, example = "2026-12-01T09:30")]
    pub at: Option<NaiveDateTime>,
    /// Five fields: minute hour day month weekday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// An IANA zone, or `"recipient"`: each recipient's own (with `at` only).
    #[schema(value_type = String, example = "Europe/Paris")]
    pub zone: Zone,
    /// The zone of recipients who have none.
    #[serde(default = "paris")]
    #[schema(value_type = String, example = "Europe/Paris")]
    pub fallback_zone: Tz,
    /// What to do with a due time that passed while nothing ran.
    #[serde(default)]
    pub missed: Missed,
}

/// Whose clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    Recipient,
    Named(Tz),
}

/// What to do with a due time that passed more than ten minutes ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Launch late, once.
    #[default]
    Launch,
    /// Leave it out.
    Skip,
}

fn no_time() -> Sentence {
    Sentence::new("has neither at nor every; give one, or leave [schedule] out and launch by hand")
}

/// Why a definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("cannot read {path}: {cause}")]
    Read { path: String, cause: std::io::Error },
    #[error("{path}: {message}")]
    Toml { path: String, message: String },
    #[error("{path}: {key}: {problem}")]
    Key {
        path: String,
        key: &'static str,
        problem: Sentence,
    },
}

impl Definition {
    /// Reads a definition file.
    ///
    /// # Errors
    /// Names the file and the line or key, and what to do.
    pub fn load(path: &Path) -> Result<Self, DefinitionError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|cause| DefinitionError::Read {
            path: name.clone(),
            cause,
        })?;
        Self::parse(&text, &name)
    }

    /// Reads a definition from TOML; `path` is named in errors.
    ///
    /// # Errors
    /// As [`Definition::load`].
    pub fn parse(text: &str, path: &str) -> Result<Self, DefinitionError> {
        // Before the keys are read: an empty one would only be told to have no zone.
        if let Ok(table) = text.parse::<toml::Table>()
            && let Some(schedule) = table.get("schedule").and_then(toml::Value::as_table)
            && !schedule.contains_key("at")
            && !schedule.contains_key("every")
        {
            return Err(DefinitionError::Key {
                path: path.to_owned(),
                key: "schedule",
                problem: no_time(),
            });
        }
        let definition: Self = toml::from_str(text).map_err(|error| DefinitionError::Toml {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        definition.completed(path)
    }

    /// What was read by other means than [`Definition::parse`], checked as that does; `path` is named in errors.
    ///
    /// # Errors
    /// Names the key and what to do.
    pub fn completed(self, path: &str) -> Result<Self, DefinitionError> {
        let mut definition = self;
        if let Some(first) = definition.channels.first() {
            definition.channel = *first;
        }
        definition
            .validate()
            .map_err(|(key, problem)| DefinitionError::Key {
                path: path.to_owned(),
                key,
                problem,
            })?;
        Ok(definition)
    }

    /// The zone of recipients who have none.
    pub fn fallback_zone(&self) -> Tz {
        match &self.schedule {
            Some(Schedule {
                zone: Zone::Named(zone),
                ..
            }) => *zone,
            Some(schedule) => schedule.fallback_zone,
            None => paris(),
        }
    }

    /// What a cell proposes: its own offer, or the campaign's.
    pub fn offer_of(&self, cell: &str) -> Option<&Offer> {
        let own = self.cells.iter().find(|one| one.name == cell);
        own.and_then(|cell| cell.offer.as_ref())
            .or(self.offer.as_ref())
    }

    /// The template of a cell: its own, or the campaign's.
    pub fn template_of(&self, cell: &str) -> &str {
        let own = self.cells.iter().find(|one| one.name == cell);
        own.and_then(|cell| cell.template.as_deref())
            .unwrap_or(&self.template)
    }

    /// The names of the templates it uses, its own first.
    pub fn templates(&self) -> Vec<&str> {
        let mut names = vec![self.template.as_str()];
        for name in self
            .cells
            .iter()
            .filter_map(|cell| cell.template.as_deref())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Whether its schedule launches it again and again.
    pub fn is_recurring(&self) -> bool {
        self.schedule
            .as_ref()
            .is_some_and(|schedule| schedule.every.is_some())
    }

    /// Its channels in order.
    pub fn channels(&self) -> &[Channel] {
        if self.channels.is_empty() {
            std::slice::from_ref(&self.channel)
        } else {
            &self.channels
        }
    }

    /// What it asks of the gate for each of its channels, in their order.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.channels().iter();
        requests.map(|channel| self.request(*channel)).collect()
    }

    /// What it asks of the gate for those it writes to by a channel.
    pub fn request(&self, channel: Channel) -> Request {
        let fallback_zone = self.fallback_zone();
        Request {
            channel,
            provider: self.provider.clone().filter(|_| channel == Channel::Sms),
            topic: self.topic.clone(),
            level: self.level,
            priority: self.priority,
            fallback_zone,
            per_household: self.per_household,
            ends_at: self
                .ends_at
                .map(|end| schedule::instant(end, fallback_zone).timestamp_millis()),
        }
    }

    /// What the types cannot say; the key and the problem.
    pub(super) fn validate(&self) -> Result<(), (&'static str, Sentence)> {
        let is_slug = |text: &str| {
            !text.is_empty()
                && text.len() <= 60
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
        };
        for (key, text) in [
            ("name", &self.name),
            ("topic", &self.topic),
            ("template", &self.template),
        ] {
            if !is_slug(text) {
                return Err((
                    key,
                    Sentence::new("{text} must be 1 to 60 lower-case letters, digits, - or _")
                        .with("text", format!("{text:?}")),
                ));
            }
        }
        if self.name == "new" {
            return Err((
                "name",
                "\"new\" is the address of the page where a campaign begins; give it another"
                    .into(),
            ));
        }
        if self.control_percent > 90 {
            return Err((
                "control_percent",
                Sentence::new("{n} is too much; at most 90").named("n", self.control_percent),
            ));
        }
        if self.rate_per_second == Some(0) {
            return Err((
                "rate_per_second",
                Sentence::new("must be at least 1; to stop a campaign, pause it"),
            ));
        }
        if !(1..=365).contains(&self.window_days) {
            return Err(("window_days", Sentence::new("must be between 1 and 365")));
        }
        if self.windows.days().any(|days| !(1..=365).contains(&days)) {
            return Err((
                "windows",
                Sentence::new("each must be between 1 and 365 days"),
            ));
        }
        let by_email = self.channels().contains(&Channel::Email);
        for (key, text) in [
            ("sender.name", &self.sender.name),
            ("sender.postal_address", &self.sender.postal_address),
        ] {
            if !by_email && key != "sender.name" && text.is_empty() {
                continue;
            }
            if text.trim().is_empty() || text.chars().any(char::is_control) || text.len() > 300 {
                return Err((
                    key,
                    Sentence::new("must be one line of text, of at most 300 bytes"),
                ));
            }
        }
        let addresses = [
            (
                "sender.address",
                Some(&self.sender.address).filter(|address| by_email || !address.is_empty()),
            ),
            ("sender.reply_to", self.sender.reply_to.as_ref()),
        ];
        for (key, address) in addresses {
            if let Some(address) = address
                && lettre::Address::from_str(address).is_err()
            {
                return Err((
                    key,
                    Sentence::new("{address} is not an email address")
                        .with("address", format!("{address:?}")),
                ));
            }
        }
        if let Some(sender) = &self.sender.sms {
            SenderId::read(sender).map_err(|problem| ("sender.sms", problem.into()))?;
        }
        if !(-100..=100).contains(&self.priority) {
            return Err(("priority", Sentence::new("must be between -100 and 100")));
        }
        if self.level == Level::Stranger {
            return Err((
                "level",
                Sentence::new("a stranger is never contacted; the lowest is \"situational\""),
            ));
        }
        if let (Some(end), Some(at)) = (self.ends_at, self.schedule.as_ref().and_then(|s| s.at))
            && end <= at
        {
            return Err((
                "ends_at",
                Sentence::new("must be after the time in [schedule]"),
            ));
        }
        if self.channels.len() > 1 && self.channels.iter().all(|one| *one == self.channel) {
            return Err((
                "channels",
                Sentence::new("names a channel twice; each once, in order"),
            ));
        }
        if self.channels.len() > Channel::ALL.len() {
            return Err((
                "channels",
                Sentence::new("names a channel twice; each once, in order"),
            ));
        }
        if !self.channels().contains(&Channel::Sms)
            && (self.provider.is_some() || self.sender.sms.is_some())
        {
            let key = match self.provider {
                Some(_) => "provider",
                None => "sender.sms",
            };
            return Err((
                key,
                Sentence::new(
                    "is about text messages, and this campaign sends none; add \"sms\" to channels, or remove it",
                ),
            ));
        }
        if let Some(offer) = &self.offer {
            offer.validate()?;
        }
        if let Some(costs) = &self.costs {
            costs.validate()?;
        }
        if self
            .expected_response_percent
            .is_some_and(|percent| !(percent > 0.0 && percent <= 100.0))
        {
            return Err((
                "expected_response_percent",
                Sentence::new(
                    "must be above 0 and at most 100; leave it out to expect what earlier waves did",
                ),
            ));
        }
        cells::validate(&self.cells, self.test.as_ref(), self.is_recurring())?;
        // A forecast is compared from the launch on: who waits must have some of that time, too.
        if let Some(test) = &self.test
            && test.share_percent.is_some()
            && test.wait_hours >= self.window_days * 24
        {
            return Err((
                "test.wait_hours",
                Sentence::new(
                    "must be shorter than window_days, or the rest gets its message when its time is over",
                ),
            ));
        }
        self.schedule.as_ref().map_or(Ok(()), Schedule::validate)
    }
}

impl Schedule {
    fn validate(&self) -> Result<(), (&'static str, Sentence)> {
        match (&self.at, &self.every) {
            (Some(_), Some(_)) => Err((
                "schedule",
                Sentence::new("has both at and every; keep one of them"),
            )),
            (None, None) => Err(("schedule", no_time())),
            (None, Some(cron)) => {
                super::cron::parse(cron).map_err(|problem| ("schedule.every", problem.into()))?;
                if self.zone == Zone::Recipient {
                    return Err((
                        "schedule.zone",
                        Sentence::new(
                            "\"recipient\" goes with at only; name a zone such as Europe/Paris",
                        ),
                    ));
                }
                Ok(())
            }
            (Some(_), None) => Ok(()),
        }
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Recipient => "recipient",
            Self::Named(zone) => zone.name(),
        })
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "recipient" {
            return Ok(Self::Recipient);
        }
        Tz::from_str(&text).map(Self::Named).map_err(|_unknown| {
            serde::de::Error::custom(format!(
                "{text:?} is not a zone; use an IANA name such as \"Europe/Paris\", or \"recipient\""
            ))
        })
    }
}

/// Accepts a TOML local date-time as well as text with or without seconds.
fn local_date_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<NaiveDateTime>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Toml(toml::value::Datetime),
        Text(String),
    }
    let text = match Given::deserialize(deserializer)? {
        Given::Toml(value) => value.to_string(),
        Given::Text(text) => text,
    };
    ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
        .map(Some)
        .ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a local date-time; write it as 2026-12-01T09:30, without an offset"
            ))
        })
}

fn print_local_date_time<S: Serializer>(
    at: &Option<NaiveDateTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_str(&at.format("%Y-%m-%dT%H:%M:%S").to_string()),
        None => serializer.serialize_none(),
    }
}

fn email() -> Channel {
    Channel::Email
}

fn yes() -> bool {
    true
}

fn fourteen() -> u32 {
    14
}

fn paris() -> Tz {
    Tz::Europe__Paris
}
