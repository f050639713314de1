//! One version of a table as read from its log: columns, layout, live files.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitBuilder;
use deltalake_core::kernel::{Action, MetadataExt, StructField, StructType};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use url::Url;

use crate::beside::{Beside, PROPERTY};
use crate::data_file::{DataFile, FileShape, bounds_from_stats};
use crate::error::LakeError;
use crate::lake::{Lake, locked};
use crate::layout::{BUCKET_COLUMN, Layout};
use crate::name::TableName;

/// Older versions kept in memory for time travel, over all tables.
const VERSIONS_KEPT: usize = 64;
/// Most columns of a table.
const COLUMNS_MAX: usize = 1024;

const KEY_PROPERTY: &str = "yihe.key";
const BUCKETS_PROPERTY: &str = "yihe.buckets";
const FOUND_BY_PROPERTY: &str = "yihe.found_by";

/// One version of a table.
pub(crate) struct Table {
    pub name: TableName,
    pub folder: PathBuf,
    pub version: i64,
    /// Columns without the bucket.
    pub schema: SchemaRef,
    /// Columns with the bucket last, for keyed tables; else the same as `schema`.
    pub full_schema: SchemaRef,
    pub layout: Layout,
    /// Live files, those beside among them, by bucket and then by path.
    pub files: Vec<Arc<DataFile>>,
    /// What lies beside the files of the log.
    pub beside: Arc<Beside>,
    /// The property that names it, empty when there is nothing.
    pub beside_property: String,
    pub delta: DeltaTable,
}

impl Table {
    /// How the table's data files are written.
    pub(crate) fn shape(&self) -> FileShape {
        FileShape {
            folder: self.folder.clone(),
            schema: Arc::clone(&self.schema),
            key: self.layout.key.clone(),
            found_by: self.layout.found_by.clone(),
        }
    }

    /// Gives `batch` the table's columns, in the table's order: what the batch lacks becomes null.
    ///
    /// # Errors
    /// [`LakeError::Rows`] for a column the table lacks, another type, or nulls where none may be.
    pub(crate) fn fit(&self, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        fit_to(&self.name, &self.schema, batch)
    }
}

/// Gives `batch` the columns of `schema`, by name.
pub(crate) fn fit_to(table: &TableName, schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
    let given = batch.schema();
    if Arc::ptr_eq(&given, schema) {
        return Ok(batch.clone());
    }
    let misfit = |difference: String| LakeError::Rows { table: table.clone(), difference };
    for field in given.fields() {
        if schema.field_with_name(field.name()).is_err() {
            return Err(misfit(format!("the table has no column `{}`", field.name())));
        }
    }
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => {
                columns.push(Arc::clone(column));
            }
            Some(column) => {
                return Err(misfit(format!(
                    "column `{}` is {}, expected {}",
                    field.name(),
                    column.data_type(),
                    field.data_type()
                )));
            }
            None if field.is_nullable() => {
                columns.push(new_null_array(field.data_type(), batch.num_rows()));
            }
            None => return Err(misfit(format!("column `{}` is missing", field.name()))),
        }
    }
    for (field, column) in schema.fields().iter().zip(&columns) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(misfit(format!(
                "column `{}` has {} empty values, expected none",
                field.name(),
                column.null_count()
            )));
        }
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|source| LakeError::Arrow {
        action: "arrange",
        table: table.clone(),
        source,
    })
}

