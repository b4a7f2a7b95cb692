//! `GET /reports/grid`: response rates crossed.

pub(super) mod people;

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use serde::Serialize;

use super::Visit;
use crate::accounts::model::Right;
use crate::clock::beginning;
use crate::ids::{DeliveryKey, WaveId};
use crate::reports::ReportError;
use crate::reports::grid::cross::{Figure, Standout, Table, choices};
use crate::reports::grid::{Crossing, Dimension, hide_people};
use crate::reports::store::grid::{self as store, Loaded, Scope};
use crate::statistics::Sentence;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Steps of shading, from none to the darkest.
const SHADES: u8 = 5;

/// What is asked, as it stands in the address.
#[derive(Debug, Clone)]
struct Asked {
    scope: Scope,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    crossing: Crossing,
    only_responders: bool,
    after: Option<DeliveryKey>,
}

impl Asked {
    /// Days are those of a zone.
    fn read(pairs: &[(String, String)], zone: Tz) -> Result<Self, ApiError> {
        let given: BTreeMap<&str, &str> = pairs
            .iter()
            // PostgreSQL knows no text with this character, so nothing is called so.
            .filter(|(_, value)| !value.is_empty() && !value.contains('\0'))
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let get = |key: &str| given.get(key).copied();
        let dimension = |key: &str| get(key).map(|word| word.parse::<Dimension>().map_err(bad));
        let date = |key: &str| {
            get(key)
                .map(|text| {
                    text.parse::<NaiveDate>()
                        .map_err(|_unreadable: chrono::ParseError| {
                            bad(format!("{text:?} is no date such as 2026-11-30."))
                        })
                })
                .transpose()
        };
        let (from, to) = (date("from")?, date("to")?);
        let start = |day: NaiveDate| beginning(day, zone);
        let columns = match get("columns") {
            Some("none") => None,
            Some(word) => Some(word.parse::<Dimension>().map_err(bad)?),
            None => Some(Dimension::Channel),
        };
        let rows = dimension("rows")
            .transpose()?
            .unwrap_or(Dimension::Generation);
        Ok(Self {
            scope: Scope {
                campaign: get("in").map(str::to_owned),
                since: from.map(start),
                until: to
                    .and_then(|day| day.checked_add_days(Days::new(1)))
                    .map(start),
            },
            from,
            to,
            crossing: Crossing {
                rows,
                columns: columns.filter(|columns| *columns != rows),
                filters: Dimension::ALL
                    .into_iter()
                    .filter_map(|dimension| Some((dimension, get(dimension.as_str())?.to_owned())))
                    .collect(),
            },
            only_responders: get("who") == Some("responders"),
            after: get("after").and_then(|place| {
                let (wave, seq) = place.split_once('.')?;
                Some(DeliveryKey {
                    wave: WaveId(wave.parse().ok()?),
                    seq: seq.parse().ok()?,
                })
            }),
        })
    }

    /// The address of a page of the same people, with these filters besides.
    fn address(&self, page: &str, filters: &[(Dimension, &str)], more: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(campaign) = &self.scope.campaign {
            query.append_pair("in", campaign);
        }
        for (key, day) in [("from", self.from), ("to", self.to)] {
            if let Some(day) = day {
                query.append_pair(key, &day.to_string());
            }
        }
        query.append_pair("rows", self.crossing.rows.as_str());
        let columns = self.crossing.columns.map_or("none", Dimension::as_str);
        query.append_pair("columns", columns);
        for (dimension, value) in &self.crossing.filters {
            if !filters.iter().any(|(other, _)| other == dimension) {
                query.append_pair(dimension.as_str(), value);
            }
        }
        for (dimension, value) in filters {
            query.append_pair(dimension.as_str(), value);
        }
        for (key, value) in more {
            query.append_pair(key, value);
        }
        format!("{page}?{}", query.finish())
    }
}

fn bad(detail: impl Into<Sentence>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST).with_detail(detail)
}

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    campaigns: Vec<Choice>,
    from: String,
    to: String,
    rows: Vec<Choice>,
    columns: Vec<Choice>,
    filters: Vec<Filter>,
    /// How many of the filters are set.
    filtered: usize,
    is_empty: bool,
    row_title: String,
    column_title: String,
    has_columns: bool,
    column_names: Vec<String>,
    lines: Vec<Line>,
    sums: Vec<CellView>,
    total: CellView,
    verdicts: Vec<Verdict>,
    /// What one should know of these figures.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct Filter {
    name: &'static str,
    title: String,
    values: Vec<Choice>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    cells: Vec<CellView>,
    sum: CellView,
}

#[derive(Debug, Serialize)]
struct CellView {
    is_empty: bool,
    rate: String,
    range: String,
    people: String,
    responders: String,
    class: String,
    link: String,
}

