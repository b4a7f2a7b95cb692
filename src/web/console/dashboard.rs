//! `GET /`: what runs, what is next, what needs a person, and how it goes.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::calendar::{channel_name, told, when};
use super::{Visit, path_segment};
use crate::accounts::model::Right;
use crate::campaigns::model::Status;
use crate::gate::rules::Rules;
use crate::reports::dashboard::{Answered, Attention, Reach, dashboard};
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    running: Vec<RunningView>,
    /// Whether something goes out now, so that the page is worth asking again.
    is_moving: bool,
    next: Vec<NextView>,
    attention: Vec<Line>,
    reach: Option<ReachView>,
    answered: Option<AnsweredView>,
    is_new: bool,
}

#[derive(Debug, Serialize)]
struct RunningView {
    name: String,
    path: String,
    is_paused: bool,
    reason: Option<String>,
    done: i64,
    messages: i64,
    share: Option<f64>,
    /// Of 1000.
    width: i64,
    failed: i64,
    deferred: i64,
    per_second: Option<String>,
    done_at: Option<i64>,
}

#[derive(Debug, Serialize)]
struct NextView {
    name: String,
    path: String,
    channel: &'static str,
    told: String,
    at: String,
    is_recipients: bool,
    people: Option<i64>,
}

/// Something to be looked at, and where.
#[derive(Debug, Serialize)]
struct Line {
    text: String,
    path: Option<String>,
    is_grave: bool,
}

#[derive(Debug, Serialize)]
struct ReachView {
    people: u64,
    share: Option<f64>,
    at: i64,
    /// Since the first day shown.
    change: String,
    since: i64,
    line: String,
    area: String,
    /// Two days make a trend.
    is_trend: bool,
    days: Vec<ReachDay>,
}

#[derive(Debug, Serialize)]
struct ReachDay {
    at: i64,
    people: u64,
    share: Option<f64>,
}

#[derive(Debug, Serialize)]
struct AnsweredView {
    /// Over all waves shown whose responses are all in; where there is none, over all so far.
    rate: Option<f64>,
    delivered: u64,
    is_so_far: bool,
    points: Vec<Point>,
    waves: Vec<WaveView>,
}

/// A wave in the drawing.
#[derive(Debug, Serialize)]
struct Point {
    x: String,
    /// The upper end of the column, and its height.
    y: String,
    height: String,
    /// The ends of the interval.
    low: String,
    high: String,
    middle: String,
    width: String,
    is_open: bool,
}

#[derive(Debug, Serialize)]
struct WaveView {
    name: String,
    path: String,
    launched_at: i64,
    delivered: u64,
    responders: u64,
    rate: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    is_open: bool,
    is_simulated: bool,
}

/// The size of the drawings, in units of their own.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;
/// Columns there is room for at least, so that two do not fill the drawing.
const SLOTS: usize = 12;
/// Messages from which on an interval is narrow enough to set the scale.
const SURE: u64 = 200;

/// The page.
pub(super) async fn page(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let rules = Rules::new(&state.settings).map_err(ApiError::internal)?;
    let now = state.clock.now();
    let read = dashboard(&state.db, &rules, &state.settings, now).await?;
    let words = visit.words();
    let running: Vec<RunningView> = read
        .running
        .iter()
        .map(|one| RunningView {
            name: one.name.clone(),
            path: campaign_path(&one.name),
            is_paused: one.status == Status::Paused,
            reason: one.reason.clone(),
            done: one.done,
            messages: one.messages,
            share: (one.messages > 0).then(|| real(one.done) / real(one.messages)),
            width: one.done.saturating_mul(1_000) / one.messages.max(1),
            failed: one.failed,
            deferred: one.deferred,
            per_second: one
                .per_second
                .filter(|rate| *rate >= 0.05)
                .map(|rate| words.decimal(rate, usize::from(rate < 10.0))),
            done_at: one.done_at,
        })
        .collect();
    let view = View {
        title: words.t("Dashboard").to_owned(),
        section: "dashboard",
        is_moving: running.iter().any(|one| !one.is_paused),
        is_new: running.is_empty() && read.next.is_empty() && read.answered.is_empty(),
        running,
        next: read
            .next
            .iter()
            .map(|entry| NextView {
                name: entry.name.clone(),
                path: campaign_path(&entry.name),
                channel: channel_name(words, entry.channel()),
                told: told(words, entry),
                at: when(words, entry),
                is_recipients: entry.zone_is_recipients,
                people: entry.people,
            })
            .collect(),
        attention: read
            .attention
            .iter()
            .filter_map(|one| line(&visit, words, one))
            .collect(),
        reach: reach(words, &read.reach),
        answered: answered(&read.answered),
    };
    visit.answer(&state, "dashboard", &view)
}

