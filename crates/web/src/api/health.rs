//! Whether the house stands: for watchdogs and load balancers.

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use serde_json::json;

use crate::{
    serve::{Answer, internal},
    state::AppState,
};

/// `GET /healthz`: 200 when the store answers.
pub async fn show(State(state): State<Arc<AppState>>) -> Answer {
    let pending = state.store.outbox_count_pending().await.map_err(internal)?;
    Ok(Json(json!({ "status": "ok", "ledger_pending": pending })).into_response())
}