#[derive(Debug, Serialize)]
struct Verdict {
    lead: String,
    cell: String,
    rate: String,
    of: String,
    rest: String,
    meaning: String,
}

/// The grid.
pub(super) async fn page(
    visit: Visit,
    query: web::Query<Vec<(String, String)>>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let asked = Asked::read(&query, visit.words().zone())?;
    let crossings = std::slice::from_ref(&asked.crossing);
    let mut loaded = store::load_for(&state.db, &asked.scope, crossings)
        .await
        .map_err(ReportError::from)?;
    if !visit.may(Right::People) {
        hide_people(&mut loaded.slices);
    }
    let names = store::campaigns(&state.db)
        .await
        .map_err(ReportError::from)?;
    let table = asked.crossing.table(&loaded.slices);
    visit.answer(
        &state,
        "grid",
        &View::new(
            &asked,
            &loaded,
            &names,
            &table,
            (visit.words(), visit.may(Right::People)),
        ),
    )
}

async fn load(state: &State, asked: &Asked) -> Result<Loaded, ApiError> {
    let loaded = store::load(&state.db, &asked.scope).await;
    Ok(loaded.map_err(ReportError::from)?)
}

impl View {
    fn new(
        asked: &Asked,
        loaded: &Loaded,
        names: &[String],
        table: &Table,
        (words, leads_to_people): (&Words, bool),
    ) -> Self {
        let crossing = &asked.crossing;
        let shade = Shade::of(table, words, leads_to_people);
        let said = |dimension: Option<Dimension>, name: &str| {
            dimension.map_or_else(
                || name.to_owned(),
                |dimension| dimension.said(name).said_by(words),
            )
        };
        let axis = |chosen: Option<Dimension>| -> Vec<Choice> {
            Dimension::ALL
                .into_iter()
                .map(|one| Choice {
                    value: one.as_str().to_owned(),
                    label: words.t(one.title()).to_owned(),
                    is_chosen: chosen == Some(one),
                })
                .collect()
        };
        let mut columns = vec![Choice {
            value: "none".to_owned(),
            label: words.t("nothing").to_owned(),
            is_chosen: crossing.columns.is_none(),
        }];
        columns.extend(axis(crossing.columns));
        let lines = table
            .row_names
            .iter()
            .zip(table.cells.iter().zip(&table.row_totals))
            .map(|(name, (cells, sum))| Line {
                name: said(Some(crossing.rows), name),
                cells: cells
                    .iter()
                    .zip(&table.column_names)
                    .map(|(cell, column)| {
                        let mut of = vec![(crossing.rows, name.as_str())];
                        of.extend(
                            crossing
                                .columns
                                .map(|dimension| (dimension, column.as_str())),
                        );
                        shade.view(cell, asked, &of)
                    })
                    .collect(),
                sum: shade.view(sum, asked, &[(crossing.rows, name)]),
            })
            .collect();
        let text = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
        Self {
            title: words.t("Grid").to_owned(),
            section: "grid",
            campaigns: names
                .iter()
                .map(|name| Choice {
                    value: name.clone(),
                    label: name.clone(),
                    is_chosen: asked.scope.campaign.as_ref() == Some(name),
                })
                .collect(),
            from: text(asked.from),
            to: text(asked.to),
            rows: axis(Some(crossing.rows)),
            columns,
            filters: filters(asked, loaded, words),
            filtered: crossing.filters.len(),
            is_empty: table.total.counts.delivered == 0 && table.total.counts.responders == 0,
            row_title: words.t(crossing.rows.title()).to_owned(),
            column_title: crossing
                .columns
                .map_or_else(String::new, |columns| words.t(columns.title()).to_owned()),
            has_columns: crossing.columns.is_some(),
            column_names: table
                .column_names
                .iter()
                .map(|name| said(crossing.columns, name))
                .collect(),
            lines,
            sums: table
                .column_totals
                .iter()
                .zip(&table.column_names)
                .map(|(sum, column)| {
                    let of = crossing
                        .columns
                        .map(|dimension| (dimension, column.as_str()));
                    shade.view(sum, asked, of.as_slice())
                })
                .collect(),
            total: shade.view(&table.total, asked, &[]),
            verdicts: [("Best", &table.best), ("Worst", &table.worst)]
                .into_iter()
                .filter_map(|(lead, one)| {
                    let one = one.as_ref()?;
                    let column = one.column.as_ref();
                    let names = [
                        Some(said(Some(crossing.rows), &one.row)),
                        column.map(|name| said(crossing.columns, name)),
                    ];
                    let names: Vec<String> = names.into_iter().flatten().collect();
                    let lead = words.t(lead).to_owned();
                    Some(verdict(lead, names.join(" · "), one, table.compared, words))
                })
                .collect(),
            notes: notes(loaded, words),
        }
    }
}

