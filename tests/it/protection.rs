//! A protected person is in no supply, from a base registry, a theme or a dataset, while the server runs; who answers
//! for a theme is asked when a value of it is objected to.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{program::json, serving::Serving};

const PACK: &str = r#"
kind: department
id: gongan
name: { zh: 市公安局, en: "Public Security Bureau" }
credit_code: 11371300043003228F
---
kind: department
id: dashuju
name: { zh: 市大数据局, en: "Big Data Bureau" }
credit_code: 113713000430010034
---
kind: department
id: renshe
name: { zh: 市人力资源和社会保障局, en: "Human Resources Bureau" }
credit_code: 1137130004300137XW
---
kind: department
id: weijian
name: { zh: 市卫生健康委员会, en: "Health Commission" }
credit_code: 11371300043001740N
---
kind: dataset
id: residents
title: { zh: 户籍人口, en: "Residents" }
department: gongan
columns:
  - { name: citizen_id, title: { zh: 公民身份号码, en: "Citizen number" }, sensitivity: citizen_id, required: true }
  - { name: district, title: { zh: 区县, en: "District" } }
key: [citizen_id]
source: { format: csv, files: "residents_*.csv" }
---
kind: dataset
id: insured
title: { zh: 参保信息, en: "Insured persons" }
department: renshe
columns:
  - { name: insured_no, title: { zh: 参保号, en: "Number" }, required: true }
  - { name: citizen_id, title: { zh: 公民身份号码, en: "Citizen number" }, sensitivity: citizen_id }
  - { name: employer, title: { zh: 单位, en: "Employer" } }
key: [insured_no]
source: { format: csv, files: "insured_*.csv" }
publication:
  classification: 2/03/003/01
  sharing: { type: unconditional }
  methods: [service]
  grade: { zh: 一般, en: "general" }
  secrecy_assessed: true
  privacy_assessed: true
---
kind: registry
id: population
title: { zh: 人口基础库, en: "Population registry" }
department: gongan
entity: person
key: citizen_id
members:
  - { dataset: residents, key: citizen_id, fields: { district: district } }
  - { dataset: insured, key: citizen_id, fields: { employer: employer } }
fields:
  - { name: district, title: { zh: 区县, en: "District" }, authority: [residents] }
  - { name: employer, title: { zh: 单位, en: "Employer" }, authority: [insured] }
publication:
  classification: 1/01/001/02
  sharing: { type: unconditional }
  methods: [service]
  grade: { zh: 一般, en: "general" }
  secrecy_assessed: true
  privacy_assessed: true
---
kind: theme
id: employed
title: { zh: 就业主题库, en: "Employment" }
department: renshe
keys: { person: citizen_id }
key: [citizen_id]
sources: { p: registry/population, i: checked/insured }
columns:
  - { name: citizen_id, title: { zh: 公民身份号码, en: "Citizen number" }, sensitivity: citizen_id }
  - { name: district, title: { zh: 区县, en: "District" } }
  - { name: employer, title: { zh: 单位, en: "Employer" } }
sql: SELECT p.citizen_id, p.district, max(i.employer) AS employer FROM p JOIN i ON upper(btrim(i.citizen_id, ' 　')) = p.citizen_id GROUP BY 1, 2
publication:
  classification: 2/03/004/01
  sharing: { type: unconditional }
  methods: [service]
  grade: { zh: 一般, en: "general" }
  secrecy_assessed: true
  privacy_assessed: true
"#;

const ZHANG: &str = "371302198001010017";
const LI: &str = "371302199003050025";

