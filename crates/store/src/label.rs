//! Reviewers' answers on doubtful pairs as rows.

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

/// What a reviewer said of a pair of record and entity. Keys are personal data: never logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRow {
    /// Identifier; grows with the time of the first answer.
    pub id: String,
    /// Registry.
    pub registry: String,
    /// Dataset of the record.
    pub dataset: String,
    /// The record's business key.
    pub record_key: String,
    /// The entity.
    pub entity_key: String,
    /// Account that answered.
    pub reviewer: String,
    /// `same`, `different` or `unsure`.
    pub answer: String,
    /// When.
    pub answered_at: Timestamp,
    /// How long the pair was looked at, in seconds.
    pub seconds: i64,
    /// Probability that the model gave it, in millionths.
    pub probability_ppm: Option<i64>,
    /// Grows with every answer of the same reviewer on the same pair.
    pub version: i64,
}

impl Store {
    /// Answers after `after` (an identifier; empty for the first), oldest first; at most [`crate::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn label_list(&self, registry: &str, after: &str, limit: i64) -> Result<Vec<LabelRow>, StoreError> {
        sqlx::query("SELECT * FROM link_label WHERE registry = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(registry)
            .bind(after)
            .bind(page(limit))
            .all(&self.readers, "list labels", read)
            .await
    }

    /// How many answers a registry has.
    ///
    /// # Errors
    /// The database failed.
    pub async fn label_count(&self, registry: &str) -> Result<i64, StoreError> {
        sqlx::query("SELECT COUNT(*) AS labels FROM link_label WHERE registry = $1")
            .bind(registry)
            .fetch_one(&self.readers)
            .await
            .map_err(failed("count labels"))?
            .whole("labels")
    }

    /// The answers of one reviewer after `after` (an identifier; empty for the first), oldest first; at most
    /// [`crate::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn label_list_by(
        &self,
        registry: &str,
        reviewer: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<LabelRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM link_label WHERE registry = $1 AND reviewer = $2 AND id > $3 ORDER BY id LIMIT $4",
        )
        .bind(registry)
        .bind(reviewer)
        .bind(after)
        .bind(page(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(failed("list the labels of a reviewer"))?;
        rows.iter().map(read).collect()
    }
}

impl Tx {
    /// Every answer on a pair, by reviewer; at most [`crate::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn label_list_pair(
        &mut self,
        registry: &str,
        record: (&str, &str),
        entity_key: &str,
    ) -> Result<Vec<LabelRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM link_label WHERE registry = $1 AND dataset = $2 AND record_key = $3 AND entity_key = $4 \
             ORDER BY reviewer LIMIT $5",
        )
        .bind(registry)
        .bind(record.0)
        .bind(record.1)
        .bind(entity_key)
        .bind(crate::PAGE_ROWS_MAX)
        .all(self.connection(), "list the labels of a pair", read)
        .await
    }

    /// Takes an answer: the first of a reviewer on a pair at version 1, a later one in its place with the next
    /// version. `label.id` counts for a first one only. Returns the identifier it has.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the same reviewer answered at the same instant elsewhere; the database failed.
    pub async fn label_put(&mut self, label: &LabelRow, act: &Act<'_>) -> Result<String, StoreError> {
        let known = sqlx::query(
            "UPDATE link_label SET answer = $1, answered_at = $2, seconds = $3, probability_ppm = $4, \
             version = version + 1 WHERE registry = $5 AND dataset = $6 AND record_key = $7 AND entity_key = $8 \
             AND reviewer = $9 RETURNING id",
        )
        .bind(&label.answer)
        .bind(micros(act.at))
        .bind(label.seconds)
        .bind(label.probability_ppm)
        .bind(&label.registry)
        .bind(&label.dataset)
        .bind(&label.record_key)
        .bind(&label.entity_key)
        .bind(&label.reviewer)
        .fetch_optional(self.connection())
        .await
        .map_err(failed("change a label"))?;
        if let Some(row) = known {
            let id = row.text("id")?;
            self.record(ObjectKind::Label, &id, act).await?;
            return Ok(id);
        }
        sqlx::query(
            "INSERT INTO link_label (id, registry, dataset, record_key, entity_key, reviewer, answer, answered_at, \
             seconds, probability_ppm, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)",
        )
        .bind(&label.id)
        .bind(&label.registry)
        .bind(&label.dataset)
        .bind(&label.record_key)
        .bind(&label.entity_key)
        .bind(&label.reviewer)
        .bind(&label.answer)
        .bind(micros(act.at))
        .bind(label.seconds)
        .bind(label.probability_ppm)
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a label", ObjectKind::Label.name(&label.id)))?;
        self.record(ObjectKind::Label, &label.id, act).await?;
        Ok(label.id.clone())
    }
}

fn read(row: &AnyRow) -> Result<LabelRow, StoreError> {
    Ok(LabelRow {
        id: row.text("id")?,
        registry: row.text("registry")?,
        dataset: row.text("dataset")?,
        record_key: row.text("record_key")?,
        entity_key: row.text("entity_key")?,
        reviewer: row.text("reviewer")?,
        answer: row.text("answer")?,
        answered_at: row.instant("answered_at")?,
        seconds: row.whole("seconds")?,
        probability_ppm: row.whole_opt("probability_ppm")?,
        version: row.whole("version")?,
    })
}
