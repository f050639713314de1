//! Tickets and notices: lists, pages, and the steps people take. What may be done is `quality`'s to decide.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect},
};
use serde::Deserialize;
use serde_json::Value;
use yihe_definitions::{Language, Pack};
use yihe_quality::{
    fault_list::{FaultFilter, Sight},
    history::FaultState,
    messages,
    tickets::{ANSWER, Notice, Reason, Ticket, TicketError, TicketKind, conflict_field},
};
use yihe_registries::losers::losers;
use yihe_store::{Account, ObjectKind, OutboxRow, Role, TicketFilter};

use super::{
    Answer, clock_view, html, internal, proof,
    quality::dataset::{lines, sight},
    registry::source_names,
    waits_for,
};
use crate::{
    form::Fields,
    language::{Text, capital},
    layout::Part,
    pages::{
        quality::dataset::RowSight,
        ticket::{self, NoticeLine, NoticeView, SAID_MAX, StepLine, TicketAct, TicketLine, TicketView, TicketsView},
    },
    problem::{Kind, Problem},
    state::{AppState, count, department_name},
    visit::Visit,
};

/// Tickets on one page.
const PAGE_SIZE: usize = 50;
/// Rows of evidence on a ticket's page.
const EVIDENCE: usize = 10;
/// Events of a ticket that are shown.
const HISTORY_MAX: i64 = 200;
/// Last page that is listed.
const PAGES_MAX: usize = 1_000;

/// What the list's address asks for.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    state: Option<String>,
    page: Option<usize>,
}

/// `GET /tickets`
pub async fn list(State(state): State<Arc<AppState>>, visit: Visit, Query(wanted): Query<Wanted>) -> Answer {
    let frame = visit.frame(&state, Part::Tickets).await?;
    let actor = visit.account()?.actor();
    let pack = state.pack();
    let asked = wanted.state.as_deref().filter(|word| ["closed", "all"].contains(word));
    let word = asked.unwrap_or("open");
    let filter = TicketFilter { state: (word != "all").then(|| word.to_owned()), ..TicketFilter::default() };
    let page = wanted.page.unwrap_or(1).clamp(1, PAGES_MAX);
    let offset = i64::try_from((page - 1) * PAGE_SIZE).unwrap_or(0);
    let limit = i64::try_from(PAGE_SIZE).unwrap_or(i64::MAX);
    let total = count(state.tickets.count(&filter, &actor).await.map_err(refused)?);
    let found = state.tickets.list(&filter, &actor, offset, limit).await.map_err(refused)?;
    let lines = found.iter().map(|ticket| TicketLine {
        id: ticket.id.clone(),
        subject: subject(&pack, ticket),
        department: department_name(&pack, &ticket.department),
        state: standing(ticket),
        is_open: ticket.is_open,
        rows: count(ticket.rows_open),
        opened_at: ticket.opened_at,
    });
    let view = TicketsView {
        state: word.to_owned(),
        lines: lines.collect(),
        total,
        page,
        has_more: total > (page * PAGE_SIZE) as u64,
    };
    Ok(html(ticket::list(&frame, &view)))
}

/// `GET /tickets/{id}`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let frame = visit.frame(&state, Part::Tickets).await?;
    let account = visit.account()?;
    let found = state.tickets.find(&id, &account.actor()).await.map_err(refused)?;
    let Some(found) = found else { return Err(Kind::NotFound.into()) };
    Ok(html(ticket::page(&frame, &view(&state, account, &found).await?)))
}

/// `POST /tickets/{id}/{act}`
pub async fn act(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, act)): Path<(String, String)>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let actor = visit.account()?.actor();
    let said = fields.one("said", SAID_MAX)?;
    let version = fields.one("version", 20)?.parse().ok();
    let now = state.clock.now();
    let tickets = &state.tickets;
    match act.as_str() {
        "close" => {
            let word = fields.one("reason", 40)?;
            let reason = Reason::parse(word).ok_or_else(|| refused(TicketError::Reason { found: word.to_owned() }))?;
            tickets.close(&id, reason, said, version, &actor, now).await.map_err(refused)?;
        }
        "reopen" => {
            tickets.reopen(&id, said, version, &actor, now).await.map_err(refused)?;
        }
        "take-back" => {
            tickets.take_back(&id, said, version, &actor, now).await.map_err(refused)?;
        }
        _ => return Err(Kind::NotFound.into()),
    }
    Ok(Redirect::to(&format!("/tickets/{id}")).into_response())
}

