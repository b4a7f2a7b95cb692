//! Two dimensions crossed, filtered by the others: the table, and what of it is more than chance. No I/O.

use std::collections::HashMap;

use serde::Serialize;

use super::cube::{Counts, Cube, Value};
use super::dimension::Dimension;
use super::margins::Margins;
use crate::ids::WaveId;
use crate::reports::chance;
use crate::reports::figures::{Denominator, Rate, as_f64};
use crate::segments::discreet;
use crate::statistics::Sentence;

/// Rows at most, of what has no values known beforehand; the rest are put together.
const ROWS: usize = 24;
/// Columns at most.
const COLUMNS: usize = 12;
/// A cell of fewer people is shown, but says little.
const SMALL: u64 = 100;
/// As does one in which fewer responders are to be expected: the normal approximation of a count wants five
/// (Cochran 1954).
const EXPECTED: f64 = 5.0;

/// What is not known of a person.
pub const UNKNOWN: &str = "not known";
/// Values too rare to be named.
pub const OTHERS: &str = "others";

/// What all people of a slice have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    pub campaign: String,
    pub segment: String,
    pub offer: Option<String>,
    pub channel: String,
    pub wave: String,
    pub cell: String,
}

impl Common {
    /// The value in a dimension of waves; `None` for a dimension of people.
    pub fn value(&self, dimension: Dimension) -> Option<&str> {
        Some(match dimension {
            Dimension::Campaign => &self.campaign,
            Dimension::Segment => &self.segment,
            Dimension::Offer => self.offer.as_deref().unwrap_or(UNKNOWN),
            Dimension::Channel => &self.channel,
            Dimension::Wave => &self.wave,
            Dimension::Cell => &self.cell,
            _ => return None,
        })
    }
}

/// The people of one wave, channel and cell.
#[derive(Debug, Clone)]
pub struct Slice {
    pub wave: WaveId,
    pub common: Common,
    /// Whole, or as far as one dimension tells them apart.
    pub cube: Cube,
    pub margins: Margins,
}

impl Slice {
    pub fn new(wave: WaveId, common: Common, cube: Cube) -> Self {
        Self {
            wave,
            common,
            margins: Margins::of(&cube),
            cube,
        }
    }
}

/// Hides in the rules of the segments who is meant by them, for those who may not see people; segments that differ
/// in nothing else become one.
pub fn hide_people(slices: &mut [Slice]) {
    for slice in slices {
        slice.common.segment = discreet(&slice.common.segment);
    }
}

/// What is asked of the grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    pub rows: Dimension,
    pub columns: Option<Dimension>,
    pub filters: Vec<(Dimension, String)>,
}

/// A cell of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    pub counts: Counts,
    pub rate: Rate,
    /// Too few people to say much; it is not compared.
    pub is_small: bool,
}

/// The cell that stands out, up or down.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standout {
    pub row: String,
    pub column: Option<String>,
    pub rate: Rate,
    /// Of everyone else in the table.
    pub rest: Rate,
    /// The probability of so large a difference by chance, corrected for all cells compared (Holm).
    pub adjusted_p: f64,
    pub is_beyond_chance: bool,
}

/// Response rates crossed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    pub row_names: Vec<String>,
    pub column_names: Vec<String>,
    /// Row by row; without columns each row has one.
    pub cells: Vec<Vec<Figure>>,
    pub row_totals: Vec<Figure>,
    pub column_totals: Vec<Figure>,
    pub total: Figure,
    /// How many cells have enough people to be compared.
    pub compared: usize,
    pub best: Option<Standout>,
    pub worst: Option<Standout>,
}

impl Crossing {
    /// The dimensions of people it needs.
    pub fn of_people(&self) -> impl Iterator<Item = Dimension> {
        let filters = self.filters.iter().map(|(dimension, _)| *dimension);
        let all = [Some(self.rows), self.columns].into_iter().flatten();
        all.chain(filters)
            .filter(|dimension| dimension.place().is_some())
    }

    /// Crosses the slices; those of the newest wave come first.
    pub fn table(&self, slices: &[Slice]) -> Table {
        let mut sums: HashMap<(String, String), Counts> = HashMap::new();
        let mut rows = Names::of(Some(self.rows));
        let mut columns = Names::of(self.columns);
        for slice in slices {
            self.sum_slice(slice, &mut |row, column, counts| {
                rows.met(row, counts);
                columns.met(column, counts);
                let key = (row.to_owned(), column.to_owned());
                sums.entry(key).or_default().add(counts);
            });
        }
        let (row_names, row_of) = rows.ordered(ROWS);
        let (column_names, column_of) = columns.ordered(COLUMNS);
        let mut counts = vec![vec![Counts::default(); column_names.len()]; row_names.len()];
        for ((row, column), sum) in &sums {
            let cell = row_of
                .get(row)
                .zip(column_of.get(column))
                .and_then(|(row, column)| counts.get_mut(*row)?.get_mut(*column));
            if let Some(cell) = cell {
                cell.add(sum);
            }
        }
        Table::new(row_names, column_names, &counts)
    }

