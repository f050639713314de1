//! Batches: one delivery of one dataset.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    actor::Act,
    error::{StoreError, failed, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, corrupt, micros},
    store::{Store, page},
    tx::Tx,
};

/// Where a batch stands. Every batch ends as landed or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// Rows are being read. After a crash the next delivery with the same key resumes it.
    Receiving,
    /// Every row stands in landing or in quarantine.
    Landed,
    /// The file was refused whole; a corrected delivery with the same key begins another attempt.
    Failed,
}

impl BatchState {
    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Landed => "landed",
            Self::Failed => "failed",
        }
    }
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Identifier; the `_batch` of every row.
    pub id: String,
    /// Dataset.
    pub dataset: String,
    /// The deliverer's key: the same key means the same delivery, however often it is sent.
    pub idempotency_key: String,
    /// Name of the file or table.
    pub file_name: String,
    /// SHA-256 of what was delivered, lower-case hexadecimal.
    pub sha256: String,
    /// Where it stands.
    pub state: BatchState,
    /// Counts from 1; grows when a crashed or failed batch is delivered again.
    pub attempt: i64,
    /// Rows read: always accepted plus quarantined.
    pub rows_in: i64,
    /// Rows in landing.
    pub rows_accepted: i64,
    /// Rows in quarantine.
    pub rows_quarantined: i64,
    /// Version of the landing table that holds the rows.
    pub landing_version: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// When the first attempt began.
    pub received_at: Timestamp,
    /// When it landed or failed.
    pub ended_at: Option<Timestamp>,
    /// Run that checked it.
    pub checked_by: Option<String>,
    /// When it was checked.
    pub checked_at: Option<Timestamp>,
}

/// A delivery that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch<'a> {
    /// Dataset.
    pub dataset: &'a str,
    /// The deliverer's key.
    pub idempotency_key: &'a str,
    /// Name of the file or table.
    pub file_name: &'a str,
    /// SHA-256 of what is delivered, lower-case hexadecimal.
    pub sha256: &'a str,
}

/// What beginning a delivery found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchBegun {
    /// Nothing is known of this key.
    Started(Batch),
    /// An earlier attempt crashed or failed; the batch keeps its identifier.
    Resumed(Batch),
    /// It landed before: there is nothing to do. The digest tells whether the content is the same.
    Landed(Batch),
}

/// What landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLanding {
    /// Rows in landing.
    pub rows_accepted: i64,
    /// Rows in quarantine.
    pub rows_quarantined: i64,
    /// Version of the landing table that holds the rows; `None` when none was accepted.
    pub landing_version: Option<i64>,
}

