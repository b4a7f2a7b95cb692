//! Which campaigns use which templates.

use std::collections::BTreeMap;

use sea_orm::DbErr;

use crate::storage::{Db, Sql};

/// The names of the campaigns by the names of the templates they were applied with, cells included.
///
/// # Errors
/// When the database is away.
pub async fn by_template(db: &Db) -> Result<BTreeMap<String, Vec<String>>, DbErr> {
    let rows = db
        .rows(
            "SELECT v.name AS template, c.name AS campaign FROM campaigns c
             JOIN template_versions v ON v.id = c.template_version_id
             UNION SELECT v.name, c.name FROM campaign_cells x
             JOIN campaigns c ON c.id = x.campaign_id
             JOIN template_versions v ON v.id = x.template_version_id ORDER BY 1, 2",
            [],
        )
        .await?;
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let template: String = row.try_get("", "template")?;
        uses.entry(template)
            .or_default()
            .push(row.try_get("", "campaign")?);
    }
    Ok(uses)
}
