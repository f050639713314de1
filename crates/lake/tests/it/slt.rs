//! Runs `tests/sql/lake/*.slt`: SQL as callers write it, over granted views of small tables.
//!
//! Each file begins with an empty lake. Besides queries it may say:
//! - `create <zone>/<name> (<column> <type>, …) key <column>, … buckets <n>` (the key may be absent);
//! - `insert <zone>/<name> values (…), …`: an upsert, or an append to a table without a key;
//! - `grant <view> on <zone>/<name> (<column>, <column> masked <mask>, …) [where <condition>]`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::Map;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use yihe_lake::{GrantedColumn, LakeError, Layout, Limits, Mask, Rights, Salt, TableName};

use crate::support::{TestLake, key, rows};

struct Caller {
    test: TestLake,
    rights: Vec<Rights>,
    commits: u32,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Lake(#[from] LakeError),
    #[error("{0}")]
    Script(String),
}

fn misread(what: &str) -> Failure {
    Failure::Script(format!("cannot read `{what}`"))
}

impl Caller {
    async fn create(&mut self, text: &str) -> Result<(), Failure> {
        let (table, rest) = text.split_once('(').ok_or_else(|| misread(text))?;
        let (columns, rest) = rest.split_once(')').ok_or_else(|| misread(text))?;
        let fields = columns
            .split(',')
            .map(|column| {
                let (name, kind) = column.trim().split_once(' ').ok_or_else(|| misread(column))?;
                let kind = match kind.trim() {
                    "text" => DataType::Utf8,
                    "integer" => DataType::Int64,
                    "float" => DataType::Float64,
                    "boolean" => DataType::Boolean,
                    "date" => DataType::Date32,
                    other => return Err(misread(other)),
                };
                Ok(Field::new(name, kind, true))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let layout = match rest.trim().strip_prefix("key ") {
            None => Layout::rows(),
            Some(rest) => {
                let (key, buckets) = rest.split_once(" buckets ").ok_or_else(|| misread(rest))?;
                Layout::keyed(key.split(',').map(str::trim), buckets.trim().parse().map_err(|_| misread(buckets))?)
            }
        };
        let table: TableName = table.trim().parse()?;
        self.test.lake.create(&table, Arc::new(Schema::new(fields)), layout).await?;
        Ok(())
    }

    async fn insert(&mut self, text: &str) -> Result<(), Failure> {
        let (table, values) = text.split_once(' ').ok_or_else(|| misread(text))?;
        let table: TableName = table.parse()?;
        let lake = &self.test.lake;
        let schema = lake.schema(&table).await?;
        let names: Vec<String> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let kind = match field.data_type() {
                    DataType::Int64 => "bigint",
                    DataType::Float64 => "double",
                    DataType::Boolean => "boolean",
                    DataType::Date32 => "date",
                    _ => "varchar",
                };
                format!("cast(column{} as {kind}) as \"{}\"", index + 1, field.name())
            })
            .collect();
        let sql = format!("select {} from ({values}) as v", names.join(", "));
        let batches: Vec<RecordBatch> = lake.query(&sql, &[], Vec::new()).await?.try_collect().await?;
        self.commits += 1;
        let commit = key(&format!("slt:{}", self.commits));
        let mut writer = if lake.layout(&table).await?.is_keyed() {
            lake.upserter(&table, commit, &[]).await?
        } else {
            lake.appender(&table, commit).await?
        };
        for batch in batches {
            writer.write(batch).await?;
        }
        writer.commit(Map::new()).await?;
        Ok(())
    }

    fn grant(&mut self, text: &str) -> Result<(), Failure> {
        let (view, rest) = text.split_once(" on ").ok_or_else(|| misread(text))?;
        let (table, rest) = rest.split_once('(').ok_or_else(|| misread(text))?;
        let (columns, rest) = rest.split_once(')').ok_or_else(|| misread(text))?;
        let columns = columns
            .split(',')
            .map(|column| match column.trim().split_once(" masked ") {
                None => Ok(GrantedColumn::open(column.trim())),
                Some((name, mask)) => {
                    let mask = match mask {
                        "name" => Mask::Name,
                        "citizen_id" => Mask::CitizenId,
                        "phone" => Mask::Phone,
                        "account" => Mask::Account,
                        "address" => Mask::Address,
                        "birth_date" => Mask::BirthDate,
                        "hidden" => Mask::Hidden,
                        "hash" => Mask::Hash(Salt::new(*b"0123456789abcdef")),
                        other => return Err(misread(other)),
                    };
                    Ok(GrantedColumn::masked(name, mask))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.rights.push(Rights {
            view: view.trim().to_owned(),
            table: table.trim().parse()?,
            version: None,
            columns,
            row_filter: rest.trim().strip_prefix("where ").map(str::to_owned),
            row_limit: None,
        });
        Ok(())
    }
}

#[async_trait]
impl AsyncDB for Caller {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        if let Some(rest) = sql.strip_prefix("create ").filter(|rest| !rest.starts_with("table")) {
            self.create(rest).await?;
            return Ok(DBOutput::StatementComplete(0));
        }
        if let Some(rest) = sql.strip_prefix("insert ").filter(|rest| !rest.starts_with("into")) {
            self.insert(rest).await?;
            return Ok(DBOutput::StatementComplete(0));
        }
        if let Some(rest) = sql.strip_prefix("grant ") {
            self.grant(rest)?;
            return Ok(DBOutput::StatementComplete(0));
        }
        let answer = self.test.lake.sql_granted(&self.rights, sql, Limits::default()).await?;
        let rows: Vec<Vec<String>> = rows(&answer.batches)
            .into_iter()
            .map(|row| {
                let shown = |cell: String| match cell.as_str() {
                    "∅" => "NULL".to_owned(),
                    "" => "(empty)".to_owned(),
                    _ => cell,
                };
                row.into_iter().map(shown).collect()
            })
            .collect();
        let types = answer
            .schema
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Int64 | DataType::UInt64 | DataType::Int32 => DefaultColumnType::Integer,
                DataType::Float64 => DefaultColumnType::FloatingPoint,
                DataType::Utf8 | DataType::Date32 => DefaultColumnType::Text,
                _ => DefaultColumnType::Any,
            })
            .collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "yihe-lake"
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[tokio::test]
async fn every_script_of_tests_sql_lake_passes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/sql/lake");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the scripts' folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "there are scripts in {}", folder.display());
    for script in scripts {
        let mut runner = sqllogictest::Runner::new(|| async {
            Ok(Caller { test: TestLake::open(), rights: Vec::new(), commits: 0 })
        });
        if let Err(error) = runner.run_file_async(&script).await {
            panic!("{}", error.display(false));
        }
    }
}
