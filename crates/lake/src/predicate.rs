//! Conditions on one row, written in SQL by a definition and evaluated batch by batch.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;

/// Longest condition, in bytes.
const SQL_BYTES_MAX: usize = 4_096;

/// A compiled condition. It speaks of one row, reads no table and always answers the same.
#[derive(Debug, Clone)]
pub struct RowCondition {
    schema: SchemaRef,
    columns: Vec<String>,
    expression: Arc<dyn PhysicalExpr>,
}

impl RowCondition {
    /// Compiles `sql` over the columns of `schema`.
    ///
    /// # Errors
    /// What was found and what was expected, for whoever wrote the condition: it does not parse, names an
    /// unknown column, holds a subquery, an aggregate or a function that does not always answer the same,
    /// is not true or false, or is longer than 4,096 bytes.
    pub fn compile(sql: &str, schema: &Schema) -> Result<Self, String> {
        if sql.len() > SQL_BYTES_MAX {
            return Err(format!("found a condition of {} bytes, expected at most {SQL_BYTES_MAX}", sql.len()));
        }
        let context = SessionContext::new();
        let schema = Arc::new(schema.clone());
        let shape = DFSchema::try_from(Arc::clone(&schema)).map_err(|error| error.strip_backtrace())?;
        let expression = context.parse_sql_expr(sql, &shape).map_err(|error| error.strip_backtrace())?;
        if !is_row_local(&expression) {
            return Err(
                "found a subquery, an aggregate or a changing function, expected a condition on one row".to_owned()
            );
        }
        let mut columns: Vec<String> = expression.column_refs().into_iter().map(|column| column.name.clone()).collect();
        columns.sort();
        let expression = context.create_physical_expr(expression, &shape).map_err(|error| error.strip_backtrace())?;
        match expression.data_type(&schema) {
            Ok(DataType::Boolean | DataType::Null) => Ok(Self { schema, columns, expression }),
            Ok(other) => Err(format!("found a condition that answers {other}, expected true or false")),
            Err(error) => Err(error.strip_backtrace()),
        }
    }

    /// Columns that it reads, by name.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// One answer per row: true, false, or NULL for "cannot be said". The batch has at least the columns read;
    /// others may be missing or stand elsewhere.
    ///
    /// # Errors
    /// The evaluation stopped, e.g. on a division by zero. The sentence may hold a value of the row.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        // The compiled expression reads columns by place; the batch may be a projection.
        let arrays = self.schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
            Some(array) if array.data_type() == field.data_type() => Ok(Arc::clone(array)),
            Some(array) => arrow::compute::cast(array, field.data_type()).map_err(|error| error.to_string()),
            None => Ok(arrow::array::new_null_array(field.data_type(), batch.num_rows())),
        });
        let nullable: Schema = Schema::new(
            self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
        );
        let full = RecordBatch::try_new(Arc::new(nullable), arrays.collect::<Result<Vec<_>, String>>()?)
            .map_err(|error| error.to_string())?;
        let answer = self.expression.evaluate(&full).and_then(|value| value.into_array(batch.num_rows()));
        let answer = answer.map_err(|error| error.strip_backtrace())?;
        match answer.data_type() {
            DataType::Boolean => Ok(answer.as_boolean().clone()),
            _ => Ok(BooleanArray::new_null(batch.num_rows())),
        }
    }
}

fn is_row_local(expression: &Expr) -> bool {
    use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
    let mut local = true;
    let walked = expression.apply(|part| {
        let allowed = match part {
            Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_) => false,
            Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Immutable,
            _ => true,
        };
        local = local && allowed;
        Ok(if local { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.is_ok() && local
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![Field::new("paid", DataType::Int64, true), Field::new("state", DataType::Utf8, true)])
    }

    #[test]
    fn a_condition_answers_row_by_row() {
        let condition = RowCondition::compile("paid >= 0 or state = 'refund'", &schema()).unwrap();
        let batch = RecordBatch::try_new(
            Arc::new(schema()),
            vec![
                Arc::new(Int64Array::from(vec![Some(1), Some(-1), None])),
                Arc::new(StringArray::from(vec![None, Some("refund"), None])),
            ],
        )
        .unwrap();
        let answers = condition.evaluate(&batch).unwrap();
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Some(true), Some(true), None]);
    }

    #[test]
    fn what_is_no_condition_on_one_row_is_refused() {
        for sql in ["paid + 1", "random() > 0.5", "sum(paid) > 1", "paid in (select 1)", "unknown = 1", "paid >"] {
            assert!(RowCondition::compile(sql, &schema()).is_err(), "{sql}");
        }
    }
}
