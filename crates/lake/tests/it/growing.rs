//! Tables that grow: new keys beside what lies there, at the cost of what is new.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use serde_json::Map;
use yihe_lake::{CHANGE_COLUMN, Commit, Gone, Lake, Layout, Scan, TableName, Zone};

use crate::support::{TestLake, collect, key, keyed, many, persons, rows, scan_rows, scores, table, upsert};

/// `(id, score)` of every row, by id, as an engine sees them that knows the table format and nothing of ours.
fn external(folder: &Path) -> Vec<(String, i64)> {
    let mut live: BTreeSet<String> = BTreeSet::new();
    for version in 0.. {
        let Ok(text) = fs::read_to_string(folder.join(format!("_delta_log/{version:020}.json"))) else { break };
        for line in text.lines() {
            let action: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if let Some(path) = action["remove"]["path"].as_str() {
                live.remove(path);
            }
            if let Some(path) = action["add"]["path"].as_str() {
                live.insert(path.to_owned());
            }
        }
    }
    let mut found = Vec::new();
    for path in &live {
        let file = fs::File::open(folder.join(path)).expect("opens");
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("reads") {
            let batch = batch.expect("rows");
            let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
            let (ids, scores) = (column("id"), column("score"));
            for row in 0..batch.num_rows() {
                found.push((
                    ids.as_string::<i32>().value(row).to_owned(),
                    scores.as_primitive::<Int64Type>().value(row),
                ));
            }
        }
    }
    found.sort();
    found
}

async fn grow(lake: &Lake, table: &TableName, commit: &str, batch: RecordBatch) -> Commit {
    let mut writer = lake.grower(table, key(commit), &[]).await.expect("a grower");
    writer.write(batch).await.expect("rows fit");
    writer.commit(Map::new()).await.expect("commits")
}

#[tokio::test]
async fn new_keys_cost_what_is_new_and_known_ones_the_file_they_are_in() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 1).await;
    // Even numbers, so that new keys lie among the old ones.
    let even = |count: u32, score| {
        let rows: Vec<_> = (0..count).map(|number| (number * 2, "王小明", score)).collect();
        persons(&rows)
    };
    upsert(&test.lake, &checked, "u:0", even(300_000, 1)).await;
    let odd: Vec<_> = (0..3_000).map(|number| (number * 200 + 1, "李四", 2)).collect();
    let added = grow(&test.lake, &checked, "u:1", persons(&odd)).await;
    assert_eq!((added.rows, added.changed.inserted, added.changed.updated), (3_000, 3_000, 0), "only what is new");

    let again = grow(&test.lake, &checked, "u:2", persons(&[(201, "李四", 3)])).await;
    assert_eq!((again.rows, again.changed.updated), (1, 1), "the old row is hidden");
    let base = grow(&test.lake, &checked, "u:3", persons(&[(200, "王小明", 3)])).await;
    assert_eq!((base.rows, base.changed.updated), (2, 1), "and again; what lies beside is one file");

    assert_eq!(test.lake.count(&checked, None).await.expect("counts"), 303_000);
    let folder = test.lake.folder(&checked);
    let (old, new) = (external(&folder), scores(&test.lake, &checked).await);
    assert_eq!(old.len(), 303_000, "another engine sees the table as it was");
    assert_eq!(old.iter().filter(|row| row.1 == 3).count(), 0);
    assert_eq!(new.iter().filter(|row| row.1 == 3).count(), 2);
    let whole = upsert(&test.lake, &checked, "u:4", persons(&[(0, "王小明", 4)])).await;
    assert_eq!((whole.rows, whole.changed.updated), (303_000, 1), "an upsert makes the bucket one file again");
    assert_eq!(external(&folder), scores(&test.lake, &checked).await, "and every engine sees the same");
    for (id, score) in [("000201", "3"), ("000200", "3"), ("000401", "2"), ("000400", "1")] {
        let found = rows(&test.lake.lookup(&checked, &[id]).await.expect("looks up"));
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!(found[0][3], score, "{id}");
    }
}

