//! The docket of the signed-in account.

use std::sync::Arc;

use axum::extract::State;
use yihe_definitions::Pack;
use yihe_docket::{Item, Worklist};
use yihe_store::RequestFilter;

use super::{Answer, clock_view, html, internal, subject_href, waits_for};
use crate::{
    language::Text,
    layout::Part,
    pages::docket::{self, DocketView, PAGE_SIZE},
    state::{AppState, department_name},
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
    // What I wait for: open items of the requests that my department made and another must act on.
    let party = RequestFilter { party: Some(account.department.clone()), ..RequestFilter::default() };
    let mut others = Vec::new();
    for request in state.store.request_list(&party, 0, page_size).await.map_err(internal)? {
        let subject = yihe_store::ObjectKind::Request.name(&request.id);
        let items = state.docket.items_of(&state.store, &subject, today).await.map_err(internal)?;
        others.extend(items.into_iter().filter(|item| item.closed_at.is_none() && !mine.iter().any(|own| own.id == item.id)));
    }
    let lines = |items: &[Item]| items.iter().map(|item| line(&pack, item)).collect();
    let view = DocketView { mine: lines(&mine), others: lines(&others) };
    Ok(html(docket::page(&frame, &view)))
}

fn line(pack: &Pack, item: &Item) -> docket::Item {
    docket::Item {
        task: item.title.clone(),
        subject: procedure(&item.procedure, pack, &item.department),
        href: subject_href(&item.subject).unwrap_or_else(|| "/docket".to_owned()),
        who: waits_for(pack, item),
        clock: clock_view(item),
    }
}

/// The kind of procedure in words.
fn procedure(name: &str, pack: &Pack, department: &str) -> Text {
    match name {
        "share_request" => Text::new("共享申请", "share request"),
        "entry_review" | "entry_publication" => Text::new("目录审核", "catalogue review"),
        _ => department_name(pack, department),
    }
}
