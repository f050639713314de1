//! The check of one dataset: landing rows in, metrics, faults and the checked table out.
//!
//! The rows of all batches that no run has checked yet are one scan. It is read twice: first only the columns that
//! rules ask for, to judge; then whole, to put the accepted rows into the checked table and the failing ones,
//! with the value found, into the faults table. The second reading knows the verdict of every row, so a rule on
//! uniqueness can hold a row back like any other.
//!
//! The same reading follows every fault ([`follow`]): what is new, what stands, what was corrected, what is gone.
//! The transaction that ends the check moves the tickets with it.
//!
//! Every table is committed under a key that follows from the batches and the rules: after a crash the same check is
//! repeated and does only what is missing.

mod embargo;
mod follow;
mod gate;
mod inputs;
mod standing;
mod turned;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use embargo::Intake;
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::{Map, json};
use yihe_definitions::{Dataset, Language, Mode, Pack, Severity};
use yihe_lake::{CommitKey, FaultHook, Lake, LakeError, Layout, Scan, TableName, Writer, Zone};
use yihe_store::{Actor, Batch, Metric as StoredMetric, MetricRun, NewRun, RunBegun, Store, StoreError, Tx};
use yihe_vocabulary::Clock;

use crate::{
    checker::{Checker, Surroundings},
    error::QualityError,
    figures::{CountyRows, Figures},
    outcome::Metric,
    recipients::Recipients,
    state::Grown,
    tickets::{TicketChanges, TicketError, Tickets},
};

pub use embargo::{Embargo, EmbargoReason, ReleaseError};
pub use follow::{FollowError, Followed};
pub use gate::faults_schema;
pub use inputs::Engine;

/// The points at which [`Walk::faults`] is called, in the order in which a check meets them.
pub const FAULT_POINTS: [&str; 8] = [
    "check.after_begin",
    "check.after_scan",
    "check.after_faults",
    "check.after_checked",
    "check.after_turned",
    "check.after_history",
    "check.after_tickets",
    "check.after_end",
];

/// How long a check may be silent before another may take it over.
const LEASE: Duration = Duration::from_secs(120);
/// How long a check may take in all.
const DEADLINE: Duration = Duration::from_secs(12 * 3600);
/// Batches that one check takes together; more are left to the next.
const BATCHES_MAX: i64 = 1_000;
/// Rows of one batch of the scans.
const SCAN_ROWS: usize = 16_384;
/// Name under which a row without its key is reported; not a rule of the dataset.
pub const KEY_RULE: &str = "_key";

/// Checks datasets.
#[derive(Clone)]
pub struct Walk {
    /// Where tables are.
    pub lake: Lake,
    /// Where runs, batches and figures are recorded.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where faults go.
    pub tickets: Tickets,
    /// Who checks.
    pub actor: Actor,
    /// Name of this process, for the lease.
    pub holder: String,
    /// Crash tests' hook.
    pub faults: FaultHook,
}

/// Why a dataset was not checked. What was checked before still stands.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The kernel refused: rules that do not fit, a bound, a full disk.
    #[error("failed to check dataset `{dataset}`")]
    Check {
        /// Dataset.
        dataset: String,
        /// Cause.
        source: QualityError,
    },
    /// The lake failed.
    #[error("failed to {action} of dataset `{dataset}`")]
    Lake {
        /// What was tried.
        action: &'static str,
        /// Dataset.
        dataset: String,
        /// Cause.
        source: LakeError,
    },
    /// The store failed.
    #[error("failed to record the check of dataset `{dataset}`")]
    Store {
        /// Dataset.
        dataset: String,
        /// Cause.
        source: StoreError,
    },
    /// The history of faults failed.
    #[error("failed to follow the faults of dataset `{dataset}`")]
    Follow {
        /// Dataset.
        dataset: String,
        /// Cause.
        source: FollowError,
    },
    /// Tickets could not be moved.
    #[error("failed to move the tickets of dataset `{dataset}`")]
    Tickets {
        /// Dataset.
        dataset: String,
        /// Cause.
        source: Box<TicketError>,
    },
    /// A code table of the pack is not one.
    #[error("dataset `{dataset}`: {reason}")]
    Definition {
        /// Dataset.
        dataset: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// Somebody else checks the same dataset.
    #[error("dataset `{dataset}` is being checked by {holder}; wait for it, its lease ends by itself")]
    Busy {
        /// Dataset.
        dataset: String,
        /// Who holds the check.
        holder: String,
    },
}

