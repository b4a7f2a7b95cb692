//! Finding people by what somebody remembers of them: a number, a key, an address, a name, a place.
//!
//! What is written may be the begin of any of these, so it is looked for in several ways, one after the
//! other, each in the order of an index; whom an earlier way finds is not found again by a later one. A page
//! costs its own rows, however many people there are: the next one goes on from a [`Place`].

use data_encoding::BASE64URL_NOPAD;
use sea_orm::DbErr;

use super::model::{Customer, Stage};
use super::normalise;
use super::store::{self, search as ways};
use crate::storage::Db;
use crate::storage::text::fold;

/// People that are looked through for a page where only some of them are wanted: so many rows a database
/// reads in the time a page may take.
pub(super) const LOOK: i64 = 5_000;
/// Words of a name that are tried as first and last name.
const MAX_WORDS: usize = 3;
/// Characters that are looked at.
const MAX_TEXT: usize = 200;

/// Who makes most of the revenue, who the next of it, and who the rest ([`super::value`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueClass {
    A,
    B,
    C,
}

impl ValueClass {
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::C];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
        }
    }
}

/// Whom somebody looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Empty: everyone, the newest first.
    pub text: String,
    /// Country of a telephone number without a prefix (ISO 3166-1 alpha-2).
    pub region: String,
    pub stage: Option<Stage>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// ISO 639-1.
    pub language: Option<String>,
    pub class: Option<ValueClass>,
}

impl Wanted {
    /// Whether only some of those the text means are wanted.
    pub fn is_filtered(&self) -> bool {
        self.stage.is_some()
            || self.country.is_some()
            || self.language.is_some()
            || self.class.is_some()
    }
}

/// Where a page ended: the way, and the place in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub way: usize,
    pub key: String,
    pub second_key: String,
    pub id: i64,
}

impl Place {
    /// The place as one word for a link.
    pub fn to_word(&self) -> String {
        let Self {
            way,
            key,
            second_key,
            id,
        } = self;
        let text = serde_json::json!([way, key, second_key, id]).to_string();
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    /// Reads [`Place::to_word`]; `None` for anything else.
    pub fn from_word(word: &str) -> Option<Self> {
        let text = BASE64URL_NOPAD.decode(word.as_bytes()).ok()?;
        let (way, key, second_key, id): (usize, String, String, i64) =
            serde_json::from_slice(&text).ok()?;
        let is_text = !key.contains('\0') && !second_key.contains('\0');
        is_text.then_some(Self {
            way,
            key,
            second_key,
            id,
        })
    }
}

/// Some of those who were meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub customers: Vec<Customer>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Place>,
    /// Whether the page ends because enough people were looked through, not because it is full.
    pub is_cut: bool,
}

/// A field that is looked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    LastName,
    FirstName,
    Company,
    Email,
    City,
    PostalCode,
}

/// What is known of a field: how it begins, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub field: Field,
    pub text: String,
    pub is_whole: bool,
}

/// One way to look for what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Everyone, the newest first.
    Everyone,
    /// One of these as a whole.
    Known {
        id: Option<i64>,
        external_id: String,
        email: Option<String>,
        phone: Option<String>,
    },
    /// All of these fields are so; the order is that of the first.
    Fields(Vec<Told>),
}

/// How a text may be meant, the likeliest first.
pub(super) fn ways(text: &str, region: &str) -> Vec<Way> {
    // PostgreSQL knows no text with this character, so nobody is called so.
    let text: String = text
        .trim()
        .replace('\0', "")
        .chars()
        .take(MAX_TEXT)
        .collect();
    if text.is_empty() {
        return vec![Way::Everyone];
    }
    let mut ways = vec![Way::Known {
        id: text.strip_prefix("number:").unwrap_or(&text).parse().ok(),
        external_id: text.clone(),
        email: normalise::email(&text).ok().map(|email| email.key),
        phone: normalise::phone(&text, region).ok(),
    }];
    let mut add = |tells: &[(Field, &str, bool)]| {
        let tells = tells.iter().map(|(field, text, is_whole)| Told {
            field: *field,
            text: (*text).to_owned(),
            is_whole: *is_whole,
        });
        let way = Way::Fields(tells.collect());
        if !ways.contains(&way) {
            ways.push(way);
        }
    };
    let folded = fold(&text);
    let words: Vec<&str> = folded.split(' ').collect();
    let is_address = folded.contains('@');
    if !is_address {
        use Field::{FirstName, LastName};
        add(&[(LastName, &folded, false)]);
        if (2..=MAX_WORDS).contains(&words.len()) {
            let cuts: Vec<(String, String)> = (1..words.len())
                .map(|cut| words.split_at(cut))
                .flat_map(|(front, back)| {
                    let (front, back) = (front.join(" "), back.join(" "));
                    [(front.clone(), back.clone()), (back, front)]
                })
                .collect();
            // One of the names is mostly written out: then few rows are looked at.
            for (first, last) in &cuts {
                add(&[(LastName, last, true), (FirstName, first, false)]);
                add(&[(FirstName, first, true), (LastName, last, false)]);
            }
            for (first, last) in &cuts {
                add(&[(LastName, last, false), (FirstName, first, false)]);
            }
        }
        add(&[(FirstName, &folded, false)]);
        if words.len() > 1 {
            let joined = words.join("-");
            add(&[(FirstName, &joined, false)]);
            add(&[(LastName, &joined, false)]);
        }
        add(&[(Field::Company, &folded, false)]);
    }
    if words.len() == 1 {
        add(&[(Field::Email, &text.to_lowercase(), false)]);
    }
    if !is_address {
        add(&[(Field::City, &folded, false)]);
        // As they are written on envelopes: in capitals, in some countries with a space.
        let has_digit = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
        if has_digit(&folded) {
            add(&[(Field::PostalCode, &text.to_uppercase(), false)]);
        }
        let parted = [folded.split_once(' '), folded.rsplit_once(' ')];
        let [before, behind] = parted;
        let places = [before, behind.map(|(city, code)| (code, city))];
        for (code, city) in places
            .into_iter()
            .flatten()
            .filter(|(code, _)| has_digit(code))
        {
            let code = code.to_uppercase();
            add(&[
                (Field::PostalCode, &code, false),
                (Field::City, city, false),
            ]);
        }
    }
    ways
}