fn filters(asked: &Asked, loaded: &Loaded, words: &Words) -> Vec<Filter> {
    let chosen = |dimension: Dimension| {
        let mut filters = asked.crossing.filters.iter();
        let found = filters.find(|(other, _)| *other == dimension);
        found.map(|(_, value)| value.as_str())
    };
    choices(&loaded.slices)
        .into_iter()
        .map(|(dimension, values)| Filter {
            name: dimension.as_str(),
            title: words.t(dimension.title()).to_owned(),
            values: values
                .into_iter()
                .map(|value| Choice {
                    is_chosen: chosen(dimension) == Some(value.as_str()),
                    label: shorten(&dimension.said(&value).said_by(words)),
                    value,
                })
                .collect(),
        })
        .collect()
}

/// A rule can be long.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    text.chars().take(59).chain(['…']).collect()
}

fn verdict(lead: String, cell: String, one: &Standout, compared: usize, words: &Words) -> Verdict {
    Verdict {
        lead,
        cell,
        rate: words.percent(one.rate.value),
        of: words.counted(one.rate.of, "{n} person", "{n} people"),
        rest: words.percent(one.rest.value),
        meaning: words.say(&one.verdict(compared)),
    }
}

/// What one should know of these figures.
fn notes(loaded: &Loaded, words: &Words) -> Vec<String> {
    let mut notes = counted(loaded, words);
    if loaded.is_cut {
        let left_out = words.t("Older waves are left out: choose a campaign or a period.");
        notes.push(left_out.to_owned());
    }
    if loaded.waves.iter().any(|wave| wave.is_simulated) {
        notes.push(words.t("With simulated responses.").to_owned());
    }
    notes
}

/// As of when, and what is not counted yet.
pub(super) fn counted(loaded: &Loaded, words: &Words) -> Vec<String> {
    let instant = |ms| words.moment(ms);
    let mut notes = Vec::new();
    let oldest = loaded.waves.iter().filter_map(|wave| wave.counted_at).min();
    let newest = loaded.waves.iter().filter_map(|wave| wave.counted_at).max();
    match (oldest, newest) {
        (Some(oldest), Some(newest)) if instant(oldest) != instant(newest) => notes.push(words.fill(
            "Waves are counted when their figures move: the oldest here as of {oldest}, the newest as of {newest}.",
            &[("oldest", instant(oldest)), ("newest", instant(newest))],
        )),
        (Some(at), _) => notes.push(words.fill("As of {at}.", &[("at", instant(at))])),
        _ => {}
    }
    let waiting = loaded
        .waves
        .iter()
        .filter(|wave| wave.counted_at.is_none())
        .count();
    if waiting > 0 {
        notes.push(words.counted(
            u64::try_from(waiting).unwrap_or(0),
            "{n} wave is not counted yet; this takes a minute while visavis serves, or “visavis grid” counts now.",
            "{n} waves are not counted yet; this takes a minute while visavis serves, or “visavis grid” counts now.",
        ));
    }
    notes
}

/// How dark the cells are: lightness alone tells, so that it also does in greyscale, and the number stands
/// there anyway.
struct Shade<'a> {
    highest: f64,
    words: &'a Words,
    /// Whether the people of a cell are shown to this reader.
    leads_to_people: bool,
}

impl<'a> Shade<'a> {
    fn of(table: &Table, words: &'a Words, leads_to_people: bool) -> Self {
        let rates = table.cells.iter().flatten().filter(|cell| !cell.is_small);
        let highest = rates.filter_map(|cell| cell.rate.value).fold(0.0, f64::max);
        Self {
            highest,
            words,
            leads_to_people,
        }
    }

    fn view(&self, figure: &Figure, asked: &Asked, of: &[(Dimension, &str)]) -> CellView {
        let rate = &figure.rate;
        let class = if figure.is_small {
            "few".to_owned()
        } else {
            let part = rate.value.unwrap_or(0.0) / self.highest.max(f64::MIN_POSITIVE);
            let step = (1..=SHADES)
                .rev()
                .find(|step| part * f64::from(SHADES + 1) >= f64::from(*step));
            format!("heat-{}", step.unwrap_or(0))
        };
        // One decimal: a cell is narrow, and the interval no finer than that.
        let ends = rate.interval_95.map(|interval| {
            let low = self.words.decimal(interval.low * 100.0, 1);
            format!("{low} – {}", self.words.percent_of(interval.high, 1))
        });
        CellView {
            is_empty: rate.of == 0 && rate.count == 0,
            rate: self.words.percent(rate.value),
            range: ends.unwrap_or_default(),
            people: self.words.number(rate.of),
            responders: self
                .words
                .counted(rate.count, "{n} responder", "{n} responders"),
            class,
            link: match self.leads_to_people {
                true => asked.address("/reports/grid/people", of, &[("who", "responders")]),
                false => String::new(),
            },
        }
    }
}
