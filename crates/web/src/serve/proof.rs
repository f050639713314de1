//! Hands out what a person needs to prove something elsewhere, to those who may see it on a page.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::IntoResponse,
};
use yihe_ledger::hashes::TreeHash;
use yihe_registries::sight::{Standing, standing};
use yihe_store::{ObjectKind, OutboxRow};

use super::{
    Answer, catalogue::refused as catalogue_refused, internal, request::refused, ticket::refused as ticket_refused,
};
use crate::{
    language::Text,
    pages::proof::ProofLink,
    problem::{Kind, Problem},
    state::{AppState, count},
    visit::Visit,
};

/// The act that announces an entry to everybody.
pub const PUBLISHED: &str = "entry.published";

/// A line for an outbox row.
#[must_use]
pub fn link(title: Text, row: &OutboxRow) -> ProofLink {
    ProofLink { title, at: row.at, index: row.leaf.map(count), item_href: format!("/ledger/items/{}", row.entry_id) }
}

/// A line for one supplied call: its leaf is its batch's, its item proves the call.
///
/// # Errors
/// The store failed.
pub async fn call_link(state: &AppState, title: Text, receipt: &str) -> Result<Option<ProofLink>, Problem> {
    let row = state.store.ledger_last_row(&ObjectKind::Usage.name(receipt)).await.map_err(internal)?;
    Ok(row.map(|row| ProofLink { item_href: format!("/ledger/calls/{receipt}"), ..link(title, &row) }))
}

/// `GET /ledger/items/{id}`: entry, payload and salt of one ledger entry.
pub async fn item(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let row = state.store.outbox_find(&id).await.map_err(internal)?.ok_or(Kind::NotFound)?;
    // Whoever may not see the page cannot tell an entry of another from none.
    if !may_see(&state, &visit, &row.object, &row.kind).await? {
        return Err(Kind::NotFound.into());
    }
    let object = row.object.clone();
    answer(&state, row, &object).await
}

/// `GET /ledger/calls/{receipt}`: the entry of a supplied call's batch, with the call and its place in it.
pub async fn call(State(state): State<Arc<AppState>>, visit: Visit, Path(receipt): Path<String>) -> Answer {
    let object = ObjectKind::Usage.name(&receipt);
    if !may_see(&state, &visit, &object, "").await? {
        return Err(Kind::NotFound.into());
    }
    let row = state.store.ledger_last_row(&object).await.map_err(internal)?.ok_or(Kind::NotFound)?;
    answer(&state, row, &object).await
}

/// Whether the visitor may see the page of an object, and with it what the ledger says of it.
async fn may_see(state: &AppState, visit: &Visit, object: &str, act: &str) -> Result<bool, Problem> {
    let Some((kind, id)) = ObjectKind::parse(object) else { return Ok(false) };
    if kind == ObjectKind::Entry {
        // A draft is nobody's business; what was announced is everybody's.
        let announced = state.catalogue.find_published(id).await.map_err(catalogue_refused)?.is_some();
        return Ok(announced && act == PUBLISHED);
    }
    let Some(account) = &visit.account else { return Ok(false) };
    let actor = account.actor();
    match kind {
        ObjectKind::Request => Ok(state.exchange.find(id, &actor).await.map_err(refused)?.is_some()),
        ObjectKind::Grant => Ok(state.exchange.grant_find(id, &actor).await.map_err(refused)?.is_some()),
        ObjectKind::Usage => {
            let Some(usage) = state.store.usage_find(id).await.map_err(internal)? else { return Ok(false) };
            Ok(state.exchange.grant_find(&usage.grant_id, &actor).await.map_err(refused)?.is_some())
        }
        ObjectKind::Ticket => Ok(state.tickets.find(id, &actor).await.map_err(ticket_refused)?.is_some()),
        ObjectKind::Notice => {
            let Some(notice) = state.store.notice_find(id).await.map_err(internal)? else { return Ok(false) };
            let known = state.tickets.notices(Some(&notice.ticket), &actor, 0, yihe_store::PAGE_ROWS_MAX).await;
            Ok(known.map_err(ticket_refused)?.iter().any(|known| known.id == id))
        }
        ObjectKind::Disclosure => {
            let Some(shown) = state.store.disclosure_find(id).await.map_err(internal)? else { return Ok(false) };
            let pack = state.pack();
            let Some(registry) = pack.registry(&shown.registry) else { return Ok(false) };
            Ok(standing(&actor, registry, &pack) == Standing::Keeper)
        }
        // Batches of calls are many departments' at once: each call is handed out by itself.
        ObjectKind::Calls
        | ObjectKind::Entry
        | ObjectKind::Definition
        | ObjectKind::Batch
        | ObjectKind::Run
        | ObjectKind::Item
        | ObjectKind::Decision
        | ObjectKind::Label
        | ObjectKind::Protection
        | ObjectKind::Embargo => Ok(false),
    }
}

async fn answer(state: &AppState, row: OutboxRow, object: &str) -> Answer {
    let (Some(log), Some(index)) = (state.log.clone(), row.leaf.map(count)) else { return Err(Kind::NotFound.into()) };
    let entry = tokio::task::spawn_blocking(move || {
        let head = log.head(TreeHash::Sha256)?;
        log.entry(index, head.size)
    });
    let entry = entry.await.map_err(internal)?.map_err(internal)?;
    let item = state.store.ledger_item(&row, entry, object).await.map_err(internal)?;
    let body = serde_json::to_string_pretty(&item.to_json().map_err(internal)?).map_err(internal)?;
    let name = HeaderValue::from_str(&format!("attachment; filename=\"entry-{index}.json\"")).map_err(internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, name),
        // It may hold personal data: no cache keeps it.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, body).into_response())
}
