//! Share requests as rows. What a request may become is `exchange`'s.

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

/// A share request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Identifier.
    pub id: String,
    /// Code of the catalogue entry asked for.
    pub entry: String,
    /// Requesting department.
    pub requester: String,
    /// Providing department.
    pub provider: String,
    /// State of the procedure.
    pub state: String,
    /// The whole request as JSON.
    pub body: String,
    /// Account that drafted it.
    pub created_by: String,
    /// When it was drafted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
}

/// What a list of requests is narrowed to. Empty fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Requests in which this department is requester or provider.
    pub party: Option<String>,
    /// Requests for this entry.
    pub entry: Option<String>,
    /// State of the procedure.
    pub state: Option<String>,
}

impl Store {
    /// A request.
    ///
    /// # Errors
    /// The database failed.
    pub async fn request_find(&self, id: &str) -> Result<Option<RequestRow>, StoreError> {
        sqlx::query("SELECT * FROM request WHERE id = $1")
            .bind(id)
            .one(&self.readers, "find a share request", read)
            .await
    }

    /// Requests, last changed first; from `offset` on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn request_list(
        &self,
        filter: &RequestFilter,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<RequestRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM request WHERE ($1 = '' OR requester = $1 OR provider = $1) \
             AND ($2 = '' OR entry = $2) AND ($3 = '' OR state = $3) \
             ORDER BY changed_at DESC, id DESC LIMIT $4 OFFSET $5",
        )
        .bind(filter.party.as_deref().unwrap_or(""))
        .bind(filter.entry.as_deref().unwrap_or(""))
        .bind(filter.state.as_deref().unwrap_or(""))
        .bind(page(limit))
        .bind(offset.max(0))
        .all(&self.readers, "list share requests", read)
        .await
    }
}

impl Tx {
    /// A request as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn request_find(&mut self, id: &str) -> Result<Option<RequestRow>, StoreError> {
        sqlx::query("SELECT * FROM request WHERE id = $1")
            .bind(id)
            .one(self.connection(), "find a share request", read)
            .await
    }

    /// Inserts a request at version 1.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`]; the database failed, for example because the entry does not exist.
    pub async fn request_insert(&mut self, request: &RequestRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO request (id, entry, requester, provider, state, body, created_by, created_at, changed_at, \
             version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)",
        )
        .bind(&request.id)
        .bind(&request.entry)
        .bind(&request.requester)
        .bind(&request.provider)
        .bind(&request.state)
        .bind(&request.body)
        .bind(&request.created_by)
        .bind(micros(act.at))
        .bind(micros(act.at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a share request", ObjectKind::Request.name(&request.id)))?;
        self.record(ObjectKind::Request, &request.id, act).await
    }

    /// Replaces state and body if the request is still at `request.version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile; the database failed.
    pub async fn request_update(&mut self, request: &RequestRow, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE request SET state = $1, body = $2, changed_at = $3, version = version + 1 \
             WHERE id = $4 AND version = $5",
        )
        .bind(&request.state)
        .bind(&request.body)
        .bind(micros(act.at))
        .bind(&request.id)
        .bind(request.version)
        .execute(self.connection())
        .await
        .map_err(failed("update a share request"))?;
        self.record_change(&result, ObjectKind::Request, &request.id, request.version, act).await
    }
}

fn read(row: &AnyRow) -> Result<RequestRow, StoreError> {
    Ok(RequestRow {
        id: row.text("id")?,
        entry: row.text("entry")?,
        requester: row.text("requester")?,
        provider: row.text("provider")?,
        state: row.text("state")?,
        body: row.text("body")?,
        created_by: row.text("created_by")?,
        created_at: row.instant("created_at")?,
        changed_at: row.instant("changed_at")?,
        version: row.whole("version")?,
    })
}