fn campaign_path(name: &str) -> String {
    format!("/campaigns/{}", path_segment(name))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of people, for a drawing"
)]
fn real(count: i64) -> f64 {
    count as f64
}

/// What is said of it; nothing of what the visitor may not see.
fn line(visit: &Visit, words: &Words, attention: &Attention) -> Option<Line> {
    let said = |english: &str, name: &str, value: &str| words.fill(english, &[(name, value)]);
    let (text, path, right, is_grave) = match attention {
        Attention::Paused { campaign, reason } => {
            let told = words.fill(
                "{campaign} is paused: {reason}",
                &[("campaign", campaign.as_str()), ("reason", reason.as_str())],
            );
            (told, campaign_path(campaign), Right::Reports, true)
        }
        Attention::Complaints { campaign, rate } => {
            let rate = words.percent(rate.value);
            let told = words.fill(
                "{rate} of those who got {campaign} called it spam; mailbox providers ask for less than {limit}",
                &[
                    ("rate", rate.as_str()),
                    ("campaign", campaign.as_str()),
                    ("limit", words.percent(Some(0.001)).as_str()),
                ],
            );
            let path = format!("/reports/campaigns/{}", path_segment(campaign));
            (told, path, Right::Reports, true)
        }
        Attention::Resting { relay, reason } => {
            let told = words.fill(
                "The relay {relay} takes nothing now: {reason}",
                &[("relay", relay.as_str()), ("reason", reason.as_str())],
            );
            (told, "/settings".to_owned(), Right::Reports, true)
        }
        Attention::Approvals { count } => (
            words.counted(
                *count,
                "{n} campaign waits for an approval",
                "{n} campaigns wait for an approval",
            ),
            "/campaigns".to_owned(),
            Right::Launch,
            true,
        ),
        Attention::Rejects { id, file, count } => {
            let told = words.counted(
                *count,
                "{n} row of {file} was not taken",
                "{n} rows of {file} were not taken",
            );
            let told = told.replace("{file}", file);
            (told, format!("/imports/{id}"), Right::Import, false)
        }
        Attention::Replies { count } => (
            words.counted(
                *count,
                "{n} text message waits for an answer",
                "{n} text messages wait for an answer",
            ),
            "/replies".to_owned(),
            Right::People,
            false,
        ),
        Attention::Mails { count } => (
            words.counted(
                *count,
                "{n} mail waits to be read",
                "{n} mails wait to be read",
            ),
            "/mail".to_owned(),
            Right::People,
            false,
        ),
        Attention::Webhooks { count } => (
            words.counted(
                *count,
                "{n} webhook fails or was given up",
                "{n} webhooks fail or were given up",
            ),
            "/settings/webhooks".to_owned(),
            Right::Administer,
            true,
        ),
        Attention::Orders { count } => (
            words.counted(
                *count,
                "{n} order waits for a customer who is not in the base",
                "{n} orders wait for customers who are not in the base",
            ),
            "/imports".to_owned(),
            Right::Import,
            false,
        ),
        Attention::NoUpkeep { last } => (
            said(
                "The daily upkeep last ran on {day}; is the server running?",
                "day",
                &words.day(*last),
            ),
            "/permission".to_owned(),
            Right::Reports,
            true,
        ),
    };
    visit.may(right).then_some(Line {
        text,
        path: Some(path),
        is_grave,
    })
}