    /// Gives the sums of a slice, by row and column.
    fn sum_slice(&self, slice: &Slice, give: &mut impl FnMut(&str, &str, &Counts)) {
        let mut filters: Vec<(usize, [bool; 256])> = Vec::new();
        for (dimension, wanted) in &self.filters {
            match (slice.common.value(*dimension), dimension.place()) {
                (Some(value), _) if value != wanted => return,
                (None, Some(place)) => {
                    let mut allowed = [false; 256];
                    for (at, is_allowed) in (0..=u8::MAX).zip(allowed.iter_mut()) {
                        *is_allowed = word(slice.cube.name(place, at)) == wanted;
                    }
                    filters.push((place, allowed));
                }
                _ => {}
            }
        }
        let row = Axis::new(Some(self.rows), slice);
        let column = Axis::new(self.columns, slice);
        let mut sums = vec![Counts::default(); row.len * column.len];
        for (key, counts) in &slice.cube.entries {
            let at = |place: usize| key.get(place).copied().map_or(0, usize::from);
            let is_wanted = filters
                .iter()
                .all(|(place, allowed)| allowed.get(at(*place)).copied().unwrap_or(false));
            if is_wanted {
                let row = row.place.map_or(0, at);
                let column_at = column.place.map_or(0, at);
                if let Some(sum) = sums.get_mut(row * column.len + column_at) {
                    sum.add(counts);
                }
            }
        }
        for (at, sum) in sums.iter().enumerate() {
            if *sum != Counts::default() {
                give(
                    row.name(at / column.len, slice),
                    column.name(at % column.len, slice),
                    sum,
                );
            }
        }
    }
}

/// The words of a value.
pub fn word(value: Value<'_>) -> &str {
    match value {
        Value::Named(name) => name,
        Value::Other => OTHERS,
        Value::Unknown => UNKNOWN,
    }
}

/// One side of the table, over one slice.
struct Axis {
    dimension: Option<Dimension>,
    /// Its place in the keys; `None` when all people of the slice share the value.
    place: Option<usize>,
    len: usize,
}

impl Axis {
    fn new(dimension: Option<Dimension>, slice: &Slice) -> Self {
        let place = dimension.and_then(Dimension::place);
        Self {
            dimension,
            place,
            len: place.map_or(1, |place| slice.cube.named(place).count() + 2),
        }
    }

    fn name<'s>(&self, at: usize, slice: &'s Slice) -> &'s str {
        match (self.place, self.dimension) {
            (Some(place), _) => {
                let at = u8::try_from(at).unwrap_or(u8::MAX);
                word(slice.cube.name(place, at))
            }
            (None, Some(dimension)) => slice.common.value(dimension).unwrap_or_default(),
            (None, None) => "",
        }
    }
}

/// The values of one side, as they are met.
struct Names {
    dimension: Option<Dimension>,
    /// In the order in which they came.
    met: Vec<String>,
    people: HashMap<String, u64>,
}

impl Names {
    fn of(dimension: Option<Dimension>) -> Self {
        Self {
            dimension,
            met: Vec::new(),
            people: HashMap::new(),
        }
    }

    fn met(&mut self, name: &str, counts: &Counts) {
        match self.people.get_mut(name) {
            Some(people) => *people += counts.delivered,
            None => {
                self.met.push(name.to_owned());
                self.people.insert(name.to_owned(), counts.delivered);
            }
        }
    }

    /// The names to show and the place of each value among them: in their own order where they have one,
    /// waves as they came, others by their people; what is over `most`, and what has no name, at the end.
    fn ordered(mut self, most: usize) -> (Vec<String>, HashMap<String, usize>) {
        let order = self.dimension.map_or(&[][..], Dimension::values);
        let nameless = |name: &str| match name {
            OTHERS => 1,
            UNKNOWN => 2,
            _ => 0,
        };
        let keeps_order = matches!(self.dimension, Some(Dimension::Wave) | None);
        self.met.sort_by_key(|name| {
            let place = order.iter().position(|one| one == name);
            let people = if keeps_order || !order.is_empty() {
                0
            } else {
                self.people.get(name).copied().unwrap_or(0)
            };
            (nameless(name), place, std::cmp::Reverse(people))
        });
        let named = self.met.iter().filter(|name| nameless(name) == 0).count();
        let mut shown: Vec<String> = Vec::new();
        let mut places = HashMap::new();
        for (at, name) in self.met.into_iter().enumerate() {
            let label = if at >= most && at < named {
                OTHERS.to_owned()
            } else {
                name.clone()
            };
            let place = shown
                .iter()
                .position(|one| *one == label)
                .unwrap_or_else(|| {
                    shown.push(label);
                    shown.len() - 1
                });
            places.insert(name, place);
        }
        (shown, places)
    }
}

