//! Numbered migrations. Each is small and runs in a transaction of its own; one text serves both databases.
//!
//! `{serial}` is the one word that differs: a key that counts by itself.

use sha2::{Digest as _, Sha256};
use sqlx::{Any, AssertSqlSafe, Pool};

use crate::{
    error::{StoreError, failed},
    row::Cells as _,
    store::Backend,
};

/// In order; a number is never reused and a text never changed once released.
const MIGRATIONS: [(i64, &str); 14] = [
    (1, include_str!("../migrations/0001_outbox.sql")),
    (2, include_str!("../migrations/0002_definition.sql")),
    (3, include_str!("../migrations/0003_batch.sql")),
    (4, include_str!("../migrations/0004_run.sql")),
    (5, include_str!("../migrations/0005_entry.sql")),
    (6, include_str!("../migrations/0006_exchange.sql")),
    (7, include_str!("../migrations/0007_docket.sql")),
    (8, include_str!("../migrations/0008_account.sql")),
    (9, include_str!("../migrations/0009_ticket.sql")),
    (10, include_str!("../migrations/0010_calls.sql")),
    (11, include_str!("../migrations/0011_link.sql")),
    (12, include_str!("../migrations/0012_disclosure.sql")),
    (13, include_str!("../migrations/0013_evidence.sql")),
    (14, include_str!("../migrations/0014_embargo.sql")),
];

/// Applies what is missing. Two servers may start at once: the table is locked on PostgreSQL,
/// and SQLite's write transaction excludes everybody else.
pub(crate) async fn apply(writer: &Pool<Any>, backend: Backend) -> Result<(), StoreError> {
    let bootstrap = "CREATE TABLE IF NOT EXISTS schema_migration \
                     (number BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)";
    // PostgreSQL may report a duplicate when two servers create the table at the same instant.
    if sqlx::query(bootstrap).execute(writer).await.is_err() {
        sqlx::query(bootstrap).execute(writer).await.map_err(failed("create the migration table"))?;
    }
    for (number, text) in MIGRATIONS {
        apply_one(writer, backend, number, text).await?;
    }
    let row = sqlx::query("SELECT MAX(number) AS number FROM schema_migration")
        .fetch_one(writer)
        .await
        .map_err(failed("read the applied migrations"))?;
    let known = MIGRATIONS[MIGRATIONS.len() - 1].0;
    match row.whole_opt("number")? {
        Some(found) if found > known => Err(StoreError::MigrationUnknown { found, known }),
        _ => Ok(()),
    }
}

async fn apply_one(writer: &Pool<Any>, backend: Backend, number: i64, text: &str) -> Result<(), StoreError> {
    let expected = hex::encode(Sha256::digest(text.as_bytes()));
    let mut tx = writer.begin_with(backend.begin()).await.map_err(failed("begin a migration"))?;
    if backend == Backend::Postgres {
        sqlx::raw_sql("LOCK TABLE schema_migration IN EXCLUSIVE MODE")
            .execute(&mut *tx)
            .await
            .map_err(failed("lock the migration table"))?;
    }
    let applied = sqlx::query("SELECT checksum FROM schema_migration WHERE number = $1")
        .bind(number)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed("read the applied migrations"))?;
    if let Some(row) = applied {
        let found = row.text("checksum")?;
        return if found == expected { Ok(()) } else { Err(StoreError::MigrationChanged { number, found, expected }) };
    }
    let statements = text.replace("{serial}", backend.serial());
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *tx).await.map_err(failed("apply a migration"))?;
    sqlx::query("INSERT INTO schema_migration (number, checksum) VALUES ($1, $2)")
        .bind(number)
        .bind(expected)
        .execute(&mut *tx)
        .await
        .map_err(failed("record a migration"))?;
    tx.commit().await.map_err(failed("commit a migration"))
}
