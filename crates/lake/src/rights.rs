//! What a grant covers, and its form in the plan: scan, filter, mask, and nothing past it.
//!
//! A granted view is a table to the engine. Whatever a caller asks is planned *above* it. Two things
//! keep it so: the view's own filter and masks are planned inside [`GrantedView`], before anything is
//! optimised, and [`Barrier`] stands on top of them, through which the engine's optimiser pushes no
//! filter, projection, order or limit and sees no statistics. So a caller's expression is never
//! evaluated on a row or a value outside the grant, and cannot learn of one by an error, either.
//!
//! One kind of condition does go down, for speed: comparisons of an unmasked granted column with
//! literals of its own type. They cannot fail, and the engine applies them again above.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::{TableProvider, TableType, provider_as_source};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlanBuilder, Operator, TableProviderFilterPushDown,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions};
use futures::StreamExt;

use crate::error::LakeError;
use crate::layout::BUCKET_COLUMN;
use crate::mask::Mask;
use crate::name::TableName;
use crate::scan::{LakeProvider, column, plain};
use crate::table::Table;

/// Most columns of one grant.
const COLUMNS_MAX: usize = 512;
/// Longest row filter, in bytes.
const FILTER_BYTES_MAX: usize = 16 << 10;
/// Literals of one condition that may go below the barrier.
const LITERALS_MAX: usize = 256;

/// What a caller may see of one table, and under which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The name the caller uses: 1 to 64 of `a-z0-9_`, beginning with a letter.
    pub view: String,
    /// The table behind it.
    pub table: TableName,
    /// The version to read; `None`: the newest at each call.
    pub version: Option<i64>,
    /// The columns covered, in the caller's order. Others do not exist for the caller.
    pub columns: Vec<GrantedColumn>,
    /// A condition in SQL over the table's own columns; rows for which it is not true do not exist
    /// for the caller. It comes from the grant, never from the caller.
    pub row_filter: Option<String>,
    /// Most rows of one answer.
    pub row_limit: Option<u64>,
}

/// One column of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedColumn {
    /// The table's column.
    pub name: String,
    /// What is seen in place of its values; `None`: the values.
    pub mask: Option<Mask>,
}

impl GrantedColumn {
    /// A column whose values are seen.
    #[must_use]
    pub fn open(name: impl Into<String>) -> Self {
        Self { name: name.into(), mask: None }
    }

    /// A column whose values are masked.
    #[must_use]
    pub fn masked(name: impl Into<String>, mask: Mask) -> Self {
        Self { name: name.into(), mask: Some(mask) }
    }
}

/// A grant fitted to one version of its table.
pub(crate) struct Granted {
    pub rights: Rights,
    pub table: Arc<Table>,
    /// What the caller sees.
    pub schema: SchemaRef,
    /// The view's columns over the table's columns, in order and under their names.
    projection: Vec<Expr>,
    filter: Option<Expr>,
    /// Whether a column shows its values, by its place in the view.
    open: Vec<bool>,
}

impl Granted {
    /// Checks the grant against the table and prepares its expressions.
    ///
    /// # Errors
    /// [`LakeError::Rights`] when a column is absent or named twice, the filter is no condition
    /// over the table, or the view's name is not one.
    pub(crate) fn new(state: &SessionState, table: Arc<Table>, rights: Rights) -> Result<Self, LakeError> {
        let misfit = |reason: String| LakeError::Rights { view: rights.view.clone(), reason };
        // The alphabet of table names, so that SQL can write the name as it is.
        if TableName::new(table.name.zone(), rights.view.as_str()).is_err() {
            return Err(misfit("its name must be 1 to 64 of a-z, 0-9 and _".to_owned()));
        }
        if !(1..=COLUMNS_MAX).contains(&rights.columns.len()) {
            return Err(misfit(format!("it covers {} columns, expected 1 to {COLUMNS_MAX}", rights.columns.len())));
        }
        let mut fields: Vec<Field> = Vec::with_capacity(rights.columns.len());
        let mut projection = Vec::with_capacity(rights.columns.len());
        let mut open = Vec::with_capacity(rights.columns.len());
        for granted in &rights.columns {
            let name = &granted.name;
            let Ok(field) = table.schema.field_with_name(name) else {
                return Err(misfit(format!("table `{}` has no column `{name}`", table.name)));
            };
            if fields.iter().any(|earlier| earlier.name() == name) {
                return Err(misfit(format!("it names column `{name}` twice")));
            }
            let value = column(name);
            let (expression, data_type) = match &granted.mask {
                None => (value, field.data_type().clone()),
                Some(mask) => {
                    let masked = mask
                        .expression(value, field.data_type())
                        .map_err(|_| misfit(format!("column `{name}` cannot be masked so")))?;
                    (masked, mask.data_type(field.data_type()))
                }
            };
            projection.push(expression.alias(name));
            open.push(granted.mask.is_none());
            fields.push(Field::new(name, data_type, true));
        }
        let filter = match &rights.row_filter {
            Some(sql) => Some(parse_filter(state, &table, sql).map_err(misfit)?),
            None => None,
        };
        Ok(Self { schema: Arc::new(Schema::new(fields)), rights, table, projection, filter, open })
    }

