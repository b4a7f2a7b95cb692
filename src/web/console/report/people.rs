//! Whom a campaign moved: responses by segment, cell, channel and language, and the mail with the clicks of each
//! of its links.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue, X_FRAME_OPTIONS};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::find;
use crate::accounts::model::Right;
use crate::reports::figures::as_f64;
use crate::reports::grid::{Crossing, Dimension, hide_people};
use crate::reports::model::Report;
use crate::reports::store::grid::{self as store, Scope};
use crate::reports::{ReportError, heat};
use crate::web::console::grid::counted;
use crate::web::console::{RateView, Visit};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// By what a report tells people apart; the grid has the rest.
const SHOWN: [Dimension; 4] = [
    Dimension::Segment,
    Dimension::Cell,
    Dimension::Channel,
    Dimension::Language,
];

/// The policy of the mail: its own styles and pictures that travel with it, no script, and no frame but ours
/// around it.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
     base-uri 'none'; frame-ancestors 'self'; sandbox";

/// Whom a campaign moved.
#[derive(Debug, Default, Serialize)]
pub(in crate::web::console) struct Breakdown {
    groups: Vec<Group>,
    /// As of when this was counted, and what is not in it: the rest of a report is of now.
    notes: Vec<String>,
}

/// The responses by one property of people.
#[derive(Debug, Serialize)]
struct Group {
    title: String,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    rate: RateView,
    width: String,
    /// Too few people to say much.
    is_small: bool,
}

/// How much of a segment's rule a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::console) enum Sight {
    /// All of it: he may see people.
    Whole,
    /// Without those who are meant by it.
    Discreet,
    /// Nothing: he is anybody.
    None,
}

impl Sight {
    /// Of a user.
    pub fn of(visit: &Visit) -> Self {
        if visit.may(Right::People) {
            Self::Whole
        } else {
            Self::Discreet
        }
    }
}

/// The responses of a campaign by the properties that tell its people apart.
pub(in crate::web::console) async fn breakdown(
    state: &State,
    campaign: &str,
    sight: Sight,
    words: &Words,
) -> Result<Option<Breakdown>, ApiError> {
    let scope = Scope {
        campaign: Some(campaign.to_owned()),
        ..Scope::default()
    };
    let is_shown = |one: &Dimension| sight != Sight::None || *one != Dimension::Segment;
    let crossings: Vec<Crossing> = SHOWN
        .into_iter()
        .filter(is_shown)
        .map(|rows| Crossing {
            rows,
            columns: None,
            filters: Vec::new(),
        })
        .collect();
    let mut loaded = store::load_for(&state.db, &scope, &crossings)
        .await
        .map_err(ReportError::from)?;
    if sight != Sight::Whole {
        hide_people(&mut loaded.slices);
    }
    let group = |crossing: &Crossing| {
        let dimension = crossing.rows;
        let table = crossing.table(&loaded.slices);
        let most = table.row_totals.iter().filter_map(|sum| sum.rate.value);
        let most = most.fold(0.0, f64::max);
        let rows: Vec<Row> = table
            .row_names
            .iter()
            .zip(&table.row_totals)
            .map(|(name, sum)| Row {
                name: dimension.said(name).said_by(words),
                rate: RateView::in_words(&sum.rate, words),
                width: width(sum.rate.value.unwrap_or(0.0), most),
                is_small: sum.is_small,
            })
            .collect();
        (!rows.is_empty()).then(|| Group {
            title: words.t(dimension.title()).to_owned(),
            rows,
        })
    };
    let groups: Vec<Group> = crossings.iter().filter_map(group).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let mut notes = counted(&loaded, words);
    if loaded.is_cut {
        notes.push(words.t("Older waves are left out.").to_owned());
    }
    Ok(Some(Breakdown { groups, notes }))
}

fn width(value: f64, most: f64) -> String {
    let share = if most > 0.0 { value / most } else { 0.0 };
    format!("{:.1}", share * super::FULL)
}

/// Which language of the mail is shown.
#[derive(Debug, Deserialize)]
pub(in crate::web::console) struct Asked {
    language: Option<String>,
}

/// The mail, to stand in a frame.
pub(super) async fn mail(
    visit: Visit,
    campaign: web::Path<String>,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = find(&campaign, &state).await?;
    marked_mail(&state, &report, &asked, visit.words()).await
}

/// The mail of a campaign with its marks.
pub(in crate::web::console) async fn marked_mail(
    state: &State,
    report: &Report,
    asked: &Asked,
    words: &Words,
) -> Result<HttpResponse, ApiError> {
    let marks = Marks::new(report, words);
    let language = asked.language.as_deref().or(Some(words.language().code()));
    let found = heat::heat(&state.db, &report.campaign, language, |link| {
        marks.of(link.number)
    })
    .await?;
    let heat = found.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(MAIL_POLICY),
        ))
        .insert_header((X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")))
        .body(heat.html))
}

/// What stands behind each link.
struct Marks<'a> {
    report: &'a Report,
    words: &'a Words,
    all: u64,
    most: u64,
}

impl<'a> Marks<'a> {
    fn new(report: &'a Report, words: &'a Words) -> Self {
        let clicks = || report.links.iter().map(|link| link.clicks);
        Self {
            report,
            words,
            all: clicks().sum(),
            most: clicks().max().unwrap_or(0),
        }
    }

    /// Clicks and their share; the lighter the fewer, so that it is seen in greyscale too.
    fn of(&self, number: u16) -> String {
        /// Ground and ink from few to many, each pair with a contrast above 4.5 : 1.
        const SHADES: [(&str, &str); 4] = [
            ("#f1ece2", "#3a3428"),
            ("#f2c879", "#3a2a08"),
            ("#c2571a", "#ffffff"),
            ("#7a1020", "#ffffff"),
        ];
        let found = self.report.links.iter().find(|link| link.number == number);
        let clicks = found.map_or(0, |link| link.clicks);
        let share = (self.all > 0).then(|| as_f64(clicks) / as_f64(self.all));
        let step = match clicks.saturating_mul(4).checked_div(self.most) {
            _ if clicks == 0 => 0,
            Some(quarter) if quarter >= 4 => 3,
            Some(quarter) if quarter >= 2 => 2,
            _ => 1,
        };
        let [none, ..] = SHADES;
        let (ground, ink) = SHADES.get(step).copied().unwrap_or(none);
        let share = share.map_or_else(String::new, |share| {
            format!(" · {}", self.words.percent_of(share, 0))
        });
        format!(
            "<span style=\"display:inline-block;margin:0 6px 0 0;padding:1px 7px;border-radius:9px;\
             border:1px solid #3a3428;background:{ground};color:{ink};\
             font:700 12px/1.5 Arial,sans-serif;text-decoration:none;white-space:nowrap\">{}{share}</span>",
            self.words.number(clicks)
        )
    }
}
