//! Scores: from the measures of rules to six dimensions, one number and one of five grades.
//!
//! Weights and grades are data ([`Scheme`]): a bureau revises them. The arithmetic is GB/T 36344's: each measure is
//! A/B, a dimension is the mean of its measures, the score is the weighted mean of the dimensions that were
//! measured. So every number can be taken apart again, down to the rule and its rows.

use serde::Serialize;
use yihe_definitions::{Dimension, Scheme, rule::Severity};

use crate::outcome::Metric;

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

/// The arithmetic of a [`Scheme`].
pub trait Scoring {
    /// The score of a table of `rows` rows from the measures of its rules.
    #[must_use]
    fn table(&self, rows: u64, metrics: &[Metric]) -> Score;

    /// The score of a department, a county or the city: dimension by dimension the mean of its tables' scores,
    /// weighted by their rows, so that a table is not outweighed by a small one with few rules.
    #[must_use]
    fn together(&self, scores: &[Score]) -> Score;

    /// The score of a table that is made of other tables, a base registry or a theme: a dimension is measured on
    /// its own rows where `own` measures it, otherwise it is that of the tables it is made of, `sources`.
    #[must_use]
    fn derived(&self, rows: u64, own: &[Metric], sources: &[Score]) -> Score;
}

impl Scoring for Scheme {
    fn table(&self, rows: u64, metrics: &[Metric]) -> Score {
        let mut dimensions = Vec::new();
        for dimension in self.dimensions.keys() {
            let mut measured: Vec<(&Metric, f64)> = metrics
                .iter()
                .filter(|metric| metric.dimension == *dimension)
                .filter_map(|metric| Some((metric, metric.value?)))
                .filter(|(metric, _)| rule_weight(self, metric.severity) > 0.0)
                .collect();
            let weight: f64 = measured.iter().map(|(metric, _)| rule_weight(self, metric.severity)).sum();
            if weight <= 0.0 {
                continue;
            }
            let sum: f64 = measured.iter().map(|(metric, value)| rule_weight(self, metric.severity) * value).sum();
            measured.sort_by(|first, second| first.1.total_cmp(&second.1).then_with(|| first.0.id.cmp(&second.0.id)));
            dimensions.push(DimensionScore {
                dimension: *dimension,
                value: 100.0 * sum / weight,
                share: 0.0,
                rules: measured.into_iter().map(|(metric, _)| metric.id.clone()).collect(),
            });
        }
        whole(self, rows, dimensions)
    }

    #[expect(clippy::cast_precision_loss, reason = "rows are weights here")]
    fn together(&self, scores: &[Score]) -> Score {
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
        whole(self, scores.iter().map(|score| score.rows).sum(), dimensions)
    }

    fn derived(&self, rows: u64, own: &[Metric], sources: &[Score]) -> Score {
        let measured = self.table(rows, own).dimensions;
        let inherited = self.together(sources).dimensions;
        let of = |dimension: &Dimension| {
            measured.iter().chain(&inherited).find(|score| score.dimension == *dimension).cloned()
        };
        whole(self, rows, self.dimensions.keys().filter_map(of).collect())
    }
}

/// A measure of a derived table, which no rule of a dataset takes: of `of` values, `failed` are not as they should be.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a share of values is a float")]
pub fn measured(id: String, dimension: Dimension, of: u64, failed: u64) -> Metric {
    Metric {
        id,
        kind: "derived",
        dimension,
        severity: Severity::Warn,
        evaluated: of,
        failed,
        surplus: None,
        value: (of > 0).then(|| 1.0 - failed as f64 / of as f64),
        found: None,
    }
}

fn rule_weight(scheme: &Scheme, severity: Severity) -> f64 {
    scheme.severities.get(&severity.into()).copied().unwrap_or(1.0)
}

fn whole(scheme: &Scheme, rows: u64, mut dimensions: Vec<DimensionScore>) -> Score {
    let weight = |dimension: Dimension| scheme.dimensions.get(&dimension).copied().unwrap_or(0.0);
    let total: f64 = dimensions.iter().map(|score| weight(score.dimension)).sum();
    if total <= 0.0 {
        return Score { value: None, grade: None, rows, dimensions };
    }
    for score in &mut dimensions {
        score.share = weight(score.dimension) / total;
    }
    let value = dimensions.iter().map(|score| score.value * score.share).sum::<f64>().clamp(0.0, 100.0);
    let grade = scheme.grade(value).map(|grade| grade.id.clone());
    Score { value: Some(value), grade, rows, dimensions }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yihe_definitions::scheme::SchemeFault;

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
    fn a_derived_table_is_judged_by_itself_where_it_can_be() {
        let scheme = Scheme::default();
        let source = scheme.table(
            100,
            &[
                metric("a", Dimension::Completeness, Severity::Warn, Some(0.2)),
                metric("b", Dimension::Timeliness, Severity::Warn, Some(0.5)),
            ],
        );
        let own = [
            measured("name".to_owned(), Dimension::Completeness, 10, 1),
            measured("sex".to_owned(), Dimension::Completeness, 10, 3),
            measured("never".to_owned(), Dimension::Consistency, 0, 0),
        ];
        let score = scheme.derived(10, &own, &[source]);
        let dimension =
            |wanted| score.dimensions.iter().find(|found| found.dimension == wanted).map(|found| found.value);
        assert!((dimension(Dimension::Completeness).unwrap() - 80.0).abs() < 1e-9, "its own, not the source's");
        assert!((dimension(Dimension::Timeliness).unwrap() - 50.0).abs() < 1e-9, "only the source can tell");
        assert_eq!(dimension(Dimension::Consistency), None);
        assert_eq!(score.rows, 10);
        assert!(scheme.derived(0, &[], &[]).value.is_none());
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
