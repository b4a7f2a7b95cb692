//! All campaigns side by side: their key figures over a period, sums, and how the response rate moved from
//! month to month. Without I/O.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use chrono_tz::Tz;
use serde::Serialize;

use super::figures::{Denominator, Rate};
use crate::clock::from_ms;

/// What one run of a campaign did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    pub campaign: String,
    pub status: String,
    /// Milliseconds since the epoch.
    pub launched_at: i64,
    pub is_simulated: bool,
    pub counts: Counts,
}

/// The figures of one run or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub selected: u64,
    /// Of those, by SMS.
    pub selected_sms: u64,
    pub withheld: u64,
    /// Accepted less undelivered and bounces.
    pub delivered: u64,
    pub responders: u64,
    pub clicks: u64,
    pub opt_outs: u64,
    pub orders: u64,
    pub revenue_cents: i64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.selected += other.selected;
        self.selected_sms += other.selected_sms;
        self.withheld += other.withheld;
        self.delivered += other.delivered;
        self.responders += other.responders;
        self.clicks += other.clicks;
        self.opt_outs += other.opt_outs;
        self.orders += other.orders;
        self.revenue_cents += other.revenue_cents;
    }

    fn of_delivered(&self, count: u64) -> Rate {
        Rate::new(count, self.delivered, Denominator::Delivered)
    }

    pub fn response_rate(&self) -> Rate {
        self.of_delivered(self.responders)
    }

    pub fn click_rate(&self) -> Rate {
        self.of_delivered(self.clicks)
    }

    pub fn opt_out_rate(&self) -> Rate {
        self.of_delivered(self.opt_outs)
    }

    /// Whether messages of this channel were among them.
    fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.selected > self.selected_sms,
            Channel::Sms => self.selected_sms > 0,
        }
    }
}

/// By what the list can be narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Email,
    Sms,
}

/// By what the list is sorted; the largest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Newest,
    Response,
    Clicks,
    OptOuts,
    Delivered,
    Revenue,
}

impl Order {
    pub const ALL: [Self; 6] = [
        Self::Newest,
        Self::Response,
        Self::Clicks,
        Self::OptOuts,
        Self::Delivered,
        Self::Revenue,
    ];

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Response => "response",
            Self::Clicks => "clicks",
            Self::OptOuts => "opt_outs",
            Self::Delivered => "delivered",
            Self::Revenue => "revenue",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub channel: Option<Channel>,
    pub status: Option<String>,
    pub order: Order,
}

/// A campaign in the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    pub campaign: String,
    pub status: String,
    pub runs: u64,
    /// Of the last run, in milliseconds since the epoch.
    pub launched_at: i64,
    pub is_simulated: bool,
    pub counts: Counts,
}

/// One month of launches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Month {
    /// Its first day.
    pub month: NaiveDate,
    pub counts: Counts,
}

/// The list with its sums.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    pub lines: Vec<Line>,
    pub total: Counts,
    /// Every month from the first launch to the last, those without any included.
    pub months: Vec<Month>,
    pub is_simulated: bool,
}

impl Overview {
    /// From the runs of a period, the newest first; months are those of a zone.
    pub fn new(runs: &[Run], asked: &Asked, zone: Tz) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut by_month: BTreeMap<NaiveDate, Counts> = BTreeMap::new();
        let mut total = Counts::default();
        for run in runs.iter().filter(|run| asked.takes(run)) {
            total.add(&run.counts);
            by_month
                .entry(month_of(run.launched_at, zone))
                .or_default()
                .add(&run.counts);
            let place = *places.entry(&run.campaign).or_insert(lines.len());
            match lines.get_mut(place) {
                Some(line) => {
                    line.runs += 1;
                    line.is_simulated |= run.is_simulated;
                    line.counts.add(&run.counts);
                }
                None => lines.push(Line {
                    campaign: run.campaign.clone(),
                    status: run.status.clone(),
                    runs: 1,
                    launched_at: run.launched_at,
                    is_simulated: run.is_simulated,
                    counts: run.counts,
                }),
            }
        }
        asked.order.sort(&mut lines);
        Self {
            is_simulated: lines.iter().any(|line| line.is_simulated),
            lines,
            total,
            months: every_month(&by_month),
        }
    }
}

impl Asked {
    fn takes(&self, run: &Run) -> bool {
        self.channel.is_none_or(|channel| run.counts.has(channel))
            && self
                .status
                .as_ref()
                .is_none_or(|status| *status == run.status)
    }
}

