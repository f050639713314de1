//! Measures the lake by hand: `cargo run --release --example bench_lake -- [rows] [folder]`.
//!
//! Prints one line per step. The figures of record, with machine and conditions, are in `bench/lake.md`.

#![expect(clippy::print_stdout, reason = "a tool for people at a terminal")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{AsArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::TryStreamExt;
use serde_json::Map;
use yihe_lake::{
    CommitKey, GrantedColumn, Lake, LakeError, LakeOptions, Layout, Limits, Mask, Rights, Scan, TableName, Zone,
};

/// Rows of one batch, as a reader of files would hand them over.
const BATCH_ROWS: u64 = 8_192;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let folder: PathBuf = arguments
        .next()
        .map_or_else(|| std::env::temp_dir().join(format!("bench-lake-{}", std::process::id())), PathBuf::from);
    let lake = Lake::open(&folder.join("lake"), LakeOptions::new(folder.join("spill")))?;
    println!("{rows} rows of 8 columns in {}", folder.display());

    let landing = TableName::new(Zone::Landing, "citizen")?;
    lake.create(&landing, schema(), Layout::rows()).await?;
    let generating = time(async {
        let mut total = 0;
        for at in (0..rows).step_by(usize::try_from(BATCH_ROWS)?) {
            total += citizens(at, BATCH_ROWS.min(rows - at), 1, 0)?.num_rows();
        }
        Ok(total)
    })
    .await?;
    report("generate (part of the next two)", rows, generating);

    let appending = time(async {
        let mut writer = lake.appender(&landing, CommitKey::new("bench:append")?).await?;
        for at in (0..rows).step_by(usize::try_from(BATCH_ROWS)?) {
            writer.write(citizens(at, BATCH_ROWS.min(rows - at), 1, 0)?).await?;
        }
        Ok(usize::try_from(writer.commit(Map::new()).await?.rows)?)
    })
    .await?;
    report("append", rows, appending);

    let checked = TableName::new(Zone::Checked, "citizen")?;
    lake.create(&checked, schema(), Layout::keyed(["id"], Layout::buckets_for(rows))).await?;
    let upserting = time(upsert(&lake, &checked, "bench:all", 0, rows, 1)).await?;
    report("upsert into an empty table", rows, upserting);
    let some = rows / 100;
    let updating = time(upsert(&lake, &checked, "bench:some", 1, some, 97)).await?;
    report("upsert 1 % of the keys, spread", some, updating);

    let growing = time(grow(&lake, &checked, some)).await?;
    report("grow by 1 % of new keys", some, growing);

    let scan = || Scan { columns: Some(vec!["county".into(), "income".into()]), ..Scan::default() };
    let scanning = time(async { drain(lake.scan(&checked, scan()).await?).await }).await?;
    report("scan 2 columns", rows, scanning);
    let all = time(async { drain(lake.scan(&checked, Scan::default()).await?).await }).await?;
    report("scan 8 columns", rows, all);
    let filter = Scan { filter_sql: Some("id = '000000000000000123'".into()), ..Scan::default() };
    let filtered = time(async { drain(lake.scan(&checked, filter).await?).await }).await?;
    report("scan one key through the planner", 1, filtered);

    let rights = Rights {
        view: "citizen".into(),
        table: checked.clone(),
        version: None,
        columns: vec![
            GrantedColumn::open("id"),
            GrantedColumn::masked("name", Mask::Name),
            GrantedColumn::masked("phone", Mask::Phone),
            GrantedColumn::open("county"),
        ],
        row_filter: Some("income < 900000".into()),
        row_limit: None,
    };
    let mut plain = Vec::new();
    let mut granted = Vec::new();
    for number in 0..2_000_u64 {
        let id = format!("{:018}", (number * 7_919_317) % rows);
        let began = Instant::now();
        let found = lake.lookup(&checked, &[&id]).await?;
        plain.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
        let began = Instant::now();
        let found = lake.lookup_granted(&rights, &[&id]).await?;
        granted.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(found.rows(), 1);
    }
    quantiles("look-up", &mut plain);
    quantiles("look-up under a grant", &mut granted);
    let mut planned = Vec::new();
    for number in 0..50_u64 {
        let id = format!("{:018}", (number * 7_919_317) % rows);
        let sql = format!("select name, phone from citizen where id = '{id}'");
        let began = Instant::now();
        lake.sql_granted(std::slice::from_ref(&rights), &sql, Limits::default()).await?;
        planned.push(began.elapsed().as_secs_f64() * 1e3);
    }
    quantiles("SQL by key under a grant", &mut planned);
    let sql = "select county, count(*), avg(length(name)) from citizen group by county";
    let sql = sql.replace("length", "octet_length");
    let grouping = Box::pin(time(async {
        Ok(lake.sql_granted(std::slice::from_ref(&rights), &sql, Limits::default()).await?.rows())
    }))
    .await?;
    report("SQL group by under a grant, all rows", rows, grouping);
    println!(
        "on disk: landing {} MB, checked {} MB",
        megabytes(&lake, &landing).await?,
        megabytes(&lake, &checked).await?
    );
    println!("peak memory: {} MB", peak_memory());
    Ok(())
}

