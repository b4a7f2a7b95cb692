//! Letting in whom the provider named.

use super::{Identity, OidcError};
use crate::accounts::model::{Role, User};
use crate::accounts::sign_in::key_of;
use crate::accounts::store::{self, oidc as rows};
use crate::accounts::users::{self, NewUser};
use crate::accounts::{AccountError, audit};
use crate::config::OidcSettings;
use crate::storage::Txn;

/// In the audit log: what changed because the provider says so.
const ACTOR: &str = "OpenID Connect";

/// The user of an identity: the one whom its subject belongs to, else the one of its verified address, else a new
/// one where the settings give him a role. A role that the provider names is his from now on.
///
/// # Errors
/// When nobody is to be let in.
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
    match identity.role {
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
            let default = settings.default_role.as_deref().and_then(Role::from_word);
            let role = identity.role.or(default).ok_or(OidcError::Unknown)?;
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
