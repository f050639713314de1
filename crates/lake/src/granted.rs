//! Reading under a grant without SQL: by key, by conditions, as a stream.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::functions::expr_fn::starts_with;
use datafusion::logical_expr::{Expr, Operator, binary_expr, in_list, lit};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;

use crate::error::LakeError;
use crate::lake::{BatchStream, Lake};
use crate::query::Param;
use crate::rights::{Granted, GrantedView, Rights};
use crate::scan::{column, plain, session_config};

/// Rows of one batch of a granted read: small, so that bounds are noticed early.
const BATCH_ROWS: usize = 1_024;
/// Conditions of one selection.
const CONDITIONS_MAX: usize = 32;
/// Values of one [`Test::OneOf`].
const VALUES_MAX: usize = 1_000;

/// What one granted read may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of the answer.
    pub rows: u64,
    /// Bytes of the answer in memory.
    pub bytes: u64,
    /// Memory for sorting, joining and grouping, in bytes. Granted reads never spill to disk.
    pub memory: usize,
    /// Time from call to answer.
    pub seconds: u64,
}

impl Default for Limits {
    /// 100,000 rows, 64 MiB, 256 MiB of memory, 30 seconds.
    fn default() -> Self {
        Self { rows: 100_000, bytes: 64 << 20, memory: 256 << 20, seconds: 30 }
    }
}

/// What to read of a granted view. Columns are the view's; everything else does not exist.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Columns in the order wanted; `None`: all of the view's.
    pub columns: Option<Vec<String>>,
    /// Conditions that must all hold. A masked column is compared by its masked text.
    pub conditions: Vec<Condition>,
    /// Order of the rows; without it they come in any order.
    pub order_by: Vec<Order>,
    /// Rows to leave out at the front.
    pub offset: usize,
    /// Most rows wanted.
    pub limit: Option<usize>,
}

/// A condition on one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The view's column.
    pub column: String,
    /// What must hold for it.
    pub test: Test,
}

/// What a condition may ask of a value. Nothing (null) only passes [`Test::IsAbsent`].
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal.
    Equals(Param),
    /// There, and not equal.
    Differs(Param),
    /// Smaller.
    Below(Param),
    /// Smaller or equal.
    AtMost(Param),
    /// Greater.
    Above(Param),
    /// Greater or equal.
    AtLeast(Param),
    /// Equal to one of at most 1000 values.
    OneOf(Vec<Param>),
    /// Text that begins so.
    StartsWith(String),
    /// Not there.
    IsAbsent,
    /// There.
    IsPresent,
}

/// A column to order by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The view's column.
    pub column: String,
    /// Greatest first.
    pub descending: bool,
}

/// The answer to a granted read.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// True when more rows would have come but for a limit of the call or the grant.
    pub truncated: bool,
}

impl Answer {
    /// Rows of the answer.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

impl Lake {
    /// Checks a grant against its table as it is now: what the caller would see.
    ///
    /// # Errors
    /// [`LakeError::Rights`] with the reason, [`LakeError::NoTable`], [`LakeError::NoVersion`].
    pub async fn granted_schema(&self, rights: &Rights) -> Result<SchemaRef, LakeError> {
        Ok(Arc::clone(&self.granted(rights).await?.schema))
    }

    /// Reads a granted view by conditions.
    ///
    /// When the conditions are exactly the table's key and the view shows it, the row is looked up
    /// without planning. The answer is cut, and says so, at the smallest of the selection's limit,
    /// the grant's and `limits.rows`.
    ///
    /// # Errors
    /// [`LakeError::Refused`] for a column the view lacks or a value that is not of its column's
    /// type; [`LakeError::Bound`] past bytes, memory or seconds; [`LakeError::QueryFailed`];
    /// [`LakeError::Rights`], [`LakeError::NoTable`] when the grant itself does not fit.
    pub async fn read_granted(
        &self,
        rights: &Rights,
        selection: &Selection,
        limits: Limits,
    ) -> Result<Answer, LakeError> {
        within(limits, async {
            let granted = Arc::new(self.granted(rights).await?);
            let most = [selection.limit.map(|limit| limit as u64), rights.row_limit]
                .into_iter()
                .flatten()
                .fold(limits.rows, u64::min);
            if let Some(key) = key_sought(&granted, selection) {
                let key: Vec<&str> = key.iter().map(String::as_str).collect();
                let answer = self.looked_up(&granted, &key).await?;
                return narrowed(answer, selection, most);
            }
            let state = self.granted_state(limits.memory)?;
            let mut selection = selection.clone();
            // One more than may be answered tells whether there is more.
            let rows = usize::try_from(most.saturating_add(1)).unwrap_or(usize::MAX);
            selection.limit = Some(rows);
            let frame = selected(&state, &granted, &selection)?;
            let stream = frame.execute_stream().await.map_err(|e| run_error(&e, limits))?;
            let schema = stream.schema();
            let mut answer = collect(stream, schema, limits, u64::MAX).await?;
            answer.cut(most);
            Ok(answer)
        })
        .await
    }

