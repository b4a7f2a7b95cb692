//! `/campaigns/{name}/message`: what is said, what is offered, and what it is to bring.

use std::borrow::Cow;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::form::{Reader, amount, shown};
use super::preview::Preview;
use super::step::StepForm;
use super::{Choice, Given, Head, template_names};
use crate::campaigns::definition::{Costs, Definition, Offer};
use crate::campaigns::drafts::{Draft, Step};
use crate::campaigns::model::Goal;
use crate::consent::ladder::{Level, OfferKind};
use crate::web::console::Visit;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// The step as its fields show it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    template: String,
    goal: String,
    window_days: String,
    expected: String,
    level: String,
    offer_kind: String,
    offer_name: String,
    offer_product: String,
    offer_code: String,
    offer_coupon: String,
    offer_deadline: String,
    offer_margin: String,
    offer_cost: String,
    fixed_cost: String,
    thousand_cost: String,
}

impl StepForm for Form {
    const STEP: Step = Step::Message;
    const PAGE: &'static str = "campaign_message";
    const HAS_MESSAGE: bool = true;

    type View = View;

    fn of(plan: &Definition) -> Self {
        let offer = plan.offer.as_ref();
        let text = |of: fn(&Offer) -> Option<String>| offer.and_then(of).unwrap_or_default();
        let costs = plan.costs.unwrap_or_default();
        Self {
            template: plan.template.clone(),
            goal: plan.goal.as_str().to_owned(),
            window_days: plan.window_days.to_string(),
            expected: shown(plan.expected_response_percent),
            level: plan.level.as_str().to_owned(),
            offer_kind: plan
                .offer_kind
                .map_or_else(String::new, |kind| kind.as_str().to_owned()),
            offer_name: text(|offer| Some(offer.name.clone())),
            offer_product: text(|offer| offer.product.clone()),
            offer_code: text(|offer| offer.code.clone()),
            offer_coupon: text(|offer| offer.coupon.clone()),
            offer_deadline: text(|offer| offer.deadline.map(|day| day.to_string())),
            offer_margin: text(|offer| offer.margin_percent.map(|margin| margin.to_string())),
            offer_cost: text(|offer| Some(amount(offer.cost_cents))),
            fixed_cost: amount(costs.fixed_cents),
            thousand_cost: amount(costs.per_thousand_cents),
        }
    }

    fn given(given: &Given) -> Self {
        given.read()
    }

    fn put(&self, plan: &mut Definition, read: &mut Reader<'_>) {
        plan.template.clone_from(&self.template);
        plan.goal = goal_of(&self.goal).unwrap_or_default();
        plan.window_days = read.whole("window_days", &self.window_days).unwrap_or(14);
        plan.expected_response_percent = read.decimal("expected", &self.expected);
        plan.level = self.level.parse::<Level>().unwrap_or_default();
        plan.offer_kind = OfferKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == self.offer_kind);
        plan.offer = self.offer(read);
        let costs = Costs {
            fixed_cents: read.cents("fixed_cost", &self.fixed_cost).unwrap_or(0),
            per_thousand_cents: read
                .cents("thousand_cost", &self.thousand_cost)
                .unwrap_or(0),
        };
        // What costs nothing is not known to cost nothing.
        plan.costs = (costs != Costs::default()).then_some(costs);
    }

    async fn view(
        self,
        visit: &Visit,
        state: &State,
        draft: &Draft,
        head: Head,
        query: &Given,
    ) -> Result<View, ApiError> {
        let words = visit.words();
        let form = self;
        let templates = template_names(state).await?;
        Ok(View {
            title: draft.name.clone(),
            section: "campaigns",
            script: "/assets/campaigns.js",
            head,
            templates: templates
                .into_iter()
                .map(|(name, description)| TemplateChoice {
                    is_chosen: name == form.template,
                    name,
                    description,
                })
                .collect(),
            goals: goals(&form.goal, words),
            levels: Level::ALL
                .into_iter()
                .filter(|level| *level != Level::Stranger)
                .map(|level| Choice::new(level.as_str(), level_in_words(level, words), &form.level))
                .collect(),
            offer_kinds: offer_kinds(&form.offer_kind, words),
            currency: state.settings.orders.currency.clone(),
            preview: Preview::of(visit, state, draft, query).await?,
            form,
        })
    }
}