/// A city of two people, built and published, with one grant of each table; their tokens.
fn prepare(data: &Path) -> [(&'static str, &'static str, String); 3] {
    let pack = data.join("pack");
    let inbox = data.join("inbox");
    fs::create_dir_all(&pack).expect("a folder");
    fs::create_dir_all(&inbox).expect("a folder");
    fs::write(
        pack.join("pack.yaml"),
        "id: small\nversion: 0.1.0\ntitle: { zh: 小城, en: Small }\nlicence: Apache-2.0\n",
    )
    .expect("written");
    fs::write(pack.join("all.yaml"), PACK).expect("written");
    let residents = format!("公民身份号码,区县\n{ZHANG},兰山区\n{LI},河东区\n");
    fs::write(inbox.join("residents_1.csv"), residents).expect("written");
    // The number is written in small letters or with blanks, as departments do; it is the same person's.
    let insured = format!("参保号,公民身份号码,单位\nC1,　{ZHANG} ,沂河纺织\nC2,{LI},沂河机械\n");
    fs::write(inbox.join("insured_1.csv"), insured).expect("written");
    json(data, &["pack", "apply", &pack.display().to_string()]);
    json(data, &["account", "cast"]);
    json(data, &["collect"]);
    json(data, &["check"]);
    json(data, &["registry", "build"]);
    json(data, &["theme", "build"]);
    // Registries are published first, then themes, then datasets.
    let published = json(data, &["catalogue", "publish"]);
    let codes: Vec<&str> =
        published["published"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let [population, employed, insured] = codes[..] else { panic!("{published}") };
    let grants = [(population, "population", ZHANG), (employed, "theme_employed", ZHANG), (insured, "insured", "C1")];
    grants.map(|(code, source, key)| {
        let shared = json(data, &["share", "grant", code, "--department", "weijian"]);
        (source, key, shared["token"].as_str().expect("a token").to_owned())
    })
}

fn records(answer: &Value) -> usize {
    answer["records"].as_array().expect("a list").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_person_is_in_no_supply_from_the_moment_it_is_noted() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let grants = prepare(data);
    let server = Serving::folder(data);
    let mut receipt = String::new();
    for (source, key, token) in &grants {
        let answer = server.supply(source, key, token).await;
        assert_eq!(records(&answer), 1, "{source}: {answer}");
        if *source == "theme_employed" {
            answer["receipt"].as_str().expect("a receipt").clone_into(&mut receipt);
        }
    }

    let raised = json(data, &["ticket", "object", &receipt, "--field", "employer", "--say", "已调离"]);
    assert_eq!(raised["department"], "renshe", "a theme's department answers for it: {raised}");

    json(data, &["registry", "protect", "population", ZHANG, "--basis", "证人保护"]);
    for (source, key, token) in &grants {
        assert_eq!(records(&server.supply(source, key, token).await), 0, "{source}");
        let (other, bystander) = (if *source == "insured" { "C2" } else { LI }, token);
        assert_eq!(records(&server.supply(source, other, bystander).await), 1, "{source}: nobody else is hidden");
    }
    // Shown rows follow with the next build.
    json(data, &["registry", "build"]);
    json(data, &["theme", "build"]);
    let changes = json(data, &["registry", "changes", "population"]);
    assert_eq!((&changes["inserted"], &changes["updated"], &changes["deleted"]), (&0.into(), &1.into(), &0.into()));
    let change = &changes["changes"][0];
    assert_eq!((&change["protected"], &change["fields"]["district"]), (&true.into(), &"***".into()), "{changes}");
    assert!(change["entity"].as_str().is_some_and(|name| name.starts_with('E')), "{changes}");
    let everything = json(data, &["registry", "changes", "population", "--since", "0"]);
    assert_eq!(everything["inserted"], 2, "{everything}");
    let shown = json(data, &["theme", "show", "employed"]);
    let districts: Vec<&str> =
        shown["rows"].as_array().expect("rows").iter().filter_map(|row| row["district"].as_str()).collect();
    assert_eq!(districts, ["河东区"], "{shown}");
    let sql = json(data, &["sql", "SELECT district FROM yihe.theme_employed"]);
    assert!(sql.to_string().contains("河东区") && !sql.to_string().contains("兰山区"), "{sql}");

    json(data, &["registry", "unprotect", "population", ZHANG]);
    json(data, &["registry", "build"]);
    for (source, key, token) in &grants {
        assert_eq!(records(&server.supply(source, key, token).await), 1, "{source}: as before");
    }
    drop(server);
    assert_eq!(json(data, &["ledger", "verify"])["sound"], true);
}
