//! A customer base to try things with, made from a seed: the same seed, size and day give the same bytes.
//!
//! It is written as CSV files, so that a demonstration goes through the import. Nobody in it exists, and
//! nobody can be reached: addresses end in the reserved names of RFC 2606, telephone numbers are of the
//! ranges that are kept free for fiction; where a country has none that is valid, there is no number.

mod names;

use std::io;
use std::path::Path;

use chrono::{Datelike, Days, NaiveDate};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use self::names::{CULTURES, Culture, DOMAINS, INTERESTS, PRODUCTS, SOURCES, TOWNS, Town};
use crate::storage::text::fold;

const HEADER: [&str; 33] = [
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "company",
    "gender",
    "birth_date",
    "language",
    "country",
    "region",
    "postal_code",
    "city",
    "time_zone",
    "stage",
    "tags",
    "tracking",
    "attribute.household",
    "attribute.lifestyle",
    "attribute.income_band",
    "attribute.interest_cooking",
    "attribute.interest_travel",
    "attribute.newsletter_reader",
    "permission.email.offers",
    "permission.email.news",
    "permission.sms.offers",
    "permission_source",
    "permission_date",
    "permission_basis",
    "permission_wording",
    "permission_level",
    "permission_expires",
    "household",
];

const ORDER_HEADER: [&str; 7] = [
    "order_id",
    "customer_id",
    "ordered_at",
    "amount",
    "currency",
    "product",
    "category",
];

/// Writes `size` customers to `path` as CSV; dates lie before `today`.
///
/// About 1.5 % of the addresses are broken, 1 % of the customers share the address of another, 1 % live
/// at `refused.example` (for the sandbox: no such recipient) and 1 % at `busy.example` (for the sandbox:
/// try again later). Permissions are of every kind: consent, soft opt-in, business, contract, refusals,
/// and some without proof.
///
/// # Errors
/// When the file cannot be written.
pub fn write_customers(path: &Path, size: u32, seed: u64, today: NaiveDate) -> io::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(HEADER)?;
    for n in 0..size {
        writer.write_record(Person::new(n, seed, today).record())?;
    }
    writer.flush()
}

/// Writes the orders of the customers that [`write_customers`] writes with the same arguments: three
/// years of kitchenware, more before Christmas and in the sales.
///
/// # Errors
/// When the file cannot be written.
pub fn write_orders(path: &Path, size: u32, seed: u64, today: NaiveDate) -> io::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(ORDER_HEADER)?;
    for n in 0..size {
        let mut person = Person::new(n, seed, today);
        for order in person.orders() {
            writer.write_record(order)?;
        }
    }
    writer.flush()
}

/// What a person allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Consent,
    SoftOptIn,
    Business,
    Contract,
    NoProof,
    Refusal,
    Silence,
}

/// One person of the base; made from his number alone, so that any of them can be made again.
struct Person {
    n: u32,
    seed: u64,
    today: NaiveDate,
    rng: StdRng,
    culture: &'static Culture,
    town: &'static Town,
    first_name: &'static str,
    last_name: &'static str,
    is_woman: bool,
    birth_date: NaiveDate,
    is_business: bool,
    email: String,
    word: Word,
    /// How many orders, and how many days ago the last of them may be.
    orders: u32,
    silent_days: u32,
    interest_cooking: u32,
}

