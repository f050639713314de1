//! Use records (政务数据共享条例, art. 29): one row for each supplied call, only ever appended.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, any::AnyRow};

use crate::{
    error::{StoreError, failed, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// Records that one query asks for: below SQLite's bound on values.
const RECORDS_OF_ONE_QUERY: usize = 500;

/// One call that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Identifier; the receipt that the caller gets.
    pub id: String,
    /// Grant under which it was supplied.
    pub grant_id: String,
    /// Catalogue entry.
    pub entry: String,
    /// Department that received it.
    pub grantee: String,
    /// Identifier of the access token.
    pub token: String,
    /// Door: `rest`, `sql`, `file`.
    pub door: String,
    /// Purpose stated with the call.
    pub purpose: String,
    /// Case for which it was needed.
    pub case_number: String,
    /// The key that was looked up, or the question as it was authorised. Personal data: never logged.
    pub looked_up: String,
    /// Columns that were answered, in order, as a JSON list.
    pub columns: String,
    /// Rows that were answered; 0 when there was no such record.
    pub row_count: i64,
    /// Version of the table that was read.
    pub table_version: i64,
    /// When.
    pub at: Timestamp,
}

/// Calls and rows of one department on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageTotals {
    /// Calls answered.
    pub calls: i64,
    /// Rows answered.
    pub rows: i64,
}

impl Store {
    /// A use record.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_find(&self, id: &str) -> Result<Option<UsageRow>, StoreError> {
        sqlx::query("SELECT * FROM usage_row WHERE id = $1")
            .bind(id)
            .one(&self.readers, "find a use record", read)
            .await
    }

    /// A grant's use records, newest first; of every grant when `grant` is `None`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_list(&self, grant: Option<&str>, offset: i64, limit: i64) -> Result<Vec<UsageRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM usage_row WHERE ($1 = '' OR grant_id = $1) ORDER BY at DESC, id DESC LIMIT $2 OFFSET $3",
        )
        .bind(grant.unwrap_or(""))
        .bind(page(limit))
        .bind(offset.max(0))
        .all(&self.readers, "list use records", read)
        .await
    }

    /// Use records of answers to look-ups of these records (`looked_up` as it was written), oldest first. The keys
    /// are asked for in parts, so any number of them may be given; at most `limit` use records are answered.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_list_of_records(
        &self,
        entry: &str,
        looked_up: &[String],
        limit: usize,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let mut found = Vec::new();
        for part in looked_up.chunks(RECORDS_OF_ONE_QUERY) {
            let places: Vec<String> = (3..part.len() + 3).map(|place| format!("${place}")).collect();
            let sql = format!(
                "SELECT * FROM usage_row WHERE entry = $1 AND row_count > 0 AND looked_up IN ({}) \
                 ORDER BY at, id LIMIT $2",
                places.join(", ")
            );
            let left = i64::try_from(limit.saturating_sub(found.len())).unwrap_or(i64::MAX);
            if left == 0 {
                break;
            }
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(entry).bind(left);
            for key in part {
                query = query.bind(key);
            }
            let rows = query.fetch_all(&self.readers).await.map_err(failed("list the uses of records"))?;
            for row in &rows {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }

    /// Whether anything was ever supplied under an entry.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_exists(&self, entry: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT id FROM usage_row WHERE entry = $1 LIMIT 1")
            .bind(entry)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("look for uses of an entry"))?;
        Ok(row.is_some())
    }

    /// Calls and rows answered since `from`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn usage_totals(&self, from: Timestamp) -> Result<UsageTotals, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS calls, CAST(COALESCE(SUM(row_count), 0) AS BIGINT) AS answered \
             FROM usage_row WHERE at >= $1",
        )
        .bind(micros(from))
        .fetch_one(&self.readers)
        .await
        .map_err(failed("sum use records"))?;
        Ok(UsageTotals { calls: row.whole("calls")?, rows: row.whole("answered")? })
    }
}

impl Tx {
    /// Appends a use record. Its ledger entry is that of its interval: [`Store::calls_close`].
    ///
    /// # Errors
    /// The grant does not exist; the database failed.
    pub async fn usage_insert(&mut self, usage: &UsageRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO usage_row (id, grant_id, entry, grantee, token, door, purpose, case_number, looked_up, \
             columns, row_count, table_version, at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(&usage.id)
        .bind(&usage.grant_id)
        .bind(&usage.entry)
        .bind(&usage.grantee)
        .bind(&usage.token)
        .bind(&usage.door)
        .bind(&usage.purpose)
        .bind(&usage.case_number)
        .bind(&usage.looked_up)
        .bind(&usage.columns)
        .bind(usage.row_count)
        .bind(usage.table_version)
        .bind(micros(usage.at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a use record", ObjectKind::Usage.name(&usage.id)))?;
        Ok(())
    }
}

fn read(row: &AnyRow) -> Result<UsageRow, StoreError> {
    Ok(UsageRow {
        id: row.text("id")?,
        grant_id: row.text("grant_id")?,
        entry: row.text("entry")?,
        grantee: row.text("grantee")?,
        token: row.text("token")?,
        door: row.text("door")?,
        purpose: row.text("purpose")?,
        case_number: row.text("case_number")?,
        looked_up: row.text("looked_up")?,
        columns: row.text("columns")?,
        row_count: row.whole("row_count")?,
        table_version: row.whole("table_version")?,
        at: row.instant("at")?,
    })
}