type Outcome = Result<usize, Box<dyn std::error::Error>>;

/// Adds `rows` keys that nobody has, spread among those there are.
async fn grow(lake: &Lake, table: &TableName, rows: u64) -> Outcome {
    let mut writer = lake.grower(table, CommitKey::new("bench:grow")?, &[]).await?;
    for at in (0..rows).step_by(usize::try_from(BATCH_ROWS)?) {
        writer.write(among(&citizens(at, BATCH_ROWS.min(rows - at), 97, 0)?)?).await?;
    }
    Ok(usize::try_from(writer.commit(Map::new()).await?.rows)?)
}

async fn upsert(lake: &Lake, table: &TableName, key: &str, round: i64, rows: u64, step: u64) -> Outcome {
    let mut writer = lake.upserter(table, CommitKey::new(key)?, &[]).await?;
    for at in (0..rows).step_by(usize::try_from(BATCH_ROWS)?) {
        writer.write(citizens(at, BATCH_ROWS.min(rows - at), step, round)?).await?;
    }
    let commit = writer.commit(Map::new()).await?;
    Ok(usize::try_from(commit.changed.inserted + commit.changed.updated)?)
}

async fn drain(mut stream: yihe_lake::BatchStream) -> Outcome {
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

async fn time(work: impl Future<Output = Outcome>) -> Result<f64, Box<dyn std::error::Error>> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed().as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn report(step: &str, rows: u64, seconds: f64) {
    println!("{step}: {seconds:.2} s, {:.0} rows/s, peak {} MB", rows as f64 / seconds, peak_memory());
}

fn quantiles(step: &str, millis: &mut [f64]) {
    millis.sort_by(f64::total_cmp);
    let at = |percent: usize| millis[(millis.len() - 1) * percent / 100];
    println!("{step}: p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms", at(50), at(99), at(100));
}

async fn megabytes(lake: &Lake, table: &TableName) -> Result<u64, LakeError> {
    Ok(lake.bytes(table).await? >> 20)
}

/// Highest resident memory of the process so far, in megabytes (Linux; else 0).
fn peak_memory() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(0, |kilobytes| kilobytes >> 10)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("sex", DataType::Utf8, true),
        Field::new("born_on", DataType::Date32, true),
        Field::new("county", DataType::Utf8, true),
        Field::new("address", DataType::Utf8, true),
        Field::new("phone", DataType::Utf8, true),
        Field::new("income", DataType::Int64, true),
    ]))
}

/// The same rows with keys that nobody has, each next to one that somebody has.
fn among(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let ids = batch.column(0).as_string::<i32>().iter().flatten().map(|id| format!("{id}+"));
    let mut columns = batch.columns().to_vec();
    columns[0] = Arc::new(StringArray::from_iter_values(ids));
    RecordBatch::try_new(batch.schema(), columns)
}

/// Citizens `first`, `first + 1`, …, each number multiplied by `step`; ids arrive scattered.
fn citizens(first: u64, count: u64, step: u64, round: i64) -> Result<RecordBatch, arrow::error::ArrowError> {
    const SURNAMES: [&str; 8] = ["王", "李", "张", "刘", "陈", "杨", "赵", "孙"];
    const GIVEN: [&str; 10] = ["伟", "芳", "秀英", "敏", "静", "丽", "强", "磊", "军", "洋"];
    const COUNTIES: [&str; 12] = [
        "兰山区",
        "罗庄区",
        "河东区",
        "沂南县",
        "郯城县",
        "沂水县",
        "兰陵县",
        "费县",
        "平邑县",
        "莒南县",
        "蒙阴县",
        "临沭县",
    ];
    let pick = |number: u64, of: u64| usize::try_from(number % of).unwrap_or(0);
    let numbers: Vec<u64> = (first..first + count).map(|number| number * step).collect();
    let ids: Vec<String> = numbers.iter().map(|number| format!("{number:018}")).collect();
    let names: Vec<String> =
        numbers.iter().map(|n| format!("{}{}", SURNAMES[pick(n * 31, 8)], GIVEN[pick(n / 7, 10)])).collect();
    let addresses: Vec<String> = numbers
        .iter()
        .map(|n| format!("山东省临沂市{}某街道{}号{}室", COUNTIES[pick(*n, 12)], n % 499, n % 97))
        .collect();
    let phones: Vec<String> = numbers.iter().map(|n| format!("138{:08}", (n * 7_919) % 100_000_000)).collect();
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(StringArray::from(ids)),
            Arc::new(StringArray::from(names)),
            Arc::new(numbers.iter().map(|n| Some(if n % 2 == 0 { "男" } else { "女" })).collect::<StringArray>()),
            Arc::new(numbers.iter().map(|n| i32::try_from(n % 25_000).ok()).collect::<Date32Array>()),
            Arc::new(numbers.iter().map(|n| Some(COUNTIES[pick(*n, 12)])).collect::<StringArray>()),
            Arc::new(StringArray::from(addresses)),
            Arc::new(StringArray::from(phones)),
            Arc::new(
                numbers.iter().map(|n| i64::try_from(n % 100_000).ok().map(|n| n + round)).collect::<Int64Array>(),
            ),
        ],
    )
}
