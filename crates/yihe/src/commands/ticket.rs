//! `yihe ticket …`

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use yihe_definitions::Pack;
use yihe_quality::{
    fault_list::{self, FaultFilter, Sight},
    history::FaultState,
    messages,
    tickets::{Notice, Objection, Reason, Ticket, TicketError, TicketKind, Tickets},
};
use yihe_store::{Actor, Role, TicketFilter};

use crate::{
    app::App,
    cli::Ticket as Words,
    commands::catalogue,
    conflicts,
    output::{Exit, Output, grouped},
    sequence,
};

/// Faults shown with a ticket.
const SAMPLE: usize = 10;

/// The command.
pub async fn run(app: &App, words: Words, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    let tickets = room(app, &pack)?;
    let machine = app.machine();
    let now = app.clock.now();
    match words {
        Words::List { all, department, dataset } => {
            let state = (!all).then(|| "open".to_owned());
            let filter = TicketFilter { department, dataset, state, ..TicketFilter::default() };
            let total = tickets.count(&filter, &machine).await.map_err(told(output))?;
            let list = tickets.list(&filter, &machine, 0, yihe_store::PAGE_ROWS_MAX).await.map_err(told(output))?;
            table(app, &pack, &list, output).await?;
            let objects: Vec<Value> = list.iter().map(object).collect();
            output.object(&json!({ "total": total, "tickets": objects }));
            return Ok(Exit::Done);
        }
        Words::Show { ticket } => return show(app, &pack, &tickets, &ticket, output).await,
        Words::Notices { department } => {
            let actor = department.map_or(machine, |department| Actor { department, ..Actor::system() });
            let actor = Actor { account: "cli".to_owned(), ..actor };
            let notices = tickets.notices(None, &actor, 0, yihe_store::PAGE_ROWS_MAX).await.map_err(told(output))?;
            notice_table(&notices, output);
            output.object(&json!({ "notices": notices.iter().map(notice_object).collect::<Vec<_>>() }));
            return Ok(Exit::Done);
        }
        Words::Close { ticket, reason, say } => {
            let reason = Reason::parse(&reason.replace('-', "_"))
                .filter(|reason| Reason::GIVEN.contains(reason))
                .ok_or(TicketError::Reason { found: reason })
                .map_err(told(output))?;
            let found = known(&tickets, &ticket, output).await?;
            let actor = acting(app, &found.department, Role::Officer).await?;
            let closed = tickets.close(&ticket, reason, &say, None, &actor, now).await.map_err(told(output))?;
            done(&closed, output);
        }
        Words::Reopen { ticket, say } => {
            let actor = acting(app, &app.config.authority, Role::Reviewer).await?;
            let opened = tickets.reopen(&ticket, &say, None, &actor, now).await.map_err(told(output))?;
            done(&opened, output);
        }
        Words::Object { receipt, field, say } => {
            let usage = app.store.usage_find(receipt.trim()).await?;
            let department = usage.map(|usage| usage.grantee).unwrap_or_default();
            if department.is_empty() {
                return Err(told(output)(TicketError::NotSupplied { receipt }));
            }
            let actor = acting(app, &department, Role::Officer).await?;
            let objection = Objection { receipt, field, statement: say };
            let raised = tickets.object(&pack, &objection, &actor, now).await.map_err(told(output))?;
            done(&raised, output);
        }
        Words::Acknowledge { notice, say } => {
            let found = app.store.notice_find(&notice).await?;
            let found = found.with_context(|| format!("there is no notice `{notice}` (没有这件告知)"))?;
            let actor = acting(app, &found.department, Role::Officer).await?;
            let done = tickets
                .acknowledge(&notice, say.as_deref().unwrap_or_default(), &actor, now)
                .await
                .map_err(told(output))?;
            output.line(&format!("{} {}", output.say("已确认知悉", "acknowledged"), done.id));
            output.object(&notice_object(&done));
        }
    }
    sequence::settle(app).await?;
    Ok(Exit::Done)
}

