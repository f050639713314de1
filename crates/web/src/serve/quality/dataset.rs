//! Fills the page of one dataset's quality.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde::Deserialize;
use yihe_definitions::{Dataset, Language, Pack, Severity};
use yihe_quality::{
    anomaly::{Measure, Options, judge},
    fault_list::{self, FaultFilter, ShownRow, Sight},
    history::FaultState,
    messages, overview,
};
use yihe_store::{Account, Role, TicketFilter};

use super::{
    super::{Answer, html, internal},
    score_view,
};
use crate::{
    language::Text,
    layout::Part,
    pages::quality::dataset::{self, Asked, CheckLine, DatasetView, FaultLine, KeptOut, PAGE_SIZE, RowSight, RuleLine},
    problem::{Kind, Problem},
    state::{AppState, department_name},
    visit::Visit,
};

/// Columns of a row that are shown beside those at fault.
const COLUMNS_MAX: usize = 8;
/// Last page that is listed; further rows are in the workbook.
const PAGES_MAX: usize = 500;

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    rule: Option<String>,
    state: Option<String>,
    held: Option<String>,
    page: Option<usize>,
}

impl Wanted {
    /// Reads it; a state that there is not is a fault of the address.
    pub fn read(self) -> Result<(Asked, FaultFilter), Problem> {
        let word = self.state.unwrap_or_default();
        let state = match word.as_str() {
            "" => Some(FaultState::Open),
            "all" => None,
            word => Some(FaultState::parse(word).ok_or_else(|| {
                Problem::saying(
                    Kind::Malformed,
                    "state 应为 open、excused、corrected、gone、withdrawn 或 all。",
                    "state is open, excused, corrected, gone, withdrawn or all.",
                )
            })?),
        };
        let held = self.held.is_some_and(|held| held == "1");
        let rule = self.rule.filter(|rule| !rule.is_empty() && rule.len() <= yihe_quality::checker::RULE_ID_BYTES_MAX);
        let filter = FaultFilter { rule: rule.clone(), state, severity: held.then(|| "hold".to_owned()) };
        let page = self.page.unwrap_or(1).clamp(1, PAGES_MAX);
        Ok((Asked { rule, state: word, held, page }, filter))
    }
}

/// What an account may see of a dataset's rows: its department everything, the authority everything but what is
/// sensitive, others nothing: they have grants.
#[must_use]
pub fn sight(account: Option<&Account>, dataset: &Dataset) -> RowSight {
    match account {
        Some(account) if account.roles.is_empty() => RowSight::Nothing,
        Some(account) if account.department == dataset.department => RowSight::Clear,
        Some(account) if account.roles.contains(&Role::Reviewer) => RowSight::Masked,
        Some(_) | None => RowSight::Nothing,
    }
}

/// `GET /quality/datasets/{id}`
pub async fn show(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let frame = visit.frame(&state, Part::Quality).await?;
    let pack = state.pack();
    let Some(known) = pack.dataset(&id) else { return Err(Kind::NotFound.into()) };
    let (asked, filter) = wanted.read()?;
    let view = view(&state, &pack, known, visit.account.as_deref(), asked, &filter).await?;
    Ok(html(dataset::page(&frame, &view)))
}

async fn view(
    state: &AppState,
    pack: &Pack,
    known: &Dataset,
    account: Option<&Account>,
    asked: Asked,
    filter: &FaultFilter,
) -> Result<DatasetView, Problem> {
    let scheme = pack.scheme();
    let scores = overview::Overview::read(&state.store, pack).await.map_err(internal)?;
    let scored = scores.datasets.get(&known.id);
    let points = overview::history(&state.store, &scheme, &known.id).await.map_err(internal)?;
    let open = TicketFilter {
        dataset: Some(known.id.clone()),
        state: Some("open".to_owned()),
        kind: Some("fault".to_owned()),
        ..TicketFilter::default()
    };
    let tickets = state.store.ticket_list(&open, 0, yihe_store::PAGE_ROWS_MAX).await.map_err(internal)?;
    let mut rules: Vec<RuleLine> = scored.map_or_else(Vec::new, |scored| {
        scored
            .metrics
            .iter()
            .map(|metric| RuleLine {
                id: metric.id.clone(),
                title: messages::rule_title(known, &metric.id),
                dimension: metric.dimension,
                severity: severity_title(metric.severity),
                rows: metric.evaluated,
                failed: metric.failed,
                ticket: tickets.iter().find(|ticket| ticket.rule == metric.id).map(|ticket| ticket.id.clone()),
            })
            .collect()
    });
    rules.sort_by_key(|line| std::cmp::Reverse(line.failed));
    let kept_out = state.store.embargo_find_standing(&known.id).await.map_err(internal)?.map(|row| {
        let embargo = yihe_quality::walk::Embargo::read(row);
        KeptOut {
            since: embargo.row.began_at,
            rows: u64::try_from(embargo.row.rows_kept_out).unwrap_or(0),
            reasons: embargo.reasons.iter().map(|reason| reason.sentence(known)).collect(),
        }
    });
    let sight = sight(account, known);
    let (columns, faults, has_more) = match sight {
        RowSight::Nothing => (Vec::new(), Vec::new(), false),
        RowSight::Masked => lines(state, known, filter, asked.page, PAGE_SIZE, Sight::Masked).await?,
        RowSight::Clear => lines(state, known, filter, asked.page, PAGE_SIZE, Sight::Clear).await?,
    };
    let held = scored.map_or(0, |scored| {
        let holds = scored
            .figures
            .metrics
            .iter()
            .filter(|metric| matches!(metric.severity, Severity::Hold | Severity::Quarantine));
        holds.map(|metric| metric.tally.open).sum()
    });
    Ok(DatasetView {
        id: known.id.clone(),
        title: known.title.clone(),
        department: department_name(pack, &known.department),
        department_href: format!("/quality/departments/{}", known.department),
        score: score_view(
            &scheme,
            &scored.map_or_else(
                || yihe_quality::Score { value: None, grade: None, rows: 0, dimensions: Vec::new() },
                |scored| scored.score.clone(),
            ),
        ),
        rows: scored.map_or(0, |scored| scored.rows),
        open: scored.map_or(0, |scored| scored.open),
        held,
        kept_out,
        checked_at: scored.map(|scored| scored.checked_at),
        history: points
            .iter()
            .map(|point| CheckLine {
                at: point.at,
                rows: point.rows,
                score: point.score,
                new: point.new,
                reopened: point.reopened,
                ended: point.ended,
                open: point.open,
            })
            .collect(),
        unusual: unusual(&points),
        rules,
        sight,
        asked,
        faults,
        columns,
        has_more,
    })
}

