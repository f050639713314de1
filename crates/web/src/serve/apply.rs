//! The form that asks for a share, new or rewritten.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect},
};
use jiff::{ToSpan, civil::Date};
use serde::Deserialize;
use yihe_catalogue::Entry;
use yihe_definitions::ShareMethod;
use yihe_exchange::{
    Action, Application, ApplicationFault, Condition, ExchangeError, Request, Unmasking, application::Statement,
};

use super::{
    Answer,
    entry::{find as find_entry, method_title, sensitivity},
    html,
    request::{find as find_request, refused},
};
use crate::{
    form::Fields,
    language::Text,
    layout::Part,
    pages::{
        apply::{self, ApplyView, Filled},
        catalogue::entry_href,
        request::SAID_MAX,
    },
    problem::Problem,
    state::AppState,
    visit::Visit,
};

/// Calls per day that the form proposes.
const CALLS_PROPOSED: i64 = 1_000;

/// Which entry is asked for.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    entry: String,
}

/// `GET /requests/new`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Query(wanted): Query<Wanted>) -> Answer {
    let entry = find_entry(&state, &wanted.entry).await?;
    let frame = visit.frame(&state, Part::Catalogue).await?;
    // A year is the longest that most cities grant at a time.
    let until = state.clock.today().saturating_add(1.year());
    let filled = Filled { until_on: until.to_string(), calls_per_day: CALLS_PROPOSED.to_string(), ..Filled::default() };
    Ok(html(apply::page(&frame, &view(&entry, filled, Vec::new(), None))))
}

/// `POST /requests`
pub async fn create(State(state): State<Arc<AppState>>, visit: Visit, Extension(fields): Extension<Fields>) -> Answer {
    let entry = find_entry(&state, fields.one("entry", 64)?).await?;
    let filled = filled(&fields)?;
    let actor = visit.account()?.actor();
    let now = state.clock.now();
    let drafted = match application(&filled) {
        Err(faults) => return again(&state, &visit, &entry, filled, faults, None).await,
        Ok(application) => state.exchange.draft(&entry.code.to_string(), application, &actor, now).await,
    };
    match drafted {
        Err(ExchangeError::Faults { faults }) => {
            again(&state, &visit, &entry, filled, faults.iter().map(sentence).collect(), None).await
        }
        Err(error) => Err(refused(error)),
        Ok(request) => {
            state.exchange.step(&request.id, &Action::Submit, None, &actor, now).await.map_err(refused)?;
            Ok(Redirect::to(&format!("/requests/{}", request.id)).into_response())
        }
    }
}

/// `GET /requests/{id}/edit`
pub async fn edit(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let request = find_request(&state, visit.account()?, &id).await?;
    let entry = find_entry(&state, &request.entry).await?;
    let frame = visit.frame(&state, Part::Docket).await?;
    let rewrites = Some((request.id.clone(), request.version));
    Ok(html(apply::page(&frame, &view(&entry, written(&request), Vec::new(), rewrites))))
}

/// `POST /requests/{id}/edit`
pub async fn amend(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let account = visit.account()?;
    let request = find_request(&state, account, &id).await?;
    let entry = find_entry(&state, &request.entry).await?;
    let filled = filled(&fields)?;
    let version = fields.one("version", 20)?.parse().unwrap_or(request.version);
    let rewrites = Some((request.id.clone(), version));
    let amended = match application(&filled) {
        Err(faults) => return again(&state, &visit, &entry, filled, faults, rewrites).await,
        Ok(application) => state.exchange.amend(&id, application, version, &account.actor(), state.clock.now()).await,
    };
    match amended {
        Err(ExchangeError::Faults { faults }) => {
            again(&state, &visit, &entry, filled, faults.iter().map(sentence).collect(), rewrites).await
        }
        Err(error) => Err(refused(error)),
        Ok(_) => Ok(Redirect::to(&format!("/requests/{id}")).into_response()),
    }
}

