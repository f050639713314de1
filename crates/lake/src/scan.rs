//! Reading a table's rows: the live files of one version, pruned, through the engine.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{MemoryCatalogProviderList, Session};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures::StreamExt;
use object_store::path::Path;

use crate::beside::live_selection;
use crate::data_file::DataFile;
use crate::error::LakeError;
use crate::lake::{BatchStream, Lake};
use crate::layout::{BUCKET_COLUMN, Layout, bucket_of};
use crate::name::TableName;
use crate::table::Table;

/// Rows of a batch unless asked otherwise.
const BATCH_ROWS: usize = 8_192;

/// What to read of a table. The default reads everything there is now.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The version to read; `None`: the newest.
    pub version: Option<i64>,
    /// Columns in the order wanted; `None`: all of them.
    pub columns: Option<Vec<String>>,
    /// A condition in SQL over the table's columns. Trusted: it comes from a definition.
    pub filter_sql: Option<String>,
    /// Hash buckets to read, for keyed tables; `None`: all.
    pub buckets: Option<Vec<u32>>,
    /// Most rows of one batch; `None`: 8192.
    pub batch_size: Option<usize>,
    /// Most rows in all.
    pub limit: Option<usize>,
    /// Bucket by bucket and by key within each; for tables without a key, in order of commits.
    /// One thread reads then.
    pub ordered: bool,
}

impl Lake {
    /// Streams a table's rows. Order is that of the files only when [`Scan::ordered`] says so.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::NoVersion`], [`LakeError::NoColumn`],
    /// [`LakeError::Engine`] for a condition that does not parse. While streaming:
    /// [`LakeError::Engine`], whose source names the file that cannot be read.
    pub async fn scan(&self, table: &TableName, scan: Scan) -> Result<BatchStream, LakeError> {
        let frame = self.scan_frame(table, scan).await?;
        let stream = frame
            .execute_stream()
            .await
            .map_err(|source| LakeError::engine(format!("read table `{table}`"), source))?;
        Ok(batches(stream, format!("read table `{table}`")))
    }

    /// Like [`Lake::scan`], in up to [`crate::LakeOptions::threads`] streams to be drained at the
    /// same time. Together they have every row once.
    ///
    /// # Errors
    /// As [`Lake::scan`].
    pub async fn scan_parallel(&self, table: &TableName, scan: Scan) -> Result<Vec<BatchStream>, LakeError> {
        let frame = self.scan_frame(table, scan).await?;
        let streams = frame
            .execute_stream_partitioned()
            .await
            .map_err(|source| LakeError::engine(format!("read table `{table}`"), source))?;
        Ok(streams.into_iter().map(|stream| batches(stream, format!("read table `{table}`"))).collect())
    }

    async fn scan_frame(&self, name: &TableName, scan: Scan) -> Result<DataFrame, LakeError> {
        let table = self.table(name, scan.version).await?;
        let failed = |source| LakeError::engine(format!("read table `{name}`"), source);
        let columns: Vec<String> = match scan.columns {
            Some(columns) => {
                let absent = columns.iter().find(|column| table.schema.field_with_name(column).is_err());
                if let Some(absent) = absent {
                    return Err(LakeError::NoColumn { table: name.clone(), column: absent.clone() });
                }
                columns
            }
            None => table.schema.fields().iter().map(|field| field.name().clone()).collect(),
        };
        let threads = if scan.ordered { 1 } else { self.inner.options.threads };
        let state = self.state(threads, scan.batch_size.unwrap_or(BATCH_ROWS));
        let context = SessionContext::new_with_state(state);
        let provider = LakeProvider {
            table,
            buckets: scan.buckets.map(|buckets| buckets.into_iter().collect()),
            ordered: scan.ordered,
        };
        let mut frame = context.read_table(Arc::new(provider)).map_err(failed)?;
        if let Some(filter) = &scan.filter_sql {
            let condition = frame.parse_sql_expr(filter).map_err(failed)?;
            frame = frame.filter(condition).map_err(failed)?;
        }
        let columns: Vec<Expr> = columns.iter().map(|name| column(name)).collect();
        frame = frame.select(columns).map_err(failed)?;
        if let Some(limit) = scan.limit {
            frame = frame.limit(0, Some(limit)).map_err(failed)?;
        }
        Ok(frame)
    }

