//! Settings that a city changes while the program runs.

use jiff::Timestamp;

use crate::{
    error::{StoreError, failed},
    row::{Cells as _, micros},
    store::Store,
    tx::Tx,
};

impl Store {
    /// A setting's value, as it was put.
    ///
    /// # Errors
    /// The database failed.
    pub async fn setting_find(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT body FROM setting WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("find a setting"))?;
        row.map(|row| row.text("body")).transpose()
    }
}

impl Tx {
    /// Replaces a setting's value.
    ///
    /// # Errors
    /// The database failed.
    pub async fn setting_put(&mut self, name: &str, body: &str, by: &str, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO setting (name, body, changed_at, changed_by) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at, \
             changed_by = excluded.changed_by",
        )
        .bind(name)
        .bind(body)
        .bind(micros(at))
        .bind(by)
        .execute(self.connection())
        .await
        .map_err(failed("put a setting"))?;
        Ok(())
    }
}
