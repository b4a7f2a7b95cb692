//! The counts of one wave, channel and cell by every combination of what is known of its people, without
//! I/O: made by a [`Counting`], kept packed, summed on demand.

use std::collections::HashMap;

use super::attributes::Person;
use super::dimension::Dimension;

/// The place of what is not known, in every dimension.
pub const UNKNOWN: u8 = 0;
/// The place of the values that are too rare to be named.
pub const OTHER: u8 = 1;
/// The place of the first value that has a name.
const FIRST: u8 = 2;
/// Values that are named, of dimensions whose values are not known beforehand.
const NAMED: usize = 15;
/// Values a dimension may have while it is counted.
const VALUES: usize = 200;
/// Names that are remembered to be rare; beyond them every new one is taken for rare.
const REMEMBERED: usize = 20_000;
/// Combinations a cube may have: beyond, the rarest values are put together.
pub const ENTRIES: usize = 60_000;

const PEOPLE: usize = Dimension::OF_PEOPLE.len();

/// The place of the half in a key.
pub const HALF: usize = PEOPLE;

/// The place of a person's value in each dimension of people, and his half at last.
pub type Key = [u8; PEOPLE + 1];

/// What is counted of people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Deliveries that arrived as far as one knows.
    pub delivered: u64,
    pub responders: u64,
    pub orders: u64,
    pub revenue_cents: i64,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.responders += other.responders;
        self.orders += other.orders;
        self.revenue_cents += other.revenue_cents;
    }

    /// All but these; nothing below zero.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        Self {
            delivered: self.delivered.saturating_sub(part.delivered),
            responders: self.responders.saturating_sub(part.responders),
            orders: self.orders.saturating_sub(part.orders),
            revenue_cents: self.revenue_cents - part.revenue_cents,
        }
    }
}

/// Counts by combination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cube {
    /// The named values of each dimension of people; the first has the place 2.
    names: Vec<Vec<String>>,
    pub entries: Vec<(Key, Counts)>,
}

impl Cube {
    /// What stands at a place of a dimension.
    pub fn name(&self, dimension: usize, place: u8) -> Value<'_> {
        match place {
            UNKNOWN => Value::Unknown,
            OTHER => Value::Other,
            named => {
                let names = self.names.get(dimension);
                let name = names.and_then(|names| names.get(usize::from(named - FIRST)));
                name.map_or(Value::Other, |name| Value::Named(name))
            }
        }
    }

    /// The named values of a dimension with their places.
    pub fn named(&self, dimension: usize) -> impl Iterator<Item = (u8, &str)> {
        let names = self.names.get(dimension).into_iter().flatten();
        (FIRST..=u8::MAX).zip(names.map(String::as_str))
    }

    /// Other counts under the same names.
    pub(super) fn with(&self, entries: Vec<(Key, Counts)>) -> Self {
        Self {
            names: self.names.clone(),
            entries,
        }
    }

    /// The sum over everyone.
    pub fn total(&self) -> Counts {
        let mut sum = Counts::default();
        for (_, counts) in &self.entries {
            sum.add(counts);
        }
        sum
    }

    /// As bytes: a version, the names as JSON after their length, then each combination as its key and its
    /// counts, numbers in LEB128 (DWARF 5 §7.6), the signed one in zigzag order.
    pub fn pack(&self) -> Vec<u8> {
        let names = serde_json::to_vec(&self.names).unwrap_or_default();
        let mut bytes = Vec::with_capacity(names.len() + 5 + self.entries.len() * 16);
        bytes.push(VERSION);
        let length = u32::try_from(names.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&names);
        for (key, counts) in &self.entries {
            bytes.extend_from_slice(key);
            for number in [counts.delivered, counts.responders, counts.orders] {
                put(&mut bytes, number);
            }
            let cents = counts.revenue_cents;
            put(&mut bytes, ((cents << 1) ^ (cents >> 63)).cast_unsigned());
        }
        bytes
    }

    /// Reads what [`Cube::pack`] wrote; `None` when it is anything else.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (names, mut rest) = rest.split_at_checked(length)?;
        let names: Vec<Vec<String>> = serde_json::from_slice(names).ok()?;
        let mut entries = Vec::with_capacity(rest.len() / 15);
        while let Some((key, after)) = rest.split_first_chunk() {
            rest = after;
            let delivered = take(&mut rest)?;
            let responders = take(&mut rest)?;
            let orders = take(&mut rest)?;
            let cents = take(&mut rest)?;
            let counts = Counts {
                delivered,
                responders,
                orders,
                revenue_cents: (cents >> 1).cast_signed() ^ -(cents & 1).cast_signed(),
            };
            entries.push((*key, counts));
        }
        rest.is_empty().then_some(Self { names, entries })
    }
}

const VERSION: u8 = 1;

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = (number & 0x7f).to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A value of a dimension of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value<'c> {
    Named(&'c str),
    /// One of those too rare to be named.
    Other,
    Unknown,
}

/// The named values of one dimension while they are counted.
#[derive(Debug, Clone, Default)]
struct Words {
    names: Vec<String>,
    /// Every name that was met with its place; that of a rare one is [`OTHER`].
    places: HashMap<String, u8>,
}

impl Words {
    /// The place of a name; `None` when there is no room for one more.
    fn place(&mut self, name: &str) -> Option<u8> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        if self.places.len() >= REMEMBERED {
            return Some(OTHER);
        }
        if self.names.len() >= VALUES {
            return None;
        }
        let place = u8::try_from(self.names.len()).ok()?.checked_add(FIRST)?;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        Some(place)
    }
}