/// The tickets over the opened data folder.
pub fn room(app: &App, pack: &Pack) -> Result<Tickets> {
    let docket = app.docket(pack)?;
    Tickets::new(app.store.clone(), app.lake.clone(), docket, app.config.authority.as_str(), &BTreeMap::new())
        .map_err(|defects| anyhow!("the city's terms are at fault: {defects:?}"))
}

async fn known(tickets: &Tickets, id: &str, output: &Output) -> Result<Ticket> {
    let found = tickets.find(id, &Actor::system()).await.map_err(told(output))?;
    found.ok_or_else(|| told(output)(TicketError::NotFound { object: yihe_quality::tickets::subject_of(id) }))
}

/// The account that holds a role in a department. The command acts with it, for first steps and demonstrations;
/// real answers are given by people on the pages.
pub async fn acting(app: &App, department: &str, role: Role) -> Result<Actor> {
    let accounts = catalogue::accounts(app).await?;
    let found = accounts.iter().find(|account| account.department == department && account.roles.contains(&role));
    let Some(account) = found else {
        bail!(
            "department `{department}` has no account with role {role}; add one with \
             `yihe account add NAME --department {department} --roles {role}`, or `yihe account cast` for all (缺少账号)"
        );
    };
    Ok(account.actor())
}

async fn show(app: &App, pack: &Pack, tickets: &Tickets, id: &str, output: &Output) -> Result<Exit> {
    let ticket = known(tickets, id, output).await?;
    table(app, pack, std::slice::from_ref(&ticket), output).await?;
    if !ticket.statement.is_empty() {
        output.line(&format!("{} {}", output.say("校核理由", "objection"), ticket.statement));
    }
    if let Some(explanation) = &ticket.explanation {
        output.line(&format!("{} {explanation}", output.say("说明", "said")));
    }
    let mut faults = Vec::new();
    if let (TicketKind::Fault, Some(dataset)) = (ticket.kind, pack.dataset(&ticket.dataset)) {
        let filter = FaultFilter {
            rule: Some(ticket.rule.clone()),
            state: ticket.is_open.then_some(FaultState::Open),
            severity: None,
        };
        let found = fault_list::list(&app.lake, &dataset.id, &filter, 0, SAMPLE).await?;
        // Whoever may see the values reads them on the page; a terminal's scroll-back is nobody's.
        let shown: Vec<_> = found.into_iter().map(|record| fault_list::shown(dataset, record, Sight::Masked)).collect();
        let rows = super::quality::fault_rows(&shown);
        let headings = super::quality::fault_headings(output);
        output.table(&headings, &rows);
        faults = shown.iter().map(super::quality::fault_object).collect();
        let lost = conflicts::evidence(app, pack, &ticket.dataset, &ticket.rule, SAMPLE).await?;
        if !lost.is_empty() {
            let cell = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let lines: Vec<Vec<String>> = lost
                .iter()
                .map(|row| vec![format!("{}:{}", cell(row, "batch"), row["row"]), cell(row, "kept_from")])
                .collect();
            output.table(&[output.say("批次:行", "batch:row"), output.say("采信的来源", "kept from")], &lines);
            faults.extend(lost);
        }
    }
    let notices =
        tickets.notices(Some(id), &app.machine(), 0, yihe_store::PAGE_ROWS_MAX).await.map_err(told(output))?;
    if !notices.is_empty() {
        notice_table(&notices, output);
    }
    let mut whole = object(&ticket);
    whole["faults"] = faults.into();
    whole["notices"] = notices.iter().map(notice_object).collect::<Vec<_>>().into();
    output.object(&whole);
    Ok(Exit::Done)
}

