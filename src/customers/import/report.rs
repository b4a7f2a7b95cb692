//! What an import did, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::ImportKind;
use crate::statistics::Sentence;

/// Lines named for each kind of warning, and rejected rows told in the report.
const NAMED: usize = 5;
const TOLD: usize = 20;
/// Rejected rows of which a page tells the reason in its language.
const SHOWN: usize = 100;

/// What was odd about a row that was imported all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// The e-mail address is none; the customer is kept and not reachable by e-mail.
    MalformedEmail,
    /// The row's e-mail address is none; the good one the base has was kept.
    EmailKept,
    InvalidPhone,
    UnreadableBirthDate,
    /// An earlier row of the file is about the same customer.
    StandsTwice,
    UnknownLanguage,
    UnknownCountry,
    UnknownTimeZone,
    UnknownStage,
    UnknownTracking,
    /// A looser tracking consent than the base has was not taken: it is not newer than what is known.
    TrackingKept,
    /// A yes without source, date and legal basis gives no permission.
    NoBasis,
    /// A consent without the words that were agreed to: it is weak proof.
    NoWording,
    /// The permission level is not one that allows something.
    UnknownLevel,
    /// The date at which a permission ends cannot be read.
    UnreadablePermissionEnd,
    /// The legal basis is not one of ours.
    UnknownBasis,
    /// The date of a permission cannot be read or lies ahead.
    UnusablePermissionDate,
    /// A yes to a whole channel names no topic and gives no permission.
    YesWithoutTopic,
    UnknownCampaign,
    UnknownCurrency,
    /// The order had been cancelled, and stays so.
    CancelledOrder,
    /// Only its token or coupon will tell whose the order is.
    UnmatchedOrder,
}

impl WarningKind {
    /// What was done with it, in words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::MalformedEmail => "e-mail address is not one; kept, not reachable by e-mail",
            Self::EmailKept => "e-mail address is not one; the known one was kept",
            Self::InvalidPhone => "telephone number is not valid; left out",
            Self::StandsTwice => {
                "same customer as an earlier row of this file; the later one counts"
            }
            Self::UnreadableBirthDate => "birth date is not one; left out",
            Self::UnknownLanguage => "language is not known; left out",
            Self::UnknownCountry => "country is not known; left out",
            Self::UnknownTimeZone => "time zone is not an IANA name; left out",
            Self::UnknownStage => "stage is not suspect, prospect, customer or lapsed; left out",
            Self::UnknownTracking => "tracking is not none, hygiene or full; left out",
            Self::TrackingKept => {
                "looser tracking consent without a newer date; the stricter was kept"
            }
            Self::NoBasis => "yes without source, date and legal basis; not reachable",
            Self::NoWording => {
                "consent without the words that were agreed to; add permission_wording, a regulator asks for them"
            }
            Self::UnknownLevel => {
                "permission level is not situational, brand_trust, personal_relationship, points or intravenous; not reachable"
            }
            Self::UnreadablePermissionEnd => {
                "date the permission ends is unreadable; not reachable"
            }
            Self::UnknownBasis => "legal basis is not known",
            Self::UnusablePermissionDate => "permission date is unreadable or lies ahead",
            Self::YesWithoutTopic => {
                "yes to a whole channel; name a topic (permission.email.offers)"
            }
            Self::UnknownCampaign => "campaign is not known; the order was taken without it",
            Self::UnknownCurrency => "currency is not an ISO 4217 code; that of [orders] was taken",
            Self::CancelledOrder => "order was cancelled before; it stays cancelled",
            Self::UnmatchedOrder => "customer is not known; its token or coupon tells whose it is",
        }
    }
}

/// How often, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub count: u64,
    pub first_lines: Vec<u64>,
}

/// Warnings by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Warnings(pub BTreeMap<WarningKind, Warning>);

impl Warnings {
    pub(super) fn add(&mut self, kind: WarningKind, line: u64) {
        let warning = self.0.entry(kind).or_default();
        warning.count += 1;
        if warning.first_lines.len() < NAMED {
            warning.first_lines.push(line);
        }
    }

    /// A warning about two lines, both of which are named.
    pub(super) fn add_pair(&mut self, kind: WarningKind, earlier: u64, line: u64) {
        let warning = self.0.entry(kind).or_default();
        warning.count += 1;
        for one in [earlier, line] {
            if warning.first_lines.len() < NAMED && !warning.first_lines.contains(&one) {
                warning.first_lines.push(one);
            }
        }
    }

    /// Adds those of later lines.
    fn append(&mut self, later: Self) {
        for (kind, later) in later.0 {
            let warning = self.0.entry(kind).or_default();
            warning.count += later.count;
            let room = NAMED.saturating_sub(warning.first_lines.len());
            warning
                .first_lines
                .extend(later.first_lines.into_iter().take(room));
        }
    }

    /// How many of this kind there were.
    pub fn count(&self, kind: WarningKind) -> u64 {
        self.0.get(&kind).map_or(0, |warning| warning.count)
    }
}

