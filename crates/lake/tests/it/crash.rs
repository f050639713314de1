//! A process that ends at any point of a write leaves the table as before or as after it.

use std::process::Command;
use std::sync::Arc;

use serde_json::Map;
use yihe_lake::{FAULT_POINTS, Lake, Layout, TableName, Zone};

use crate::support::{TestLake, append, key, many, open_in, person_schema, scores, table, upsert};

/// Tells the child what to do: `kind folder point`.
const CHILD: &str = "YIHE_LAKE_CRASH_CHILD";
/// The child's exit code at the fault point.
const CRASHED: i32 = 86;

fn tables() -> (TableName, TableName) {
    (table(Zone::Landing, "person"), table(Zone::Checked, "person"))
}

async fn prepare(lake: &Lake) {
    let (landing, checked) = tables();
    lake.create(&landing, person_schema(), Layout::rows()).await.expect("creates");
    lake.create(&checked, person_schema(), Layout::keyed(["id"], 4)).await.expect("creates");
    for number in 0..19_u32 {
        append(lake, &landing, &format!("b:{number}"), many(number * 10, 10, 1)).await;
        upsert(lake, &checked, &format!("b:{number}"), many(number * 10, 10, 1)).await;
    }
}

/// The twentieth commit, which writes a checkpoint, too.
async fn step(lake: &Lake, kind: &str) -> bool {
    let (landing, checked) = tables();
    let mut writer = match kind {
        "append" => lake.appender(&landing, key("crash")).await,
        "upsert" => lake.upserter(&checked, key("crash"), &[]).await,
        "replace" => lake.replacer(&checked, key("crash")).await,
        "beside" => lake.grower(&checked, key("crash"), &[]).await,
        other => panic!("`{other}` is no kind of write"),
    }
    .expect("a writer");
    if kind == "beside" {
        // Few of many, and known: old rows are hidden, new ones lie beside.
        writer.write(many(5, 4, 2)).await.expect("fits");
        writer.write(many(105, 4, 2)).await.expect("fits");
    } else {
        for part in 0..6_u32 {
            writer.write(many(1_000 + part * 1_000, 1_000, 2)).await.expect("fits");
        }
    }
    writer.commit(Map::new()).await.expect("commits").already_done
}

/// Not a test of its own: the process that the test below ends.
#[tokio::test]
async fn child_of_the_crash_test() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let [kind, folder, point] = task.split(' ').collect::<Vec<_>>()[..] else {
        panic!("expected `kind folder point`, found `{task}`")
    };
    let point = point.to_owned();
    let lake = open_in(std::path::Path::new(folder), move |options| {
        // So little that it spills, for every point to be met.
        options.upsert_memory = 1;
        options.beside_from = 0;
        options.faults = Arc::new(move |met| {
            if met == point {
                // As abrupt as a kill: no destructor runs, no buffer is flushed.
                std::process::exit(CRASHED);
            }
        });
    });
    step(&lake, kind).await;
}

#[tokio::test]
async fn a_crash_at_any_point_loses_nothing_and_doubles_nothing() {
    let executable = std::env::current_exe().expect("this test");
    for kind in ["append", "upsert", "replace", "beside"] {
        for point in FAULT_POINTS {
            let test = TestLake::open();
            prepare(&test.lake).await;
            let folder = test.folder.path().display();
            let status = Command::new(&executable)
                .args(["--exact", "crash::child_of_the_crash_test"])
                .env(CHILD, format!("{kind} {folder} {point}"))
                .output()
                .expect("starts")
                .status;
            let met = status.code() == Some(CRASHED);
            let spills = point == "lake.after_spill" && kind == "append";
            assert_eq!(met, !spills, "{kind} meets {point}: {status}");
            let lake = test.reopened();
            let (landing, checked) = tables();
            let written = if kind == "append" { &landing } else { &checked };
            let done = matches!(point, "lake.after_log_commit" | "lake.after_checkpoint") || !met;
            let before = lake.count(written, None).await.expect("counts");
            let after = match kind {
                "replace" => 6_000,
                "beside" => 190,
                _ => 6_190,
            };
            assert_eq!(before, if done { after } else { 190 }, "{kind} at {point}");
            let changed = scores(&lake, written).await.iter().filter(|row| row.1 == 2).count();
            assert_eq!(changed > 0, done, "{kind} at {point}: all of it or nothing");
            let already_done = step(&lake, kind).await;
            assert_eq!(already_done, done, "{kind} at {point}: the same commit is sent again");
            assert_eq!(lake.count(written, None).await.expect("counts"), after);
            assert_eq!(scores(&lake, written).await.len() as u64, after, "{kind} at {point}");
        }
    }
}
