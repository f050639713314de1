//! 校核: the form of an objection, and its face for programs.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect},
};
use serde::Deserialize;
use serde_json::{Value, json};
use yihe_quality::tickets::Objection;
use yihe_store::{Actor, Role};

use super::{Answer, html, internal, ticket::refused};
use crate::{
    form::Fields,
    guard::Bearer,
    language::Text,
    layout::Part,
    pages::{
        objection::{self, ObjectionView, SupplyFacts},
        ticket::SAID_MAX,
    },
    problem::{Kind, Problem},
    state::AppState,
    visit::Visit,
};

/// Longest receipt, in characters.
const RECEIPT_MAX: usize = 64;
/// Longest name of a field, in characters.
const FIELD_MAX: usize = 64;

/// What the form's address asks for.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    receipt: Option<String>,
}

/// `GET /objections/new`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Query(wanted): Query<Wanted>) -> Answer {
    let frame = visit.frame(&state, Part::Tickets).await?;
    let receipt: String = wanted.receipt.unwrap_or_default().trim().chars().take(RECEIPT_MAX).collect();
    let supply = supply(&state, &visit.account()?.department, &receipt).await?;
    Ok(html(objection::page(&frame, &ObjectionView { receipt, supply })))
}

/// The supply of a receipt, when it is one of the department's.
async fn supply(state: &AppState, department: &str, receipt: &str) -> Result<Option<SupplyFacts>, Problem> {
    let usage = state.store.usage_find(receipt).await.map_err(internal)?;
    let Some(usage) = usage.filter(|usage| usage.grantee == department && usage.row_count > 0) else {
        return Ok(None);
    };
    let entry = state.catalogue.find_published(&usage.entry).await.map_err(super::catalogue::refused)?;
    let columns: Vec<Value> = serde_json::from_str(&usage.columns).unwrap_or_default();
    let fields = columns.iter().filter_map(|column| column["name"].as_str()).map(|name| {
        let item = entry.as_ref().and_then(|entry| entry.items.iter().find(|item| item.name == name));
        (name.to_owned(), item.map_or_else(|| Text::new(name, name), |item| item.title.clone()))
    });
    Ok(Some(SupplyFacts {
        fields: fields.collect(),
        entry: entry.map_or_else(|| Text::new(&usage.entry, &usage.entry), |entry| entry.title),
        case_number: usage.case_number,
        at: usage.at,
    }))
}

/// `POST /objections`
pub async fn create(State(state): State<Arc<AppState>>, visit: Visit, Extension(fields): Extension<Fields>) -> Answer {
    let actor = visit.account()?.actor();
    let objection = Objection {
        receipt: fields.one("receipt", RECEIPT_MAX)?.to_owned(),
        field: Some(fields.one("field", FIELD_MAX)?.to_owned()),
        statement: fields.one("said", SAID_MAX)?.to_owned(),
    };
    let raised = state.tickets.object(&state.pack(), &objection, &actor, state.clock.now()).await.map_err(refused)?;
    Ok(Redirect::to(&format!("/tickets/{}", raised.id)).into_response())
}

/// What a program sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    receipt: String,
    #[serde(default)]
    field: Option<String>,
    statement: String,
}

/// `POST /api/v1/objections`, with the token under which the record was supplied.
pub async fn receive(
    State(state): State<Arc<AppState>>,
    Extension(bearer): Extension<Bearer>,
    Json(sent): Json<Sent>,
) -> Answer {
    let now = state.clock.now();
    let token = state.store.token_find(&bearer.0).await.map_err(internal)?;
    let token = token.filter(|token| token.revoked_at.is_none() && now < token.expires_at);
    let Some(token) = token else { return Err(Kind::Unauthenticated.into()) };
    // The program acts for its department: the token is the actor, as it is in use records.
    let actor = Actor { account: token.id, department: token.department, roles: vec![Role::Officer] };
    let objection = Objection { receipt: sent.receipt, field: sent.field, statement: sent.statement };
    let raised = state.tickets.object(&state.pack(), &objection, &actor, now).await.map_err(refused)?;
    let body = json!({
        "ticket": raised.id, "department": raised.department, "dataset": raised.dataset,
        "opened_at": raised.opened_at.to_string(),
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
