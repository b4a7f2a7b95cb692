//! An uploaded file, what is to be done with it, and what became of it. No I/O.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::customers::import::{ImportKind, ImportReport};
use crate::ids::UploadId;
use crate::statistics::sentence::Parts;

/// How the rows are to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub kind: ImportKind,
    /// Our name of what each column holds, in their order; empty: as the header tells.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Country of telephone numbers without a prefix (ISO 3166-1 alpha-2).
    pub region: String,
    /// Language of new customers whose row names none (ISO 639-1).
    pub language: String,
    /// Country of new customers whose row names none (ISO 3166-1 alpha-2).
    pub country: String,
}

impl Plan {
    /// For people who live in `country` and read `language`, as the settings have them.
    pub fn new(kind: ImportKind, country: &str, language: &str) -> Self {
        Self {
            kind,
            fields: Vec::new(),
            region: country.to_owned(),
            language: language.to_owned(),
            country: country.to_owned(),
        }
    }

    /// Columns, named by their numbers, and their fields.
    pub fn map(&self) -> Vec<(String, String)> {
        let numbered = self.fields.iter().enumerate();
        numbered
            .map(|(n, field)| (format!("#{}", n + 1), field.clone()))
            .collect()
    }
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It lies there.
    Uploaded,
    Running,
    Done,
    /// Nothing was imported.
    Failed,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        [Self::Uploaded, Self::Running, Self::Done, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A file that somebody uploaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    pub id: UploadId,
    /// As the person calls it.
    pub name: String,
    /// As it is called in our folder.
    pub stored: String,
    pub bytes: i64,
    pub state: State,
    /// Of the last run, or of the next where none was yet.
    pub plan: Plan,
    /// Whether the last run was a trial.
    pub is_dry_run: bool,
    /// Whether its rows are in the base: it is not to be imported again.
    pub is_imported: bool,
    /// What the last run did.
    pub outcome: Option<Outcome>,
    /// Why the last run failed.
    pub problem: Option<String>,
    /// Who uploaded it.
    pub actor: String,
    /// Instants in milliseconds since the epoch.
    pub uploaded_at: i64,
    pub began_at: Option<i64>,
    pub ended_at: Option<i64>,
}

/// What a run did, as it is kept. Without the rejected rows: they are in a file, which goes sooner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub rows: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub rejected: u64,
    /// Whom each channel may reach of those in the file.
    pub reachable: BTreeMap<String, u64>,
    pub has_permissions: bool,
    pub no_basis: u64,
    pub warnings: Vec<Warned>,
    /// Why the first rows were rejected, by their line.
    #[serde(default)]
    pub reasons: BTreeMap<u64, Parts>,
    pub ignored_columns: Vec<String>,
    pub encoding: String,
    pub delimiter: char,
}

/// What was odd about some rows that were taken all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warned {
    pub sentence: String,
    pub count: u64,
    pub first_lines: Vec<u64>,
}

impl From<&ImportReport> for Outcome {
    fn from(report: &ImportReport) -> Self {
        let reachable = report.reachable.iter();
        Self {
            rows: report.rows,
            created: report.created,
            updated: report.updated,
            unchanged: report.unchanged,
            rejected: report.rejected,
            reachable: reachable
                .map(|(name, n)| ((*name).to_owned(), *n))
                .collect(),
            has_permissions: report.has_permissions,
            no_basis: report.no_basis,
            warnings: report
                .warnings
                .0
                .iter()
                .map(|(kind, warning)| Warned {
                    sentence: kind.sentence().to_owned(),
                    count: warning.count,
                    first_lines: warning.first_lines.clone(),
                })
                .collect(),
            reasons: report
                .reasons
                .iter()
                .map(|(line, reason)| (*line, reason.clone().into_parts()))
                .collect(),
            ignored_columns: report.ignored_columns.clone(),
            encoding: report.encoding.to_owned(),
            delimiter: report.delimiter,
        }
    }
}

/// How a file stands, told by its row and by what is seen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its columns can be looked at.
    Waiting,
    /// It is being read here.
    Running,
    /// It was being read when the program ended: nothing was imported.
    Interrupted,
    /// It was tried, and nothing was kept.
    Tried,
    Imported,
    Failed,
    /// Its file is not on this machine (any more), and nothing was imported.
    Gone,
}

impl Upload {
    /// How it stands, where `is_here` tells whether its file lies here and `is_running` whether it is read here.
    pub fn standing(&self, is_here: bool, is_running: bool) -> Standing {
        match self.state {
            _ if is_running => Standing::Running,
            // Also where the program ended behind the import.
            _ if self.is_imported => Standing::Imported,
            // Another node may be at it; what this one cannot see it cannot begin.
            _ if !is_here => Standing::Gone,
            State::Uploaded => Standing::Waiting,
            State::Running => Standing::Interrupted,
            State::Done => Standing::Tried,
            State::Failed => Standing::Failed,
        }
    }
}

/// A file name as it is kept: the last part of a path, on one line, not too long.
pub fn file_name(text: &str) -> String {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(100).collect();
    let name = name.trim();
    if name.is_empty() {
        "file.csv".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_part_of_a_path() {
        assert_eq!(
            file_name("C:\\Users\\Anne\\clients été.csv"),
            "clients été.csv"
        );
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name("a\r\nb.csv"), "ab.csv");
        assert_eq!(file_name(" / "), "file.csv");
        assert_eq!(file_name(&"é".repeat(400)).chars().count(), 100);
    }
}
