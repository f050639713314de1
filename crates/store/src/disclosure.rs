//! Who saw a record of a registry in clear, and why (明文查看): one row for each time, only ever appended.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    actor::Act,
    error::{StoreError, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// One record that was shown in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisclosureRow {
    /// Identifier.
    pub id: String,
    /// Registry.
    pub registry: String,
    /// The entity's identifier in the registry, never its number.
    pub entity: String,
    /// The record that was shown beside it, `dataset/batch/row`; empty for the golden record alone.
    pub record: String,
    /// Why, in the words of who asked. Never logged.
    pub reason: String,
    /// Department of who asked.
    pub department: String,
    /// Account that asked.
    pub account: String,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Who saw an entity in clear, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn disclosure_list(
        &self,
        registry: &str,
        entity: &str,
        limit: i64,
    ) -> Result<Vec<DisclosureRow>, StoreError> {
        sqlx::query("SELECT * FROM disclosure WHERE registry = $1 AND entity = $2 ORDER BY at DESC, id DESC LIMIT $3")
            .bind(registry)
            .bind(entity)
            .bind(page(limit))
            .all(&self.readers, "list who saw a record in clear", read)
            .await
    }

    /// One of them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn disclosure_find(&self, id: &str) -> Result<Option<DisclosureRow>, StoreError> {
        sqlx::query("SELECT * FROM disclosure WHERE id = $1")
            .bind(id)
            .one(&self.readers, "find who saw a record in clear", read)
            .await
    }
}

impl Tx {
    /// Records that a record is shown in clear, for the ledger too. The showing follows the commit.
    ///
    /// # Errors
    /// The database failed.
    pub async fn disclosure_insert(&mut self, row: &DisclosureRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO disclosure (id, registry, entity, record, reason, department, account, at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&row.id)
        .bind(&row.registry)
        .bind(&row.entity)
        .bind(&row.record)
        .bind(&row.reason)
        .bind(&row.department)
        .bind(&row.account)
        .bind(micros(row.at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("record a showing in clear", ObjectKind::Disclosure.name(&row.id)))?;
        self.record(ObjectKind::Disclosure, &row.id, act).await
    }
}

fn read(row: &AnyRow) -> Result<DisclosureRow, StoreError> {
    Ok(DisclosureRow {
        id: row.text("id")?,
        registry: row.text("registry")?,
        entity: row.text("entity")?,
        record: row.text("record")?,
        reason: row.text("reason")?,
        department: row.text("department")?,
        account: row.text("account")?,
        at: row.instant("at")?,
    })
}
