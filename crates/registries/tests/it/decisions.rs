//! Decisions on who is whom, and why a golden record is as it is.

use std::collections::BTreeMap;

use yihe_registries::{Builder, Decision, Proposal, RecordRef, RegistryError, identity::is_entity_id, shape, why};
use yihe_store::Actor;

use crate::support::{House, NUMBERS, Row, table_rows};

fn row(id: u8, citizen: &str, name: &str, phone: &str, changed_on: i32) -> Row {
    let (citizen, name, phone) = (citizen.to_owned(), name.to_owned(), phone.to_owned());
    Row { id, citizen, name, phone, changed_on, died_on: None }
}

fn record(dataset: &str, id: u8) -> RecordRef {
    RecordRef { dataset: dataset.to_owned(), record_key: format!("R{id}") }
}

async fn decide(house: &House, decision: Decision) -> Result<String, RegistryError> {
    house.builder().decide(&house.registry, decision, "核对过档案", &Proposal::default(), &Actor::system()).await
}

async fn golden(house: &House) -> BTreeMap<String, BTreeMap<String, String>> {
    let table = shape::golden_table(&house.registry).unwrap();
    table_rows(&house.lake, &table).await.into_iter().map(|row| (row["citizen_id"].clone(), row)).collect()
}

async fn build(house: &House) {
    house.builder().build(&house.registry).await.unwrap();
}

async fn why_of(house: &House, key: &str) -> Option<why::GoldenWhy> {
    why::golden(&house.lake, &house.store, &house.registry, key).await.unwrap()
}

#[tokio::test]
async fn a_joined_record_speaks_until_the_decision_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    house.deliver(0, &[row(1, NUMBERS[0], "王芳", "", 1)]).await;
    house.deliver(1, &[row(7, "", "王方", "139", 2)]).await;
    build(&house).await;
    let before = house.tables().await;
    assert_eq!(golden(&house).await[NUMBERS[0]]["phone"], "");
    let id = decide(&house, Decision::Join { record: record("insured", 7), entity: NUMBERS[0].to_owned() }).await;
    let id = id.unwrap();
    build(&house).await;
    let joined = golden(&house).await;
    assert_eq!(joined[NUMBERS[0]]["phone"], "139");
    assert_eq!(joined[NUMBERS[0]]["_records"], "2");
    let why = why_of(&house, NUMBERS[0]).await.unwrap();
    assert_eq!(why.records.iter().map(|record| record.joined_by.as_str()).collect::<Vec<_>>(), ["key", id.as_str()]);
    assert_eq!(why.decisions.len(), 1);
    let name = &why.fields[0];
    assert_eq!((name.value.as_deref(), name.from.as_deref()), (Some("王芳"), Some("residents")));
    assert_eq!((name.losers[0].value.as_str(), name.losers[0].reason), ("王方", why::Reason::LowerAuthority));
    house.builder().revoke(&house.registry, &id, "认错人", &Actor::system()).await.unwrap();
    build(&house).await;
    assert_eq!(house.tables().await, before, "revoked, it is as if it had never been made");
    assert_eq!(why_of(&house, NUMBERS[0]).await.unwrap().decisions.len(), 1, "what was decided stays on record");
}

#[tokio::test]
async fn a_key_of_its_own_counts_more_than_a_join() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    house.deliver(0, &[row(1, NUMBERS[0], "王芳", "", 1), row(7, "", "王方", "139", 1)]).await;
    build(&house).await;
    decide(&house, Decision::Join { record: record("residents", 7), entity: NUMBERS[0].to_owned() }).await.unwrap();
    house.deliver(0, &[row(7, NUMBERS[1], "王方", "139", 2)]).await;
    build(&house).await;
    let golden = golden(&house).await;
    assert_eq!(golden[NUMBERS[0]]["_records"], "1");
    assert_eq!(golden[NUMBERS[1]]["phone"], "139");
}

#[tokio::test]
async fn both_numbers_of_a_person_find_the_person_and_names_endure() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    house.deliver(0, &[row(1, NUMBERS[0], "王芳", "", 1)]).await;
    house.deliver(1, &[row(2, NUMBERS[1], "王芳", "139", 1)]).await;
    build(&house).await;
    let apart = golden(&house).await;
    let merge = Decision::Merge { survivor: NUMBERS[0].to_owned(), merged: NUMBERS[1].to_owned() };
    let id = decide(&house, merge).await.unwrap();
    build(&house).await;
    let merged = golden(&house).await;
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[NUMBERS[0]]["_entity"], apart[NUMBERS[0]]["_entity"], "the survivor keeps its name");
    assert_eq!(merged[NUMBERS[0]]["phone"], "139");
    let by_other = why_of(&house, NUMBERS[1]).await.unwrap();
    assert_eq!((by_other.key.as_str(), by_other.other_keys), (NUMBERS[0], vec![NUMBERS[1].to_owned()]));
    let by_name = why_of(&house, &by_other.entity).await.unwrap();
    assert_eq!(by_name.key, NUMBERS[0]);
    house.builder().revoke(&house.registry, &id, "并非一人", &Actor::system()).await.unwrap();
    build(&house).await;
    assert_eq!(golden(&house).await, apart, "unmerged, each is as it was, by its own name");
}

