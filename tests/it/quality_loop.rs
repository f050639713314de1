//! 核验—反馈—更新: a fault becomes a ticket of its department, the source corrects, the next delivery proves it; what
//! comes back is asked about again; a user objects, and everybody who had the old value is told and acknowledges.

use std::{fs, path::Path};

use serde_json::Value;

use crate::program::{json, parsed, said, yihe};
use crate::serving::Serving;

/// Three pupils; two mobile numbers are wrong, one row lacks its school.
const FIRST: &str = "\
学籍号,姓名,学校,手机
S001,张三,第一小学,13900000001
S002,李四,,139
S003,王五,第二小学,138
";

const PACK: &str = r#"
kind: department
id: jiaoyu
name: { zh: 市教育局, en: "Education Bureau" }
credit_code: 11371300043003228F
---
kind: department
id: dashuju
name: { zh: 市大数据局, en: "Big Data Bureau" }
credit_code: 113713000430010034
---
kind: department
id: minzheng
name: { zh: 市民政局, en: "Civil Affairs Bureau" }
credit_code: 1137130004300137XW
---
kind: department
id: weijian
name: { zh: 市卫生健康委员会, en: "Health Commission" }
credit_code: 11371300043001740N
---
kind: dataset
id: pupils
title: { zh: 学籍信息, en: "Pupils" }
department: jiaoyu
columns:
  - { name: pupil_no, title: { zh: 学籍号, en: "Number" }, required: true }
  - { name: name, title: { zh: 姓名, en: "Name" }, sensitivity: name }
  - { name: school, title: { zh: 学校, en: "School" } }
  - { name: mobile, title: { zh: 手机, en: "Mobile" }, sensitivity: phone }
key: [pupil_no]
source: { format: csv, files: "pupils_*.csv" }
rules:
  - { id: mobile_form, kind: pattern, column: mobile, pattern: '^1[3-9]\d{9}$' }
  - { id: school_given, kind: not_null, column: school, severity: hold }
  - { id: name_given, kind: not_null, column: name, severity: info }
publication:
  classification: 2/03/003/01
  sharing: { type: unconditional }
  methods: [service]
  grade: { zh: 一般, en: "general" }
  secrecy_assessed: true
  privacy_assessed: true
"#;

fn prepare(data: &Path) {
    let pack = data.join("pack");
    fs::create_dir_all(&pack).expect("a folder");
    fs::write(
        pack.join("pack.yaml"),
        "id: school\nversion: 0.1.0\ntitle: { zh: 学校, en: School }\nlicence: Apache-2.0\n",
    )
    .expect("written");
    fs::write(pack.join("all.yaml"), PACK).expect("written");
    json(data, &["pack", "apply", &pack.display().to_string()]);
    json(data, &["account", "cast"]);
}

/// Delivers a file and checks it; answers what `yihe check` says of the dataset.
fn deliver(data: &Path, name: &str, text: &str) -> Value {
    let inbox = data.join("inbox");
    fs::create_dir_all(&inbox).expect("a folder");
    fs::write(inbox.join(format!("pupils_{name}.csv")), text).expect("written");
    json(data, &["collect"]);
    json(data, &["check"])["datasets"][0].clone()
}

/// Tickets by rule or `objection`: state, reason, rows that stand, times opened.
fn tickets(data: &Path) -> Vec<(String, String, String, i64, i64)> {
    let found = json(data, &["ticket", "list", "--all"]);
    let mut tickets: Vec<_> = found["tickets"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|ticket| {
            let text = |name: &str| ticket[name].as_str().unwrap_or_default().to_owned();
            let rule = if text("kind") == "fault" { text("rule") } else { text("kind") };
            (
                rule,
                text("state"),
                text("reason"),
                ticket["rows_open"].as_i64().expect("a count"),
                ticket["times"].as_i64().expect("a count"),
            )
        })
        .collect();
    tickets.sort();
    tickets
}

fn line(rule: &str, state: &str, reason: &str, open: i64, times: i64) -> (String, String, String, i64, i64) {
    (rule.to_owned(), state.to_owned(), reason.to_owned(), open, times)
}

fn id_of(data: &Path, rule: &str) -> String {
    let found = json(data, &["ticket", "list", "--all"]);
    let tickets = found["tickets"].as_array().expect("a list");
    let ticket = tickets.iter().find(|ticket| ticket["rule"] == rule || ticket["kind"] == rule).expect("a ticket");
    ticket["id"].as_str().expect("text").to_owned()
}

