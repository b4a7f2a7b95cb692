//! Whether this is the secret the database's fingerprints were made with.

use sea_orm::DbErr;

use super::{Db, Sql};
use crate::keys::Keys;

/// What is fingerprinted; no address is like it.
const CHECKED: &str = "\u{0}visavis secret check";

impl Db {
    /// Whether a secret was used with this database.
    ///
    /// # Errors
    /// When the database is away or its schema is behind.
    pub async fn has_secret(&self) -> Result<bool, DbErr> {
        self.row("SELECT 1 AS one FROM secret_check", [])
            .await
            .map(|row| row.is_some())
    }

    /// Whether `keys` are those of this database; the first to ask makes them so.
    ///
    /// With others no link already sent and no suppression would be understood, and people who opted out
    /// would be written to.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn is_secret(&self, keys: &Keys) -> Result<bool, DbErr> {
        let value = keys.fingerprint(CHECKED);
        let known = self
            .row("SELECT value FROM secret_check WHERE id = 1", [])
            .await?;
        let known: String = match known {
            Some(row) => row.try_get("", "value")?,
            None => {
                let txn = self.begin().await?;
                txn.run(
                    "INSERT INTO secret_check (id, value) VALUES (1, $1) ON CONFLICT (id) DO NOTHING",
                    [value.as_str().into()],
                )
                .await?;
                let row = txn
                    .row("SELECT value FROM secret_check WHERE id = 1", [])
                    .await?
                    .ok_or_else(|| DbErr::RecordNotFound("secret_check".to_owned()))?;
                txn.commit().await?;
                row.try_get("", "value")?
            }
        };
        Ok(known == value)
    }
}