    /// The row of a granted view with this key, its parts as text in the order of the table's
    /// key. Every key column must be covered by the grant and unmasked.
    ///
    /// # Errors
    /// [`LakeError::Refused`] when the grant does not show the key; else as [`Lake::lookup`].
    pub async fn lookup_granted(&self, rights: &Rights, key: &[&str]) -> Result<Answer, LakeError> {
        let granted = self.granted(rights).await?;
        if let Some(unseen) = granted.table.layout.key().iter().find(|column| !granted.shows(column)) {
            // Its name is not the caller's to know when the grant does not cover it.
            let covered = granted.schema.field_with_name(unseen).is_ok();
            let what = if covered {
                format!("column `{unseen}` is masked")
            } else {
                "the view does not show the key".to_owned()
            };
            return Err(LakeError::Refused { reason: format!("{what}, so rows cannot be looked up by it") });
        }
        self.looked_up(&granted, key).await
    }

    /// Streams a granted view for delivery as a file or table, up to the grant's row limit.
    ///
    /// # Errors
    /// As [`Lake::read_granted`], of which [`LakeError::QueryFailed`] and [`LakeError::Bound`] (of
    /// the lake's memory) may come while streaming.
    pub async fn stream_granted(
        &self,
        rights: &Rights,
        selection: &Selection,
    ) -> Result<(SchemaRef, BatchStream), LakeError> {
        let granted = Arc::new(self.granted(rights).await?);
        let limits = Limits { memory: self.inner.options.memory_limit, ..Limits::default() };
        let state = self.granted_state_in(Arc::clone(&self.inner.runtime));
        let mut selection = selection.clone();
        if let Some(most) = rights.row_limit.and_then(|most| usize::try_from(most).ok()) {
            selection.limit = Some(selection.limit.map_or(most, |limit| limit.min(most)));
        }
        let frame = selected(&state, &granted, &selection)?;
        let stream = frame.execute_stream().await.map_err(|e| run_error(&e, limits))?;
        let schema = stream.schema();
        let batches =
            stream.map(move |batch| batch.and_then(|batch| plain(&batch)).map_err(|error| run_error(&error, limits)));
        Ok((schema, Box::pin(batches)))
    }

    async fn looked_up(&self, granted: &Granted, key: &[&str]) -> Result<Answer, LakeError> {
        let found = self.lookup_in(Arc::clone(&granted.table), key).await?;
        let state = &self.inner.restricted;
        let batches = found
            .iter()
            .map(|batch| granted.apply(state, batch))
            .filter(|batch| batch.as_ref().map_or(true, |batch| batch.num_rows() > 0))
            .collect::<Result<_, _>>()?;
        Ok(Answer { schema: Arc::clone(&granted.schema), batches, truncated: false })
    }

    /// The grant fitted to its table.
    pub(crate) async fn granted(&self, rights: &Rights) -> Result<Granted, LakeError> {
        let table = self.table(&rights.table, rights.version).await?;
        Granted::new(&self.inner.restricted, table, rights.clone())
    }

    /// A session for one granted read: allowed functions only, memory of its own, no disk, an
    /// empty catalogue of its own.
    pub(crate) fn granted_state(&self, memory: usize) -> Result<SessionState, LakeError> {
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.inner.runtime)
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|source| LakeError::engine("prepare a granted read", source))?;
        Ok(self.granted_state_in(runtime))
    }

    fn granted_state_in(&self, runtime: Arc<RuntimeEnv>) -> SessionState {
        let mut config = session_config(self.inner.options.threads, BATCH_ROWS);
        config.options_mut().execution.enable_recursive_ctes = false;
        SessionStateBuilder::new_from_existing(self.inner.restricted.clone())
            .with_config(config)
            .with_runtime_env(runtime)
            .with_catalog_list(Arc::new(datafusion::catalog::MemoryCatalogProviderList::new()))
            .build()
    }
}