fn faults(data: &Path, state: &str) -> Vec<(String, String)> {
    let found = json(data, &["quality", "faults", "pupils", "--state", state]);
    let mut faults: Vec<_> = found["faults"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|fault| {
            let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
            (text("rule"), text("key"))
        })
        .collect();
    faults.sort();
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_returned_corrected_and_asked_about_again_when_they_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data);

    let first = deliver(data, "1", FIRST);
    assert_eq!((&first["faulty"], &first["held"]), (&2.into(), &1.into()), "{first}");
    assert_eq!(first["tickets"]["opened"], 2, "{first}");
    assert_eq!(
        tickets(data),
        [line("mobile_form", "open", "", 2, 1), line("school_given", "open", "", 1, 1)],
        "one ticket for each rule, none for a row"
    );
    let held = json(data, &["quality", "held", "pupils"]);
    assert_eq!(held["faults"][0]["rule"], "school_given", "what was held is visible with its reason: {held}");
    let shown = json(data, &["ticket", "show", &id_of(data, "mobile_form")]);
    assert_eq!(shown["faults"].as_array().map(Vec::len), Some(2), "{shown}");

    // The source corrects one of the two numbers and the school.
    let second = deliver(data, "2", "学籍号,姓名,学校,手机\nS002,李四,第一小学,13900000002\n");
    assert_eq!(second["tickets"]["closed"], 1, "{second}");
    assert_eq!(
        tickets(data),
        [line("mobile_form", "open", "", 1, 1), line("school_given", "closed", "rechecked", 0, 1)]
    );
    assert_eq!(faults(data, "open"), [("mobile_form".to_owned(), "[\"S003\"]".to_owned())]);
    assert_eq!(faults(data, "corrected").len(), 2);

    // Then the other: the ticket closes by itself.
    deliver(data, "3", "学籍号,姓名,学校,手机\nS003,王五,第二小学,13900000003\n");
    assert_eq!(
        tickets(data),
        [line("mobile_form", "closed", "rechecked", 0, 1), line("school_given", "closed", "rechecked", 0, 1)]
    );

    // An old extract is sent once more: the same ticket is open again.
    let back = deliver(data, "4", "学籍号,姓名,学校,手机\nS003,王五,第二小学,138\n");
    assert_eq!(back["tickets"]["reopened"], 1, "{back}");
    assert_eq!(tickets(data)[0], line("mobile_form", "open", "", 1, 2));
    let history = json(data, &["quality", "history", "pupils"]);
    assert_eq!(history["checks"].as_array().map(Vec::len), Some(4), "{history}");
    assert_eq!(history["checks"][3]["reopened"], 1, "{history}");

    // The same by SQL, which reads and does nothing else, and in the scores.
    let sql = |query: &str| json(data, &["sql", query])["rows"].clone();
    let states = sql("SELECT state, count(*) AS n FROM yihe.faults GROUP BY state ORDER BY state");
    assert_eq!(states, serde_json::json!([{ "state": "corrected", "n": 2 }, { "state": "open", "n": 1 }]));
    let reopened = sql("SELECT rule, times FROM yihe.tickets WHERE state = 'open'");
    assert_eq!(reopened, serde_json::json!([{ "rule": "mobile_form", "times": 2 }]));
    let runs = sql("SELECT count(DISTINCT run) AS runs FROM yihe.metrics WHERE dataset = 'pupils'");
    assert_eq!(runs[0]["runs"], 4);
    for refused in ["DROP TABLE yihe.tickets", "SELECT * FROM nowhere", "SELEC 1", "SELECT 1; SELECT 2"] {
        let output = yihe(data, &["sql", refused]).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(3), "{refused}: {}", said(&output));
    }
    let scores = json(data, &["quality", "show"]);
    assert!(scores["city"]["value"].as_f64().is_some_and(|value| value < 100.0), "{scores}");

    let report = json(data, &["ledger", "verify"]);
    assert_eq!(report["sound"], true, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_needs_a_reason_and_a_check_has_the_last_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data);
    deliver(data, "1", FIRST);
    let mobile = id_of(data, "mobile_form");

    for (reason, say) in [("rechecked", "x"), ("because", "x"), ("corrected", "  ")] {
        let output =
            yihe(data, &["ticket", "close", &mobile, "--reason", reason, "--say", say]).output().expect("it runs");
        assert!(!output.status.success(), "{reason}: {}", said(&output));
    }
    // "Corrected", says the department; the next delivery says otherwise.
    json(data, &["ticket", "close", &mobile, "--reason", "corrected", "--say", "已在学籍系统改正"]);
    assert_eq!(tickets(data)[0], line("mobile_form", "closed", "corrected", 2, 1));
    let output = yihe(data, &["ticket", "close", &mobile, "--reason", "corrected", "--say", "x"]).output();
    assert!(!output.expect("it runs").status.success(), "a closed ticket is not closed again");
    let second = deliver(data, "2", "学籍号,姓名,学校,手机\nS003,王五,第二小学,138\n");
    assert_eq!(second["tickets"]["reopened"], 1, "{second}");

    // "A false alarm": what was looked at is excused and stays so; what is new is asked about by a ticket of its own.
    json(data, &["ticket", "close", &mobile, "--reason", "false-alarm", "--say", "为家长固定电话短号"]);
    let third = deliver(data, "3", "学籍号,姓名,学校,手机\nS003,王五,第三小学,138\n");
    assert_eq!(third["tickets"]["opened"].as_u64().unwrap() + third["tickets"]["reopened"].as_u64().unwrap(), 0);
    assert_eq!(faults(data, "excused"), [("mobile_form".to_owned(), "[\"S003\"]".to_owned())]);
    let fourth = deliver(data, "4", "学籍号,姓名,学校,手机\nS004,赵六,第三小学,137\n");
    assert_eq!(fourth["tickets"]["opened"], 1, "{fourth}");

    // The authority does not accept the answer.
    let output = yihe(data, &["ticket", "reopen", &mobile, "--say", "短号不能联系家长"]).output().expect("it runs");
    assert!(!output.status.success(), "one open ticket for each rule: {}", said(&output));
    let school = id_of(data, "school_given");
    json(data, &["ticket", "close", &school, "--reason", "unresolvable", "--say", "待转学手续"]);
    json(data, &["ticket", "reopen", &school, "--say", "请先登记原校"]);
    assert!(tickets(data).contains(&line("school_given", "open", "", 1, 2)));
    assert_eq!(json(data, &["ledger", "verify"])["sound"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objection_is_answered_and_everybody_with_the_old_value_is_told_and_acknowledges() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data);
    deliver(data, "1", FIRST);
    let published = json(data, &["catalogue", "publish"]);
    let code = published["published"][0].as_str().expect("a code").to_owned();
    let receipts = supplied(data, &code, &["minzheng", "weijian", "minzheng"]).await;

    let unknown = yihe(data, &["ticket", "object", "0199", "--say", "x"]).output().expect("it runs");
    assert!(!unknown.status.success(), "nobody objects to what it was not supplied with");
    let elsewhere = yihe(data, &["ticket", "object", &receipts[0], "--field", "age", "--say", "x"]).output();
    assert!(!elsewhere.expect("it runs").status.success(), "a field that was not supplied");
    let raised =
        json(data, &["ticket", "object", &receipts[0], "--field", "school", "--say", "与转学证明不符，应为第二小学"]);
    assert_eq!((&raised["department"], &raised["raised_by"]), (&"jiaoyu".into(), &"minzheng".into()), "{raised}");
    let twice = yihe(data, &["ticket", "object", &receipts[2], "--field", "school", "--say", "x"]).output();
    assert!(!twice.expect("it runs").status.success(), "the same objection twice");

    // Another value of the record changes: the objection stands.
    deliver(data, "2", "学籍号,姓名,学校,手机\nS001,张三,第一小学,13911111111\n");
    assert!(tickets(data).contains(&line("objection", "open", "", 1, 1)));
    // The school changes: the objection is done, and both departments are told.
    deliver(data, "3", "学籍号,姓名,学校,手机\nS001,张三,第二小学,13911111111\n");
    assert!(tickets(data).contains(&line("objection", "closed", "rechecked", 1, 1)));
    let notices = json(data, &["ticket", "notices"]);
    let mut told: Vec<(String, i64, bool)> = notices["notices"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|notice| {
            (
                notice["department"].as_str().expect("text").to_owned(),
                notice["supplies"].as_i64().expect("a count"),
                notice["acknowledged_at"].is_null(),
            )
        })
        .collect();
    told.sort();
    assert_eq!(told, [("minzheng".to_owned(), 2, true), ("weijian".to_owned(), 1, true)], "{notices}");
    for notice in notices["notices"].as_array().expect("a list") {
        let id = notice["id"].as_str().expect("text");
        json(data, &["ticket", "acknowledge", id, "--say", "已按新值重办"]);
        let again = yihe(data, &["ticket", "acknowledge", id]).output().expect("it runs");
        assert!(!again.status.success(), "once is enough");
    }
    let notices = json(data, &["ticket", "notices"]);
    let all = notices["notices"].as_array().expect("a list");
    assert!(all.iter().all(|notice| !notice["acknowledged_at"].is_null()), "{notices}");

    let report = json(data, &["ledger", "verify"]);
    assert_eq!((&report["sound"], &report["pending"]), (&true.into(), &0.into()), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_supplied_with_a_faulty_value_is_told_when_a_check_finds_it_corrected() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data);
    deliver(data, "1", "学籍号,姓名,学校,手机\nS001,张三,第一小学,139\nS002,李四,,13900000002\n");
    let published = json(data, &["catalogue", "publish"]);
    let code = published["published"][0].as_str().expect("a code").to_owned();
    supplied(data, &code, &["weijian"]).await;
    let second = deliver(data, "2", "学籍号,姓名,学校,手机\nS001,张三,第一小学,13900000001\n");
    assert_eq!((&second["tickets"]["closed"], &second["tickets"]["told"]), (&1.into(), &1.into()), "{second}");
    let notices = json(data, &["ticket", "notices", "--department", "weijian"]);
    assert_eq!(notices["notices"][0]["outcome"], "corrected", "{notices}");
    // A later correction of the same value has been supplied to nobody since.
    let third = deliver(data, "3", "学籍号,姓名,学校,手机\nS002,李四,第一小学,13900000002\n");
    assert_eq!((&third["tickets"]["closed"], &third["tickets"]["told"]), (&1.into(), &0.into()), "{third}");
}