impl WalkError {
    /// The sentence people read.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        use std::error::Error as _;
        let cause = self.source().map_or_else(String::new, |cause| format!(": {cause}"));
        match language {
            Language::En => format!("{self}{cause}"),
            Language::Zh => match self {
                Self::Check { dataset, source } => format!("数据集 {dataset} 检查失败：{source}"),
                Self::Lake { dataset, source, .. } => {
                    format!("数据集 {dataset} 读写失败：{source}。已检查的结果不受影响。")
                }
                Self::Store { dataset, source } => format!("数据集 {dataset} 的检查结果登记失败：{source}。"),
                Self::Follow { dataset, source } => {
                    format!("数据集 {dataset} 的问题台账更新失败：{source}。已检查的结果不受影响，重新检查即可。")
                }
                Self::Tickets { dataset, source } => {
                    format!("数据集 {dataset} 的工单更新失败：{}", source.message(Language::Zh))
                }
                Self::Definition { dataset, reason } => format!("数据集 {dataset} 的定义有误：{reason}"),
                Self::Busy { dataset, holder } => {
                    format!("数据集 {dataset} 正由 {holder} 检查，请稍候；其租约到期会自动释放。")
                }
            },
        }
    }
}

/// What a check came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckReport {
    /// Dataset.
    pub dataset: String,
    /// Batches that were checked; 0 when there was nothing new.
    pub batches: usize,
    /// Rows of these batches.
    pub rows: u64,
    /// Rows that fail at least one rule.
    pub faulty: u64,
    /// Rows held back from the checked table.
    pub held: u64,
    /// Rows that went into the checked table.
    pub accepted: u64,
    /// Measures, in the order of the rules.
    pub metrics: Vec<Metric>,
    /// Why the delivery was kept out as a whole; empty: it was not.
    pub kept_out: Vec<EmbargoReason>,
    /// Measures of the whole table as it stands after the check, in the order of the rules.
    pub whole: Vec<Metric>,
    /// What became of the dataset's faults.
    pub followed: Followed,
    /// What became of its tickets.
    pub tickets: TicketChanges,
    /// Rows of the whole table after the check, those held back included.
    pub standing: u64,
    /// Rows by county.
    pub counties: BTreeMap<String, CountyRows>,
}

impl CheckReport {
    /// Adds a check of the same dataset that came before this one.
    fn add(&mut self, before: Self) {
        self.batches += before.batches;
        self.rows += before.rows;
        self.faulty += before.faulty;
        self.held += before.held;
        self.accepted += before.accepted;
        self.kept_out.extend(before.kept_out);
        let open = if self.batches == before.batches { before.tickets.open } else { self.tickets.open };
        self.tickets.add(before.tickets);
        self.tickets.open = open;
        if self.metrics.is_empty() {
            self.metrics = before.metrics;
            self.whole = before.whole;
            self.followed = before.followed;
            self.standing = before.standing;
            self.counties = before.counties;
        }
    }
}