#[tokio::test]
async fn a_split_record_is_of_an_entity_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    house.deliver(0, &[row(1, NUMBERS[0], "王芳", "", 1)]).await;
    house.deliver(1, &[row(2, NUMBERS[0], "张三", "139", 1)]).await;
    build(&house).await;
    let split = Decision::Split { record: record("insured", 2), entity: NUMBERS[0].to_owned(), other: None };
    decide(&house, split).await.unwrap();
    build(&house).await;
    let golden = golden(&house).await;
    assert_eq!(golden.len(), 2);
    let (key, own) = golden.iter().find(|(key, _)| *key != NUMBERS[0]).unwrap();
    assert!(is_entity_id(key) && own["_entity"] == *key, "{key}");
    assert_eq!((own["name"].as_str(), own["_conflicts"].as_str()), ("张三", "0"));
    assert_eq!(why_of(&house, key).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn what_contradicts_a_standing_decision_is_refused_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    let people: Vec<Row> = (0..4).map(|at| row(u8::try_from(at).unwrap(), NUMBERS[at], "王芳", "", 1)).collect();
    house.deliver(0, &people).await;
    house.deliver(1, &[row(7, "", "王方", "139", 2)]).await;
    build(&house).await;
    let number = |at: usize| NUMBERS[at].to_owned();
    let join = |at: usize| Decision::Join { record: record("insured", 7), entity: number(at) };
    let apart = |at: usize| Decision::Apart { record: record("insured", 7), entity: number(at) };
    let merge = |survivor: usize, merged: usize| Decision::Merge { survivor: number(survivor), merged: number(merged) };
    let refused = |outcome: Result<String, RegistryError>, by: &str| match outcome {
        Err(RegistryError::Contradicts { id, .. }) => assert_eq!(id, by),
        other => panic!("expected a contradiction, found {other:?}"),
    };
    let one = decide(&house, apart(0)).await.unwrap();
    refused(decide(&house, join(0)).await, &one);
    let two = decide(&house, join(1)).await.unwrap();
    refused(decide(&house, join(2)).await, &two);
    refused(decide(&house, apart(1)).await, &two);
    let three = decide(&house, merge(0, 1)).await.unwrap();
    refused(decide(&house, merge(2, 1)).await, &three);
    refused(decide(&house, merge(1, 0)).await, &three);
    let error = decide(&house, merge(2, 1)).await.unwrap_err();
    assert!(error.message(yihe_definitions::Language::Zh).contains(&three), "{error}");
    let nonsense = [merge(0, 0), Decision::Join { record: record("residents", 0), entity: number(1) }];
    for decision in nonsense {
        let outcome = decide(&house, decision).await;
        assert!(matches!(outcome, Err(RegistryError::Undecidable { .. })), "{outcome:?}");
    }
    let outcome = decide(&house, Decision::Join { record: record("insured", 9), entity: number(0) }).await;
    assert!(matches!(outcome, Err(RegistryError::NoRecord { .. })), "{outcome:?}");
    let outcome = decide(&house, Decision::Join { record: record("insured", 7), entity: number(5) }).await;
    assert!(matches!(outcome, Err(RegistryError::NoEntity { .. })), "{outcome:?}");
    let builder: Builder = house.builder();
    let outcome = builder.revoke(&house.registry, "none", "理由", &Actor::system()).await;
    assert!(matches!(outcome, Err(RegistryError::NoDecision { .. })), "{outcome:?}");
}

