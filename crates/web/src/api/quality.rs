//! Scores and open faults as JSON.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::IntoResponse,
};
use serde_json::{Value, json};
use yihe_quality::overview::{self, Overview};

use crate::{
    pages::quality::{PartLine, ScoreView},
    problem::Kind,
    serve::{Answer, internal, quality},
    state::AppState,
};

/// `GET /api/v1/quality`
pub async fn city(State(state): State<Arc<AppState>>) -> Answer {
    let view = quality::city_view(&state).await?;
    Ok(Json(json!({
        "score": score(&view.score),
        "rows": view.rows,
        "faults_open": view.open,
        "tickets_open": view.tickets,
        "departments": view.parts.iter().map(part).collect::<Vec<_>>(),
        "counties": view.counties.iter().map(part).collect::<Vec<_>>(),
    }))
    .into_response())
}

/// `GET /api/v1/quality/datasets/{id}`
pub async fn dataset(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Answer {
    let pack = state.pack();
    if pack.dataset(&id).is_none() {
        return Err(Kind::NotFound.into());
    }
    let scheme = pack.scheme();
    let overview = Overview::read(&state.store, &pack).await.map_err(internal)?;
    let history = overview::history(&state.store, &scheme, &id).await.map_err(internal)?;
    let checks: Vec<Value> = history
        .iter()
        .map(|point| {
            json!({
                "at": point.at.to_string(), "rows": point.rows, "score": point.score, "new": point.new,
                "reopened": point.reopened, "ended": point.ended, "open": point.open,
            })
        })
        .collect();
    let Some(scored) = overview.datasets.get(&id) else {
        return Ok(Json(json!({ "dataset": id, "score": null, "rules": [], "checks": checks })).into_response());
    };
    let rules: Vec<Value> = scored
        .metrics
        .iter()
        .map(|metric| {
            json!({
                "id": metric.id, "dimension": metric.dimension, "severity": metric.severity,
                "evaluated": metric.evaluated, "failed": metric.failed, "value": metric.value,
            })
        })
        .collect();
    Ok(Json(json!({
        "dataset": id,
        "score": score(&quality::score_view(&scheme, &scored.score)),
        "rows": scored.rows,
        "faults_open": scored.open,
        "checked_at": scored.checked_at.to_string(),
        "rules": rules,
        "checks": checks,
    }))
    .into_response())
}

fn score(view: &ScoreView) -> Value {
    json!({
        "value": view.value,
        "grade": view.grade.as_ref().map(|grade| json!({ "zh": grade.zh, "en": grade.en })),
        "dimensions": view.dimensions.iter().map(|(dimension, value, share)| {
            json!({ "dimension": dimension, "value": value, "weight": share })
        }).collect::<Vec<_>>(),
    })
}

fn part(line: &PartLine) -> Value {
    json!({
        "name": { "zh": line.name.zh, "en": line.name.en }, "href": line.href, "score": score(&line.score),
        "rows": line.rows, "faults_open": line.open, "tickets_open": line.tickets,
    })
}
