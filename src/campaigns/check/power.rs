//! Whether a test has enough people, said before it is launched.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::campaigns::cells::{Metric, Test};
use crate::campaigns::definition::Definition;
use crate::campaigns::store::PastRate;
use crate::gate::model::Withheld;
use crate::statistics::power::{POWER, Plan, detectable};
use crate::statistics::sentence::{Sentence, Value};
use crate::statistics::{ALPHA, as_f64};

/// The response rate assumed where no wave has shown one.
const ASSUMED: f64 = 0.02;

/// An arm of a test, or those held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellForecast {
    pub cell: String,
    pub people: u64,
}

/// What a test could find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestForecast {
    /// The arms; with a control group alone those contacted and those held back.
    pub cells: Vec<CellForecast>,
    /// The response rate it is reckoned with.
    pub base_rate: f64,
    /// Where that comes from.
    pub base_from: String,
    /// The smallest difference that would matter, in percentage points.
    pub difference_points: f64,
    /// Pairs that are compared: the more, the more people each needs.
    pub comparisons: u64,
    /// What each arm needs to find that difference with 80 %; `None` where the rate would pass 100 %.
    pub needed_per_cell: Option<u64>,
    /// The chance that the two smallest arms find it.
    pub power: Option<f64>,
    /// The smallest rise that the two smallest arms find with 80 %, in percentage points.
    pub detectable_points: Option<f64>,
}

/// Reckons what a campaign's cells, or its control group, could find; `None` where nothing is compared.
///
/// The level is 5 %, divided by the number of pairs as Holm's adjustment asks of the first of them.
pub(super) fn forecast(
    definition: &Definition,
    will_receive: u64,
    withheld: &BTreeMap<Withheld, u64>,
    past: Option<PastRate>,
) -> Option<TestForecast> {
    let cells = arms(definition, will_receive, withheld);
    let [smallest, second] = two_smallest(&cells)?;
    let arms = u64::try_from(cells.len()).ok()?;
    let comparisons = arms * (arms - 1) / 2;
    let alpha = ALPHA / as_f64(comparisons.max(1));
    let (base_rate, base_from) = match past {
        Some(past) => (
            past.rate,
            match past.waves {
                1 => "as the last wave had it".to_owned(),
                waves => format!("as the last {waves} waves had it"),
            },
        ),
        None => match definition.expected_response_percent {
            Some(percent) => (percent / 100.0, "as the definition expects".to_owned()),
            None => (
                ASSUMED,
                "assumed, since no wave has shown one yet".to_owned(),
            ),
        },
    };
    let difference_points = definition
        .test
        .clone()
        .unwrap_or_default()
        .difference_points;
    let plan = Plan {
        base: base_rate,
        difference: difference_points / 100.0,
        alpha,
    };
    Some(TestForecast {
        cells,
        base_rate,
        base_from,
        difference_points,
        comparisons,
        needed_per_cell: plan.people_per_arm(POWER),
        power: plan.power(smallest, second),
        detectable_points: detectable(base_rate, (smallest, second), alpha, POWER)
            .map(|found| found * 100.0),
    })
}

/// How many people each arm would get, as near as the split is even.
fn arms(
    definition: &Definition,
    will_receive: u64,
    withheld: &BTreeMap<Withheld, u64>,
) -> Vec<CellForecast> {
    if definition.cells.is_empty() {
        let held_back: u64 = [Withheld::Control, Withheld::GlobalControl]
            .into_iter()
            .filter_map(|reason| withheld.get(&reason).copied())
            .find(|people| *people > 0)
            .unwrap_or(0);
        if held_back == 0 {
            return Vec::new();
        }
        return [("contacted", will_receive), ("held back", held_back)]
            .map(|(cell, people)| CellForecast {
                cell: cell.to_owned(),
                people,
            })
            .into();
    }
    let share = definition.test.as_ref().and_then(|test| test.share_percent);
    let tested = will_receive * share.map_or(100, u64::from) / 100;
    let whole: u64 = definition
        .cells
        .iter()
        .map(|cell| u64::from(cell.weight))
        .sum();
    definition
        .cells
        .iter()
        .map(|cell| CellForecast {
            cell: cell.name.clone(),
            people: tested * u64::from(cell.weight) / whole.max(1),
        })
        .collect()
}

fn two_smallest(cells: &[CellForecast]) -> Option<[u64; 2]> {
    let mut people: Vec<u64> = cells.iter().map(|cell| cell.people).collect();
    people.sort_unstable();
    match people.as_slice() {
        [first, second, ..] => Some([*first, *second]),
        _ => None,
    }
}

