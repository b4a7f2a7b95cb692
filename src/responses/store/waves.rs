//! What of waves the responses need, frozen at launch.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use sea_orm::{ConnectionTrait, DbErr};

use crate::ids::{CampaignId, DeliveryKey, WaveId};
use crate::responses::model::Terms;
use crate::responses::tally::{Subjects, Wave};
use crate::storage::Sql;
use crate::templates::Template;

/// The template that some places of a wave got.
#[derive(Debug)]
pub(in crate::responses) struct Text {
    pub places: RangeInclusive<i64>,
    pub version: i64,
    pub source: String,
}

/// The templates of a wave; those who wait for the winner of a test have none.
pub(in crate::responses) async fn texts(
    connection: &impl ConnectionTrait,
    wave: WaveId,
) -> Result<Vec<Text>, DbErr> {
    let rows = connection
        .rows(
            "SELECT s.first_seq, s.last_seq, t.id, t.source FROM cell_spans s
             JOIN wave_cells c ON c.wave_id = s.wave_id AND c.cell = s.cell
             JOIN template_versions t ON t.id = c.template_version_id
             WHERE s.wave_id = $1 ORDER BY s.first_seq",
            [wave.0.into()],
        )
        .await?;
    if !rows.is_empty() {
        return rows
            .iter()
            .map(|row| {
                Ok(Text {
                    places: row.try_get("", "first_seq")?..=row.try_get("", "last_seq")?,
                    version: row.try_get("", "id")?,
                    source: row.try_get("", "source")?,
                })
            })
            .collect();
    }
    // From before there were cells.
    let row = connection
        .row(
            "SELECT t.id, t.source FROM waves w JOIN template_versions t ON t.id = w.template_version_id
             WHERE w.id = $1 AND NOT EXISTS (SELECT 1 FROM wave_cells c WHERE c.wave_id = w.id)",
            [wave.0.into()],
        )
        .await?;
    row.iter()
        .map(|row| {
            Ok(Text {
                places: 0..=i64::MAX,
                version: row.try_get("", "id")?,
                source: row.try_get("", "source")?,
            })
        })
        .collect()
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

    /// Reads what the links in these messages are about, of waves that were read.
    pub(super) async fn read_interests(
        &mut self,
        connection: &impl ConnectionTrait,
        deliveries: impl Iterator<Item = DeliveryKey>,
    ) -> Result<(), DbErr> {
        for delivery in deliveries {
            let id = delivery.wave;
            // Who waited for the winner of a test has links since it was chosen.
            let is_new = |wave: &&mut Wave| !wave.subjects.knows(delivery.seq);
            let Some(wave) = self.0.get_mut(&id).filter(is_new) else {
                continue;
            };
            let mut subjects = Subjects::default();
            for text in texts(connection, id).await? {
                let about = match Template::from_source(&text.source) {
                    Ok(template) => template.interests(),
                    Err(error) => {
                        tracing::error!(%error, wave = id.0, "the template of a wave cannot be read; what its links are about is not known");
                        BTreeMap::new()
                    }
                };
                subjects.0.push((text.places, about));
            }
            wave.subjects = subjects;
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
                    "SELECT campaign_id, is_simulated, launched_at, counts_stages, definition FROM waves WHERE id = $1",
                    [id.0.into()],
                )
                .await?;
            if let Some(row) = row {
                let definition: String = row.try_get("", "definition")?;
                let wave = Wave {
                    campaign: CampaignId(row.try_get("", "campaign_id")?),
                    is_simulated: row.try_get("", "is_simulated")?,
                    launched_at: row.try_get("", "launched_at")?,
                    counts_stages: row.try_get("", "counts_stages")?,
                    terms: Terms::read(&definition),
                    subjects: Subjects::default(),
                };
                self.0.insert(id, wave);
            }
        }
        Ok(())
    }
}
