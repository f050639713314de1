//! Decisions on who is whom as rows. What they mean, and which contradict one another, is `registries`'.

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

/// A decision on who is whom. Keys are personal data: never logged. Fields that a kind has no use for are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// Identifier; grows with time.
    pub id: String,
    /// Registry.
    pub registry: String,
    /// `join`, `merge`, `split` or `apart`.
    pub kind: String,
    /// Dataset of the record.
    pub dataset: String,
    /// The record's business key.
    pub record_key: String,
    /// The entity: the one joined, the survivor of a merge, the one split from.
    pub entity_key: String,
    /// The entity merged away; the one a split record belongs to, empty where it is one of its own.
    pub other_key: String,
    /// Why.
    pub reason: String,
    /// Account that decided, or `model`.
    pub decided_by: String,
    /// When.
    pub decided_at: Timestamp,
    /// Digest of the model that proposed it, empty where none did.
    pub model: String,
    /// Probability the model gave it, in millionths.
    pub probability_ppm: Option<i64>,
    /// The weights of the pair as JSON, without the values that were compared; `None` where no model weighed it.
    pub evidence: Option<String>,
    /// Version of the table of candidates that keeps the model.
    pub model_version: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Account that revoked it.
    pub revoked_by: Option<String>,
    /// Why it was revoked.
    pub revoked_reason: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

/// What a list of decisions is narrowed to. Empty fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Registry.
    pub registry: String,
    /// `join`, `merge`, `split` or `apart`.
    pub kind: Option<String>,
    /// Dataset and business key of a record.
    pub record: Option<(String, String)>,
    /// Key that the decision names as either entity.
    pub entity_key: Option<String>,
    /// Only those that stand.
    pub standing: bool,
}

const NARROWED: &str = "registry = $1 AND ($2 = '' OR kind = $2) AND ($3 = '' OR (dataset = $3 AND record_key = $4)) \
                        AND ($5 = '' OR entity_key = $5 OR other_key = $5) AND ($6 = 0 OR revoked_at IS NULL)";

impl Store {
    /// A decision.
    ///
    /// # Errors
    /// The database failed.
    pub async fn decision_find(&self, id: &str) -> Result<Option<DecisionRow>, StoreError> {
        sqlx::query("SELECT * FROM link_decision WHERE id = $1")
            .bind(id)
            .one(&self.readers, "find a decision", read)
            .await
    }

    /// Decisions after `after` (an identifier; empty for the first), oldest first; at most
    /// [`crate::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn decision_list(
        &self,
        filter: &DecisionFilter,
        after: &str,
        limit: i64,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        let sql = format!("SELECT * FROM link_decision WHERE {NARROWED} AND id > $7 ORDER BY id LIMIT $8");
        narrowed(&sql, filter).bind(after).bind(page(limit)).all(&self.readers, "list decisions", read).await
    }

    /// Decisions, newest first, from `offset` on: for a page.
    ///
    /// # Errors
    /// The database failed.
    pub async fn decision_list_newest(
        &self,
        filter: &DecisionFilter,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        let sql = format!("SELECT * FROM link_decision WHERE {NARROWED} ORDER BY id DESC LIMIT $7 OFFSET $8");
        narrowed(&sql, filter).bind(page(limit)).bind(offset.max(0)).all(&self.readers, "list decisions", read).await
    }

    /// How many decisions `filter` leaves.
    ///
    /// # Errors
    /// The database failed.
    pub async fn decision_count(&self, filter: &DecisionFilter) -> Result<i64, StoreError> {
        let sql = format!("SELECT COUNT(*) AS decisions FROM link_decision WHERE {NARROWED}");
        narrowed(&sql, filter).fetch_one(&self.readers).await.map_err(failed("count decisions"))?.whole("decisions")
    }
}

fn narrowed<'q>(
    sql: &'q str,
    filter: &'q DecisionFilter,
) -> sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments> {
    let (dataset, record_key) = filter.record.as_ref().map_or(("", ""), |(dataset, key)| (dataset, key));
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
        .bind(filter.registry.as_str())
        .bind(filter.kind.as_deref().unwrap_or(""))
        .bind(dataset)
        .bind(record_key)
        .bind(filter.entity_key.as_deref().unwrap_or(""))
        .bind(i64::from(filter.standing))
}