#[tokio::test]
async fn many_small_additions_leave_few_files_and_one_row_for_each_key() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 1).await;
    let mut written = 0;
    for round in 0..100_u32 {
        let rows: Vec<_> = (0..50).map(|number| (number * 100 + round, "王小明", 1)).collect();
        written += grow(&test.lake, &checked, &format!("u:{round}"), persons(&rows)).await.rows;
    }
    assert_eq!(test.lake.count(&checked, None).await.expect("counts"), 5_000);
    assert_eq!(scores(&test.reopened(), &checked).await.len(), 5_000);
    // The logarithmic method: a row is written about once for each doubling, not once for each addition.
    assert!(written < 50 * 100 * 8, "{written} rows written for 5,000");
    let whole = upsert(&test.lake, &checked, "whole", persons(&[(0, "王小明", 9)])).await;
    assert_eq!(whole.rows, 5_000, "an upsert makes the bucket one file again");
    let sorted =
        scan_rows(&test.lake, &checked, Scan { columns: Some(vec!["id".into()]), ordered: true, ..Scan::default() });
    assert!(sorted.await.is_sorted(), "of files whose rows lie among one another");
}

#[tokio::test]
async fn changes_between_versions_are_the_new_rows() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 2).await;
    let first = upsert(&test.lake, &checked, "u:1", many(0, 10_000, 1)).await.version;
    let added = grow(&test.lake, &checked, "u:2", many(10_000, 100, 1)).await.version;
    let changed = grow(&test.lake, &checked, "u:3", persons(&[(10_050, "王小明", 5), (3, "王小明", 1)])).await.version;
    let kinds = async |from, to| {
        let found = rows(&collect(test.lake.changes(&checked, from, to).await.expect("compares")).await);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in found {
            *counts.entry(row[0].clone()).or_default() += 1;
        }
        counts
    };
    assert_eq!(CHANGE_COLUMN, "_change");
    assert_eq!(kinds(first, added).await, BTreeMap::from([("insert".to_owned(), 100)]));
    assert_eq!(kinds(added, changed).await, BTreeMap::from([("update".to_owned(), 1)]));
    assert_eq!(kinds(first, changed).await, BTreeMap::from([("insert".to_owned(), 100)]));
    assert_eq!(kinds(changed, first).await, BTreeMap::from([("delete".to_owned(), 100)]));
}

#[tokio::test]
async fn keys_of_every_type_are_recognised() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("text", DataType::Utf8, false),
        Field::new("day", DataType::Date32, false),
        Field::new("small", DataType::Int32, false),
        Field::new("large", DataType::Int64, false),
        Field::new("amount", DataType::Decimal128(18, 2), false),
        Field::new("value", DataType::Int64, true),
    ]));
    let some = |numbers: std::ops::Range<i32>, value: i64| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(numbers.clone().map(|n| Some(format!("k{}", n % 10))).collect::<StringArray>()),
            Arc::new(numbers.clone().map(Some).collect::<Date32Array>()),
            Arc::new(numbers.clone().map(Some).collect::<Int32Array>()),
            Arc::new(numbers.clone().map(|n| Some(i64::from(n))).collect::<Int64Array>()),
            Arc::new(
                numbers
                    .clone()
                    .map(|n| Some(i128::from(n)))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(18, 2)
                    .expect("fits"),
            ),
            Arc::new(numbers.map(|_| Some(value)).collect::<Int64Array>()),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).expect("columns fit")
    };
    for beside_from in [0, u64::MAX] {
        let test = TestLake::open_with(|options| options.beside_from = beside_from);
        for (name, columns) in [
            ("text_and_day", vec!["text", "day"]),
            ("small", vec!["small"]),
            ("large", vec!["large"]),
            ("amount", vec!["amount"]),
            ("all", vec!["amount", "text", "small", "day", "large"]),
        ] {
            let target = table(Zone::Checked, name);
            test.lake.create(&target, Arc::clone(&schema), Layout::keyed(columns, 2)).await.expect("creates");
            upsert(&test.lake, &target, "u:1", some(0..5_000, 1)).await;
            let added = grow(&test.lake, &target, "u:2", some(5_000..5_100, 1)).await;
            assert_eq!((added.rows, added.changed.inserted), (100, 100), "{name}");
            let both = grow(&test.lake, &target, "u:3", some(4_990..5_110, 2)).await;
            assert_eq!((both.changed.inserted, both.changed.updated), (10, 110), "{name}");
            assert_eq!(test.lake.count(&target, None).await.expect("counts"), 5_110, "{name}");
            let scan =
                Scan { filter_sql: Some("value = 2".into()), columns: Some(vec!["large".into()]), ..Scan::default() };
            let mut changed: Vec<i64> = scan_rows(&test.lake, &target, scan)
                .await
                .iter()
                .map(|row| row[0].parse().expect("a number"))
                .collect();
            changed.sort_unstable();
            assert_eq!(changed, (4_990..5_110).collect::<Vec<_>>(), "{name}: the rows given are those that changed");
        }
    }
}

