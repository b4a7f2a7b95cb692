//! `/campaigns/{name}/test`: what is compared, how it is decided, and who is held back.

use serde::Serialize;

use super::form::{Reader, shown};
use super::preview::by_reference;
use super::step::StepForm;
use super::{Choice, Given, Head, checked, template_names, templates_of};
use crate::campaigns::cells::MOST;
use crate::campaigns::check::TestForecast;
use crate::campaigns::definition::{Cell, Definition, Metric, Offer, Test};
use crate::campaigns::drafts::{Draft, Step};
use crate::web::console::Visit;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Rows of cells that are shown at least.
const ROWS: usize = 4;

/// The step as its fields show it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Form {
    cells: Vec<Row>,
    by: String,
    share: String,
    wait_hours: String,
    difference: String,
    thompson: bool,
    control: String,
    global_control: bool,
}

/// One cell.
#[derive(Debug, Default, Serialize)]
struct Row {
    number: usize,
    name: String,
    weight: String,
    template: String,
    offer_name: String,
    offer_code: String,
    offer_margin: String,
    templates: Vec<Choice>,
}

impl StepForm for Form {
    const STEP: Step = Step::Test;
    const PAGE: &'static str = "campaign_test";

    type View = View;

    fn of(plan: &Definition) -> Self {
        let test = plan.test.clone().unwrap_or_default();
        let mut cells: Vec<Row> = plan
            .cells
            .iter()
            .map(|cell| {
                let offer = cell.offer.as_ref();
                Row {
                    name: cell.name.clone(),
                    weight: cell.weight.to_string(),
                    template: cell.template.clone().unwrap_or_default(),
                    offer_name: offer.map_or_else(String::new, |offer| offer.name.clone()),
                    offer_code: offer
                        .and_then(|offer| offer.code.clone())
                        .unwrap_or_default(),
                    offer_margin: shown(offer.and_then(|offer| offer.margin_percent)),
                    ..Row::default()
                }
            })
            .collect();
        let rows = (cells.len() + 1).clamp(ROWS, MOST);
        cells.resize_with(rows.max(cells.len()), Row::default);
        Self {
            cells,
            by: test.by.as_str().to_owned(),
            share: shown(test.share_percent),
            wait_hours: test.wait_hours.to_string(),
            difference: test.difference_points.to_string(),
            thompson: test.thompson,
            control: match plan.control_percent {
                0 => String::new(),
                percent => percent.to_string(),
            },
            global_control: plan.global_control,
        }
        .numbered()
    }

    fn given(given: &Given) -> Self {
        let text = |name: &str| given.text(name).to_owned();
        let cells = (1..=MOST)
            .filter(|number| given.is(&format!("cell{number}_name")))
            .map(|number| {
                let of = |field: &str| text(&format!("cell{number}_{field}"));
                Row {
                    name: of("name"),
                    weight: of("weight"),
                    template: of("template"),
                    offer_name: of("offer"),
                    offer_code: of("code"),
                    offer_margin: of("margin"),
                    ..Row::default()
                }
            })
            .collect();
        Self {
            cells,
            by: text("by"),
            share: text("share"),
            wait_hours: text("wait_hours"),
            difference: text("difference"),
            thompson: given.is("thompson"),
            control: text("control"),
            global_control: given.is("global_control"),
        }
        .numbered()
    }

    fn put(&self, plan: &mut Definition, read: &mut Reader<'_>) {
        let before = std::mem::take(&mut plan.cells);
        let is_kept = |cell: &Cell| self.cells.iter().any(|row| row.name == cell.name);
        for (row, place) in self.cells.iter().zip(0..) {
            if row.name.is_empty() {
                continue;
            }
            // One that is renamed is the one that stood in its row, and keeps what the form does not show.
            let renamed = || before.get(place).filter(|cell| !is_kept(cell));
            let old = before
                .iter()
                .find(|cell| cell.name == row.name)
                .or_else(renamed);
            plan.cells.push(row.cell(old, read));
        }
        plan.control_percent = read.whole("control", &self.control).unwrap_or(0);
        plan.global_control = self.global_control;
        let usual = Test::default();
        let test = Test {
            by: [Metric::Response, Metric::Click, Metric::Revenue]
                .into_iter()
                .find(|by| by.as_str() == self.by)
                .unwrap_or_default(),
            share_percent: read.whole("share", &self.share),
            wait_hours: read
                .whole("wait_hours", &self.wait_hours)
                .unwrap_or(usual.wait_hours),
            difference_points: read
                .decimal("difference", &self.difference)
                .unwrap_or(usual.difference_points),
            thompson: self.thompson,
        };
        plan.test = (!plan.cells.is_empty()).then_some(test);
    }