/// A page of at most `limit` people, from `after` on.
///
/// # Errors
/// When the database is away.
pub async fn search(
    db: &Db,
    wanted: &Wanted,
    after: Option<&Place>,
    limit: usize,
) -> Result<Found, DbErr> {
    let all = ways(&wanted.text, &wanted.region);
    let mut places: Vec<Place> = Vec::new();
    let mut next = None;
    let mut is_cut = false;
    for way in after.map_or(0, |after| after.way)..all.len() {
        // One more tells whether another page follows.
        let room = limit + 1 - places.len();
        let from = after.filter(|after| after.way == way);
        let page = ways::page(db, &all, way, wanted, from, room).await?;
        places.extend(page.places);
        if places.len() > limit {
            places.truncate(limit);
            next = places.last().cloned();
            break;
        }
        if page.looked_until.is_some() {
            next = page.looked_until;
            is_cut = true;
            break;
        }
    }
    let ids: Vec<i64> = places.iter().map(|place| place.id).collect();
    let mut customers = store::with_ids(db, &ids).await?;
    customers.sort_by_key(|customer| ids.iter().position(|id| *id == customer.id.0));
    Ok(Found {
        customers,
        next,
        is_cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(tells: &[(Field, &str, bool)]) -> Way {
        let tells = tells.iter().map(|(field, text, is_whole)| Told {
            field: *field,
            text: (*text).to_owned(),
            is_whole: *is_whole,
        });
        Way::Fields(tells.collect())
    }

    #[test]
    fn what_is_written_is_meant_in_every_way_it_can_be() {
        use Field::{Company, FirstName, LastName};
        let ways = ways("Anne  PETIT", "FR");
        for (last, first) in [("petit", "anne"), ("anne", "petit")] {
            for expected in [
                way(&[(LastName, last, true), (FirstName, first, false)]),
                way(&[(FirstName, first, true), (LastName, last, false)]),
                way(&[(LastName, last, false), (FirstName, first, false)]),
            ] {
                assert!(ways.contains(&expected), "{ways:?}");
            }
        }
        assert!(ways.contains(&way(&[(FirstName, "anne-petit", false)])));
        assert!(ways.contains(&way(&[(Company, "anne petit", false)])));
    }

    #[test]
    fn a_telephone_number_an_address_and_a_place_are_recognised() {
        let known = |text: &str| match ways(text, "FR").into_iter().next() {
            Some(Way::Known {
                id, email, phone, ..
            }) => (id, email, phone),
            other => panic!("{other:?}"),
        };
        assert_eq!(known("06 39 98 00 12").2.as_deref(), Some("+33639980012"));
        assert_eq!(
            known("ANNE@Mail.Example").1.as_deref(),
            Some("anne@mail.example")
        );
        assert_eq!(known(" 42 ").0, Some(42));
        let place = way(&[
            (Field::PostalCode, "75011", false),
            (Field::City, "paris", false),
        ]);
        for text in ["75011 Paris", "Paris 75011"] {
            assert!(ways(text, "FR").contains(&place), "{text}");
        }
        assert!(ways("anne@", "FR").contains(&way(&[(Field::Email, "anne@", false)])));
        assert_eq!(ways(" \0 ", "FR"), [Way::Everyone]);
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = Place {
            way: 3,
            key: "l'haÿ".to_owned(),
            second_key: String::new(),
            id: -7,
        };
        assert_eq!(Place::from_word(&place.to_word()), Some(place));
        for word in ["", "x", "W10", "🙂"] {
            assert_eq!(Place::from_word(word), None, "{word}");
        }
    }
}
