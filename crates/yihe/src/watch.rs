//! The monitor: verifies the whole ledger every night while the server runs, and on demand.
//!
//! A round is a run in the store, so it always ends: done, failed, or given up when its process
//! vanished. What it finds stands on the ledger's page, and on the docket of the competent authority
//! until a later round finds nothing.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Time, tz::Offset};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use yihe_definitions::Text;
use yihe_docket::{Docket, Matter, Opening, Step, Term, WaitsFor};
use yihe_ledger::{
    audit::{AuditOptions, Progress},
    monitor::{MonitorOptions, MonitorReport, Silence, monitor},
    view::LogView,
};
use yihe_store::{Actor, LedgerDatabase, NewRun, Role, Run, RunBegun, RunState, Store};
use yihe_vocabulary::Clock;
use yihe_web::serve::ledger::{ALARM_PROCEDURE, ALARM_SUBJECT, MONITOR_STEP, MONITOR_SUBJECT};

use crate::{app::App, config::Config, sequence};

/// How often the clock is looked at.
const EVERY: Duration = Duration::from_secs(20);
/// First lease of a round, renewed four times in its length.
const LEASE: Duration = Duration::from_secs(240);
/// A round that takes longer is given up.
const DEADLINE: SignedDuration = SignedDuration::from_hours(12);
/// Findings kept with a round, of each kind; more are counted.
const FINDINGS_MAX: usize = 50;
/// Runs looked through for the rounds before.
const RUNS_MAX: i64 = 50;

/// Audits as the configuration says: with the policy's witnesses, on as many threads as scans have.
pub fn audit_options(config: &Config) -> Result<AuditOptions> {
    let policy = sequence::policy(config)?;
    let witnesses = policy.iter().flat_map(|policy| policy.witnesses().map(|(_, key)| key.clone())).collect();
    Ok(AuditOptions {
        witnesses,
        threads: NonZeroUsize::new(config.threads).unwrap_or(NonZeroUsize::MIN),
        ..AuditOptions::default()
    })
}

/// One round over files and database.
pub async fn round(
    store: &Store,
    view: LogView,
    options: MonitorOptions,
    mut progress: impl FnMut(Progress) + Send + 'static,
) -> Result<MonitorReport> {
    let mut database = LedgerDatabase::new(store.clone(), Handle::current());
    let report = tokio::task::spawn_blocking(move || monitor(&view, &mut database, &options, &mut progress)).await;
    Ok(report.context("the monitor stopped")??)
}

/// What the nightly rounds work with.
pub struct Watch {
    config: Config,
    store: Store,
    docket: Docket,
    clock: Arc<dyn Clock>,
    machine: Actor,
    holder: String,
}

impl Watch {
    /// Over an opened data folder.
    pub fn new(app: &App, docket: Docket) -> Self {
        Self {
            config: app.config.clone(),
            store: app.store.clone(),
            docket,
            clock: Arc::clone(&app.clock),
            machine: app.machine(),
            holder: app.holder().to_owned(),
        }
    }