    /// True when the view shows the values of its column `name`.
    pub(crate) fn shows(&self, name: &str) -> bool {
        self.schema.index_of(name).is_ok_and(|index| self.open[index])
    }

    /// The grant applied to rows of the table already in memory.
    ///
    /// # Errors
    /// [`LakeError::QueryFailed`] when the grant's own expressions fail on a row.
    pub(crate) fn apply(&self, state: &SessionState, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        self.apply_inner(state, batch).map_err(|_| grant_failed())
    }

    fn apply_inner(&self, state: &SessionState, batch: &RecordBatch) -> EngineResult<RecordBatch> {
        let df_schema = DFSchema::try_from(batch.schema())?;
        let mut kept = batch.clone();
        if let Some(filter) = &self.filter {
            let condition = state.create_physical_expr(filter.clone(), &df_schema)?;
            let keep = condition.evaluate(&kept)?.into_array(kept.num_rows())?;
            kept = filter_record_batch(&kept, keep.as_boolean())?;
        }
        let mut columns = Vec::with_capacity(self.projection.len());
        for expression in &self.projection {
            let Expr::Alias(alias) = expression else {
                return Err(DataFusionError::Internal("a view's column has a name".to_owned()));
            };
            let value = state.create_physical_expr(alias.expr.as_ref().clone(), &df_schema)?;
            columns.push(value.evaluate(&kept)?.into_array(kept.num_rows())?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// A failure below the barrier: nothing of it is told, for its message may hold any value.
const fn grant_failed() -> LakeError {
    LakeError::QueryFailed { class: "the grant's own filter or mask failed on a row" }
}

fn parse_filter(state: &SessionState, table: &Table, sql: &str) -> Result<Expr, String> {
    if sql.len() > FILTER_BYTES_MAX {
        return Err(format!("its row filter has {} bytes, the bound is {FILTER_BYTES_MAX}", sql.len()));
    }
    let schema = DFSchema::try_from(Arc::clone(&table.schema)).map_err(|e| e.to_string())?;
    let filter = state
        .create_logical_expr(sql, &schema)
        .map_err(|error| format!("its row filter is not understood: {}", error.strip_backtrace()))?;
    match filter.get_type(&schema) {
        Ok(DataType::Boolean) => Ok(filter),
        Ok(other) => Err(format!("its row filter gives {other}, expected true or false")),
        Err(error) => Err(format!("its row filter does not fit: {}", error.strip_backtrace())),
    }
}

/// A grant as a table to the engine.
pub(crate) struct GrantedView(pub Arc<Granted>);

impl std::fmt::Debug for GrantedView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "GrantedView({})", self.0.rights.view)
    }
}

impl GrantedView {
    /// True for conditions that may be evaluated on rows outside the grant: they only compare
    /// open columns with literals of the same type, so they cannot fail and tell nothing.
    fn may_go_below(&self, condition: &Expr) -> bool {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
                self.may_go_below(left) && self.may_go_below(right)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let compares = matches!(
                    op,
                    Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
                );
                compares
                    && match (left.as_ref(), right.as_ref()) {
                        (Expr::Column(column), Expr::Literal(literal, _))
                        | (Expr::Literal(literal, _), Expr::Column(column)) => {
                            self.is_open_of_type(column.name(), literal)
                        }
                        _ => false,
                    }
            }
            Expr::InList(list) => {
                let Expr::Column(column) = list.expr.as_ref() else { return false };
                list.list.len() <= LITERALS_MAX
                    && list.list.iter().all(|value| match value {
                        Expr::Literal(literal, _) => self.is_open_of_type(column.name(), literal),
                        _ => false,
                    })
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => match inner.as_ref() {
                Expr::Column(column) => self.0.shows(column.name()),
                _ => false,
            },
            _ => false,
        }
    }

    fn is_open_of_type(&self, name: &str, literal: &ScalarValue) -> bool {
        self.0.shows(name)
            && self.0.schema.field_with_name(name).is_ok_and(|field| *field.data_type() == literal.data_type())
    }
}

