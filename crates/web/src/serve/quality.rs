//! Fills the pages of quality from the figures of the checks.

pub mod dataset;
pub mod workbook;

use std::{collections::HashMap, sync::Arc};

use axum::extract::{Path, State};
use yihe_definitions::{Pack, Scheme};
use yihe_quality::{
    Score, Scoring as _, messages,
    overview::{DatasetScore, Overview},
};

use super::{Answer, html, internal};
use crate::{
    language::Text,
    layout::Part,
    pages::quality::{self, Body, BodyView, PartLine, ScoreView, WorstLine},
    problem::{Kind, Problem},
    state::{AppState, count, department_name},
    visit::Visit,
};

/// Rules listed as the worst.
const WORST_MAX: usize = 10;
/// How many of the grades, from the last, count as low.
const LOW_GRADES: usize = 2;

/// `GET /quality`
pub async fn city(State(state): State<Arc<AppState>>, visit: Visit) -> Answer {
    let frame = visit.frame(&state, Part::Quality).await?;
    Ok(html(quality::page(&frame, &city_view(&state).await?)))
}

/// `GET /quality/departments/{id}`
pub async fn department(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let frame = visit.frame(&state, Part::Quality).await?;
    let pack = state.pack();
    let Some(department) = pack.department(&id) else { return Err(Kind::NotFound.into()) };
    let overview = Overview::read(&state.store, &pack).await.map_err(internal)?;
    let datasets: Vec<(&String, &DatasetScore)> = overview
        .datasets
        .iter()
        .filter(|(dataset, _)| pack.dataset(dataset).is_some_and(|dataset| dataset.department == id))
        .collect();
    let scheme = pack.scheme();
    let score = overview.departments.get(&id).cloned().unwrap_or_else(|| scheme.together(&[]));
    let tickets = tickets(&state).await?;
    let view = BodyView {
        title: department.name.clone(),
        kind: Body::Department,
        rows: score.rows,
        open: Some(datasets.iter().map(|(_, dataset)| dataset.open).sum()),
        tickets: tickets.get(&id).copied().unwrap_or(0),
        parts: dataset_lines(&pack, &scheme, &datasets),
        counties: Vec::new(),
        worst: worst(&pack, &datasets),
        score: score_view(&scheme, &score),
    };
    Ok(html(quality::page(&frame, &view)))
}

/// `GET /quality/counties/{code}`
pub async fn county(State(state): State<Arc<AppState>>, visit: Visit, Path(code): Path<String>) -> Answer {
    let frame = visit.frame(&state, Part::Quality).await?;
    let pack = state.pack();
    let Some(title) = county_name(&pack, &code) else { return Err(Kind::NotFound.into()) };
    let overview = Overview::read(&state.store, &pack).await.map_err(internal)?;
    let scheme = pack.scheme();
    let mut parts = Vec::new();
    let mut worst = Vec::new();
    for (id, dataset) in &overview.datasets {
        let (Some(known), Some(rows)) = (pack.dataset(id), dataset.figures.counties.get(&code)) else { continue };
        let metrics = dataset.figures.county(&code);
        let score = scheme.table(rows.rows, &metrics);
        parts.push(PartLine {
            name: known.title.clone(),
            href: format!("/quality/datasets/{id}"),
            rows: rows.rows,
            open: None,
            tickets: None,
            score: score_view(&scheme, &score),
        });
        worst.extend(metrics.iter().filter(|metric| metric.failed > 0).map(|metric| WorstLine {
            dataset: known.title.clone(),
            rule: messages::rule_title(known, &metric.id),
            href: rule_href(id, &metric.id),
            rows: metric.evaluated,
            failed: metric.failed,
        }));
    }
    by_score(&mut parts);
    worst.sort_by_key(|line| std::cmp::Reverse(line.failed));
    worst.truncate(WORST_MAX);
    let score = overview.counties.get(&code).cloned().unwrap_or_else(|| scheme.together(&[]));
    let view = BodyView {
        title,
        kind: Body::County,
        rows: score.rows,
        open: None,
        tickets: 0,
        parts,
        counties: Vec::new(),
        worst,
        score: score_view(&scheme, &score),
    };
    Ok(html(quality::page(&frame, &view)))
}