impl Answer {
    /// Keeps the first `most` rows.
    fn cut(&mut self, most: u64) {
        let mut left = usize::try_from(most).unwrap_or(usize::MAX);
        let mut kept = Vec::with_capacity(self.batches.len());
        for batch in self.batches.drain(..) {
            if batch.num_rows() <= left {
                left -= batch.num_rows();
                kept.push(batch);
                continue;
            }
            self.truncated = true;
            if left > 0 {
                kept.push(batch.slice(0, left));
                left = 0;
            }
        }
        self.batches = kept;
    }
}

/// The key's texts, when the conditions are one equality for each column of the key and no more.
fn key_sought(granted: &Granted, selection: &Selection) -> Option<Vec<String>> {
    let key = granted.table.layout.key();
    if key.is_empty() || selection.conditions.len() != key.len() {
        return None;
    }
    key.iter()
        .map(|name| {
            let condition = selection.conditions.iter().find(|condition| condition.column == *name)?;
            match &condition.test {
                Test::Equals(Param::Text(text)) if granted.shows(name) => Some(text.clone()),
                Test::Equals(Param::Integer(number)) if granted.shows(name) => Some(number.to_string()),
                _ => None,
            }
        })
        .collect()
}

/// Applies the rest of a selection to a row that was looked up.
fn narrowed(mut answer: Answer, selection: &Selection, most: u64) -> Result<Answer, LakeError> {
    if let Some(columns) = &selection.columns {
        let places = columns
            .iter()
            .map(|name| answer.schema.index_of(name).map_err(|_| no_column(name)))
            .collect::<Result<Vec<_>, _>>()?;
        let failed = |_| LakeError::QueryFailed { class: "a column could not be chosen" };
        answer.schema = Arc::new(answer.schema.project(&places).map_err(failed)?);
        answer.batches =
            answer.batches.iter().map(|batch| batch.project(&places).map_err(failed)).collect::<Result<_, _>>()?;
    }
    if selection.offset > 0 {
        answer.batches.clear();
    }
    answer.cut(most);
    Ok(answer)
}

/// A selection over a granted view, planned but not run.
fn selected(state: &SessionState, granted: &Arc<Granted>, selection: &Selection) -> Result<DataFrame, LakeError> {
    if selection.conditions.len() > CONDITIONS_MAX {
        return Err(LakeError::Bound { bound: format!("{CONDITIONS_MAX} conditions") });
    }
    let failed = |_: DataFusionError| LakeError::QueryFailed { class: "it could not be planned" };
    let context = SessionContext::new_with_state(state.clone());
    let view = GrantedView(Arc::clone(granted));
    let mut frame = context.read_table(Arc::new(view)).map_err(failed)?;
    for condition in &selection.conditions {
        frame = frame.filter(expression(&granted.schema, condition)?).map_err(failed)?;
    }
    let known = |name: &String| match granted.schema.field_with_name(name) {
        Ok(_) => Ok(column(name)),
        Err(_) => Err(no_column(name)),
    };
    if !selection.order_by.is_empty() {
        let order = selection
            .order_by
            .iter()
            .map(|order| Ok(known(&order.column)?.sort(!order.descending, order.descending)))
            .collect::<Result<Vec<_>, LakeError>>()?;
        frame = frame.sort(order).map_err(failed)?;
    }
    if selection.offset > 0 || selection.limit.is_some() {
        frame = frame.limit(selection.offset, selection.limit).map_err(failed)?;
    }
    if let Some(columns) = &selection.columns {
        let columns = columns.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        frame = frame.select(columns).map_err(failed)?;
    }
    Ok(frame)
}

fn no_column(name: &str) -> LakeError {
    let name: String = name.chars().take(80).collect();
    LakeError::Refused { reason: format!("the view has no column `{name}`") }
}

fn expression(schema: &SchemaRef, condition: &Condition) -> Result<Expr, LakeError> {
    let name = &condition.column;
    let Ok(field) = schema.field_with_name(name) else { return Err(no_column(name)) };
    let value = |param: &Param| literal(name, field.data_type(), param);
    let compare = |op, param| Ok(binary_expr(column(name), op, value(param)?));
    match &condition.test {
        Test::Equals(param) => compare(Operator::Eq, param),
        Test::Differs(param) => compare(Operator::NotEq, param),
        Test::Below(param) => compare(Operator::Lt, param),
        Test::AtMost(param) => compare(Operator::LtEq, param),
        Test::Above(param) => compare(Operator::Gt, param),
        Test::AtLeast(param) => compare(Operator::GtEq, param),
        Test::OneOf(params) if params.len() > VALUES_MAX => {
            Err(LakeError::Bound { bound: format!("{VALUES_MAX} values of one condition") })
        }
        Test::OneOf(params) => {
            let values = params.iter().map(value).collect::<Result<_, _>>()?;
            Ok(in_list(column(name), values, false))
        }
        Test::StartsWith(text) if *field.data_type() == DataType::Utf8 => {
            Ok(starts_with(column(name), lit(text.as_str())))
        }
        Test::StartsWith(_) => Err(LakeError::Refused { reason: format!("column `{name}` is not text") }),
        Test::IsAbsent => Ok(column(name).is_null()),
        Test::IsPresent => Ok(column(name).is_not_null()),
    }
}

