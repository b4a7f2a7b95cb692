//! Whether somebody who gave his word may still give it.

use sea_orm::{ConnectionTrait, DbErr};

use super::model::{Right, UserId};
use super::store;
use crate::config::{ApiSettings, Scope};

/// Whether whoever has this key (`user 3`, `token 5`, `settings shop`: what audits and approvals keep) may launch
/// campaigns at this time. Who has a key of another kind works at the machine itself, and may.
///
/// # Errors
/// When the database is away.
pub async fn may_launch(
    connection: &impl ConnectionTrait,
    settings: &ApiSettings,
    key: &str,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let (kind, name) = key.split_once(' ').unwrap_or((key, ""));
    match (kind, name.parse()) {
        ("user", Ok(id)) => {
            let user = store::user(connection, UserId(id)).await?;
            Ok(user.is_some_and(|user| !user.is_disabled && user.role.may(Right::Launch)))
        }
        ("token", Ok(id)) => {
            let token = store::token_by_id(connection, id).await?;
            Ok(token.is_some_and(|token| {
                token.works_at(now_ms)
                    && token
                        .scopes
                        .split(' ')
                        .filter_map(Scope::read)
                        .any(launches)
            }))
        }
        ("settings", _) => {
            let token = settings.tokens.get(name);
            Ok(token.is_some_and(|token| token.scopes.iter().copied().any(launches)))
        }
        _ => Ok(true),
    }
}

fn launches(scope: Scope) -> bool {
    scope == Scope::CampaignsLaunch
}
