//! Begins and shows trials of another order of authority. They work behind the request (`desk`).

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect},
};
use serde::Deserialize;
use yihe_definitions::{Pack, Registry, Sensitivity};
use yihe_registries::{
    sight::{Standing, key_sensitivity},
    what_if::{FieldChange, WhatIf},
};

use super::{find_for, masked, source_names};
use crate::{
    desk::{NewTrial, Outcome, TRIALS_MAX, Trial},
    form::Fields,
    language::Text,
    layout::Part,
    pages::registry::trial::{
        self, ChangeLine, ExampleLine, FieldChoice, FieldSources, TrialFormView, TrialState, TrialView,
    },
    problem::{Kind, Problem},
    serve::{Answer, html},
    state::AppState,
    visit::Visit,
};

/// Longest name of a field in the form, in characters.
const NAME_MAX: usize = 120;

/// What the form's address asks for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    field: Option<String>,
}

/// `GET /registries/{id}/what-if`
pub async fn form(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Keeper)?;
    let fed_by = |field: &str| known.members.iter().filter(|member| member.fields.contains_key(field)).count();
    let choices: Vec<_> = known.fields.iter().filter(|field| fed_by(&field.name) > 1).collect();
    let chosen = asked.field.and_then(|name| choices.iter().find(|field| field.name == name));
    let choice =
        |field: &&yihe_definitions::Field| FieldChoice { name: field.name.clone(), title: field.title.clone() };
    let view = TrialFormView {
        registry: known.id.clone(),
        title: known.title.clone(),
        chosen: chosen.map(|field| sources(&pack, known, field)),
        fields: choices.iter().map(choice).collect(),
        trials: state
            .desk
            .trials(&known.id)
            .into_iter()
            .map(|trial| (trial.id.clone(), field_title(known, &trial.field), trial.begun_at))
            .collect(),
    };
    Ok(html(trial::form(&frame, &view)))
}

fn sources(pack: &Pack, known: &Registry, field: &yihe_definitions::Field) -> FieldSources {
    let mut feeding: Vec<(String, Option<usize>)> = known
        .members
        .iter()
        .filter(|member| member.fields.contains_key(&field.name))
        .map(|member| {
            let rank = field.authority.iter().position(|dataset| *dataset == member.dataset);
            (member.dataset.clone(), rank.map(|rank| rank + 1))
        })
        .collect();
    feeding.sort_by_key(|(_, rank)| rank.unwrap_or(usize::MAX));
    let source = |(dataset, rank): (String, Option<usize>)| {
        let (department, title) = source_names(pack, &dataset);
        (dataset, title, department, rank)
    };
    FieldSources {
        name: field.name.clone(),
        title: field.title.clone(),
        sources: feeding.into_iter().map(source).collect(),
    }
}

/// `POST /registries/{id}/what-if`
pub async fn begin(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Keeper)?;
    let name = fields.one("field", NAME_MAX)?;
    if !known.fields.iter().any(|field| field.name == name) {
        return Err(Problem::saying(
            Kind::Unprocessable,
            "没有这个字段，请重新选择。",
            "There is no such field; choose one of the list.",
        ));
    }
    let new = NewTrial {
        id: hex::encode(&state.store.new_secret()[..8]),
        field: name.to_owned(),
        authority: order(known, name, &fields)?,
        begun_by: visit.account()?.id.clone(),
        begun_at: state.clock.now(),
    };
    let Some(trial) = state.desk.try_order(known, new) else {
        return Err(Problem {
            retry_after_seconds: Some(60),
            ..Problem::saying(
                Kind::TooMany,
                format!("同时进行的预演最多 {TRIALS_MAX} 个。"),
                format!("At most {TRIALS_MAX} trials are under way at once."),
            )
        });
    };
    Ok(Redirect::to(&format!("/registries/{}/what-if/{}", known.id, trial.id)).into_response())
}

