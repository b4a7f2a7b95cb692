//! What providers of email post to us: bounces, complaints and opt-outs of messages that went through them.
//!
//! Promise: nothing is read that the provider cannot have posted, and reading never fails the whole for one
//! event; whose message it was is not believed but proved by the MAC in our reference; the same event has the
//! same digest however often it comes. No I/O: the web room listens, and fetches certificates.

mod brevo;
mod classify;
mod fields;
mod mailgun;
pub mod model;
mod postmark;
pub mod record;
#[cfg(test)]
mod samples;
mod sendgrid;
mod ses;
pub mod sns;
mod store;

use crate::channels::sms::provider::PathSecret;
use crate::config::{ConfigError, MailHookSettings, MailProvider};

pub use record::{RecordError, Recorded, record};

pub use model::{Brought, MailEvent, MailEventKind, OneTime, Post, PostError};

// Where our reference stands in what a provider posts; `channels::email` writes it where it takes it from.
use crate::channels::email::reference::{ARGUMENT, BREVO_HEADER, METADATA, TAG};

/// One account whose provider posts to us.
#[derive(Debug)]
pub struct MailHook {
    kind: Kind,
    secret: Option<PathSecret>,
}

#[derive(Debug)]
enum Kind {
    Ses(Vec<String>),
    Sendgrid(sendgrid::Sendgrid),
    Mailgun(mailgun::Mailgun),
    Postmark(postmark::Postmark),
    Brevo(brevo::Brevo),
}

/// What a request proves to be.
#[derive(Debug)]
pub enum Proof {
    /// It is the provider's; with a token, if that has not come with another body.
    Proven(Brought, Option<OneTime>),
    /// It is the provider's if this envelope opens with the certificate at this address.
    Sealed(Box<sns::Envelope>, reqwest::Url),
}

impl MailHook {
    /// # Errors
    /// Names the key of what is missing or wrong.
    pub fn open(name: &str, settings: &MailHookSettings) -> Result<Self, ConfigError> {
        let key = format!("mail_hooks.{name}");
        let secret = settings.hook_secret(&key)?;
        settings.provider(&key)?;
        let kind = if let Some(ses) = &settings.ses {
            Kind::Ses(ses.topics.clone())
        } else if let Some(sendgrid) = &settings.sendgrid {
            let key = format!("{key}.sendgrid");
            Kind::Sendgrid(sendgrid::Sendgrid::open(&key, sendgrid)?)
        } else if let Some(mailgun) = &settings.mailgun {
            Kind::Mailgun(mailgun::Mailgun::open(&format!("{key}.mailgun"), mailgun)?)
        } else if let Some(postmark) = &settings.postmark {
            let key = format!("{key}.postmark");
            Kind::Postmark(postmark::Postmark::open(&key, postmark)?)
        } else {
            let brevo = settings.brevo.clone().unwrap_or_default();
            Kind::Brevo(brevo::Brevo::open(&format!("{key}.brevo"), &brevo)?)
        };
        Ok(Self {
            kind,
            secret: secret.map(|secret| PathSecret::new(Some(secret.expose()))),
        })
    }

    /// Who posts.
    pub fn provider(&self) -> MailProvider {
        match self.kind {
            Kind::Ses(_) => MailProvider::Ses,
            Kind::Sendgrid(_) => MailProvider::Sendgrid,
            Kind::Mailgun(_) => MailProvider::Mailgun,
            Kind::Postmark(_) => MailProvider::Postmark,
            Kind::Brevo(_) => MailProvider::Brevo,
        }
    }

    /// Whether the secret of the address is the one of the settings: asked before anything is read.
    pub fn is_addressed(&self, secret: Option<&str>) -> bool {
        match &self.secret {
            Some(known) => known.is(secret),
            None => secret.is_none(),
        }
    }

    /// Proves that the provider posted it, and reads it.
    ///
    /// # Errors
    /// When it is not proved, or cannot be understood.
    pub fn prove(&self, post: &Post<'_>) -> Result<Proof, PostError> {
        if !self.is_addressed(post.secret) {
            return Err(PostError::Forged);
        }
        match &self.kind {
            Kind::Ses(topics) => {
                let (envelope, url) = sns::Envelope::read(post, topics)?;
                Ok(Proof::Sealed(Box::new(envelope), url))
            }
            Kind::Sendgrid(sendgrid) => {
                sendgrid.prove(post)?;
                Ok(Proof::Proven(sendgrid::read(post.body)?, None))
            }
            Kind::Mailgun(mailgun) => {
                let (brought, once) = mailgun.read(post)?;
                Ok(Proof::Proven(brought, Some(once)))
            }
            Kind::Postmark(postmark) => {
                postmark.prove(post)?;
                Ok(Proof::Proven(postmark::read(post.body)?, None))
            }
            Kind::Brevo(brevo) => {
                brevo.prove(post)?;
                Ok(Proof::Proven(brevo::read(post.body)?, None))
            }
        }
    }
}

/// What SES wrote in a notification of SNS.
pub fn read_notification(message: &str) -> Brought {
    ses::read(message)
}

/// Whether the credentials of `Authorization` are right; without any in the settings, its address was the proof.
fn prove_by_header(
    known: Option<&PathSecret>,
    scheme: &str,
    post: &Post<'_>,
) -> Result<(), PostError> {
    let Some(known) = known else {
        return Ok(());
    };
    let given = post
        .header("authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(name, _)| name.eq_ignore_ascii_case(scheme))
        .map(|(_, credentials)| credentials.trim());
    if known.is(given) {
        Ok(())
    } else {
        Err(PostError::Forged)
    }
}

#[cfg(test)]
mod tests;