impl Person {
    fn new(n: u32, seed: u64, today: NaiveDate) -> Self {
        // Splitting the seed by an odd multiple keeps neighbours apart; the generator mixes the rest.
        let own = seed.wrapping_add(u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut rng = StdRng::seed_from_u64(own);
        let culture = pick_weighted(&mut rng, &CULTURES, |culture| culture.weight);
        let is_woman = rng.random_ratio(53, 100);
        let first_names = if is_woman { culture.women } else { culture.men };
        let first_name = pick(&mut rng, first_names);
        let last_name = pick(&mut rng, culture.last_names);
        let towns: Vec<&Town> = TOWNS
            .iter()
            .filter(|town| culture.countries.contains(&town.country))
            .collect();
        let town = pick_weighted(&mut rng, &towns, |town| town.weight);
        let age_days = match rng.random_range(0..100_u32) {
            0..4 => rng.random_range(90 * 365..99 * 365),
            4..12 => rng.random_range(78 * 365..90 * 365),
            12..38 => rng.random_range(60 * 365..78 * 365),
            38..66 => rng.random_range(44 * 365..60 * 365),
            66..90 => rng.random_range(28 * 365..44 * 365),
            _ => rng.random_range(18 * 365 + 5..28 * 365),
        };
        let is_business = rng.random_ratio(8, 100);
        let has_orders = rng.random_ratio(62, 100);
        let orders = if has_orders {
            1 + rng.random_range(0..4_u32) * rng.random_range(0..4_u32)
        } else {
            0
        };
        let silent_days = if rng.random_ratio(1, 4) {
            rng.random_range(400..1_000)
        } else {
            rng.random_range(1..360)
        };
        let word = match rng.random_range(0..100_u32) {
            0..56 => Word::Consent,
            56..70 if orders > 0 => Word::SoftOptIn,
            56..74 if is_business => Word::Business,
            56..70 => Word::Consent,
            70..73 if orders > 0 => Word::Contract,
            70..80 => Word::NoProof,
            80..91 => Word::Refusal,
            _ => Word::Silence,
        };
        let interest_cooking = rng.random_range(0..=100);
        let mut person = Self {
            n,
            seed,
            today,
            rng,
            culture,
            town,
            first_name,
            last_name,
            is_woman,
            birth_date: before(today, age_days),
            is_business,
            email: String::new(),
            word,
            orders,
            silent_days,
            interest_cooking,
        };
        person.email = person.address(seed);
        person
    }

    /// His address: his own, or broken, or that of an earlier person.
    fn address(&mut self, seed: u64) -> String {
        let kind = self.rng.random_range(0..1_000_u32);
        if (15..25).contains(&kind) && self.n > 0 {
            // The same person, written down twice.
            let twin = Self::new(self.rng.random_range(0..self.n), seed, self.today);
            (self.culture, self.town) = (twin.culture, twin.town);
            (self.first_name, self.last_name, self.is_woman) =
                (twin.first_name, twin.last_name, twin.is_woman);
            self.birth_date = twin.birth_date;
            return twin.email;
        }
        let local = local_part(self.first_name, self.last_name, self.n);
        let domain = match kind {
            25..35 => "refused.example",
            35..45 => "busy.example",
            _ => pick(&mut self.rng, &DOMAINS),
        };
        if kind >= 15 {
            return format!("{local}@{domain}");
        }
        match kind % 6 {
            0 => format!("{local}@"),
            1 => format!("{local}.{domain}"),
            2 => format!("{local}@@{domain}"),
            3 => format!("{} @{domain}", local.replace('.', " ")),
            4 => format!("{local}@example"),
            _ => format!("{local}.@{domain}"),
        }
    }

    fn record(mut self) -> Vec<String> {
        let is_out_of_reach = self.word == Word::Silence;
        let phone = if self.rng.random_ratio(6, 10) {
            self.phone()
        } else {
            String::new()
        };
        let company = if self.is_business {
            self.company()
        } else {
            String::new()
        };
        let tags = self.tags();
        let age = self.today.years_since(self.birth_date).unwrap_or_default();
        let household = *pick(
            &mut self.rng,
            match age {
                0..30 => &["single", "couple", "shared"],
                30..50 => &["family", "family", "couple", "single"],
                _ => &["couple", "couple", "single", "family"],
            },
        );
        let lifestyle = *pick(
            &mut self.rng,
            &[
                "epicurean",
                "hurried",
                "ecological",
                "traditional",
                "sporty",
                "connected",
            ],
        );
        let income = *pick(&mut self.rng, &["low", "middle", "middle", "upper", "high"]);
        let tracking = match self.rng.random_range(0..10_u32) {
            0..4 => "full",
            4..6 => "hygiene",
            6..9 => "none",
            _ => "",
        };
        let answers = self.answers(!phone.is_empty());
        let under_one_roof = self.household();
        let stage = if self.orders == 0 && is_out_of_reach {
            "suspect"
        } else {
            "prospect"
        };
        let gender = if self.is_woman { "female" } else { "male" };
        let travel = self.rng.random_range(0..=100_u32);
        let reads = if self.rng.random_ratio(2, 5) {
            "true"
        } else {
            "false"
        };
        let mut record = vec![
            format!("C{:06}", self.n + 1),
            self.email,
            phone,
            self.first_name.to_owned(),
            self.last_name.to_owned(),
            company,
            gender.to_owned(),
            self.birth_date.to_string(),
            self.culture.language.to_owned(),
            self.town.country.to_owned(),
            self.town.region.to_owned(),
            self.town.postal_code.to_owned(),
            self.town.name.to_owned(),
            self.town.time_zone.to_owned(),
            stage.to_owned(),
            tags,
            tracking.to_owned(),
            household.to_owned(),
            lifestyle.to_owned(),
            income.to_owned(),
            self.interest_cooking.to_string(),
            travel.to_string(),
            reads.to_owned(),
        ];
        record.extend(answers);
        record.push(under_one_roof);
        record
    }

    /// The permission columns: offers and news by e-mail, offers by SMS, and their proof.
    fn answers(&mut self, has_phone: bool) -> [String; 9] {
        let is_yes = !matches!(self.word, Word::Refusal | Word::Silence);
        let basis = match self.word {
            Word::Consent => "consent",
            Word::SoftOptIn => "soft_opt_in",
            Word::Business => "b2b_legitimate_interest",
            Word::Contract => "contract",
            Word::NoProof | Word::Refusal | Word::Silence => "",
        };
        let asked_days = self.rng.random_range(20..1_000_u32);
        let (source, wording) = pick(&mut self.rng, &SOURCES);
        let wants_news = self.rng.random_ratio(2, 3);
        let wants_sms = self.rng.random_ratio(1, 2);
        let yes_or_no = |is_yes| if is_yes { "yes" } else { "no" }.to_owned();
        let (offers, news, sms) = match self.word {
            Word::Silence => Default::default(),
            Word::Refusal => (
                yes_or_no(false),
                yes_or_no(wants_news && self.n.is_multiple_of(3)),
                String::new(),
            ),
            _ => (
                yes_or_no(true),
                yes_or_no(wants_news),
                if has_phone {
                    yes_or_no(wants_sms)
                } else {
                    String::new()
                },
            ),
        };
        // A refusal of offers by someone who agrees to the news proves the news.
        let basis = if self.word == Word::Refusal && news == "yes" {
            "consent"
        } else {
            basis
        };
        let is_proven = !basis.is_empty() || !is_yes;
        let proof = |text: String| {
            if is_proven && self.word != Word::Silence {
                text
            } else {
                String::new()
            }
        };
        let (level, lasts_days) = self.closeness();
        let expires = lasts_days
            .filter(|_| basis == "consent" && is_proven)
            .and_then(|days| before(self.today, asked_days).checked_add_days(Days::new(days)));
        [
            offers,
            news,
            sms,
            proof((*source).to_owned()),
            proof(before(self.today, asked_days).to_string()),
            basis.to_owned(),
            if basis == "consent" {
                (*wording).to_owned()
            } else {
                String::new()
            },
            if basis == "consent" { level } else { "" }.to_owned(),
            expires.map_or_else(String::new, |day| day.to_string()),
        ]
    }

    /// How close he let us come, and for how many days; most say neither.
    fn closeness(&self) -> (&'static str, Option<u64>) {
        let mut rng = self.own_stream(u64::from(self.n));
        let level = match rng.random_range(0..100_u32) {
            0..12 => "personal_relationship",
            12..17 => "points",
            17..19 => "intravenous",
            _ => "",
        };
        (level, rng.random_ratio(1, 20).then_some(730))
    }

    /// Some neighbours by number live under one roof.
    fn household(&self) -> String {
        let pair = u64::from(self.n / 2);
        if self.own_stream(!pair).random_ratio(1, 25) {
            format!("H{:05}", pair + 1)
        } else {
            String::new()
        }
    }

    /// A stream beside the person's own, so that what is drawn from it moves nothing else.
    fn own_stream(&self, of: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.rotate_left(17) ^ of)
    }

