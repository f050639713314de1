//! A department that may not show numbers delivers keyed hashes of them, made by `yihe link hash`; a registry on a ready
//! shape recognises them. The city is not the demonstration city.

use std::{fs, path::Path};

use serde_json::Value;

use crate::program::{json, said, yihe};

const PACK: &str = r#"
kind: department
id: dashuju
name: { zh: 市大数据局, en: "Big Data Bureau" }
credit_code: 113713000430010034
---
kind: department
id: gongan
name: { zh: 市公安局, en: "Public Security Bureau" }
credit_code: 11371300004300137X
---
kind: department
id: canlian
name: { zh: 市残联, en: "Disabled Persons' Federation" }
credit_code: 11371300004300137X
---
kind: dataset
id: household
title: { zh: 户籍人口, en: "Household register" }
department: gongan
columns:
  - { name: citizen_id, title: { zh: 身份证号, en: "Number" }, sensitivity: citizen_id }
  - { name: name, title: { zh: 姓名, en: "Name" }, sensitivity: name }
key: [citizen_id]
source: { format: csv, files: "household_*.csv", mode: increment }
rules:
  - { id: named, kind: not_null, column: name }
---
kind: dataset
id: disabled
title: { zh: 残疾人证, en: "Disability certificates" }
department: canlian
columns:
  - { name: certificate, title: { zh: 证号, en: "Certificate" } }
  - { name: id_hash, title: { zh: 身份证号, en: "Hash of the number" }, sensitivity: hidden }
  - { name: degree, title: { zh: 等级, en: "Degree" } }
key: [certificate]
source: { format: parquet, files: "disabled_*.parquet", mode: increment }
rules:
  - { id: degree_given, kind: not_null, column: degree }
---
kind: registry
use: national/population
department: gongan
members:
  - { dataset: household, key: citizen_id, fields: { name: name } }
  - { dataset: disabled, key: id_hash, hashed: { algorithm: sm3, key: disabled }, fields: { disability_level: degree } }
"#;

const SECRET: &str = "what the two of them know 2026";

fn build(data: &Path, words: &[&str]) -> Value {
    let built = json(data, &[&["registry", "build"], words].concat());
    built["registries"][0].clone()
}

fn levels(data: &Path) -> Value {
    let sql = "SELECT entity, field, taken_from FROM yihe.golden WHERE taken_from IS NOT NULL ORDER BY entity, field";
    json(data, &["sql", sql])["rows"].clone()
}

#[test]
fn hashes_of_a_department_that_shows_no_number_join_their_people() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let pack = data.join("pack");
    let keys = data.join("keys").join("hash");
    for folder in [&pack, &keys, &data.join("inbox")] {
        fs::create_dir_all(folder).expect("a folder");
    }
    let head = "id: town\nversion: 0.1.0\ntitle: { zh: 小城, en: Town }\nlicence: Apache-2.0\n";
    fs::write(pack.join("pack.yaml"), head).expect("written");
    fs::write(pack.join("all.yaml"), PACK).expect("written");
    json(data, &["pack", "apply", &pack.display().to_string()]);
    json(data, &["account", "cast"]);
    let shared = keys.join("disabled.key");
    fs::write(&shared, SECRET).expect("written");

    // The federation hashes at home and delivers no number.
    let (clear, hashed) = (data.join("federation.csv"), data.join("inbox").join("disabled_1.parquet"));
    fs::write(&clear, "证号,身份证号,等级\nC1,11010519491231002X,一级\nC2,110105199003070033,二级\n").expect("written");
    let (clear, out, key) = (clear.display().to_string(), hashed.display().to_string(), shared.display().to_string());
    json(data, &["link", "hash", &clear, &out, "--key-file", &key, "--columns", "身份证号=citizen_id"]);
    let delivered = fs::read(&hashed).expect("delivered");
    assert!(!String::from_utf8_lossy(&delivered).contains("19491231002"), "no number is in what was delivered");
    fs::write(data.join("inbox").join("household_1.csv"), "身份证号,姓名\n110105199003070033,王芳\n").expect("written");
    json(data, &["collect"]);
    json(data, &["check"]);
    let built = build(data, &[]);
    assert_eq!((&built["entities"], &built["unlinked"]), (&1.into(), &1.into()), "{built}");
    assert_eq!(built["hashed"][0], serde_json::json!({ "dataset": "disabled", "records": 2, "recognised": 1 }));

    // The other number becomes known: its hash has waited. From changes and from nothing it is the same.
    fs::write(data.join("inbox").join("household_2.csv"), "身份证号,姓名\n11010519491231002x,李四\n").expect("written");
    json(data, &["collect"]);
    json(data, &["check"]);
    let built = build(data, &[]);
    assert_eq!(built["how"]["from"], "changes", "{built}");
    assert_eq!((&built["entities"], &built["hashed"][0]["recognised"]), (&2.into(), &2.into()), "{built}");
    let from_changes = levels(data);
    assert_eq!(from_changes.as_array().map(Vec::len), Some(4), "a name and a degree of two: {from_changes}");
    build(data, &["--full"]);
    assert_eq!(levels(data), from_changes);

    // Another key is told, and by the exit code too; a missing one is an error. Neither tells anything of a key.
    fs::write(&shared, "what somebody else made up 2026").expect("written");
    let output = yihe(data, &["registry", "build"]).output().expect("the binary runs");
    let words = said(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("none of the 2 hashed numbers of disabled is of anybody known"), "{words}");
    assert!(!words.contains("made up"), "{words}");
    fs::remove_file(&shared).expect("removed");
    let output = yihe(data, &["registry", "build"]).output().expect("the binary runs");
    assert!(!output.status.success() && said(&output).contains("cannot use the key `disabled`"), "{}", said(&output));
    assert_eq!(json(data, &["ledger", "verify"])["sound"], true);
}
