//! The hours of text messages in France, which settings may only narrow: Monday to Saturday, 08:00 to 22:00
//! where the recipient is, never on a Sunday or a public holiday. The operators' rule (RULES §2.3); what comes
//! outside is queued, refused or billed and thrown away.

use std::ops::Range;

use super::{DAY_NAMES, Timetable, entry};
use crate::config::ConfigError;
use crate::consent::model::Channel;
use crate::gate::holidays::sovereign;

/// Minutes of the day.
const ALLOWED: Range<u32> = 8 * 60..22 * 60;

/// Sunday, by days from Monday.
const SUNDAY: usize = 6;

/// Refuses an entry for France, or a part of it overseas, that allows more.
pub(super) fn check(table: &Timetable) -> Result<(), ConfigError> {
    let is_french = table
        .country
        .as_deref()
        .is_some_and(|country| sovereign(country) == "FR");
    if table.channel != Channel::Sms || !is_french {
        return Ok(());
    }
    let refused = |key: &str, what: &str| {
        Err(ConfigError::key(
            key,
            format!(
                "{what}, but French operators take text messages of advertising only Monday to Saturday from 08:00 to 22:00, and never on public holidays; an entry for France may only narrow that"
            ),
        ))
    };
    if !table.holidays_are_quiet {
        return refused(
            "quiet_hours.holidays_are_quiet",
            "false allows public holidays",
        );
    }
    for ((day, hours), name) in table.week.iter().enumerate().zip(DAY_NAMES) {
        for span in hours {
            if day == SUNDAY || span.start < ALLOWED.start || span.end > ALLOWED.end {
                return refused(
                    "quiet_hours.allowed",
                    &format!(
                        "{name} {}-{} is allowed",
                        super::clock_time(span.start),
                        super::clock_time(span.end)
                    ),
                );
            }
        }
    }
    Ok(())
}

/// The entry for France where the settings have none that holds for every provider: that for every country,
/// narrowed, or all that is allowed.
///
/// # Errors
/// When the entry for every country leaves no hour in France.
pub(super) fn narrowed(timetables: &[Timetable]) -> Result<Option<Timetable>, ConfigError> {
    if entry(timetables, Channel::Sms, Some("FR"), None).is_some() {
        return Ok(None);
    }
    let general = entry(timetables, Channel::Sms, None, None);
    let mut week: [Vec<Range<u32>>; 7] = Default::default();
    for (day, hours) in week
        .iter_mut()
        .enumerate()
        .filter(|(day, _)| *day != SUNDAY)
    {
        *hours = match general.and_then(|table| table.week.get(day)) {
            None => vec![ALLOWED],
            Some(spans) => spans
                .iter()
                .map(|span| span.start.max(ALLOWED.start)..span.end.min(ALLOWED.end))
                .filter(|span| !span.is_empty())
                .collect(),
        };
    }
    if week.iter().all(Vec::is_empty) {
        return Err(ConfigError::key(
            "quiet_hours.allowed",
            "the entry for sms in every country leaves no hour in France, where text messages are allowed Monday to Saturday from 08:00 to 22:00; add an entry with country = \"FR\"",
        ));
    }
    Ok(Some(Timetable {
        channel: Channel::Sms,
        country: Some("FR".to_owned()),
        provider: None,
        week,
        holidays_are_quiet: true,
    }))
}

#[cfg(test)]
#[path = "france_tests.rs"]
mod tests;
