//! Building a theme (主题库): its query over golden and checked tables, kept as a table of its own.
//!
//! What a theme's table holds follows from its definition and the versions of its sources; a build with the same
//! of both is done once. A crash repeats: the table's one commit says that it is done.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use futures::StreamExt;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;
use yihe_definitions::{
    EntityKind, Pack, Registry, THEME_TABLE_PREFIX, Text, Theme, ThemeForm, ThemeSource, pack::Fault,
};
use yihe_lake::{CommitKey, Lake, LakeError, Layout, QueryTable, TableName, Zone, query_columns};

use crate::{build::Builder, error::RegistryError, lease::Leased, shape};

/// The points at which a builder's `faults` is called while a theme is built, in their order.
pub const THEME_FAULT_POINTS: [&str; 3] = ["theme.after_begin", "theme.after_query", "theme.after_commit"];
/// Most rows of one theme.
pub const THEME_ROWS_MAX: u64 = 50_000_000;
/// How long a build may take in all.
const DEADLINE: Duration = Duration::from_secs(6 * 3600);

/// What a build came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThemeReport {
    /// Theme.
    pub theme: String,
    /// Rows of its table.
    pub rows: u64,
    /// By column: rows that have a value.
    pub filled: BTreeMap<String, u64>,
    /// Version of the table.
    pub version: i64,
    /// Whether nothing had changed since the last build, so that nothing was done.
    pub unchanged: bool,
}

/// The table of a theme: `registry/theme_<id>`.
///
/// # Errors
/// The theme's identifier cannot name a table.
pub fn theme_table(theme: &Theme) -> Result<TableName, LakeError> {
    TableName::new(Zone::Registry, format!("{THEME_TABLE_PREFIX}{}", theme.id))
}

/// Schema of a theme's table: its columns in their order; those of the key are never empty.
#[must_use]
pub fn theme_schema(theme: &Theme) -> SchemaRef {
    let field = |column: &yihe_definitions::ThemeColumn| {
        Field::new(&column.name, shape::data_type(column.column_type), !theme.key.contains(&column.name))
    };
    Arc::new(Schema::new(theme.columns.iter().map(field).collect::<Vec<_>>()))
}

/// The tables that a theme reads, under their names in the query.
///
/// # Errors
/// A source's identifier cannot name a table.
pub fn theme_sources(theme: &Theme) -> Result<Vec<(String, TableName)>, LakeError> {
    let table = |source| match source {
        ThemeSource::Registry(id) => TableName::new(Zone::Registry, id),
        ThemeSource::Dataset(id) => TableName::new(Zone::Checked, id),
    };
    theme.tables().map(|(name, source)| Ok((name.to_owned(), table(source)?))).collect()
}

/// A condition on a theme's rows that leaves out those of protected entities, as the registries were built last, and
/// the golden tables that it asks. Whoever supplies a theme asks anew instead (`yihe_exchange::protected`).
///
/// # Errors
/// A registry's identifier cannot name a table.
pub fn unprotected(
    lake: &Lake,
    theme: &Theme,
    registries: &[Registry],
) -> Result<(String, Vec<QueryTable>), LakeError> {
    let mut clauses = vec!["TRUE".to_owned()];
    let mut tables = Vec::new();
    for registry in registries {
        let table = shape::golden_table(registry)?;
        let names_somebody =
            matches!(registry.entity, EntityKind::Person | EntityKind::Organisation | EntityKind::RealEstateUnit);
        if !names_somebody || !lake.exists(&table) {
            continue;
        }
        let alias = format!("_marked{}", tables.len());
        tables.push(QueryTable::newest(&alias, table));
        let (key, protected) = (&registry.key, shape::PROTECTED);
        clauses.extend(theme.identifying().map(|column| {
            format!(
                "(\"{column}\" IS NULL OR \"{column}\" NOT IN (SELECT \"{key}\" FROM \"{alias}\" WHERE \"{protected}\"))"
            )
        }));
    }
    Ok((clauses.join(" AND "), tables))
}

