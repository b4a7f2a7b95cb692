//! Tells other programs what people allow, and what no longer.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

use crate::consent::model::{Action, Basis, Evidence};
use crate::events::{self, model::EventKind};
use crate::ids::CustomerId;

/// Tells of evidence about the customers of whom something new is on record by it.
pub(super) async fn tell(
    connection: &impl ConnectionTrait,
    evidence: &[(Evidence, Option<String>)],
    concerned: &HashSet<CustomerId>,
    now_ms: i64,
) -> Result<(), DbErr> {
    let new: Vec<&Evidence> = evidence
        .iter()
        .map(|(piece, _)| piece)
        .filter(|piece| concerned.contains(&piece.customer))
        .collect();
    for kind in [
        EventKind::CustomerOptedOut,
        EventKind::CustomerPermissionChanged,
    ] {
        let of_kind: Vec<&Evidence> = new
            .iter()
            .copied()
            .filter(|piece| kind_of(piece.action) == kind)
            .collect();
        if of_kind.is_empty() || !events::is_wanted(connection, kind).await? {
            continue;
        }
        let keys = events::keys_of(connection, of_kind.iter().map(|piece| piece.customer)).await?;
        let content: Vec<Value> = of_kind
            .into_iter()
            .map(|piece| as_content(piece, kind, &keys))
            .collect();
        events::record_list(connection, kind, "customers", &content, now_ms).await?;
    }
    Ok(())
}

fn kind_of(action: Action) -> EventKind {
    match action {
        Action::Withdraw => EventKind::CustomerOptedOut,
        Action::Grant | Action::Expire => EventKind::CustomerPermissionChanged,
    }
}

fn as_content(piece: &Evidence, kind: EventKind, keys: &HashMap<CustomerId, String>) -> Value {
    let mut content = json!({
        "customer": events::person(piece.customer, keys),
        "channel": piece.channel.as_str(),
        "topic": piece.scope.as_str(),
        "source": piece.source,
        "at": events::told(piece.occurred_at),
    });
    if kind == EventKind::CustomerPermissionChanged {
        content["action"] = json!(piece.action.as_str());
        content["basis"] = json!(piece.basis.map(Basis::as_str));
    }
    content
}