/// What the city's page shows; the API answers the same.
///
/// # Errors
/// The store failed.
pub async fn city_view(state: &AppState) -> Result<BodyView, Problem> {
    let pack = state.pack();
    let scheme = pack.scheme();
    let overview = Overview::read(&state.store, &pack).await.map_err(internal)?;
    let tickets = tickets(state).await?;
    let mut open: HashMap<&str, u64> = HashMap::new();
    for (id, dataset) in &overview.datasets {
        if let Some(known) = pack.dataset(id) {
            *open.entry(&known.department).or_default() += dataset.open;
        }
    }
    let mut parts: Vec<PartLine> = overview
        .departments
        .iter()
        .map(|(id, score)| PartLine {
            name: department_name(&pack, id),
            href: format!("/quality/departments/{id}"),
            rows: score.rows,
            open: Some(open.get(id.as_str()).copied().unwrap_or(0)),
            tickets: Some(tickets.get(id).copied().unwrap_or(0)),
            score: score_view(&scheme, score),
        })
        .collect();
    by_score(&mut parts);
    let mut counties: Vec<PartLine> = overview
        .counties
        .iter()
        .map(|(code, score)| PartLine {
            name: county_name(&pack, code).unwrap_or_else(|| Text::new(code, code)),
            href: format!("/quality/counties/{code}"),
            rows: score.rows,
            open: None,
            tickets: None,
            score: score_view(&scheme, score),
        })
        .collect();
    by_score(&mut counties);
    let datasets: Vec<(&String, &DatasetScore)> = overview.datasets.iter().collect();
    Ok(BodyView {
        title: state.settings.city.clone(),
        kind: Body::City,
        rows: overview.city.rows,
        open: Some(datasets.iter().map(|(_, dataset)| dataset.open).sum()),
        tickets: tickets.values().sum(),
        parts,
        counties,
        worst: worst(&pack, &datasets),
        score: score_view(&scheme, &overview.city),
    })
}

/// Open tickets by department.
async fn tickets(state: &AppState) -> Result<HashMap<String, u64>, Problem> {
    let tally = state.store.ticket_tally().await.map_err(internal)?;
    Ok(tally.into_iter().map(|line| (line.department, count(line.open))).collect())
}

fn dataset_lines(pack: &Pack, scheme: &Scheme, datasets: &[(&String, &DatasetScore)]) -> Vec<PartLine> {
    let mut lines: Vec<PartLine> = datasets
        .iter()
        .map(|(id, dataset)| PartLine {
            name: pack.dataset(id).map_or_else(|| Text::new(*id, *id), |known| known.title.clone()),
            href: format!("/quality/datasets/{id}"),
            rows: dataset.rows,
            open: Some(dataset.open),
            tickets: None,
            score: score_view(scheme, &dataset.score),
        })
        .collect();
    by_score(&mut lines);
    lines
}

fn worst(pack: &Pack, datasets: &[(&String, &DatasetScore)]) -> Vec<WorstLine> {
    let mut lines = Vec::new();
    for (id, dataset) in datasets {
        let Some(known) = pack.dataset(id) else { continue };
        lines.extend(dataset.metrics.iter().filter(|metric| metric.failed > 0).map(|metric| WorstLine {
            dataset: known.title.clone(),
            rule: messages::rule_title(known, &metric.id),
            href: rule_href(id, &metric.id),
            rows: metric.evaluated,
            failed: metric.failed,
        }));
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.failed));
    lines.truncate(WORST_MAX);
    lines
}

fn rule_href(dataset: &str, rule: &str) -> String {
    let pairs = url::form_urlencoded::Serializer::new(String::new()).append_pair("rule", rule).finish();
    format!("/quality/datasets/{dataset}?{pairs}#rows")
}

/// The worst first; what was not measured at the end.
fn by_score(lines: &mut [PartLine]) {
    lines.sort_by(|one, other| {
        let value = |line: &PartLine| line.score.value.unwrap_or(f64::INFINITY);
        value(one).total_cmp(&value(other)).then_with(|| one.href.cmp(&other.href))
    });
}

fn county_name(pack: &Pack, code: &str) -> Option<Text> {
    pack.departments
        .iter()
        .find(|department| department.division.as_deref() == Some(code))
        .map(|found| found.name.clone())
}

/// A score in words.
#[must_use]
pub fn score_view(scheme: &Scheme, score: &Score) -> ScoreView {
    let at = scheme.grades.iter().position(|grade| Some(&grade.id) == score.grade.as_ref());
    ScoreView {
        value: score.value,
        grade: at.map(|at| scheme.grades[at].title.clone()),
        is_low: at.is_some_and(|at| at + LOW_GRADES >= scheme.grades.len()),
        dimensions: score.dimensions.iter().map(|one| (one.dimension, one.value, one.share)).collect(),
    }
}
