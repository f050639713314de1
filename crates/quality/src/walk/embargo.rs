//! 整批拦截: a delivery that a rule of severity `quarantine` keeps out of the checked table as a whole.
//!
//! Its batches stay unchecked, and what stands stays as it was. It is judged again when more comes (together with it,
//! or, where a delivery is the whole table, without it: the later one takes its place), when the rules change, and
//! when somebody decides to let it in, which is then in the ledger with the reason given.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use yihe_definitions::{Dataset, Language, Mode, Rule, Severity, Text};
use yihe_store::{Actor, Batch, EmbargoRow, ObjectKind, StoreError, Tx};

use super::{Walk, WalkError, inputs};
use crate::{messages, outcome::Metric};

/// Longest statement of a release, in characters.
pub const STATEMENT_CHARACTERS_MAX: usize = 1_000;

/// A rule that keeps a delivery out, and what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbargoReason {
    /// Identifier of the rule.
    pub rule: String,
    /// Rows that were judged; 1 for a rule on the whole table.
    pub evaluated: u64,
    /// Rows among them that fail.
    pub failed: u64,
    /// What a rule on the whole table found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The share of failing rows that is let through, in percent; rules on rows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_percent: Option<f64>,
}

impl EmbargoReason {
    /// The rules that keep a delivery with these measures out.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of rows is a float")]
    pub fn of(rules: &[Rule], metrics: &[Metric]) -> Vec<Self> {
        let strict = rules.iter().zip(metrics).filter(|(rule, _)| rule.severity == Severity::Quarantine);
        let kept_out = strict.filter(|(rule, metric)| match rule.above_percent {
            None => metric.failed > 0,
            Some(percent) => metric.failed as f64 * 100.0 > percent * metric.evaluated as f64,
        });
        kept_out
            .map(|(rule, metric)| Self {
                rule: rule.id.clone(),
                evaluated: metric.evaluated,
                failed: metric.failed,
                found: metric.found.clone(),
                above_percent: rule.above_percent,
            })
            .collect()
    }

    /// What was found, in short: a date, a number of rows, a share of rows.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of rows is a float")]
    pub fn found(&self) -> String {
        match (&self.found, self.above_percent) {
            (Some(found), _) => found.clone(),
            (None, _) => format!("{:.2}%", self.failed as f64 * 100.0 / self.evaluated.max(1) as f64),
        }
    }

    /// The sentence people read.
    #[must_use]
    pub fn sentence(&self, dataset: &Dataset) -> Text {
        let title = messages::rule_title(dataset, &self.rule);
        let found = self.found();
        match self.above_percent {
            None => Text::new(
                format!("{}：发现 {found}，未达到要求", title.get(Language::Zh)),
                format!("{}: found {found}, which is not what was promised", title.get(Language::En)),
            ),
            Some(percent) => Text::new(
                format!(
                    "{}：评价 {} 行，不符 {} 行（{found}），上限为 {percent}%",
                    title.get(Language::Zh),
                    self.evaluated,
                    self.failed
                ),
                format!(
                    "{}: {} of {} rows fail ({found}), at most {percent}% are let through",
                    title.get(Language::En),
                    self.failed,
                    self.evaluated
                ),
            ),
        }
    }
}

/// A delivery that is, or was, kept out.
#[derive(Debug, Clone, PartialEq)]
pub struct Embargo {
    /// As it is recorded.
    pub row: EmbargoRow,
    /// Its batches.
    pub batches: Vec<String>,
    /// Why.
    pub reasons: Vec<EmbargoReason>,
}

impl Embargo {
    /// Reads a record. What is none of ours reads as no batches and no reasons.
    #[must_use]
    pub fn read(row: EmbargoRow) -> Self {
        Self {
            batches: serde_json::from_str(&row.batches).unwrap_or_default(),
            reasons: serde_json::from_str(&row.reasons).unwrap_or_default(),
            row,
        }
    }
}

/// What of the waiting batches a check takes, and how.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// What is kept out now.
    pub standing: Option<Embargo>,
    /// Batches whose place a later delivery takes.
    pub replaced: Vec<String>,
    /// Whether somebody decided to let these batches in.
    pub is_released: bool,
    /// Whether batches are left for the next check.
    pub has_more: bool,
    /// Whether nothing came since these batches were kept out, and no rule changed.
    pub is_known: bool,
}

/// Why a release was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Nothing of the dataset is kept out.
    #[error("no delivery of dataset `{dataset}` is kept out")]
    Nothing {
        /// Dataset.
        dataset: String,
    },
    /// No reason, or too long a one.
    #[error("found a reason of {found} characters, expected 1 to {STATEMENT_CHARACTERS_MAX}")]
    Statement {
        /// Its characters.
        found: usize,
    },
    /// The store failed.
    #[error("failed to record the release of dataset `{dataset}`")]
    Store {
        /// Dataset.
        dataset: String,
        /// Cause.
        source: StoreError,
    },
}

impl ReleaseError {
    /// The sentence people read.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        match (language, self) {
            (Language::En, Self::Store { source, .. }) => format!("{self}: {source}"),
            (Language::En, _) => self.to_string(),
            (Language::Zh, Self::Nothing { dataset }) => format!("数据集 {dataset} 没有被整批拦截的批次"),
            (Language::Zh, Self::Statement { found }) => {
                format!("放行理由有 {found} 个字，应为 1 至 {STATEMENT_CHARACTERS_MAX} 个字")
            }
            (Language::Zh, Self::Store { dataset, source }) => format!("数据集 {dataset} 的放行登记失败：{source}"),
        }
    }
}

