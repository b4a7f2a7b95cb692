//! A draft's words and rules, without I/O.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::DraftError;
use crate::campaigns::definition::{Definition, Sender};
use crate::consent::ladder::Level;
use crate::consent::model::Channel;
use crate::segments::Rule;
use crate::statistics::Sentence;

/// The steps of planning, in their order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Whom.
    Audience,
    /// What is said and offered.
    Message,
    /// By which way, from whom and when.
    Schedule,
    /// What is compared, and who is held back.
    Test,
    /// All of it once more, and the launch.
    Review,
}

impl Step {
    pub const ALL: [Self; 5] = [
        Self::Audience,
        Self::Message,
        Self::Schedule,
        Self::Test,
        Self::Review,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::Message => "message",
            Self::Schedule => "schedule",
            Self::Test => "test",
            Self::Review => "review",
        }
    }

    /// Reads the database's word, which is also that of the page.
    pub fn from_word(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

    /// The step after this one; the last has none.
    pub fn next(self) -> Option<Self> {
        let place = Self::ALL.iter().position(|step| *step == self)?;
        Self::ALL.get(place + 1).copied()
    }

    /// The step at which a key of the definition is given.
    pub fn of_key(key: &str) -> Self {
        match key.split('.').next().unwrap_or(key) {
            "segment" | "per_household" => Self::Audience,
            "template"
            | "goal"
            | "window_days"
            | "windows"
            | "expected_response_percent"
            | "offer"
            | "costs"
            | "offer_kind"
            | "level" => Self::Message,
            "cells" | "test" | "control_percent" | "global_control" => Self::Test,
            _ => Self::Schedule,
        }
    }
}

/// Where a draft stands between those who plan and those who answer for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Being planned.
    Open,
    /// Waits for a second person.
    Asked,
    /// May be launched as it is.
    Approved,
    /// Came back with a word.
    SentBack,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Open, Self::Asked, Self::Approved, Self::SentBack];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Asked => "asked",
            Self::Approved => "approved",
            Self::SentBack => "sent_back",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.as_str() == text)
    }
}

/// Who does something with a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Tells one from another, and stays when a name changes: `user 3`, `token shop`.
    pub key: String,
    /// As people read it.
    pub name: String,
    /// As the audit log has it.
    pub actor: String,
    /// Whether the role launches without a second person.
    pub may_launch: bool,
}

/// What somebody said of a draft, and when (milliseconds since the epoch).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub by: String,
    pub name: String,
    pub at: i64,
    /// May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub word: String,
}

impl Said {
    /// What `author` says now.
    pub fn by(author: &Author, word: &str, now_ms: i64) -> Self {
        Self {
            by: author.key.clone(),
            name: author.name.clone(),
            at: now_ms,
            word: word.trim().chars().take(500).collect(),
        }
    }
}

/// What somebody had before him when he gave his word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    pub revision: i64,
    /// Of the plan with its templates ([`super::digest`]); `None`: he goes by the revision alone.
    pub digest: Option<&'a str>,
}

impl Seen<'_> {
    /// Refuses what is another draft, or has another text of a template, than what was seen.
    ///
    /// # Errors
    /// Which of both.
    pub fn ensure(&self, draft: &Draft, digest: &str) -> Result<(), DraftError> {
        if self.revision != draft.revision {
            return Err(DraftError::Stale);
        }
        match self.digest {
            Some(seen) if seen != digest => Err(DraftError::Unseen),
            _ => Ok(()),
        }
    }
}

/// The second person's part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Review {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Said>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Said>,
    /// What was approved: see [`super::digest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_back: Option<Said>,
}

/// A campaign being planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub id: i64,
    pub name: String,
    /// With empty texts where nothing is chosen yet.
    pub definition: Definition,
    /// The furthest step that was saved.
    pub step: Step,
    pub standing: Standing,
    pub review: Review,
    /// Counts the changes.
    pub revision: i64,
    /// The key of who began it.
    pub made_by: String,
    pub made_by_name: String,
    pub made_at: i64,
    pub changed_at: i64,
}