/// What the engine has against the themes of a checked pack: a query that is none, a column that no source has,
/// columns that are not those declared. Nothing is run.
pub async fn check(pack: &Pack) -> Vec<Fault> {
    let mut faults = Vec::new();
    for theme in &pack.themes {
        let mut tables = Vec::new();
        for (name, source) in theme.tables() {
            let schema = match source {
                ThemeSource::Registry(id) => pack.registry(id).map(shape::golden_schema),
                ThemeSource::Dataset(id) => pack.dataset(id).map(checked_schema),
            };
            tables.extend(schema.map(|schema| (name.to_owned(), schema)));
        }
        let mut say = |zh: String, en: String| {
            let message = Text::new(format!("theme `{}`：{zh}", theme.id), format!("theme `{}`: {en}", theme.id));
            faults.push(Fault { file: "pack".to_owned(), line: None, message });
        };
        match query_columns(&theme.sql, &tables).await {
            Err(error) => {
                let reason = reason(&error);
                say(format!("sql 无法执行：{reason}"), format!("the engine refuses the sql: {reason}"));
            }
            Ok(found) => {
                if let Some((found, expected)) = difference(theme, &found) {
                    say(
                        format!("sql 的列为 {found}；columns 声明的为 {expected}"),
                        format!("the sql has the columns {found}, expected those declared: {expected}"),
                    );
                }
            }
        }
    }
    faults
}

fn checked_schema(dataset: &yihe_definitions::Dataset) -> SchemaRef {
    let columns =
        dataset.columns.iter().map(|column| Field::new(&column.name, shape::data_type(column.column_type), true));
    let ours = [Field::new("_batch", DataType::Utf8, false), Field::new("_row", DataType::Int64, false)];
    Arc::new(Schema::new(columns.chain(ours).collect::<Vec<_>>()))
}

/// The engine's own words, without its frame.
fn reason(error: &LakeError) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(next) = source.source() {
        source = next;
    }
    source.to_string().lines().next().unwrap_or_default().chars().take(400).collect()
}

/// The columns found and those expected, where they are not the same names.
fn difference(theme: &Theme, found: &Schema) -> Option<(String, String)> {
    let mut names: Vec<&str> = found.fields().iter().map(|field| field.name().as_str()).collect();
    let mut expected: Vec<&str> = theme.columns.iter().map(|column| column.name.as_str()).collect();
    names.sort_unstable();
    expected.sort_unstable();
    (names != expected).then(|| (names.join(", "), expected.join(", ")))
}

impl Builder {
    /// Builds the table of a theme. The same sources and definition are built once; a crash is repeated by the
    /// next call.
    ///
    /// # Errors
    /// A source has nothing yet; the query does not give the declared columns; two of its rows have one key;
    /// somebody else is building it; the lake or the store failed. The table that stood before still stands.
    pub async fn theme(&self, theme: &Theme) -> Result<ThemeReport, RegistryError> {
        let named = format!("{THEME_TABLE_PREFIX}{}", theme.id);
        let run = Leased {
            step: "theme",
            subject: &theme.id,
            named: &named,
            deadline: DEADLINE,
            begun: "theme.after_begin",
            done: "theme.built",
        };
        let result = |report: &ThemeReport| {
            json!({
                "rows": report.rows, "filled": report.filled, "version": report.version, "unchanged": report.unchanged,
            })
        };
        self.leased(run, self.theme_work(theme), result).await
    }