type Faults = Vec<(&'static str, Text)>;

/// The form again, with every fault at once.
async fn again(
    state: &AppState,
    visit: &Visit,
    entry: &Entry,
    filled: Filled,
    faults: Faults,
    rewrites: Option<(String, i64)>,
) -> Answer {
    let frame = visit.frame(state, Part::Catalogue).await?;
    let mut response = html(apply::page(&frame, &view(entry, filled, faults, rewrites)));
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

fn view(entry: &Entry, filled: Filled, faults: Faults, rewrites: Option<(String, i64)>) -> ApplyView {
    let code = entry.code.to_string();
    ApplyView {
        entry_href: entry_href(&code),
        entry_code: code,
        entry_title: entry.title.clone(),
        columns: entry
            .items
            .iter()
            .map(|item| (item.name.clone(), item.title.clone(), sensitivity(item.sensitivity)))
            .collect(),
        methods: entry.methods.iter().map(|method| (method_name(*method), method_title(*method))).collect(),
        filled,
        faults,
        rewrites,
    }
}

/// The form's content as it was sent, bounded.
fn filled(fields: &Fields) -> Result<Filled, Problem> {
    let text = |name: &str| fields.one(name, SAID_MAX * 2).map(str::to_owned);
    Ok(Filled {
        basis: text("basis")?,
        scenario: text("scenario")?,
        scope: text("scope")?,
        purpose: text("purpose")?,
        method: text("method")?,
        until_on: text("until_on")?,
        calls_per_day: text("calls_per_day")?,
        columns: fields.all("columns").map(str::to_owned).collect(),
        unmasked: fields.all("unmasked").map(str::to_owned).collect(),
        unmasked_because: text("unmasked_because")?,
        row_column: text("row_column")?,
        row_values: text("row_values")?,
    })
}

/// The form's content as an application. What can be written is checked by `exchange`; only what cannot is said here.
fn application(filled: &Filled) -> Result<Application, Faults> {
    let mut faults = Vec::new();
    let until = filled.until_on.parse::<Date>();
    if until.is_err() {
        faults.push(("until_on", Text::new("使用时限应写成 2027-11-30 的形式", "write the last day as 2027-11-30")));
    }
    let method = [ShareMethod::Service, ShareMethod::Exchange, ShareMethod::File]
        .into_iter()
        .find(|method| method_name(*method) == filled.method);
    if method.is_none() {
        faults.push(("method", Text::new("请选择共享方式", "choose a way of supply")));
    }
    let calls = filled.calls_per_day.parse::<i64>();
    if calls.is_err() {
        faults.push(("calls_per_day", Text::new("每日调用次数应为整数", "calls per day are a whole number")));
    }
    let (Ok(until), Some(method), Ok(calls_per_day)) = (until, method, calls) else { return Err(faults) };
    let rows = if filled.row_column.is_empty() {
        Vec::new()
    } else {
        let values = filled
            .row_values
            .split([',', '，', '、'])
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(str::to_owned);
        vec![Condition { column: filled.row_column.clone(), values: values.collect() }]
    };
    Ok(Application {
        basis: filled.basis.clone(),
        scenario: filled.scenario.clone(),
        scope: filled.scope.clone(),
        method,
        until,
        purpose: filled.purpose.clone(),
        columns: filled.columns.clone(),
        rows,
        unmasked: filled
            .unmasked
            .iter()
            .map(|column| Unmasking { column: column.clone(), reason: filled.unmasked_because.clone() })
            .collect(),
        calls_per_day,
    })
}

/// An application as the form shows it again. More than one condition does not fit the page and stays as it was.
fn written(request: &Request) -> Filled {
    let application = &request.application;
    let condition = application.rows.first();
    Filled {
        basis: application.basis.clone(),
        scenario: application.scenario.clone(),
        scope: application.scope.clone(),
        purpose: application.purpose.clone(),
        method: method_name(application.method).to_owned(),
        until_on: application.until.to_string(),
        calls_per_day: application.calls_per_day.to_string(),
        columns: application.columns.clone(),
        unmasked: application.unmasked.iter().map(|unmasking| unmasking.column.clone()).collect(),
        unmasked_because: application.unmasked.first().map(|unmasking| unmasking.reason.clone()).unwrap_or_default(),
        row_column: condition.map(|condition| condition.column.clone()).unwrap_or_default(),
        row_values: condition.map(|condition| condition.values.join(",")).unwrap_or_default(),
    }
}

fn method_name(method: ShareMethod) -> &'static str {
    match method {
        ShareMethod::Service => "service",
        ShareMethod::Exchange => "exchange",
        ShareMethod::File => "file",
    }
}

/// A fault with the field to which it belongs.
fn sentence(fault: &ApplicationFault) -> (&'static str, Text) {
    let field = match fault {
        ApplicationFault::Blank { statement } | ApplicationFault::TooLong { statement, .. } => match statement {
            Statement::Basis => "basis",
            Statement::Scenario => "scenario",
            Statement::Scope => "scope",
            Statement::Purpose => "purpose",
        },
        ApplicationFault::Withheld | ApplicationFault::NoKey | ApplicationFault::MethodNotOffered => "method",
        ApplicationFault::UntilPassed => "until_on",
        ApplicationFault::NoColumns | ApplicationFault::UnknownColumn { .. } | ApplicationFault::ColumnTwice { .. } => {
            "columns"
        }
        ApplicationFault::Conditions | ApplicationFault::Protection => "row_values",
        ApplicationFault::Unmasking { .. } => "unmasked_because",
        ApplicationFault::Quota { .. } => "calls_per_day",
    };
    (field, fault.text())
}
