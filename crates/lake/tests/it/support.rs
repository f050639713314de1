//! A lake in a folder of its own, and small tables of people.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use serde_json::Map;
use tempfile::TempDir;
use yihe_lake::{BatchStream, Commit, CommitKey, Lake, LakeOptions, Layout, Scan, TableName, Zone};

pub struct TestLake {
    pub lake: Lake,
    pub folder: TempDir,
}

impl TestLake {
    pub fn open() -> Self {
        Self::open_with(|_| {})
    }

    pub fn open_with(change: impl FnOnce(&mut LakeOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let lake = open_in(folder.path(), change);
        Self { lake, folder }
    }

    /// Another process's view: nothing cached.
    pub fn reopened(&self) -> Lake {
        let mut options = LakeOptions::new(self.folder.path().join("spill-again"));
        options.threads = 2;
        Lake::open(&self.folder.path().join("lake"), options).expect("opens")
    }
}

pub fn open_in(folder: &Path, change: impl FnOnce(&mut LakeOptions)) -> Lake {
    let mut options = LakeOptions::new(folder.join("spill"));
    change(&mut options);
    Lake::open(&folder.join("lake"), options).expect("the lake opens")
}

pub fn table(zone: Zone, name: &str) -> TableName {
    TableName::new(zone, name).expect("a valid table name")
}

pub fn key(text: &str) -> CommitKey {
    CommitKey::new(text).expect("a valid commit key")
}

pub fn person_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("born_on", DataType::Date32, true),
        Field::new("score", DataType::Int64, true),
    ]))
}

/// Rows `(number, name, score)`; the id is the number written with six digits.
pub fn persons(rows: &[(u32, &str, i64)]) -> RecordBatch {
    let ids: Vec<String> = rows.iter().map(|(number, _, _)| format!("{number:06}")).collect();
    let names: Vec<&str> = rows.iter().map(|(_, name, _)| *name).collect();
    let days: Vec<i32> = rows.iter().map(|(number, _, _)| i32::try_from(number % 20_000).expect("small")).collect();
    let scores: Vec<i64> = rows.iter().map(|(_, _, score)| *score).collect();
    RecordBatch::try_new(
        person_schema(),
        vec![
            Arc::new(StringArray::from(ids)),
            Arc::new(StringArray::from(names)),
            Arc::new(Date32Array::from(days)),
            Arc::new(Int64Array::from(scores)),
        ],
    )
    .expect("columns fit the schema")
}

/// `count` persons from `first` on, all with the same score.
pub fn many(first: u32, count: u32, score: i64) -> RecordBatch {
    let rows: Vec<(u32, &str, i64)> = (first..first + count).map(|number| (number, "王小明", score)).collect();
    persons(&rows)
}

pub async fn append(lake: &Lake, table: &TableName, commit: &str, batch: RecordBatch) -> Commit {
    let mut writer = lake.appender(table, key(commit)).await.expect("an appender");
    writer.write(batch).await.expect("rows fit");
    writer.commit(Map::new()).await.expect("commits")
}

pub async fn upsert(lake: &Lake, table: &TableName, commit: &str, batch: RecordBatch) -> Commit {
    let mut writer = lake.upserter(table, key(commit), &[]).await.expect("an upserter");
    writer.write(batch).await.expect("rows fit");
    writer.commit(Map::new()).await.expect("commits")
}

pub async fn keyed(lake: &Lake, name: &str, buckets: u32) -> TableName {
    let table = table(Zone::Checked, name);
    lake.create(&table, person_schema(), Layout::keyed(["id"], buckets)).await.expect("creates");
    table
}

pub async fn collect(stream: BatchStream) -> Vec<RecordBatch> {
    stream.try_collect().await.expect("the stream ends well")
}

/// Cells as text, a row after the other; null is `∅`.
pub fn rows(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("∅");
    let mut found = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("printable"))
            .collect();
        for row in 0..batch.num_rows() {
            found.push(columns.iter().map(|column| column.value(row).to_string()).collect());
        }
    }
    found
}

pub async fn scan_rows(lake: &Lake, table: &TableName, scan: Scan) -> Vec<Vec<String>> {
    rows(&collect(lake.scan(table, scan).await.expect("scans")).await)
}

/// `(id, score)` of every row, by id.
pub async fn scores(lake: &Lake, table: &TableName) -> Vec<(String, i64)> {
    let scan = Scan { columns: Some(vec!["id".into(), "score".into()]), ..Scan::default() };
    let mut found = Vec::new();
    for batch in collect(lake.scan(table, scan).await.expect("scans")).await {
        let ids: &ArrayRef = batch.column(0);
        let ids = ids.as_string::<i32>();
        let scores = batch.column(1).as_primitive::<Int64Type>();
        for row in 0..ids.len() {
            found.push((ids.value(row).to_owned(), scores.value(row)));
        }
    }
    found.sort();
    found
}