    /// A session of the engine for trusted work, with all of its functions.
    pub(crate) fn state(&self, threads: usize, batch_rows: usize) -> SessionState {
        SessionStateBuilder::new_from_existing(self.inner.trusted.clone())
            .with_config(session_config(threads, batch_rows))
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .build()
    }
}

/// What every trusted session begins as.
pub(crate) fn trusted_state(runtime: &Arc<RuntimeEnv>) -> SessionState {
    SessionStateBuilder::new()
        .with_config(session_config(1, BATCH_ROWS))
        .with_runtime_env(Arc::clone(runtime))
        .with_default_features()
        .build()
}

/// Settings every session of ours shares.
pub(crate) fn session_config(threads: usize, batch_rows: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads.max(1))
        .with_batch_size(batch_rows.clamp(1, 1 << 20))
        .with_information_schema(false)
        .with_parquet_bloom_filter_pruning(true)
        .with_parquet_page_index_pruning(true);
    let options = config.options_mut();
    // Text stays plain text, so that what a caller reads has the types it wrote.
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.enable_ident_normalization = true;
    config
}

/// A column by its exact name, capitals and all.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(datafusion::common::Column::new_unqualified(name))
}

/// The engine's stream as ours: plain text columns, our errors.
pub(crate) fn batches(stream: SendableRecordBatchStream, action: String) -> BatchStream {
    Box::pin(stream.map(move |batch| {
        batch.and_then(|batch| plain(&batch)).map_err(|source| LakeError::engine(action.clone(), source))
    }))
}

/// Turns the engine's string views into the plain text that the rest of the house works with.
pub(crate) fn plain(batch: &RecordBatch) -> EngineResult<RecordBatch> {
    let schema = batch.schema();
    let is_view =
        |field: &FieldRef| matches!(field.data_type(), DataType::Utf8View | DataType::LargeUtf8 | DataType::BinaryView);
    if !schema.fields().iter().any(is_view) {
        return Ok(batch.clone());
    }
    let mut fields: Vec<FieldRef> = Vec::with_capacity(schema.fields().len());
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let to = match field.data_type() {
            DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            other => other.clone(),
        };
        columns.push(arrow::compute::cast(column, &to)?);
        fields.push(Arc::new(Field::new(field.name(), to, field.is_nullable())));
    }
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns,
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
    )?)
}

/// A version of a table to the engine: explicit files, so nothing is ever listed.
pub(crate) struct LakeProvider {
    pub table: Arc<Table>,
    pub buckets: Option<HashSet<u32>>,
    pub ordered: bool,
}

impl LakeProvider {
    /// Every row of `table`.
    pub(crate) const fn whole(table: Arc<Table>) -> Self {
        Self { table, buckets: None, ordered: false }
    }

    /// The files that may hold rows for which all `filters` are true.
    fn candidates(&self, state: &dyn Session, filters: &[Expr]) -> EngineResult<Vec<Arc<DataFile>>> {
        let sought = buckets_sought(&self.table.layout, &self.table.schema, filters);
        let mut files: Vec<Arc<DataFile>> = self
            .table
            .files
            .iter()
            .filter(|file| match (&self.buckets, file.bucket) {
                (Some(wanted), Some(bucket)) => wanted.contains(&bucket),
                (Some(_), None) => false,
                (None, _) => true,
            })
            .filter(|file| match (&sought, file.bucket) {
                (Some(sought), Some(bucket)) => sought.contains(&bucket),
                _ => true,
            })
            .cloned()
            .collect();
        let Some(condition) = conjunction(filters.iter().cloned()) else { return Ok(files) };
        let schema = &self.table.full_schema;
        let df_schema = DFSchema::try_from(Arc::clone(schema))?;
        let condition = state.create_physical_expr(condition, &df_schema)?;
        // A condition the pruner cannot use prunes nothing; the filter above still applies it.
        let pruning = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).build(condition);
        let Some(pruning) = pruning else { return Ok(files) };
        let bounds = files.iter().map(|file| Arc::clone(&file.bounds)).collect();
        let bounds = PrunableStatistics::new(bounds, Arc::clone(schema));
        if let Ok(keep) = pruning.prune(&bounds) {
            let mut keep = keep.into_iter();
            files.retain(|_| keep.next().unwrap_or(true));
        }
        Ok(files)
    }

    fn partitioned(&self, file: &DataFile) -> EngineResult<PartitionedFile> {
        let absolute = self.table.folder.join(&file.path);
        let location =
            Path::from_absolute_path(&absolute).map_err(|source| DataFusionError::External(Box::new(source)))?;
        let mut partitioned = PartitionedFile::new(String::new(), file.size);
        partitioned.object_meta.location = location;
        if let Some(bucket) = file.bucket {
            let bucket = i32::try_from(bucket).map_err(|e| DataFusionError::External(Box::new(e)))?;
            partitioned.partition_values = vec![ScalarValue::Int32(Some(bucket))];
        }
        let mut statistics = Statistics::new_unknown(&self.table.schema);
        statistics.num_rows = usize::try_from(file.live()).map_or(Precision::Absent, Precision::Exact);
        if !file.hidden.is_empty() {
            let rows = usize::try_from(file.rows).map_err(|e| DataFusionError::External(Box::new(e)))?;
            partitioned = partitioned.with_extension(ParquetRowSelection::new(live_selection(&file.hidden, rows)));
        }
        Ok(partitioned.with_statistics(Arc::new(statistics)))
    }
}