    async fn theme_work(&self, theme: &Theme) -> Result<ThemeReport, RegistryError> {
        let failed = |action| move |source: LakeError| lake_failed(theme, action, source);
        let table = theme_table(theme).map_err(failed("name the table"))?;
        let (sources, rows_max) = self.theme_inputs(theme).await?;
        let key = commit_key(theme, &sources).map_err(failed("name the build"))?;
        if self.lake.exists(&table)
            && let Some(done) = self.lake.committed(&table, &key).await.map_err(failed("look for an earlier build"))?
        {
            return Ok(report(theme, &done.meta, done.version, true));
        }
        self.theme_columns(theme, &sources).await?;
        let layout = if self.lake.exists(&table) {
            self.lake.layout(&table).await.map_err(failed("read the layout"))?
        } else {
            Layout::keyed(theme.key.iter().map(String::as_str), Layout::buckets_for(rows_max))
        };
        let schema = theme_schema(theme);
        self.lake.create(&table, Arc::clone(&schema), layout).await.map_err(failed("create the table"))?;
        let mut writer = self.lake.replacer(&table, key).await.map_err(failed("write the table"))?;
        let mut stream = self.lake.query(&theme.sql, &sources, Vec::new()).await.map_err(failed("run the query"))?;
        let mut tally = Tally::new(theme);
        while let Some(batch) = stream.next().await {
            let batch = fit(theme, &schema, &batch.map_err(failed("run the query"))?)?;
            tally.see(theme, &batch)?;
            writer.write(batch).await.map_err(failed("write the table"))?;
        }
        (self.faults)("theme.after_query");
        let commit = writer.commit(tally.meta()).await.map_err(failed("write the table"))?;
        (self.faults)("theme.after_commit");
        Ok(report(theme, &commit.meta, commit.version, false))
    }

    /// The first rows of a theme that are of nobody protected, in no order: of a table those that were built, of a
    /// view what its sources say.
    ///
    /// # Errors
    /// A table that was not built, a source that has nothing yet; the lake failed.
    pub async fn theme_rows(
        &self,
        theme: &Theme,
        registries: &[Registry],
        limit: usize,
    ) -> Result<Vec<RecordBatch>, RegistryError> {
        let failed = |action| move |source: LakeError| lake_failed(theme, action, source);
        let (sql, sources) = match theme.form {
            ThemeForm::Table => {
                let table = theme_table(theme).map_err(failed("name the table"))?;
                if !self.lake.exists(&table) {
                    return Err(RegistryError::NoSource { theme: theme.id.clone(), table: table.to_string() });
                }
                let names: Vec<&str> = theme.columns.iter().map(|column| column.name.as_str()).collect();
                (format!("SELECT {} FROM theme", names.join(", ")), vec![QueryTable::newest("theme", table)])
            }
            ThemeForm::View => {
                let (sources, _) = self.theme_inputs(theme).await?;
                self.theme_columns(theme, &sources).await?;
                (theme.sql.clone(), sources)
            }
        };
        let (condition, marked) = unprotected(&self.lake, theme, registries).map_err(failed("name the registries"))?;
        let sql = format!("SELECT * FROM ({sql}) WHERE {condition} LIMIT {limit}");
        let sources = [sources, marked].concat();
        let mut stream = self.lake.query(&sql, &sources, Vec::new()).await.map_err(failed("run the query"))?;
        let schema = theme_schema(theme);
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(fit(theme, &schema, &batch.map_err(failed("run the query"))?)?);
        }
        Ok(batches)
    }

    /// The sources at their versions, and the rows of the largest.
    async fn theme_inputs(&self, theme: &Theme) -> Result<(Vec<QueryTable>, u64), RegistryError> {
        let failed = |action| move |source: LakeError| lake_failed(theme, action, source);
        let mut tables = Vec::new();
        let mut rows = 0;
        for (alias, table) in theme_sources(theme).map_err(failed("name the sources"))? {
            if !self.lake.exists(&table) {
                return Err(RegistryError::NoSource { theme: theme.id.clone(), table: table.to_string() });
            }
            let version = self.lake.version(&table).await.map_err(failed("read versions"))?;
            rows = rows.max(self.lake.count(&table, Some(version)).await.map_err(failed("count rows"))?);
            tables.push(QueryTable { alias, table, version: Some(version) });
        }
        Ok((tables, rows))
    }

    /// Whether the query gives the declared columns.
    async fn theme_columns(&self, theme: &Theme, sources: &[QueryTable]) -> Result<(), RegistryError> {
        let failed = |action| move |source: LakeError| lake_failed(theme, action, source);
        let mut tables = Vec::with_capacity(sources.len());
        for source in sources {
            let schema = self.lake.schema(&source.table).await.map_err(failed("read a schema"))?;
            tables.push((source.alias.clone(), schema));
        }
        let found = query_columns(&theme.sql, &tables).await.map_err(failed("plan the query"))?;
        match difference(theme, &found) {
            Some((found, expected)) => Err(RegistryError::ThemeColumns { theme: theme.id.clone(), found, expected }),
            None => Ok(()),
        }
    }
}