    /// A number of the ranges that are kept for films and books, where the plan of the country has one.
    fn phone(&mut self) -> String {
        let four = self.rng.random_range(0..10_000_u32);
        match self.town.country {
            // Arcep, décision 2018-0881: numbers for works of fiction. One in seven is a fixed line; the
            // mobile numbers of ten thousand neighbours by number are all different.
            "FR" if four % 7 == 0 => format!("01 99 00 {:02} {:02}", four / 100, four % 100),
            "FR" => {
                let four = self.n.wrapping_mul(7_919) % 10_000;
                format!("06 39 98 {:02} {:02}", four / 100, four % 100)
            }
            // Ofcom: telephone numbers for use in drama.
            "GB" => format!("+44 20 7946 0{:03}", four % 1_000),
            // Bundesnetzagentur: Drama Numbers.
            "DE" => format!("+49 171 39200{:02}", four % 100),
            // North American numbering: 555-0100 to 555-0199.
            "US" => format!("+1 212 555 01{:02}", four % 100),
            _ => String::new(),
        }
    }

    fn company(&mut self) -> String {
        let kind = pick(
            &mut self.rng,
            &[
                "Atelier",
                "Restaurant",
                "Hôtel",
                "Traiteur",
                "Cuisine & Co",
                "Maison",
                "Épicerie",
            ],
        );
        format!("{kind} {}", self.last_name)
    }

