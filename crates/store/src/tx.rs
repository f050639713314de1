//! A write transaction.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{Any, AnyConnection, Transaction};

use crate::{
    error::{StoreError, failed},
    identity::{self, Identity},
};

/// A transaction. State, docket and outbox change together or not at all; dropping it rolls back.
pub struct Tx {
    inner: Transaction<'static, Any>,
    pub(crate) identity: Arc<dyn Identity>,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tx").finish_non_exhaustive()
    }
}

impl Tx {
    pub(crate) fn new(inner: Transaction<'static, Any>, identity: Arc<dyn Identity>) -> Self {
        Self { inner, identity }
    }

    /// Makes everything done in it visible, at once and durably.
    ///
    /// # Errors
    /// The database could not commit; then nothing was changed.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await.map_err(failed("commit a transaction"))
    }

    /// A fresh identifier, ordered by `at`.
    #[must_use]
    pub fn new_id(&self, at: Timestamp) -> String {
        identity::new_id(self.identity.as_ref(), at)
    }

    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
