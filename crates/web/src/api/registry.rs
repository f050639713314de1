//! Registries as JSON: figures, sources, trials. Values are masked: whoever may see them has a grant.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::IntoResponse,
};
use serde_json::{Value, json};
use yihe_registries::sight::Standing;

use crate::{
    language::Text,
    pages::registry::{
        Figures,
        trial::{ChangeLine, TrialState},
    },
    serve::{Answer, registry},
    state::AppState,
    visit::Visit,
};

/// `GET /api/v1/registries`
pub async fn list(State(state): State<Arc<AppState>>) -> Answer {
    let view = registry::list_view(&state).await?;
    Ok(Json(json!({ "registries": view.registries.iter().map(figures).collect::<Vec<_>>() })).into_response())
}

/// `GET /api/v1/registries/{id}`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let pack = state.pack();
    let known = registry::find(&pack, &id)?;
    let view = registry::view(&state, &visit, &pack, known, None).await?;
    let mut body = figures(&view.figures);
    body["counted"] = view.is_counted.into();
    body["fields"] = view
        .fields
        .iter()
        .map(|field| {
            json!({
                "name": field.name, "title": text(&field.title), "group": field.group, "filled": field.filled,
                "conflicts": field.conflicts,
                "sources": field.sources.iter().map(|source| json!({
                    "dataset": text(&source.dataset), "department": text(&source.department), "rank": source.rank,
                    "taken": source.taken,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    body["departments"] = view
        .departments
        .iter()
        .map(|line| {
            json!({ "name": text(&line.name), "source_of": line.source_of, "taken": line.taken, "lost": line.lost })
        })
        .collect();
    Ok(Json(body).into_response())
}

/// `GET /api/v1/registries/{id}/what-if/{trial}`
pub async fn trial(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, name)): Path<(String, String)>,
) -> Answer {
    let pack = state.pack();
    let known = registry::find_for(&visit, &pack, &id, Standing::Keeper)?;
    let found = state.desk.trial(&known.id, &name).ok_or_else(registry::trial::forgotten)?;
    let view = registry::trial::view(&pack, known, &found);
    let mut body = json!({
        "trial": view.trial, "registry": view.registry, "field": view.field_name, "begun_at": view.begun_at.to_string(),
        "before": found.before, "after": found.after,
    });
    match &view.state {
        TrialState::Running => body["state"] = "running".into(),
        TrialState::Failed(reason) => {
            body["state"] = "failed".into();
            body["reason"] = text(reason);
        }
        TrialState::Done { entities, changes } => {
            body["state"] = "done".into();
            body["entities"] = (*entities).into();
            body["changes"] = changes.iter().map(change).collect();
        }
    }
    Ok(Json(body).into_response())
}

fn change(line: &ChangeLine) -> Value {
    json!({
        "field": text(&line.field), "altered": line.altered, "lost": line.lost, "gained": line.gained,
        "moved": line.moved,
        "examples": line.examples.iter().map(|example| json!({
            "key": example.key, "before": example.before.0, "before_from": text(&example.before.1),
            "after": example.after.0, "after_from": text(&example.after.1),
        })).collect::<Vec<_>>(),
    })
}

fn figures(line: &Figures) -> Value {
    json!({
        "id": line.id, "title": text(&line.title), "department": text(&line.department), "entities": line.entities,
        "records": line.records, "unlinked": line.unlinked, "conflicts": line.conflicts, "doubtful": line.doubtful,
        "members": line.members, "built_at": line.built_at.map(|at| at.to_string()),
    })
}

/// Both wordings; `en` is null where nobody translated.
pub(crate) fn text(text: &Text) -> Value {
    json!({ "zh": text.zh, "en": text.en })
}
