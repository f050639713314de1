//! 整批拦截: a delivery that a rule keeps out as a whole changes nothing that stands, says why, and comes in when the
//! next good one does or when somebody decides so; the decision is in the ledger.

use std::{fs, os::unix::process::ExitStatusExt, path::Path};

use serde_json::Value;

use crate::program::{binary, json, said, yihe};

const PACK: &str = r#"
kind: department
id: dashuju
name: { zh: 市大数据局, en: "Big Data Bureau" }
credit_code: 113713000430010034
---
kind: department
id: jiaotong
name: { zh: 市交通运输局, en: "Transport Bureau" }
credit_code: 11371300004300137X
---
kind: dataset
id: trips
title: { zh: 班次, en: "Trips" }
department: jiaotong
columns:
  - { name: trip, title: { zh: 班次号, en: "Trip" } }
  - { name: seats, title: { zh: 座位, en: "Seats" }, type: integer }
key: [trip]
source: { format: csv, files: "trips_*.csv", mode: MODE }
rules:
  - { id: enough, kind: volume, min: 2, change_percent: 90, severity: quarantine }
  - { id: seats_given, kind: not_null, column: seats, severity: quarantine, above_percent: 40 }
"#;

fn prepare(data: &Path, mode: &str) {
    let folder = data.join("pack");
    fs::create_dir_all(&folder).expect("a folder");
    fs::create_dir_all(data.join("inbox")).expect("a folder");
    let head = "id: trips\nversion: 0.1.0\ntitle: { zh: 班次, en: Trips }\nlicence: Apache-2.0\n";
    fs::write(folder.join("pack.yaml"), head).expect("written");
    fs::write(folder.join("all.yaml"), PACK.replace("MODE", mode)).expect("written");
    json(data, &["pack", "apply", &folder.display().to_string()]);
    json(data, &["account", "cast"]);
}

fn collect(data: &Path, number: usize, rows: &[&str]) {
    let text = format!("班次号,座位\n{}\n{}", rows.join("\n"), "\n".repeat(number));
    fs::write(data.join("inbox").join(format!("trips_{number}.csv")), text).expect("written");
    json(data, &["collect"]);
}

fn check(data: &Path) -> Value {
    json(data, &["check"])["datasets"][0].clone()
}

/// Rules that keep the delivery out.
fn kept_out(found: &Value) -> Vec<&str> {
    found.as_array().expect("a list").iter().filter_map(|reason| reason["rule"].as_str()).collect()
}

fn standing(data: &Path) -> i64 {
    let rows = json(
        data,
        &[
            "sql",
            "SELECT rows_standing AS n FROM yihe.metrics WHERE run = \
        (SELECT max(run) FROM yihe.metrics) LIMIT 1",
        ],
    )["rows"]
        .clone();
    rows[0]["n"].as_i64().expect("a count")
}

fn ticket(data: &Path, rule: &str) -> String {
    let found = json(data, &["ticket", "list", "--all"]);
    let tickets = found["tickets"].as_array().expect("a list");
    let ticket = tickets.iter().find(|ticket| ticket["rule"] == rule);
    ticket.map(|ticket| ticket["state"].as_str().expect("text").to_owned()).unwrap_or_default()
}

#[test]
fn a_whole_delivery_is_kept_out_until_a_good_one_takes_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data, "full");
    collect(data, 1, &["T1,40", "T2,40", "T3,40"]);
    assert_eq!(check(data)["accepted"], 3);

    // A table of one row where three stood: kept out, killed while it is or not, and asked about.
    collect(data, 2, &["T1,50"]);
    for point in ["check.after_scan", "check.after_history", "check.after_tickets"] {
        let output = yihe(data, &["check"]).env("YIHE_FAULT", point).output().expect("it runs");
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", said(&output));
    }
    let found = check(data);
    assert_eq!(kept_out(&found["kept_out"]), ["enough"], "{found}");
    assert_eq!((&found["accepted"], &found["tickets"]["open"]), (&0.into(), &1.into()), "{found}");
    assert_eq!((standing(data), ticket(data, "enough")), (3, "open".to_owned()));
    let held = json(data, &["quality", "held", "trips"]);
    assert_eq!((&held["kept_out"]["rows"], &held["kept_out"]["state"]), (&1.into(), &"standing".into()), "{held}");
    assert!(held["kept_out"]["reasons"][0]["zh"].as_str().expect("text").contains('1'), "{held}");
    for (language, word) in [("zh", "整批拦截"), ("en", "kept out")] {
        let mut command = std::process::Command::new(binary());
        command.arg("--data").arg(data).args(["--lang", language, "quality", "held", "trips"]);
        let output = command.output().expect("it runs");
        assert!(said(&output).contains(word), "{language}: {}", said(&output));
    }
    // Asked again, nothing happens again.
    assert_eq!(check(data)["batches"], 0);

    collect(data, 3, &["T1,50", "T2,50"]);
    let good = check(data);
    assert_eq!((&good["accepted"], kept_out(&good["kept_out"])), (&2.into(), vec![]), "{good}");
    assert_eq!((standing(data), ticket(data, "enough")), (2, "closed".to_owned()));
    assert_eq!(json(data, &["quality", "held", "trips"])["kept_out"], Value::Null);
    assert_eq!(check(data)["batches"], 0, "the one that was replaced is not judged again");
    assert_eq!(json(data, &["ledger", "verify"])["sound"], true);
}

#[test]
fn additions_wait_for_one_that_makes_them_good_or_for_a_decision() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data, "increment");
    collect(data, 1, &["T1,40", "T2,40", "T3,40", "T4,40"]);
    check(data);
    // Half of its rows lack what must be there.
    collect(data, 2, &["T5,", "T6,40"]);
    let found = check(data);
    assert_eq!(kept_out(&found["kept_out"]), ["seats_given"], "{found}");
    assert_eq!(standing(data), 4);
    assert_eq!(json(data, &["quality", "held", "trips"])["kept_out"]["reasons"][0]["found"], "50.00%");
    // With the next one the share is small; the bad row is held by itself.
    collect(data, 3, &["T7,40"]);
    let good = check(data);
    assert_eq!(
        (&good["accepted"], &good["held"], kept_out(&good["kept_out"])),
        (&2.into(), &1.into(), vec![]),
        "{good}"
    );
    assert_eq!(standing(data), 7);

    let output = yihe(data, &["quality", "release", "trips", "--reason", "x"]).output().expect("it runs");
    assert!(!output.status.success(), "nothing is kept out: {}", said(&output));
    collect(data, 4, &["T8,"]);
    assert_eq!(kept_out(&check(data)["kept_out"]), ["seats_given"]);
    let output = yihe(data, &["quality", "release", "trips", "--reason", "  "]).output().expect("it runs");
    assert!(!output.status.success(), "a decision has a reason: {}", said(&output));
    collect(data, 5, &["T9,40"]);
    let released = json(data, &["quality", "release", "trips", "--reason", "旧车无座位数，已电话核实"]);
    assert_eq!(released["released"]["statement"], "旧车无座位数，已电话核实", "{released}");
    assert_eq!(standing(data), 9, "what was released, and then what came after it");
    assert_eq!(json(data, &["quality", "held", "trips"])["kept_out"], Value::Null);
    let report = json(data, &["ledger", "verify"]);
    assert_eq!((&report["sound"], &report["pending"]), (&true.into(), &0.into()), "{report}");
}
