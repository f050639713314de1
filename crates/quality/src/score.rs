//! Scores: from the measures of rules to six dimensions, one number and one of five grades.
//!
//! Weights and grades are data ([`Scheme`]): a bureau revises them. The arithmetic is GB/T 36344's: each measure is
//! A/B, a dimension is the mean of its measures, the score is the weighted mean of the dimensions that were
//! measured. So every number can be taken apart again, down to the rule and its rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use yihe_definitions::{Dimension, Text, rule::Severity};

use crate::outcome::Metric;

/// How measures become a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// Weight of each dimension; dimensions that are not named weigh nothing. Any scale.
    pub dimensions: BTreeMap<Dimension, f64>,
    /// Weight of a rule within its dimension, by severity; those that are not named weigh 1.
    #[serde(default)]
    pub severities: BTreeMap<SeverityName, f64>,
    /// Grades from the best to the worst.
    pub grades: Vec<Grade>,
}

/// A severity as a key of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeverityName {
    /// Counted and shown.
    Info,
    /// The owner is asked.
    Warn,
    /// The row is held back.
    Hold,
}

impl From<Severity> for SeverityName {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warn => Self::Warn,
            Severity::Hold => Self::Hold,
        }
    }
}

/// A grade and where it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grade {
    /// Stable identifier.
    pub id: String,
    /// What people call it.
    pub title: Text,
    /// Least score, `0.0..=100.0`.
    pub from: f64,
}

/// Why a scheme is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SchemeFault {
    /// A weight that cannot be one.
    #[error("found the weight {found} for {what}, expected a number from 0")]
    Weight {
        /// Of what.
        what: String,
        /// The weight.
        found: f64,
    },
    /// No dimension counts.
    #[error("found no dimension with a weight above 0, expected at least one")]
    NoDimension,
    /// Grades that are not in order, or do not reach down to 0.
    #[error("found grades from {found:?}, expected descending bounds of which the last is 0")]
    Grades {
        /// The bounds.
        found: Vec<f64>,
    },
}

impl Default for Scheme {
    /// Six equal dimensions, rules that hold rows back count double, and the five grades 优 良 中 低 差.
    fn default() -> Self {
        let dimensions = [
            Dimension::Conformity,
            Dimension::Completeness,
            Dimension::Accuracy,
            Dimension::Consistency,
            Dimension::Timeliness,
            Dimension::Accessibility,
        ];
        let grade = |id: &str, zh: &str, en: &str, from| Grade { id: id.to_owned(), title: Text::new(zh, en), from };
        Self {
            dimensions: dimensions.into_iter().map(|dimension| (dimension, 1.0)).collect(),
            severities: BTreeMap::from([(SeverityName::Hold, 2.0), (SeverityName::Info, 0.0)]),
            grades: vec![
                grade("excellent", "优", "excellent", 99.0),
                grade("good", "良", "good", 95.0),
                grade("fair", "中", "fair", 90.0),
                grade("low", "低", "low", 80.0),
                grade("poor", "差", "poor", 0.0),
            ],
        }
    }
}

/// The score of a table, a department, a county or the city.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// `0.0..=100.0`; `None` when nothing was measured.
    pub value: Option<f64>,
    /// Identifier of the grade.
    pub grade: Option<String>,
    /// Rows behind it: the weight with which scores are added up.
    pub rows: u64,
    /// The dimensions that were measured.
    pub dimensions: Vec<DimensionScore>,
}

/// The score of a dimension.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DimensionScore {
    /// The dimension.
    pub dimension: Dimension,
    /// `0.0..=100.0`.
    pub value: f64,
    /// Its share of the whole, after dimensions that were not measured are left out; all of them make 1.
    pub share: f64,
    /// The rules it is made of, worst first. Empty for a score that is made of scores.
    pub rules: Vec<String>,
}

