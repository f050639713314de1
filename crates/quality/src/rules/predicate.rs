//! `predicate`: an expression that the query engine evaluates. The engine is handed in; this crate knows none.

use arrow::{
    array::{Array, BooleanArray, RecordBatch},
    datatypes::Schema,
};

use crate::{
    bits::{Bits, Rows},
    error::QualityError,
    rules::{Batch, Verdict},
};

/// Compiles bounded SQL expressions.
pub trait Predicates: Sync {
    /// Compiles an expression over the columns of `schema`. It must be deterministic, speak of one row, and touch
    /// no other table.
    ///
    /// # Errors
    /// What was found and what was expected, to be shown to whoever wrote the rule.
    fn compile(&self, sql: &str, schema: &Schema) -> Result<Box<dyn RowPredicate>, String>;
}

/// A compiled expression.
pub trait RowPredicate: Send + Sync + std::fmt::Debug {
    /// Columns that it reads; batches have at least these.
    fn columns(&self) -> Vec<String>;

    /// One answer per row: true, false, or NULL for "cannot be said".
    ///
    /// # Errors
    /// The evaluation stopped.
    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, String>;
}

/// An expression of a rule.
#[derive(Debug)]
pub struct Predicate {
    rule: String,
    compiled: Box<dyn RowPredicate>,
}

impl Predicate {
    /// Compiles the rule.
    ///
    /// # Errors
    /// No engine was handed in, or it refused the expression.
    pub fn compile(rule: &str, sql: &str, engine: Option<&dyn Predicates>, schema: &Schema) -> Result<Self, String> {
        let engine = engine.ok_or_else(|| "is SQL, and no engine was handed in to evaluate it".to_owned())?;
        Ok(Self { rule: rule.to_owned(), compiled: engine.compile(sql, schema)? })
    }

    /// Columns that it reads.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.compiled.columns()
    }

    /// Rows are evaluated for which the expression is true or false.
    ///
    /// # Errors
    /// The evaluation stopped, or gave another number of answers than there are rows.
    pub fn judge(&self, batch: &Batch<'_>) -> Result<Verdict, QualityError> {
        let stopped = |reason| QualityError::Predicate { rule: self.rule.clone(), reason };
        let answers = self.compiled.evaluate(batch.record_batch).map_err(stopped)?;
        if answers.len() != batch.rows() {
            return Err(stopped(format!("found {} answers, expected {}", answers.len(), batch.rows())));
        }
        let evaluated = match answers.nulls() {
            Some(nulls) if nulls.null_count() > 0 => Rows::Some(Bits::of_valid(nulls)),
            _ => Rows::All,
        };
        let mut failed = Bits::of_buffer(answers.values()).complement();
        evaluated.confine(&mut failed);
        Ok(Verdict { evaluated, failed })
    }
}