type Known<'a> = (i64, &'a Vec<(String, i64)>);

/// The changes listed between two versions turn one into the other, and so do the rows that differ.
async fn compare(lake: &Lake, table: &TableName, old: Known<'_>, new: Known<'_>) {
    let read = |row: &[String]| (row[0].clone(), row[1].parse::<i64>().expect("a score"));
    let mut turned: BTreeMap<String, i64> = old.1.iter().cloned().collect();
    for row in rows(&collect(lake.changes(table, old.0, new.0).await.expect("compares")).await) {
        let (id, score) = (row[1].clone(), row[4].parse::<i64>().expect("a score"));
        match row[0].as_str() {
            "delete" => assert_eq!(turned.remove(&id), Some(score)),
            "insert" => assert_eq!(turned.insert(id, score), None),
            _ => assert!(turned.insert(id, score).is_some_and(|before| before != score)),
        }
    }
    assert_eq!(turned.into_iter().collect::<Vec<_>>(), *new.1, "from {} to {}", old.0, new.0);
    let columns = ["id".to_owned(), "score".to_owned()];
    let differing =
        lake.differing(table, (old.0, new.0), &columns, Gone::All, 10_000).await.expect("compares").expect("few");
    let mut turned: BTreeSet<(String, i64)> = old.1.iter().cloned().collect();
    for row in rows(&differing.gone) {
        assert!(turned.remove(&read(&row)), "{row:?} was there");
    }
    // Where old forms of rows that came again may be left out, nothing else is.
    let unreplaced = lake.differing(table, (old.0, new.0), &columns, Gone::Unreplaced, 10_000).await;
    let unreplaced = unreplaced.expect("compares").expect("few");
    let all: BTreeSet<_> = rows(&differing.gone).iter().map(|row| read(row)).collect();
    let left: BTreeSet<_> = rows(&unreplaced.gone).iter().map(|row| read(row)).collect();
    assert!(left.is_subset(&all));
    let came: BTreeSet<String> = rows(&unreplaced.came).into_iter().map(|row| row[0].clone()).collect();
    assert!(all.difference(&left).all(|(id, _)| came.contains(id)), "each has the key of one that came");
    assert!(rows(&differing.came).iter().all(|row| came.contains(&row[0])));
    assert!(unreplaced.replaced as usize >= all.len() - left.len());
    for row in rows(&differing.came) {
        assert!(turned.insert(read(&row)), "{row:?} was not there");
    }
    assert_eq!(turned.into_iter().collect::<Vec<_>>(), *new.1, "from {} to {}", old.0, new.0);
}

/// The keys of these persons.
fn ids(numbers: &[u32]) -> RecordBatch {
    let ids: StringArray = numbers.iter().map(|number| Some(format!("{number:06}"))).collect();
    RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef)]).expect("a batch")
}