impl Draft {
    /// Whether this person may launch it as it is now.
    ///
    /// Whose role launches does so, and so approves what somebody else made; but who asked a second person
    /// waits for him. Everybody else needs the approval of this very definition.
    ///
    /// # Errors
    /// What is missing.
    pub fn launched_by(&self, author: &Author, digest: &str) -> Result<(), DraftError> {
        let is_approved =
            self.standing == Standing::Approved && self.review.digest.as_deref() == Some(digest);
        let asked = self.review.asked.as_ref();
        let asked_himself =
            self.standing == Standing::Asked && asked.is_some_and(|asked| asked.by == author.key);
        match () {
            () if is_approved => Ok(()),
            () if author.may_launch && !asked_himself => Ok(()),
            () if author.may_launch => Err(DraftError::OwnRequest),
            () if self.standing == Standing::Approved => Err(DraftError::ChangedSince),
            () => Err(DraftError::NeedsApproval),
        }
    }

    /// The approval without which this person could not launch it.
    pub fn needed_approval(&self, author: &Author) -> Option<&Said> {
        let asked = self.review.asked.as_ref();
        let needs_one = !author.may_launch || asked.is_some_and(|asked| asked.by == author.key);
        let is_approved = self.standing == Standing::Approved && needs_one;
        self.review.approved.as_ref().filter(|_| is_approved)
    }

    /// Whether this person may answer the request for approval.
    ///
    /// # Errors
    /// Why not.
    pub fn answered_by(&self, author: &Author) -> Result<(), DraftError> {
        let Some(asked) = &self.review.asked else {
            return Err(DraftError::NotAsked);
        };
        if self.standing != Standing::Asked {
            return Err(DraftError::NotAsked);
        }
        if asked.by == author.key {
            return Err(DraftError::OwnRequest);
        }
        if !author.may_launch {
            return Err(DraftError::MayNotApprove);
        }
        Ok(())
    }
}

/// What keeps a definition from being launched: the key, the step where it is given, and the problem.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Gap {
    #[schema(example = "sender.address")]
    pub key: String,
    pub step: Step,
    #[schema(value_type = String)]
    pub problem: Sentence,
}

impl Gap {
    fn new(key: &str, problem: impl Into<Sentence>) -> Self {
        Self {
            key: key.to_owned(),
            step: Step::of_key(key),
            problem: problem.into(),
        }
    }
}

/// What is missing or wrong in a definition, in the order of the steps; empty: it is complete.
pub fn gaps(definition: &Definition) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if definition.segment.trim().is_empty() {
        gaps.push(Gap::new("segment", Sentence::new("nobody is chosen yet")));
    } else if let Err(error) = Rule::parse(&definition.segment) {
        gaps.push(Gap::new("segment", error.sentence()));
    }
    let by_email = definition.channels().contains(&Channel::Email);
    for (key, text, is_needed) in [
        ("template", &definition.template, true),
        ("topic", &definition.topic, true),
        ("sender.name", &definition.sender.name, true),
        ("sender.address", &definition.sender.address, by_email),
        (
            "sender.postal_address",
            &definition.sender.postal_address,
            by_email,
        ),
    ] {
        if is_needed && text.trim().is_empty() {
            gaps.push(Gap::new(key, Sentence::new("nothing is chosen yet")));
        }
    }
    // It tells the first fault only, and an empty text would hide the others.
    if gaps.iter().all(|gap| gap.key == "segment")
        && let Err((key, problem)) = definition.validate()
    {
        gaps.push(Gap::new(key, problem));
    }
    gaps
}

/// A definition of which nothing is chosen but its name.
pub fn blank(name: &str) -> Definition {
    Definition {
        name: name.to_owned(),
        segment: String::new(),
        template: String::new(),
        channel: Channel::Email,
        channels: Vec::new(),
        topic: String::new(),
        sender: Sender {
            name: String::new(),
            address: String::new(),
            reply_to: None,
            postal_address: String::new(),
            sms: None,
        },
        schedule: None,
        rate_per_second: None,
        relay: None,
        provider: None,
        control_percent: 0,
        goal: super::super::model::Goal::default(),
        window_days: 14,
        windows: super::super::model::Windows::default(),
        level: Level::default(),
        offer_kind: None,
        priority: 0,
        ends_at: None,
        per_household: false,
        global_control: true,
        offer: None,
        cells: Vec::new(),
        test: None,
        costs: None,
        expected_response_percent: None,
    }
}

