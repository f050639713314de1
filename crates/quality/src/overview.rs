//! Scores of datasets, departments, counties and the city, each of which can be taken apart: the city into
//! departments, a department into datasets, a dataset into dimensions and rules, a rule into its rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use yihe_definitions::{Pack, Scheme};
use yihe_store::{MetricRun, Store, StoreError};

use crate::{
    figures::Figures,
    outcome::Metric,
    score::{Score, Scoring},
};

/// Checks of a dataset's history that are looked at, the newest.
const HISTORY_MAX: i64 = 366;

/// Scores of everything there is, as it stands.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The whole city.
    pub city: Score,
    /// By department that provides something that was checked.
    pub departments: BTreeMap<String, Score>,
    /// By county or zone that some record belongs to.
    pub counties: BTreeMap<String, Score>,
    /// By dataset that was checked.
    pub datasets: BTreeMap<String, DatasetScore>,
}

/// The score of one dataset and what it is made of.
#[derive(Debug, Clone)]
pub struct DatasetScore {
    /// The score.
    pub score: Score,
    /// Rows of the whole table, those held back included.
    pub rows: u64,
    /// Open faults.
    pub open: u64,
    /// Measures of the whole table, by rule.
    pub metrics: Vec<Metric>,
    /// When it was checked last.
    pub checked_at: Timestamp,
    /// The figures of the last check.
    pub figures: Figures,
}

/// One point of a history.
#[derive(Debug, Clone)]
pub struct Point {
    /// Run.
    pub run: String,
    /// When it was checked.
    pub at: Timestamp,
    /// Rows of the check.
    pub rows: u64,
    /// The score after it; `None` when nothing was measured.
    pub score: Option<f64>,
    /// Faults seen for the first time.
    pub new: u64,
    /// Faults that came back.
    pub reopened: u64,
    /// Faults found corrected or gone.
    pub ended: u64,
    /// Faults that stand after it.
    pub open: u64,
}

impl Overview {
    /// Reads the newest figures and scores them by the packs' scheme.
    ///
    /// # Errors
    /// The store failed.
    pub async fn read(store: &Store, pack: &Pack) -> Result<Self, StoreError> {
        let scheme = pack.scheme();
        let mut datasets = BTreeMap::new();
        for run in store.metric_run_list_last().await? {
            if pack.dataset(&run.dataset).is_some() {
                datasets.insert(run.dataset.clone(), dataset_score(&scheme, &run));
            }
        }
        Ok(Self::of(pack, &scheme, datasets))
    }

    fn of(pack: &Pack, scheme: &Scheme, datasets: BTreeMap<String, DatasetScore>) -> Self {
        let mut departments: BTreeMap<String, Vec<Score>> = BTreeMap::new();
        let mut counties: BTreeMap<String, Vec<Score>> = BTreeMap::new();
        for (id, dataset) in &datasets {
            if let Some(known) = pack.dataset(id) {
                departments.entry(known.department.clone()).or_default().push(dataset.score.clone());
            }
            for (county, rows) in &dataset.figures.counties {
                let score = scheme.table(rows.rows, &dataset.figures.county(county));
                counties.entry(county.clone()).or_default().push(score);
            }
        }
        let together = |scores: BTreeMap<String, Vec<Score>>| -> BTreeMap<String, Score> {
            scores.into_iter().map(|(id, scores)| (id, scheme.together(&scores))).collect()
        };
        let all: Vec<Score> = datasets.values().map(|dataset| dataset.score.clone()).collect();
        Self { city: scheme.together(&all), departments: together(departments), counties: together(counties), datasets }
    }
}

fn dataset_score(scheme: &Scheme, run: &MetricRun) -> DatasetScore {
    let figures = Figures::read(run);
    let rows = u64::try_from(run.rows_standing).unwrap_or(0);
    let metrics = figures.standing(rows);
    DatasetScore {
        score: scheme.table(rows, &metrics),
        rows,
        open: figures.metrics.iter().map(|metric| metric.tally.open).sum(),
        metrics,
        checked_at: run.measured_at,
        figures,
    }
}

/// The history of a dataset's score, oldest first.
///
/// # Errors
/// The store failed.
pub async fn history(store: &Store, scheme: &Scheme, dataset: &str) -> Result<Vec<Point>, StoreError> {
    let mut runs = store.metric_run_list(Some(dataset), 0, HISTORY_MAX).await?;
    runs.reverse();
    let points = runs.iter().map(|run| {
        let scored = dataset_score(scheme, run);
        let sum = |of: fn(&crate::history::Tally) -> u64| -> u64 {
            scored.figures.metrics.iter().map(|metric| of(&metric.tally)).sum()
        };
        Point {
            run: run.run.clone(),
            at: run.measured_at,
            rows: u64::try_from(run.rows_checked).unwrap_or(0),
            score: scored.score.value,
            new: sum(|tally| tally.new),
            reopened: sum(|tally| tally.reopened),
            ended: sum(|tally| tally.corrected + tally.gone + tally.withdrawn),
            open: scored.open,
        }
    });
    Ok(points.collect())
}
