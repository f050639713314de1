//! A delivery is judged against all that stands: a pair whose second half comes later marks its first half too; a
//! record that is delivered again takes its own place; and however the rows are split, killed or not, the faults, the
//! tickets, the checked table and the measures come to the same.

use std::{collections::BTreeMap, fs, os::unix::process::ExitStatusExt, path::Path};

use arrow::util::display::array_value_to_string;
use futures::StreamExt;
use serde_json::Value;
use yihe_lake::{Lake, LakeOptions, Scan, TableName, Zone};

use crate::program::{json, said, yihe};

const PACK: &str = r#"
kind: department
id: gongan
name: { zh: 市公安局, en: "Public Security Bureau" }
credit_code: 11371300004300137X
---
kind: dataset
id: phones
title: { zh: 机主登记, en: "Owners of numbers" }
department: gongan
columns:
  - { name: owner, title: { zh: 证件号, en: "Owner" } }
  - { name: mobile, title: { zh: 手机, en: "Mobile" } }
  - { name: name, title: { zh: 姓名, en: "Name" } }
  - { name: sort, title: { zh: 类别, en: "Sort" } }
key: [owner]
source: { format: csv, files: "phones_*.csv" }
rules:
  - { id: owner_once, kind: unique, columns: [owner] }
  - { id: mobile_once, kind: unique, columns: [mobile], severity: hold }
  - { id: name_given, kind: not_null, column: name, when: { column: sort, in: [个人] } }
"#;

fn prepare(data: &Path, pack: &str) {
    let folder = data.join("pack");
    fs::create_dir_all(&folder).expect("a folder");
    fs::create_dir_all(data.join("inbox")).expect("a folder");
    let head = "id: phones\nversion: 0.1.0\ntitle: { zh: 号码, en: Numbers }\nlicence: Apache-2.0\n";
    fs::write(folder.join("pack.yaml"), head).expect("written");
    fs::write(folder.join("all.yaml"), pack).expect("written");
    json(data, &["pack", "apply", &folder.display().to_string()]);
}

/// Owner, mobile, name, sort.
type Row = [&'static str; 4];

fn collect(data: &Path, number: usize, rows: &[Row]) {
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    // Blank lines tell one delivery from another with the same rows.
    let text = format!("证件号,手机,姓名,类别\n{}\n{}", lines.join("\n"), "\n".repeat(number));
    fs::write(data.join("inbox").join(format!("phones_{number:03}.csv")), text).expect("written");
    json(data, &["collect"]);
}

/// Faults that stand, by rule and record.
fn open(data: &Path) -> Vec<(String, String)> {
    let found = json(data, &["quality", "faults", "phones", "--state", "open"]);
    let faults = found["faults"].as_array().expect("a list");
    let text = |fault: &Value, name: &str| fault[name].as_str().unwrap_or_default().to_owned();
    // A record without a key is known by its batch, whose name differs from run to run.
    let key = |fault: &Value| text(fault, "key").split('#').next().unwrap_or_default().to_owned();
    let mut faults: Vec<_> = faults.iter().map(|fault| (text(fault, "rule"), key(fault))).collect();
    faults.sort();
    faults
}

fn pair(rule: &str, owner: &str) -> (String, String) {
    (rule.to_owned(), format!("[\"{owner}\"]"))
}

/// Tickets by rule: state and rows that stand.
fn tickets(data: &Path) -> BTreeMap<String, (String, i64)> {
    let found = json(data, &["ticket", "list", "--all"]);
    let tickets = found["tickets"].as_array().expect("a list");
    let of = |ticket: &Value| {
        let state = ticket["state"].as_str().expect("text").to_owned();
        (ticket["rule"].as_str().expect("text").to_owned(), (state, ticket["rows_open"].as_i64().expect("a count")))
    };
    tickets.iter().map(of).collect()
}

/// Owners and mobiles of the checked table.
async fn checked(data: &Path) -> Vec<String> {
    let lake = Lake::open(&data.join("lake"), LakeOptions::new(data.join("spill").join("test"))).expect("it opens");
    let table = TableName::new(Zone::Checked, "phones").expect("a name");
    let scan = Scan { columns: Some(vec!["owner".to_owned(), "mobile".to_owned()]), ..Scan::default() };
    let mut stream = lake.scan(&table, scan).await.expect("a scan");
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.expect("a batch");
        for row in 0..batch.num_rows() {
            let cell = |at: usize| array_value_to_string(batch.column(at), row).expect("text");
            rows.push(format!("{} {}", cell(0), cell(1)));
        }
    }
    rows.sort();
    rows
}

