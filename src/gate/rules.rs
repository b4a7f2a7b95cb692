//! The settings of permission, pressure and quiet hours, read once and checked.

use std::collections::BTreeMap;

use crate::config::{ConfigError, PressureSettings, Settings, WindowKind};
use crate::consent::ladder::{Ladder, Level, OfferKind};
use crate::consent::model::{Basis, Channel};
use crate::gate::control::StandingControl;
use crate::gate::quiet_hours::QuietHours;
use crate::statistics::sentence::{Sentence, Value};

/// Milliseconds of 24 hours.
pub const DAY_MS: i64 = 86_400_000;

/// Calendar days in which a rung's `contacts_per_week` is counted.
pub const WEEK_DAYS: u32 = 7;

/// What the gate goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub ladder: Ladder,
    pub quiet_hours: QuietHours,
    /// Pressure caps over all campaigns.
    pub caps: Vec<Cap>,
    /// Whom no campaign contacts.
    pub standing_control: StandingControl,
    /// Bases that suffice, by topic; a topic that is not there takes any.
    topics: BTreeMap<String, Vec<Basis>>,
    consent_ms: Option<i64>,
    soft_opt_in_ms: Option<i64>,
    b2b_ms: Option<i64>,
    contract_ms: Option<i64>,
}

/// So many messages at most in so many days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    pub max: u32,
    pub days: u32,
    pub window: WindowKind,
    /// `None`: every channel.
    pub channel: Option<Channel>,
    /// `None`: every topic.
    pub topic: Option<String>,
}

impl Rules {
    /// Reads the settings.
    ///
    /// # Errors
    /// Names the key and what is wrong with it.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let permission = &settings.permission;
        let mut topics = BTreeMap::new();
        for topic in &permission.topics {
            let bases = topic
                .bases
                .iter()
                .map(|name| basis(name))
                .collect::<Result<Vec<_>, _>>()?;
            if bases.is_empty() {
                return Err(ConfigError::key(
                    "permission.topics.bases",
                    format!(
                        "{:?} is allowed on no basis, so nobody could be written to about it",
                        topic.name
                    ),
                ));
            }
            let level = topic.level.as_deref().map(str::parse::<Level>);
            if let Some(Err(problem)) = level {
                return Err(ConfigError::key("permission.topics.level", problem));
            }
            topics.insert(topic.name.clone(), bases);
        }
        let milliseconds = |days: u32| Some(i64::from(days) * DAY_MS).filter(|ms| *ms > 0);
        Ok(Self {
            ladder: Ladder::new(&permission.levels)?,
            quiet_hours: QuietHours::new(&settings.quiet_hours, &settings.holidays)?,
            caps: settings
                .pressure
                .iter()
                .map(Cap::new)
                .collect::<Result<_, _>>()?,
            standing_control: StandingControl::new(&settings.control),
            topics,
            consent_ms: milliseconds(permission.consent_days),
            soft_opt_in_ms: milliseconds(permission.soft_opt_in_days),
            b2b_ms: milliseconds(permission.b2b_days),
            contract_ms: milliseconds(permission.contract_days),
        })
    }

    /// The bases that suffice for a topic; `None`: any.
    pub fn bases_for(&self, topic: &str) -> Option<&[Basis]> {
        self.topics.get(topic).map(Vec::as_slice)
    }

    /// Milliseconds a basis holds after the person's last act; `None`: without end.
    pub fn holds_ms(&self, basis: Basis) -> Option<i64> {
        match basis {
            Basis::Consent => self.consent_ms,
            Basis::SoftOptIn => self.soft_opt_in_ms,
            Basis::B2bLegitimateInterest => self.b2b_ms,
            Basis::Contract => self.contract_ms,
        }
    }

    /// The rungs on which a campaign that needs `needed` may use the channel.
    pub fn rungs_for(&self, needed: Level, channel: Channel) -> Vec<Level> {
        self.ladder
            .rungs()
            .iter()
            .filter(|rung| rung.level >= needed && rung.level != Level::Stranger)
            .filter(|rung| rung.channels.contains(&channel))
            .map(|rung| rung.level)
            .collect()
    }

    /// The caps that a message by this channel about this topic counts against.
    pub fn caps_for<'a>(
        &'a self,
        channel: Channel,
        topic: &'a str,
    ) -> impl Iterator<Item = &'a Cap> + 'a {
        self.caps
            .iter()
            .filter(move |cap| cap.concerns(channel, topic))
    }

    /// The rungs whose kinds of offer include this one.
    pub fn rungs_offering(&self, offer: OfferKind) -> Vec<Level> {
        self.ladder
            .rungs()
            .iter()
            .filter(|rung| rung.offers.contains(&offer))
            .map(|rung| rung.level)
            .collect()
    }
}

