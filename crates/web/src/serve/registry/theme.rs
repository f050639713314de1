//! Fills the page of a theme.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde_json::Value;
use yihe_catalogue::EntrySource;
use yihe_definitions::{Pack, Sensitivity, THEME_TABLE_PREFIX, Theme, ThemeForm, ThemeSource};
use yihe_registries::theme::theme_table;
use yihe_store::RunState;

use super::{RUNS_MAX, score, source_names};
use crate::{
    language::Text,
    layout::Part,
    pages::{
        catalogue::entry_href,
        registry::theme::{self, ColumnLine, SourceTable, ThemeView},
    },
    problem::{Kind, Problem},
    serve::{Answer, html, internal},
    state::{AppState, department_name},
    visit::Visit,
};

/// `GET /themes/{id}`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    Ok(html(theme::page(&frame, &view(&state, &id).await?)))
}

/// What the page shows; the API answers the same.
///
/// # Errors
/// [`Kind::NotFound`]; the store or the lake failed.
pub async fn view(state: &AppState, id: &str) -> Result<ThemeView, Problem> {
    let pack = state.pack();
    let Some(known) = pack.theme(id) else { return Err(Kind::NotFound.into()) };
    let table = theme_table(known).map_err(internal)?;
    let is_built = known.form == ThemeForm::Table && state.lake.exists(&table);
    let rows = if is_built { Some(state.lake.count(&table, None).await.map_err(internal)?) } else { None };
    let runs = state.store.run_list(Some(&known.id), RUNS_MAX).await.map_err(internal)?;
    let built = runs.into_iter().find(|run| run.step == "theme" && run.state == RunState::Done);
    let result: Value =
        built.as_ref().and_then(|run| serde_json::from_str(run.result.as_deref()?).ok()).unwrap_or_default();
    let filled = |column: &str| result["filled"][column].as_u64();
    let source = EntrySource::Registry(format!("{THEME_TABLE_PREFIX}{}", known.id));
    let entry = state.catalogue.find_published_by_source(&source).await.map_err(internal)?;
    Ok(ThemeView {
        title: known.title.clone(),
        about: known.summary.clone().unwrap_or_else(|| known.title.clone()),
        department: department_name(&pack, &known.department),
        is_view: known.form == ThemeForm::View,
        keys: known.keys.iter().map(|(key, column)| (key.title(), column.clone())).collect(),
        sources: sources(&pack, known),
        columns: known
            .columns
            .iter()
            .map(|column| ColumnLine {
                name: column.name.clone(),
                title: column.title.clone(),
                column_type: column.column_type.to_string(),
                is_sensitive: column.sensitivity != Sensitivity::Plain,
                filled: filled(&column.name),
            })
            .collect(),
        score: score::of_theme(state, &pack, known, rows, filled).await?,
        rows,
        built_at: built.and_then(|run| run.ended_at),
        sql: known.sql.trim().to_owned(),
        entry_href: entry.map(|entry| entry_href(&entry.code.to_string())),
    })
}

fn sources(pack: &Pack, theme: &Theme) -> Vec<SourceTable> {
    let table = |(alias, source): (&str, ThemeSource<'_>)| {
        let (department, title, href, is_registry) = match source {
            ThemeSource::Dataset(id) => {
                let (department, title) = source_names(pack, id);
                (department, title, format!("/quality/datasets/{id}"), false)
            }
            ThemeSource::Registry(id) => {
                let known = pack.registry(id);
                let title = known.map_or_else(|| Text::new(id, id), |known| known.title.clone());
                let department =
                    known.map_or_else(|| Text::new(id, id), |known| department_name(pack, &known.department));
                (department, title, format!("/registries/{id}"), true)
            }
        };
        SourceTable { alias: alias.to_owned(), title, department, href, is_registry }
    };
    theme.tables().map(table).collect()
}