impl Table {
    fn new(row_names: Vec<String>, column_names: Vec<String>, counts: &[Vec<Counts>]) -> Self {
        let mut total = Counts::default();
        let mut by_column = vec![Counts::default(); column_names.len()];
        let mut by_row = Vec::with_capacity(counts.len());
        for row in counts {
            let mut sum = Counts::default();
            for (cell, column) in row.iter().zip(by_column.iter_mut()) {
                sum.add(cell);
                column.add(cell);
            }
            total.add(&sum);
            by_row.push(sum);
        }
        let figure = |counts: &Counts| Figure::new(*counts, &total);
        let cells: Vec<Vec<Figure>> = counts
            .iter()
            .map(|row| row.iter().map(figure).collect())
            .collect();
        let mut table = Self {
            row_totals: by_row.iter().map(figure).collect(),
            column_totals: by_column.iter().map(figure).collect(),
            total: figure(&total),
            row_names,
            column_names,
            cells,
            compared: 0,
            best: None,
            worst: None,
        };
        table.compare();
        table
    }

    /// Each cell that is large enough against everyone else: two proportions by z (METHODS.md M5), all of them
    /// corrected together by Holm's method.
    fn compare(&mut self) {
        let total = self.total.counts;
        let mut compared: Vec<(usize, usize, &Figure, Counts)> = Vec::new();
        for (row, cells) in self.cells.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                if !cell.is_small {
                    compared.push((row, column, cell, total.without(&cell.counts)));
                }
            }
        }
        let p: Vec<f64> = compared
            .iter()
            .map(|(_, _, cell, rest)| {
                chance::of_two_proportions(
                    (cell.counts.responders, cell.counts.delivered),
                    (rest.responders, rest.delivered),
                )
                .unwrap_or(1.0)
            })
            .collect();
        let adjusted = chance::holm(&p);
        let standouts: Vec<Standout> = compared
            .iter()
            .zip(adjusted)
            .map(|((row, column, cell, rest), adjusted_p)| Standout {
                row: self.row_names.get(*row).cloned().unwrap_or_default(),
                column: self
                    .column_names
                    .get(*column)
                    .filter(|name| !name.is_empty())
                    .cloned(),
                rate: cell.rate,
                rest: rate_of(rest),
                adjusted_p,
                is_beyond_chance: adjusted_p < chance::LEVEL,
            })
            .collect();
        let count = standouts.len();
        if count < 2 {
            self.compared = count;
            return;
        }
        let value = |one: &Standout| one.rate.value.unwrap_or(0.0);
        let best = standouts
            .iter()
            .max_by(|a, b| value(a).total_cmp(&value(b)))
            .cloned();
        let worst = standouts
            .iter()
            .min_by(|a, b| value(a).total_cmp(&value(b)))
            .cloned();
        self.compared = count;
        self.best = best;
        self.worst = worst;
    }
}

impl Figure {
    fn new(counts: Counts, total: &Counts) -> Self {
        let share = if total.delivered == 0 {
            0.0
        } else {
            as_f64(total.responders) / as_f64(total.delivered)
        };
        Self {
            counts,
            rate: rate_of(&counts),
            is_small: counts.delivered < SMALL || as_f64(counts.delivered) * share < EXPECTED,
        }
    }
}

fn rate_of(counts: &Counts) -> Rate {
    Rate::new(counts.responders, counts.delivered, Denominator::Delivered)
}

impl Standout {
    /// The cell in words: `Y · Somme`.
    pub fn name(&self) -> String {
        match &self.column {
            Some(column) => format!("{} · {column}", self.row),
            None => self.row.clone(),
        }
    }

    /// What it means, with how many were compared.
    pub fn verdict(&self, compared: usize) -> Sentence {
        let said = if self.is_beyond_chance {
            Sentence::new("more than chance explains, {n} cells compared ({p})")
        } else {
            Sentence::new("of {n} cells one looks so by chance alone ({p})")
        };
        said.with("n", u64::try_from(compared).unwrap_or(u64::MAX))
            .with("p", chance::p_in_words(self.adjusted_p))
    }
}

/// What may be chosen in each dimension, in its order; dimensions with one value only are left out.
pub fn choices(slices: &[Slice]) -> Vec<(Dimension, Vec<String>)> {
    Dimension::ALL
        .into_iter()
        .map(|dimension| {
            let mut names = Names::of(Some(dimension));
            for slice in slices {
                let people = slice.cube.total();
                match (slice.common.value(dimension), dimension.place()) {
                    (Some(value), _) => names.met(value, &people),
                    (None, Some(place)) => {
                        for (_, name) in slice.cube.named(place) {
                            names.met(name, &Counts::default());
                        }
                        for (value, name) in [
                            (super::cube::OTHER, OTHERS),
                            (super::cube::UNKNOWN, UNKNOWN),
                        ] {
                            if slice.margins.has(place, value) {
                                names.met(name, &Counts::default());
                            }
                        }
                    }
                    (None, None) => {}
                }
            }
            let (shown, _) = names.ordered(usize::MAX);
            (dimension, shown)
        })
        .filter(|(_, names)| names.len() > 1)
        .collect()
}

#[cfg(test)]
#[path = "cross_tests.rs"]
mod tests;
