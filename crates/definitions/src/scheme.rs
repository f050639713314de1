//! How measures of quality become a score: weights of the dimensions, and the grades a bureau speaks of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    rule::{Dimension, Severity},
    text::Text,
};

/// How measures become a score (`kind: score_scheme`). The last one of the packs counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// Stable identifier.
    #[serde(default = "default_id")]
    pub id: String,
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
    /// The delivery is kept out.
    Quarantine,
}

impl From<Severity> for SeverityName {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warn => Self::Warn,
            Severity::Hold => Self::Hold,
            Severity::Quarantine => Self::Quarantine,
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
            id: default_id(),
            dimensions: dimensions.into_iter().map(|dimension| (dimension, 1.0)).collect(),
            severities: BTreeMap::from([
                (SeverityName::Hold, 2.0),
                (SeverityName::Quarantine, 2.0),
                (SeverityName::Info, 0.0),
            ]),
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

    /// The grade of a score.
    #[must_use]
    pub fn grade(&self, score: f64) -> Option<&Grade> {
        self.grades.iter().find(|grade| score >= grade.from)
    }
}

fn default_id() -> String {
    "default".to_owned()
}

impl SchemeFault {
    /// The sentence in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Weight { what, found } => format!("{what} 的权重为 {found}，应为不小于 0 的数"),
            Self::NoDimension => "没有权重大于 0 的维度，应至少有一个".to_owned(),
            Self::Grades { found } => format!("等级下限为 {found:?}，应由高到低，最后一个为 0"),
        }
    }
}
