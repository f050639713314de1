//! The ready sets of rules for the national codes: each is named in one line, and broken once.

use std::{collections::BTreeSet, path::Path};

use yihe_definitions::Pack;
use yihe_quality::{CheckOptions, QualityError, RuleFile, check_files};

fn base() -> Pack {
    Pack::read(&[Path::new("../../packs/base")]).unwrap()
}

/// Rows that fail, by rule, of a CSV with the columns `v`, `on`, `sex`.
fn failing(pack: &Pack, line: &str, rows: &[&str]) -> Vec<(String, Vec<u32>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, format!("v,on,sex\n{}\n", rows.join("\n"))).unwrap();
    let rules = RuleFile::parse_with(&format!("rules:\n  - {line}\n"), folder.path(), pack).unwrap();
    let options = CheckOptions::new("2026-11-22T00:00:00Z".parse().unwrap());
    let report = check_files(&[path], &rules, None, &options).unwrap();
    let failed = report.rules.iter().zip(&report.outcome.failed);
    failed
        .map(|(rule, rows)| (rule.id.clone(), rows.iter().collect()))
        .filter(|(_, rows): &(_, Vec<u32>)| !rows.is_empty())
        .collect()
}

#[test]
fn every_national_set_passes_what_is_good_and_finds_what_is_broken() {
    let pack = base();
    // Set, good values, broken values, the rule that finds them.
    let cases: &[(&str, &[&str], &[&str], &str)] = &[
        ("national/citizen-id", &["11010519491231002X", "440524188001010014"], &["110105194912310021"], "adds_up"),
        ("national/citizen-id", &["11010519491231002X"], &["990105194912310024"], "division"),
        ("national/citizen-id-legacy", &["110105491231002", "11010519491231002X"], &["110105491331002"], "adds_up"),
        (
            "national/credit-code",
            &["91350100M000100Y43", "11370800004312466C", "11100000000013338W"],
            &["91350100M000100Y44"],
            "adds_up",
        ),
        ("national/organisation-code", &["M000100Y-4", "M000100Y4"], &["M000100Y-5"], "adds_up"),
        ("national/service-item", &["11370800MB285591843370117002011"], &["11370800MB285591853370117002011"], "built"),
        ("national/real-estate-unit", &["371302001001GB00001F00010001"], &["371302001001GQ00001F00010001"], "built"),
        ("national/real-estate-unit", &["371302001001GB00001F00010001"], &["993302001001GB00001F00010001"], "division"),
        ("national/parcel", &["371302001001GB00001"], &["371302001001XB00001", "371302001001GB0000"], "built"),
        ("national/division", &["371302", "372822", "370000"], &["371399", "3713"], "valid"),
        ("national/division-long", &["371302001", "371302001001"], &["3713020011", "37130200"], "built"),
        ("national/division-long", &["371302001"], &["371399001"], "county"),
        ("national/mobile", &["13905391234"], &["12905391234"], "built"),
        ("national/postal-code", &["276000"], &["27600"], "built"),
        ("national/date", &["2024-03-05", "20240305"], &["2024-13-05", "2024/3/5"], "written"),
        ("national/sex", &["1", "2", "9"], &["3", "男"], "known"),
        ("national/nation", &["01", "56"], &["99"], "known"),
        ("national/industry", &["C", "C15", "1511"], &["U", "C1"], "built"),
        ("national/certificate-id", &[], &["1.2.156.3005.2.nothing"], "adds_up"),
    ];
    for (set, good, broken, rule) in cases {
        let line = format!("{{ use: {set}, column: v }}");
        let rows: Vec<String> = good.iter().chain(*broken).map(|value| format!("{value},,")).collect();
        let found = failing(&pack, &line, &rows.iter().map(String::as_str).collect::<Vec<_>>());
        let expected: Vec<u32> = (0..).skip(good.len()).take(broken.len()).collect();
        let of_rule = found.iter().find(|(id, _)| *id == format!("v_{rule}"));
        assert_eq!(of_rule.map(|(_, rows)| rows), Some(&expected), "{set}: {found:?}");
        assert!(found.iter().all(|(_, rows)| rows.iter().all(|row| *row as usize >= good.len())), "{set}: {found:?}");
    }
    let covered: BTreeSet<&str> = cases.iter().map(|(set, ..)| *set).collect();
    let known: BTreeSet<&str> = pack.rule_sets.iter().map(|set| set.id.as_str()).collect();
    assert_eq!(covered, known);
}

#[test]
fn a_division_code_is_valid_at_the_date_of_the_record() {
    let pack = base();
    let line = "{ use: national/division, column: v, valid_at: on }";
    let rows = [
        "372822,1990-05-01,", // 郯城县 of 临沂地区
        "372822,1994-06-01,", // the year of the change: both codes pass
        "371322,1994-06-01,",
        "372822,1995-01-01,", // gone
        "371322,1990-05-01,", // not yet
        "371322,2020-01-01,",
        "371302,,", // no date: whenever it was valid
    ];
    assert_eq!(failing(&pack, line, &rows), [("v_valid".to_owned(), vec![3, 4])]);
}

#[test]
fn a_citizens_number_agrees_with_birth_date_and_sex_where_they_are_given() {
    let pack = base();
    let rows =
        ["11010519491231002X,1949-12-31,女", "11010519491231002X,1949-12-30,女", "11010519491231002X,1949-12-31,男"];
    let line = "{ use: national/citizen-id, column: v, birth_on: on, sex: sex, id: holder }";
    assert_eq!(failing(&pack, line, &rows), [("holder_agrees".to_owned(), vec![1, 2])]);
    assert_eq!(failing(&pack, "{ use: national/citizen-id, column: v }", &rows), []);
}

#[test]
fn a_set_that_there_is_not_is_refused_in_both_languages() {
    let refusal =
        RuleFile::parse_with("rules: [{ use: national/none, column: v }]", Path::new(""), &base()).unwrap_err();
    let QualityError::RuleDocument { reason, .. } = &refusal else { panic!("{refusal}") };
    assert!(
        reason.zh.contains("没有规则包 `national/none`") && reason.zh.contains("national/citizen-id"),
        "{reason:?}"
    );
    assert!(refusal.to_string().contains("found no rule set `national/none`"), "{refusal}");
}
