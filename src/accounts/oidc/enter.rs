//! Letting in whom the provider named.

use super::{Identity, Journey, OidcError};
use crate::accounts::model::{Role, User};
use crate::accounts::sign_in::key_of;
use crate::accounts::store::{self, oidc as rows};
use crate::accounts::users::{self, NewUser};
use crate::accounts::{AccountError, audit, digest_of, sessions, tickets};
use crate::config::OidcSettings;
use crate::storage::{Db, Txn};

/// In the audit log: what changed because the provider says so.
const ACTOR: &str = "OpenID Connect";

/// The user of an identity: the one whom its subject belongs to, else the one of its verified address, else a new
/// one where the settings give him a role. A role that the provider names is his from now on; where it is asked for
/// one and names none, it is that of the settings.
///
/// # Errors
/// When nobody is to be let in. [`OidcError::NoRole`] is to be committed: it ended the sessions of who lost his role.
pub async fn enter(
    txn: &Txn,
    identity: &Identity,
    settings: &OidcSettings,
    now_ms: i64,
) -> Result<User, OidcError> {
    let user = match rows::user_of_subject(txn, &identity.subject).await? {
        Some(user) => user,
        None => by_address(txn, identity, settings, now_ms).await?,
    };
    if user.is_disabled {
        return Err(OidcError::Disabled);
    }
    let role = match (&settings.role_claim, identity.role) {
        (Some(_), None) => match default_role(settings) {
            Some(role) => Some(role),
            None => {
                sessions::end_others(txn, user.id, None).await?;
                return Err(OidcError::NoRole);
            }
        },
        (_, role) => role,
    };
    match role {
        Some(role) if role != user.role => {
            match users::set_role(txn, user.id, role, ACTOR, now_ms).await {
                Ok(()) => Ok(User { role, ..user }),
                // Somebody must be able to put it right.
                Err(AccountError::LastAdministrator) => Ok(user),
                Err(error) => Err(error.into()),
            }
        }
        _ => Ok(user),
    }
}

/// Uses a journey up, on all nodes; whether nobody came back from it before.
///
/// # Errors
/// When the database is away.
pub async fn use_up(db: &Db, journey: &Journey, now_ms: i64) -> Result<bool, OidcError> {
    let txn = db.begin().await?;
    let until = now_ms + tickets::LASTS_MS;
    let is_first = rows::use_up(&txn, &digest_of(&journey.state), until, now_ms).await?;
    txn.commit().await?;
    Ok(is_first)
}

fn default_role(settings: &OidcSettings) -> Option<Role> {
    settings.default_role.as_deref().and_then(Role::from_word)
}

async fn by_address(
    txn: &Txn,
    identity: &Identity,
    settings: &OidcSettings,
    now_ms: i64,
) -> Result<User, OidcError> {
    let email = identity.email.as_deref().ok_or(OidcError::Unverified)?;
    let id = match rows::user_without_subject(txn, &key_of(email)).await? {
        Some(user) => user.id,
        None => {
            let role = identity.role.or_else(|| default_role(settings));
            let role = role.ok_or(OidcError::Unknown)?;
            let local = email.split('@').next().unwrap_or(email);
            let new = NewUser {
                email,
                name: identity.name.as_deref().unwrap_or(local),
                role,
                language: match identity.language.as_deref() {
                    Some("fr") => "fr",
                    _ => "en",
                },
            };
            match users::add(txn, new, ACTOR, now_ms).await {
                Ok(id) => id,
                // His address is that of another subject of the provider.
                Err(AccountError::Taken) => return Err(OidcError::Unknown),
                Err(error) => return Err(error.into()),
            }
        }
    };
    rows::set_subject(txn, id, &identity.subject).await?;
    audit::note(&**txn, ACTOR, "user.oidc", &id.to_string(), "", now_ms).await?;
    store::user(&**txn, id).await?.ok_or(OidcError::Unknown)
}
