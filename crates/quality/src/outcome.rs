//! What a scan found: metrics per rule as GB/T 36344 defines them, and the failing rows of each rule.

use jiff::Timestamp;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use yihe_definitions::{Dimension, rule::Severity};

use crate::{
    checker::{Checker, Demand},
    rules::table::Gathered,
    value::LOCAL_OFFSET_MICROS,
};

/// Rows judged and failed; adding those of two parts of a table gives those of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that were judged.
    pub evaluated: u64,
    /// Rows among them that failed.
    pub failed: u64,
    /// Uniqueness only: rows beyond the first of each group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surplus: Option<u64>,
}

impl Counts {
    /// Adds the counts of other rows.
    pub fn add(&mut self, other: &Self) {
        self.evaluated += other.evaluated;
        self.failed += other.failed;
        if let Some(surplus) = other.surplus {
            *self.surplus.get_or_insert(0) += surplus;
        }
    }
}

/// The outcome of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Rows of the scan.
    pub rows: u64,
    /// By rule; those of table rules are zero until [`Outcome::metrics`] judges them.
    pub counts: Vec<Counts>,
    /// Numbers of the failing rows, 0-based, by rule.
    pub failed: Vec<RoaringBitmap>,
    /// What table rules gathered, by rule; the baseline of the next version.
    pub gathered: Vec<Gathered>,
}

/// The version before, against which volume and drift are judged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its rows.
    pub rows: u64,
    /// What its rules gathered, by identifier.
    pub gathered: std::collections::BTreeMap<String, Gathered>,
}

/// The measure of one rule on one table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Identifier of the rule.
    pub id: String,
    /// Word of its kind.
    pub kind: &'static str,
    /// Dimension under which it is scored.
    pub dimension: Dimension,
    /// What a failing row means.
    pub severity: Severity,
    /// B: rows that were judged; 1 for a rule on the whole table that could be judged.
    pub evaluated: u64,
    /// Rows among them that failed.
    pub failed: u64,
    /// Uniqueness only: rows beyond the first of each group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surplus: Option<u64>,
    /// A/B, the share that passed (GB/T 36344-2018); `None` when nothing was judged.
    pub value: Option<f64>,
    /// Rules on the whole table only: the date, number or distance that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl Outcome {
    /// Metrics in the order of the rules. Without `before`, what needs a version before is not evaluated.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of rows is a float")]
    pub fn metrics(&self, checker: &Checker, before: Option<&Baseline>) -> Vec<Metric> {
        let now = wall_clock(checker.now());
        let rules = checker.rules().iter().zip(checker.compiled()).enumerate();
        rules
            .map(|(index, (rule, compiled))| {
                let mut counts = self.counts[index].clone();
                let mut found = None;
                if let Demand::Table(table) = &compiled.demand {
                    let nothing = Gathered::default();
                    let before = before.map(|before| (before.rows, before.gathered.get(&rule.id).unwrap_or(&nothing)));
                    let verdict = table.judge(self.rows, &self.gathered[index], before, now);
                    counts.evaluated = u64::from(verdict.passed.is_some());
                    counts.failed = u64::from(verdict.passed == Some(false));
                    found = (!verdict.found.is_empty()).then_some(verdict.found);
                }
                let passed = counts.evaluated.saturating_sub(counts.failed);
                Metric {
                    id: rule.id.clone(),
                    kind: rule.kind.name(),
                    dimension: rule.dimension(),
                    severity: rule.severity,
                    evaluated: counts.evaluated,
                    failed: counts.failed,
                    surplus: counts.surplus,
                    value: (counts.evaluated > 0).then(|| passed as f64 / counts.evaluated as f64),
                    found,
                }
            })
            .collect()
    }

    /// What the next version is judged against.
    #[must_use]
    pub fn baseline(&self, checker: &Checker) -> Baseline {
        let gathered = checker.rules().iter().zip(&self.gathered);
        let gathered = gathered.filter(|(_, gathered)| **gathered != Gathered::default());
        Baseline {
            rows: self.rows,
            gathered: gathered.map(|(rule, gathered)| (rule.id.clone(), gathered.clone())).collect(),
        }
    }
}

/// Microseconds of the Chinese wall clock.
#[must_use]
pub fn wall_clock(now: Timestamp) -> i64 {
    now.as_microsecond().saturating_add(LOCAL_OFFSET_MICROS)
}
