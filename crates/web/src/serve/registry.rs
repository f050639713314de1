//! Fills the pages of the registries: figures, sources of each field, departments.

pub mod pair;
pub mod record;
pub mod score;
pub mod theme;
pub mod trial;

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::{Path, State};
use serde_json::Value;
use yihe_definitions::{EntityKind, Pack, Registry, Sensitivity};
use yihe_lake::{TableName, Zone};
use yihe_quality::fault_list::mask_of;
use yihe_registries::{
    sight::{self, Standing},
    tally::{Tally, doubtful},
    theme::theme_table,
};
use yihe_store::{Run, RunState};

use super::{Answer, html, internal};
use crate::{
    language::Text,
    layout::Part,
    pages::registry::{self, DepartmentLine, FieldLine, Figures, RegistriesView, RegistryView, SourceLine, ThemeLine},
    problem::{Kind, Problem},
    state::{AppState, department_name},
    visit::Visit,
};

/// Runs of a registry that are looked through for its last build.
const RUNS_MAX: i64 = 50;
/// Shown in place of a value that cannot be shown in part.
const HIDDEN: &str = "***";

/// `GET /registries`
pub async fn list(State(state): State<Arc<AppState>>, visit: Visit) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    Ok(html(registry::list(&frame, &list_view(&state).await?)))
}

/// What the list shows; the API answers the same.
///
/// # Errors
/// The store or the lake failed.
pub async fn list_view(state: &AppState) -> Result<RegistriesView, Problem> {
    let pack = state.pack();
    let mut registries = Vec::with_capacity(pack.registries.len());
    for known in &pack.registries {
        registries.push(figures(state, &pack, known).await?);
    }
    let mut themes = Vec::with_capacity(pack.themes.len());
    for theme in &pack.themes {
        let table = theme_table(theme).map_err(internal)?;
        let is_built = state.lake.exists(&table);
        themes.push(ThemeLine {
            id: theme.id.clone(),
            title: theme.title.clone(),
            about: theme.summary.clone().unwrap_or_else(|| theme.title.clone()),
            department: department_name(&pack, &theme.department),
            rows: if is_built { Some(state.lake.count(&table, None).await.map_err(internal)?) } else { None },
        });
    }
    Ok(RegistriesView { registries, themes })
}

/// `GET /registries/{id}`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    let pack = state.pack();
    let known = find(&pack, &id)?;
    Ok(html(registry::page(&frame, &view(&state, &visit, &pack, known, None).await?)))
}

/// A registry of the pack.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn find<'a>(pack: &'a Pack, id: &str) -> Result<&'a Registry, Problem> {
    pack.registry(id).ok_or_else(|| Kind::NotFound.into())
}

/// How the visitor stands to a registry.
#[must_use]
pub fn standing(visit: &Visit, pack: &Pack, known: &Registry) -> Standing {
    visit.account.as_deref().map_or(Standing::Stranger, |account| sight::standing(&account.actor(), known, pack))
}

/// The registry, for a visitor who stands to it at least so.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Forbidden`] with what is needed.
pub fn find_for<'a>(visit: &Visit, pack: &'a Pack, id: &str, least: Standing) -> Result<&'a Registry, Problem> {
    let known = find(pack, id)?;
    let stands = standing(visit, pack, known);
    if stands == Standing::Keeper || stands == least {
        return Ok(known);
    }
    Err(match least {
        Standing::Stranger => return Ok(known),
        Standing::Provider => Problem::saying(
            Kind::Forbidden,
            "只有管理或供给这个基础库的单位可以查询记录；其他单位凭授权经接口使用。",
            "Only departments that run or feed this registry look records up; others use a grant.",
        ),
        Standing::Keeper => Problem::saying(
            Kind::Forbidden,
            "只有管理这个基础库的单位和主管部门审核员可以办理。",
            "Only the department that runs this registry and the reviewer of the authority may do this.",
        ),
    })
}

/// What the page of a registry shows; the API answers the same.
///
/// # Errors
/// The store or the lake failed.
pub async fn view(
    state: &AppState,
    visit: &Visit,
    pack: &Pack,
    known: &Registry,
    message: Option<Text>,
) -> Result<RegistryView, Problem> {
    let figures = figures(state, pack, known).await?;
    let counted = if figures.entities.is_some() { state.desk.tally(known).await.map_err(internal)? } else { None };
    let tally = counted.clone().unwrap_or_default();
    Ok(RegistryView {
        key: key_title(known.entity),
        standing: standing(visit, pack, known),
        fields: known.fields.iter().map(|field| field_line(pack, known, field, &tally)).collect(),
        departments: department_lines(pack, known, &tally),
        score: score::of_registry(state, pack, known, figures.entities, counted.as_deref()).await?,
        is_counted: counted.is_some() || figures.entities.is_none(),
        figures,
        message,
    })
}