impl Cap {
    fn new(settings: &PressureSettings) -> Result<Self, ConfigError> {
        for (key, value) in [
            ("pressure.max", settings.max),
            ("pressure.days", settings.days),
        ] {
            if value == 0 {
                return Err(ConfigError::key(
                    key,
                    "must be at least 1; leave the entry out for no limit",
                ));
            }
        }
        if settings.days > 366 {
            return Err(ConfigError::key("pressure.days", "must be at most 366"));
        }
        let channel = settings
            .channel
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|problem: String| ConfigError::key("pressure.channel", problem))?;
        if let Some(topic) = &settings.topic
            && !is_word(topic)
        {
            return Err(ConfigError::key(
                "pressure.topic",
                format!("{topic:?} must be lower-case letters, digits, - or _"),
            ));
        }
        Ok(Self {
            max: settings.max,
            days: settings.days,
            window: settings.window,
            channel,
            topic: settings.topic.clone(),
        })
    }

    /// Whether a message by this channel about this topic counts.
    pub fn concerns(&self, channel: Channel, topic: &str) -> bool {
        self.channel.is_none_or(|own| own == channel)
            && self.topic.as_deref().is_none_or(|own| own == topic)
    }

    /// In words: "2 messages by email in 1 calendar day".
    pub fn sentence(&self) -> Sentence {
        let topic = self.topic.as_deref();
        let topic = topic.map(|topic| Sentence::new(" about {topic}").with("topic", topic));
        let channel = self.channel.map(|channel| {
            Sentence::new(" by {channel}").with("channel", Value::word(channel.as_str()))
        });
        let (one, many) = match self.window {
            WindowKind::Calendar => ("{n} calendar day", "{n} calendar days"),
            WindowKind::Sliding => ("{n} day", "{n} days"),
        };
        let max = u64::from(self.max);
        Sentence::new("{messages}{topic}{channel} in {days}")
            .with(
                "messages",
                Value::counted(max, "{n} message", "{n} messages"),
            )
            .with("topic", topic)
            .with("channel", channel)
            .with("days", Value::counted(u64::from(self.days), one, many))
    }
}

fn basis(name: &str) -> Result<Basis, ConfigError> {
    Basis::ALL
        .into_iter()
        .find(|basis| basis.as_str() == name)
        .ok_or_else(|| {
            let names: Vec<&str> = Basis::ALL.iter().map(|basis| basis.as_str()).collect();
            ConfigError::key(
                "permission.topics.bases",
                format!(
                    "{name:?} is not a legal basis; there are {}",
                    names.join(", ")
                ),
            )
        })
}

/// Topics stand in the text of queries.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn defaults() -> Settings {
        Settings::load_from(None, HashMap::new()).expect("the defaults")
    }

    fn complaint(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = defaults();
        change(&mut settings);
        Rules::new(&settings).expect_err("a mistake").to_string()
    }

    #[test]
    fn the_defaults_are_good() {
        let rules = Rules::new(&defaults()).expect("good rules");
        assert_eq!(rules.caps.len(), 2);
        assert_eq!(rules.holds_ms(Basis::Contract), None);
        assert_eq!(rules.holds_ms(Basis::Consent), Some(1095 * DAY_MS));
        assert!(
            !rules
                .rungs_for(Level::Situational, Channel::Sms)
                .contains(&Level::Situational)
        );
        assert_eq!(
            rules.rungs_offering(OfferKind::OnApproval),
            [Level::Intravenous]
        );
    }

    #[test]
    fn a_mistake_names_its_key() {
        let basis = complaint(|settings| {
            for topic in &mut settings.permission.topics {
                topic.bases = vec!["hope".to_owned()];
            }
        });
        assert!(
            basis.contains("permission.topics.bases") && basis.contains("soft_opt_in"),
            "{basis}"
        );
        let cap = |change: fn(&mut PressureSettings)| {
            complaint(|settings| settings.pressure.iter_mut().for_each(change))
        };
        assert!(cap(|cap| cap.max = 0).contains("pressure.max"));
        assert!(cap(|cap| cap.days = 0).contains("pressure.days"));
        assert!(cap(|cap| cap.channel = Some("fax".to_owned())).contains("pressure.channel"));
        assert!(cap(|cap| cap.topic = Some("it's".to_owned())).contains("pressure.topic"));
    }
}
