//! Tells other programs where campaigns stand.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use crate::campaigns::model::Status;
use crate::events::{self, model::EventKind};
use crate::ids::CampaignId;
use crate::storage::Sql;

/// Tells that a campaign is about to move to `status`, unless it stands there already.
pub(super) async fn tell(
    connection: &impl ConnectionTrait,
    id: CampaignId,
    status: Status,
    reason: Option<&str>,
    now_ms: i64,
) -> Result<(), DbErr> {
    let (kind, content) = match status {
        Status::Paused => (EventKind::CampaignPaused, json!({ "reason": reason })),
        Status::Finished => (EventKind::CampaignFinished, json!({ "reason": reason })),
        Status::Cancelled => (EventKind::CampaignCancelled, json!({})),
        // A launch tells of itself, with what it wrote.
        Status::Ready | Status::Scheduled | Status::Running => return Ok(()),
    };
    if !events::is_wanted(connection, kind).await? {
        return Ok(());
    }
    let campaign = connection
        .row(
            "SELECT name FROM campaigns WHERE id = $1 AND status <> $2",
            [id.0.into(), status.as_str().into()],
        )
        .await?;
    let Some(campaign) = campaign else {
        return Ok(());
    };
    let name: String = campaign.try_get("", "name")?;
    let mut content = content;
    content["campaign"] = json!({ "id": id, "name": name });
    events::record(connection, kind, &content, now_ms).await
}