/// The buckets in which rows can lie for which all `filters` are true, when the filters give
/// every column of the key a value, or a one-column key several.
fn buckets_sought(layout: &Layout, schema: &SchemaRef, filters: &[Expr]) -> Option<HashSet<u32>> {
    let mut texts: Vec<Vec<String>> = Vec::with_capacity(layout.key.len());
    for name in &layout.key {
        let data_type = schema.field_with_name(name).ok()?.data_type();
        let values = filters.iter().find_map(|filter| values_given(filter, name))?;
        let mut given = Vec::with_capacity(values.len());
        for value in values {
            // Of another type it would be spelled in another way.
            if value.data_type() != *data_type || value.is_null() {
                return None;
            }
            match value.cast_to(&DataType::Utf8).ok()? {
                ScalarValue::Utf8(Some(text)) => given.push(text),
                _ => return None,
            }
        }
        texts.push(given);
    }
    match texts.as_slice() {
        [] => None,
        [one] => Some(one.iter().map(|text| bucket_of(&[text], layout.buckets)).collect()),
        several => {
            let key: Option<Vec<&str>> = several
                .iter()
                .map(|given| match given.as_slice() {
                    [only] => Some(only.as_str()),
                    _ => None,
                })
                .collect();
            Some(HashSet::from([bucket_of(&key?, layout.buckets)]))
        }
    }
}

/// The values that `filter` allows column `name`, when it is `name = value` or `name IN (values)`.
fn values_given(filter: &Expr, name: &str) -> Option<Vec<ScalarValue>> {
    let is_column = |side: &Expr| matches!(side, Expr::Column(column) if column.name() == name);
    let literal = |side: &Expr| match side {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    };
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            if is_column(left) {
                literal(right).map(|value| vec![value])
            } else if is_column(right) {
                literal(left).map(|value| vec![value])
            } else {
                None
            }
        }
        Expr::InList(list) if is_column(&list.expr) && !list.negated => list.list.iter().map(literal).collect(),
        _ => None,
    }
}

impl std::fmt::Debug for LakeProvider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "LakeProvider({}@{})", self.table.name, self.table.version)
    }
}

#[async_trait]
impl TableProvider for LakeProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.full_schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        // Files, row groups and pages are skipped; the engine's filter above has the last word.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let files = self.candidates(state, filters)?;
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.table.full_schema.project(columns)?),
                None => Arc::clone(&self.table.full_schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let partition_columns: Vec<FieldRef> =
            self.table.full_schema.fields().iter().filter(|field| field.name() == BUCKET_COLUMN).cloned().collect();
        let table_schema =
            TableSchema::builder(Arc::clone(&self.table.schema)).with_table_partition_cols(partition_columns).build();
        let metadata = state.runtime_env().cache_manager.get_file_metadata_cache();
        let url = ObjectStoreUrl::local_filesystem();
        let store = state.runtime_env().object_store(&url)?;
        let source = ParquetSource::new(table_schema)
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_parquet_file_reader_factory(Arc::new(
                datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory::new(store, metadata),
            ))
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true);
        let files = files.iter().map(|file| self.partitioned(file)).collect::<EngineResult<Vec<_>>>()?;
        let groups = if self.ordered {
            vec![FileGroup::new(files)]
        } else {
            FileGroup::new(files).split_files(state.config().target_partitions())
        };
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(if filters.is_empty() { limit } else { None })
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
