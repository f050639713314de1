//! The outbox: what happened, in order, and which leaf of the ledger says so.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    error::{StoreError, failed},
    row::{Cells as _, Fetch as _, corrupt},
    store::{Store, page},
    tx::Tx,
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Position in the outbox; grows, may have gaps.
    pub seq: i64,
    /// Identifier of the entry.
    pub entry_id: String,
    /// What happened, e.g. `entry.published`.
    pub kind: String,
    /// The object, `kind/id`.
    pub object: String,
    /// Department for which it was done.
    pub org: String,
    /// Account that did it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// The object after the change, as canonical JSON.
    pub payload: String,
    /// 32 secret bytes; `None` once they were destroyed.
    pub salt: Option<[u8; 32]>,
    /// Index in the ledger; `None` while pending.
    pub leaf: Option<i64>,
    /// Why it can never enter the ledger.
    pub refused: Option<String>,
}

impl Store {
    /// The oldest rows that are not in the ledger yet; at most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_list_pending(&self, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        sqlx::query("SELECT * FROM outbox WHERE leaf IS NULL AND refused IS NULL ORDER BY seq LIMIT $1")
            .bind(page(limit))
            .all(&self.readers, "list pending ledger entries", read)
            .await
    }

    /// Rows after position `after`, in order, pending or not; at most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_list(&self, after: i64, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        sqlx::query("SELECT * FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(after)
            .bind(page(limit))
            .all(&self.readers, "list ledger entries", read)
            .await
    }

    /// One row by its entry's identifier.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_find(&self, entry_id: &str) -> Result<Option<OutboxRow>, StoreError> {
        sqlx::query("SELECT * FROM outbox WHERE entry_id = $1")
            .bind(entry_id)
            .one(&self.readers, "find a ledger entry", read)
            .await
    }

    /// What happened to an object, oldest first; at most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_list_by_object(&self, object: &str, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        sqlx::query("SELECT * FROM outbox WHERE object = $1 ORDER BY seq LIMIT $2")
            .bind(object)
            .bind(page(limit))
            .all(&self.readers, "list an object's ledger entries", read)
            .await
    }

    /// Number of rows that are not in the ledger yet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_count_pending(&self) -> Result<i64, StoreError> {
        sqlx::query("SELECT COUNT(*) AS pending FROM outbox WHERE leaf IS NULL AND refused IS NULL")
            .fetch_one(&self.readers)
            .await
            .map_err(failed("count pending ledger entries"))?
            .whole("pending")
    }

    /// Rows that the ledger refused, oldest first: somebody must look at them. At most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_list_refused(&self, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        sqlx::query("SELECT * FROM outbox WHERE refused IS NOT NULL ORDER BY seq LIMIT $1")
            .bind(page(limit))
            .all(&self.readers, "list refused ledger entries", read)
            .await
    }
}

impl Tx {
    /// Notes which leaf each entry became. Noting the same again changes nothing, so the sequencer may
    /// repeat after a crash.
    ///
    /// # Errors
    /// [`StoreError::State`] when an entry has another leaf already; the database failed.
    pub async fn outbox_acknowledge(&mut self, leaves: &[(String, u64)]) -> Result<(), StoreError> {
        for (entry_id, leaf) in leaves {
            let leaf = i64::try_from(*leaf).map_err(|_| StoreError::Bound {
                what: "ledger entries",
                found: usize::try_from(*leaf).unwrap_or(usize::MAX),
                limit: usize::MAX >> 1,
            })?;
            let result = sqlx::query("UPDATE outbox SET leaf = $1 WHERE entry_id = $2 AND (leaf IS NULL OR leaf = $1)")
                .bind(leaf)
                .bind(entry_id)
                .execute(self.connection())
                .await
                .map_err(failed("note a ledger index"))?;
            if result.rows_affected() != 1 {
                let object = format!("outbox {entry_id}");
                return Err(StoreError::State { object, expected: "a pending entry, or one with the same index" });
            }
        }
        Ok(())
    }

    /// Sets an entry aside that can never enter the ledger.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_refuse(&mut self, entry_id: &str, why: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE outbox SET refused = $1 WHERE entry_id = $2 AND leaf IS NULL")
            .bind(why)
            .bind(entry_id)
            .execute(self.connection())
            .await
            .map_err(failed("set a ledger entry aside"))?;
        Ok(())
    }
}

pub(crate) fn read(row: &AnyRow) -> Result<OutboxRow, StoreError> {
    let salt = row
        .text_opt("salt")?
        .map(|text| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(&text, &mut bytes)
                .map_err(|_| corrupt("salt", "<secret>", "64 hexadecimal digits"))?;
            Ok(bytes)
        })
        .transpose()?;
    Ok(OutboxRow {
        seq: row.whole("seq")?,
        entry_id: row.text("entry_id")?,
        kind: row.text("kind")?,
        object: row.text("object")?,
        org: row.text("org")?,
        actor: row.text("actor")?,
        at: row.instant("at")?,
        payload: row.text("payload")?,
        salt,
        leaf: row.whole_opt("leaf")?,
        refused: row.text_opt("refused")?,
    })
}