/// Whether a draft may be called so; "new" is the address of the page where one begins.
pub fn is_name(name: &str) -> bool {
    name != "new"
        && (1..=60).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(key: &str, may_launch: bool) -> Author {
        Author {
            key: key.to_owned(),
            name: key.to_owned(),
            actor: key.to_owned(),
            may_launch,
        }
    }

    fn draft(standing: Standing, review: Review) -> Draft {
        Draft {
            id: 1,
            name: "spring".to_owned(),
            definition: blank("spring"),
            step: Step::Audience,
            standing,
            review,
            revision: 1,
            made_by: "marketer".to_owned(),
            made_by_name: String::new(),
            made_at: 0,
            changed_at: 0,
        }
    }

    fn asked_by(author: &Author) -> Review {
        Review {
            asked: Some(Said::by(author, "", 0)),
            ..Review::default()
        }
    }

    #[test]
    fn who_asked_neither_approves_nor_launches_in_spite_of_it() {
        let (boss, marketer) = (author("boss", true), author("marketer", false));
        let own = draft(Standing::Asked, asked_by(&boss));
        assert!(matches!(
            own.answered_by(&boss),
            Err(DraftError::OwnRequest)
        ));
        assert!(matches!(
            own.launched_by(&boss, "x"),
            Err(DraftError::OwnRequest)
        ));
        let theirs = draft(Standing::Asked, asked_by(&marketer));
        assert!(theirs.answered_by(&boss).is_ok());
        assert!(theirs.launched_by(&boss, "x").is_ok());
        assert!(matches!(
            theirs.answered_by(&author("other", false)),
            Err(DraftError::MayNotApprove)
        ));
    }

    #[test]
    fn an_approval_is_of_one_definition() {
        let marketer = author("marketer", false);
        let mut review = asked_by(&marketer);
        review.digest = Some("x".to_owned());
        let approved = draft(Standing::Approved, review);
        assert!(approved.launched_by(&marketer, "x").is_ok());
        assert!(matches!(
            approved.launched_by(&marketer, "y"),
            Err(DraftError::ChangedSince)
        ));
        let open = draft(Standing::Open, Review::default());
        assert!(matches!(
            open.launched_by(&marketer, "x"),
            Err(DraftError::NeedsApproval)
        ));
        assert!(open.launched_by(&author("boss", true), "x").is_ok());
    }

    #[test]
    fn a_key_belongs_to_the_step_whose_form_has_it() {
        for (key, step) in [
            ("segment", Step::Audience),
            ("per_household", Step::Audience),
            ("goal", Step::Message),
            ("window_days", Step::Message),
            ("windows", Step::Message),
            ("expected_response_percent", Step::Message),
            ("offer.margin_percent", Step::Message),
            ("costs.fixed_cents", Step::Message),
            ("offer_kind", Step::Message),
            ("level", Step::Message),
            ("topic", Step::Schedule),
            ("sender.sms", Step::Schedule),
            ("schedule.every", Step::Schedule),
            ("rate_per_second", Step::Schedule),
            ("ends_at", Step::Schedule),
            ("priority", Step::Schedule),
            ("cells.weight", Step::Test),
            ("test.wait_hours", Step::Test),
            ("control_percent", Step::Test),
            ("global_control", Step::Test),
        ] {
            assert_eq!(Step::of_key(key), step, "{key}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_step() {
        let mut definition = blank("spring");
        let keys = |definition: &Definition| {
            gaps(definition)
                .into_iter()
                .map(|gap| (gap.key, gap.step))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            keys(&definition),
            [
                ("segment".to_owned(), Step::Audience),
                ("template".to_owned(), Step::Message),
                ("topic".to_owned(), Step::Schedule),
                ("sender.name".to_owned(), Step::Schedule),
                ("sender.address".to_owned(), Step::Schedule),
                ("sender.postal_address".to_owned(), Step::Schedule),
            ]
        );
        definition.segment = "agee > 3".to_owned();
        definition.template = "pans".to_owned();
        definition.topic = "offers".to_owned();
        definition.sender.name = "Shop".to_owned();
        definition.sender.address = "shop@example.org".to_owned();
        definition.sender.postal_address = "1, rue".to_owned();
        definition.control_percent = 95;
        assert_eq!(
            keys(&definition),
            [
                ("segment".to_owned(), Step::Audience),
                ("control_percent".to_owned(), Step::Test)
            ]
        );
        definition.segment = "everyone".to_owned();
        definition.control_percent = 10;
        assert_eq!(keys(&definition), []);
    }
}
