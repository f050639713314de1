//! Creating, appending, upserting, replacing, deleting.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Map, json};
use yihe_lake::{LakeError, Layout, Scan, Zone};

use crate::support::{
    TestLake, append, collect, key, keyed, many, person_schema, persons, rows, scan_rows, scores, table, upsert,
};

#[tokio::test]
async fn appended_rows_are_read_back_and_survive_reopening() {
    let test = TestLake::open();
    let landing = table(Zone::Landing, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    let first = append(&test.lake, &landing, "batch:1", many(0, 10, 1)).await;
    let second = append(&test.lake, &landing, "batch:2", many(10, 5, 2)).await;
    assert_eq!((first.version, first.rows, first.changed.inserted), (1, 10, 10));
    assert_eq!((second.version, second.rows), (2, 5));
    assert_eq!(second.files[0].sha256.len(), 64);
    for lake in [test.lake.clone(), test.reopened()] {
        assert_eq!(lake.count(&landing, None).await.expect("counts"), 15);
        assert_eq!(lake.count(&landing, Some(1)).await.expect("counts"), 10);
        assert_eq!(scores(&lake, &landing).await.len(), 15);
        assert_eq!(lake.tables().expect("lists"), std::slice::from_ref(&landing));
    }
}

#[tokio::test]
async fn a_commit_sent_again_changes_nothing_and_tells_what_was_done() {
    let test = TestLake::open();
    let landing = table(Zone::Landing, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    let mut writer = test.lake.appender(&landing, key("batch:1")).await.expect("an appender");
    writer.write(many(0, 10, 1)).await.expect("fits");
    let meta: Map<_, _> = [("batch".to_owned(), json!("b-1"))].into_iter().collect();
    let done = writer.commit(meta.clone()).await.expect("commits");
    assert!(!done.already_done);
    // Twenty more commits, so that a checkpoint lies between.
    for number in 2..23_u32 {
        append(&test.lake, &landing, &format!("batch:{number}"), many(number * 10, 1, 1)).await;
    }
    for lake in [test.lake.clone(), test.reopened()] {
        let again = append(&lake, &landing, "batch:1", many(0, 10, 1)).await;
        assert!(again.already_done);
        assert_eq!((again.version, again.rows, &again.files), (1, 10, &done.files));
        assert_eq!((again.meta, again.changed), (meta.clone(), done.changed));
        let known = lake.committed(&landing, &key("batch:1")).await.expect("reads");
        assert_eq!(known.map(|commit| commit.version), Some(1));
        assert!(lake.committed(&landing, &key("batch:99")).await.expect("reads").is_none());
        assert_eq!(lake.count(&landing, None).await.expect("counts"), 31);
    }
}

#[tokio::test]
async fn an_empty_commit_is_remembered_too() {
    let test = TestLake::open();
    let landing = table(Zone::Landing, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    let writer = test.lake.appender(&landing, key("empty")).await.expect("an appender");
    let commit = writer.commit(Map::new()).await.expect("commits");
    assert_eq!((commit.rows, commit.files.len(), commit.already_done), (0, 0, false));
    let again = test.lake.appender(&landing, key("empty")).await.expect("an appender");
    assert!(again.already_done().is_some());
    assert_eq!(scan_rows(&test.lake, &landing, Scan::default()).await, Vec::<Vec<String>>::new());
}

#[tokio::test]
async fn a_writer_dropped_changes_nothing() {
    let test = TestLake::open();
    let landing = table(Zone::Landing, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    let mut writer = test.lake.appender(&landing, key("batch:1")).await.expect("an appender");
    writer.write(many(0, 10, 1)).await.expect("fits");
    drop(writer);
    assert_eq!(test.lake.count(&landing, None).await.expect("counts"), 0);
    assert_eq!(append(&test.lake, &landing, "batch:1", many(0, 3, 1)).await.rows, 3);
}

#[tokio::test]
async fn of_rows_with_one_key_the_greatest_order_wins_and_then_the_last() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 4).await;
    let mut writer = test.lake.upserter(&checked, key("u:1"), &["score"]).await.expect("an upserter");
    writer.write(persons(&[(1, "a", 5), (1, "b", 9), (1, "c", 3)])).await.expect("fits");
    writer.write(persons(&[(2, "first", 1), (2, "last", 1)])).await.expect("fits");
    let commit = writer.commit(Map::new()).await.expect("commits");
    assert_eq!((commit.changed.inserted, commit.changed.updated), (2, 0));
    let scan = Scan {
        columns: Some(vec!["id".into(), "name".into()]),
        filter_sql: Some("id in ('000001', '000002')".into()),
        ..Scan::default()
    };
    let mut found = scan_rows(&test.lake, &checked, scan).await;
    found.sort();
    assert_eq!(found, [["000001", "b"], ["000002", "last"]]);
}

#[tokio::test]
async fn any_sequence_of_upserts_and_deletes_leaves_what_a_map_would_hold() {
    // More rows than the spill keeps in memory would be slow here; spilling has a test of its own.
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 8).await;
    let mut model: BTreeMap<u32, i64> = BTreeMap::new();
    let mut seed = 42_u32;
    let mut next = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 8
    };
    for round in 0..12_u32 {
        let numbers: Vec<u32> = (0..400).map(|_| next() % 1_500).collect();
        let score = i64::from(round);
        if round % 4 == 3 {
            let ids: Vec<String> = numbers.iter().map(|number| format!("{number:06}")).collect();
            let batch =
                RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(ids)) as arrow::array::ArrayRef)])
                    .expect("a batch");
            let mut writer = test.lake.deleter(&checked, key(&format!("d:{round}"))).await.expect("a deleter");
            writer.write(batch).await.expect("fits");
            let commit = writer.commit(Map::new()).await.expect("commits");
            let before = model.len();
            for number in &numbers {
                model.remove(number);
            }
            assert_eq!(commit.changed.deleted, (before - model.len()) as u64);
        } else {
            let given: Vec<_> = numbers.iter().map(|number| (*number, "张三", score)).collect();
            let commit = upsert(&test.lake, &checked, &format!("u:{round}"), persons(&given)).await;
            let before = model.len();
            for number in &numbers {
                model.insert(*number, score);
            }
            assert_eq!(commit.changed.inserted, (model.len() - before) as u64);
        }
        let expected: Vec<(String, i64)> =
            model.iter().map(|(number, score)| (format!("{number:06}"), *score)).collect();
        assert_eq!(scores(&test.lake, &checked).await, expected, "after round {round}");
    }
    assert_eq!(scores(&test.reopened(), &checked).await.len(), model.len());
}

