//! A template as one customer would get it, before anyone does: nothing is tracked, and the ways out lead
//! nowhere.

use super::email::Imprint;
use super::error::{RenderError, TemplateError};
use super::model::{RecipientLinks, Rendered};
use super::sms::{RenderedSms, SmsFrame, sample_links};
use super::{CompiledSms, Template};
use crate::customers::model::Customer;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// The imprint of a template that no campaign has taken yet.
pub fn sample_imprint() -> Imprint {
    Imprint {
        sender_name: "Sender".to_owned(),
        postal_address: "1 rue de l’Exemple, 80000 Amiens".to_owned(),
        reason: None,
    }
}

/// The letter, with the addresses that its links lead to and an invented offer. `public_url` is where the
/// ways out would be.
///
/// # Errors
/// When it cannot be compiled in this language, or not be rendered for this customer.
pub fn email(
    template: &Template,
    language: &str,
    customer: &Customer,
    public_url: &str,
) -> Result<Rendered, PreviewError> {
    let compiled = template.compile_email(language, &sample_imprint())?;
    let links = RecipientLinks {
        clicks: compiled
            .links()
            .iter()
            .map(|link| link.url.clone())
            .collect(),
        unsubscribe: format!("{public_url}/u/preview"),
        preferences: format!("{public_url}/p/preview"),
        browser: format!("{public_url}/v/preview"),
        ..RecipientLinks::default()
    }
    .with_sample_offer();
    Ok(compiled.render(customer, &links)?)
}

/// The text message, with links as long as they may be and an invented offer.
///
/// # Errors
/// As for [`email`].
pub fn sms(
    template: &Template,
    language: &str,
    customer: &Customer,
    frame: &SmsFrame,
) -> Result<RenderedSms, PreviewError> {
    let compiled: CompiledSms = template.compile_sms(language, frame)?;
    Ok(compiled.render(customer, &sample_links(&compiled))?)
}