/// Lets departments look up pupil S001 over HTTP, and answers the receipts.
async fn supplied(data: &Path, code: &str, departments: &[&str]) -> Vec<String> {
    let mut tokens = std::collections::BTreeMap::new();
    for department in departments {
        if !tokens.contains_key(department) {
            let shared = json(data, &["share", "grant", code, "--department", department]);
            tokens.insert(*department, shared["token"].as_str().expect("a token").to_owned());
        }
    }
    let server = Serving::folder(data);
    let mut receipts = Vec::new();
    for department in departments {
        let body = server.supply("pupils", "S001", &tokens[department]).await;
        receipts.push(body["receipt"].as_str().expect("a receipt").to_owned());
    }
    assert!(server.stop(), "the server ends well");
    receipts
}

#[test]
fn killed_while_tickets_are_written_nothing_is_lost_or_doubled() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    prepare(data);
    fs::create_dir_all(data.join("inbox")).expect("a folder");
    let mut number = 0;
    for point in ["check.after_history", "check.after_tickets", "check.after_end"] {
        for text in [FIRST, "学籍号,姓名,学校,手机\nS002,李四,第一小学,13900000002\nS003,王五,第二小学,13900000003\n"]
        {
            number += 1;
            // A blank line tells one delivery from the other: the same content is received once.
            let text = format!("{text}{}", "\n".repeat(number));
            fs::write(data.join("inbox").join(format!("pupils_{number}.csv")), text).expect("written");
            json(data, &["collect"]);
            let output = yihe(data, &["check"]).env("YIHE_FAULT", point).output().expect("it runs");
            assert!(!output.status.success(), "{point} was not met: {}", said(&output));
            parsed(&yihe(data, &["check", "--json"]).output().expect("it runs"));
        }
    }
    assert_eq!(
        tickets(data),
        [line("mobile_form", "closed", "rechecked", 0, 3), line("school_given", "closed", "rechecked", 0, 3)]
    );
    let found = json(data, &["quality", "faults", "pupils", "--state", "all"]);
    let times: Vec<i64> =
        found["faults"].as_array().expect("a list").iter().filter_map(|f| f["times"].as_i64()).collect();
    assert_eq!(times, [3, 3, 3], "{found}");
    assert_eq!(json(data, &["ledger", "verify"])["sound"], true);
}