#[tokio::test]
async fn an_ordered_scan_of_a_bucket_comes_by_key() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 3).await;
    upsert(&test.lake, &checked, "u:1", many(500, 500, 1)).await;
    upsert(&test.lake, &checked, "u:2", many(0, 700, 2)).await;
    let mut all = 0;
    for bucket in 0..3 {
        let scan = Scan {
            buckets: Some(vec![bucket]),
            columns: Some(vec!["id".into()]),
            ordered: true,
            batch_size: Some(64),
            ..Scan::default()
        };
        let found = scan_rows(&test.lake, &checked, scan).await;
        assert!(found.is_sorted(), "bucket {bucket} is in key order");
        all += found.len();
    }
    assert_eq!(all, 1000);
}

#[tokio::test]
async fn replacing_leaves_only_the_new_rows() {
    let test = TestLake::open();
    let landing = table(Zone::Metrics, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    let checked = keyed(&test.lake, "person", 4).await;
    append(&test.lake, &landing, "a", many(0, 50, 1)).await;
    upsert(&test.lake, &checked, "a", many(0, 50, 1)).await;
    for target in [&landing, &checked] {
        let mut writer = test.lake.replacer(target, key("r")).await.expect("a replacer");
        writer.write(many(40, 20, 2)).await.expect("fits");
        let commit = writer.commit(Map::new()).await.expect("commits");
        assert_eq!((commit.changed.inserted, commit.changed.deleted), (20, 50));
        let expected: Vec<_> = (40..60).map(|number| (format!("{number:06}"), 2)).collect();
        assert_eq!(scores(&test.lake, target).await, expected);
        assert_eq!(test.lake.count(target, Some(1)).await.expect("counts"), 50, "time travel");
    }
}

#[tokio::test]
async fn columns_may_be_added_but_not_changed() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 2).await;
    upsert(&test.lake, &checked, "u:1", many(0, 10, 1)).await;
    let mut fields = person_schema().fields().to_vec();
    fields.push(Arc::new(Field::new("phone", DataType::Utf8, true)));
    let wider = Arc::new(Schema::new(fields));
    let layout = Layout::keyed(["id"], 2);
    test.lake.create(&checked, Arc::clone(&wider), layout.clone()).await.expect("adds a column");
    test.lake.create(&checked, wider, layout.clone()).await.expect("is idempotent");
    test.lake.create(&checked, person_schema(), layout.clone()).await.expect("needs no column");
    upsert(&test.lake, &checked, "u:2", many(5, 10, 2)).await;
    let scan = Scan {
        columns: Some(vec!["id".into(), "phone".into(), "score".into()]),
        filter_sql: Some("id < '000006'".into()),
        ..Scan::default()
    };
    let mut found = scan_rows(&test.lake, &checked, scan).await;
    found.sort();
    assert_eq!(found.len(), 6);
    assert_eq!(found[0], ["000000", "∅", "1"]);
    assert_eq!(found[5], ["000005", "∅", "2"]);
    let found = test.lake.lookup(&checked, &["000001"]).await.expect("looks up");
    assert_eq!(found[0].num_columns(), 5);

    let other = Schema::new(vec![Field::new("id", DataType::Utf8, false), Field::new("score", DataType::Utf8, true)]);
    let error = test.lake.create(&checked, Arc::new(other), layout).await.expect_err("refused");
    assert!(matches!(error, LakeError::Shape { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "table `checked/person` differs from what is asked for: column `score` is Int64, asked for Utf8"
    );
    let error = test
        .lake
        .create(&checked, person_schema(), Layout::keyed(["id"], 3))
        .await
        .expect_err("another number of buckets is another table");
    assert!(matches!(error, LakeError::Shape { .. }), "{error}");
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_with_the_column() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 2).await;
    let mut writer = test.lake.upserter(&checked, key("u"), &[]).await.expect("an upserter");
    let unknown = RecordBatch::try_from_iter([
        ("id", Arc::new(StringArray::from(vec!["1"])) as arrow::array::ArrayRef),
        ("age", Arc::new(Int64Array::from(vec![1])) as arrow::array::ArrayRef),
    ])
    .expect("a batch");
    let error = writer.write(unknown).await.expect_err("refused");
    assert_eq!(error.to_string(), "rows do not fit table `checked/person`: the table has no column `age`");
    let keyless = RecordBatch::try_from_iter_with_nullable([(
        "id",
        Arc::new(StringArray::from(vec![Some("1"), None])) as arrow::array::ArrayRef,
        true,
    )])
    .expect("a batch");
    let error = writer.write(keyless).await.expect_err("refused");
    assert!(error.to_string().contains("column `id` has 1 empty values"), "{error}");
    let error = test.lake.appender(&checked, key("a")).await.err().expect("refused");
    assert!(matches!(error, LakeError::NotAllowed { .. }), "{error}");
}