#[tokio::test]
async fn protected_and_deceased_people_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    let dead = Row { died_on: Some(20_000), ..row(2, NUMBERS[1], "李四", "", 1) };
    house.deliver(0, &[row(1, NUMBERS[0], "王芳", "", 1), dead]).await;
    build(&house).await;
    let builder = house.builder();
    builder.protect(&house.registry, NUMBERS[0], "人身安全保护令", None, &Actor::system()).await.unwrap();
    let past = jiff::civil::date(2026, 11, 1);
    builder.protect(&house.registry, NUMBERS[1], "人身安全保护令", Some(past), &Actor::system()).await.unwrap();
    build(&house).await;
    let marks = golden(&house).await;
    let mark = |at: usize| (marks[NUMBERS[at]]["_protected"].as_str(), marks[NUMBERS[at]]["_standing"].as_str());
    assert_eq!((mark(0), mark(1)), (("true", "living"), ("false", "deceased")), "a protection ends with its last day");
    let lifted = house.store.protection_list("people", false, "", 10).await.unwrap();
    assert_eq!(lifted.iter().filter(|row| row.lifted_at.is_some()).count(), 1);
    assert!(builder.unprotect(&house.registry, NUMBERS[0], &Actor::system()).await.unwrap());
    build(&house).await;
    assert_eq!(golden(&house).await[NUMBERS[0]]["_protected"], "false");
}

#[tokio::test]
async fn a_value_that_is_too_old_loses_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    house.registry.fields[1].max_age_days = Some(30);
    house.deliver(0, &[row(1, NUMBERS[0], "王芳", "138", 100)]).await;
    house.deliver(1, &[row(1, NUMBERS[0], "王芳", "139", 100), row(2, NUMBERS[1], "李四", "1", 110)]).await;
    build(&house).await;
    assert_eq!(golden(&house).await[NUMBERS[0]]["phone"], "139");
    house.deliver(1, &[row(2, NUMBERS[1], "李四", "1", 131)]).await;
    let report = house.builder().build(&house.registry).await.unwrap();
    assert_eq!(report.how, yihe_registries::How::Full(yihe_registries::Why::Age));
    assert_eq!(golden(&house).await[NUMBERS[0]]["phone"], "138");
    let why = why_of(&house, NUMBERS[0]).await.unwrap();
    assert_eq!(why.fields[1].from.as_deref(), Some("residents"));
    assert_eq!(why.fields[1].losers[0].reason, why::Reason::TooOld);
}

#[tokio::test]
async fn an_answer_against_a_decision_that_stands_is_kept_and_told() {
    use yihe_registries::{
        Answered,
        review::{self, Answer, Verdict},
    };
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    house.deliver(0, &[row(1, NUMBERS[0], "王芳", "138", 1), row(2, NUMBERS[1], "李四", "137", 1)]).await;
    house.deliver(1, &[row(7, "", "王芳", "138", 1)]).await;
    build(&house).await;
    let joined = decide(&house, Decision::Join { record: record("insured", 7), entity: NUMBERS[0].to_owned() });
    let joined = joined.await.unwrap();
    let builder = house.builder();
    let say = async |reviewer: &str, at: usize, verdict: Verdict| {
        let answer = Answer { record: record("insured", 7), entity_key: NUMBERS[at].to_owned(), verdict, seconds: 3 };
        let actor = Actor { account: reviewer.to_owned(), ..Actor::system() };
        builder.answer(&house.registry, &answer, &actor).await.unwrap()
    };
    assert_eq!(say("wang", 0, Verdict::Different).await, Answered::Against(joined.clone()), "against the join");
    assert_eq!(say("li", 1, Verdict::Same).await, Answered::Against(joined.clone()), "of another entity");
    assert_eq!(say("zhao", 0, Verdict::Same).await, Answered::Noted, "of one mind with what stands");
    let agreement = review::agreement(&house.store, &house.registry).await.unwrap();
    assert_eq!(agreement.reviewers["wang"], [0, 1, 0]);
    assert_eq!(agreement.reviewers["li"], [1, 0, 0]);
    assert_eq!((agreement.compared, agreement.share), (1, Some(0.0)), "it counts for the agreement of reviewers");
    let filter = yihe_store::DecisionFilter { registry: "people".to_owned(), ..Default::default() };
    assert_eq!(house.store.decision_list(&filter, "", 10).await.unwrap().len(), 1, "what stands, stands");
    builder.revoke(&house.registry, &joined, "查明不是一人", &Actor::system()).await.unwrap();
    assert!(matches!(say("sun", 1, Verdict::Same).await, Answered::Decided(_)), "once it is revoked");
}