    fn tags(&mut self) -> String {
        let mut tags: Vec<&str> = INTERESTS
            .iter()
            .filter(|_| self.rng.random_ratio(1, 8))
            .copied()
            .collect();
        if self.interest_cooking > 85 {
            tags.push("gourmet");
        }
        tags.join("|")
    }

    fn orders(&mut self) -> Vec<[String; 7]> {
        // A stream of its own: what is drawn for the profile does not move the orders.
        let mut rng = StdRng::seed_from_u64(self.rng.random());
        let mut orders = Vec::new();
        for k in 0..self.orders {
            // The last order is as old as the silence; earlier ones lie within three years before today.
            let oldest = 3 * 365_u32;
            let mut days = if k == 0 {
                self.silent_days
            } else {
                rng.random_range(self.silent_days..oldest.max(self.silent_days + 1))
            };
            let mut day = before(self.today, days);
            // Months in which nobody buys pans are drawn again, once.
            if !matches!(day.month(), 1 | 6 | 11 | 12) && k > 0 && rng.random_ratio(1, 2) {
                days = rng.random_range(self.silent_days..oldest.max(self.silent_days + 1));
                day = before(self.today, days);
            }
            let product = pick_weighted(&mut rng, &PRODUCTS, |product| product.weight);
            let pieces = if rng.random_ratio(1, 10) { 2 } else { 1 };
            let is_sale = matches!(day.month(), 1 | 7) && rng.random_ratio(1, 2);
            let cents = product.cents * pieces * if is_sale { 80 } else { 100 } / 100;
            let time = format!(
                "{:02}:{:02}",
                rng.random_range(7..23),
                rng.random_range(0..60)
            );
            orders.push([
                format!("O{:06}-{}", self.n + 1, k + 1),
                format!("C{:06}", self.n + 1),
                format!("{day}T{time}:00Z"),
                format!("{}.{:02}", cents / 100, cents % 100),
                "EUR".to_owned(),
                product.name.to_owned(),
                product.category.to_owned(),
            ]);
        }
        orders
    }
}

fn before(today: NaiveDate, days: u32) -> NaiveDate {
    today
        .checked_sub_days(Days::new(u64::from(days)))
        .unwrap_or(today)
}

/// The name as mailbox names are: ASCII, with the number that makes it unique.
fn local_part(first_name: &str, last_name: &str, n: u32) -> String {
    let plain = |name: &str| -> String {
        fold(name)
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect()
    };
    let (first, last) = (plain(first_name), plain(last_name));
    match (first.is_empty(), last.is_empty()) {
        (true, true) => format!("client{n}"),
        (true, false) => format!("{last}{n}"),
        (false, true) => format!("{first}{n}"),
        (false, false) => format!("{first}.{last}{n}"),
    }
}

/// One of a list, which is not empty.
fn pick<'a, T>(rng: &mut StdRng, list: &'a [T]) -> &'a T {
    list.choose(rng).unwrap_or(&list[0])
}

/// One of a list, by its weights.
fn pick_weighted<'a, T>(rng: &mut StdRng, list: &'a [T], weight: impl Fn(&T) -> u32) -> &'a T {
    let total: u32 = list.iter().map(&weight).sum();
    let mut at = rng.random_range(0..total.max(1));
    for one in list {
        let own = weight(one);
        if at < own {
            return one;
        }
        at -= own;
    }
    &list[0]
}
