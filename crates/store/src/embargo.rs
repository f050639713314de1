//! Deliveries that are kept out as a whole (整批拦截), as rows. Which, and until when, is `quality`'s.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    actor::Act,
    error::{StoreError, failed, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// A delivery that is, or was, kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbargoRow {
    /// Identifier.
    pub id: String,
    /// Dataset.
    pub dataset: String,
    /// Identifiers of its batches as a JSON list.
    pub batches: String,
    /// Key of the check that kept it out: the same batches under the same rules have the same.
    pub check_key: String,
    /// Rules that kept it out, and what they found, as a JSON list.
    pub reasons: String,
    /// Its rows.
    pub rows_kept_out: i64,
    /// `standing`; `released` by a decision; `replaced` by a later delivery of the whole table; `passed` with a later
    /// delivery or under other rules.
    pub state: String,
    /// Why it was released, in the words of whoever decided.
    pub statement: Option<String>,
    /// When it was first kept out.
    pub began_at: Timestamp,
    /// When that ended.
    pub ended_at: Option<Timestamp>,
    /// Account that decided.
    pub ended_by: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

impl Store {
    /// Deliveries that are or were kept out, of one dataset or of all, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn embargo_list(&self, dataset: Option<&str>, limit: i64) -> Result<Vec<EmbargoRow>, StoreError> {
        sqlx::query("SELECT * FROM embargo WHERE ($1 = '' OR dataset = $1) ORDER BY began_at DESC, id DESC LIMIT $2")
            .bind(dataset.unwrap_or(""))
            .bind(page(limit))
            .all(&self.readers, "list deliveries that are kept out", read)
            .await
    }

    /// The delivery of a dataset that is kept out now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn embargo_find_standing(&self, dataset: &str) -> Result<Option<EmbargoRow>, StoreError> {
        sqlx::query("SELECT * FROM embargo WHERE dataset = $1 AND state = 'standing'")
            .bind(dataset)
            .one(&self.readers, "find a delivery that is kept out", read)
            .await
    }
}

impl Tx {
    /// Inserts a delivery that is kept out, at version 1.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when one of the dataset is kept out already; the database failed.
    pub async fn embargo_insert(&mut self, embargo: &EmbargoRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO embargo (id, dataset, batches, check_key, reasons, rows_kept_out, state, began_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, 'standing', $7, 1)",
        )
        .bind(&embargo.id)
        .bind(&embargo.dataset)
        .bind(&embargo.batches)
        .bind(&embargo.check_key)
        .bind(&embargo.reasons)
        .bind(embargo.rows_kept_out)
        .bind(micros(act.at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("keep a delivery out", ObjectKind::Embargo.name(&embargo.id)))?;
        self.record(ObjectKind::Embargo, &embargo.id, act).await
    }

    /// Replaces what may change of it if it is still at `embargo.version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile; the database failed.
    pub async fn embargo_update(&mut self, embargo: &EmbargoRow, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE embargo SET batches = $1, check_key = $2, reasons = $3, rows_kept_out = $4, state = $5, \
             statement = $6, ended_at = $7, ended_by = $8, version = version + 1 WHERE id = $9 AND version = $10",
        )
        .bind(&embargo.batches)
        .bind(&embargo.check_key)
        .bind(&embargo.reasons)
        .bind(embargo.rows_kept_out)
        .bind(&embargo.state)
        .bind(embargo.statement.as_deref())
        .bind(embargo.ended_at.map(micros))
        .bind(embargo.ended_by.as_deref())
        .bind(&embargo.id)
        .bind(embargo.version)
        .execute(self.connection())
        .await
        .map_err(failed("change a delivery that is kept out"))?;
        self.record_change(&result, ObjectKind::Embargo, &embargo.id, embargo.version, act).await
    }
}

fn read(row: &AnyRow) -> Result<EmbargoRow, StoreError> {
    Ok(EmbargoRow {
        id: row.text("id")?,
        dataset: row.text("dataset")?,
        batches: row.text("batches")?,
        check_key: row.text("check_key")?,
        reasons: row.text("reasons")?,
        rows_kept_out: row.whole("rows_kept_out")?,
        state: row.text("state")?,
        statement: row.text_opt("statement")?,
        began_at: row.instant("began_at")?,
        ended_at: row.instant_opt("ended_at")?,
        ended_by: row.text_opt("ended_by")?,
        version: row.whole("version")?,
    })
}