#[tokio::test]
async fn two_entities_are_one_or_two_and_not_both() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    let rows: Vec<Row> = (1..=4).map(|id| row(id, NUMBERS[usize::from(id) - 1], "王芳", "", 1)).collect();
    house.deliver(0, &rows).await;
    build(&house).await;
    let merge = |one: usize, other: usize| Decision::Merge {
        survivor: NUMBERS[one].to_owned(),
        merged: NUMBERS[other].to_owned(),
    };
    let distinct = |one: usize, other: usize| Decision::Distinct {
        one: NUMBERS[one].to_owned(),
        other: NUMBERS[other].to_owned(),
    };
    let against = async |decision: Decision| match decide(&house, decision).await {
        Err(RegistryError::Contradicts { id, .. }) => id,
        other => panic!("expected a contradiction, found {other:?}"),
    };
    let two = decide(&house, distinct(0, 1)).await.unwrap();
    assert_eq!(against(merge(0, 1)).await, two);
    assert_eq!(against(merge(1, 0)).await, two);
    assert_eq!(against(distinct(1, 0)).await, two, "whichever way it is said");
    // Through a third: who is one with the one cannot be one with the other.
    let one = decide(&house, merge(2, 1)).await.unwrap();
    assert_eq!(against(merge(2, 0)).await, two);
    assert_eq!(against(distinct(1, 2)).await, one);
    decide(&house, distinct(2, 3)).await.unwrap();
    let itself = decide(&house, distinct(3, 3)).await.unwrap_err();
    assert!(matches!(itself, RegistryError::Undecidable { .. }), "{itself}");
    // Revoked, it stands against nothing.
    house.builder().revoke(&house.registry, &two, "查实为一人", &Actor::system()).await.unwrap();
    decide(&house, merge(2, 0)).await.unwrap();
    build(&house).await;
    let golden = golden(&house).await;
    assert_eq!(golden.len(), 2);
    assert_eq!(golden[NUMBERS[2]]["_records"], "3");
}

#[tokio::test]
async fn a_hash_is_recognised_as_soon_as_somebody_delivers_the_number_and_as_long_as_anybody_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open_hashed(folder.path(), 2).await;
    house.deliver(2, &[row(9, NUMBERS[0], "", "138", 1), row(8, NUMBERS[1], "", "139", 1)]).await;
    house.deliver(0, &[row(1, NUMBERS[1], "王芳", "", 1)]).await;
    let report = house.builder().build(&house.registry).await.unwrap();
    assert_eq!((report.entities, report.unlinked), (1, 1));
    let count = &report.hashed[0];
    assert_eq!((count.records, count.recognised, count.is_alarming()), (2, 1, false));
    assert_eq!(golden(&house).await[NUMBERS[1]]["_records"], "2", "no clear number was needed");
    // The number comes in clear: its hash has been there before.
    house.deliver(1, &[row(2, NUMBERS[0], "李四", "", 1)]).await;
    let report = house.builder().build(&house.registry).await.unwrap();
    assert!(matches!(report.how, yihe_registries::How::Changes { .. }), "{:?}", report.how);
    assert_eq!((report.entities, report.unlinked, report.hashed[0].recognised), (2, 0, 2));
    assert_eq!(golden(&house).await[NUMBERS[0]]["_records"], "2");
    // Merged, the hash of the one leads to the other; gone, it leads nowhere.
    decide(&house, Decision::Merge { survivor: NUMBERS[1].to_owned(), merged: NUMBERS[0].to_owned() }).await.unwrap();
    build(&house).await;
    assert_eq!(golden(&house).await[NUMBERS[1]]["_records"], "4");
    house.remove(0, &[1]).await;
    house.remove(1, &[2]).await;
    let report = house.builder().build(&house.registry).await.unwrap();
    assert_eq!((report.entities, report.unlinked), (0, 2));
    assert!(report.hashed[0].is_alarming(), "none of two is of anybody known");
}

#[tokio::test]
async fn another_key_is_an_alarm_and_a_missing_one_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open_hashed(folder.path(), 2).await;
    house.deliver(0, &[row(1, NUMBERS[0], "王芳", "", 1)]).await;
    house.deliver(2, &[row(9, NUMBERS[0], "", "138", 1)]).await;
    build(&house).await;
    let mut builder = house.builder();
    builder.hash_keys = yihe_registries::HashKeys::new(|_| Ok(b"quite another key, long enough".to_vec()));
    let report = builder.build(&house.registry).await.unwrap();
    assert!(!report.unchanged, "another key is another registry");
    assert!(report.hashed[0].is_alarming());
    builder.hash_keys = yihe_registries::HashKeys::in_folder(folder.path().join("nowhere"));
    let error = builder.build(&house.registry).await.unwrap_err();
    assert!(error.to_string().contains("key `partner`") && error.to_string().contains("dataset `patients`"), "{error}");
    builder.hash_keys = yihe_registries::HashKeys::new(|_| Ok(b"short".to_vec()));
    let error = builder.build(&house.registry).await.unwrap_err();
    assert!(error.message(yihe_definitions::Language::Zh).contains("密钥 `partner`"), "{error}");
    assert!(!format!("{error:?}").contains("short"), "an error tells nothing of the key");
}