#[tokio::test]
async fn a_look_up_finds_its_row_and_nothing_else() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 2).await;
    // Enough for several pages and row groups in each bucket.
    upsert(&test.lake, &checked, "u:1", many(0, 300_000, 1)).await;
    upsert(&test.lake, &checked, "u:2", many(7, 1, 9)).await;
    for (number, score) in [(0, "1"), (7, "9"), (131_072, "1"), (299_999, "1")] {
        let id = format!("{number:06}");
        let found = test.lake.lookup(&checked, &[&id]).await.expect("looks up");
        let found = rows(&found);
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!((found[0][0].as_str(), found[0][3].as_str()), (id.as_str(), score));
    }
    for absent in ["300000", "", "zzz", "000000 "] {
        let found = test.lake.lookup(&checked, &[absent]).await.expect("looks up");
        assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 0, "{absent}");
    }
    assert!(test.lake.lookup(&checked, &["1", "2"]).await.is_err());
}

#[tokio::test]
async fn appends_from_two_openings_of_one_lake_all_arrive() {
    let test = TestLake::open();
    let landing = table(Zone::Landing, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    let other = test.reopened();
    let mut tasks = Vec::new();
    for number in 0..16_u32 {
        let lake = if number % 2 == 0 { test.lake.clone() } else { other.clone() };
        let landing = landing.clone();
        tasks.push(tokio::spawn(async move {
            append(&lake, &landing, &format!("b:{number}"), many(number * 10, 10, 1)).await
        }));
    }
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.expect("no panic").version);
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=16).collect::<Vec<_>>());
    assert_eq!(test.lake.count(&landing, None).await.expect("counts"), 160);
}

