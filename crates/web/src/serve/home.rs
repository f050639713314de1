//! Fills the home page from the store, the lake and the ledger.

use std::{collections::HashMap, sync::Arc};

use axum::extract::State;
use jiff::{
    SignedDuration, Timestamp,
    civil::Date,
    tz::{Offset, TimeZone},
};
use yihe_definitions::Pack;
use yihe_docket::Worklist;
use yihe_lake::{TableName, Zone};
use yihe_ledger::hashes::TreeHash;
use yihe_store::{BatchTally, GrantFilter};

use super::{Answer, clock_view, html, internal, waits_for};
use crate::{
    layout::Part,
    pages::home::{self, DepartmentLine, HomeView, Intake, LedgerHead, RegistryLine, Supply, WaitingLine},
    problem::Problem,
    state::{AppState, count},
    visit::Visit,
};

/// Open items shown on the home page.
const WAITING_MAX: i64 = 12;
/// Days of the picture of calls.
const DAYS: i64 = 14;

/// `GET /`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit) -> Answer {
    let frame = visit.frame(&state, Part::Home).await?;
    Ok(html(home::page(&frame, &view(&state, &visit).await?)))
}

/// What the page shows; the API answers the same.
///
/// # Errors
/// The store or the lake failed.
pub async fn view(state: &AppState, visit: &Visit) -> Result<HomeView, Problem> {
    let pack = state.pack();
    let tallies: HashMap<String, BatchTally> = state
        .store
        .batch_tally()
        .await
        .map_err(internal)?
        .into_iter()
        .map(|tally| (tally.dataset.clone(), tally))
        .collect();
    let scores: HashMap<String, f64> = state
        .store
        .metric_list()
        .await
        .map_err(internal)?
        .iter()
        .filter_map(|metric| Some((metric.dataset.clone(), score(metric)?)))
        .collect();
    let (waiting, waiting_total, waiting_fault) = waiting(state, visit, &pack).await?;
    Ok(HomeView {
        intake: intake(&tallies, &scores),
        registries: registries(state, &pack).await?,
        datasets: pack.datasets.len() as u64,
        entries: entries(state).await?,
        departments: departments(&pack, &tallies, &scores),
        supply: supply(state).await?,
        ledger: ledger_head(state),
        waiting,
        waiting_total,
        waiting_fault,
    })
}

/// The head of the ledger as it was last signed; nothing before the first checkpoint.
#[must_use]
pub fn ledger_head(state: &AppState) -> LedgerHead {
    let Some(log) = &state.log else { return LedgerHead::default() };
    let Ok(head) = log.head(TreeHash::Sha256) else { return LedgerHead::default() };
    let signed = std::fs::metadata(log.checkpoint_path(TreeHash::Sha256)).and_then(|file| file.modified()).ok();
    LedgerHead {
        size: head.size,
        root: root_line(&head),
        checkpoint_at: signed.and_then(|at| Timestamp::try_from(at).ok()),
    }
}

/// The root as the checkpoint writes it (C2SP tlog-checkpoint: origin, size, root in base64), so that eyes can compare.
#[must_use]
pub fn root_line(head: &yihe_ledger::view::Head) -> String {
    head.note.lines().nth(2).unwrap_or_default().to_owned()
}

