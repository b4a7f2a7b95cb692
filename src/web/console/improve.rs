//! `GET /reports/campaigns/{campaign}/improve`: which criteria separate responders, and a rule for the next segment.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{RateView, Visit, path_segment};
use crate::accounts::model::Right;
use crate::reports::improve::criteria::CriterionLine;
use crate::reports::improve::{GainsLine, Improvement, improve};
use crate::reports::store::grid::{self as store, Loaded, Scope};
use crate::reports::{ReportError, chance};
use crate::segments::{self, Rule, discreet};
use crate::web::words::Words;
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
    caution: Option<String>,
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
    let mut view = View::new(&campaign, &loaded, &found, visit.words());
    if asked.count.is_some()
        && let (Some(proposal), Some(shown)) = (&found.proposal, &mut view.proposal)
        && let Ok(rule) = Rule::parse(&proposal.rule)
    {
        let count = segments::store::count(&state.db, &rule, state.clock.now())
            .await
            .map_err(ReportError::from)?;
        let words = visit.words();
        shown.matching = Some(words.counted(count, "{n} customer", "{n} customers"));
    }
    if !visit.may(Right::People)
        && let Some(shown) = &mut view.proposal
    {
        shown.rule = discreet(&shown.rule);
    }
    visit.answer(&state, "improve", &view)
}

impl View {
    fn new(campaign: &str, loaded: &Loaded, found: &Improvement, words: &Words) -> Self {
        let rows = |is_beyond_chance: bool| -> Vec<CriterionRow> {
            let lines = found.criteria.iter();
            let chosen = lines.filter(|line| line.is_beyond_chance == is_beyond_chance);
            chosen.map(|line| CriterionRow::new(line, words)).collect()
        };
        let as_of = loaded.waves.iter().filter_map(|wave| wave.counted_at).min();
        Self {
            title: words.fill("Improve {campaign}", &[("campaign", campaign)]),
            section: "reports",
            campaign: campaign.to_owned(),
            path: path_segment(campaign),
            is_simulated: loaded.waves.iter().any(|wave| wave.is_simulated),
            as_of: as_of.map(|at| words.moment(at)).unwrap_or_default(),
            is_empty: found.of_all.of == 0,
            of_all: RateView::in_words(&found.of_all, words),
            separating: match (found.separating, found.criteria.len()) {
                (_, 0) => words
                    .t("No criterion has enough people on both sides to be tried.")
                    .to_owned(),
                (0, tried) => words.fill(
                    "None of {tried} criteria separates responders from the rest by more than chance.",
                    &[("tried", tried.to_string())],
                ),
                (n, tried) => words.fill(
                    "{n} of {tried} criteria separate responders from the rest by more than chance.",
                    &[("n", n.to_string()), ("tried", tried.to_string())],
                ),
            },
            proposal: found.proposal.as_ref().map(|proposal| ProposalView {
                rule: proposal.rule.clone(),
                rate: RateView::in_words(&proposal.rate, words),
                of_all: RateView::in_words(&proposal.of_all, words),
                people: words.percent(Some(proposal.share_of_people)),
                responders: words.percent(Some(proposal.share_of_responders)),
                matching: None,
            }),
            criteria: rows(true),
            others: rows(false),
            gains: found
                .gains
                .iter()
                .map(|line| GainsRow::new(line, words))
                .collect(),
        }
    }
}

impl CriterionRow {
    fn new(line: &CriterionLine, words: &Words) -> Self {
        Self {
            words: words.say(&line.words),
            rule: line.rule.clone(),
            inside: RateView::in_words(&line.inside, words),
            outside: words.percent(line.outside.value),
            lift: times(line.lift, words),
            coverage: words.percent(Some(line.coverage)),
            responders: words.percent(Some(line.share_of_responders)),
            verdict: if line.is_beyond_chance {
                let p = words.say(&chance::p_in_words(line.adjusted_p));
                words.fill("separates, {p}", &[("p", p)])
            } else {
                words.t("could be chance").to_owned()
            },
            is_beyond_chance: line.is_beyond_chance,
            caution: line.caution.map(|caution| words.t(caution).to_owned()),
        }
    }
}

impl GainsRow {
    fn new(line: &GainsLine, words: &Words) -> Self {
        Self {
            people: words.say(&line.people),
            rate: RateView::in_words(&line.rate, words),
            share_of_people: words.percent(Some(line.share_of_people)),
            share_of_responders: words.percent(Some(line.share_of_responders)),
            lift: times(line.lift, words),
            is_proposed: line.is_proposed,
            width: format!("{:.1}", line.share_of_responders * FULL),
        }
    }
}

fn times(lift: Option<f64>, words: &Words) -> String {
    lift.map_or_else(
        || "–".to_owned(),
        |lift| format!("{}\u{a0}×", words.decimal(lift, 2)),
    )
}