impl Scheme {
    /// Says what is wrong with a scheme that a person wrote.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), SchemeFault> {
        let dimensions = self.dimensions.iter().map(|(dimension, weight)| (format!("{dimension:?}"), *weight));
        let severities = self.severities.iter().map(|(severity, weight)| (format!("{severity:?}"), *weight));
        for (what, found) in dimensions.chain(severities) {
            if !(found >= 0.0 && found.is_finite()) {
                return Err(SchemeFault::Weight { what: what.to_lowercase(), found });
            }
        }
        if !self.dimensions.values().any(|weight| *weight > 0.0) {
            return Err(SchemeFault::NoDimension);
        }
        let bounds: Vec<f64> = self.grades.iter().map(|grade| grade.from).collect();
        let descending = bounds.windows(2).all(|pair| pair[0] > pair[1]);
        let reaches_down = bounds.last() == Some(&0.0) && bounds[0] <= 100.0;
        if descending && reaches_down { Ok(()) } else { Err(SchemeFault::Grades { found: bounds }) }
    }

    /// The score of a table of `rows` rows from the measures of its rules.
    #[must_use]
    pub fn table(&self, rows: u64, metrics: &[Metric]) -> Score {
        let mut dimensions = Vec::new();
        for dimension in self.dimensions.keys() {
            let mut measured: Vec<(&Metric, f64)> = metrics
                .iter()
                .filter(|metric| metric.dimension == *dimension)
                .filter_map(|metric| Some((metric, metric.value?)))
                .filter(|(metric, _)| self.rule_weight(metric.severity) > 0.0)
                .collect();
            let weight: f64 = measured.iter().map(|(metric, _)| self.rule_weight(metric.severity)).sum();
            if weight <= 0.0 {
                continue;
            }
            let sum: f64 = measured.iter().map(|(metric, value)| self.rule_weight(metric.severity) * value).sum();
            measured.sort_by(|first, second| first.1.total_cmp(&second.1).then_with(|| first.0.id.cmp(&second.0.id)));
            dimensions.push(DimensionScore {
                dimension: *dimension,
                value: 100.0 * sum / weight,
                share: 0.0,
                rules: measured.into_iter().map(|(metric, _)| metric.id.clone()).collect(),
            });
        }
        self.whole(rows, dimensions)
    }

    /// The score of a department, a county or the city: dimension by dimension the mean of its tables' scores,
    /// weighted by their rows, so that a table is not outweighed by a small one with few rules.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rows are weights here")]
    pub fn together(&self, scores: &[Score]) -> Score {
        let mut dimensions = Vec::new();
        for dimension in self.dimensions.keys() {
            let measured = scores.iter().filter_map(|score| {
                let found = score.dimensions.iter().find(|found| found.dimension == *dimension)?;
                // An empty table that was measured (its volume, say) weighs as one row.
                Some((found.value, score.rows.max(1) as f64))
            });
            let (sum, weight) =
                measured.fold((0.0, 0.0), |(sum, weight), (value, rows)| (sum + value * rows, weight + rows));
            if weight > 0.0 {
                dimensions.push(DimensionScore {
                    dimension: *dimension,
                    value: sum / weight,
                    share: 0.0,
                    rules: Vec::new(),
                });
            }
        }
        self.whole(scores.iter().map(|score| score.rows).sum(), dimensions)
    }

    /// The grade of a score.
    #[must_use]
    pub fn grade(&self, score: f64) -> Option<&Grade> {
        self.grades.iter().find(|grade| score >= grade.from)
    }

    fn rule_weight(&self, severity: Severity) -> f64 {
        self.severities.get(&severity.into()).copied().unwrap_or(1.0)
    }

    fn whole(&self, rows: u64, mut dimensions: Vec<DimensionScore>) -> Score {
        let weight = |dimension: Dimension| self.dimensions.get(&dimension).copied().unwrap_or(0.0);
        let total: f64 = dimensions.iter().map(|score| weight(score.dimension)).sum();
        if total <= 0.0 {
            return Score { value: None, grade: None, rows, dimensions };
        }
        for score in &mut dimensions {
            score.share = weight(score.dimension) / total;
        }
        let value = dimensions.iter().map(|score| score.value * score.share).sum::<f64>().clamp(0.0, 100.0);
        let grade = self.grade(value).map(|grade| grade.id.clone());
        Score { value: Some(value), grade, rows, dimensions }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metric(id: &str, dimension: Dimension, severity: Severity, value: Option<f64>) -> Metric {
        Metric {
            id: id.to_owned(),
            kind: "not_null",
            dimension,
            severity,
            evaluated: 10,
            failed: 0,
            surplus: None,
            value,
            found: None,
        }
    }

    #[test]
    fn a_dimension_that_was_not_measured_neither_helps_nor_harms() {
        let scheme = Scheme::default();
        let score = scheme.table(
            10,
            &[
                metric("a", Dimension::Completeness, Severity::Warn, Some(1.0)),
                metric("b", Dimension::Accuracy, Severity::Warn, Some(0.8)),
                metric("c", Dimension::Consistency, Severity::Warn, None),
            ],
        );
        assert!((score.value.unwrap() - 90.0).abs() < 1e-9);
        assert_eq!(score.grade.as_deref(), Some("fair"));
        assert_eq!(score.dimensions.len(), 2);
        assert!(scheme.table(10, &[]).value.is_none());
    }

    #[test]
    fn rules_that_hold_rows_back_count_double_and_notes_do_not_count() {
        let score = Scheme::default().table(
            10,
            &[
                metric("held", Dimension::Accuracy, Severity::Hold, Some(0.7)),
                metric("asked", Dimension::Accuracy, Severity::Warn, Some(1.0)),
                metric("noted", Dimension::Accuracy, Severity::Info, Some(0.0)),
            ],
        );
        assert!((score.value.unwrap() - 80.0).abs() < 1e-9);
        assert_eq!(score.dimensions[0].rules, ["held", "asked"]);
        assert_eq!(score.grade.as_deref(), Some("low"));
    }

    #[test]
    fn a_scheme_whose_grades_leave_a_gap_is_refused() {
        let mut scheme = Scheme::default();
        assert_eq!(scheme.check(), Ok(()));
        scheme.grades.pop();
        assert!(matches!(scheme.check(), Err(SchemeFault::Grades { .. })));
        let mut scheme = Scheme::default();
        scheme.dimensions.insert(Dimension::Accuracy, -1.0);
        assert_eq!(
            scheme.check().unwrap_err().to_string(),
            "found the weight -1 for accuracy, expected a number from 0"
        );
    }

    proptest! {
        /// A score lies between the best and the worst of what it is made of.
        #[test]
        fn a_whole_is_never_better_than_its_best_part(values in prop::collection::vec((0.0_f64..=1.0, 0_u64..1000), 1..10)) {
            let scheme = Scheme::default();
            let scores: Vec<Score> = values
                .iter()
                .map(|(value, rows)| scheme.table(*rows, &[metric("a", Dimension::Accuracy, Severity::Warn, Some(*value))]))
                .collect();
            let whole = scheme.together(&scores).value.unwrap();
            let parts = scores.iter().map(|score| score.value.unwrap());
            let (best, worst) = parts.fold((0.0_f64, 100.0_f64), |(best, worst), part| (best.max(part), worst.min(part)));
            prop_assert!(whole <= best + 1e-9 && whole >= worst - 1e-9);
        }
    }
}