async fn figures(state: &AppState, pack: &Pack, known: &Registry) -> Result<Figures, Problem> {
    let built = last_build(state, &known.id).await?;
    let result: Value =
        built.as_ref().and_then(|run| serde_json::from_str(run.result.as_deref()?).ok()).unwrap_or_default();
    let figure = |name: &str| result[name].as_u64().unwrap_or(0);
    let table = TableName::new(Zone::Registry, known.id.as_str()).map_err(internal)?;
    let entities =
        if state.lake.exists(&table) { Some(state.lake.count(&table, None).await.map_err(internal)?) } else { None };
    Ok(Figures {
        id: known.id.clone(),
        title: known.title.clone(),
        department: department_name(pack, &known.department),
        entities,
        records: figure("records"),
        unlinked: figure("unlinked"),
        conflicts: figure("conflicts"),
        doubtful: doubtful(&state.lake, known).await.map_err(internal)?,
        members: known.members.len() as u64,
        built_at: built.and_then(|run| run.ended_at),
    })
}

async fn last_build(state: &AppState, registry: &str) -> Result<Option<Run>, Problem> {
    let runs = state.store.run_list(Some(registry), RUNS_MAX).await.map_err(internal)?;
    Ok(runs.into_iter().find(|run| run.step == "build" && run.state == RunState::Done))
}

/// The department that provides a dataset, and the dataset's title.
#[must_use]
pub fn source_names(pack: &Pack, dataset: &str) -> (Text, Text) {
    match pack.dataset(dataset) {
        Some(known) => (department_name(pack, &known.department), known.title.clone()),
        None => (Text::new(dataset, dataset), Text::new(dataset, dataset)),
    }
}

fn field_line(pack: &Pack, known: &Registry, field: &yihe_definitions::Field, tally: &Tally) -> FieldLine {
    let feeding = known.members.iter().filter(|member| member.fields.contains_key(&field.name));
    let only_compared = feeding.map(|member| &member.dataset).filter(|dataset| !field.authority.contains(dataset));
    let ranked = field.authority.iter().enumerate().map(|(at, dataset)| (Some(at + 1), dataset));
    let sources = ranked
        .chain(only_compared.map(|dataset| (None, dataset)))
        .map(|(rank, dataset)| {
            let (department, title) = source_names(pack, dataset);
            let taken = tally.taken.get(&(field.name.clone(), dataset.clone())).copied().unwrap_or(0);
            SourceLine { dataset: title, department, rank, taken }
        })
        .collect();
    FieldLine {
        name: field.name.clone(),
        title: field.title.clone(),
        standard: field.standard.clone(),
        group: field.group.clone(),
        filled: tally.filled(&field.name),
        conflicts: tally.conflicts(&field.name),
        sources,
    }
}

/// Departments that feed a registry: those with the most fields first.
fn department_lines(pack: &Pack, known: &Registry, tally: &Tally) -> Vec<DepartmentLine> {
    let of = |dataset: &str| pack.dataset(dataset).map(|dataset| dataset.department.clone()).unwrap_or_default();
    let mut lines: BTreeMap<String, DepartmentLine> = BTreeMap::new();
    for member in &known.members {
        let id = of(&member.dataset);
        let name = department_name(pack, &id);
        lines.entry(id).or_insert(DepartmentLine { name, source_of: 0, taken: 0, lost: 0 });
    }
    for first in known.fields.iter().filter_map(|field| field.authority.first()) {
        if let Some(line) = lines.get_mut(&of(first)) {
            line.source_of += 1;
        }
    }
    for ((_, dataset), number) in &tally.taken {
        if let Some(line) = lines.get_mut(&of(dataset)) {
            line.taken += number;
        }
    }
    for ((_, dataset), number) in &tally.lost {
        if let Some(line) = lines.get_mut(&of(dataset)) {
            line.lost += number;
        }
    }
    let mut lines: Vec<(String, DepartmentLine)> = lines.into_iter().collect();
    lines.sort_by(|(one_id, one), (other_id, other)| {
        (other.source_of, other.taken).cmp(&(one.source_of, one.taken)).then_with(|| one_id.cmp(other_id))
    });
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What a registry's key is called.
#[must_use]
pub fn key_title(kind: EntityKind) -> Text {
    let (zh, en): (Vec<&str>, Vec<&str>) = kind.key_parts().iter().copied().unzip();
    Text::new(zh.join("、"), en.join(", "))
}

/// A value as it is shown to somebody who stated no reason.
#[must_use]
pub fn masked(sensitivity: Sensitivity, value: &str) -> String {
    match mask_of(sensitivity) {
        None => value.to_owned(),
        Some(mask) => mask.apply(value).unwrap_or_else(|| HIDDEN.to_owned()),
    }
}
