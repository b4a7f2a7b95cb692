//! `[mail_hooks.NAME]`

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Secret};

/// A provider of email whose ways we know: what a relay of it wants in a message, and what it posts to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailProvider {
    /// Amazon SES, which posts through Amazon SNS.
    Ses,
    Sendgrid,
    Mailgun,
    Postmark,
    Brevo,
}

impl MailProvider {
    /// As the settings and the database name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ses => "ses",
            Self::Sendgrid => "sendgrid",
            Self::Mailgun => "mailgun",
            Self::Postmark => "postmark",
            Self::Brevo => "brevo",
        }
    }
}

/// An account whose provider posts to us what becomes of messages. Exactly one of the tables of the kinds is
/// given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailHookSettings {
    /// The end of the address it posts to. Where the provider signs what it posts, this is asked for as well.
    #[serde(default)]
    pub hook_secret: Option<Secret>,
    #[serde(default)]
    pub hook_secret_file: Option<PathBuf>,
    #[serde(default)]
    pub ses: Option<SesSettings>,
    #[serde(default)]
    pub sendgrid: Option<SendgridSettings>,
    #[serde(default)]
    pub mailgun: Option<MailgunSettings>,
    #[serde(default)]
    pub postmark: Option<PostmarkSettings>,
    #[serde(default)]
    pub brevo: Option<BrevoMailSettings>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SesSettings {
    /// The ARNs of the SNS topics that may post.
    pub topics: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendgridSettings {
    /// The verification key of the Signed Event Webhook: base64, as its page shows it.
    pub public_key: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailgunSettings {
    /// The HTTP webhook signing key.
    #[serde(default)]
    pub signing_key: Option<Secret>,
    #[serde(default)]
    pub signing_key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostmarkSettings {
    /// The log-in of HTTP's Basic scheme that stands in the webhook's settings.
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrevoMailSettings {
    /// The token of HTTP's Bearer scheme that stands in the webhook's settings.
    #[serde(default)]
    pub token: Option<Secret>,
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

impl MailHookSettings {
    /// The end of the address, where it is given.
    ///
    /// # Errors
    /// When its file cannot be read, or both ways are taken.
    pub fn hook_secret(&self, key: &str) -> Result<Option<Secret>, ConfigError> {
        Secret::resolve(
            &format!("{key}.hook_secret"),
            self.hook_secret.as_ref(),
            self.hook_secret_file.as_deref(),
        )
    }

    /// The kind whose table is given.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn provider(&self, key: &str) -> Result<MailProvider, ConfigError> {
        let given = [
            (self.ses.is_some(), MailProvider::Ses),
            (self.sendgrid.is_some(), MailProvider::Sendgrid),
            (self.mailgun.is_some(), MailProvider::Mailgun),
            (self.postmark.is_some(), MailProvider::Postmark),
            (self.brevo.is_some(), MailProvider::Brevo),
        ];
        let mut given = given.into_iter().filter(|(is_given, _)| *is_given);
        match (given.next(), given.next()) {
            (Some((_, provider)), None) => Ok(provider),
            _ => Err(ConfigError::key(
                key,
                format!(
                    "needs exactly one table that says who posts: [{key}.ses], .sendgrid, .mailgun, .postmark or .brevo"
                ),
            )),
        }
    }

    pub(super) fn validate(&self, name: &str) -> Result<(), ConfigError> {
        let key = format!("mail_hooks.{name}");
        let is_plain = (1..=40).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        if !is_plain {
            return Err(ConfigError::key(
                &key,
                "its name must be 1 to 40 lower-case letters, digits, - or _",
            ));
        }
        self.provider(&key)?;
        let secret = self.hook_secret(&key)?;
        if let Some(secret) = &secret {
            let is_long = secret.expose().len() >= 16;
            let is_plain = secret
                .expose()
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if !is_long || !is_plain {
                return Err(ConfigError::key(
                    &format!("{key}.hook_secret"),
                    "must be at least 16 letters, digits, - or _: whoever knows it may post bounces",
                ));
            }
        }
        if let Some(ses) = &self.ses {
            ses.validate(&format!("{key}.ses"))?;
        }
        if let Some(mailgun) = &self.mailgun {
            mailgun.signing_key(&format!("{key}.mailgun"))?;
        }
        let unsigned = |is_proven: bool, way: &str| {
            if is_proven || secret.is_some() {
                return Ok(());
            }
            Err(ConfigError::key(
                &key,
                format!(
                    "needs hook_secret or {way}: this provider signs nothing, and anybody could post in its name"
                ),
            ))
        };
        if let Some(postmark) = &self.postmark {
            let login = postmark.login(&format!("{key}.postmark"))?;
            unsigned(login.is_some(), "postmark.username and postmark.password")?;
        }
        if let Some(brevo) = &self.brevo {
            let token = brevo.token(&format!("{key}.brevo"))?;
            unsigned(token.is_some(), "brevo.token")?;
        }
        Ok(())
    }
}

impl SesSettings {
    fn validate(&self, key: &str) -> Result<(), ConfigError> {
        let key = format!("{key}.topics");
        if self.topics.is_empty() {
            return Err(ConfigError::key(
                &key,
                "is empty: anybody with an account at Amazon could post",
            ));
        }
        for topic in &self.topics {
            let pieces: Vec<&str> = topic.split(':').collect();
            let is_arn = matches!(
                &pieces[..],
                ["arn", partition, "sns", region, account, name]
                    if partition.starts_with("aws") && !region.is_empty() && !name.is_empty()
                        && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
            );
            if !is_arn {
                return Err(ConfigError::key(
                    &key,
                    format!(
                        "{topic:?} is no topic of SNS, such as arn:aws:sns:eu-west-3:123456789012:mail-events"
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl MailgunSettings {
    /// The key that signs what is posted.
    ///
    /// # Errors
    /// When it is missing or its file cannot be read.
    pub fn signing_key(&self, key: &str) -> Result<Secret, ConfigError> {
        let key = format!("{key}.signing_key");
        Secret::resolve(
            &key,
            self.signing_key.as_ref(),
            self.signing_key_file.as_deref(),
        )?
        .filter(|secret| !secret.expose().is_empty())
        .ok_or_else(|| ConfigError::key(&key, "is missing; give signing_key or signing_key_file"))
    }
}

impl PostmarkSettings {
    /// The log-in, where there is one.
    ///
    /// # Errors
    /// When its file cannot be read, or one half of it is missing.
    pub fn login(&self, key: &str) -> Result<Option<(String, Secret)>, ConfigError> {
        let password = Secret::resolve(
            &format!("{key}.password"),
            self.password.as_ref(),
            self.password_file.as_deref(),
        )?;
        match (&self.username, password) {
            (Some(name), Some(password)) if !password.expose().is_empty() => {
                Ok(Some((name.clone(), password)))
            }
            (None, None) => Ok(None),
            _ => Err(ConfigError::key(
                &format!("{key}.password"),
                "and username go together; give both or neither",
            )),
        }
    }
}

impl BrevoMailSettings {
    /// The token, where there is one.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn token(&self, key: &str) -> Result<Option<Secret>, ConfigError> {
        let key = format!("{key}.token");
        let token = Secret::resolve(&key, self.token.as_ref(), self.token_file.as_deref())?;
        if token
            .as_ref()
            .is_some_and(|token| token.expose().is_empty())
        {
            return Err(ConfigError::key(&key, "is empty"));
        }
        Ok(token)
    }
}