impl Lake {
    /// Creates `table`, or adds the nullable columns of `schema` that an existing one lacks.
    ///
    /// Repeating a call changes nothing. Columns may be text, integers, decimals (up to 38
    /// digits), floats, booleans, dates, timestamps in microseconds (UTC or without zone) and binary:
    /// what every engine reads. Columns that the table has and `schema` lacks stay.
    ///
    /// # Errors
    /// [`LakeError::Shape`] when the existing table has another layout, another type for a column, or
    /// would need a new column without nulls; [`LakeError::Name`] for an unusable column name.
    pub async fn create(&self, table: &TableName, schema: SchemaRef, layout: Layout) -> Result<(), LakeError> {
        check_schema(table, &schema, &layout)?;
        if self.exists(table) {
            let current = self.table(table, None).await?;
            if missing_columns(&current, &schema, &layout)?.is_empty() && current.layout.found_by == layout.found_by {
                return Ok(());
            }
        }
        let _writing = self.writing(table).await?;
        if self.exists(table) {
            let current = self.table(table, None).await?;
            let missing = missing_columns(&current, &schema, &layout)?;
            if !missing.is_empty() || current.layout.found_by != layout.found_by {
                self.add_columns(&current, missing, &layout).await?;
            }
            return Ok(());
        }
        let folder = self.folder(table);
        fs::create_dir_all(&folder).map_err(|source| LakeError::file("create", &folder, source))?;
        let fail = |source| LakeError::log("create", table, &folder, source);
        let delta = open_delta(&folder).map_err(fail)?;
        let mut columns = to_delta(schema.fields()).map_err(fail)?;
        let mut builder = CreateBuilder::new()
            .with_log_store(delta.log_store())
            .with_table_name(table.to_string())
            .with_save_mode(SaveMode::Ignore)
            .with_raise_if_key_not_exists(false);
        if layout.is_keyed() {
            let bucket: FieldRef = Arc::new(bucket_field());
            columns.extend(to_delta([&bucket]).map_err(fail)?);
            builder = builder.with_partition_columns([BUCKET_COLUMN]);
        }
        let configuration = [
            (KEY_PROPERTY, Some(layout.key.join(","))),
            (BUCKETS_PROPERTY, Some(layout.buckets.to_string())),
            (FOUND_BY_PROPERTY, Some(layout.found_by.join(","))),
            // Grants and proofs point at versions for as long as use records must be kept.
            ("delta.logRetentionDuration", Some("interval 1461 days".to_owned())),
            ("delta.enableExpiredLogCleanup", Some("false".to_owned())),
            // Tombstones tell files that were once part of the table from those that never were.
            ("delta.deletedFileRetentionDuration", Some("interval 1461 days".to_owned())),
        ];
        self.fault("lake.before_log_commit");
        builder.with_columns(columns).with_configuration(configuration).await.map_err(fail)?;
        self.fault("lake.after_log_commit");
        Ok(())
    }

    async fn add_columns(&self, current: &Table, missing: Vec<FieldRef>, layout: &Layout) -> Result<(), LakeError> {
        let fail = |source| LakeError::log("add columns in", &current.name, &current.folder, source);
        let state = current.delta.snapshot().map_err(fail)?;
        let added = to_delta(&missing).map_err(fail)?;
        let mut fields = to_delta(current.full_schema.fields()).map_err(fail)?;
        // The bucket stays last, so that our own column order is the log's.
        let at = current.schema.fields().len();
        fields.splice(at..at, added.iter().cloned());
        let schema = StructType::try_new(fields).map_err(|e| fail(DeltaTableError::from(e)))?;
        let metadata = state.metadata().clone().with_schema(&schema);
        let metadata = metadata
            .and_then(|metadata| metadata.add_config_key(FOUND_BY_PROPERTY.to_owned(), layout.found_by.join(",")))
            .map_err(|source| fail(DeltaTableError::from(source)))?;
        self.fault("lake.before_log_commit");
        CommitBuilder::default()
            .with_actions(vec![Action::Metadata(metadata)])
            .with_max_retries(0)
            .build(Some(state), current.delta.log_store(), DeltaOperation::AddColumn { fields: added })
            .await
            .map_err(fail)?;
        self.fault("lake.after_log_commit");
        Ok(())
    }

    /// The table at `version`, or at its newest.
    pub(crate) async fn table(&self, name: &TableName, version: Option<i64>) -> Result<Arc<Table>, LakeError> {
        let known = locked(&self.inner.tables).get(name).cloned();
        let newest = match known {
            Some(known) if !self.log_file(name, known.version + 1).exists() => known,
            known => self.refresh(name, known).await?,
        };
        let Some(version) = version else { return Ok(newest) };
        if version == newest.version {
            return Ok(newest);
        }
        if !(0..newest.version).contains(&version) {
            return Err(LakeError::NoVersion { table: name.clone(), version, newest: newest.version });
        }
        let key = (name.clone(), version);
        if let Some(found) = locked(&self.inner.versions).get(&key).cloned() {
            return Ok(found);
        }
        let mut delta = DeltaTable::new(newest.delta.log_store());
        delta
            .load_version(version.unsigned_abs())
            .await
            .map_err(|source| LakeError::log("read", name, &newest.folder, source))?;
        let table = Arc::new(read_table(name, newest.folder.clone(), delta, Some(&newest))?);
        let mut versions = locked(&self.inner.versions);
        if versions.len() >= VERSIONS_KEPT {
            versions.clear();
        }
        versions.insert(key, Arc::clone(&table));
        Ok(table)
    }

