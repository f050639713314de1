//! The catalogue as JSON.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    response::IntoResponse,
};
use serde_json::{Value, json};
use yihe_catalogue::{Entry, search::sharing_word};
use yihe_definitions::{OpenAttribute, Sharing, Text};

use crate::{
    pages::catalogue::PAGE_SIZE,
    serve::{
        Answer,
        catalogue::{Asking, found},
        entry::find,
    },
    state::AppState,
};

/// `GET /api/v1/catalogue`
pub async fn list(State(state): State<Arc<AppState>>, Query(asking): Query<Asking>) -> Answer {
    let page = found(&state, &asking.search()?, asking.page()).await?;
    let entries: Vec<Value> = page
        .entries
        .iter()
        .map(|line| {
            json!({
                "code": line.code,
                "title": text(&line.title),
                "summary": text(&line.summary),
                "department": line.department,
                "department_name": text(&line.department_name),
                "sharing": line.sharing.as_str(),
                "columns": line.items,
                "published_at": line.published_at.map(|at| at.to_string()),
            })
        })
        .collect();
    Ok(Json(json!({ "entries": entries, "total": page.total, "page": asking.page(), "page_size": PAGE_SIZE }))
        .into_response())
}

/// `GET /api/v1/catalogue/{*code}`
pub async fn show(State(state): State<Arc<AppState>>, Path(code): Path<String>) -> Answer {
    Ok(Json(document(&find(&state, &code).await?)).into_response())
}

fn document(entry: &Entry) -> Value {
    let columns: Vec<Value> = entry
        .items
        .iter()
        .map(|item| {
            json!({
                "name": item.name,
                "title": text(&item.title),
                "type": item.column_type.to_string(),
                "key": entry.key.contains(&item.name),
                "sensitivity": item.sensitivity,
                "codes": item.codes,
            })
        })
        .collect();
    let terms = match &entry.sharing {
        Sharing::Unconditional => Value::Null,
        Sharing::Conditional { scope, purpose } => json!({ "scope": text(scope), "purpose": text(purpose) }),
        Sharing::Withheld { reason, legal_basis } => {
            json!({ "reason": text(reason), "legal_basis": text(legal_basis) })
        }
    };
    let open = match &entry.open {
        OpenAttribute::Closed => json!({ "type": "closed" }),
        OpenAttribute::Open => json!({ "type": "open" }),
        OpenAttribute::Conditional { condition } => json!({ "type": "conditional", "condition": text(condition) }),
    };
    json!({
        "code": entry.code.to_string(),
        "classification": entry.classification.to_string(),
        "title": text(&entry.title),
        "summary": text(&entry.summary),
        "department": entry.department,
        "department_name": text(&entry.department_name),
        "department_code": entry.department_code,
        "format": entry.format.as_str(),
        "columns": columns,
        "sharing": { "type": sharing_word(&entry.sharing).as_str(), "terms": terms, "methods": entry.methods },
        "open": open,
        "update_cycle": entry.update_cycle,
        "grade": text(&entry.grade),
        "published_at": entry.published_at.map(|at| at.to_string()),
        "related": entry.related.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Both wordings; `en` is null where nobody translated.
fn text(text: &Text) -> Value {
    json!({ "zh": text.zh, "en": text.en })
}
