//! The docket of the signed-in account.

use std::sync::Arc;

use axum::extract::State;
use yihe_definitions::Pack;
use yihe_docket::{Item, Worklist};

use super::{Answer, clock_view, html, internal, items::describe, request::refused, waits_for};
use crate::{
    layout::Part,
    pages::docket::{self, DocketView, PAGE_SIZE},
    problem::Problem,
    state::AppState,
    visit::Visit,
};

/// `GET /docket`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit) -> Answer {
    let frame = visit.frame(&state, Part::Docket).await?;
    let account = visit.account()?;
    let pack = state.pack();
    let today = state.clock.today();
    let page_size = i64::try_from(PAGE_SIZE).unwrap_or(i64::MAX);
    let mut mine = Vec::new();
    for role in &account.roles {
        let list = Worklist::Own { department: &account.department, role: *role };
        let page = state.docket.worklist(&state.store, list, today, 0, page_size).await.map_err(internal)?;
        mine.extend(page.items);
    }
    mine.sort_by_key(|item| (item.due_on.is_none(), item.due_on, item.opened_at));
    mine.truncate(PAGE_SIZE);
    // What I wait for: open items of requests that I may know of and that another must act on.
    let mut others = Vec::new();
    for request in state.exchange.list(&account.actor(), None, 0, page_size).await.map_err(refused)? {
        let subject = yihe_store::ObjectKind::Request.name(&request.id);
        let items = state.docket.items_of(&state.store, &subject, today).await.map_err(internal)?;
        others.extend(
            items.into_iter().filter(|item| item.closed_at.is_none() && !mine.iter().any(|own| own.id == item.id)),
        );
    }
    let view = DocketView { mine: lines(&state, &pack, &mine).await?, others: lines(&state, &pack, &others).await? };
    Ok(html(docket::page(&frame, &view)))
}

async fn lines(state: &AppState, pack: &Pack, items: &[Item]) -> Result<Vec<docket::Item>, Problem> {
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let described = describe(state, item).await?;
        lines.push(docket::Item {
            task: described.task,
            subject: described.subject,
            href: described.href.unwrap_or_else(|| "/docket".to_owned()),
            who: waits_for(pack, item),
            clock: clock_view(item),
        });
    }
    Ok(lines)
}
