//! A run under a lease: recorded when it begins, kept alive while it works, recorded as it ended.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use yihe_store::{NewRun, RunBegun, StoreError};

use crate::{build::Builder, error::RegistryError};

/// How long a run may be silent before another may take it over.
const LEASE: Duration = Duration::from_secs(120);

/// What runs.
pub(crate) struct Leased<'a> {
    /// Kind of run; one of a kind and subject runs at a time.
    pub step: &'static str,
    /// What it is about.
    pub subject: &'a str,
    /// What errors call it.
    pub named: &'a str,
    /// How long it may take in all.
    pub deadline: Duration,
    /// Where a crash test may end it, once it is recorded.
    pub begun: &'static str,
    /// Kind of the ledger's entry when it is done.
    pub done: &'static str,
}

impl Builder {
    /// Does `work` under a lease and records `result` of what it came to, or why it failed.
    ///
    /// # Errors
    /// [`RegistryError::Busy`], [`RegistryError::Store`], and those of the work.
    pub(crate) async fn leased<T>(
        &self,
        run: Leased<'_>,
        work: impl Future<Output = Result<T, RegistryError>>,
        result: impl FnOnce(&T) -> Value,
    ) -> Result<T, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: run.named.to_owned(), source };
        let now = self.clock.now();
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let new = NewRun {
            step: run.step,
            subject: run.subject,
            holder: &self.holder,
            lease_until: now + LEASE,
            deadline_at: now + run.deadline,
        };
        let row = match tx.run_begin(&new, &self.actor.act("run.started", now)).await.map_err(store_failed)? {
            RunBegun::Started(row) => row,
            RunBegun::Busy(row) if row.holder == self.holder => row,
            RunBegun::Busy(row) => {
                return Err(RegistryError::Busy { registry: run.named.to_owned(), holder: row.holder });
            }
        };
        tx.commit().await.map_err(store_failed)?;
        (self.faults)(run.begun);

        let clock = Arc::clone(&self.clock);
        let beating = self.store.run_keep_alive(&row, LEASE, move || clock.now());
        let outcome = work.await;
        beating.abort();

        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let at = self.clock.now();
        match &outcome {
            Ok(done) => tx.run_finish(&row.id, &result(done).to_string(), &self.actor.act(run.done, at)).await,
            Err(error) => tx.run_fail(&row.id, &error.to_string(), &self.actor.act("run.failed", at)).await,
        }
        .map_err(store_failed)?;
        tx.commit().await.map_err(store_failed)?;
        outcome
    }
}