/// `GET /notices/{id}`
pub async fn notice(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let frame = visit.frame(&state, Part::Docket).await?;
    let account = visit.account()?;
    let actor = account.actor();
    let row = state.store.notice_find(&id).await.map_err(internal)?;
    let Some(row) = row else { return Err(Kind::NotFound.into()) };
    let known = state.tickets.notices(Some(&row.ticket), &actor, 0, yihe_store::PAGE_ROWS_MAX).await;
    let Some(known) = known.map_err(refused)?.into_iter().find(|notice| notice.id == id) else {
        return Err(Kind::NotFound.into());
    };
    let pack = state.pack();
    let ticket = state.store.ticket_find(&known.ticket).await.map_err(internal)?;
    let ticket = ticket.map(Ticket::read).transpose().map_err(refused)?;
    let own = known.department == account.department;
    let mut receipts = Vec::new();
    // Case numbers are the recipient's own affair.
    if own {
        for receipt in &known.receipts {
            if let Some(usage) = state.store.usage_find(receipt).await.map_err(internal)? {
                receipts.push((usage.id, usage.case_number, usage.at));
            }
        }
    }
    let items = state.docket.items_of(&state.store, &ObjectKind::Notice.name(&id), state.clock.today()).await;
    let items = items.map_err(internal)?;
    let open = items.iter().find(|item| item.closed_at.is_none());
    let told = state.store.outbox_list_by_object(&ObjectKind::Notice.name(&id), HISTORY_MAX).await.map_err(internal)?;
    let view = NoticeView {
        id: known.id.clone(),
        subject: ticket.map_or_else(|| Text::new(&known.ticket, &known.ticket), |ticket| subject(&pack, &ticket)),
        outcome: outcome(&known.outcome),
        supplies: count(known.supplies),
        receipts,
        told_at: known.told_at,
        proofs: told.iter().rev().map(|row| proof::link(happened(row), row)).collect(),
        acknowledged: known.acknowledged_at.map(|at| (at, known.remark.clone())),
        clock: open.and_then(clock_view),
        may_acknowledge: own && (account.roles.contains(&Role::Officer) || account.roles.contains(&Role::Head)),
    };
    Ok(html(ticket::notice(&frame, &view)))
}

/// `POST /notices/{id}/acknowledge`
pub async fn acknowledge(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let actor = visit.account()?.actor();
    let said = fields.one("said", SAID_MAX)?;
    state.tickets.acknowledge(&id, said, &actor, state.clock.now()).await.map_err(refused)?;
    Ok(Redirect::to(&format!("/notices/{id}")).into_response())
}