/// Measures of the table as it stands, by rule: rows that were asked, rows that fail.
fn measures(data: &Path) -> Vec<(String, i64, i64)> {
    let shown = json(
        data,
        &[
            "sql",
            "SELECT rule, standing_evaluated, standing_failed FROM yihe.metrics \
        WHERE run = (SELECT max(run) FROM yihe.metrics) ORDER BY rule",
        ],
    );
    let rows = shown["rows"].as_array().expect("a list");
    rows.iter()
        .map(|row| {
            let count = |name: &str| row[name].as_i64().unwrap_or(-1);
            (row["rule"].as_str().expect("text").to_owned(), count("standing_evaluated"), count("standing_failed"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_half_of_a_pair_is_found_held_back_and_let_in_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data, PACK);
    collect(data, 1, &[["P1", "139", "张三", "个人"], ["P2", "138", "", "单位"]]);
    json(data, &["check"]);
    assert_eq!(open(data), []);
    assert_eq!(checked(data).await, ["P1 139", "P2 138"]);

    // The second half comes: both are at fault, and neither may be relied on.
    collect(data, 2, &[["P3", "139", "王五", "个人"]]);
    json(data, &["check"]);
    assert_eq!(open(data), [pair("mobile_once", "P1"), pair("mobile_once", "P3")]);
    assert_eq!(tickets(data)["mobile_once"], ("open".to_owned(), 2));
    assert_eq!(checked(data).await, ["P2 138"]);
    assert_eq!(measures(data)[0], ("mobile_once".to_owned(), 3, 2));

    // The same record once more is no duplicate of itself.
    collect(data, 3, &[["P2", "138", "", "单位"]]);
    json(data, &["check"]);
    assert_eq!(open(data).len(), 2);
    assert_eq!(checked(data).await, ["P2 138"]);

    // One half is corrected: the other, which nobody delivered again, is right again too.
    collect(data, 4, &[["P3", "137", "王五", "个人"]]);
    json(data, &["check"]);
    assert_eq!(open(data), []);
    assert_eq!(tickets(data)["mobile_once"], ("closed".to_owned(), 0));
    assert_eq!(checked(data).await, ["P1 139", "P2 138", "P3 137"]);
    assert_eq!(
        measures(data),
        [("mobile_once".to_owned(), 3, 0), ("name_given".to_owned(), 2, 0), ("owner_once".to_owned(), 3, 0)],
        "a rule is asked of the rows it applies to, each once"
    );

    // Twice in one delivery is a duplicate; the next delivery settles it.
    collect(data, 5, &[["P1", "136", "张三", "个人"], ["P1", "135", "张三", "个人"]]);
    json(data, &["check"]);
    assert_eq!(open(data), [pair("owner_once", "P1")]);
    assert_eq!(tickets(data)["owner_once"].0, "open");
    collect(data, 6, &[["P1", "136", "张三", "个人"]]);
    json(data, &["check"]);
    assert_eq!(open(data), []);
    assert_eq!(json(data, &["ledger", "verify"])["sound"], true);
}

/// Deliveries with pairs, corrections, the same again, and a row without its key.
const DELIVERIES: [&[Row]; 6] = [
    &[["P1", "139", "张三", "个人"], ["P2", "138", "", "个人"], ["P3", "137", "王五", "个人"]],
    &[["P4", "139", "赵六", "个人"], ["P5", "137", "孙七", "单位"]],
    &[["P2", "138", "李四", "个人"], ["P6", "136", "", "个人"], ["", "136", "无名", "个人"]],
    &[["P4", "134", "赵六", "个人"], ["P7", "138", "周八", "个人"]],
    &[["P3", "133", "王五", "个人"], ["P7", "138", "周八", "个人"]],
    &[["P8", "133", "吴九", "个人"], ["P8", "132", "吴九", "个人"]],
];

#[tokio::test(flavor = "multi_thread")]
async fn however_deliveries_are_split_and_wherever_a_check_is_killed_it_comes_to_the_same() {
    let mut expected = None;
    // One check for each delivery; one for several; all at once; and killed at every point.
    for (groups, kill) in [(vec![1; 6], false), (vec![2, 3, 1], false), (vec![6], false), (vec![1, 2, 1, 1, 1], true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path();
        prepare(data, PACK);
        let mut next = 0;
        for (turn, count) in groups.iter().enumerate() {
            for _ in 0..*count {
                collect(data, next + 1, DELIVERIES[next]);
                next += 1;
            }
            if kill {
                for point in yihe_quality::walk::FAULT_POINTS {
                    let output = yihe(data, &["check"]).env("YIHE_FAULT", point).output().expect("it runs");
                    let killed = output.status.signal() == Some(9);
                    assert!(killed || output.status.success(), "{point}: {}", said(&output));
                    if turn == 2 && point == "check.after_faults" {
                        // More lands before the check is repeated: what was begun is ended first, by itself.
                        collect(data, next + 1, DELIVERIES[next]);
                        next += 1;
                    }
                }
            }
            json(data, &["check"]);
            if next == DELIVERIES.len() {
                break;
            }
        }
        let ticket_rows: BTreeMap<_, _> = tickets(data).into_iter().filter(|(_, ticket)| ticket.0 == "open").collect();
        let found = (open(data), ticket_rows, checked(data).await, measures(data));
        // Faults are written down once, killed or not.
        let faults = faults_table(data).await;
        assert_eq!(faults.len(), faults.iter().collect::<std::collections::BTreeSet<_>>().len(), "{faults:?}");
        match &expected {
            None => expected = Some(found),
            Some(expected) => assert_eq!(&found, expected, "{groups:?}, killed: {kill}"),
        }
    }
    let (open, ..) = expected.expect("found");
    assert!(open.contains(&pair("mobile_once", "P2")) && open.contains(&pair("owner_once", "P8")), "{open:?}");
    assert!(open.iter().any(|(rule, _)| rule == "_key"), "{open:?}");
}

/// Batch, row and rule of every line of the faults table.
async fn faults_table(data: &Path) -> Vec<String> {
    let lake = Lake::open(&data.join("lake"), LakeOptions::new(data.join("spill").join("test"))).expect("it opens");
    let table = TableName::new(Zone::Faults, "phones").expect("a name");
    let mut stream = lake.scan(&table, Scan::default()).await.expect("a scan");
    let mut lines = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.expect("a batch");
        for row in 0..batch.num_rows() {
            let cells: Vec<String> =
                (0..3).map(|at| array_value_to_string(batch.column(at), row).expect("text")).collect();
            lines.push(cells.join(" "));
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_comes_later_and_a_state_that_is_lost_find_pairs_among_what_stood_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data, PACK);
    collect(data, 1, &[["P1", "139", "张三", "个人"], ["P2", "138", "张三", "个人"]]);
    json(data, &["check"]);
    let later = format!("{PACK}  - {{ id: name_once, kind: unique, columns: [name] }}\n");
    prepare(data, &later);
    collect(data, 2, &[["P3", "137", "王五", "个人"]]);
    json(data, &["check"]);
    assert_eq!(open(data), [pair("name_once", "P1"), pair("name_once", "P2")]);

    fs::remove_dir_all(data.join("lake/history/phones/_state")).expect("it was there");
    collect(data, 3, &[["P4", "137", "赵六", "个人"]]);
    json(data, &["check"]);
    let expected =
        [pair("mobile_once", "P3"), pair("mobile_once", "P4"), pair("name_once", "P1"), pair("name_once", "P2")];
    assert_eq!(open(data), expected);
    for entry in fs::read_dir(data.join("lake/history/phones/_state")).expect("a folder") {
        fs::write(entry.expect("an entry").path(), b"nonsense").expect("written");
    }
    collect(data, 4, &[["P4", "136", "赵六", "个人"]]);
    json(data, &["check"]);
    assert_eq!(open(data), expected[2..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_was_killed_ends_as_it_began_although_its_rules_were_changed() {
    for point in ["check.after_faults", "check.after_checked", "check.after_history"] {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path();
        prepare(data, PACK);
        collect(data, 1, &[["P1", "139", "", "个人"], ["P2", "139", "李四", "个人"], ["P3", "137", "王五", "个人"]]);
        let output = yihe(data, &["check"]).env("YIHE_FAULT", point).output().expect("it runs");
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", said(&output));
        prepare(data, &format!("{PACK}  - {{ id: name_long, kind: length, column: name, min: 3 }}\n"));
        json(data, &["check"]);
        let faults = faults_table(data).await;
        assert_eq!(faults.len(), faults.iter().collect::<std::collections::BTreeSet<_>>().len(), "{point}: {faults:?}");
        // What comes next is judged by the rules in force.
        collect(data, 2, &[["P4", "136", "赵六", "个人"]]);
        json(data, &["check"]);
        assert!(open(data).contains(&pair("name_long", "P4")), "{point}: {:?}", open(data));
    }
}