    async fn refresh(&self, name: &TableName, known: Option<Arc<Table>>) -> Result<Arc<Table>, LakeError> {
        if !self.exists(name) {
            return Err(LakeError::NoTable { table: name.clone() });
        }
        let folder = self.folder(name);
        let fail = |source| LakeError::log("read", name, &folder, source);
        let mut delta = match &known {
            Some(known) => known.delta.clone(),
            None => open_delta(&folder).map_err(fail)?,
        };
        delta.update_state().await.map_err(fail)?;
        let table = Arc::new(read_table(name, folder.clone(), delta, known.as_deref())?);
        self.remember(&table);
        Ok(table)
    }

    /// Keeps `table` as the newest version unless a newer one is known.
    pub(crate) fn remember(&self, table: &Arc<Table>) {
        let mut tables = locked(&self.inner.tables);
        let newer = tables.get(&table.name).is_none_or(|known| known.version < table.version);
        if newer {
            tables.insert(table.name.clone(), Arc::clone(table));
        }
    }
}

/// The engine's handle on a table's log.
fn open_delta(folder: &std::path::Path) -> Result<DeltaTable, DeltaTableError> {
    let url = Url::from_directory_path(folder)
        .map_err(|()| DeltaTableError::InvalidTableLocation(folder.display().to_string()))?;
    DeltaTableBuilder::from_url(url)?.build()
}

/// Reads our view of a loaded log; file entries already in `known` are shared with it.
pub(crate) fn read_table(
    name: &TableName,
    folder: PathBuf,
    delta: DeltaTable,
    known: Option<&Table>,
) -> Result<Table, LakeError> {
    let fail = |source| LakeError::log("read", name, &folder, source);
    let state = delta.snapshot().map_err(fail)?;
    let arrow_schema = state.snapshot().arrow_schema();
    let fields: Vec<FieldRef> =
        arrow_schema.fields().iter().filter(|field| field.name() != BUCKET_COLUMN).cloned().collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let layout = read_layout(state.metadata().configuration());
    let full_schema = if layout.is_keyed() {
        let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(bucket_field()));
        Arc::new(Schema::new(fields))
    } else {
        Arc::clone(&schema)
    };
    // Sharing is sound while the columns are the same: bounds follow the schema's order.
    let shared: HashMap<&str, &Arc<DataFile>> = known
        .filter(|known| known.full_schema == full_schema)
        .map(|known| known.files.iter().map(|file| (file.path.as_str(), file)).collect())
        .unwrap_or_default();
    let mut files = Vec::with_capacity(state.log_data().num_files());
    for view in state.log_data().iter() {
        let path = view.path().into_owned();
        if let Some(file) = shared.get(path.as_str()) {
            files.push(Arc::clone(file));
            continue;
        }
        let bucket =
            view.partition_values_map().remove(BUCKET_COLUMN).flatten().and_then(|text| text.parse::<u32>().ok());
        let (rows, bounds) = bounds_from_stats(view.stats().as_deref(), &full_schema, bucket);
        let rows = rows.or_else(|| view.num_records().map(|rows| rows as u64)).ok_or_else(|| LakeError::Shape {
            table: name.clone(),
            difference: format!("its log does not say how many rows `{path}` has"),
        })?;
        files.push(Arc::new(DataFile {
            size: view.size().unsigned_abs(),
            rows,
            bucket,
            bounds: Arc::new(bounds),
            path,
            hidden: Arc::default(),
            beside: false,
        }));
    }
    let beside_property = state.metadata().configuration().get(PROPERTY).cloned().unwrap_or_default();
    let beside = match known.filter(|known| known.beside_property == beside_property) {
        Some(known) => Arc::clone(&known.beside),
        None => Arc::new(Beside::read(&folder, &beside_property)?),
    };
    let mut files = beside.applied(name, files, &full_schema)?;
    files.sort_by(|a, b| (a.bucket, &a.path).cmp(&(b.bucket, &b.path)));
    let version = i64::try_from(state.version()).unwrap_or(i64::MAX);
    Ok(Table {
        name: name.clone(),
        folder,
        version,
        schema,
        full_schema,
        layout,
        files,
        beside,
        beside_property,
        delta,
    })
}