impl Form {
    fn offer(&self, read: &mut Reader<'_>) -> Option<Offer> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let offer = Offer {
            name: self.offer_name.clone(),
            product: some(&self.offer_product),
            code: some(&self.offer_code),
            coupon: some(&self.offer_coupon),
            deadline: read.parsed(
                "offer_deadline",
                &self.offer_deadline,
                |text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok(),
                "Give a day, such as 2026-12-24.",
            ),
            margin_percent: read.decimal("offer_margin", &self.offer_margin),
            cost_cents: read.cents("offer_cost", &self.offer_cost).unwrap_or(0),
        };
        let is_bare = offer.product.is_none()
            && offer.code.is_none()
            && offer.coupon.is_none()
            && offer.deadline.is_none()
            && offer.margin_percent.is_none()
            && offer.cost_cents == 0;
        if offer.name.is_empty() && !is_bare {
            let problem = read.words.t("Name the offer, as reports will call it.");
            read.fault("offer_name", problem);
        }
        (!offer.name.is_empty()).then_some(offer)
    }
}

fn goal_of(text: &str) -> Option<Goal> {
    [
        Goal::Click,
        Goal::Order,
        Goal::Reply,
        Goal::Coupon,
        Goal::Answer,
    ]
    .into_iter()
    .find(|goal| goal.as_str() == text)
}

#[derive(Debug, Serialize)]
pub(super) struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    head: Head,
    form: Form,
    templates: Vec<TemplateChoice>,
    goals: Vec<Choice>,
    levels: Vec<Choice>,
    offer_kinds: Vec<Choice>,
    currency: String,
    preview: Option<Preview>,
}

#[derive(Debug, Serialize)]
struct TemplateChoice {
    name: String,
    description: String,
    is_chosen: bool,
}

fn goals(chosen: &str, words: &Words) -> Vec<Choice> {
    vec![
        Choice::new("click", words.t("clicks a link"), chosen),
        Choice::new("order", words.t("places an order"), chosen),
        Choice::new("reply", words.t("writes back"), chosen),
        Choice::new("coupon", words.t("redeems a coupon"), chosen),
        Choice::new(
            "answer",
            words.t("names the code in a shop or on the telephone"),
            chosen,
        ),
    ]
}

/// A goal as a sentence has it: who is a responder.
pub(super) fn goal_in_words(goal: Goal, words: &Words) -> String {
    goals(goal.as_str(), words)
        .into_iter()
        .find(|choice| choice.is_chosen)
        .map_or_else(String::new, |choice| choice.title)
}

fn level_in_words(level: Level, words: &Words) -> Cow<'static, str> {
    match level {
        Level::Stranger => words.t("Stranger").into(),
        Level::Situational => words
            .t("Situational: whoever has an order or a question open")
            .into(),
        Level::BrandTrust => words
            .t("Brand trust: whoever asked for news, or bought")
            .into(),
        Level::PersonalRelationship => words
            .t("Personal relationship: whoever told us about themselves")
            .into(),
        Level::Points => words.t("Points: whoever collects something").into(),
        Level::Intravenous => words
            .t("Intravenous: whoever lets us choose for them")
            .into(),
    }
}

fn offer_kinds(chosen: &str, words: &Words) -> Vec<Choice> {
    vec![
        Choice::new("", words.t("Not said"), chosen),
        Choice::new(
            "information",
            words.t("Information: helps with what they are doing"),
            chosen,
        ),
        Choice::new("general", words.t("General: the same for everyone"), chosen),
        Choice::new(
            "personal",
            words.t("Personal: made for what we know of each"),
            chosen,
        ),
        Choice::new(
            "reward",
            words.t("Reward: for points or a status they earned"),
            chosen,
        ),
        Choice::new(
            "on_approval",
            words.t("On approval: sent without asking, kept or given back"),
            chosen,
        ),
    ]
}
