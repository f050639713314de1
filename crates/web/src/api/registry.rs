//! Registries as JSON: figures, sources, golden records, pairs, review, trials. Values are masked: whoever may see them has a grant.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};
use yihe_registries::sight::Standing;

use crate::{
    language::Text,
    pages::quality::ScoreView,
    pages::registry::{
        Figures, KEY_CHARACTERS_MAX,
        pair::{Step, Verdict},
        record::Origin,
        trial::{ChangeLine, TrialState},
    },
    problem::{Kind, Problem},
    serve::{Answer, registry},
    state::AppState,
    visit::Visit,
};

/// `GET /api/v1/registries`
pub async fn list(State(state): State<Arc<AppState>>) -> Answer {
    let view = registry::list_view(&state).await?;
    let themes: Vec<Value> = view
        .themes
        .iter()
        .map(|line| {
            json!({
                "theme": line.id, "title": text(&line.title), "about": text(&line.about),
                "department": text(&line.department), "rows": line.rows,
            })
        })
        .collect();
    let registries: Vec<Value> = view.registries.iter().map(figures).collect();
    Ok(Json(json!({ "registries": registries, "themes": themes })).into_response())
}

/// `GET /api/v1/registries/{id}`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let pack = state.pack();
    let known = registry::find(&pack, &id)?;
    let view = registry::view(&state, &visit, &pack, known, None).await?;
    let mut body = figures(&view.figures);
    body["quality"] = score(&view.score);
    body["counted"] = view.is_counted.into();
    body["fields"] = view
        .fields
        .iter()
        .map(|field| {
            json!({
                "name": field.name, "title": text(&field.title), "standard": field.standard, "group": field.group, "filled": field.filled,
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

/// `GET /api/v1/themes/{id}`
pub async fn theme(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Answer {
    let view = registry::theme::view(&state, &id).await?;
    let columns: Vec<Value> = view
        .columns
        .iter()
        .map(|column| {
            json!({
                "name": column.name, "title": text(&column.title), "type": column.column_type,
                "sensitive": column.is_sensitive, "filled": column.filled,
            })
        })
        .collect();
    let keys: Vec<Value> =
        view.keys.iter().map(|(kind, column)| json!({ "kind": text(kind), "column": column })).collect();
    let sources: Vec<Value> = view
        .sources
        .iter()
        .map(|source| {
            json!({ "alias": source.alias, "title": text(&source.title), "department": text(&source.department) })
        })
        .collect();
    Ok(Json(json!({
        "theme": id, "title": text(&view.title), "about": text(&view.about), "department": text(&view.department),
        "view": view.is_view, "rows": view.rows, "built_at": view.built_at.map(|at| at.to_string()), "keys": keys,
        "sources": sources, "columns": columns, "quality": score(&view.score),
    }))
    .into_response())
}

fn score(score: &ScoreView) -> Value {
    json!({
        "score": score.value, "grade": score.grade.as_ref().map(text),
        "dimensions": score.dimensions.iter().map(|(dimension, value, share)| json!({
            "dimension": dimension, "value": value, "share": share,
        })).collect::<Vec<_>>(),
    })
}

/// A number that is looked for.
#[derive(Deserialize)]
struct Wanted {
    key: String,
}

/// `POST /api/v1/registries/{id}/search`: the number stands in the body, never in an address.
pub async fn search(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>, body: Bytes) -> Answer {
    let pack = state.pack();
    let known = registry::find_for(&visit, &pack, &id, Standing::Provider)?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| {
        Problem::saying(
            Kind::Malformed,
            "请求体应为 JSON：{\"key\": \"号码\"}。",
            "The body is JSON: {\"key\": \"the number\"}.",
        )
    })?;
    if wanted.key.chars().count() > KEY_CHARACTERS_MAX {
        return Err(Problem::saying(
            Kind::Unprocessable,
            format!("号码最多 {KEY_CHARACTERS_MAX} 个字。"),
            format!("A number has at most {KEY_CHARACTERS_MAX} characters."),
        ));
    }
    let found = registry::record::name_of(&state, known, &wanted.key).await.map_err(registry::record::refused)?;
    let entity = found.ok_or(Kind::NotFound)?;
    Ok(Json(json!({ "entity": entity, "href": format!("/registries/{}/records/{entity}", known.id) })).into_response())
}

/// `GET /api/v1/registries/{id}/records/{entity}`
pub async fn record(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, entity)): Path<(String, String)>,
) -> Answer {
    let pack = state.pack();
    let known = registry::find_for(&visit, &pack, &id, Standing::Provider)?;
    let found = registry::record::find(&state, known, &entity).await?;
    let view = registry::record::view(&state, &visit, &pack, known, found, None).await?;
    let fields: Vec<Value> = view
        .fields
        .iter()
        .map(|field| {
            json!({
                "title": text(&field.title), "value": field.value, "masked": field.is_masked, "group": field.group,
                "from": field.from.as_ref().map(origin),
                "lost": field.losers.iter().map(|loser| json!({
                    "value": loser.value, "reason": text(&loser.reason), "from": origin(&loser.from),
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let records: Vec<Value> = view
        .records
        .iter()
        .map(|line| json!({ "from": origin(&line.from), "joined_by": text(&line.joined_by), "pair": line.pair_href }))
        .collect();
    let decisions: Vec<Value> = view
        .decisions
        .iter()
        .map(|line| {
            json!({
                "what": text(&line.what), "who": line.who, "at": line.at.to_string(), "reason": line.reason,
                "revoked_at": line.revoked_at.map(|at| at.to_string()), "pair": line.pair_href,
                "model": line.model.as_ref().map(|(model, _)| model),
                "model_version": line.model.as_ref().map(|(_, version)| version),
                "weights": line.weights.iter().map(|(field, level, weight)| json!({
                    "field": text(field), "level": text(level), "weight": weight,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(Json(json!({
        "registry": view.registry, "entity": view.entity, "key": view.key, "other_keys": view.other_keys,
        "standing": view.standing.as_ref().map(text), "protected": view.is_protected, "fields": fields,
        "records": records, "decisions": decisions,
    }))
    .into_response())
}

/// `GET /api/v1/registries/{id}/pairs/{pair}`
pub async fn pair(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, name)): Path<(String, String)>,
) -> Answer {
    let pack = state.pack();
    let known = registry::find_for(&visit, &pack, &id, Standing::Provider)?;
    let found = registry::pair::find(&state, known, &name).await?;
    let view = registry::pair::view(&state, &visit, &pack, known, &found, None).await?;
    Ok(Json(json!({
        "registry": view.registry, "pair": view.pair, "record": view.record_key, "other_entity": view.other,
        "entity": view.entity,
        "entity_key": view.entity_key, "prior": view.prior, "steps": view.steps.iter().map(step).collect::<Vec<_>>(),
        "moved": view.moved, "kin": view.kin, "probability": view.probability,
        "pair_probability": found.waterfall.as_ref().map(|waterfall| waterfall.pair_probability), "model": found.model,
        "answered": view.answered.map(Verdict::as_str),
        "decided": view.decided.as_ref().map(text),
    }))
    .into_response())
}

/// `GET /api/v1/registries/{id}/review`
pub async fn review(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<registry::pair::Asked>,
) -> Answer {
    let pack = state.pack();
    let known = registry::find_for(&visit, &pack, &id, Standing::Keeper)?;
    let view = registry::pair::list_view(&state, &visit, &pack, known, &asked).await?;
    let pairs: Vec<Value> = view
        .pairs
        .iter()
        .map(|line| {
            json!({
                "pair": line.pair, "record": line.record_key, "entity_key": line.entity_key,
                "probability": line.probability,
                "differences": line.differences.iter().map(step).collect::<Vec<_>>(),
                "answers": line.answers.iter().map(|answer| answer.as_str()).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(Json(json!({ "registry": view.registry, "searched": view.is_searched, "pairs": pairs, "next": view.next }))
        .into_response())
}

/// `GET /api/v1/registries/{id}/review/agreement`
pub async fn agreement(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let pack = state.pack();
    let known = registry::find_for(&visit, &pack, &id, Standing::Keeper)?;
    let view = registry::pair::agreement_view(&state, &pack, known).await?;
    let reviewers: Vec<Value> = view
        .reviewers
        .iter()
        .map(|line| {
            json!({
                "name": line.name, "same": line.counts[0], "different": line.counts[1], "unsure": line.counts[2],
                "seconds_median": line.seconds,
            })
        })
        .collect();
    let disputed: Vec<Value> = view
        .disputed
        .iter()
        .map(|line| {
            let answers: Vec<Value> = line
                .answers
                .iter()
                .map(|(who, answer)| json!({ "reviewer": who, "answer": answer.as_str() }))
                .collect();
            json!({ "pair": line.pair, "record": line.record_key, "entity_key": line.entity_key, "answers": answers })
        })
        .collect();
    Ok(Json(json!({
        "registry": view.registry, "answers": view.answers, "compared": view.shared, "share": view.share,
        "kappa": view.kappa, "reviewers": reviewers, "disputed": disputed,
    }))
    .into_response())
}

fn step(step: &Step) -> Value {
    json!({
        "field": text(&step.field), "record": step.record, "entity": step.entity, "level": text(&step.level),
        "weight": step.weight, "rarity": step.rarity,
    })
}

fn origin(from: &Origin) -> Value {
    json!({
        "dataset": text(&from.dataset), "department": text(&from.department),
        "changed_on": from.changed_on.map(|day| day.to_string()),
        "batch": from.place.as_ref().map(|(batch, _)| batch), "row": from.place.as_ref().map(|(_, row)| row),
        "arrived_at": from.arrived_at.map(|at| at.to_string()),
    })
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