/// What reading some rows had to say.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    /// Rows read, blank ones not counted.
    pub rows: u64,
    /// Customers with a yes that lacks source, date or legal basis.
    pub no_basis: u64,
    pub warnings: Warnings,
}

/// A row that was not taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rejection {
    /// Counted from 1, the header included.
    pub line: u64,
    pub reason: Sentence,
}

/// What an import did; of a dry run, what it would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportReport {
    pub kind: ImportKind,
    pub is_dry_run: bool,
    /// Rows read, blank ones not counted.
    pub rows: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub rejected: u64,
    /// Of the customers in the file: whom each channel may reach about some topic, by its name.
    pub reachable: BTreeMap<&'static str, u64>,
    /// Whether a column speaks of permission.
    pub has_permissions: bool,
    /// Customers with a yes that lacks source, date or legal basis.
    pub no_basis: u64,
    pub warnings: Warnings,
    /// The first rejected rows; all are in `rejects`.
    pub first_rejections: Vec<Rejection>,
    /// Why the first rows were rejected, by their line, for a page beside the file.
    #[serde(skip)]
    pub reasons: BTreeMap<u64, Sentence>,
    /// Where the rejected rows were written.
    pub rejects: Option<PathBuf>,
    /// Columns of the file that were not looked at.
    pub ignored_columns: Vec<String>,
    /// How the file was read.
    pub encoding: &'static str,
    pub delimiter: char,
}

impl ImportReport {
    pub(super) fn new(
        kind: ImportKind,
        is_dry_run: bool,
        encoding: &'static str,
        delimiter: u8,
    ) -> Self {
        Self {
            kind,
            is_dry_run,
            rows: 0,
            created: 0,
            updated: 0,
            unchanged: 0,
            rejected: 0,
            reachable: BTreeMap::new(),
            has_permissions: false,
            no_basis: 0,
            warnings: Warnings::default(),
            first_rejections: Vec::new(),
            reasons: BTreeMap::new(),
            rejects: None,
            ignored_columns: Vec::new(),
            encoding,
            delimiter: char::from(delimiter),
        }
    }

    /// Adds what was said of the next rows.
    pub(super) fn note(&mut self, remarks: Remarks) {
        self.rows += remarks.rows;
        self.no_basis += remarks.no_basis;
        self.warnings.append(remarks.warnings);
    }

    pub(super) fn reject(&mut self, line: u64, reason: &Sentence) {
        self.rejected += 1;
        if self.first_rejections.len() < TOLD {
            let reason = reason.clone();
            self.first_rejections.push(Rejection { line, reason });
        }
        if self.reasons.len() < SHOWN {
            self.reasons.insert(line, reason.clone());
        }
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ImportKind::Customers => "customers",
            ImportKind::Orders => "orders",
        };
        let delimiter = match self.delimiter {
            '\t' => "tab".to_owned(),
            other => other.to_string(),
        };
        if self.is_dry_run {
            writeln!(f, "Dry run: nothing was kept.")?;
        }
        writeln!(
            f,
            "{} rows of {what} read ({}, delimiter {delimiter})",
            self.rows, self.encoding
        )?;
        for (n, word) in [
            (self.created, "created"),
            (self.updated, "updated"),
            (self.unchanged, "unchanged"),
            (self.rejected, "rejected"),
        ] {
            writeln!(f, "{n:>10} {word}")?;
        }
        for (channel, n) in &self.reachable {
            writeln!(f, "{n:>10} reachable by {channel}")?;
        }
        if self.no_basis > 0 {
            writeln!(
                f,
                "{:>10} not reachable: yes without source, date and legal basis",
                self.no_basis
            )?;
        }
        if self.kind == ImportKind::Customers && !self.has_permissions {
            writeln!(
                f,
                "No column speaks of permission, so this file made nobody reachable: add permission.email.TOPIC \
                 (yes or no), permission_source, permission_date and permission_basis"
            )?;
        }
        for (kind, warning) in &self.warnings.0 {
            let lines: Vec<String> = warning.first_lines.iter().map(u64::to_string).collect();
            let more = if warning.count > u64::try_from(lines.len()).unwrap_or_default() {
                " …"
            } else {
                ""
            };
            writeln!(
                f,
                "Warning: {} ({}; line {}{more})",
                kind.sentence(),
                warning.count,
                lines.join(", ")
            )?;
        }
        if !self.ignored_columns.is_empty() {
            writeln!(f, "Ignored columns: {}", self.ignored_columns.join(", "))?;
        }
        for rejection in &self.first_rejections {
            writeln!(f, "Rejected line {}: {}", rejection.line, rejection.reason)?;
        }
        let told = u64::try_from(self.first_rejections.len()).unwrap_or_default();
        if self.rejected > told {
            writeln!(f, "… and {} more", self.rejected - told)?;
        }
        if let Some(path) = &self.rejects {
            writeln!(
                f,
                "Rejected rows are in {}; mend and import that file.",
                path.display()
            )?;
        }
        Ok(())
    }
}