async fn view(state: &AppState, account: &Account, ticket: &Ticket) -> Result<TicketView, Problem> {
    let pack = state.pack();
    let actor = account.actor();
    let items = state.docket.items_of(&state.store, &ticket.subject(), state.clock.today()).await.map_err(internal)?;
    let open = items.iter().find(|item| item.closed_at.is_none());
    let clock = open.and_then(clock_view).map(|mut clock| {
        clock.purpose = Text::new("核实、更正并答复", "Verify, correct and answer");
        clock.source = Some(Text { zh: ANSWER.source.to_owned(), en: None });
        clock
    });
    let mut acts = Vec::new();
    if state.tickets.may_close(ticket, &actor) {
        acts.push(TicketAct::Close);
    }
    if state.tickets.may_reopen(ticket, &actor) {
        acts.push(TicketAct::Reopen);
    }
    if state.tickets.may_take_back(ticket, &actor) {
        acts.push(TicketAct::TakeBack);
    }
    let (mut columns, mut faults, mut all_href, mut workbook_href) = (Vec::new(), Vec::new(), None, None);
    let mut lost = Vec::new();
    if let Some((registry, field)) = conflict_field(&ticket.rule)
        && let Some(registry) = pack.registry(registry)
    {
        // Which rows lost is nothing personal; whoever may read the ticket may know.
        let losers = losers(&state.lake, registry, field, &ticket.dataset, EVIDENCE).await.map_err(internal)?;
        let title = |dataset: &str| source_names(&pack, dataset).1;
        lost = losers.iter().map(|loser| (format!("{}:{}", loser.batch, loser.row), title(&loser.kept_from))).collect();
        all_href = Some(format!("/registries/{}", registry.id));
    } else if let (TicketKind::Fault, Some(known)) = (ticket.kind, pack.dataset(&ticket.dataset)) {
        let sight = match sight(Some(account), known) {
            RowSight::Nothing => None,
            RowSight::Masked => Some(Sight::Masked),
            RowSight::Clear => Some(Sight::Clear),
        };
        if let Some(sight) = sight {
            let filter = FaultFilter {
                rule: Some(ticket.rule.clone()),
                state: ticket.is_open.then_some(FaultState::Open),
                severity: None,
            };
            (columns, faults, _) = lines(state, known, &filter, 1, EVIDENCE, sight).await?;
            let pairs = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("rule", &ticket.rule)
                .append_pair("state", if ticket.is_open { "open" } else { "all" })
                .finish();
            all_href = Some(format!("/quality/datasets/{}?{pairs}#rows", known.id));
            workbook_href = Some(format!("/quality/datasets/{}/faults.xlsx?{pairs}", known.id));
        }
    }
    let notices = state.tickets.notices(Some(&ticket.id), &actor, 0, yihe_store::PAGE_ROWS_MAX).await;
    let notices = notices.map_err(refused)?;
    let told = state.store.outbox_list_by_object(&ticket.subject(), HISTORY_MAX).await.map_err(internal)?;
    Ok(TicketView {
        id: ticket.id.clone(),
        subject: subject(&pack, ticket),
        department: department_name(&pack, &ticket.department),
        state: standing(ticket),
        is_open: ticket.is_open,
        facts: facts(&pack, ticket),
        statement: (!ticket.statement.is_empty()).then(|| ticket.statement.clone()),
        proofs: told.iter().rev().map(|row| proof::link(happened(row), row)).collect(),
        steps: told.iter().map(|row| step(&pack, row)).collect(),
        clock,
        waits_for: open.map(|item| waits_for(&pack, item)),
        columns,
        faults,
        lost,
        all_href,
        workbook_href,
        notices: notices.iter().map(|notice| notice_line(&pack, notice)).collect(),
        acts,
        version: ticket.version,
    })
}

fn notice_line(pack: &Pack, notice: &Notice) -> NoticeLine {
    NoticeLine {
        id: notice.id.clone(),
        department: department_name(pack, &notice.department),
        outcome: outcome(&notice.outcome),
        supplies: count(notice.supplies),
        told_at: notice.told_at,
        acknowledged_at: notice.acknowledged_at,
    }
}

/// What became of a value, in words.
fn outcome(word: &str) -> Text {
    match word {
        "gone" => Text::new("记录已不再提供", "The record is no longer provided"),
        word => Reason::parse(word).map_or_else(|| Text::new(word, word), |reason| capital(reason.title())),
    }
}

fn facts(pack: &Pack, ticket: &Ticket) -> Vec<(Text, Text)> {
    let plain = |text: &str| Text::new(text, text);
    let mut facts = Vec::new();
    if let Some(dataset) = pack.dataset(&ticket.dataset) {
        facts.push((Text::new("数据集", "Dataset"), dataset.title.clone()));
        if ticket.kind == TicketKind::Fault {
            facts.push((Text::new("规则", "Rule"), messages::rule_title(dataset, &ticket.rule)));
        }
    }
    match ticket.kind {
        TicketKind::Fault => {
            let means = match ticket.severity.as_str() {
                "hold" => Text::new("扣留：不进入已检表", "held back from the checked table"),
                _ => Text::new("退回核实", "the department is asked"),
            };
            facts.push((Text::new("后果", "Means"), means));
            facts.push((Text::new("未更正", "Standing"), plain(&ticket.rows_open.to_string())));
            facts.push((Text::new("累计发现", "Seen in all"), plain(&ticket.rows_seen.to_string())));
        }
        TicketKind::Objection => {
            facts.push((Text::new("资源代码", "Resource code"), plain(&ticket.entry)));
            if !ticket.field.is_empty() {
                facts.push((Text::new("信息项", "Field"), field_title(pack, ticket)));
            }
            facts.push((Text::new("提出部门", "Raised by"), department_name(pack, &ticket.raised_by)));
            facts.push((Text::new("供给回执", "Receipt"), plain(&ticket.receipt)));
        }
    }
    facts.push((Text::new("开单次数", "Times opened"), plain(&ticket.times.to_string())));
    facts
}