async fn table(app: &App, pack: &Pack, tickets: &[Ticket], output: &Output) -> Result<()> {
    let today = app.clock.today();
    let docket = app.docket(pack)?;
    let mut rows = Vec::with_capacity(tickets.len());
    for ticket in tickets {
        let items = docket.items_of(&app.store, &ticket.subject(), today).await?;
        let due = items.iter().find(|item| item.closed_at.is_none()).and_then(|item| item.due_on);
        rows.push(vec![
            ticket.id.clone(),
            subject(pack, ticket, output),
            pack.department(&ticket.department)
                .map_or(ticket.department.as_str(), |department| department.name.get(output.language))
                .to_owned(),
            standing(ticket, output),
            grouped(u64::try_from(ticket.rows_open).unwrap_or(0)),
            due.map_or_else(String::new, |day| day.to_string()),
        ]);
    }
    if rows.is_empty() {
        output.line(output.say("没有工单。", "there is no ticket."));
        return Ok(());
    }
    let headings = [
        output.say("工单", "ticket"),
        output.say("事由", "about"),
        output.say("责任部门", "answers"),
        output.say("状态", "state"),
        output.say("未更正", "standing"),
        output.say("期限", "until"),
    ];
    output.table(&headings, &rows);
    Ok(())
}

fn subject(pack: &Pack, ticket: &Ticket, output: &Output) -> String {
    match (ticket.kind, pack.dataset(&ticket.dataset)) {
        (TicketKind::Fault, Some(dataset)) => {
            let rule = messages::rule_title(dataset, &ticket.rule);
            format!("{} · {}", dataset.title.get(output.language), rule.get(output.language))
        }
        (TicketKind::Fault, None) => format!("{} · {}", ticket.dataset, ticket.rule),
        (TicketKind::Objection, _) => {
            format!("{} {} {}", output.say("校核", "objection"), ticket.entry, ticket.field)
        }
    }
}

fn standing(ticket: &Ticket, output: &Output) -> String {
    match ticket.reason {
        None => {
            let open = output.say("待办", "open");
            if ticket.times > 1 { format!("{open} ×{}", ticket.times) } else { open.to_owned() }
        }
        Some(reason) => reason.title().get(output.language).to_owned(),
    }
}

fn done(ticket: &Ticket, output: &Output) {
    output.line(&format!("{} {}", standing(ticket, output), ticket.id));
    output.object(&object(ticket));
}

/// A ticket without the key of the record it is about.
fn object(ticket: &Ticket) -> Value {
    json!({
        "id": ticket.id, "kind": ticket.kind.as_str(), "dataset": ticket.dataset, "rule": ticket.rule,
        "severity": ticket.severity, "department": ticket.department, "entry": ticket.entry, "field": ticket.field,
        "raised_by": ticket.raised_by, "state": if ticket.is_open { "open" } else { "closed" },
        "reason": ticket.reason.map(Reason::as_str), "explanation": ticket.explanation, "times": ticket.times,
        "rows_open": ticket.rows_open, "rows_seen": ticket.rows_seen, "opened_at": ticket.opened_at.to_string(),
        "closed_at": ticket.closed_at.map(|at| at.to_string()), "version": ticket.version,
    })
}

fn notice_table(notices: &[Notice], output: &Output) {
    let rows: Vec<Vec<String>> = notices
        .iter()
        .map(|notice| {
            vec![
                notice.id.clone(),
                notice.department.clone(),
                notice.outcome.clone(),
                grouped(u64::try_from(notice.supplies).unwrap_or(0)),
                if notice.acknowledged_at.is_some() {
                    output.say("已知悉", "acknowledged").to_owned()
                } else {
                    output.say("待确认", "waits").to_owned()
                },
            ]
        })
        .collect();
    let headings = [
        output.say("告知", "notice"),
        output.say("部门", "department"),
        output.say("结果", "outcome"),
        output.say("供给次数", "supplies"),
        output.say("状态", "state"),
    ];
    output.table(&headings, &rows);
}

fn notice_object(notice: &Notice) -> Value {
    json!({
        "id": notice.id, "ticket": notice.ticket, "department": notice.department, "outcome": notice.outcome,
        "supplies": notice.supplies, "receipts": notice.receipts, "told_at": notice.told_at.to_string(),
        "acknowledged_at": notice.acknowledged_at.map(|at| at.to_string()), "remark": notice.remark,
    })
}

fn told(output: &Output) -> impl Fn(TicketError) -> anyhow::Error + use<> {
    let language = output.language;
    move |error| anyhow!(error.message(language))
}