#[async_trait]
impl TableProvider for GrantedView {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if self.may_go_below(filter) {
                    TableProviderFilterPushDown::Inexact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let granted = &self.0;
        let source = provider_as_source(Arc::new(LakeProvider::whole(Arc::clone(&granted.table))));
        let mut plan = LogicalPlanBuilder::scan("granted", source, None)?;
        if let Some(filter) = &granted.filter {
            plan = plan.filter(filter.clone())?;
        }
        for filter in filters {
            // Checked again: whoever calls may only have asked about some.
            if self.may_go_below(filter) {
                plan = plan.filter(unqualified(filter.clone())?)?;
            }
        }
        let all: Vec<usize> = (0..granted.projection.len()).collect();
        let wanted = projection.unwrap_or(&all);
        let schema = Arc::new(granted.schema.project(wanted)?);
        // A query may need no column at all (`count(*)`): rows still have to come.
        let columns: Vec<Expr> = if wanted.is_empty() {
            vec![Expr::Literal(ScalarValue::Boolean(None), None).alias(BUCKET_COLUMN)]
        } else {
            wanted.iter().map(|&index| granted.projection[index].clone()).collect()
        };
        plan = plan.project(columns)?;
        if filters.is_empty() && limit.is_some() {
            plan = plan.limit(0, limit)?;
        }
        let input = state.create_physical_plan(&plan.build()?).await.map_err(|_| hidden())?;
        Ok(Arc::new(Barrier::new(input, schema)))
    }
}

/// Drops the view's name from columns: below the barrier they are the table's.
fn unqualified(condition: Expr) -> EngineResult<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    Ok(condition
        .transform(|expression| match expression {
            Expr::Column(inner) => Ok(Transformed::yes(column(inner.name()))),
            other => Ok(Transformed::no(other)),
        })?
        .data)
}

fn hidden() -> DataFusionError {
    DataFusionError::External(Box::new(grant_failed()))
}

/// Stands between a grant's plan and a caller's. Every way in which the engine moves work or
/// knowledge across an operator is left at the engine's default, which is "no".
#[derive(Debug)]
struct Barrier {
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl Barrier {
    fn new(input: Arc<dyn ExecutionPlan>, schema: SchemaRef) -> Self {
        let below = input.properties();
        // Neither order nor equalities nor constants of the input are passed on.
        let properties = PlanProperties::new(
            datafusion::physical_expr::EquivalenceProperties::new(Arc::clone(&schema)),
            datafusion::physical_plan::Partitioning::UnknownPartitioning(below.partitioning.partition_count()),
            below.emission_type,
            below.boundedness,
        );
        Self { input, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for Barrier {
    fn fmt_as(&self, _kind: DisplayFormatType, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Barrier")
    }
}

impl ExecutionPlan for Barrier {
    fn name(&self) -> &'static str {
        "Barrier"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> EngineResult<TreeNodeRecursion>,
    ) -> EngineResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal("a barrier has one input".to_owned()));
        };
        Ok(Arc::new(Self::new(input, Arc::clone(&self.schema))))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(datafusion::physical_plan::ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> EngineResult<SendableRecordBatchStream> {
        let schema = Arc::clone(&self.schema);
        let fitted = Arc::clone(&schema);
        let input = self.input.execute(partition, context).map_err(scrubbed)?;
        let stream = input.map(move |batch| {
            let batch = batch.map_err(scrubbed)?;
            let batch = plain(&batch).map_err(scrubbed)?;
            // The columns' order and types are the view's; only nullability may be narrower.
            let columns = batch.columns()[..fitted.fields().len()].to_vec();
            RecordBatch::try_new_with_options(
                Arc::clone(&fitted),
                columns,
                &arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
            )
            .map_err(|_| hidden())
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

/// What of an error below the barrier may be told: that a bound was met, else nothing.
fn scrubbed(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::ResourcesExhausted(bound) => DataFusionError::ResourcesExhausted(bound),
        error => {
            tracing::debug!(kind = error.error_name_for_log(), "a grant's own plan failed");
            hidden()
        }
    }
}

trait NameForLog {
    fn error_name_for_log(&self) -> &'static str;
}

impl NameForLog for DataFusionError {
    /// The error's kind without its text, which may hold values.
    fn error_name_for_log(&self) -> &'static str {
        match self {
            Self::ArrowError(_, _) => "arrow",
            Self::ParquetError(_) => "parquet",
            Self::ObjectStore(_) => "file",
            Self::IoError(_) => "io",
            Self::Execution(_) => "execution",
            Self::Internal(_) => "internal",
            _ => "other",
        }
    }
}
