//! Protected entities as rows: whose values are in clear only for those whose grant says so.

use jiff::{Timestamp, civil::Date};
use sqlx::any::AnyRow;

use crate::{
    actor::Act,
    error::{StoreError, failed, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// The protection of an entity. The key is personal data: never logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionRow {
    /// Identifier; grows with time.
    pub id: String,
    /// Registry.
    pub registry: String,
    /// The entity.
    pub entity_key: String,
    /// Clause or document it rests on.
    pub basis: String,
    /// First day.
    pub since: Date,
    /// Last day; `None` until it is lifted.
    pub until: Option<Date>,
    /// Account that noted it.
    pub noted_by: String,
    /// When.
    pub noted_at: Timestamp,
    /// When it was lifted.
    pub lifted_at: Option<Timestamp>,
    /// Account that lifted it, `system` where its last day had passed.
    pub lifted_by: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

impl Store {
    /// Protections after `after` (an identifier; empty for the first), oldest first, those that stand or all; at
    /// most [`crate::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn protection_list(
        &self,
        registry: &str,
        standing: bool,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ProtectionRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM protected_entity WHERE registry = $1 AND ($2 = 0 OR lifted_at IS NULL) AND id > $3 \
             ORDER BY id LIMIT $4",
        )
        .bind(registry)
        .bind(i64::from(standing))
        .bind(after)
        .bind(page(limit))
        .all(&self.readers, "list protections", read)
        .await
    }

    /// The protection of an entity that stands.
    ///
    /// # Errors
    /// The database failed.
    pub async fn protection_find_standing(
        &self,
        registry: &str,
        entity_key: &str,
    ) -> Result<Option<ProtectionRow>, StoreError> {
        let row =
            sqlx::query("SELECT * FROM protected_entity WHERE registry = $1 AND entity_key = $2 AND lifted_at IS NULL")
                .bind(registry)
                .bind(entity_key)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed("find a protection"))?;
        row.as_ref().map(read).transpose()
    }

    /// Whether the entity that bears a key is protected now in any registry, under this key or under another that
    /// was merged with it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn protection_stands_for(&self, key: &str) -> Result<bool, StoreError> {
        let found = sqlx::query(
            "WITH RECURSIVE same (registry, entity) AS (\
                 SELECT registry, CAST($1 AS TEXT) FROM protected_entity WHERE lifted_at IS NULL \
                 UNION \
                 SELECT d.registry, CASE WHEN d.entity_key = same.entity THEN d.other_key ELSE d.entity_key END \
                 FROM same JOIN link_decision d ON d.registry = same.registry \
                      AND (d.entity_key = same.entity OR d.other_key = same.entity) \
                 WHERE d.kind = 'merge' AND d.revoked_at IS NULL) \
             SELECT 1 FROM same JOIN protected_entity p ON p.registry = same.registry AND p.entity_key = same.entity \
             WHERE p.lifted_at IS NULL LIMIT 1",
        )
        .bind(key)
        .fetch_optional(&self.readers)
        .await
        .map_err(failed("find a protection"))?;
        Ok(found.is_some())
    }
}

impl Tx {
    /// Notes a protection, at version 1.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when one stands for the entity; the database failed.
    pub async fn protection_insert(&mut self, row: &ProtectionRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO protected_entity (id, registry, entity_key, basis, since, until, noted_by, noted_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
        )
        .bind(&row.id)
        .bind(&row.registry)
        .bind(&row.entity_key)
        .bind(&row.basis)
        .bind(row.since.to_string())
        .bind(row.until.map(|day| day.to_string()))
        .bind(&row.noted_by)
        .bind(micros(act.at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("note a protection", ObjectKind::Protection.name(&row.id)))?;
        self.record(ObjectKind::Protection, &row.id, act).await
    }

    /// Lifts a protection that is still at `version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was lifted already; the database failed.
    pub async fn protection_lift(&mut self, id: &str, version: i64, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE protected_entity SET lifted_at = $1, lifted_by = $2, version = version + 1 \
             WHERE id = $3 AND version = $4 AND lifted_at IS NULL",
        )
        .bind(micros(act.at))
        .bind(act.actor)
        .bind(id)
        .bind(version)
        .execute(self.connection())
        .await
        .map_err(failed("lift a protection"))?;
        self.record_change(&result, ObjectKind::Protection, id, version, act).await
    }
}

fn read(row: &AnyRow) -> Result<ProtectionRow, StoreError> {
    Ok(ProtectionRow {
        id: row.text("id")?,
        registry: row.text("registry")?,
        entity_key: row.text("entity_key")?,
        basis: row.text("basis")?,
        since: row.day("since")?,
        until: row.day_opt("until")?,
        noted_by: row.text("noted_by")?,
        noted_at: row.instant("noted_at")?,
        lifted_at: row.instant_opt("lifted_at")?,
        lifted_by: row.text_opt("lifted_by")?,
        version: row.whole("version")?,
    })
}
