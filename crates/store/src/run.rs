//! Runs: one execution of a step, and the leases that bring each to a final state.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::AnyRow;
use tokio::task::JoinHandle;

use crate::{
    actor::Act,
    error::{StoreError, failed, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, corrupt, micros},
    store::{PAGE_ROWS_MAX, Store, page},
    tx::Tx,
};

/// Where a run stands. Every run ends as done, failed or abandoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Its holder renews the lease.
    Running,
    /// It ended well; `result` says with what.
    Done,
    /// It ended badly; `error` says why.
    Failed,
    /// Its holder vanished: the lease or the deadline passed.
    Abandoned,
}

impl RunState {
    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One execution of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Identifier.
    pub id: String,
    /// Step: `check`, `build`, `publish`, …
    pub step: String,
    /// Dataset or registry.
    pub subject: String,
    /// Where it stands.
    pub state: RunState,
    /// Process that works on it.
    pub holder: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Until when the holder has promised to report.
    pub lease_until: Timestamp,
    /// When it is given up, lease or no lease.
    pub deadline_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it produced, as JSON.
    pub result: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun<'a> {
    /// Step.
    pub step: &'a str,
    /// Dataset or registry.
    pub subject: &'a str,
    /// Process that works on it.
    pub holder: &'a str,
    /// First lease.
    pub lease_until: Timestamp,
    /// When it is given up.
    pub deadline_at: Timestamp,
}

/// What beginning a run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunBegun {
    /// The caller holds it.
    Started(Run),
    /// Another holder works on the same step and subject, and its lease is good.
    Busy(Run),
}

impl Store {
    /// A run.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run_find(&self, id: &str) -> Result<Option<Run>, StoreError> {
        sqlx::query("SELECT * FROM run WHERE id = $1").bind(id).one(&self.readers, "find a run", read).await
    }

    /// A subject's runs, newest first; of every subject when `subject` is `None`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run_list(&self, subject: Option<&str>, limit: i64) -> Result<Vec<Run>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM run WHERE ($1 = '' OR subject = $1) ORDER BY started_at DESC, id DESC LIMIT $2")
                .bind(subject.unwrap_or(""))
                .bind(page(limit))
                .fetch_all(&self.readers)
                .await
                .map_err(failed("list runs"))?;
        rows.iter().map(read).collect()
    }
}

impl Store {
    /// Runs that have not ended, whoever holds them, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run_list_running(&self, limit: i64) -> Result<Vec<Run>, StoreError> {
        sqlx::query("SELECT * FROM run WHERE state = 'running' ORDER BY started_at, id LIMIT $1")
            .bind(page(limit))
            .all(&self.readers, "list running runs", read)
            .await
    }

    /// Renews a run's lease four times in its length until the handle is aborted.
    pub fn run_keep_alive(
        &self,
        run: &Run,
        lease: Duration,
        now: impl Fn() -> Timestamp + Send + 'static,
    ) -> JoinHandle<()> {
        let (store, id, holder) = (self.clone(), run.id.clone(), run.holder.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(lease / 4).await;
                let until = now() + lease;
                // A missed beat is made good by the next; a lost lease shows when the run is finished.
                if let Ok(mut tx) = store.begin().await
                    && tx.run_heartbeat(&id, &holder, until).await.is_ok()
                {
                    let _ = tx.commit().await;
                }
            }
        })
    }
}

