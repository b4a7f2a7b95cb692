//! `/api/v1/rules`: what the settings file lets happen, for programs that must know it before.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer;
use crate::config::{PressureSettings, QuietHoursSettings, TopicSettings, WindowKind};
use crate::web::{ApiError, State};

/// The rules in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rules {
    /// What one may be written to about (`[[permission.topics]]`).
    topics: Vec<Topic>,
    /// How many messages a person gets at most (`[[pressure]]`), besides what his rung of the permission ladder allows.
    pressure: Vec<PressureCap>,
    /// When a channel may be used (`[[quiet_hours]]`); text messages in France besides never at night, on Sundays or
    /// holidays.
    quiet_hours: Vec<QuietHours>,
}

/// What one may be written to about.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Topic {
    #[schema(example = "offers")]
    name: String,
    /// What the pages call it, by language (ISO 639-1).
    #[schema(example = json!({"en": "Offers", "fr": "Offres"}))]
    title: BTreeMap<String, String>,
    /// The words a person agrees to on our own forms, by language.
    wording: BTreeMap<String, String>,
    /// The legal bases that suffice for it.
    #[schema(example = json!(["consent", "soft_opt_in"]))]
    bases: Vec<String>,
    /// The rung of the permission ladder that a person's own yes gives; null: what consent gives.
    level: Option<String>,
}

impl From<&TopicSettings> for Topic {
    fn from(one: &TopicSettings) -> Self {
        Self {
            name: one.name.clone(),
            title: one.title.clone(),
            wording: one.wording.clone(),
            bases: one.bases.clone(),
            level: one.level.clone(),
        }
    }
}

/// So many messages at most in so many days.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PressureCap {
    max: u32,
    days: u32,
    /// `calendar`: days of the recipient's zone; `sliding`: so many times 24 hours back.
    #[schema(value_type = String, example = "sliding")]
    window: &'static str,
    /// Only messages by this channel; null: every channel.
    channel: Option<String>,
    /// Only messages about this topic; null: every topic.
    topic: Option<String>,
}

impl From<&PressureSettings> for PressureCap {
    fn from(one: &PressureSettings) -> Self {
        Self {
            max: one.max,
            days: one.days,
            window: match one.window {
                WindowKind::Calendar => "calendar",
                WindowKind::Sliding => "sliding",
            },
            channel: one.channel.clone(),
            topic: one.topic.clone(),
        }
    }
}

/// When a channel may be used in a country, in the recipient's own time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuietHours {
    #[schema(example = "sms")]
    channel: String,
    /// ISO 3166-1; null: every country without an entry of its own.
    #[schema(example = "FR")]
    country: Option<String>,
    /// Only messages that this SMS provider carries; null: all.
    provider: Option<String>,
    #[schema(example = json!(["Mon-Fri 08:00-20:00", "Sat 10:00-18:00"]))]
    allowed: Vec<String>,
    /// Whether public holidays are quiet all day.
    holidays_are_quiet: bool,
}

impl From<&QuietHoursSettings> for QuietHours {
    fn from(one: &QuietHoursSettings) -> Self {
        Self {
            channel: one.channel.clone(),
            country: one.country.clone(),
            provider: one.provider.clone(),
            allowed: one.allowed.clone(),
            holidays_are_quiet: one.holidays_are_quiet,
        }
    }
}

/// Shows the rules in force: topics, contact pressure, quiet hours.
///
/// They are changed in the settings file. The rungs of the permission ladder stand at `/api/v1/permission-levels`.
#[utoipa::path(
    get, path = "/api/v1/rules", operation_id = "getRules", tag = "Settings",
    responses((status = 200, description = "The rules", body = Rules)),
)]
pub(super) async fn in_force(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let settings = &state.settings;
    let view = Rules {
        topics: settings.permission.topics.iter().map(Topic::from).collect(),
        pressure: settings.pressure.iter().map(PressureCap::from).collect(),
        quiet_hours: settings.quiet_hours.iter().map(QuietHours::from).collect(),
    };
    answer(StatusCode::OK, &view)
}