impl Walk {
    /// Checks what has landed of `dataset` and was not checked yet.
    ///
    /// # Errors
    /// Rules that do not fit the dataset, somebody else at the same work, or the lake, store or disk failing.
    pub async fn check(&self, pack: &Pack, dataset: &Dataset) -> Result<CheckReport, WalkError> {
        let store_failed = |source| WalkError::Store { dataset: dataset.id.clone(), source };
        let mut batches = self.store.batch_list_unchecked(&dataset.id, BATCHES_MAX).await.map_err(store_failed)?;
        let mut is_first = self.unfinished(dataset, &mut batches)?;
        let intake = self.intake(dataset, &mut batches).await?;
        is_first |= intake.has_more;
        if intake.is_known {
            let kept_out = intake.standing.map(|standing| standing.reasons).unwrap_or_default();
            return Ok(CheckReport { dataset: dataset.id.clone(), kept_out, ..CheckReport::default() });
        }
        let begun = self.begun(dataset, &batches).await?;
        is_first |= begun.is_some();
        let report = self.check_batches(pack, begun.as_ref().unwrap_or(dataset), batches, &intake).await?;
        if !is_first {
            return Ok(report);
        }
        // What a check that did not end had begun is done; now what came after it.
        let mut rest = Box::pin(self.check(pack, dataset)).await?;
        rest.add(report);
        Ok(rest)
    }

    async fn check_batches(
        &self,
        pack: &Pack,
        dataset: &Dataset,
        batches: Vec<Batch>,
        intake: &Intake,
    ) -> Result<CheckReport, WalkError> {
        let store_failed = |source| WalkError::Store { dataset: dataset.id.clone(), source };
        if batches.is_empty() {
            return Ok(CheckReport { dataset: dataset.id.clone(), ..CheckReport::default() });
        }
        let now = self.clock.now();
        let new = NewRun {
            step: "check",
            subject: &dataset.id,
            holder: &self.holder,
            lease_until: now + LEASE,
            deadline_at: now + DEADLINE,
        };
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let run = match tx.run_begin(&new, &self.actor.act("run.started", now)).await.map_err(store_failed)? {
            RunBegun::Started(run) => run,
            RunBegun::Busy(run) if run.holder == self.holder => run,
            RunBegun::Busy(run) => return Err(WalkError::Busy { dataset: dataset.id.clone(), holder: run.holder }),
        };
        tx.commit().await.map_err(store_failed)?;
        (self.faults)("check.after_begin");

        let clock = Arc::clone(&self.clock);
        let beating = self.store.run_keep_alive(&run, LEASE, move || clock.now());
        let outcome = self.work(pack, dataset, &batches, intake.is_released).await;
        beating.abort();

        let at = self.clock.now();
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        match outcome {
            Ok(mut report) => {
                self.take_in(&mut tx, dataset, &batches, intake, &report, &run.id, at).await.map_err(store_failed)?;
                if report.kept_out.is_empty() {
                    self.figures(&mut tx, dataset, &report, &run.id, at).await.map_err(store_failed)?;
                }
                let moved = self.tickets.after_check(&mut tx, dataset, &report.followed, &self.actor, at).await;
                report.tickets = moved
                    .map_err(|source| WalkError::Tickets { dataset: dataset.id.clone(), source: Box::new(source) })?;
                let result = json!({
                    "batches": report.batches, "rows": report.rows, "faulty": report.faulty,
                    "held": report.held, "accepted": report.accepted, "tickets": report.tickets,
                    "kept_out": report.kept_out,
                });
                let act = self.actor.act("dataset.checked", at);
                tx.run_finish(&run.id, &result.to_string(), &act).await.map_err(store_failed)?;
                (self.faults)("check.after_tickets");
                tx.commit().await.map_err(store_failed)?;
                (self.faults)("check.after_end");
                let closed = self.tickets.recheck("dataset", &dataset.id, &self.actor, at).await;
                report.tickets.closed += closed
                    .map_err(|source| WalkError::Tickets { dataset: dataset.id.clone(), source: Box::new(source) })?;
                Ok(report)
            }
            Err(error) => {
                let act = self.actor.act("run.failed", at);
                tx.run_fail(&run.id, &error.message(Language::Zh), &act).await.map_err(store_failed)?;
                tx.commit().await.map_err(store_failed)?;
                Err(error)
            }
        }
    }