    /// Verifies once after each appointed time, for as long as the server runs. A night that was
    /// missed is made up for.
    pub async fn run(self, mut stop: tokio::sync::watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.changed() => return,
            }
            if let Err(error) = self.look().await {
                tracing::error!(error = %sequence::chain(error.as_ref()), "the ledger could not be verified");
            }
        }
    }

    /// Begins a round when one is due.
    async fn look(&self) -> Result<()> {
        let now = self.clock.now();
        let runs = self.store.run_list(Some(MONITOR_SUBJECT), RUNS_MAX).await?;
        let rounds: Vec<&Run> = runs.iter().filter(|run| run.step == MONITOR_STEP).collect();
        if !is_due(now, self.config.verify_at, rounds.first().map(|run| run.started_at)) {
            return Ok(());
        }
        let covered = rounds.iter().find(|run| run.state == RunState::Done).and_then(|run| entries_of(run));
        let Some(view) = sequence::view(&self.config)? else { return Ok(()) };
        let act = |kind, at| self.machine.act(kind, at);
        let mut tx = self.store.begin().await?;
        let new = NewRun {
            step: MONITOR_STEP,
            subject: MONITOR_SUBJECT,
            holder: &self.holder,
            lease_until: now + LEASE,
            deadline_at: now + DEADLINE,
        };
        let RunBegun::Started(run) = tx.run_begin(&new, &act("ledger.verifying", now)).await? else { return Ok(()) };
        tx.commit().await?;
        let clock = Arc::clone(&self.clock);
        let beating = self.store.run_keep_alive(&run, LEASE, move || clock.now());
        let outcome = self.round(view, now).await;
        beating.abort();
        let ended = self.clock.now();
        let mut tx = self.store.begin().await?;
        match outcome {
            Ok(report) => {
                let findings = Findings::of(&report, covered.unwrap_or(0));
                tx.run_finish(&run.id, &findings.to_json(&report).to_string(), &act("ledger.verified", ended)).await?;
                self.alarm(&mut tx, &findings, ended).await?;
                if findings.is_alarm() {
                    tracing::error!(
                        faults = findings.faults_total,
                        silences = findings.silences.len(),
                        "ALARM: the ledger's nightly round found something"
                    );
                }
            }
            Err(error) => {
                tx.run_fail(&run.id, &sequence::chain(error.as_ref()), &act("ledger.verify_failed", ended)).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    async fn round(&self, view: LogView, now: Timestamp) -> Result<MonitorReport> {
        let options = MonitorOptions {
            // Half the threads: the city works at night too.
            audit: {
                let options = audit_options(&self.config)?;
                let threads = NonZeroUsize::new(options.threads.get() / 2).unwrap_or(NonZeroUsize::MIN);
                AuditOptions { threads, ..options }
            },
            silence_after: SignedDuration::from_mins(self.config.silence_minutes.into()),
            now,
        };
        round(&self.store, view, options, |_| {}).await
    }

    /// Puts findings on the docket of the authority, once; a later round that finds nothing takes them off.
    async fn alarm(&self, tx: &mut yihe_store::Tx, findings: &Findings, at: Timestamp) -> Result<()> {
        let matter = Matter { procedure: ALARM_PROCEDURE, subject: ALARM_SUBJECT };
        let open = tx.item_find_open(matter.procedure, matter.subject).await?.is_some();
        if findings.is_alarm() && !open {
            let opening = Opening {
                procedure: ALARM_PROCEDURE,
                subject: ALARM_SUBJECT.to_owned(),
                title: findings.title(),
                step: Step {
                    state: "alarm",
                    waits_for: WaitsFor { department: self.config.authority.clone(), role: Role::Reviewer },
                    term: Term::Untimed,
                },
            };
            self.docket.open(tx, &opening, &self.machine, at).await?;
        } else if !findings.is_alarm() && open {
            self.docket.close(tx, matter, "clean", &self.machine, at).await?;
        }
        Ok(())
    }
}

/// Whether a round is due: none has begun since the last appointed time.
fn is_due(now: Timestamp, verify_at: Time, last: Option<Timestamp>) -> bool {
    let china = Offset::constant(8);
    let local = china.to_datetime(now);
    let today = local.date().to_datetime(verify_at);
    let appointed = if today <= local { Some(today) } else { today.checked_sub(1.day()).ok() };
    let appointed = appointed.and_then(|appointed| china.to_timestamp(appointed).ok());
    appointed.is_some_and(|appointed| last.is_none_or(|last| last < appointed))
}

fn entries_of(run: &Run) -> Option<u64> {
    serde_json::from_str::<Value>(run.result.as_deref()?).ok()?.get("entries")?.as_u64()
}

/// What a round tells people.
struct Findings {
    faults: Vec<Text>,
    faults_total: u64,
    silences: Vec<Text>,
}

impl Findings {
    /// All faults, and the silences since the round before, which covered `covered` entries: an old
    /// silence was an alarm in its time.
    fn of(report: &MonitorReport, covered: u64) -> Self {
        let files = report.audit.faults.iter().map(|fault| Text::new(fault.sentence_zh(), fault.sentence_en()));
        let rows = report.row_faults.iter().map(|fault| Text::new(fault.sentence_zh(), fault.sentence_en()));
        let told = (report.audit.faults.len() + report.row_faults.len()) as u64;
        let is_new = |silence: &&Silence| silence.before >= covered;
        Self {
            faults: files.chain(rows).take(FINDINGS_MAX).collect(),
            faults_total: told + report.audit.faults_more + report.row_faults_more,
            silences: report
                .silences
                .iter()
                .filter(is_new)
                .take(FINDINGS_MAX)
                .map(|silence| Text::new(silence.sentence_zh(), silence.sentence_en()))
                .collect(),
        }
    }

    fn is_alarm(&self) -> bool {
        self.faults_total > 0 || !self.silences.is_empty()
    }

    fn title(&self) -> Text {
        let (faults, silences) = (self.faults_total, self.silences.len());
        Text::new(
            format!("账本核验告警：{faults} 处被改动，{silences} 段沉默"),
            format!("ledger alarm: {faults} changes behind the application's back, {silences} silences"),
        )
    }

    fn to_json(&self, report: &MonitorReport) -> Value {
        let texts =
            |texts: &[Text]| texts.iter().map(|text| json!({ "zh": text.zh, "en": text.en })).collect::<Vec<_>>();
        json!({
            "sound": report.is_sound(),
            "entries": report.audit.entries,
            "rows": report.rows,
            "pending": report.pending,
            "erased": report.erased,
            "root_sha256": report.audit.root_sha256.map(hex::encode),
            "root_sm3": report.audit.root_sm3.map(hex::encode),
            "faults": texts(&self.faults),
            "faults_total": self.faults_total,
            "silences": texts(&self.silences),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_due_once_after_each_appointed_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let night = Time::constant(2, 30, 0, 0);
        // 02:30 in China is 18:30 UTC of the day before.
        assert!(is_due(at("2026-11-22T18:30:00Z"), night, Some(at("2026-11-22T18:29:59Z"))));
        assert!(!is_due(at("2026-11-22T18:30:00Z"), night, Some(at("2026-11-22T18:30:00Z"))));
        assert!(!is_due(at("2026-11-22T18:29:59Z"), night, Some(at("2026-11-21T18:30:00Z"))));
        assert!(
            is_due(at("2026-11-25T01:00:00Z"), night, Some(at("2026-11-22T18:31:00Z"))),
            "missed nights are made up for"
        );
        assert!(is_due(at("2026-11-22T12:00:00Z"), night, None));
    }
}