/// A cube being made, person by person.
#[derive(Debug)]
pub struct Counting {
    words: Vec<Words>,
    entries: HashMap<Key, Counts>,
    limit: usize,
}

impl Default for Counting {
    fn default() -> Self {
        Self::with_limit(ENTRIES)
    }
}

impl Counting {
    /// One that ends with at most `limit` combinations.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            words: vec![Words::default(); PEOPLE],
            entries: HashMap::new(),
            limit,
        }
    }

    /// Counts a delivery.
    pub fn add(&mut self, person: &Person, launched_at: i64, half: u8, counts: &Counts) {
        let mut key = Key::default();
        for (at, dimension) in Dimension::OF_PEOPLE.into_iter().enumerate() {
            let place = match person.value(dimension, launched_at) {
                Some(name) => self.place(at, name),
                None => UNKNOWN,
            };
            set(&mut key, at, place);
        }
        set(&mut key, HALF, half);
        self.count(key, counts);
    }

    /// Counts what another cube holds.
    pub fn absorb(&mut self, cube: &Cube) {
        // Their places by dimension, in ours; after a folding they are others.
        let mut known: Vec<HashMap<u8, u8>> = vec![HashMap::new(); PEOPLE];
        for (theirs, counts) in &cube.entries {
            let mut key = *theirs;
            for (at, places) in known.iter_mut().enumerate() {
                let place = theirs.get(at).copied().unwrap_or(UNKNOWN);
                let ours = match places.get(&place) {
                    Some(ours) => *ours,
                    None => match cube.name(at, place) {
                        Value::Unknown => UNKNOWN,
                        Value::Other => OTHER,
                        Value::Named(name) => {
                            // As many as one cube may name, so that this one folds nothing meanwhile.
                            let ours = self.words.get_mut(at).and_then(|words| words.place(name));
                            ours.unwrap_or(OTHER)
                        }
                    },
                };
                places.insert(place, ours);
                set(&mut key, at, ours);
            }
            self.entries.entry(key).or_default().add(counts);
        }
    }

    fn place(&mut self, dimension: usize, name: &str) -> u8 {
        let words = self.words.get_mut(dimension);
        let Some(found) = words.map(|words| words.place(name)) else {
            return OTHER;
        };
        found.unwrap_or_else(|| {
            self.fold(dimension, NAMED);
            let words = self.words.get_mut(dimension);
            words.and_then(|words| words.place(name)).unwrap_or(OTHER)
        })
    }

    fn count(&mut self, key: Key, counts: &Counts) {
        self.entries.entry(key).or_default().add(counts);
        if self.entries.len() > self.limit.saturating_mul(2) {
            self.coarsen();
        }
    }

    /// Puts the rarest values of a dimension together, so that `keep` stay named.
    fn fold(&mut self, dimension: usize, keep: usize) {
        let Some(words) = self.words.get_mut(dimension) else {
            return;
        };
        if words.names.len() <= keep {
            return;
        }
        let mut people: HashMap<u8, u64> = HashMap::new();
        for (key, counts) in &self.entries {
            let place = key.get(dimension).copied().unwrap_or(UNKNOWN);
            *people.entry(place).or_default() += counts.delivered;
        }
        let mut ranked: Vec<(u64, u8, String)> = (FIRST..=u8::MAX)
            .zip(words.names.drain(..))
            .map(|(place, name)| (people.get(&place).copied().unwrap_or(0), place, name))
            .collect();
        ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut moved: HashMap<u8, u8> = HashMap::new();
        for (rank, (_, place, name)) in ranked.into_iter().enumerate() {
            let new = match u8::try_from(rank) {
                Ok(rank) if usize::from(rank) < keep => rank + FIRST,
                _ => OTHER,
            };
            moved.insert(place, new);
            words.places.insert(name.clone(), new);
            if new != OTHER {
                words.names.push(name);
            }
        }
        for (mut key, counts) in std::mem::take(&mut self.entries) {
            let place = key.get(dimension).copied().unwrap_or(UNKNOWN);
            set(
                &mut key,
                dimension,
                moved.get(&place).copied().unwrap_or(place),
            );
            self.entries.entry(key).or_default().add(&counts);
        }
    }

    /// Folds the dimension with most values to half as many, until the combinations are few enough.
    fn coarsen(&mut self) {
        while self.entries.len() > self.limit {
            let widest = self
                .words
                .iter()
                .enumerate()
                .max_by_key(|(_, words)| words.names.len())
                .map(|(at, words)| (at, words.names.len()));
            match widest {
                Some((at, values)) if values > 0 => self.fold(at, values / 2),
                _ => return,
            }
        }
    }

    /// The cube, with at most 15 named values where they are not known beforehand.
    #[must_use]
    pub fn finish(mut self) -> Cube {
        for (at, dimension) in Dimension::OF_PEOPLE.into_iter().enumerate() {
            if dimension.values().is_empty() {
                self.fold(at, NAMED);
            }
        }
        self.coarsen();
        let mut entries: Vec<(Key, Counts)> = self.entries.into_iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        Cube {
            names: self.words.into_iter().map(|words| words.names).collect(),
            entries,
        }
    }
}

fn set(key: &mut Key, at: usize, place: u8) {
    if let Some(slot) = key.get_mut(at) {
        *slot = place;
    }
}

#[cfg(test)]
#[path = "cube_tests.rs"]
mod tests;
