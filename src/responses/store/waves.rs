//! What of waves the responses need, frozen at launch.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ConnectionTrait, DbErr};

use crate::ids::{CampaignId, WaveId};
use crate::responses::model::Terms;
use crate::responses::tally::Wave;
use crate::storage::Sql;
use crate::templates::Template;

/// The template version of a wave and its frozen source.
pub(in crate::responses) async fn template_source(
    connection: &impl ConnectionTrait,
    wave: WaveId,
) -> Result<Option<(i64, String)>, DbErr> {
    connection.row(
        "SELECT t.id, t.source FROM waves w JOIN template_versions t ON t.id = w.template_version_id
         WHERE w.id = $1",
        [wave.0.into()],
    )
    .await?
    .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "source")?)))
    .transpose()
}

/// The waves met so far: frozen at launch, so they are read once.
#[derive(Debug, Default)]
pub(in crate::responses) struct Waves(HashMap<WaveId, Wave>);

/// Waves kept at once.
const KEPT_WAVES: usize = 1_000;

impl Waves {
    pub(super) fn get(&self, id: WaveId) -> Option<&Wave> {
        self.0.get(&id)
    }

    /// Reads what the links of these waves are about, of those that were read.
    pub(super) async fn read_interests(
        &mut self,
        connection: &impl ConnectionTrait,
        ids: impl Iterator<Item = WaveId>,
    ) -> Result<(), DbErr> {
        for id in ids {
            let Some(wave) = self.0.get_mut(&id).filter(|wave| wave.interests.is_none()) else {
                continue;
            };
            let found = template_source(connection, id).await?;
            wave.interests = Some(
                match found.map(|(_, source)| Template::from_source(&source)) {
                    Some(Ok(template)) => template.interests(),
                    Some(Err(error)) => {
                        tracing::error!(%error, wave = id.0, "the template of a wave cannot be read; what its links are about is not known");
                        BTreeMap::new()
                    }
                    None => BTreeMap::new(),
                },
            );
        }
        Ok(())
    }

    pub(super) async fn read(
        &mut self,
        connection: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = WaveId>,
    ) -> Result<(), DbErr> {
        if self.0.len() > KEPT_WAVES {
            self.0.clear();
        }
        for id in ids {
            if self.0.contains_key(&id) {
                continue;
            }
            let row = connection
                .row(
                    "SELECT campaign_id, is_simulated, definition FROM waves WHERE id = $1",
                    [id.0.into()],
                )
                .await?;
            if let Some(row) = row {
                let definition: String = row.try_get("", "definition")?;
                let wave = Wave {
                    campaign: CampaignId(row.try_get("", "campaign_id")?),
                    is_simulated: row.try_get("", "is_simulated")?,
                    terms: Terms::read(&definition),
                    interests: None,
                };
                self.0.insert(id, wave);
            }
        }
        Ok(())
    }
}