impl Tx {
    /// Begins a run. A run of the same step and subject whose lease or deadline has passed is
    /// abandoned first, so a crash never blocks a step.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run_begin(&mut self, new: &NewRun<'_>, act: &Act<'_>) -> Result<RunBegun, StoreError> {
        let active = sqlx::query("SELECT * FROM run WHERE step = $1 AND subject = $2 AND state = 'running'")
            .bind(new.step)
            .bind(new.subject)
            .fetch_optional(self.connection())
            .await
            .map_err(failed("find the active run"))?;
        if let Some(row) = active {
            let run = read(&row)?;
            if run.lease_until > act.at && run.deadline_at > act.at {
                return Ok(RunBegun::Busy(run));
            }
            self.run_abandon(&run.id, act).await?;
        }
        let id = self.new_id(act.at);
        sqlx::query(
            "INSERT INTO run (id, step, subject, state, holder, started_at, lease_until, deadline_at) \
             VALUES ($1, $2, $3, 'running', $4, $5, $6, $7)",
        )
        .bind(&id)
        .bind(new.step)
        .bind(new.subject)
        .bind(new.holder)
        .bind(micros(act.at))
        .bind(micros(new.lease_until))
        .bind(micros(new.deadline_at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a run", format!("run/{}/{}", new.step, new.subject)))?;
        self.record(ObjectKind::Run, &id, act).await?;
        let row = sqlx::query("SELECT * FROM run WHERE id = $1")
            .bind(&id)
            .fetch_one(self.connection())
            .await
            .map_err(failed("find a run"))?;
        Ok(RunBegun::Started(read(&row)?))
    }

    /// Moves the lease on. Not a ledger entry: the holder is only saying that it lives.
    ///
    /// # Errors
    /// The run is no longer this holder's: it must stop. The database failed.
    pub async fn run_heartbeat(&mut self, id: &str, holder: &str, lease_until: Timestamp) -> Result<(), StoreError> {
        let result = sqlx::query("UPDATE run SET lease_until = $1 WHERE id = $2 AND holder = $3 AND state = 'running'")
            .bind(micros(lease_until))
            .bind(id)
            .bind(holder)
            .execute(self.connection())
            .await
            .map_err(failed("renew a run's lease"))?;
        expect_one(result.rows_affected(), id)
    }

    /// Ends a run well; `result` is JSON.
    ///
    /// # Errors
    /// The run is no longer running; the database failed.
    pub async fn run_finish(&mut self, id: &str, result: &str, act: &Act<'_>) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE run SET state = 'done', result = $1, ended_at = $2 WHERE id = $3 AND state = 'running'",
        )
        .bind(result)
        .bind(micros(act.at))
        .bind(id)
        .execute(self.connection())
        .await
        .map_err(failed("finish a run"))?;
        expect_one(done.rows_affected(), id)?;
        self.record(ObjectKind::Run, id, act).await
    }

    /// Ends a run badly.
    ///
    /// # Errors
    /// The run is no longer running; the database failed.
    pub async fn run_fail(&mut self, id: &str, error: &str, act: &Act<'_>) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE run SET state = 'failed', error = $1, ended_at = $2 WHERE id = $3 AND state = 'running'",
        )
        .bind(error)
        .bind(micros(act.at))
        .bind(id)
        .execute(self.connection())
        .await
        .map_err(failed("fail a run"))?;
        expect_one(done.rows_affected(), id)?;
        self.record(ObjectKind::Run, id, act).await
    }

    /// Abandons every run whose lease or deadline has passed at `act.at` and answers them.
    /// At most [`PAGE_ROWS_MAX`] at a time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run_sweep(&mut self, act: &Act<'_>) -> Result<Vec<Run>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM run WHERE state = 'running' AND (lease_until <= $1 OR deadline_at <= $1) \
             ORDER BY started_at LIMIT $2",
        )
        .bind(micros(act.at))
        .bind(PAGE_ROWS_MAX)
        .fetch_all(self.connection())
        .await
        .map_err(failed("find runs without a lease"))?;
        let runs = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        for run in &runs {
            self.run_abandon(&run.id, act).await?;
        }
        Ok(runs)
    }

    async fn run_abandon(&mut self, id: &str, act: &Act<'_>) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE run SET state = 'abandoned', ended_at = $1, error = 'the holder stopped reporting' \
             WHERE id = $2 AND state = 'running'",
        )
        .bind(micros(act.at))
        .bind(id)
        .execute(self.connection())
        .await
        .map_err(failed("abandon a run"))?;
        expect_one(done.rows_affected(), id)?;
        self.record(ObjectKind::Run, id, &Act { kind: "run.abandoned", ..*act }).await
    }
}

fn expect_one(affected: u64, id: &str) -> Result<(), StoreError> {
    if affected == 1 {
        return Ok(());
    }
    Err(StoreError::State { object: ObjectKind::Run.name(id), expected: "a running run of this holder" })
}

fn read(row: &AnyRow) -> Result<Run, StoreError> {
    let state = match row.text("state")?.as_str() {
        "running" => RunState::Running,
        "done" => RunState::Done,
        "failed" => RunState::Failed,
        "abandoned" => RunState::Abandoned,
        found => return Err(corrupt("state", found, "running, done, failed or abandoned")),
    };
    Ok(Run {
        id: row.text("id")?,
        step: row.text("step")?,
        subject: row.text("subject")?,
        state,
        holder: row.text("holder")?,
        started_at: row.instant("started_at")?,
        lease_until: row.instant("lease_until")?,
        deadline_at: row.instant("deadline_at")?,
        ended_at: row.instant_opt("ended_at")?,
        result: row.text_opt("result")?,
        error: row.text_opt("error")?,
    })
}