impl Store {
    /// A batch.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_find(&self, id: &str) -> Result<Option<Batch>, StoreError> {
        sqlx::query("SELECT * FROM batch WHERE id = $1").bind(id).one(&self.readers, "find a batch", read).await
    }

    /// A dataset's batches, newest first; of every dataset when `dataset` is `None`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_list(&self, dataset: Option<&str>, limit: i64) -> Result<Vec<Batch>, StoreError> {
        sqlx::query("SELECT * FROM batch WHERE ($1 = '' OR dataset = $1) ORDER BY received_at DESC, id DESC LIMIT $2")
            .bind(dataset.unwrap_or(""))
            .bind(page(limit))
            .all(&self.readers, "list batches", read)
            .await
    }

    /// When batches arrived: identifier and instant, from after `after` on (empty for the first), oldest first; at most
    /// [`crate::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_arrivals(&self, after: &str, limit: i64) -> Result<Vec<(String, Timestamp)>, StoreError> {
        sqlx::query("SELECT id, received_at FROM batch WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(page(limit))
            .all(&self.readers, "list arrivals of batches", |row| Ok((row.text("id")?, row.instant("received_at")?)))
            .await
    }

    /// A dataset's landed batches that no run has checked, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_list_unchecked(&self, dataset: &str, limit: i64) -> Result<Vec<Batch>, StoreError> {
        sqlx::query(
            "SELECT * FROM batch WHERE dataset = $1 AND state = 'landed' AND checked_by IS NULL \
             ORDER BY received_at, id LIMIT $2",
        )
        .bind(dataset)
        .bind(page(limit))
        .all(&self.readers, "list unchecked batches", read)
        .await
    }

    /// Rows of a dataset's batches that were checked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_rows_checked(&self, dataset: &str) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(rows_accepted), 0) AS BIGINT) AS rows_checked \
             FROM batch WHERE dataset = $1 AND state = 'landed' AND checked_by IS NOT NULL",
        )
        .bind(dataset)
        .fetch_one(&self.readers)
        .await
        .map_err(failed("sum checked batches"))?;
        row.whole("rows_checked")
    }

    /// Rows in, accepted and quarantined over a dataset's landed batches.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_totals(&self, dataset: &str) -> Result<(i64, i64, i64), StoreError> {
        // PostgreSQL sums BIGINT to NUMERIC, which is neither of our two types.
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(rows_in), 0) AS BIGINT) AS rows_in, \
             CAST(COALESCE(SUM(rows_accepted), 0) AS BIGINT) AS rows_accepted, \
             CAST(COALESCE(SUM(rows_quarantined), 0) AS BIGINT) AS rows_quarantined \
             FROM batch WHERE dataset = $1 AND state = 'landed'",
        )
        .bind(dataset)
        .fetch_one(&self.readers)
        .await
        .map_err(failed("sum batches"))?;
        Ok((row.whole("rows_in")?, row.whole("rows_accepted")?, row.whole("rows_quarantined")?))
    }

    /// Landed batches and their rows by dataset; datasets without one are not in it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_tally(&self) -> Result<Vec<BatchTally>, StoreError> {
        let rows = sqlx::query(
            "SELECT dataset, COUNT(*) AS batches, MAX(received_at) AS last_at, \
             CAST(SUM(rows_in) AS BIGINT) AS rows_in, CAST(SUM(rows_accepted) AS BIGINT) AS rows_accepted, \
             CAST(SUM(rows_quarantined) AS BIGINT) AS rows_quarantined \
             FROM batch WHERE state = 'landed' GROUP BY dataset ORDER BY dataset",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(failed("tally batches"))?;
        rows.iter()
            .map(|row| {
                Ok(BatchTally {
                    dataset: row.text("dataset")?,
                    batches: row.whole("batches")?,
                    rows_in: row.whole("rows_in")?,
                    rows_accepted: row.whole("rows_accepted")?,
                    rows_quarantined: row.whole("rows_quarantined")?,
                    last_at: row.instant("last_at")?,
                })
            })
            .collect()
    }
}

/// What landed of one dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchTally {
    /// Dataset.
    pub dataset: String,
    /// Landed batches.
    pub batches: i64,
    /// Rows they held.
    pub rows_in: i64,
    /// Rows accepted.
    pub rows_accepted: i64,
    /// Rows quarantined.
    pub rows_quarantined: i64,
    /// When the last one was received.
    pub last_at: Timestamp,
}

