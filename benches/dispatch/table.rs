//! The table that is printed at the end.

use std::fmt::Write;

use crate::Bench;

/// One measured promise.
#[derive(Debug, Clone)]
pub struct Line {
    pub what: String,
    /// What is promised, in words: "at least 0.90".
    pub promised: String,
    /// One value a run.
    pub values: Vec<f64>,
    /// Absolute figures, and what they are beside.
    pub note: String,
}

impl Line {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values
    }
}

/// The lines as a table for a reader and for the README.
pub fn print(bench: &Bench, lines: &[Line]) -> String {
    let mut out = format!(
        "| {} | promised | median | from | to | |\n| --- | --- | --- | --- | --- | --- |\n",
        bench.database_name()
    );
    for line in lines {
        let values = line.sorted();
        let at = |n: usize| {
            values
                .get(n)
                .map_or_else(|| "not run".to_owned(), |value| format!("{value:.2}"))
        };
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            line.what,
            line.promised,
            at(values.len() / 2),
            at(0),
            at(values.len().saturating_sub(1)),
            line.note
        )
        .expect("a text takes what is written");
    }
    out
}