fn field_title(pack: &Pack, ticket: &Ticket) -> Text {
    let columns = pack.dataset(&ticket.dataset).map(|dataset| dataset.columns.as_slice()).unwrap_or_default();
    let column = columns.iter().find(|column| column.name == ticket.field);
    column.map_or_else(|| Text::new(&ticket.field, &ticket.field), |column| column.title.clone())
}

/// What a ticket is about.
#[must_use]
pub fn subject(pack: &Pack, ticket: &Ticket) -> Text {
    match (ticket.kind, pack.dataset(&ticket.dataset)) {
        (TicketKind::Fault, Some(dataset)) => {
            let rule = messages::rule_title(dataset, &ticket.rule);
            Text {
                zh: format!("{} · {}", dataset.title.zh, rule.zh),
                en: dataset.title.en.as_ref().zip(rule.en).map(|(title, rule)| format!("{title} · {rule}")),
            }
        }
        (TicketKind::Fault, None) => {
            let both = format!("{} · {}", ticket.dataset, ticket.rule);
            Text::new(both.clone(), both)
        }
        (TicketKind::Objection, _) => {
            let field = if ticket.field.is_empty() {
                Text::new("整条记录", "the whole record")
            } else {
                field_title(pack, ticket)
            };
            Text {
                zh: format!("校核 {} · {}", ticket.entry, field.zh),
                en: field.en.map(|field| format!("Objection {} · {field}", ticket.entry)),
            }
        }
    }
}

fn standing(ticket: &Ticket) -> Text {
    ticket.reason.map_or_else(|| Text::new("待办", "Open"), |reason| capital(reason.title()))
}

/// What happened, from the ledger's own outbox.
fn step(pack: &Pack, row: &OutboxRow) -> StepLine {
    StepLine {
        title: happened(row),
        who: department_name(pack, &row.org),
        at: row.at,
        said: payload(row)["explanation"].as_str().map(str::to_owned),
    }
}

/// An event of a ticket in words.
fn happened(row: &OutboxRow) -> Text {
    match (row.kind.as_str(), payload(row)["reason"].as_str().and_then(Reason::parse)) {
        ("ticket.opened", _) => Text::new("开单，退回责任部门", "Opened and returned to its department"),
        ("objection.raised", _) => Text::new("提出校核", "Objection raised"),
        ("notice.told", _) => Text::new("告知更正", "Told of the correction"),
        ("notice.extended", _) => Text::new("补充告知", "Told of further supplies"),
        ("notice.acknowledged", _) => Text::new("确认知悉", "Acknowledged"),
        ("ticket.reopened", _) => Text::new("重开", "Opened again"),
        ("ticket.closed", Some(reason)) => {
            let title = reason.title();
            Text { zh: format!("办结：{}", title.zh), en: title.en.map(|title| format!("Closed: {title}")) }
        }
        (other, _) => Text::new(other, other),
    }
}

/// The ticket as it was then.
fn payload(row: &OutboxRow) -> Value {
    serde_json::from_str(&row.payload).unwrap_or_default()
}

/// An error of `quality` as its reader is told.
#[must_use]
pub fn refused(error: TicketError) -> Problem {
    let kind = match &error {
        TicketError::NotFound { .. } | TicketError::NotSupplied { .. } => Kind::NotFound,
        TicketError::NotAllowed { .. } => Kind::Forbidden,
        TicketError::WrongState { .. } | TicketError::AlreadyRaised { .. } => Kind::Conflict,
        TicketError::Reason { .. } | TicketError::Statement { .. } | TicketError::Field { .. } => Kind::Unprocessable,
        TicketError::Store { source, .. } => match source.as_ref() {
            yihe_store::StoreError::Conflict { .. }
            | yihe_store::StoreError::State { .. }
            | yihe_store::StoreError::Duplicate { .. } => Kind::Conflict,
            _ => return internal(error),
        },
        TicketError::Docket { source, .. } if source.is_conflict() => Kind::Conflict,
        TicketError::Docket { .. } | TicketError::Lake { .. } | TicketError::Corrupt { .. } => return internal(error),
    };
    Problem::saying(kind, error.message(Language::Zh), error.message(Language::En))
}
