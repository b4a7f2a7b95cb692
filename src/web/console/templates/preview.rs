//! `/templates/{name}/preview`: the mail and the text message of one customer, saved or not.

use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::form::{Form, base_of};
use super::remarks::{Remark, remarks};
use super::{editor, facts, labels, refused};
use crate::accounts::model::Right;
use crate::campaigns::sms as campaign_sms;
use crate::config::SANDBOX;
use crate::customers::model::Customer;
use crate::customers::store as customer_store;
use crate::dialogue::export;
use crate::templates::draft::Draft;
use crate::templates::{
    Finding, Severity, SmsFrame, Template, TemplateError, library, preview, sample_customer,
};
use crate::web::console::Visit;
use crate::web::{ApiError, State};

/// The policy of what is shown in a frame: no script, nothing from elsewhere, no way out of the frame. Mails
/// bring their styles along.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'self'; sandbox";

/// What is asked for of a saved template.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    language: Option<String>,
    revision: Option<i64>,
    /// `mail` for the bare letter.
    view: Option<String>,
}

/// The page within the frame.
#[derive(Debug, Serialize)]
struct Preview {
    language: String,
    /// Whom it is for.
    recipient: String,
    /// What is not as it was asked for.
    remark: String,
    problem: String,
    subject: String,
    preheader: String,
    sender: String,
    initial: String,
    html: String,
    text: String,
    sms: Option<SmsView>,
    sms_problem: String,
}

#[derive(Debug, Serialize)]
struct SmsView {
    text: String,
    encoding: String,
    parts: u64,
    units: u64,
    room: u64,
    /// For whom it takes most.
    worst_parts: u64,
}

/// What the editor shows beside its fields while one types.
#[derive(Debug, Serialize)]
struct Remarks {
    problem: String,
    /// By the id of the field they stand at.
    findings: Vec<Remark>,
}

/// `GET`: as it was saved.
pub(super) async fn stored(
    visit: Visit,
    name: web::Path<String>,
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let folder = &state.settings.templates_dir;
    let texts = match wanted.revision {
        Some(number) => {
            library::revision(&state.db, &name, number)
                .await
                .map_err(refused)?
                .files
        }
        None => {
            library::open(&state.db, folder, &name)
                .await
                .map_err(refused)?
                .texts
        }
    };
    let template = Template::from_texts(&texts);
    let language = wanted.language.clone().unwrap_or_default();
    let is_bare = wanted.view.as_deref() == Some("mail");
    if is_bare && let Ok(template) = &template {
        let language = template.language_for(&language);
        let public_url = &state.settings.web.public_url;
        let mail = preview::email(template, language, &sample_customer(), public_url);
        return Ok(framed(mail.map(|mail| mail.html).unwrap_or_default()));
    }
    let shown = show(&visit, &state, template, &language, "").await?;
    page(&visit, &state, &shown)
}

/// `POST`: as the form says, unsaved.
pub(super) async fn unsaved(
    visit: Visit,
    request: HttpRequest,
    name: web::Path<String>,
    body: web::Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let folder = &state.settings.templates_dir;
    let found = library::open(&state.db, folder, &name)
        .await
        .map_err(refused)?;
    let base = editor::base_texts(&state, &found, base_of(&body)).await?;
    let draft = Draft::read(&base).map_err(|error| refused(error.into()))?;
    let form = Form::read(&body, draft);
    let template = form
        .draft
        .write(&base)
        .and_then(|texts| Template::from_texts(&texts));
    let wants_remarks = request
        .headers()
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    if wants_remarks {
        let told = match &template {
            Ok(template) => Remarks {
                problem: String::new(),
                findings: remarks(&template.lint(&facts(&state).await?), visit.words()),
            },
            Err(error) => Remarks {
                problem: error.to_string(),
                findings: remarks(&complaint(error, &form.draft), visit.words()),
            },
        };
        return Ok(HttpResponse::Ok().json(told));
    }
    let shown = show(&visit, &state, template, &form.tab, &form.customer).await?;
    page(&visit, &state, &shown)
}

/// A refusal as a finding at the field it is about.
pub(super) fn complaint(error: &TemplateError, draft: &Draft) -> Vec<Finding> {
    let TemplateError::Written { place, problem } = error else {
        return Vec::new();
    };
    let language = place
        .file
        .strip_prefix("template.")
        .and_then(|file| file.strip_suffix(".toml"))
        .filter(|language| draft.wordings.contains_key(*language))
        .unwrap_or(&draft.language);
    vec![Finding {
        severity: Severity::Error,
        part: None,
        language: language.to_owned(),
        key: place.key.clone(),
        message: problem.clone().into(),
    }]
}