    /// Says of the batches that they are checked, or that they are kept out.
    #[expect(clippy::too_many_arguments, reason = "what came, what stood in its way, and what became of it")]
    async fn take_in(
        &self,
        tx: &mut Tx,
        dataset: &Dataset,
        batches: &[Batch],
        intake: &Intake,
        report: &CheckReport,
        run: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        tx.batch_checked(&intake.replaced, run, &self.actor.act("batch.replaced", at)).await?;
        if !report.kept_out.is_empty() {
            let key = inputs::commit_key(dataset, batches).map_or_else(|_| String::new(), |key| key.to_string());
            let standing = intake.standing.as_ref();
            return self.keep_out(tx, dataset, batches, standing, &report.kept_out, &key, at).await;
        }
        if let Some(standing) = &intake.standing {
            let state = if intake.replaced.is_empty() { "passed" } else { "replaced" };
            self.let_in(tx, standing, state, at).await?;
        }
        let ids: Vec<String> = batches.iter().map(|batch| batch.id.clone()).collect();
        tx.batch_checked(&ids, run, &self.actor.act("batch.checked", at)).await
    }

    /// Keeps the figures of a check.
    async fn figures(
        &self,
        tx: &mut Tx,
        dataset: &Dataset,
        report: &CheckReport,
        run: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let metric = StoredMetric {
            dataset: dataset.id.clone(),
            run: run.to_owned(),
            measured_at: at,
            rows_checked: report.rows.cast_signed(),
            rows_faulty: report.faulty.cast_signed(),
            rows_held: report.held.cast_signed(),
            body: serde_json::to_string(&report.metrics).expect("metrics serialise"),
        };
        tx.metric_put(&metric).await?;
        let figures = MetricRun {
            run: run.to_owned(),
            dataset: dataset.id.clone(),
            measured_at: at,
            rows_checked: report.rows.cast_signed(),
            rows_faulty: report.faulty.cast_signed(),
            rows_held: report.held.cast_signed(),
            rows_standing: report.standing.cast_signed(),
            body: Figures::of(report).to_json(),
        };
        tx.metric_run_insert(&figures).await
    }