fn lake_failed(theme: &Theme, action: &'static str, source: LakeError) -> RegistryError {
    RegistryError::Lake { action, registry: format!("{THEME_TABLE_PREFIX}{}", theme.id), source }
}

/// The columns in their order and of their types.
fn fit(theme: &Theme, schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, RegistryError> {
    let refused =
        |column: &str, source| RegistryError::ThemeValue { theme: theme.id.clone(), column: column.to_owned(), source };
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = batch.column_by_name(field.name()).ok_or_else(|| {
            refused(field.name(), arrow::error::ArrowError::SchemaError(format!("no column `{}`", field.name())))
        })?;
        let column = cast_with_options(column, field.data_type(), &strict);
        columns.push(column.map_err(|source| refused(field.name(), source))?);
    }
    let key = theme.key.first().map_or("", String::as_str);
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|source| refused(key, source))
}

/// What is counted while rows pass: how many, how many values, and whether a key came before.
struct Tally {
    rows: u64,
    filled: BTreeMap<String, u64>,
    /// Hashes of the keys met so far, 16 bytes each.
    keys: HashSet<u128>,
}

impl Tally {
    fn new(theme: &Theme) -> Self {
        let filled = theme.columns.iter().map(|column| (column.name.clone(), 0)).collect();
        Self { rows: 0, filled, keys: HashSet::new() }
    }

    fn see(&mut self, theme: &Theme, batch: &RecordBatch) -> Result<(), RegistryError> {
        self.rows += batch.num_rows() as u64;
        if self.rows > THEME_ROWS_MAX {
            return Err(RegistryError::ThemeTooLarge { theme: theme.id.clone(), most: THEME_ROWS_MAX });
        }
        for (column, values) in theme.columns.iter().zip(batch.columns()) {
            let filled = (values.len() - values.null_count()) as u64;
            *self.filled.entry(column.name.clone()).or_default() += filled;
        }
        let spool_failed = |source| RegistryError::Spool { registry: theme.id.clone(), source };
        let texts = theme
            .key
            .iter()
            .filter_map(|name| batch.column_by_name(name))
            .map(|column| arrow::compute::cast(column, &DataType::Utf8))
            .collect::<Result<Vec<_>, _>>()
            .map_err(spool_failed)?;
        let mut key = String::new();
        for row in 0..batch.num_rows() {
            key.clear();
            for text in &texts {
                key.push_str(text.as_string::<i32>().value(row));
                key.push('\u{1f}');
            }
            if !self.keys.insert(xxh3_128(key.as_bytes())) {
                return Err(RegistryError::ThemeKey { theme: theme.id.clone(), key: theme.key.join(", ") });
            }
        }
        Ok(())
    }

    fn meta(self) -> Map<String, Value> {
        let mut meta = Map::new();
        meta.insert("rows".to_owned(), self.rows.into());
        meta.insert("filled".to_owned(), json!(self.filled));
        meta
    }
}

/// The same sources under the same definition have the same key.
fn commit_key(theme: &Theme, sources: &[QueryTable]) -> Result<CommitKey, LakeError> {
    let definition = serde_json::to_string(theme).expect("definitions serialise");
    let mut digest = Sha256::new().chain_update(definition.as_bytes());
    for QueryTable { alias, table, version } in sources {
        digest.update(format!("\n{alias}={table}@{}", version.unwrap_or(-1)));
    }
    CommitKey::new(format!("theme:{}:{}", theme.id, hex::encode(&digest.finalize()[..16])))
}

fn report(theme: &Theme, meta: &Map<String, Value>, version: i64, unchanged: bool) -> ThemeReport {
    let filled = meta.get("filled").and_then(Value::as_object);
    let figure = |(name, value): (&String, &Value)| (name.clone(), value.as_u64().unwrap_or(0));
    ThemeReport {
        theme: theme.id.clone(),
        rows: meta.get("rows").and_then(Value::as_u64).unwrap_or(0),
        filled: filled.map(|filled| filled.iter().map(figure).collect()).unwrap_or_default(),
        version,
        unchanged,
    }
}
