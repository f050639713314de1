//! Compaction, vacuum, changes between versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use arrow::array::RecordBatch;
use serde_json::Map;
use yihe_lake::{Lake, LakeError, Layout, Scan, TableName, Zone};

use crate::support::{
    TestLake, append, collect, key, keyed, many, person_schema, persons, rows, scan_rows, scores, table, upsert,
};

/// Files get their times from the system, so the sweep's clock must be the system's, too.
#[expect(clippy::disallowed_methods, reason = "compared with times that the file system wrote")]
fn a_minute_from_now() -> SystemTime {
    SystemTime::now() + Duration::from_mins(1)
}

fn parquet_files(folder: &Path) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(folder).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("_delta_log") {
            found += parquet_files(&path);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found += 1;
        }
    }
    found
}

#[tokio::test]
async fn compaction_makes_one_file_of_many_and_keeps_every_row_in_order() {
    let test = TestLake::open();
    let landing = table(Zone::Landing, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    for number in 0..7_u32 {
        append(&test.lake, &landing, &format!("b:{number}"), many(number * 10, 10, 1)).await;
    }
    let ordered = || Scan { ordered: true, ..Scan::default() };
    let before = scan_rows(&test.lake, &landing, ordered()).await;
    let done = test.lake.compact(&landing).await.expect("compacts");
    assert_eq!((done.files_before, done.files_after), (7, 1));
    append(&test.lake, &landing, "b:7", many(70, 10, 1)).await;
    let done = test.lake.compact(&landing).await.expect("compacts again");
    assert_eq!((done.files_before, done.files_after), (2, 1));
    let after = scan_rows(&test.reopened(), &landing, ordered()).await;
    assert_eq!(after[..70], before);
    assert_eq!(after.len(), 80);
    assert!(after.is_sorted(), "the order of commits is kept");
    assert_eq!(test.lake.count(&landing, Some(3)).await.expect("time travel"), 30);
    let again = append(&test.lake, &landing, "b:3", many(0, 1, 1)).await;
    assert!(again.already_done, "compaction forgets no commit");
}

#[tokio::test]
async fn vacuum_removes_what_no_kept_version_reads() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 1).await;
    for round in 0..4_i64 {
        upsert(&test.lake, &checked, &format!("u:{round}"), many(0, 50, round)).await;
    }
    let folder = test.lake.folder(&checked);
    assert_eq!(parquet_files(&folder), 4);
    let later = a_minute_from_now();
    let day = Duration::from_secs(86_400);
    let done = test.lake.vacuum(&checked, later, day, &[]).await.expect("vacuums");
    assert_eq!(done.files, 0, "all of it was newest within the day");
    let done = test.lake.vacuum(&checked, later, Duration::ZERO, &[2]).await.expect("vacuums");
    assert_eq!(done.files, 2, "the newest and the pinned version stay");
    assert!(done.bytes > 0);
    let lake = test.reopened();
    assert_eq!(scores(&lake, &checked).await[0].1, 3);
    let pinned = Scan { version: Some(2), limit: Some(1), ..Scan::default() };
    assert_eq!(scan_rows(&lake, &checked, pinned).await[0][3], "1");
    let gone = Scan { version: Some(1), ..Scan::default() };
    let stream = lake.scan(&checked, gone).await.expect("plans");
    let error = futures::TryStreamExt::try_collect::<Vec<RecordBatch>>(stream).await;
    assert!(matches!(error, Err(LakeError::Engine { .. })), "{error:?}");
}

#[tokio::test]
async fn vacuum_keeps_what_lies_beside_a_kept_version() {
    let test = TestLake::open_with(|options| options.beside_from = 0);
    let checked = keyed(&test.lake, "person", 1).await;
    upsert(&test.lake, &checked, "u:0", many(0, 200, 0)).await;
    for round in 1..4_i64 {
        let mut writer = test.lake.grower(&checked, key(&format!("g:{round}")), &[]).await.expect("a grower");
        writer.write(many(7, 2, round)).await.expect("fits");
        writer.commit(Map::new()).await.expect("commits");
    }
    let folder = test.lake.folder(&checked);
    assert_eq!(parquet_files(&folder), 4, "the table, and two rows beside it three times");
    let later = a_minute_from_now();
    let day = Duration::from_secs(86_400);
    let done = test.lake.vacuum(&checked, later, day, &[]).await.expect("vacuums");
    assert_eq!(done.files, 0, "all of it was newest within the day");
    let done = test.lake.vacuum_orphans(&checked, later, Duration::ZERO).await.expect("sweeps");
    assert_eq!(done.files, 0, "all of it was part of the table");
    let done = test.lake.vacuum(&checked, later, Duration::ZERO, &[3]).await.expect("vacuums");
    assert_eq!(done.files, 2, "the first two rows beside, and the note of them");
    let lake = test.reopened();
    let score = async |version| {
        let scan = Scan { version, ..Scan::default() };
        scan_rows(&lake, &checked, scan).await.into_iter().find(|row| row[0] == "000007").expect("is there")[3].clone()
    };
    assert_eq!(score(Some(3)).await, "2");
    assert_eq!(score(None).await, "3");
    let gone = Scan { version: Some(2), ..Scan::default() };
    assert!(matches!(lake.scan(&checked, gone).await, Err(LakeError::File { .. })), "its note was cleaned away");
    upsert(&test.lake, &checked, "u:9", many(0, 1, 9)).await;
    test.lake.vacuum(&checked, later, Duration::ZERO, &[]).await.expect("vacuums");
    assert_eq!(parquet_files(&folder), 1, "nothing lies beside any more");
    assert_eq!(scores(&test.reopened(), &checked).await.len(), 200);
}

