//! The connection: one writer and several readers on SQLite, a pool on PostgreSQL.

use std::{
    path::Path,
    sync::{Arc, Once},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{Any, Executor as _, Pool, any::AnyPoolOptions};

use crate::{
    error::{StoreError, failed},
    identity::{self, Identity},
    migration,
    tx::Tx,
};

/// How long a caller waits for a connection before the store answers that it is busy.
pub const WAIT_SECONDS_MAX: u64 = 15;

/// Most rows that one list answers.
pub const PAGE_ROWS_MAX: i64 = 1_000;

const READERS: u32 = 8;

/// The metadata store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) readers: Pool<Any>,
    writers: Pool<Any>,
    backend: Backend,
    pub(crate) identity: Arc<dyn Identity>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store at `address` and brings it to this release's schema.
    ///
    /// `address` is `sqlite:<path>` (the file and its folder are created) or `postgres://…`.
    ///
    /// # Errors
    /// [`StoreError::Address`] for another address, [`StoreError::Open`] when the database cannot be
    /// reached, [`StoreError::MigrationChanged`] and [`StoreError::MigrationUnknown`] when its schema
    /// is not this release's.
    pub async fn open(address: &str, identity: impl Identity) -> Result<Self, StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        if let Some(path) = address.strip_prefix("sqlite:") {
            return Self::open_sqlite(Path::new(path.trim_start_matches("//")), Arc::new(identity)).await;
        }
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            let pool = pool(READERS).connect(address).await.map_err(unopened(address))?;
            let (readers, writers) = (pool.clone(), pool);
            return Self::migrated(readers, writers, Backend::Postgres, Arc::new(identity)).await;
        }
        Err(StoreError::Address { found: without_password(address) })
    }

    /// Opens the SQLite file at `path`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_file(path: &Path, identity: impl Identity) -> Result<Self, StoreError> {
        Self::open(&format!("sqlite:{}", path.display()), identity).await
    }

    async fn open_sqlite(path: &Path, identity: Arc<dyn Identity>) -> Result<Self, StoreError> {
        let shown = format!("sqlite:{}", path.display());
        let unreachable = |source: std::io::Error| StoreError::Open { url: shown.clone(), source: source.into() };
        let path = std::path::absolute(path).map_err(unreachable)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(unreachable)?;
        }
        // `set_path` leaves per cent signs alone, and the driver decodes them.
        let mut url = url::Url::parse("sqlite:///?mode=rwc").expect("the address is well formed");
        url.set_path(&path.display().to_string().replace('%', "%25"));
        let writers = pool(1)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // FULL: what was acknowledged survives a power cut, not only a crash.
                    connection
                        .execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
                        .await
                        .map(drop)
                })
            })
            .connect(url.as_str())
            .await
            .map_err(unopened(&shown))?;
        let readers = pool(READERS)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute("PRAGMA query_only = ON").await.map(drop) })
            })
            .connect(url.as_str())
            .await
            .map_err(unopened(&shown))?;
        Self::migrated(readers, writers, Backend::Sqlite, identity).await
    }

    async fn migrated(
        readers: Pool<Any>,
        writers: Pool<Any>,
        backend: Backend,
        identity: Arc<dyn Identity>,
    ) -> Result<Self, StoreError> {
        migration::apply(&writers, backend).await?;
        Ok(Self { readers, writers, backend, identity })
    }

    /// Begins a transaction that may write. State, docket and outbox change in it together; dropping
    /// it without [`Tx::commit`] changes nothing.
    ///
    /// # Errors
    /// The database is busy for longer than [`WAIT_SECONDS_MAX`] or cannot be reached.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let inner = self.writers.begin_with(self.backend.begin()).await.map_err(failed("begin a transaction"))?;
        Ok(Tx::new(inner, self.identity.clone()))
    }

    /// A fresh identifier, ordered by `at`.
    #[must_use]
    pub fn new_id(&self, at: Timestamp) -> String {
        identity::new_id(self.identity.as_ref(), at)
    }

    /// 32 fresh secret bytes, for session and access tokens.
    #[must_use]
    pub fn new_secret(&self) -> [u8; 32] {
        self.identity.bytes()
    }

    /// Closes every connection; on SQLite this also folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

/// Which database stands behind the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    /// SQLite takes the write lock at once, so that a transaction never fails half way for lack of it.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    pub(crate) fn serial(self) -> &'static str {
        match self {
            Self::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
            Self::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        }
    }
}

/// At most [`PAGE_ROWS_MAX`] rows, at least one.
pub(crate) fn page(limit: i64) -> i64 {
    limit.clamp(1, PAGE_ROWS_MAX)
}

fn pool(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(WAIT_SECONDS_MAX))
}

fn unopened(address: &str) -> impl FnOnce(sqlx::Error) -> StoreError {
    let url = without_password(address);
    move |source| StoreError::Open { url, source }
}

fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://***@{place}"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(without_password("postgres://city:s3cret@db:5432/yihe"), "postgres://***@db:5432/yihe");
        assert_eq!(without_password("sqlite:/var/yihe.sqlite"), "sqlite:/var/yihe.sqlite");
    }
}