fn read_layout(configuration: &HashMap<String, String>) -> Layout {
    let names = |property: &str| -> Vec<String> {
        let text = configuration.get(property).map(String::as_str).unwrap_or_default();
        text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let key = names(KEY_PROPERTY);
    let buckets = configuration.get(BUCKETS_PROPERTY).and_then(|text| text.parse().ok()).unwrap_or(0);
    let layout = if key.is_empty() { Layout::rows() } else { Layout::keyed(key, buckets) };
    layout.found_by(names(FOUND_BY_PROPERTY))
}

fn bucket_field() -> Field {
    Field::new(BUCKET_COLUMN, DataType::Int32, true)
}

fn to_delta<'a>(fields: impl IntoIterator<Item = &'a FieldRef>) -> Result<Vec<StructField>, DeltaTableError> {
    fields
        .into_iter()
        .map(|field| field.as_ref().try_into_kernel().map_err(|source| DeltaTableError::Arrow { source }))
        .collect()
}

/// Columns of `wanted` that `current` lacks.
fn missing_columns(current: &Table, wanted: &SchemaRef, layout: &Layout) -> Result<Vec<FieldRef>, LakeError> {
    let differ = |difference: String| LakeError::Shape { table: current.name.clone(), difference };
    if (&current.layout.key, current.layout.buckets) != (&layout.key, layout.buckets) {
        return Err(differ(format!(
            "it has key ({}) in {} buckets, asked for key ({}) in {}",
            current.layout.key.join(", "),
            current.layout.buckets,
            layout.key.join(", "),
            layout.buckets
        )));
    }
    let mut missing = Vec::new();
    for field in wanted.fields() {
        match current.schema.field_with_name(field.name()) {
            Ok(existing) if existing.data_type() == field.data_type() => {}
            Ok(existing) => {
                return Err(differ(format!(
                    "column `{}` is {}, asked for {}",
                    field.name(),
                    existing.data_type(),
                    field.data_type()
                )));
            }
            Err(_) if field.is_nullable() => missing.push(Arc::clone(field)),
            Err(_) => {
                return Err(differ(format!("column `{}` is new and must therefore allow empty values", field.name())));
            }
        }
    }
    Ok(missing)
}

fn check_schema(table: &TableName, schema: &SchemaRef, layout: &Layout) -> Result<(), LakeError> {
    let differ = |difference: String| LakeError::Shape { table: table.clone(), difference };
    let count = schema.fields().len();
    if !(1..=COLUMNS_MAX).contains(&count) {
        return Err(differ(format!("{count} columns, expected 1 to {COLUMNS_MAX}")));
    }
    for (index, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        let well_spelled = !name.is_empty()
            && name.len() <= 128
            && !name.starts_with(char::is_whitespace)
            // Delta without column mapping, and the key's list, leave these out.
            && !name.chars().any(|c| " ,;{}()\n\t=\"'`.".contains(c) || c.is_control());
        if !well_spelled || name == BUCKET_COLUMN {
            return Err(LakeError::Name {
                what: "column name",
                found: name.chars().take(80).collect(),
                expected: "1 to 128 bytes without blanks, quotes or any of ,;.(){}=, and not `_bucket`",
            });
        }
        let repeated = schema.fields()[..index].iter().any(|earlier| earlier.name().eq_ignore_ascii_case(name));
        if repeated {
            return Err(differ(format!("column `{name}` is there twice, capitals aside")));
        }
        let readable = match field.data_type() {
            DataType::Utf8
            | DataType::Binary
            | DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(_, _)
            | DataType::Date32 => true,
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, zone) => zone.as_deref() == Some("UTC"),
            _ => false,
        };
        if !readable {
            return Err(differ(format!("column `{name}` is {}, which not every engine reads", field.data_type())));
        }
    }
    for (index, name) in layout.key.iter().enumerate() {
        let Ok(field) = schema.field_with_name(name) else {
            return Err(LakeError::NoColumn { table: table.clone(), column: name.clone() });
        };
        if field.data_type().is_floating() || layout.key[..index].contains(name) {
            return Err(differ(format!("column `{name}` cannot be (twice) part of the key")));
        }
    }
    Ok(())
}