/// The order that the form says; two datasets in the same place are named.
fn order(known: &Registry, field: &str, fields: &Fields) -> Result<Vec<String>, Problem> {
    let mut ranked: Vec<(usize, String)> = Vec::new();
    for member in known.members.iter().filter(|member| member.fields.contains_key(field)) {
        let word = fields.one(&format!("rank:{}", member.dataset), 4)?;
        if word.is_empty() {
            continue;
        }
        let Ok(rank) = word.parse::<usize>() else {
            return Err(Problem::saying(
                Kind::Unprocessable,
                format!("次序“{word}”不是数字。"),
                format!("The place “{word}” is not a number."),
            ));
        };
        if let Some((_, other)) = ranked.iter().find(|(taken, _)| *taken == rank) {
            return Err(Problem::saying(
                Kind::Unprocessable,
                format!("第 {rank} 位同时给了 {other} 和 {}，请各占一位。", member.dataset),
                format!("Place {rank} was given to {other} and {}; give each its own.", member.dataset),
            ));
        }
        ranked.push((rank, member.dataset.clone()));
    }
    if ranked.is_empty() {
        return Err(Problem::saying(
            Kind::Unprocessable,
            "至少要有一个数据集被采信。",
            "At least one dataset must be believed.",
        ));
    }
    ranked.sort();
    Ok(ranked.into_iter().map(|(_, dataset)| dataset).collect())
}

/// `GET /registries/{id}/what-if/{trial}`
pub async fn show(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, name)): Path<(String, String)>,
) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Keeper)?;
    let found = state.desk.trial(&known.id, &name).ok_or_else(forgotten)?;
    Ok(html(trial::page(&frame, &view(&pack, known, &found))))
}

/// Trials live in memory; who comes late is told so.
#[must_use]
pub fn forgotten() -> Problem {
    Problem::saying(
        Kind::NotFound,
        format!("没有这次预演。预演只保留最近 {TRIALS_MAX} 次，服务重启后清空，请重新预演。"),
        format!("There is no such trial. The last {TRIALS_MAX} are kept until the server restarts; begin it again."),
    )
}

/// What the page of a trial shows; the API answers the same.
#[must_use]
pub fn view(pack: &Pack, known: &Registry, found: &Trial) -> TrialView {
    let names = |datasets: &[String]| datasets.iter().map(|dataset| source_names(pack, dataset)).collect();
    TrialView {
        registry: known.id.clone(),
        title: known.title.clone(),
        trial: found.id.clone(),
        field: field_title(known, &found.field),
        field_name: found.field.clone(),
        before: names(&found.before),
        after: names(&found.after),
        begun_at: found.begun_at,
        state: match found.outcome() {
            Outcome::Running => TrialState::Running,
            Outcome::Failed(reason) => TrialState::Failed(reason),
            Outcome::Done(outcome) => done(pack, known, &outcome),
        },
    }
}

fn done(pack: &Pack, known: &Registry, outcome: &WhatIf) -> TrialState {
    let changes = outcome.fields.iter().filter(|change| change.is_change());
    TrialState::Done {
        entities: outcome.entities,
        changes: changes.map(|change| change_line(pack, known, change)).collect(),
    }
}

fn change_line(pack: &Pack, known: &Registry, change: &FieldChange) -> ChangeLine {
    let field = known.fields.iter().find(|field| field.name == change.field);
    let sensitivity = field.map_or(Sensitivity::Hidden, |field| field.sensitivity);
    let source = |dataset: &str| source_names(pack, dataset).0;
    ChangeLine {
        field: field_title(known, &change.field),
        altered: change.altered,
        lost: change.lost,
        gained: change.gained,
        moved: change.moved,
        examples: change
            .examples
            .iter()
            .map(|example| ExampleLine {
                key: masked(key_sensitivity(known.entity), &example.key),
                before: (masked(sensitivity, &example.before), source(&example.before_from)),
                after: (masked(sensitivity, &example.after), source(&example.after_from)),
            })
            .collect(),
    }
}

fn field_title(known: &Registry, name: &str) -> Text {
    let field = known.fields.iter().find(|field| field.name == name);
    field.map_or_else(|| Text::new(name, name), |field| field.title.clone())
}
