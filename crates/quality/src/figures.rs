//! The figures of a check, as they are kept for ever: measures of its rows, what its faults became, rows by county,
//! and from these the measures of the whole table as it stands.

use std::collections::{BTreeMap, HashMap};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::DataType,
};
use serde::{Deserialize, Serialize};
use yihe_definitions::{Dataset, Dimension, Pack, RuleKind, Severity};
use yihe_store::MetricRun;

use crate::{error::QualityError, history::Tally, outcome::Metric, walk::CheckReport};

/// Digits of a division code that name the county (GB/T 2260).
const COUNTY_DIGITS: usize = 6;

/// Rows of one county in one check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountyRows {
    /// Rows.
    pub rows: u64,
    /// Failing rows by rule; rules that none fails are not in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
    /// Rows to which a rule does not apply; rules that apply to all are not in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
}

/// The measure of one rule, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptMetric {
    /// Identifier of the rule.
    pub id: String,
    /// Word of its kind.
    pub kind: String,
    /// Dimension under which it is scored.
    pub dimension: Dimension,
    /// What a failing row means.
    pub severity: Severity,
    /// Rows of the check that were judged.
    pub evaluated: u64,
    /// Rows among them that failed.
    pub failed: u64,
    /// A/B; `None` when nothing was judged.
    pub value: Option<f64>,
    /// Rules on the whole table only: what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What became of its faults.
    #[serde(default)]
    pub tally: Tally,
    /// The whole table after the check. `None`: a check of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

/// The measure of one rule on the whole table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Rows that the rule applies to.
    pub evaluated: u64,
    /// Rows among them that fail.
    pub failed: u64,
}

/// The figures of a check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// By rule, in the order of the rules.
    pub metrics: Vec<KeptMetric>,
    /// By county code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counties: BTreeMap<String, CountyRows>,
}

impl Figures {
    /// The figures of a report.
    #[must_use]
    pub fn of(report: &CheckReport) -> Self {
        let metrics = report.metrics.iter().zip(&report.whole).map(|(metric, whole)| KeptMetric {
            id: metric.id.clone(),
            kind: metric.kind.to_owned(),
            dimension: metric.dimension,
            severity: metric.severity,
            evaluated: metric.evaluated,
            failed: metric.failed,
            value: metric.value,
            found: metric.found.clone(),
            tally: report.followed.tallies.get(&metric.id).copied().unwrap_or_default(),
            standing: Some(Standing { evaluated: whole.evaluated, failed: whole.failed }),
        });
        Self { metrics: metrics.collect(), counties: report.counties.clone() }
    }

    /// Reads what was kept. A body that is none of ours reads as no figures.
    #[must_use]
    pub fn read(run: &MetricRun) -> Self {
        serde_json::from_str(&run.body).unwrap_or_default()
    }

    /// As it is kept.
    ///
    /// # Panics
    /// Never: figures are always JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("figures are always JSON")
    }

    /// Measures of the whole table of `rows` rows as it stands: a rule was asked of the rows it applies to, and fails
    /// on the faults that are open now.
    #[must_use]
    pub fn standing(&self, rows: u64) -> Vec<Metric> {
        self.metrics.iter().map(|kept| kept.standing(rows)).collect()
    }

    /// Measures of one county in this check.
    #[must_use]
    pub fn county(&self, county: &str) -> Vec<Metric> {
        let Some(rows) = self.counties.get(county) else { return Vec::new() };
        let by_row = self.metrics.iter().filter(|kept| !kept.is_of_table());
        let of = |figures: &BTreeMap<String, u64>, kept: &KeptMetric| figures.get(&kept.id).copied().unwrap_or(0);
        by_row
            .map(|kept| kept.measure(rows.rows.saturating_sub(of(&rows.skipped, kept)), of(&rows.failed, kept)))
            .collect()
    }
}

impl KeptMetric {
    fn is_of_table(&self) -> bool {
        self.evaluated <= 1 && matches!(self.kind.as_str(), "volume" | "drift" | "freshness")
    }

    fn standing(&self, rows: u64) -> Metric {
        if self.is_of_table() {
            return self.measure(self.evaluated, self.failed);
        }
        // An earlier release counted the rows of one check only; its next check counts all of them.
        let judged = self.standing.map_or(rows, |standing| standing.evaluated);
        self.measure(judged.max(self.tally.open), self.tally.open)
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of rows is a float")]
    fn measure(&self, evaluated: u64, failed: u64) -> Metric {
        let passed = evaluated.saturating_sub(failed);
        Metric {
            id: self.id.clone(),
            kind: "",
            dimension: self.dimension,
            severity: self.severity,
            evaluated,
            failed,
            surplus: None,
            value: (evaluated > 0).then(|| passed as f64 / evaluated as f64),
            found: self.found.clone(),
        }
    }
}

/// Tells to which county each row belongs.
pub(crate) struct Counties {
    column: String,
    /// First six digits → county; zones and counties of the pack.
    known: HashMap<String, String>,
}

impl Counties {
    /// `None` when the dataset has no column with a division, or the pack no county.
    pub fn of(pack: &Pack, dataset: &Dataset) -> Option<Self> {
        let column = division_column(dataset)?;
        let known: HashMap<String, String> = pack
            .departments
            .iter()
            .filter_map(|department| department.division.as_deref())
            .filter_map(|division| Some((division.get(..COUNTY_DIGITS)?.to_owned(), division.to_owned())))
            .collect();
        (!known.is_empty()).then_some(Self { column, known })
    }

    /// The county of each row; `None` when the batch lacks the column.
    pub fn of_rows(&self, batch: &RecordBatch) -> Result<Option<Vec<Option<String>>>, QualityError> {
        let Some(column) = batch.column_by_name(&self.column) else { return Ok(None) };
        let column = cast(column, &DataType::Utf8)?;
        let column = column.as_string::<i32>();
        let county = |row: usize| {
            let code = column.is_valid(row).then(|| column.value(row))?;
            self.known.get(code.get(..COUNTY_DIGITS)?).cloned()
        };
        Ok(Some((0..batch.num_rows()).map(county).collect()))
    }
}

/// The column that says where a record belongs: one whose values are divisions.
#[must_use]
pub fn division_column(dataset: &Dataset) -> Option<String> {
    let by_codes = dataset.columns.iter().find(|column| column.codes.as_deref() == Some("divisions"));
    let by_rule = || {
        dataset.rules.iter().find_map(|rule| match &rule.kind {
            RuleKind::CodeList { column, table: Some(table), .. } if table == "divisions" => {
                dataset.columns.iter().find(|known| known.name == *column)
            }
            _ => None,
        })
    };
    let by_name = || {
        dataset.columns.iter().find(|column| {
            ["division", "division_code", "residence_division", "county"].contains(&column.name.as_str())
                || column.name.ends_with("_division")
        })
    };
    by_codes.or_else(by_rule).or_else(by_name).map(|column| column.name.clone())
}
