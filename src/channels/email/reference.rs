//! Our reference in the words of providers, so that what they post says which message it is about.
//!
//! None of these headers is signed by DKIM: the provider takes them out before it sends the message on, and
//! the signature would no longer be right.

use crate::config::MailProvider;

/// The name of a tag of SES.
pub const TAG: &str = "visavis-ref";
/// The name of an argument of SendGrid and of a variable of Mailgun.
pub const ARGUMENT: &str = "visavis_ref";
/// The name of a field of Postmark's metadata: at most 20 characters.
pub const METADATA: &str = "ref";
/// The header that Brevo repeats in what it posts.
pub const BREVO_HEADER: &str = "X-Mailin-custom";

/// The header by which a provider repeats a reference in its events: its name and its value.
pub fn header(provider: MailProvider, tag: &str) -> (&'static str, String) {
    match provider {
        MailProvider::Ses => ("X-SES-MESSAGE-TAGS", format!("{TAG}={tag}")),
        MailProvider::Sendgrid => (
            "X-SMTPAPI",
            format!("{{\"unique_args\": {{\"{ARGUMENT}\": \"{tag}\"}}}}"),
        ),
        MailProvider::Mailgun => (
            "X-Mailgun-Variables",
            format!("{{\"{ARGUMENT}\": \"{tag}\"}}"),
        ),
        MailProvider::Postmark => ("X-PM-Metadata-ref", tag.to_owned()),
        MailProvider::Brevo => (BREVO_HEADER, format!("ref:{tag}")),
    }
}