/// The value in its column's type, so that the engine converts nothing while it runs.
fn literal(name: &str, data_type: &DataType, param: &Param) -> Result<Expr, LakeError> {
    let misfit = || LakeError::Refused {
        reason: format!("the value given for column `{name}` is not of its type, {data_type}"),
    };
    let given = ScalarValue::from(param.clone());
    let fitted = match (&given, data_type) {
        (ScalarValue::Utf8(Some(text)), _) => {
            ScalarValue::try_from_string(text.clone(), data_type).map_err(|_| misfit())?
        }
        _ => given.cast_to(data_type).map_err(|_| misfit())?,
    };
    // A number that lost its fraction on the way is another number.
    let same = match &given {
        ScalarValue::Utf8(_) => !fitted.is_null(),
        given => fitted.cast_to(&given.data_type()).is_ok_and(|back| back == *given),
    };
    if same { Ok(Expr::Literal(fitted, None)) } else { Err(misfit()) }
}

/// Runs a granted read within its time.
pub(crate) async fn within<T>(
    limits: Limits,
    work: impl Future<Output = Result<T, LakeError>>,
) -> Result<T, LakeError> {
    match tokio::time::timeout(Duration::from_secs(limits.seconds), work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(LakeError::Bound { bound: format!("{} seconds", limits.seconds) }),
    }
}

/// Gathers an answer within its bytes; more than `rows_max` rows are an error.
pub(crate) async fn collect(
    mut stream: SendableRecordBatchStream,
    schema: SchemaRef,
    limits: Limits,
    rows_max: u64,
) -> Result<Answer, LakeError> {
    let mut batches = Vec::new();
    let mut bytes = 0_u64;
    let mut rows = 0_u64;
    while let Some(batch) = stream.next().await {
        let batch = batch.and_then(|batch| plain(&batch)).map_err(|e| run_error(&e, limits))?;
        rows += batch.num_rows() as u64;
        bytes += batch.get_array_memory_size() as u64;
        if rows > rows_max {
            return Err(LakeError::Bound { bound: format!("{rows_max} rows") });
        }
        if bytes > limits.bytes {
            return Err(LakeError::Bound { bound: format!("{} bytes of answer", limits.bytes) });
        }
        if batch.num_rows() > 0 {
            batches.push(batch);
        }
    }
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    Ok(Answer { schema, batches, truncated: false })
}

/// What a caller is told of a failure while running: a bound, or the kind of failure. The
/// engine's own text may hold values and goes nowhere.
pub(crate) fn run_error(error: &DataFusionError, limits: Limits) -> LakeError {
    let root = error.find_root();
    match root {
        DataFusionError::ResourcesExhausted(_) => {
            LakeError::Bound { bound: format!("{} bytes of memory", limits.memory) }
        }
        DataFusionError::ArrowError(inner, _) => LakeError::QueryFailed {
            class: match inner.as_ref() {
                arrow::error::ArrowError::DivideByZero => "a division by zero",
                arrow::error::ArrowError::CastError(_) | arrow::error::ArrowError::ParseError(_) => {
                    "a value does not fit the type it is turned into"
                }
                arrow::error::ArrowError::ArithmeticOverflow(_) => "a number is too large",
                arrow::error::ArrowError::ParquetError(_) => "a data file could not be read",
                _ => "a value could not be worked out",
            },
        },
        DataFusionError::External(inner) => match inner.downcast_ref::<LakeError>() {
            Some(LakeError::QueryFailed { class }) => LakeError::QueryFailed { class },
            Some(LakeError::Bound { bound }) => LakeError::Bound { bound: bound.clone() },
            _ => LakeError::QueryFailed { class: "a part of the engine failed" },
        },
        DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
            LakeError::QueryFailed { class: "a data file could not be read" }
        }
        _ => LakeError::QueryFailed { class: "a value could not be worked out" },
    }
}
