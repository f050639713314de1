//! Grants of the signed-in account's department: how to use them, their tokens, their suspension.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use yihe_exchange::{Condition, Grant, GrantState, GrantStep};
use yihe_store::{Account, ObjectKind, Role};

use super::{Answer, catalogue::refused as catalogue_refused, html, internal, proof, request::refused};
use crate::{
    form::Fields,
    language::{Text, capital},
    layout::Part,
    pages::{
        catalogue::entry_href,
        grants::{self, GrantsView, NewToken, TOKEN_NAME_MAX},
        request::SAID_MAX,
    },
    problem::{Kind, Problem},
    state::{AppState, count, department_name},
    visit::Visit,
};

/// Grants shown.
const GRANTS_MAX: i64 = 100;
/// Supplied calls of each grant for which a proof is offered.
const CALLS_SHOWN: i64 = 10;

/// `GET /grants`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit) -> Answer {
    page(&state, &visit, None).await
}

/// `POST /grants/{id}/{act}`
pub async fn act(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, act)): Path<(String, String)>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let actor = visit.account()?.actor();
    let now = state.clock.now();
    if act == "token" {
        let name = fields.one("name", TOKEN_NAME_MAX)?;
        let (token, _) = state.exchange.token_issue(&id, name, &actor, now).await.map_err(refused)?;
        // Shown once, in the answer itself: a redirect would have to keep it somewhere.
        return page(&state, &visit, Some(NewToken { grant: id, token })).await;
    }
    let step = GrantStep::ALL.into_iter().find(|step| step_name(*step) == act).ok_or(Kind::NotFound)?;
    let version = fields.one("version", 20)?.parse().ok();
    state
        .exchange
        .grant_step(&id, step, fields.one("reason", SAID_MAX)?, version, &actor, now)
        .await
        .map_err(refused)?;
    Ok(Redirect::to("/grants").into_response())
}

async fn page(state: &AppState, visit: &Visit, new_token: Option<NewToken>) -> Result<Response, Problem> {
    let frame = visit.frame(state, Part::Grants).await?;
    let account = visit.account()?;
    let mut lines = Vec::new();
    for grant in state.exchange.grant_list(&account.actor(), None, 0, GRANTS_MAX).await.map_err(refused)? {
        lines.push(line(state, account, grant).await?);
    }
    let view = GrantsView { grants: lines, new_token, server: state.settings.address.clone() };
    Ok(html(grants::page(&frame, &view)))
}

async fn line(state: &AppState, account: &Account, grant: Grant) -> Result<grants::Grant, Problem> {
    let pack = state.pack();
    let actor = account.actor();
    let entry = state.catalogue.find_published(&grant.entry).await.map_err(catalogue_refused)?;
    let plain = |text: &str| Text { zh: text.to_owned(), en: Some(text.to_owned()) };
    let title_of = |name: &str| {
        let item = entry.as_ref().and_then(|entry| entry.items.iter().find(|item| item.name == name));
        item.map_or_else(|| plain(name), |item| item.title.clone())
    };
    let oversees = actor.is(Role::Head, &grant.provider) || actor.is(Role::Reviewer, state.catalogue.authority());
    let calls_today = state.store.grant_calls(&grant.id, state.clock.today()).await.map_err(internal)?;
    let last = state.store.usage_list(Some(&grant.id), 0, CALLS_SHOWN).await.map_err(internal)?;
    let mut proofs = Vec::new();
    if let Some(row) = state.store.ledger_last_row(&ObjectKind::Grant.name(&grant.id)).await.map_err(internal)? {
        proofs.push(proof::link(Text::new("授权", "Grant"), &row));
    }
    for usage in &last {
        let title = Text::new(format!("供数 {}", usage.case_number), format!("Supply {}", usage.case_number));
        proofs.extend(proof::call_link(state, title, &usage.id).await?);
    }
    Ok(grants::Grant {
        entry_title: entry.as_ref().map_or_else(|| plain(&grant.entry), |entry| entry.title.clone()),
        entry_href: entry_href(&grant.entry),
        holder: department_name(&pack, &grant.grantee),
        purpose: grant.purpose.clone(),
        columns: grant
            .columns
            .iter()
            .map(|column| (column.name.clone(), title_of(&column.name), column.mask.is_some()))
            .collect(),
        rows: grant.rows.iter().map(Condition::text).collect(),
        until_on: grant.valid_until,
        state: grant.state,
        reason: grant.reason.clone(),
        resource: grant.source.id().to_owned(),
        key: grant.key.clone(),
        calls_today: count(calls_today),
        calls_per_day: count(grant.calls_per_day),
        last_call_at: last.first().map(|usage| usage.at),
        may_make_token: grant.state == GrantState::Active && actor.is(Role::Officer, &grant.grantee),
        steps: GrantStep::ALL
            .into_iter()
            .filter(|step| oversees && step.from().contains(&grant.state))
            .map(|step| (step_name(step), capital(step.title())))
            .collect(),
        version: grant.version,
        proofs,
        id: grant.id,
    })
}

fn step_name(step: GrantStep) -> &'static str {
    match step {
        GrantStep::Suspend => "suspend",
        GrantStep::Resume => "resume",
        GrantStep::Terminate => "terminate",
    }
}