    async fn work(
        &self,
        pack: &Pack,
        dataset: &Dataset,
        batches: &[Batch],
        is_released: bool,
    ) -> Result<CheckReport, WalkError> {
        let lake_failed = |action| move |source| WalkError::Lake { action, dataset: dataset.id.clone(), source };
        let check_failed = |source| WalkError::Check { dataset: dataset.id.clone(), source };
        let landing = self.table(Zone::Landing, dataset)?;
        let schema = self.lake.schema(&landing).await.map_err(lake_failed("read the columns"))?;
        let version = self.lake.version(&landing).await.map_err(lake_failed("read the version"))?;

        let codes = inputs::code_tables(pack, dataset)?;
        let references = self.references(pack, dataset).await?;
        let around =
            Surroundings { codes: &codes, references: &references, predicates: Some(&Engine), now: self.clock.now() };
        let keyed = dataset.source.mode == Mode::Increment;
        let checker = Checker::compile_keyed(&dataset.rules, if keyed { &dataset.key } else { &[] }, &schema, &around)
            .map_err(QualityError::Rules)
            .map_err(check_failed)?;

        let reading = standing::Reading { dataset, landing: &landing, version, checker: &checker, batches };
        let grown = self.judge(&reading).await?;
        (self.faults)("check.after_scan");

        let outcome = &grown.delivered;
        let whole = grown.whole.metrics(&checker, grown.before.as_ref());
        let mut metrics = outcome.metrics(&checker, None);
        for (rule, metric) in metrics.iter_mut().enumerate().filter(|(rule, _)| checker.is_table_rule(*rule)) {
            // A rule on the table judges all that stands, whatever came.
            metric.clone_from(&whole[rule]);
        }
        let key = inputs::commit_key(dataset, batches).map_err(lake_failed("name the check"))?;
        let kept_out = if is_released { Vec::new() } else { EmbargoReason::of(checker.rules(), &metrics) };
        if !kept_out.is_empty() {
            return self.kept_out_report(pack, dataset, batches, (&checker, grown), metrics, kept_out).await;
        }
        let (faults, checked) = self.create_tables(dataset, &schema, outcome.rows).await?;
        let mut fault_rows = self.lake.appender(&faults, key.clone()).await.map_err(lake_failed("write faults"))?;
        let mut accepted_rows = self.checked_writer(pack, dataset, &checked, key.clone()).await?;
        let mut follow = follow::Follow::open(&self.lake, pack, dataset, checker.rules(), batches, outcome.rows)
            .await
            .map_err(lake_failed("read the history of faults"))?;
        follow.see_table(checker.rules(), &metrics, &[]).map_err(check_failed)?;

        let mut gate = gate::Gate::new(pack, dataset, &checker, &grown);
        let mut displaced = Vec::new();
        let scan = Scan {
            version: Some(version),
            filter_sql: Some(inputs::batch_filter(batches)),
            batch_size: Some(SCAN_ROWS),
            ordered: true,
            ..Scan::default()
        };
        let mut stream = self.lake.scan(&landing, scan).await.map_err(lake_failed("read the landing table"))?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(lake_failed("read the landing table"))?;
            let split = gate.split(&batch).map_err(check_failed)?;
            follow.see(&batch, &split.found).map_err(check_failed)?;
            if let Some(faults) = split.faults {
                fault_rows.write(faults).await.map_err(lake_failed("write faults"))?;
            }
            displaced.extend(split.displaced);
            accepted_rows.write(split.accepted).await.map_err(lake_failed("write the checked table"))?;
        }
        fault_rows.commit(Map::new()).await.map_err(lake_failed("write faults"))?;
        (self.faults)("check.after_faults");
        accepted_rows.commit(Map::new()).await.map_err(lake_failed("write the checked table"))?;
        (self.faults)("check.after_checked");
        let older = turned::Older {
            pack,
            dataset,
            landing: &landing,
            checked: &checked,
            version,
            checker: &checker,
            grown: &grown,
        };
        self.turn(&older, displaced, &mut follow, &key).await?;
        (self.faults)("check.after_turned");

