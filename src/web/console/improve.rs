//! `GET /reports/{campaign}/improve`: which criteria separate responders, and a rule for the next segment.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{RateView, Visit, instant, path_segment, share_of, unparted};
use crate::reports::improve::criteria::CriterionLine;
use crate::reports::improve::{GainsLine, Improvement, improve};
use crate::reports::store::grid::{self as store, Loaded, Scope};
use crate::reports::table::counted;
use crate::reports::{ReportError, chance};
use crate::segments::{self, Rule};
use crate::web::{ApiError, State};

/// The length of a full bar, in the units of its drawing.
const FULL: f64 = 1000.0;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Whether those whom the proposal means are to be counted, which reads the whole base.
    count: Option<String>,
}

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    campaign: String,
    path: String,
    is_simulated: bool,
    as_of: String,
    is_empty: bool,
    of_all: RateView,
    separating: String,
    proposal: Option<ProposalView>,
    criteria: Vec<CriterionRow>,
    /// Those that may well be chance.
    others: Vec<CriterionRow>,
    gains: Vec<GainsRow>,
}

#[derive(Debug, Serialize)]
struct ProposalView {
    rule: String,
    rate: RateView,
    of_all: RateView,
    people: String,
    responders: String,
    /// `12,345 people match now`, once counted.
    matching: Option<String>,
}

#[derive(Debug, Serialize)]
struct CriterionRow {
    words: String,
    rule: String,
    inside: RateView,
    outside: String,
    lift: String,
    coverage: String,
    responders: String,
    verdict: String,
    is_beyond_chance: bool,
    caution: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct GainsRow {
    people: String,
    rate: RateView,
    share_of_people: String,
    share_of_responders: String,
    lift: String,
    is_proposed: bool,
    width: String,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    campaign: web::Path<String>,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let campaign = campaign.into_inner();
    let scope = Scope {
        campaign: Some(campaign.clone()),
        ..Scope::default()
    };
    let loaded = store::load(&state.db, &scope)
        .await
        .map_err(ReportError::from)?;
    if loaded.waves.is_empty() {
        return Err(ApiError::new(StatusCode::NOT_FOUND).with_detail(
            "There is no launched campaign of this name; the list of campaigns shows those there are.",
        ));
    }
    let segment = loaded
        .slices
        .first()
        .map(|slice| slice.common.segment.clone());
    let found = improve(&loaded.slices, &segment.unwrap_or_default());
    let mut view = View::new(&campaign, &loaded, &found);
    if asked.count.is_some()
        && let (Some(proposal), Some(shown)) = (&found.proposal, &mut view.proposal)
        && let Ok(rule) = Rule::parse(&proposal.rule)
    {
        let count = segments::store::count(&state.db, &rule, state.clock.now())
            .await
            .map_err(ReportError::from)?;
        shown.matching = Some(counted(count, "customer", "customers"));
    }
    visit.answer(&state, "improve", &view)
}

impl View {
    fn new(campaign: &str, loaded: &Loaded, found: &Improvement) -> Self {
        let rows = |is_beyond_chance: bool| -> Vec<CriterionRow> {
            let lines = found.criteria.iter();
            let chosen = lines.filter(|line| line.is_beyond_chance == is_beyond_chance);
            chosen.map(CriterionRow::new).collect()
        };
        let as_of = loaded.waves.iter().filter_map(|wave| wave.counted_at).min();
        Self {
            title: format!("Improve {campaign}"),
            section: "campaigns",
            campaign: campaign.to_owned(),
            path: path_segment(campaign),
            is_simulated: loaded.waves.iter().any(|wave| wave.is_simulated),
            as_of: as_of.map(instant).unwrap_or_default(),
            is_empty: found.of_all.of == 0,
            of_all: RateView::new(&found.of_all),
            separating: match (found.separating, found.criteria.len()) {
                (_, 0) => "No criterion has enough people on both sides to be tried.".to_owned(),
                (0, tried) => format!(
                    "None of {tried} criteria separates responders from the rest by more than chance."
                ),
                (n, tried) => format!(
                    "{n} of {tried} criteria separate responders from the rest by more than chance."
                ),
            },
            proposal: found.proposal.as_ref().map(|proposal| ProposalView {
                rule: proposal.rule.clone(),
                rate: RateView::new(&proposal.rate),
                of_all: RateView::new(&proposal.of_all),
                people: share_of(Some(proposal.share_of_people)),
                responders: share_of(Some(proposal.share_of_responders)),
                matching: None,
            }),
            criteria: rows(true),
            others: rows(false),
            gains: found.gains.iter().map(GainsRow::new).collect(),
        }
    }
}

impl CriterionRow {
    fn new(line: &CriterionLine) -> Self {
        Self {
            words: line.words.clone(),
            rule: line.rule.clone(),
            inside: RateView::new(&line.inside),
            outside: share_of(line.outside.value),
            lift: times(line.lift),
            coverage: share_of(Some(line.coverage)),
            responders: share_of(Some(line.share_of_responders)),
            verdict: unparted(&if line.is_beyond_chance {
                format!("separates, {}", chance::p_in_words(line.adjusted_p))
            } else {
                "could be chance".to_owned()
            }),
            is_beyond_chance: line.is_beyond_chance,
            caution: line.caution,
        }
    }
}

impl GainsRow {
    fn new(line: &GainsLine) -> Self {
        Self {
            people: line.people.clone(),
            rate: RateView::new(&line.rate),
            share_of_people: share_of(Some(line.share_of_people)),
            share_of_responders: share_of(Some(line.share_of_responders)),
            lift: times(line.lift),
            is_proposed: line.is_proposed,
            width: format!("{:.1}", line.share_of_responders * FULL),
        }
    }
}

fn times(lift: Option<f64>) -> String {
    lift.map_or_else(|| "–".to_owned(), |lift| format!("{lift:.2} ×"))
}