impl Tx {
    /// A decision as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn decision_find(&mut self, id: &str) -> Result<Option<DecisionRow>, StoreError> {
        sqlx::query("SELECT * FROM link_decision WHERE id = $1")
            .bind(id)
            .one(self.connection(), "find a decision", read)
            .await
    }

    /// The decisions that stand about a record or about either of two entities, oldest first; at most
    /// [`crate::PAGE_ROWS_MAX`]. `record` and keys may be empty, which finds nothing by them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn decision_list_about(
        &mut self,
        registry: &str,
        record: (&str, &str),
        keys: (&str, &str),
    ) -> Result<Vec<DecisionRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM link_decision WHERE registry = $1 AND revoked_at IS NULL \
             AND ((dataset = $2 AND record_key = $3 AND $3 <> '') \
             OR (kind = 'merge' AND (($4 <> '' AND (entity_key = $4 OR other_key = $4)) \
             OR ($5 <> '' AND (entity_key = $5 OR other_key = $5)))) \
             OR (kind = 'apart' AND record_key = '' AND (entity_key IN ($4, $5) AND other_key IN ($4, $5)))) \
             ORDER BY id LIMIT $6",
        )
        .bind(registry)
        .bind(record.0)
        .bind(record.1)
        .bind(keys.0)
        .bind(keys.1)
        .bind(crate::PAGE_ROWS_MAX)
        .all(self.connection(), "list decisions about a record", read)
        .await
    }

    /// Inserts a decision that stands, at version 1.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when one of its kind stands for the same record or entity; the database failed.
    pub async fn decision_insert(&mut self, decision: &DecisionRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO link_decision (id, registry, kind, dataset, record_key, entity_key, other_key, reason, \
             decided_by, decided_at, model, probability_ppm, evidence, model_version, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1)",
        )
        .bind(&decision.id)
        .bind(&decision.registry)
        .bind(&decision.kind)
        .bind(&decision.dataset)
        .bind(&decision.record_key)
        .bind(&decision.entity_key)
        .bind(&decision.other_key)
        .bind(&decision.reason)
        .bind(&decision.decided_by)
        .bind(micros(act.at))
        .bind(&decision.model)
        .bind(decision.probability_ppm)
        .bind(&decision.evidence)
        .bind(decision.model_version)
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a decision", ObjectKind::Decision.name(&decision.id)))?;
        self.record(ObjectKind::Decision, &decision.id, act).await
    }

    /// Revokes a decision that is still at `version`. What it said is kept; everything is derived as if it had
    /// never been made.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was revoked already or changed meanwhile; the database failed.
    pub async fn decision_revoke(
        &mut self,
        id: &str,
        version: i64,
        reason: &str,
        act: &Act<'_>,
    ) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE link_decision SET revoked_at = $1, revoked_by = $2, revoked_reason = $3, version = version + 1 \
             WHERE id = $4 AND version = $5 AND revoked_at IS NULL",
        )
        .bind(micros(act.at))
        .bind(act.actor)
        .bind(reason)
        .bind(id)
        .bind(version)
        .execute(self.connection())
        .await
        .map_err(failed("revoke a decision"))?;
        self.record_change(&result, ObjectKind::Decision, id, version, act).await
    }
}

fn read(row: &AnyRow) -> Result<DecisionRow, StoreError> {
    Ok(DecisionRow {
        id: row.text("id")?,
        registry: row.text("registry")?,
        kind: row.text("kind")?,
        dataset: row.text("dataset")?,
        record_key: row.text("record_key")?,
        entity_key: row.text("entity_key")?,
        other_key: row.text("other_key")?,
        reason: row.text("reason")?,
        decided_by: row.text("decided_by")?,
        decided_at: row.instant("decided_at")?,
        model: row.text("model")?,
        probability_ppm: row.whole_opt("probability_ppm")?,
        evidence: row.text_opt("evidence")?,
        model_version: row.whole_opt("model_version")?,
        revoked_at: row.instant_opt("revoked_at")?,
        revoked_by: row.text_opt("revoked_by")?,
        revoked_reason: row.text_opt("revoked_reason")?,
        version: row.whole("version")?,
    })
}