fn reach(words: &Words, days: &[Reach]) -> Option<ReachView> {
    let (first, last) = (days.first()?, days.last()?);
    let most = days.iter().map(|day| day.people).max()?.max(1);
    let step = WIDTH / count(days.len().saturating_sub(1).max(1));
    let at = |n: usize, people: u64| {
        let y = HEIGHT - HEIGHT * wide(people) / wide(most);
        format!("{:.1},{y:.1}", step * count(n))
    };
    let line: Vec<String> = days
        .iter()
        .enumerate()
        .map(|(n, day)| at(n, day.people))
        .collect();
    let line = line.join(" ");
    let end = step * count(days.len().saturating_sub(1));
    let difference = i128::from(last.people) - i128::from(first.people);
    let size = words.number(u64::try_from(difference.unsigned_abs()).unwrap_or(u64::MAX));
    let share = |day: &Reach| (day.of > 0).then(|| wide(day.people) / wide(day.of));
    Some(ReachView {
        people: last.people,
        share: share(last),
        at: last.at,
        change: match difference {
            0 => "±0".to_owned(),
            1.. => format!("+{size}"),
            _ => format!("−{size}"),
        },
        since: first.at,
        area: format!("0,{HEIGHT} {line} {end:.1},{HEIGHT}"),
        line,
        is_trend: days.len() > 1,
        days: days
            .iter()
            .rev()
            .map(|day| ReachDay {
                at: day.at,
                people: day.people,
                share: share(day),
            })
            .collect(),
    })
}

fn answered(waves: &[Answered]) -> Option<AnsweredView> {
    if waves.is_empty() {
        return None;
    }
    let high = |wave: &Answered| wave.rate.interval_95.map(|interval| interval.high);
    // A wave of a few people says anything between nothing and all: it does not set the scale.
    let values = waves.iter().filter_map(|wave| wave.rate.value);
    let sure = waves
        .iter()
        .filter(|wave| wave.rate.of >= SURE)
        .filter_map(high);
    let top = values
        .map(|value| value * 1.2)
        .chain(sure)
        .fold(0.0_f64, f64::max);
    let step = WIDTH / count(waves.len().max(SLOTS));
    let y = |share: f64| {
        if top > 0.0 {
            HEIGHT - HEIGHT * (share / top).min(1.0)
        } else {
            HEIGHT
        }
    };
    let points = waves
        .iter()
        .enumerate()
        .map(|(n, wave)| {
            let begin = step * count(n);
            let value = wave.rate.value.unwrap_or(0.0);
            let interval = wave.rate.interval_95;
            Point {
                x: format!("{:.1}", begin + step * 0.15),
                width: format!("{:.1}", step * 0.7),
                middle: format!("{:.1}", begin + step * 0.5),
                y: format!("{:.1}", y(value)),
                height: format!("{:.1}", HEIGHT - y(value)),
                low: format!("{:.1}", y(interval.map_or(value, |interval| interval.low))),
                high: format!("{:.1}", y(interval.map_or(value, |interval| interval.high))),
                is_open: wave.is_open,
            }
        })
        .collect();
    let is_so_far = waves.iter().all(|wave| wave.is_open || wave.is_simulated);
    let (mut responders, mut delivered) = (0_u64, 0_u64);
    for wave in waves {
        if is_so_far || !(wave.is_open || wave.is_simulated) {
            responders += wave.rate.count;
            delivered += wave.rate.of;
        }
    }
    Some(AnsweredView {
        rate: (delivered > 0).then(|| wide(responders) / wide(delivered)),
        delivered,
        is_so_far,
        points,
        waves: waves
            .iter()
            .rev()
            .map(|wave| WaveView {
                name: wave.campaign.clone(),
                path: format!("/reports/campaigns/{}", path_segment(&wave.campaign)),
                launched_at: wave.launched_at,
                delivered: wave.rate.of,
                responders: wave.rate.count,
                rate: wave.rate.value,
                low: wave.rate.interval_95.map(|interval| interval.low),
                high: high(wave),
                is_open: wave.is_open,
                is_simulated: wave.is_simulated,
            })
            .collect(),
    })
}

fn count(n: usize) -> f64 {
    wide(u64::try_from(n).unwrap_or(u64::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of people, for a drawing"
)]
fn wide(n: u64) -> f64 {
    n as f64
}