/// What stands around a text message, as it would go out without more ado.
pub(super) fn frame_of(state: &State, language: &str) -> SmsFrame {
    let sms = &state.settings.sms;
    campaign_sms::frame(sms, sms.route(None).unwrap_or(SANDBOX), language)
}

/// The customer that is asked for, and what to say where he is not there.
async fn recipient(
    visit: &Visit,
    state: &State,
    who: &str,
) -> Result<(Customer, String, String), ApiError> {
    let words = visit.words();
    let invented = words.t("an invented customer").to_owned();
    if who.is_empty() {
        return Ok((sample_customer(), invented, String::new()));
    }
    if !visit.may(Right::People) {
        let remark = words.t("Your role does not see customers.").to_owned();
        return Ok((sample_customer(), invented, remark));
    }
    let found = customer_store::find(&state.db, who)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(match found {
        Some(customer) => {
            let now_ms = state.clock.now_ms();
            export::note_access(&state.db, customer.id, &visit.actor(), now_ms).await?;
            let name = [&customer.first_name, &customer.last_name];
            let name: Vec<&str> = name.into_iter().filter_map(Option::as_deref).collect();
            let shown = match name.is_empty() {
                true => words.fill("customer {n}", &[("n", customer.id.to_string())]),
                false => name.join(" "),
            };
            (customer, shown, String::new())
        }
        None => {
            let remark = words.fill("There is no customer {who}.", &[("who", who)]);
            (sample_customer(), invented, remark)
        }
    })
}

async fn show(
    visit: &Visit,
    state: &State,
    template: Result<Template, TemplateError>,
    language: &str,
    who: &str,
) -> Result<Preview, ApiError> {
    let (customer, recipient, remark) = recipient(visit, state, who).await?;
    let sender = preview::sample_imprint().sender_name;
    let mut shown = Preview {
        language: visit.language.code().to_owned(),
        recipient,
        remark,
        problem: String::new(),
        subject: String::new(),
        preheader: String::new(),
        initial: sender.chars().take(1).collect(),
        sender,
        html: String::new(),
        text: String::new(),
        sms: None,
        sms_problem: String::new(),
    };
    let template = match template {
        Ok(template) => template,
        Err(error) => {
            shown.problem = error.to_string();
            return Ok(shown);
        }
    };
    let language = template.language_for(language).to_owned();
    let own = template.language_for(&customer.language);
    if !who.is_empty() && shown.remark.is_empty() && own != language {
        shown.remark = visit.words().fill(
            "This person would be written to in {language}.",
            &[("language", labels::language(visit.words(), own))],
        );
    }
    let public_url = &state.settings.web.public_url;
    match preview::email(&template, &language, &customer, public_url) {
        Ok(mail) => {
            shown.subject = mail.subject;
            shown.preheader = preheader(&mail.html);
            shown.html = mail.html;
            shown.text = mail.text;
        }
        Err(error) => shown.problem = error.to_string(),
    }
    let frame = frame_of(state, &language);
    match preview::sms(&template, &language, &customer, &frame) {
        Ok(sms) => {
            let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            let worst = template.measure_sms(&language, &frame, &facts(state).await?);
            shown.sms = Some(SmsView {
                encoding: sms.size.encoding.to_string(),
                parts: number(sms.size.parts),
                units: number(sms.size.units),
                room: number(sms.size.room()),
                worst_parts: number(worst.map_or(0, |measure| measure.worst.size.parts)),
                text: sms.text,
            });
        }
        Err(error) => shown.sms_problem = error.to_string(),
    }
    Ok(shown)
}

/// What the inbox shows beside the subject: the letter begins with it, hidden.
fn preheader(html: &str) -> String {
    let hidden = html
        .split_once("<body")
        .and_then(|(_, body)| body.split_once("<div style=\"display:none"))
        .and_then(|(_, rest)| rest.split_once('>'))
        .and_then(|(_, rest)| rest.split_once("</div>"))
        .map_or("", |(text, _)| text);
    let text = hidden
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    // What fills the line up behind it says nothing.
    let words = text.split('\u{34f}').next().unwrap_or_default();
    words.trim().to_owned()
}

fn page(visit: &Visit, state: &State, shown: &Preview) -> Result<HttpResponse, ApiError> {
    Ok(framed(state.pages.page(
        visit.language,
        "template_preview",
        shown,
    )?))
}

fn framed(html: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_FRAME_OPTIONS, "SAMEORIGIN"))
        .body(html)
}
