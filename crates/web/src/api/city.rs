//! The numbers of the home page as JSON.

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use serde_json::json;

use crate::{
    serve::{Answer, home},
    state::AppState,
    visit::Visit,
};

/// `GET /api/v1/city`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit) -> Answer {
    let view = home::view(&state, &visit).await?;
    let departments: Vec<_> = view
        .departments
        .iter()
        .map(|line| {
            json!({
                "id": line.id,
                "name": { "zh": line.name.zh, "en": line.name.en },
                "datasets_promised": line.promised,
                "datasets_delivered": line.delivered,
                "rows_accepted": line.rows,
                "rows_quarantined": line.quarantined,
                "quality_score": line.score,
                "last_batch_at": line.last_at.map(|at| at.to_string()),
            })
        })
        .collect();
    let registries: Vec<_> = view
        .registries
        .iter()
        .map(|line| json!({ "title": { "zh": line.title.zh, "en": line.title.en }, "records": line.records, "conflicts": line.conflicts }))
        .collect();
    Ok(Json(json!({
        "city": { "zh": state.settings.city.zh, "en": state.settings.city.en },
        "intake": {
            "batches": view.intake.batches,
            "rows_in": view.intake.rows_in,
            "rows_accepted": view.intake.rows_accepted,
            "rows_quarantined": view.intake.rows_quarantined,
            "quality_score": view.intake.score,
        },
        "datasets": view.datasets,
        "entries": view.entries,
        "registries": registries,
        "departments": departments,
        "supply": { "calls": view.supply.calls, "records": view.supply.records, "grants": view.supply.grants },
        "ledger": { "size": view.ledger.size, "root": view.ledger.root, "checkpoint_at": view.ledger.checkpoint_at.map(|at| at.to_string()) },
        "waiting": view.waiting_total,
    }))
    .into_response())
}