impl Tx {
    /// Begins a delivery, or finds what became of it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_begin(&mut self, new: &NewBatch<'_>, act: &Act<'_>) -> Result<BatchBegun, StoreError> {
        let known = sqlx::query("SELECT * FROM batch WHERE dataset = $1 AND idempotency_key = $2")
            .bind(new.dataset)
            .bind(new.idempotency_key)
            .fetch_optional(self.connection())
            .await
            .map_err(failed("find a batch by its key"))?;
        let Some(row) = known else {
            let id = self.new_id(act.at);
            sqlx::query(
                "INSERT INTO batch (id, dataset, idempotency_key, file_name, sha256, state, attempt, \
                 rows_in, rows_accepted, rows_quarantined, received_at) \
                 VALUES ($1, $2, $3, $4, $5, 'receiving', 1, 0, 0, 0, $6)",
            )
            .bind(&id)
            .bind(new.dataset)
            .bind(new.idempotency_key)
            .bind(new.file_name)
            .bind(new.sha256)
            .bind(micros(act.at))
            .execute(self.connection())
            .await
            .map_err(insert_failed("insert a batch", format!("{}/{}", new.dataset, new.idempotency_key)))?;
            self.record(ObjectKind::Batch, &id, act).await?;
            return Ok(BatchBegun::Started(self.batch_require(&id).await?));
        };
        let batch = read(&row)?;
        if batch.state == BatchState::Landed {
            return Ok(BatchBegun::Landed(batch));
        }
        sqlx::query(
            "UPDATE batch SET state = 'receiving', attempt = attempt + 1, file_name = $1, sha256 = $2, \
             error = NULL, ended_at = NULL WHERE id = $3",
        )
        .bind(new.file_name)
        .bind(new.sha256)
        .bind(&batch.id)
        .execute(self.connection())
        .await
        .map_err(failed("resume a batch"))?;
        self.record(ObjectKind::Batch, &batch.id, act).await?;
        Ok(BatchBegun::Resumed(self.batch_require(&batch.id).await?))
    }

    /// Ends a delivery: every row stands in landing or in quarantine.
    ///
    /// # Errors
    /// The batch is not being received; the database failed.
    pub async fn batch_land(&mut self, id: &str, landing: &BatchLanding, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE batch SET state = 'landed', rows_in = $1, rows_accepted = $2, rows_quarantined = $3, \
             landing_version = $4, ended_at = $5 WHERE id = $6 AND state = 'receiving'",
        )
        .bind(landing.rows_accepted + landing.rows_quarantined)
        .bind(landing.rows_accepted)
        .bind(landing.rows_quarantined)
        .bind(landing.landing_version)
        .bind(micros(act.at))
        .bind(id)
        .execute(self.connection())
        .await
        .map_err(failed("land a batch"))?;
        expect_one(result.rows_affected(), id, "a batch that is being received")?;
        self.record(ObjectKind::Batch, id, act).await
    }

    /// Ends a delivery that was refused whole.
    ///
    /// # Errors
    /// The batch is not being received; the database failed.
    pub async fn batch_fail(&mut self, id: &str, error: &str, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE batch SET state = 'failed', error = $1, ended_at = $2 WHERE id = $3 AND state = 'receiving'",
        )
        .bind(error)
        .bind(micros(act.at))
        .bind(id)
        .execute(self.connection())
        .await
        .map_err(failed("fail a batch"))?;
        expect_one(result.rows_affected(), id, "a batch that is being received")?;
        self.record(ObjectKind::Batch, id, act).await
    }

    /// Marks landed batches as checked by `run`. Marking again by the same or another run changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch_checked(&mut self, ids: &[String], run: &str, act: &Act<'_>) -> Result<(), StoreError> {
        for id in ids {
            let result = sqlx::query(
                "UPDATE batch SET checked_by = $1, checked_at = $2 \
                 WHERE id = $3 AND state = 'landed' AND checked_by IS NULL",
            )
            .bind(run)
            .bind(micros(act.at))
            .bind(id)
            .execute(self.connection())
            .await
            .map_err(failed("mark a batch as checked"))?;
            if result.rows_affected() == 1 {
                self.record(ObjectKind::Batch, id, act).await?;
            }
        }
        Ok(())
    }

    async fn batch_require(&mut self, id: &str) -> Result<Batch, StoreError> {
        let row = sqlx::query("SELECT * FROM batch WHERE id = $1")
            .bind(id)
            .fetch_one(self.connection())
            .await
            .map_err(failed("find a batch"))?;
        read(&row)
    }
}

fn expect_one(affected: u64, id: &str, expected: &'static str) -> Result<(), StoreError> {
    if affected == 1 { Ok(()) } else { Err(StoreError::State { object: ObjectKind::Batch.name(id), expected }) }
}

fn read(row: &AnyRow) -> Result<Batch, StoreError> {
    let state = match row.text("state")?.as_str() {
        "receiving" => BatchState::Receiving,
        "landed" => BatchState::Landed,
        "failed" => BatchState::Failed,
        found => return Err(corrupt("state", found, "receiving, landed or failed")),
    };
    Ok(Batch {
        id: row.text("id")?,
        dataset: row.text("dataset")?,
        idempotency_key: row.text("idempotency_key")?,
        file_name: row.text("file_name")?,
        sha256: row.text("sha256")?,
        state,
        attempt: row.whole("attempt")?,
        rows_in: row.whole("rows_in")?,
        rows_accepted: row.whole("rows_accepted")?,
        rows_quarantined: row.whole("rows_quarantined")?,
        landing_version: row.whole_opt("landing_version")?,
        error: row.text_opt("error")?,
        received_at: row.instant("received_at")?,
        ended_at: row.instant_opt("ended_at")?,
        checked_by: row.text_opt("checked_by")?,
        checked_at: row.instant_opt("checked_at")?,
    })
}