#[tokio::test]
async fn conditions_skip_files_by_their_bounds_and_stay_right() {
    let test = TestLake::open();
    let landing = table(Zone::Landing, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    for number in 0..5_u32 {
        append(&test.lake, &landing, &format!("b:{number}"), many(number * 100, 100, i64::from(number))).await;
    }
    for (filter, expected) in [
        ("score = 3", 100),
        ("score >= 3 and id < '000350'", 50),
        ("score > 99", 0),
        ("name = '王小明'", 500),
        ("name is null", 0),
        ("born_on = date '1970-01-03'", 1),
        ("id in ('000001', '000499', 'x')", 2),
    ] {
        let scan = Scan { filter_sql: Some(filter.into()), ..Scan::default() };
        assert_eq!(scan_rows(&test.lake, &landing, scan).await.len(), expected, "{filter}");
    }
    let streams = test.lake.scan_parallel(&landing, Scan::default()).await.expect("scans in parallel");
    let mut total = 0;
    for stream in streams {
        total += collect(stream).await.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    assert_eq!(total, 500);
}

#[tokio::test]
async fn conditions_on_the_key_find_their_rows_in_whatever_bucket() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 16).await;
    upsert(&test.lake, &checked, "u", many(0, 200, 1)).await;
    for (filter, expected) in [
        ("id = '000007'", 1),
        ("'000007' = id and score = 1", 1),
        ("id = '000007' and score = 2", 0),
        ("id in ('000001', '000002', '000199', '000200')", 3),
        ("id not in ('000001', '000002')", 198),
        ("id = '000001' or id = '000002'", 2),
        ("id = '000001' and id = '000002'", 0),
        ("id >= '000198'", 2),
    ] {
        let scan = Scan { filter_sql: Some(filter.into()), ..Scan::default() };
        assert_eq!(scan_rows(&test.lake, &checked, scan).await.len(), expected, "{filter}");
    }
    // A key of two columns, one of them a date.
    let pair = table(Zone::Checked, "pair");
    let layout = Layout::keyed(["name", "born_on"], 16);
    test.lake.create(&pair, person_schema(), layout).await.expect("creates");
    upsert(&test.lake, &pair, "u", many(0, 50, 1)).await;
    for (filter, expected) in [
        ("name = '王小明' and born_on = date '1970-01-08'", 1),
        ("name = '王小明' and born_on = '1970-01-08'", 1),
        ("name = '王小明' and born_on in (date '1970-01-08', date '1970-01-09')", 2),
        ("name = '王小明'", 50),
        ("born_on = date '1970-01-08'", 1),
    ] {
        let scan = Scan { filter_sql: Some(filter.into()), ..Scan::default() };
        assert_eq!(scan_rows(&test.lake, &pair, scan).await.len(), expected, "{filter}");
    }
    let found = test.lake.lookup(&pair, &["王小明", "1970-01-08"]).await.expect("looks up");
    assert_eq!(rows(&found).len(), 1);
}

#[tokio::test]
async fn a_row_is_found_by_a_column_that_says_so_and_by_any_other() {
    let test = TestLake::open_with(|options| (options.beside_from, options.beside_share) = (0, 0));
    let (with, without) = (table(Zone::Checked, "with"), table(Zone::Checked, "without"));
    let layout = Layout::keyed(["id"], 2);
    test.lake.create(&with, person_schema(), layout.clone().found_by(["name"])).await.expect("creates");
    test.lake.create(&without, person_schema(), layout.clone()).await.expect("creates");
    for target in [&with, &without] {
        let names: Vec<String> = (0..5_000).map(|number| format!("E{number:05}")).collect();
        let rows: Vec<_> = (0_u32..).zip(&names).map(|(number, name)| (number, name.as_str(), 1)).collect();
        upsert(&test.lake, target, "u:1", persons(&rows)).await;
        let mut writer = test.lake.grower(target, key("g:1"), &[]).await.expect("a grower");
        writer.write(persons(&[(7, "E00007", 2), (8, "another", 2)])).await.expect("fits");
        writer.commit(Map::new()).await.expect("commits");
        let find = async |name: &str| rows_of(&test.lake.find(target, "name", name).await.expect("finds"));
        assert_eq!(find("E04321").await, [("004321".to_owned(), "1".to_owned())], "{target}");
        assert_eq!(
            find("E00007").await,
            [("000007".to_owned(), "2".to_owned())],
            "the row that was hidden is not found"
        );
        assert!(find("E00008").await.is_empty() && find("nobody").await.is_empty(), "{target}");
        assert_eq!(find("another").await.len(), 1, "{target}");
        let absent = test.lake.find(target, "gone", "x").await;
        assert!(matches!(absent, Err(LakeError::NoColumn { .. })), "{absent:?}");
    }
    // A table that is told later has filters from when it is written anew.
    test.lake.create(&without, person_schema(), layout.found_by(["name"])).await.expect("told");
    assert_eq!(test.reopened().layout(&without).await.expect("a layout").filtered(), ["name"]);
    test.lake.forget(&without).await.expect("forgets");
    assert!(!test.lake.exists(&without));
    let gone = test.lake.count(&without, None).await;
    assert!(matches!(gone, Err(LakeError::NoTable { .. })), "{gone:?}");
    test.lake.create(&without, person_schema(), Layout::rows()).await.expect("and may be another table");
}

fn rows_of(batches: &[RecordBatch]) -> Vec<(String, String)> {
    rows(batches).into_iter().map(|row| (row[0].clone(), row[3].clone())).collect()
}