/// The share of a dataset's checked rows without a fault; `None` before any row was checked.
#[expect(clippy::cast_precision_loss, reason = "shown with two decimals; 2^53 rows are beyond any city")]
fn score(metric: &yihe_store::Metric) -> Option<f64> {
    (metric.rows_checked > 0)
        .then(|| (metric.rows_checked - metric.rows_faulty).max(0) as f64 / metric.rows_checked as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a mean over at most a few thousand datasets")]
fn mean(scores: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, number) = scores.fold((0.0, 0_u64), |(sum, number), score| (sum + score, number + 1));
    (number > 0).then(|| sum / number as f64)
}

fn intake(tallies: &HashMap<String, BatchTally>, scores: &HashMap<String, f64>) -> Intake {
    let mut intake = Intake { score: mean(scores.values().copied()), ..Intake::default() };
    for tally in tallies.values() {
        intake.batches += count(tally.batches);
        intake.rows_in += count(tally.rows_in);
        intake.rows_accepted += count(tally.rows_accepted);
        intake.rows_quarantined += count(tally.rows_quarantined);
    }
    intake
}

/// Departments that promised something, most accepted rows first.
fn departments(
    pack: &Pack,
    tallies: &HashMap<String, BatchTally>,
    scores: &HashMap<String, f64>,
) -> Vec<DepartmentLine> {
    let mut lines = Vec::new();
    for department in &pack.departments {
        let datasets: Vec<&str> = pack
            .datasets
            .iter()
            .filter(|dataset| dataset.department == department.id)
            .map(|dataset| dataset.id.as_str())
            .collect();
        if datasets.is_empty() {
            continue;
        }
        let landed: Vec<&BatchTally> = datasets.iter().filter_map(|dataset| tallies.get(*dataset)).collect();
        lines.push(DepartmentLine {
            name: department.name.clone(),
            id: department.id.clone(),
            promised: datasets.len() as u64,
            delivered: landed.len() as u64,
            rows: landed.iter().map(|tally| count(tally.rows_accepted)).sum(),
            quarantined: landed.iter().map(|tally| count(tally.rows_quarantined)).sum(),
            score: mean(datasets.iter().filter_map(|dataset| scores.get(*dataset).copied())),
            last_at: landed.iter().map(|tally| tally.last_at).max(),
        });
    }
    lines.sort_by(|one, other| other.rows.cmp(&one.rows).then_with(|| one.id.cmp(&other.id)));
    lines
}

async fn registries(state: &AppState, pack: &Pack) -> Result<Vec<RegistryLine>, Problem> {
    let mut lines = Vec::new();
    for registry in &pack.registries {
        let Some(records) = rows(state, Zone::Registry, &registry.id).await? else { continue };
        lines.push(RegistryLine {
            title: registry.title.clone(),
            records,
            members: registry.members.len() as u64,
            conflicts: rows(state, Zone::Conflicts, &registry.id).await?.unwrap_or(0),
        });
    }
    Ok(lines)
}

/// Rows of a table; `None`: there is none yet.
pub async fn rows(state: &AppState, zone: Zone, name: &str) -> Result<Option<u64>, Problem> {
    let table = TableName::new(zone, name).map_err(internal)?;
    if !state.lake.exists(&table) {
        return Ok(None);
    }
    state.lake.count(&table, None).await.map(Some).map_err(internal)
}

async fn entries(state: &AppState) -> Result<u64, Problem> {
    let tally = state.store.entry_tally().await.map_err(internal)?;
    Ok(tally.iter().map(|line| count(line.entries)).sum())
}

async fn supply(state: &AppState) -> Result<Supply, Problem> {
    let all = state.store.usage_totals(Timestamp::UNIX_EPOCH).await.map_err(internal)?;
    let in_force = GrantFilter { state: Some("active".to_owned()), ..GrantFilter::default() };
    let grants = state.store.grant_list(&in_force, 0, yihe_store::PAGE_ROWS_MAX).await.map_err(internal)?;
    let by_day = if all.calls > 0 { calls_by_day(state).await? } else { Vec::new() };
    Ok(Supply { calls: count(all.calls), records: count(all.rows), grants: grants.len() as u64, by_day })
}

/// Calls of the last days, oldest first, from the sums since the beginning of each.
async fn calls_by_day(state: &AppState) -> Result<Vec<(Date, u64)>, Problem> {
    let today = state.clock.today();
    let mut days = Vec::new();
    let mut later = 0;
    for back in 0..DAYS {
        let Ok(day) = today.checked_sub(SignedDuration::from_hours(24 * back)) else { break };
        let Ok(begins) = day.to_zoned(TimeZone::fixed(Offset::constant(8))) else { break };
        let since = state.store.usage_totals(begins.timestamp()).await.map_err(internal)?.calls;
        days.push((day, count(since - later)));
        later = since;
    }
    days.reverse();
    Ok(days)
}

type Waiting = (Vec<WaitingLine>, u64, Option<crate::language::Text>);

/// Open items. A year missing from the calendar is an alarm in its place, not the end of the page.
async fn waiting(state: &AppState, visit: &Visit, pack: &Pack) -> Result<Waiting, Problem> {
    let page = match state.docket.worklist(&state.store, Worklist::All, state.clock.today(), 0, WAITING_MAX).await {
        Ok(page) => page,
        Err(error @ yihe_docket::DocketError::Calendar { .. }) => {
            let cause = crate::problem::chain(&error);
            tracing::error!(trace_id = visit.trace_id, cause, "the working-day calendar is incomplete");
            return Ok((Vec::new(), 0, Some(super::calendar_alarm())));
        }
        Err(error) => return Err(internal(error)),
    };
    let mut lines = Vec::with_capacity(page.items.len());
    for item in &page.items {
        let described = super::items::describe(state, item).await?;
        let mine = visit.account.as_ref().is_some_and(|account| account.department == item.department);
        lines.push(WaitingLine {
            title: described.subject,
            task: described.task,
            href: described.href.filter(|_| mine),
            who: waits_for(pack, item),
            clock: clock_view(item),
        });
    }
    Ok((lines, count(page.total), None))
}
