//! Sessions of people and access tokens of programs. Only digests are kept: a copy of the database opens no door.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;

use crate::{
    error::{StoreError, failed, insert_failed},
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// A login that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Account.
    pub account: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What a program presents to be supplied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Identifier; may be shown and written down.
    pub id: String,
    /// Department that holds it.
    pub department: String,
    /// The one grant it is good for.
    pub grant_id: Option<String>,
    /// What the holder calls it.
    pub name: String,
    /// Account that made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The digest under which a session or access token is kept: SHA-256 in lower-case hexadecimal.
/// Tokens are 32 random bytes, so no slow hash is needed.
#[must_use]
pub fn token_digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

impl Store {
    /// The session of a token, if it has not ended at `at`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn session_find(&self, token: &str, at: Timestamp) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query("SELECT * FROM session WHERE token_sha256 = $1 AND expires_at > $2")
            .bind(token_digest(token))
            .bind(micros(at))
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("find a session"))?;
        row.map(|row| {
            Ok(Session {
                account: row.text("account")?,
                created_at: row.instant("created_at")?,
                expires_at: row.instant("expires_at")?,
            })
        })
        .transpose()
    }

    /// An access token, whether or not it is still good: the caller decides what to answer.
    ///
    /// # Errors
    /// The database failed.
    pub async fn token_find(&self, token: &str) -> Result<Option<ApiToken>, StoreError> {
        sqlx::query("SELECT * FROM api_token WHERE token_sha256 = $1")
            .bind(token_digest(token))
            .one(&self.readers, "find an access token", read)
            .await
    }

    /// A department's access tokens, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn token_list(&self, department: &str, limit: i64) -> Result<Vec<ApiToken>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM api_token WHERE department = $1 ORDER BY created_at DESC, id DESC LIMIT $2")
                .bind(department)
                .bind(page(limit))
                .fetch_all(&self.readers)
                .await
                .map_err(failed("list access tokens"))?;
        rows.iter().map(read).collect()
    }
}

impl Tx {
    /// Begins a session for `token`.
    ///
    /// # Errors
    /// The account does not exist; the database failed.
    pub async fn session_insert(&mut self, token: &str, session: &Session) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO session (token_sha256, account, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(token_digest(token))
            .bind(&session.account)
            .bind(micros(session.created_at))
            .bind(micros(session.expires_at))
            .execute(self.connection())
            .await
            .map_err(insert_failed("begin a session", "session".to_owned()))?;
        Ok(())
    }

    /// Ends the session of `token`; ending it again changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn session_delete(&mut self, token: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM session WHERE token_sha256 = $1")
            .bind(token_digest(token))
            .execute(self.connection())
            .await
            .map_err(failed("end a session"))?;
        Ok(())
    }

    /// Ends every session of an account.
    ///
    /// # Errors
    /// The database failed.
    pub async fn session_delete_of(&mut self, account: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM session WHERE account = $1")
            .bind(account)
            .execute(self.connection())
            .await
            .map_err(failed("end an account's sessions"))?;
        Ok(())
    }

    /// Forgets the sessions that ended before `at` and says how many there were.
    ///
    /// # Errors
    /// The database failed.
    pub async fn session_sweep(&mut self, at: Timestamp) -> Result<u64, StoreError> {
        let result = sqlx::query("DELETE FROM session WHERE expires_at <= $1")
            .bind(micros(at))
            .execute(self.connection())
            .await
            .map_err(failed("forget ended sessions"))?;
        Ok(result.rows_affected())
    }

    /// Keeps an access token's digest. The token itself is shown once, to whoever made it.
    ///
    /// # Errors
    /// The grant does not exist; the database failed.
    pub async fn token_insert(&mut self, token: &str, row: &ApiToken) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO api_token (id, token_sha256, department, grant_id, name, created_by, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&row.id)
        .bind(token_digest(token))
        .bind(&row.department)
        .bind(row.grant_id.as_deref())
        .bind(&row.name)
        .bind(&row.created_by)
        .bind(micros(row.created_at))
        .bind(micros(row.expires_at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert an access token", format!("token/{}", row.id)))?;
        Ok(())
    }

    /// Revokes an access token of a department; `false` when it has none such or it was revoked before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn token_revoke(&mut self, id: &str, department: &str, at: Timestamp) -> Result<bool, StoreError> {
        let result = sqlx::query(
            "UPDATE api_token SET revoked_at = $1 WHERE id = $2 AND department = $3 AND revoked_at IS NULL",
        )
        .bind(micros(at))
        .bind(id)
        .bind(department)
        .execute(self.connection())
        .await
        .map_err(failed("revoke an access token"))?;
        Ok(result.rows_affected() == 1)
    }
}

fn read(row: &AnyRow) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: row.text("id")?,
        department: row.text("department")?,
        grant_id: row.text_opt("grant_id")?,
        name: row.text("name")?,
        created_by: row.text("created_by")?,
        created_at: row.instant("created_at")?,
        expires_at: row.instant("expires_at")?,
        revoked_at: row.instant_opt("revoked_at")?,
    })
}
