//! How good golden records and themes are: by their own values where they tell, else by the datasets behind them.

use std::collections::BTreeSet;

use yihe_definitions::{Dimension, Pack, Registry, Theme, ThemeSource};
use yihe_quality::{Score, Scoring, overview::Overview, score::measured};
use yihe_registries::tally::Tally;

use crate::{
    pages::quality::ScoreView,
    problem::Problem,
    serve::{internal, quality::score_view},
    state::AppState,
};

/// Of a registry: completeness of its fields, and on how many of the values departments agree. Before its values are
/// counted there is nothing to judge.
///
/// # Errors
/// The store failed.
pub async fn of_registry(
    state: &AppState,
    pack: &Pack,
    known: &Registry,
    entities: Option<u64>,
    tally: Option<&Tally>,
) -> Result<ScoreView, Problem> {
    let scheme = pack.scheme();
    let (Some(entities), Some(tally)) = (entities, tally) else {
        return Ok(score_view(&scheme, &scheme.together(&[])));
    };
    let mut own = Vec::new();
    for field in &known.fields {
        let (filled, lost) = (tally.filled(&field.name), tally.conflicts(&field.name));
        // That somebody did not die is no gap.
        if known.standing.fields().all(|(_, standing)| standing != field.name) {
            own.push(measured(field.name.clone(), Dimension::Completeness, entities, entities.saturating_sub(filled)));
        }
        own.push(measured(field.name.clone(), Dimension::Consistency, filled + lost, lost));
    }
    let members = known.members.iter().map(|member| member.dataset.as_str()).collect();
    let sources = checked(state, pack, &members).await?;
    Ok(score_view(&scheme, &scheme.derived(entities, &own, &sources)))
}

/// Of a theme: completeness of its columns.
///
/// # Errors
/// The store failed.
pub async fn of_theme(
    state: &AppState,
    pack: &Pack,
    theme: &Theme,
    rows: Option<u64>,
    filled: impl Fn(&str) -> Option<u64>,
) -> Result<ScoreView, Problem> {
    let scheme = pack.scheme();
    let rows = rows.unwrap_or(0);
    let column = |column: &yihe_definitions::ThemeColumn| {
        let failed = rows.saturating_sub(filled(&column.name)?);
        Some(measured(column.name.clone(), Dimension::Completeness, rows, failed))
    };
    let own: Vec<_> = theme.columns.iter().filter_map(column).collect();
    let mut behind = BTreeSet::new();
    for (_, source) in theme.tables() {
        match source {
            ThemeSource::Dataset(id) => drop(behind.insert(id)),
            ThemeSource::Registry(id) => {
                let members = pack.registry(id).map(|registry| registry.members.as_slice()).unwrap_or_default();
                behind.extend(members.iter().map(|member| member.dataset.as_str()));
            }
        }
    }
    let sources = checked(state, pack, &behind).await?;
    Ok(score_view(&scheme, &scheme.derived(rows, &own, &sources)))
}

/// The scores of the datasets among `wanted` that were checked.
async fn checked(state: &AppState, pack: &Pack, wanted: &BTreeSet<&str>) -> Result<Vec<Score>, Problem> {
    let overview = Overview::read(&state.store, pack).await.map_err(internal)?;
    let named = overview.datasets.into_iter().filter(|(id, _)| wanted.contains(id.as_str()));
    Ok(named.map(|(_, dataset)| dataset.score).collect())
}
