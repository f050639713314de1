//! The process is killed at every point of collect, check, build and publish. Run again, it comes to the same tables
//! as a city that was never killed: nothing lost, nothing doubled, everything proven.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt, path::Path};

use arrow::util::display::array_value_to_string;
use futures::StreamExt;
use yihe_lake::{Lake, LakeOptions, Scan, Zone};

use crate::program::{json, said, yihe};

/// The smallest city there is: about 61,000 records.
const SCALE: &str = "0.0001";

/// The commands of the main line with the points at which each is killed, and how often each point is passed before.
const LINE: &[(&[&str], &[&str])] = &[
    (
        &["collect"],
        &[
            "collect.after_begin",
            "collect.after_begin:7",
            "collect.after_quarantine",
            "collect.after_landing",
            "collect.after_landing:5",
            "collect.after_end",
            "lake.before_write",
            "lake.after_data_file:3",
            "lake.before_log_commit:2",
            "lake.after_log_commit:2",
            "ledger.before_drain",
            "ledger.after_drain",
        ],
    ),
    (
        &["check"],
        &[
            "check.after_begin",
            "check.after_scan:2",
            "check.after_faults:3",
            "check.after_checked",
            "check.after_history",
            "check.after_history:2",
            "check.after_tickets",
            "check.after_tickets:3",
            "check.after_end:2",
            "lake.before_log_commit:4",
            "lake.after_log_commit:5",
        ],
    ),
    (
        &["registry", "build"],
        &[
            "build.after_begin",
            "build.after_gather",
            "build.after_unlinked",
            "build.after_conflicts",
            "build.after_sources",
            "build.after_decisions",
            "build.after_golden",
            "build.after_golden:2",
            "lake.before_log_commit",
            "lake.after_log_commit:3",
        ],
    ),
    (
        &["theme", "build"],
        &["theme.after_begin", "theme.after_query:2", "theme.after_commit", "lake.after_log_commit:4"],
    ),
    (&["catalogue", "publish"], &["publish.step", "publish.step:2", "publish.step:3", "publish.step:31"]),
];

/// What a city's tables hold, without what differs from run to run: identifiers of batches.
async fn content(data: &Path) -> BTreeMap<String, Vec<String>> {
    let lake =
        Lake::open(&data.join("lake"), LakeOptions::new(data.join("spill").join("test"))).expect("the lake opens");
    let mut content = BTreeMap::new();
    for table in lake.tables().expect("tables") {
        let mut rows = Vec::new();
        let mut stream = lake.scan(&table, Scan::default()).await.expect("a scan");
        while let Some(batch) = stream.next().await {
            let batch = batch.expect("a batch");
            let schema = batch.schema();
            for row in 0..batch.num_rows() {
                // What a history says of time differs from run to run.
                let is_time = |name: &str| table.zone() == Zone::History && name.ends_with("_at");
                let cells = schema
                    .fields()
                    .iter()
                    .zip(batch.columns())
                    .filter(|(field, _)| !field.name().contains("batch") && !is_time(field.name()));
                let cells: Vec<String> =
                    cells.map(|(_, column)| array_value_to_string(column, row).expect("a value has a text")).collect();
                rows.push(cells.join("\u{1f}"));
            }
        }
        rows.sort();
        // A golden table is compared in its own order; others only as a set of rows.
        assert!(table.zone() != Zone::Registry || !rows.is_empty(), "{table} is empty");
        content.insert(table.to_string(), rows);
    }
    content
}

fn prepare(data: &Path) {
    json(data, &["demo", "--scale", SCALE, "--seed", "7", "--only-generate"]);
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("packs").join("demo");
    json(data, &["pack", "apply", &packs.display().to_string()]);
    json(data, &["account", "cast"]);
}

/// Tickets as far as they do not differ from run to run, in order.
fn tickets_of(data: &Path) -> Vec<String> {
    let found = json(data, &["ticket", "list", "--all"]);
    let tickets = found["tickets"].as_array().expect("a list");
    let line = |ticket: &serde_json::Value| {
        format!(
            "{} {} {} {} {}",
            ticket["dataset"], ticket["rule"], ticket["state"], ticket["rows_open"], ticket["times"]
        )
    };
    let mut lines: Vec<String> = tickets.iter().map(line).collect();
    lines.sort();
    lines
}

fn catalogue_of(data: &Path) -> u64 {
    let found = json(data, &["catalogue", "search"]);
    found["total"].as_u64().expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_the_main_line_comes_to_the_same_tables() {
    let calm = tempfile::tempdir().expect("a folder");
    prepare(calm.path());
    for (words, _) in LINE {
        json(calm.path(), words);
    }
    let expected = content(calm.path()).await;
    let entries = catalogue_of(calm.path());
    let tickets = tickets_of(calm.path());
    assert!(tickets.len() > 10, "the city's faults are asked about: {tickets:?}");

    let stormy = tempfile::tempdir().expect("a folder");
    let data = stormy.path();
    prepare(data);
    // Names of entities follow from a secret that each data folder draws for itself.
    let secret = Path::new("keys").join("entity.key");
    std::fs::copy(calm.path().join(&secret), data.join(&secret)).expect("the secret is there");
    for (words, points) in LINE {
        for point in *points {
            let output = yihe(data, words).env("YIHE_FAULT", point).output().expect("the binary runs");
            let killed = output.status.signal() == Some(9);
            // A point that an earlier attempt has left behind is no longer met; then the command simply ends well.
            assert!(killed || output.status.success(), "{words:?} at {point}: {}", said(&output));
        }
        json(data, words);
    }
    let found = content(data).await;
    let names = |content: &BTreeMap<String, Vec<String>>| content.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (table, rows) in &expected {
        assert_eq!(&found[table], rows, "{table}");
    }
    assert_eq!(catalogue_of(data), entries, "published entries");
    assert_eq!(tickets_of(data), tickets);
    let report = json(data, &["ledger", "verify"]);
    assert_eq!(report["sound"], true, "{report}");
    assert_eq!(report["pending"], 0, "{report}");

    // And once more: everything is known, nothing is done.
    let again = json(data, &["collect"]);
    assert_eq!(again["landed"], 0, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_point_is_met() {
    // A point that no run meets proves nothing; each is met once on a fresh city.
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data);
    let rooms: [&[&'static str]; 4] = [
        &yihe_collect::FAULT_POINTS,
        &yihe_quality::walk::FAULT_POINTS,
        &yihe_registries::FAULT_POINTS,
        &yihe_registries::theme::THEME_FAULT_POINTS,
    ];
    for point in rooms.concat() {
        let words: &[&str] = match point.split_once('.') {
            Some(("collect", _)) => &["collect"],
            Some(("check", _)) => &["check"],
            Some(("theme", _)) => &["theme", "build"],
            _ => &["registry", "build"],
        };
        let output = yihe(data, words).env("YIHE_FAULT", point).output().expect("the binary runs");
        assert_eq!(output.status.signal(), Some(9), "{point} was not met: {}", said(&output));
        let last = [
            yihe_collect::FAULT_POINTS.last(),
            yihe_quality::walk::FAULT_POINTS.last(),
            yihe_registries::FAULT_POINTS.last(),
        ];
        if last.contains(&Some(&point)) {
            json(data, words);
        }
    }
}