impl Walk {
    /// Decides which of the waiting batches a check takes.
    pub(super) async fn intake(&self, dataset: &Dataset, waiting: &mut Vec<Batch>) -> Result<Intake, WalkError> {
        let failed = |source| WalkError::Store { dataset: dataset.id.clone(), source };
        let last = self.store.embargo_list(Some(&dataset.id), 1).await.map_err(failed)?.pop().map(Embargo::read);
        let Some(last) = last else { return Ok(Intake::default()) };
        let is_of = |batch: &Batch| last.batches.contains(&batch.id);
        let before = waiting.len();
        match last.row.state.as_str() {
            "released" if waiting.iter().any(is_of) => {
                waiting.retain(is_of);
                Ok(Intake { is_released: true, has_more: waiting.len() < before, ..Intake::default() })
            }
            "standing" => {
                let fresh = waiting.iter().filter(|batch| !is_of(batch)).count();
                if fresh == 0 {
                    let key = inputs::commit_key(dataset, waiting).map_err(|source| WalkError::Lake {
                        action: "name the check",
                        dataset: dataset.id.clone(),
                        source,
                    })?;
                    let is_known = key.as_str() == last.row.check_key;
                    return Ok(Intake { is_known, standing: Some(last), ..Intake::default() });
                }
                let mut replaced = Vec::new();
                if dataset.source.mode == Mode::Full {
                    replaced = waiting.iter().filter(|batch| is_of(batch)).map(|batch| batch.id.clone()).collect();
                    waiting.retain(|batch| !is_of(batch));
                }
                Ok(Intake { standing: Some(last), replaced, ..Intake::default() })
            }
            _ => Ok(Intake::default()),
        }
    }

    /// Records that a delivery is kept out.
    #[expect(clippy::too_many_arguments, reason = "what is kept out, why, and by which check")]
    pub(super) async fn keep_out(
        &self,
        tx: &mut Tx,
        dataset: &Dataset,
        batches: &[Batch],
        standing: Option<&Embargo>,
        reasons: &[EmbargoReason],
        check_key: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let ids: Vec<&str> = batches.iter().map(|batch| batch.id.as_str()).collect();
        let row = EmbargoRow {
            id: standing.map_or_else(|| tx.new_id(at), |standing| standing.row.id.clone()),
            dataset: dataset.id.clone(),
            batches: serde_json::to_string(&ids).expect("texts are always JSON"),
            check_key: check_key.to_owned(),
            reasons: serde_json::to_string(reasons).expect("reasons are always JSON"),
            rows_kept_out: batches.iter().map(|batch| batch.rows_accepted).sum(),
            state: "standing".to_owned(),
            statement: None,
            began_at: standing.map_or(at, |standing| standing.row.began_at),
            ended_at: None,
            ended_by: None,
            version: standing.map_or(1, |standing| standing.row.version),
        };
        let act = self.actor.act("delivery.kept_out", at);
        match standing {
            None => tx.embargo_insert(&row, &act).await,
            Some(_) => tx.embargo_update(&row, &act).await,
        }
    }

    /// Records that nothing is kept out any more.
    pub(super) async fn let_in(
        &self,
        tx: &mut Tx,
        standing: &Embargo,
        state: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let row = EmbargoRow { state: state.to_owned(), ended_at: Some(at), ..standing.row.clone() };
        tx.embargo_update(&row, &self.actor.act("delivery.let_in", at)).await
    }

    /// The delivery of a dataset that is kept out now.
    ///
    /// # Errors
    /// The store failed.
    pub async fn kept_out(&self, dataset: &Dataset) -> Result<Option<Embargo>, StoreError> {
        Ok(self.store.embargo_find_standing(&dataset.id).await?.map(Embargo::read))
    }

    /// Somebody decides to let in what is kept out, and says why. The next check takes it.
    ///
    /// # Errors
    /// Nothing is kept out, no reason, too long a one; the store failed, or somebody else was quicker.
    pub async fn release(&self, dataset: &Dataset, reason: &str, actor: &Actor) -> Result<Embargo, ReleaseError> {
        let reason = reason.trim();
        let found = reason.chars().count();
        if !(1..=STATEMENT_CHARACTERS_MAX).contains(&found) {
            return Err(ReleaseError::Statement { found });
        }
        let failed = |source| ReleaseError::Store { dataset: dataset.id.clone(), source };
        let standing = self.store.embargo_find_standing(&dataset.id).await.map_err(failed)?;
        let Some(standing) = standing else { return Err(ReleaseError::Nothing { dataset: dataset.id.clone() }) };
        let at = self.clock.now();
        let row = EmbargoRow {
            state: "released".to_owned(),
            statement: Some(reason.to_owned()),
            ended_at: Some(at),
            ended_by: Some(actor.account.clone()),
            ..standing
        };
        let mut tx = self.store.begin().await.map_err(failed)?;
        tx.embargo_update(&row, &actor.act("delivery.released", at)).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        tracing::info!(embargo.id = row.id, subject = ObjectKind::Embargo.name(&row.id), "a delivery was released");
        Ok(Embargo::read(row))
    }
}