    async fn view(
        self,
        visit: &Visit,
        state: &State,
        draft: &Draft,
        head: Head,
        _query: &Given,
    ) -> Result<View, ApiError> {
        let words = visit.words();
        let mut form = self;
        let names = template_names(state).await?;
        for row in &mut form.cells {
            row.templates.push(Choice::new(
                "",
                words.t("The campaign's template"),
                &row.template,
            ));
            let named = names.iter();
            row.templates
                .extend(named.map(|(name, _)| Choice::new(name, name.as_str(), &row.template)));
        }
        let templates = templates_of(state, draft).await.unwrap_or_default();
        let checked = checked(state, draft, &by_reference(&templates)).await?;
        Ok(View {
            title: draft.name.clone(),
            section: "campaigns",
            script: "/assets/campaigns.js",
            head,
            metrics: [
                ("response", words.t("the response rate")),
                ("click", words.t("the click rate")),
                ("revenue", words.t("the revenue per head")),
            ]
            .map(|(value, title)| Choice::new(value, title, &form.by))
            .into(),
            is_recurring: draft.definition.is_recurring(),
            has_cells: !draft.definition.cells.is_empty(),
            power: checked
                .as_ref()
                .and_then(|checked| checked.found.test.as_ref())
                .map(|test| Power::new(test, words)),
            form,
        })
    }
}

impl Form {
    fn numbered(mut self) -> Self {
        for (row, number) in self.cells.iter_mut().zip(1..) {
            row.number = number;
        }
        self
    }
}

impl Row {
    /// The cell; what the form does not show of its offer stays as it was.
    fn cell(&self, old: Option<&Cell>, read: &mut Reader<'_>) -> Cell {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let offer = (!self.offer_name.is_empty()).then(|| {
            let was = old.and_then(|cell| cell.offer.clone());
            Offer {
                name: self.offer_name.clone(),
                code: some(&self.offer_code),
                margin_percent: read.decimal("cells", &self.offer_margin),
                product: was.as_ref().and_then(|was| was.product.clone()),
                coupon: was.as_ref().and_then(|was| was.coupon.clone()),
                deadline: was.as_ref().and_then(|was| was.deadline),
                cost_cents: was.as_ref().map_or(0, |was| was.cost_cents),
            }
        });
        Cell {
            name: self.name.clone(),
            weight: read.whole("cells", &self.weight).unwrap_or(1),
            template: some(&self.template),
            offer,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    head: Head,
    form: Form,
    metrics: Vec<Choice>,
    is_recurring: bool,
    has_cells: bool,
    power: Option<Power>,
}

/// What the test could find.
#[derive(Debug, Serialize)]
pub(super) struct Power {
    cells: Vec<PowerCell>,
    base_rate: f64,
    difference: String,
    power: Option<f64>,
    needed: Option<u64>,
    detectable: String,
    is_weak: bool,
}

#[derive(Debug, Serialize)]
struct PowerCell {
    name: String,
    people: u64,
}

impl Power {
    pub fn new(test: &TestForecast, words: &Words) -> Self {
        let points = |points: f64| words.decimal(points, 2);
        Self {
            cells: test
                .cells
                .iter()
                .map(|cell| PowerCell {
                    name: words.t(&cell.cell).to_owned(),
                    people: cell.people,
                })
                .collect(),
            base_rate: test.base_rate,
            difference: points(test.difference_points),
            power: test.power,
            needed: test.needed_per_cell,
            detectable: test.detectable_points.map_or_else(String::new, points),
            is_weak: test.power.is_none_or(|power| power < 0.8),
        }
    }
}