/// Reads a number off a check.
type Reading<'a> = &'a dyn Fn(&overview::Point) -> Option<f64>;

/// What the last check measured that the checks before it did not let one expect.
fn unusual(points: &[overview::Point]) -> Vec<Text> {
    let Some((last, before)) = points.split_last() else { return Vec::new() };
    #[expect(clippy::cast_precision_loss, reason = "counts are judged by ratio")]
    let rows = |point: &overview::Point| Some(point.rows as f64);
    #[expect(clippy::cast_precision_loss, reason = "counts are judged by ratio")]
    let new = |point: &overview::Point| Some(point.new as f64);
    let score = |point: &overview::Point| point.score.map(|score| score / 100.0);
    let measures: [(Text, Measure, Reading<'_>); 3] = [
        (Text::new("行数", "Rows"), Measure::Count, &rows),
        (Text::new("得分", "Score"), Measure::Share, &score),
        (Text::new("新问题", "New faults"), Measure::Count, &new),
    ];
    let sentences = measures.into_iter().filter_map(|(name, measure, of)| {
        let history: Vec<(Timestamp, f64)> = before.iter().filter_map(|point| Some((point.at, of(point)?))).collect();
        let anomaly = judge(&history, (last.at, of(last)?), &Options::new(measure))?;
        let (zh, en) = (anomaly.sentence(Language::Zh), anomaly.sentence(Language::En));
        Some(Text { zh: format!("{}：{zh}", name.zh), en: name.en.map(|name| format!("{name}: {en}")) })
    });
    sentences.collect()
}

type Lines = (Vec<Text>, Vec<FaultLine>, bool);

/// One page of rows at fault with the titles of the columns that are shown.
///
/// # Errors
/// The lake failed.
pub async fn lines(
    state: &AppState,
    known: &Dataset,
    filter: &FaultFilter,
    page: usize,
    size: usize,
    sight: Sight,
) -> Result<Lines, Problem> {
    let offset = (page - 1) * size;
    let mut found = fault_list::list(&state.lake, &known.id, filter, offset, size + 1).await.map_err(internal)?;
    let has_more = found.len() > size;
    found.truncate(size);
    let rows = fault_list::rows(&state.lake, known, found, sight).await.map_err(internal)?;
    let chosen = chosen_columns(known, &rows);
    let columns = chosen.iter().map(|at| known.columns[*at].title.clone()).collect();
    let lines = rows.into_iter().map(|row| line(known, &chosen, row)).collect();
    Ok((columns, lines, has_more))
}

/// The key, then what is at fault anywhere on the page, then the first of the others.
fn chosen_columns(known: &Dataset, rows: &[ShownRow]) -> Vec<usize> {
    let is_key = |at: &usize| known.key.contains(&known.columns[*at].name);
    let is_bad = |at: &usize| rows.iter().any(|row| row.cells.get(*at).is_some_and(|cell| cell.is_bad));
    let all = || 0..known.columns.len();
    let mut chosen: Vec<usize> = all().filter(is_key).collect();
    chosen.extend(all().filter(|at| !is_key(at) && is_bad(at)));
    for at in all() {
        if chosen.len() >= COLUMNS_MAX {
            break;
        }
        if !chosen.contains(&at) {
            chosen.push(at);
        }
    }
    chosen
}

fn line(known: &Dataset, chosen: &[usize], row: ShownRow) -> FaultLine {
    let record = row.fault.record;
    let cells = if row.cells.is_empty() {
        Vec::new()
    } else {
        chosen.iter().map(|at| (row.cells[*at].value.clone(), row.cells[*at].is_bad)).collect()
    };
    let instant = |micros: i64| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    FaultLine {
        rule: messages::rule_title(known, &record.rule),
        state: state_title(record.state),
        cells,
        found: record.found,
        first_seen_at: instant(record.first_seen_at),
        last_seen_at: instant(record.last_seen_at),
        times: u64::try_from(record.times).unwrap_or(0),
    }
}

fn severity_title(severity: Severity) -> Text {
    match severity {
        Severity::Info => Text::new("提示", "noted"),
        Severity::Warn => Text::new("退回核实", "department is asked"),
        Severity::Hold => Text::new("扣留", "held back"),
        Severity::Quarantine => Text::new("整批拦截", "delivery kept out"),
    }
}

/// Where a fault stands, in words.
#[must_use]
pub fn state_title(state: FaultState) -> Text {
    match state {
        FaultState::Open => Text::new("未更正", "standing"),
        FaultState::Excused => Text::new("部门已说明", "explained by its department"),
        FaultState::Corrected => Text::new("已更正", "corrected"),
        FaultState::Gone => Text::new("已消失", "gone"),
        FaultState::Withdrawn => Text::new("规则已撤销", "rule withdrawn"),
    }
}