        let followed = self.merge(pack, dataset, follow, key).await?;
        (self.faults)("check.after_history");
        Ok(CheckReport {
            dataset: dataset.id.clone(),
            batches: batches.len(),
            rows: outcome.rows,
            faulty: gate.faulty,
            held: gate.held,
            accepted: outcome.rows - gate.held,
            metrics,
            kept_out: Vec::new(),
            whole,
            followed,
            tickets: TicketChanges::default(),
            standing: grown.state.standing(),
            counties: gate.counties,
        })
    }

    /// Writes the history of faults anew.
    async fn merge(
        &self,
        pack: &Pack,
        dataset: &Dataset,
        follow: follow::Follow,
        key: CommitKey,
    ) -> Result<Followed, WalkError> {
        let store_failed = |source| WalkError::Store { dataset: dataset.id.clone(), source };
        let excuses = self
            .tickets
            .excuses(&dataset.id)
            .await
            .map_err(|source| WalkError::Tickets { dataset: dataset.id.clone(), source: Box::new(source) })?;
        let recipients = Recipients::of_dataset(&self.store, pack, dataset).await.map_err(store_failed)?;
        let now = self.clock.now().as_microsecond();
        follow
            .merge(key, &excuses, &recipients, now)
            .await
            .map_err(|source| WalkError::Follow { dataset: dataset.id.clone(), source })
    }

    /// The delivery does not come in: only the rules that keep it out are followed, and what stands stays.
    async fn kept_out_report(
        &self,
        pack: &Pack,
        dataset: &Dataset,
        batches: &[Batch],
        (checker, grown): (&Checker, Grown),
        metrics: Vec<Metric>,
        kept_out: Vec<EmbargoReason>,
    ) -> Result<CheckReport, WalkError> {
        let lake_failed = |action| move |source| WalkError::Lake { action, dataset: dataset.id.clone(), source };
        let check_failed = |source| WalkError::Check { dataset: dataset.id.clone(), source };
        let rows = grown.delivered.rows;
        let mut follow = follow::Follow::open(&self.lake, pack, dataset, checker.rules(), batches, rows)
            .await
            .map_err(lake_failed("read the history of faults"))?;
        follow.only_table();
        follow.see_table(checker.rules(), &metrics, &kept_out).map_err(check_failed)?;
        let key = inputs::commit_key(dataset, batches).map_err(lake_failed("name the check"))?;
        let key = CommitKey::new(format!("{key}:kept-out")).map_err(lake_failed("name the check"))?;
        let followed = self.merge(pack, dataset, follow, key).await?;
        (self.faults)("check.after_history");
        grown.state.discard(&self.state_folder(dataset)?).map_err(check_failed)?;
        Ok(CheckReport {
            dataset: dataset.id.clone(),
            batches: batches.len(),
            rows,
            held: rows,
            whole: metrics.clone(),
            metrics,
            kept_out,
            followed,
            ..CheckReport::default()
        })
    }

    fn table(&self, zone: Zone, dataset: &Dataset) -> Result<TableName, WalkError> {
        TableName::new(zone, dataset.id.as_str()).map_err(|source| WalkError::Lake {
            action: "name a table",
            dataset: dataset.id.clone(),
            source,
        })
    }

    async fn create_tables(
        &self,
        dataset: &Dataset,
        landing: &arrow::datatypes::SchemaRef,
        rows: u64,
    ) -> Result<(TableName, TableName), WalkError> {
        let failed = |source| WalkError::Lake { action: "create the tables", dataset: dataset.id.clone(), source };
        let faults = self.table(Zone::Faults, dataset)?;
        let checked = self.table(Zone::Checked, dataset)?;
        self.lake.create(&faults, faults_schema(), Layout::rows()).await.map_err(failed)?;
        let layout = if self.lake.exists(&checked) {
            self.lake.layout(&checked).await.map_err(failed)?
        } else if dataset.key.is_empty() {
            Layout::rows()
        } else {
            Layout::keyed(dataset.key.iter().map(String::as_str), Layout::buckets_for(rows))
        };
        self.lake.create(&checked, Arc::clone(landing), layout).await.map_err(failed)?;
        Ok((faults, checked))
    }

    async fn checked_writer(
        &self,
        pack: &Pack,
        dataset: &Dataset,
        checked: &TableName,
        key: CommitKey,
    ) -> Result<Writer, WalkError> {
        let order = inputs::order_columns(pack, dataset);
        let order: Vec<&str> = order.iter().map(String::as_str).collect();
        let writer = match dataset.source.mode {
            Mode::Full => self.lake.replacer(checked, key).await,
            Mode::Increment if dataset.key.is_empty() => self.lake.appender(checked, key).await,
            Mode::Increment => self.lake.grower(checked, key, &order).await,
        };
        writer.map_err(|source| WalkError::Lake {
            action: "write the checked table",
            dataset: dataset.id.clone(),
            source,
        })
    }
}

/// The word of a severity in tables.
pub(crate) const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Hold => "hold",
        Severity::Quarantine => "quarantine",
    }
}

/// Whether a failing row of this severity is held back.
pub(crate) fn holds(severity: Severity) -> bool {
    matches!(severity, Severity::Hold | Severity::Quarantine)
}
