//! How the people of a wave are shared out among its cells: by lot, the same person always the same lot of a
//! campaign.

use ring::digest::{SHA256, digest};

use super::cells::{ALL, REST};
use super::definition::Definition;
use crate::storage::chance::lot;

/// Of how many lots a share is made.
const LOTS: i64 = 10_000;
/// What is added to a campaign's salt, so that neither the cells nor the share know the control group.
const CELLS: i64 = 300_000_007;
const SHARE: i64 = 600_000_001;

/// The salt of a new campaign of this name: known before it is applied, so that its draft is counted with the lots
/// by which it is launched.
pub fn salt_of(name: &str) -> i64 {
    let digest = digest(&SHA256, name.as_bytes());
    digest
        .as_ref()
        .iter()
        .take(4)
        .fold(0, |salt, byte| (salt << 8) | i64::from(*byte))
}

/// How the people are shared out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// The cells in the order of the plan, with the first lot that is the next one's.
    cells: Vec<(String, i64)>,
    /// Percent who are in the test; the rest waits.
    share_percent: Option<u8>,
}

impl Split {
    /// As the plan has it.
    pub fn of(definition: &Definition) -> Self {
        let weights = definition.cells.iter().map(|cell| f64::from(cell.weight));
        Self::with_weights(definition, weights)
    }

    /// By other weights than the plan's: one for each of its cells, in their order.
    pub fn with_weights(definition: &Definition, weights: impl Iterator<Item = f64>) -> Self {
        let weights: Vec<f64> = weights.collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let mut cells: Vec<(String, i64)> = definition
            .cells
            .iter()
            .zip(&weights)
            .map(|(cell, weight)| {
                sum += weight;
                (cell.name.clone(), lots(sum / total))
            })
            .collect();
        if let Some((_, last)) = cells.last_mut() {
            *last = LOTS;
        }
        let test = definition.test.as_ref();
        Self {
            cells,
            share_percent: test.and_then(|test| test.share_percent),
        }
    }

    /// SQL for the cell of the customer with this id.
    pub(super) fn cell(&self, id: &str, salt: i64) -> String {
        let Some(((last, _), others)) = self.cells.split_last() else {
            return format!("'{ALL}'");
        };
        let mut sql = String::from("CASE");
        if let Some(share) = self.share_percent {
            let waits = format!("{} >= {share}", lot(id, salt.wrapping_add(SHARE), 100));
            sql.push_str(&format!(" WHEN {waits} THEN '{REST}'"));
        }
        let lot = lot(id, salt.wrapping_add(CELLS), LOTS);
        for (cell, until) in others {
            sql.push_str(&format!(" WHEN {lot} < {until} THEN '{cell}'"));
        }
        format!("{sql} ELSE '{last}' END")
    }

    /// The cells with the share of the people of the test that each gets, in 10,000ths.
    pub fn shares(&self) -> Vec<(&str, i64)> {
        let mut before = 0;
        let mut shares = Vec::with_capacity(self.cells.len());
        for (cell, until) in &self.cells {
            shares.push((cell.as_str(), until - before));
            before = *until;
        }
        shares
    }

    /// Whether everybody gets the same.
    pub fn is_whole(&self) -> bool {
        self.cells.is_empty()
    }

    /// Whether some wait for the winner.
    pub fn has_rest(&self) -> bool {
        self.share_percent.is_some() && !self.cells.is_empty()
    }
}

/// A share of all lots; where there is no share to tell of, none.
fn lots(share: f64) -> i64 {
    if !share.is_finite() {
        return 0;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::as_conversions,
        reason = "between 0 and 10,000"
    )]
    let lots = (share.clamp(0.0, 1.0) * LOTS as f64).round() as i64;
    lots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(test: &str) -> Definition {
        Definition::parse(
            &format!(
                r#"
                name = "spring"
                segment = "everyone"
                template = "super-chef"
                topic = "offers"
                [sender]
                name = "Maison Vaisselle"
                address = "bonjour@vaisselle.example"
                postal_address = "12 rue des Chaudronniers, 80000 Amiens"
                {test}
                [[cells]]
                name = "a"
                weight = 2
                [[cells]]
                name = "b"
                [[cells]]
                name = "c"
                "#
            ),
            "test",
        )
        .unwrap()
    }

    #[test]
    fn weights_become_shares_and_the_last_cell_gets_what_is_left() {
        let split = Split::of(&definition(""));
        assert_eq!(split.shares(), [("a", 5_000), ("b", 2_500), ("c", 2_500)]);
        assert!(!split.has_rest());
        let thirds = Split::with_weights(&definition(""), [1.0, 1.0, 1.0].into_iter());
        assert_eq!(thirds.shares(), [("a", 3_333), ("b", 3_334), ("c", 3_333)]);
        let none = Split::with_weights(&definition(""), [0.0, 0.0, 0.0].into_iter());
        assert_eq!(
            none.shares().iter().map(|(_, share)| share).sum::<i64>(),
            LOTS
        );
    }

    #[test]
    fn a_share_of_the_people_waits() {
        let split = Split::of(&definition("[test]\nshare_percent = 20"));
        assert!(split.has_rest());
        let sql = split.cell("s.id", 7);
        assert!(
            sql.starts_with("CASE WHEN") && sql.contains(">= 20 THEN 'rest'"),
            "{sql}"
        );
        assert!(sql.ends_with("ELSE 'c' END"), "{sql}");
    }
}