impl TestForecast {
    /// What a person should know before he launches; `None` when the test is large enough.
    pub(super) fn warning(&self, test: Option<&Test>) -> Option<Sentence> {
        let power = self.power.unwrap_or(0.0);
        if power >= POWER {
            return None;
        }
        let what = if self.cells.iter().any(|cell| cell.cell == "held back") {
            Sentence::new("the control group is small")
        } else {
            Sentence::new("the cells are small")
        };
        let found = self.detectable_points.map_or_else(
            || Sentence::new("hardly any difference"),
            |points| {
                Sentence::new("only a difference of {points} points or more")
                    .with("points", Value::Decimal(points, 2))
            },
        );
        let by = match test.map(|test| test.by) {
            Some(Metric::Revenue) => Some(Sentence::new(
                " (revenue varies more than responses, and needs still more)",
            )),
            _ => None,
        };
        Some(
            Sentence::new("{what}: a difference of {points} points would be found with a chance of {chance}, and {found} with {power}{by}; take more people, fewer cells, or a difference_points that is worth finding")
                .with("what", what)
                .with("points", Value::Decimal(self.difference_points, 2))
                .with("chance", Value::Percent(power, 0))
                .with("found", found)
                .with("power", Value::Percent(POWER, 0))
                .with("by", by),
        )
    }
}

impl fmt::Display for TestForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cell in &self.cells {
            writeln!(f, "  cell          {:>9}  {}", cell.people, cell.cell)?;
        }
        writeln!(
            f,
            "  reckoned with {:>7.2} % responses, {}",
            self.base_rate * 100.0,
            self.base_from
        )?;
        if let Some(needed) = self.needed_per_cell {
            let pairs = match self.comparisons {
                1 => String::new(),
                n => format!(", in each of {n} comparisons"),
            };
            writeln!(
                f,
                "  needed        {needed:>9}  a cell, to find {:.2} points with {:.0} %{pairs}",
                self.difference_points,
                POWER * 100.0
            )?;
        }
        if let Some(power) = self.power {
            writeln!(
                f,
                "  power         {:>7.0} %  of the two smallest",
                power * 100.0
            )?;
        }
        if let Some(points) = self.detectable_points {
            writeln!(
                f,
                "  can find      {points:>9.2}  points or more, with {:.0} %",
                POWER * 100.0
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMPAIGN: &str = r#"
        name = "spring"
        segment = 'tagged "cooking"'
        template = "super-chef"
        topic = "offers"
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
    "#;

    fn definition(more: &str) -> Definition {
        Definition::parse(&format!("{CAMPAIGN}\n{more}"), "test").unwrap()
    }

    fn past() -> Option<PastRate> {
        Some(PastRate {
            rate: 0.02,
            waves: 3,
        })
    }

    #[test]
    fn without_arms_nothing_is_compared() {
        assert_eq!(
            forecast(&definition(""), 1_000, &BTreeMap::new(), None),
            None
        );
    }

    #[test]
    fn two_cells_as_large_as_published() {
        // METHODS.md M5: 2 → 2.5 % needs 13,809 in each arm.
        let definition = definition(
            "[[cells]]\nname = \"a\"\n[[cells]]\nname = \"b\"\n[test]\ndifference_points = 0.5",
        );
        let found = forecast(&definition, 27_618, &BTreeMap::new(), past()).unwrap();
        assert_eq!(found.needed_per_cell, Some(13_809));
        assert_eq!(
            found.cells.iter().map(|cell| cell.people).sum::<u64>(),
            27_618
        );
        assert!(found.power.unwrap() >= 0.8 && found.power.unwrap() < 0.8001);
        assert!((found.detectable_points.unwrap() - 0.5).abs() < 1e-3);
        assert_eq!(found.warning(definition.test.as_ref()), None);
        insta::assert_snapshot!(found);
    }

    #[test]
    fn too_few_are_said_to_be() {
        let definition = definition(
            "[[cells]]\nname = \"a\"\n[[cells]]\nname = \"b\"\nweight = 2\n[[cells]]\nname = \"c\"\n[test]\nshare_percent = 20",
        );
        let found = forecast(&definition, 10_000, &BTreeMap::new(), None).unwrap();
        let people: Vec<u64> = found.cells.iter().map(|cell| cell.people).collect();
        assert_eq!(
            (people.as_slice(), found.comparisons),
            (&[500, 1_000, 500][..], 3)
        );
        insta::assert_snapshot!(format!(
            "{found}{}",
            found.warning(definition.test.as_ref()).unwrap()
        ));
    }

    #[test]
    fn a_control_group_is_an_arm() {
        let held = BTreeMap::from([(Withheld::Control, 100), (Withheld::GlobalControl, 900)]);
        let found = forecast(&definition(""), 9_900, &held, past()).unwrap();
        let people: Vec<u64> = found.cells.iter().map(|cell| cell.people).collect();
        assert_eq!(
            people,
            [9_900, 100],
            "the campaign's own goes before the standing one"
        );
        assert!(
            found
                .warning(None)
                .unwrap()
                .to_string()
                .starts_with("the control group is small: ")
        );
    }
}