#[tokio::test]
async fn orphans_of_a_dropped_writer_are_removed_and_nothing_else() {
    let test = TestLake::open();
    let landing = table(Zone::Landing, "person");
    test.lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    append(&test.lake, &landing, "b:0", many(0, 10, 1)).await;
    let mut writer = test.lake.replacer(&landing, key("r")).await.expect("a replacer");
    writer.write(many(0, 20, 2)).await.expect("fits");
    writer.commit(Map::new()).await.expect("commits");
    let folder = test.lake.folder(&landing);
    // What a killed process leaves: a file that no log names.
    let live = fs::read_dir(&folder)
        .expect("lists")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .expect("a data file");
    fs::copy(&live, folder.join("part-orphan.parquet")).expect("copies");
    assert_eq!(parquet_files(&folder), 3);
    let later = a_minute_from_now();
    let hour = Duration::from_secs(3_600);
    let done = test.lake.vacuum_orphans(&landing, later, hour).await.expect("sweeps");
    assert_eq!(done.files, 0, "a young file may be about to be committed");
    let done = test.lake.vacuum_orphans(&landing, later, Duration::ZERO).await.expect("sweeps");
    assert_eq!(done.files, 1);
    assert_eq!(test.lake.count(&landing, None).await.expect("counts"), 20);
    let old = Scan { version: Some(1), ..Scan::default() };
    assert_eq!(scan_rows(&test.lake, &landing, old).await.len(), 10, "time travel stays");
}

type Rows = BTreeMap<String, Vec<String>>;

async fn at_version(lake: &Lake, table: &TableName, version: i64) -> Rows {
    let scan = Scan { version: Some(version), ..Scan::default() };
    scan_rows(lake, table, scan).await.into_iter().map(|row| (row[0].clone(), row)).collect()
}

#[tokio::test]
async fn changes_turn_one_version_into_the_other() {
    let test = TestLake::open();
    let checked = keyed(&test.lake, "person", 3).await;
    upsert(&test.lake, &checked, "u:1", many(0, 20_000, 1)).await;
    upsert(&test.lake, &checked, "u:2", many(19_000, 5_000, 1)).await;
    upsert(&test.lake, &checked, "u:3", persons(&[(5, "新", 2), (90_000, "新", 2)])).await;
    let ids = many(100, 300, 0).project(&[0]).expect("the key column");
    let mut writer = test.lake.deleter(&checked, key("d:4")).await.expect("a deleter");
    writer.write(ids).await.expect("fits");
    writer.commit(Map::new()).await.expect("commits");
    for (from, to) in [(0, 4), (1, 4), (2, 3), (3, 4), (4, 4), (4, 1), (1, 2)] {
        let old = at_version(&test.lake, &checked, from).await;
        let new = at_version(&test.lake, &checked, to).await;
        let stream = test.lake.changes(&checked, from, to).await.expect("compares");
        let mut replayed = old.clone();
        let changes = rows(&collect(stream).await);
        for change in &changes {
            let (kind, row) = (change[0].as_str(), change[1..].to_vec());
            let before = match kind {
                "delete" => replayed.remove(&row[0]),
                _ => replayed.insert(row[0].clone(), row.clone()),
            };
            match kind {
                "insert" => assert_eq!(before, None, "{from} to {to}"),
                "update" => assert!(before.is_some_and(|before| before != row)),
                "delete" => assert_eq!(before, Some(row)),
                other => panic!("`{other}` is no kind of change"),
            }
        }
        assert_eq!(replayed, new, "{from} to {to}");
        let differing = old.iter().filter(|(id, row)| new.get(*id) != Some(row)).count()
            + new.keys().filter(|id| !old.contains_key(*id)).count();
        assert_eq!(changes.len(), differing, "{from} to {to}");
    }
}
