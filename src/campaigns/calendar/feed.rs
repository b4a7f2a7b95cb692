//! The calendar as a feed that other programs subscribe to (RFC 5545), by an address that holds a secret.

use chrono::{DateTime, Utc};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::digest::{SHA256, digest};
use ring::rand::SecureRandom as _;
use sea_orm::DbErr;

use super::model::Entry;
use crate::campaigns::model::Status;
use crate::campaigns::store::calendar as store;
use crate::clock::from_ms;
use crate::storage::Db;

/// Octets of a line at most, without its end (RFC 5545 §3.1).
const LINE: usize = 75;

/// Gives a person a new address for the feed; the one before leads nowhere from then on. Returns the secret in it,
/// which is known nowhere else.
///
/// # Errors
/// When the database is away.
pub async fn renew_key(db: &Db, user: i64, now_ms: i64) -> Result<String, DbErr> {
    let mut bytes = [0_u8; 24];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| {
            DbErr::Custom("the system gave no random bytes".to_owned())
        })?;
    let key = BASE64URL_NOPAD.encode(&bytes);
    let txn = db.begin().await?;
    store::set_key(&txn, user, &digest_of(&key), now_ms).await?;
    txn.commit().await?;
    Ok(key)
}

/// Takes a person's address away; whether there was one.
///
/// # Errors
/// When the database is away.
pub async fn forget_key(db: &Db, user: i64) -> Result<bool, DbErr> {
    let txn = db.begin().await?;
    let had_one = store::forget_key(&txn, user).await?;
    txn.commit().await?;
    Ok(had_one)
}

/// Whose feed this is; `None` for a key that nobody has.
///
/// # Errors
/// When the database is away.
pub async fn user_of(db: &Db, key: &str) -> Result<Option<i64>, DbErr> {
    // Looked up by its digest, so that the time it takes tells nothing of the keys there are.
    store::user_of(db, &digest_of(key)).await
}

/// When a person was given the address that holds.
///
/// # Errors
/// When the database is away.
pub async fn key_since(db: &Db, user: i64) -> Result<Option<i64>, DbErr> {
    store::key_since(db, user).await
}

fn digest_of(key: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, key.as_bytes()).as_ref())
}

/// One event, as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub title: String,
    pub text: String,
}

/// Writes the feed. `host` makes the names of events unique in the world; `show` gives each its words.
pub fn write(
    name: &str,
    host: &str,
    entries: &[Entry],
    now: DateTime<Utc>,
    show: impl Fn(&Entry) -> Shown,
) -> String {
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//visavis//calendar//EN".to_owned(),
        "CALSCALE:GREGORIAN".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        format!("NAME:{}", escaped(name)),
        format!("X-WR-CALNAME:{}", escaped(name)),
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H".to_owned(),
        "X-PUBLISHED-TTL:PT1H".to_owned(),
    ];
    for (n, entry) in entries.iter().enumerate() {
        let later = entries.get(n + 1..).unwrap_or_default();
        let is_last = !later.iter().any(|other| other.campaign == entry.campaign);
        let shown = show(entry);
        lines.push("BEGIN:VEVENT".to_owned());
        lines.push(format!("UID:{}@{host}", uid(entry, is_last)));
        lines.push(format!("DTSTAMP:{}", instant(now)));
        let begin = from_ms(entry.at);
        if entry.zone_is_recipients && !entry.is_wave {
            lines.push(format!("DTSTART;VALUE=DATE:{}", entry.day.format("%Y%m%d")));
        } else {
            lines.push(format!("DTSTART:{}", instant(begin)));
            match entry.ended_at.filter(|end| *end > entry.at) {
                Some(end) => lines.push(format!("DTEND:{}", instant(from_ms(end)))),
                None => lines.push("DURATION:PT15M".to_owned()),
            }
        }
        lines.push(format!("SUMMARY:{}", escaped(&shown.title)));
        lines.push(format!("DESCRIPTION:{}", escaped(&shown.text)));
        lines.push(format!(
            "STATUS:{}",
            match entry.status {
                Status::Cancelled => "CANCELLED",
                Status::Paused => "TENTATIVE",
                _ => "CONFIRMED",
            }
        ));
        lines.push("TRANSP:TRANSPARENT".to_owned());
        lines.push("END:VEVENT".to_owned());
    }
    lines.push("END:VCALENDAR".to_owned());
    let mut text = String::new();
    for line in lines {
        fold(&line, &mut text);
    }
    text
}

/// What a program knows an event by: a campaign that is moved stays the same event.
fn uid(entry: &Entry, is_last: bool) -> String {
    if is_last && !entry.is_recurring {
        format!("campaign-{}", entry.campaign)
    } else {
        format!("campaign-{}-{}", entry.campaign, entry.at)
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// A text value (RFC 5545 §3.3.11).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(letter);
            }
            '\n' => out.push_str("\\n"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

/// Writes a line in pieces of 75 octets at most, no letter broken; what goes on begins with a space.
fn fold(line: &str, out: &mut String) {
    let mut length = 0;
    for letter in line.chars() {
        if length + letter.len_utf8() > LINE {
            out.push_str("\r\n ");
            length = 1;
        }
        out.push(letter);
        length += letter.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::entry;
    use super::*;

    #[test]
    fn a_feed_is_written_as_the_standard_has_it() {
        let mut moved = entry("spring", "x", 1_795_348_800_000);
        moved.campaign = crate::ids::CampaignId(7);
        let mut abroad = entry("summer", "x", 1_795_348_800_000);
        abroad.zone_is_recipients = true;
        abroad.day = chrono::NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        abroad.status = Status::Paused;
        let now = from_ms(1_795_000_000_000);
        let text = write(
            "Ventes; été",
            "visavis.example",
            &[moved, abroad],
            now,
            |entry| Shown {
                title: format!("{}, par courriel", entry.name),
                text: format!("une ligne\nune autre {}", "é".repeat(60)),
            },
        );
        assert!(
            text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"),
            "{text}"
        );
        assert!(text.ends_with("END:VCALENDAR\r\n"));
        assert!(text.lines().all(|line| line.len() <= 75), "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        // Unfolded it says what was to be said.
        let whole = text.replace("\r\n ", "");
        for line in [
            "NAME:Ventes\\; été",
            "UID:campaign-7@visavis.example",
            "DTSTART:20261122T120000Z",
            "DURATION:PT15M",
            "SUMMARY:spring\\, par courriel",
            "DTSTART;VALUE=DATE:20261123",
            "STATUS:TENTATIVE",
        ] {
            assert!(whole.lines().any(|known| known == line), "{line}: {whole}");
        }
        assert!(whole.contains(&format!(
            "DESCRIPTION:une ligne\\nune autre {}",
            "é".repeat(60)
        )));
        assert_eq!(whole.matches("BEGIN:VEVENT").count(), 2);
    }

    #[test]
    fn what_comes_again_has_a_name_each_time_and_what_is_moved_keeps_its_own() {
        let mut daily = entry("daily", "x", 1_000);
        daily.is_recurring = true;
        assert_eq!(uid(&daily, true), "campaign-100-1000");
        let once = entry("once", "x", 1_000);
        let elsewhen = Entry {
            at: 5_000,
            ..once.clone()
        };
        assert_eq!(uid(&once, true), uid(&elsewhen, true));
        assert_ne!(uid(&once, false), uid(&elsewhen, true));
    }
}