/// A step of a table's life.
#[derive(Debug, Clone)]
enum Step {
    Grow(Vec<u32>),
    Upsert(Vec<u32>),
    Delete(Vec<u32>),
    /// Rows to put and keys to remove, by a grower and by an upserter.
    Both(Vec<u32>, Vec<u32>, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let few = || proptest::collection::vec(0..400_u32, 1..12);
    let many = || proptest::collection::vec(0..400_u32, 40..120);
    let step = prop_oneof![
        6 => few().prop_map(Step::Grow),
        2 => many().prop_map(Step::Grow),
        1 => few().prop_map(Step::Upsert),
        2 => few().prop_map(Step::Delete),
        3 => (few(), few(), any::<bool>()).prop_map(|(put, gone, grows)| Step::Both(put, gone, grows)),
    ];
    proptest::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_a_map_would_hold_the_same(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runs");
        runtime.block_on(async {
            // Small tables as large ones: rows lie beside from the first on.
            let test = TestLake::open_with(|options| options.beside_from = 0);
            let checked = keyed(&test.lake, "person", 2).await;
            let mut model: BTreeMap<u32, i64> = BTreeMap::new();
            let mut history: Vec<(i64, Vec<(String, i64)>)> = vec![(0, Vec::new())];
            let mut seen_elsewhere = 0;
            for (at, step) in (1_i64..).zip(&steps) {
                let commit = format!("s:{at}");
                let given = |numbers: &[u32]| numbers.iter().map(|number| (*number, "张三", at)).collect::<Vec<_>>();
                let before = model.clone();
                let done = match step {
                    Step::Grow(numbers) | Step::Upsert(numbers) => {
                        model.extend(numbers.iter().map(|number| (*number, at)));
                        let batch = persons(&given(numbers));
                        if matches!(step, Step::Grow(_)) {
                            grow(&test.lake, &checked, &commit, batch).await
                        } else {
                            upsert(&test.lake, &checked, &commit, batch).await
                        }
                    }
                    Step::Delete(numbers) => {
                        model.retain(|number, _| !numbers.contains(number));
                        let mut writer = test.lake.deleter(&checked, key(&commit)).await.expect("a deleter");
                        writer.write(ids(numbers)).await.expect("fits");
                        writer.commit(Map::new()).await.expect("commits")
                    }
                    Step::Both(put, gone, grows) => {
                        model.retain(|number, _| !gone.contains(number));
                        model.extend(put.iter().map(|number| (*number, at)));
                        let mut writer = if *grows {
                            test.lake.grower(&checked, key(&commit), &[]).await.expect("a grower")
                        } else {
                            test.lake.upserter(&checked, key(&commit), &["score"]).await.expect("an upserter")
                        };
                        // In whichever order they are given, a row that is put is there.
                        if at % 2 == 0 {
                            writer.remove(ids(gone)).await.expect("fits");
                        }
                        writer.write(persons(&given(put))).await.expect("fits");
                        if at % 2 != 0 {
                            writer.remove(ids(gone)).await.expect("fits");
                        }
                        writer.commit(Map::new()).await.expect("commits")
                    }
                };
                let inserted = model.keys().filter(|number| !before.contains_key(number)).count() as u64;
                let deleted = before.keys().filter(|number| !model.contains_key(number)).count() as u64;
                assert_eq!((done.changed.inserted, done.changed.deleted), (inserted, deleted));
                let expected: Vec<_> = model.iter().map(|(number, score)| (format!("{number:06}"), *score)).collect();
                assert_eq!(scores(&test.lake, &checked).await, expected);
                assert_eq!(test.lake.count(&checked, None).await.expect("counts"), model.len() as u64);
                // Row by row, some of them known and some not.
                for number in (0..400_u32).step_by(23) {
                    let id = format!("{number:06}");
                    let found = rows(&test.lake.lookup(&checked, &[&id]).await.expect("looks up"));
                    let found: Vec<i64> = found.iter().map(|row| row[3].parse().expect("a score")).collect();
                    assert_eq!(found, model.get(&number).copied().into_iter().collect::<Vec<_>>(), "{id}");
                }
                let asked: HashSet<String> = (0..400_u32).step_by(7).map(|number| format!("{number:06}")).collect();
                let columns = ["id".to_owned(), "score".to_owned()];
                let picked = test.lake.pick(&checked, None, &columns, asked.clone()).await.expect("picks");
                let mut picked: Vec<(String, i64)> =
                    rows(&picked).into_iter().map(|row| (row[0].clone(), row[1].parse().expect("a score"))).collect();
                picked.sort();
                let of_asked: Vec<_> = expected.iter().filter(|row| asked.contains(&row.0)).cloned().collect();
                assert_eq!(picked, of_asked);
                // What changed since any version before is what differs between the two.
                for (version, then) in history.iter().rev().take(4) {
                    compare(&test.lake, &checked, (*version, then), (done.version, &expected)).await;
                    compare(&test.lake, &checked, (done.version, &expected), (*version, then)).await;
                }
                history.push((done.version, expected));
                let elsewhere = external(&test.lake.folder(&checked));
                let found = history.iter().rposition(|(_, rows)| *rows == elsewhere);
                assert!(found.is_some_and(|at| at >= seen_elsewhere), "another engine sees a version, and never goes back");
                seen_elsewhere = found.unwrap_or_default();
            }
            let lake = test.reopened();
            for (version, rows) in &history {
                let scan = Scan { version: Some(*version), columns: Some(vec!["id".into(), "score".into()]), ..Scan::default() };
                let mut found: Vec<(String, i64)> =
                    scan_rows(&lake, &checked, scan).await.into_iter().map(|row| (row[0].clone(), row[1].parse().expect("a score"))).collect();
                found.sort();
                assert_eq!(found, *rows, "version {version}");
            }
        });
    }
}