impl Order {
    /// Campaigns of nobody come last.
    fn sort(self, lines: &mut [Line]) {
        let rate = |rate: Rate| rate.value.unwrap_or(-1.0);
        match self {
            Self::Newest => {}
            Self::Response => lines.sort_by(|a, b| {
                rate(b.counts.response_rate()).total_cmp(&rate(a.counts.response_rate()))
            }),
            Self::Clicks => lines.sort_by(|a, b| {
                rate(b.counts.click_rate()).total_cmp(&rate(a.counts.click_rate()))
            }),
            Self::OptOuts => lines.sort_by(|a, b| {
                rate(b.counts.opt_out_rate()).total_cmp(&rate(a.counts.opt_out_rate()))
            }),
            Self::Delivered => lines.sort_by_key(|line| std::cmp::Reverse(line.counts.delivered)),
            Self::Revenue => lines.sort_by_key(|line| std::cmp::Reverse(line.counts.revenue_cents)),
        }
    }
}

fn month_of(ms: i64, zone: Tz) -> NaiveDate {
    let day = from_ms(ms).with_timezone(&zone).date_naive();
    day.with_day(1).unwrap_or(day)
}

fn every_month(months: &BTreeMap<NaiveDate, Counts>) -> Vec<Month> {
    /// More would not be seen in a drawing.
    const MOST: usize = 36;
    let (Some((first, _)), Some((last, _))) = (months.first_key_value(), months.last_key_value())
    else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut month = *last;
    while month >= *first && all.len() < MOST {
        all.push(Month {
            month,
            counts: months.get(&month).copied().unwrap_or_default(),
        });
        let Some(before) = month.checked_sub_months(chrono::Months::new(1)) else {
            break;
        };
        month = before;
    }
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(campaign: &str, day: i64, delivered: u64, responders: u64, selected_sms: u64) -> Run {
        Run {
            campaign: campaign.to_owned(),
            status: "finished".to_owned(),
            launched_at: day * crate::clock::DAY_MS,
            is_simulated: false,
            counts: Counts {
                selected: delivered,
                selected_sms,
                delivered,
                responders,
                ..Counts::default()
            },
        }
    }

    #[test]
    fn runs_become_campaigns_months_and_a_sum() {
        let runs = [
            run("b", 100, 10, 5, 0),
            run("a", 40, 100, 10, 0),
            run("b", 5, 30, 1, 30),
            run("nobody", 4, 0, 0, 0),
        ];
        let by = |order| {
            let asked = Asked {
                order,
                ..Asked::default()
            };
            let lines = Overview::new(&runs, &asked, Tz::UTC).lines;
            let lines = lines.iter();
            let names: Vec<_> = lines
                .map(|line| (line.campaign.clone(), line.runs))
                .collect();
            names
        };
        let named = |names: &[(&str, u64)]| -> Vec<(String, u64)> {
            names
                .iter()
                .map(|(name, runs)| ((*name).to_owned(), *runs))
                .collect()
        };
        assert_eq!(
            by(Order::Newest),
            named(&[("b", 2), ("a", 1), ("nobody", 1)])
        );
        assert_eq!(
            by(Order::Response),
            named(&[("b", 2), ("a", 1), ("nobody", 1)])
        );
        assert_eq!(
            by(Order::Delivered),
            named(&[("a", 1), ("b", 2), ("nobody", 1)])
        );
        let all = Overview::new(&runs, &Asked::default(), Tz::UTC);
        assert_eq!((all.total.delivered, all.total.responders), (140, 16));
        let months: Vec<_> = all.months.iter().map(|one| one.counts.delivered).collect();
        assert_eq!(months, [30, 100, 0, 10], "March had none");
    }

    #[test]
    fn a_month_begins_at_midnight_where_one_is() {
        // 31 January 1970, 23:30 in UTC.
        let mut late = run("late", 30, 10, 1, 0);
        late.launched_at += 23 * 3_600_000 + 1_800_000;
        let month_in = |zone| {
            let all = Overview::new(std::slice::from_ref(&late), &Asked::default(), zone);
            all.months.first().unwrap().month.to_string()
        };
        assert_eq!(month_in(Tz::UTC), "1970-01-01");
        assert_eq!(month_in(Tz::Europe__Paris), "1970-02-01");
    }

    #[test]
    fn the_list_is_narrowed_by_channel_and_status() {
        let runs = [run("texts", 2, 5, 1, 5), run("mails", 1, 5, 1, 0)];
        let names = |asked: &Asked| -> Vec<String> {
            let lines = Overview::new(&runs, asked, Tz::UTC).lines;
            lines.into_iter().map(|line| line.campaign).collect()
        };
        let of = |channel| Asked {
            channel: Some(channel),
            ..Asked::default()
        };
        assert_eq!(names(&of(Channel::Sms)), ["texts"]);
        assert_eq!(names(&of(Channel::Email)), ["mails"]);
        let running = Asked {
            status: Some("running".to_owned()),
            ..Asked::default()
        };
        assert!(names(&running).is_empty());
    }
}
