//! Who asks: the user of a session, put on the request by the frame.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse};
use serde::Serialize;

use crate::accounts::audit;
use crate::accounts::model::{Right, Role, User, UserId};
use crate::web::public::words::Language;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// A signed-in user's request.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub user: UserId,
    pub name: String,
    pub role: Role,
    pub language: Language,
    /// Whether he has a password and nothing beside it.
    pub lacks_second_factor: bool,
    words: Words,
}

/// What pages see of it.
#[derive(Debug, Serialize)]
struct VisitView<'a> {
    name: &'a str,
    role: Role,
    language: &'static str,
    may: May,
}

/// The rights by name, for `{{#if visit.may.plan}}`.
#[derive(Debug, Serialize)]
struct May {
    reports: bool,
    people: bool,
    edit_people: bool,
    import: bool,
    plan: bool,
    launch: bool,
    administer: bool,
}

/// A page's view with what the layout needs beside it; what a view brings itself stands.
#[derive(Debug, Serialize)]
struct Framed<'a, V> {
    visit: VisitView<'a>,
    /// The address of the script of an area.
    script: Option<&'static str>,
    #[serde(flatten)]
    view: &'a V,
}

impl Visit {
    pub(in crate::web) fn new(user: User, state: &State) -> Self {
        let language = match Language::from_tag(&user.language) {
            Some(Language::French) => Language::French,
            _ => Language::English,
        };
        Self {
            user: user.id,
            name: user.name,
            role: user.role,
            language,
            lacks_second_factor: user.has_password && !user.has_totp,
            words: state.pages.words(language).clone(),
        }
    }

    /// Whether the user may do this.
    pub fn may(&self, right: Right) -> bool {
        self.role.may(right)
    }

    /// Refuses who may not.
    ///
    /// # Errors
    /// 403, with what to do.
    pub fn require(&self, right: Right) -> Result<(), ApiError> {
        if self.may(right) {
            Ok(())
        } else {
            Err(forbidden())
        }
    }

    /// Who he is in the audit log and in evidence.
    pub fn actor(&self) -> String {
        format!("user {} {}", self.user, self.name)
    }

    /// Notes in the audit log what he did, where no transaction of its own does; see [`audit::note`].
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note(
        &self,
        state: &State,
        action: &str,
        subject: &str,
        detail: &str,
    ) -> Result<(), ApiError> {
        let now_ms = state.clock.now_ms();
        let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
        audit::note(&*txn, &self.actor(), action, subject, detail, now_ms)
            .await
            .map_err(ApiError::unavailable)?;
        txn.commit().await.map_err(ApiError::unavailable)
    }

    /// Texts and figures in his language.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// A page with status 200.
    ///
    /// # Errors
    /// When the page cannot be rendered.
    pub fn answer(
        &self,
        state: &State,
        page: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        let framed = self.framed(view);
        state.pages.answer_in(self.language, page, &framed)
    }

    /// A form that came back with faults: status 422.
    ///
    /// # Errors
    /// When the page cannot be rendered.
    pub fn refuse(
        &self,
        state: &State,
        page: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        let framed = self.framed(view);
        state.pages.refuse_in(self.language, page, &framed)
    }

    fn framed<'a, V: Serialize>(&'a self, view: &'a V) -> Framed<'a, V> {
        Framed {
            visit: VisitView {
                name: &self.name,
                role: self.role,
                language: self.language.code(),
                may: May {
                    reports: self.may(Right::Reports),
                    people: self.may(Right::People),
                    edit_people: self.may(Right::EditPeople),
                    import: self.may(Right::Import),
                    plan: self.may(Right::Plan),
                    launch: self.may(Right::Launch),
                    administer: self.may(Right::Administer),
                },
            },
            script: None,
            view,
        }
    }
}

/// What is said to who may not.
pub(in crate::web) fn forbidden() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN).with_detail(
        "Your role does not allow this. An administrator can change it under Settings, Users.",
    )
}

impl FromRequest for Visit {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = request.extensions().get::<Self>().cloned();
        ready(visit.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED)))
    }
}

#[cfg(test)]
pub(in crate::web) mod tests {
    use super::*;
    use crate::web::Pages;

    /// The words of who reads English, in Greenwich.
    pub(in crate::web) fn english() -> Words {
        Words::new(Language::English, "EUR", chrono_tz::UTC)
    }

    /// A page as an administrator who reads English sees it.
    pub(in crate::web) fn shown(page: &str, view: &impl Serialize) -> String {
        let pages = Pages::new("EUR", chrono_tz::UTC).unwrap();
        let visit = Visit {
            user: UserId(1),
            name: "Anne Petit".to_owned(),
            role: Role::Administrator,
            language: Language::English,
            lacks_second_factor: true,
            words: pages.words(Language::English).clone(),
        };
        pages
            .page(Language::English, page, &visit.framed(view))
            .unwrap()
    }
}
