//! Links that work once: the first administrator, an invitation, a new password, a sign-in.

use super::model::{User, UserId};
use super::{AccountError, digest_of, random_token, store};
use crate::storage::{Db, Txn};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Makes the first administrator.
    Setup,
    /// Sets a password: an invitation, or one that was forgotten.
    Password,
    /// Signs in as it is: the demo's.
    SignIn,
}

impl Purpose {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Password => "password",
            Self::SignIn => "sign_in",
        }
    }

    pub(super) fn from_column(word: &str) -> Option<Self> {
        [Self::Setup, Self::Password, Self::SignIn]
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }

    /// How long it works, in milliseconds.
    fn lasts_ms(self) -> i64 {
        match self {
            Self::Setup | Self::SignIn => crate::clock::DAY_MS,
            Self::Password => 3 * crate::clock::DAY_MS,
        }
    }
}

/// A link that still works.
#[derive(Debug, Clone)]
pub struct Link {
    pub purpose: Purpose,
    pub user: Option<User>,
}

/// Makes a link; earlier ones of the same person and purpose end. What is returned is not kept.
///
/// # Errors
/// When the database or chance is away.
pub async fn make(
    txn: &Txn,
    purpose: Purpose,
    user: Option<UserId>,
    now_ms: i64,
) -> Result<String, AccountError> {
    let token = random_token()?;
    store::end_links(txn, purpose, user).await?;
    let expires_at = now_ms + purpose.lasts_ms();
    store::add_link(txn, &digest_of(&token), purpose, user, expires_at).await?;
    Ok(token)
}

/// What a link is for, if it works still; looking does not use it up.
///
/// # Errors
/// When the database is away.
pub async fn look(db: &Db, token: &str, now_ms: i64) -> Result<Option<Link>, AccountError> {
    let Some((purpose, user)) = store::link(&**db, &digest_of(token), now_ms).await? else {
        return Ok(None);
    };
    let user = match user {
        None => None,
        Some(id) => match store::user(&**db, id).await? {
            Some(user) if !user.is_disabled => Some(user),
            _ => return Ok(None),
        },
    };
    Ok(Some(Link { purpose, user }))
}

/// Uses a link up: of two who come at once, one succeeds.
///
/// # Errors
/// [`AccountError::Link`] when it does not work any more.
pub async fn take(
    txn: &Txn,
    token: &str,
    purpose: Purpose,
    now_ms: i64,
) -> Result<(), AccountError> {
    if store::take_link(txn, &digest_of(token), purpose, now_ms).await? {
        Ok(())
    } else {
        Err(AccountError::Link)
    }
}
