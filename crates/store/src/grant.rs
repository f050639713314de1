//! Grants as rows, and the count of calls per day against their quota.

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

/// What one department may have of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// Identifier.
    pub id: String,
    /// The request it answers.
    pub request: String,
    /// Code of the catalogue entry.
    pub entry: String,
    /// Department that may have it.
    pub grantee: String,
    /// Department that supplies it.
    pub provider: String,
    /// `pending`, `active`, `suspended`, `expired` or `terminated`.
    pub state: String,
    /// Why it is suspended or terminated.
    pub reason: Option<String>,
    /// First day.
    pub valid_from: Date,
    /// Last day.
    pub valid_until: Date,
    /// Calls per day.
    pub calls_per_day: i64,
    /// Columns, row filter, masks, purpose and methods as JSON.
    pub body: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
}

/// What a list of grants is narrowed to. Empty fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantFilter {
    /// Grants in which this department is grantee or provider.
    pub party: Option<String>,
    /// Grants on this entry.
    pub entry: Option<String>,
    /// State.
    pub state: Option<String>,
}

impl Store {
    /// A grant.
    ///
    /// # Errors
    /// The database failed.
    pub async fn grant_find(&self, id: &str) -> Result<Option<GrantRow>, StoreError> {
        sqlx::query("SELECT * FROM share_grant WHERE id = $1").bind(id).one(&self.readers, "find a grant", read).await
    }

    /// The grant that answers a request, if there is one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn grant_find_by_request(&self, request: &str) -> Result<Option<GrantRow>, StoreError> {
        sqlx::query("SELECT * FROM share_grant WHERE request = $1")
            .bind(request)
            .one(&self.readers, "find a request's grant", read)
            .await
    }

    /// Grants, newest first; from `offset` on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn grant_list(&self, filter: &GrantFilter, offset: i64, limit: i64) -> Result<Vec<GrantRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM share_grant WHERE ($1 = '' OR grantee = $1 OR provider = $1) \
             AND ($2 = '' OR entry = $2) AND ($3 = '' OR state = $3) \
             ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5",
        )
        .bind(filter.party.as_deref().unwrap_or(""))
        .bind(filter.entry.as_deref().unwrap_or(""))
        .bind(filter.state.as_deref().unwrap_or(""))
        .bind(page(limit))
        .bind(offset.max(0))
        .all(&self.readers, "list grants", read)
        .await
    }

    /// Calls already made on `day` (Chinese local time) under a grant.
    ///
    /// # Errors
    /// The database failed.
    pub async fn grant_calls(&self, id: &str, day: Date) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT calls FROM grant_day WHERE grant_id = $1 AND day = $2")
            .bind(id)
            .bind(day.to_string())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("count a grant's calls"))?;
        row.map_or(Ok(0), |row| row.whole("calls"))
    }
}

impl Tx {
    /// A grant as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn grant_find(&mut self, id: &str) -> Result<Option<GrantRow>, StoreError> {
        sqlx::query("SELECT * FROM share_grant WHERE id = $1")
            .bind(id)
            .one(self.connection(), "find a grant", read)
            .await
    }

    /// The grant that answers a request, if there is one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn grant_find_by_request(&mut self, request: &str) -> Result<Option<GrantRow>, StoreError> {
        sqlx::query("SELECT * FROM share_grant WHERE request = $1")
            .bind(request)
            .one(self.connection(), "find a request's grant", read)
            .await
    }

    /// Grants that can still be used and whose last day lies before `today`; at most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn grant_list_ended(&mut self, today: Date, limit: i64) -> Result<Vec<GrantRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM share_grant WHERE state IN ('pending', 'active', 'suspended') AND valid_until < $1 \
             ORDER BY valid_until, id LIMIT $2",
        )
        .bind(today.to_string())
        .bind(page(limit))
        .all(self.connection(), "list ended grants", read)
        .await
    }

    /// Inserts a grant at version 1.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the request has its grant already; the database failed.
    pub async fn grant_insert(&mut self, grant: &GrantRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO share_grant (id, request, entry, grantee, provider, state, reason, valid_from, valid_until, \
             calls_per_day, body, created_at, changed_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)",
        )
        .bind(&grant.id)
        .bind(&grant.request)
        .bind(&grant.entry)
        .bind(&grant.grantee)
        .bind(&grant.provider)
        .bind(&grant.state)
        .bind(grant.reason.as_deref())
        .bind(grant.valid_from.to_string())
        .bind(grant.valid_until.to_string())
        .bind(grant.calls_per_day)
        .bind(&grant.body)
        .bind(micros(act.at))
        .bind(micros(act.at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a grant", ObjectKind::Grant.name(&grant.id)))?;
        self.record(ObjectKind::Grant, &grant.id, act).await
    }

    /// Replaces state and reason if the grant is still at `grant.version`. What was granted never changes.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile; the database failed.
    pub async fn grant_update(&mut self, grant: &GrantRow, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE share_grant SET state = $1, reason = $2, changed_at = $3, version = version + 1 \
             WHERE id = $4 AND version = $5",
        )
        .bind(&grant.state)
        .bind(grant.reason.as_deref())
        .bind(micros(act.at))
        .bind(&grant.id)
        .bind(grant.version)
        .execute(self.connection())
        .await
        .map_err(failed("update a grant"))?;
        self.record_change(&result, ObjectKind::Grant, &grant.id, grant.version, act).await
    }

    /// Counts one call on `day` if fewer than `calls_per_day` were made; `false` when the quota is used up.
    /// The count and the check are one statement, so calls at the same time cannot slip through together.
    ///
    /// # Errors
    /// The database failed.
    pub async fn grant_count_call(&mut self, id: &str, day: Date, calls_per_day: i64) -> Result<bool, StoreError> {
        if calls_per_day < 1 {
            return Ok(false);
        }
        let result = sqlx::query(
            "INSERT INTO grant_day (grant_id, day, calls) VALUES ($1, $2, 1) \
             ON CONFLICT (grant_id, day) DO UPDATE SET calls = grant_day.calls + 1 WHERE grant_day.calls < $3",
        )
        .bind(id)
        .bind(day.to_string())
        .bind(calls_per_day)
        .execute(self.connection())
        .await
        .map_err(failed("count a call"))?;
        Ok(result.rows_affected() == 1)
    }
}

fn read(row: &AnyRow) -> Result<GrantRow, StoreError> {
    Ok(GrantRow {
        id: row.text("id")?,
        request: row.text("request")?,
        entry: row.text("entry")?,
        grantee: row.text("grantee")?,
        provider: row.text("provider")?,
        state: row.text("state")?,
        reason: row.text_opt("reason")?,
        valid_from: row.day("valid_from")?,
        valid_until: row.day("valid_until")?,
        calls_per_day: row.whole("calls_per_day")?,
        body: row.text("body")?,
        created_at: row.instant("created_at")?,
        changed_at: row.instant("changed_at")?,
        version: row.whole("version")?,
    })
}
