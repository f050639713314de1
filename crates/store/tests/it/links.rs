use jiff::civil::date;
use yihe_store::{DecisionFilter, DecisionRow, LabelRow, ProtectionRow, StoreError};

use crate::support::{Fixture, act, at, on_both};

on_both!(
    a_record_is_joined_once_until_it_is_revoked,
    an_entity_is_merged_into_one_other,
    decisions_are_listed_by_what_they_are_about,
    a_revoked_decision_is_not_revoked_again,
    a_later_answer_takes_the_place_of_the_one_before,
    an_entity_is_protected_once_until_it_is_lifted,
    every_change_has_its_row_for_the_ledger,
);

fn decision(id: &str, kind: &str, record_key: &str, entity_key: &str, other_key: &str) -> DecisionRow {
    DecisionRow {
        id: id.to_owned(),
        registry: "population".to_owned(),
        kind: kind.to_owned(),
        dataset: if record_key.is_empty() { String::new() } else { "residents".to_owned() },
        record_key: record_key.to_owned(),
        entity_key: entity_key.to_owned(),
        other_key: other_key.to_owned(),
        reason: "户籍档案核对".to_owned(),
        decided_by: "account-1".to_owned(),
        decided_at: at(0),
        model: String::new(),
        probability_ppm: Some(731_000),
        evidence: Some("{\"prior\":-20.5}".to_owned()),
        model_version: Some(7),
        revoked_at: None,
        revoked_by: None,
        revoked_reason: None,
        version: 1,
    }
}

async fn decide(fixture: &Fixture, decision: &DecisionRow) -> Result<(), StoreError> {
    let mut tx = fixture.store.begin().await?;
    tx.decision_insert(decision, &act("link.decided", 0)).await?;
    tx.commit().await
}

async fn revoke(fixture: &Fixture, id: &str) -> Result<(), StoreError> {
    let mut tx = fixture.store.begin().await?;
    tx.decision_revoke(id, 1, "认错人", &act("link.revoked", 9)).await?;
    tx.commit().await
}

fn all() -> DecisionFilter {
    DecisionFilter { registry: "population".to_owned(), ..DecisionFilter::default() }
}

async fn a_record_is_joined_once_until_it_is_revoked(fixture: Fixture) {
    decide(&fixture, &decision("a", "join", "7", "K1", "")).await.unwrap();
    let twice = decide(&fixture, &decision("b", "join", "7", "K2", "")).await;
    assert!(matches!(twice, Err(StoreError::Duplicate { .. })), "{twice:?}");
    revoke(&fixture, "a").await.unwrap();
    decide(&fixture, &decision("b", "join", "7", "K2", "")).await.unwrap();
    let standing = DecisionFilter { standing: true, ..all() };
    let rows = fixture.store.decision_list(&standing, "", 10).await.unwrap();
    assert_eq!(rows, [decision("b", "join", "7", "K2", "")]);
    let kept = fixture.store.decision_find("a").await.unwrap().unwrap();
    assert_eq!((kept.revoked_at, kept.revoked_by.as_deref()), (Some(at(9)), Some("account-1")));
    assert_eq!((kept.revoked_reason.as_deref(), kept.version), (Some("认错人"), 2));
}

async fn an_entity_is_merged_into_one_other(fixture: Fixture) {
    decide(&fixture, &decision("a", "merge", "", "K1", "K9")).await.unwrap();
    decide(&fixture, &decision("b", "merge", "", "K1", "K8")).await.unwrap();
    let refused = decide(&fixture, &decision("c", "merge", "", "K2", "K9")).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
}

async fn decisions_are_listed_by_what_they_are_about(fixture: Fixture) {
    decide(&fixture, &decision("a", "merge", "", "K1", "K9")).await.unwrap();
    decide(&fixture, &decision("b", "join", "7", "K1", "")).await.unwrap();
    decide(&fixture, &decision("c", "apart", "8", "K2", "")).await.unwrap();
    let store = &fixture.store;
    let ids = |rows: Vec<DecisionRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(store.decision_list(&all(), "a", 10).await.unwrap()), ["b", "c"]);
    let key = DecisionFilter { entity_key: Some("K1".to_owned()), ..all() };
    assert_eq!(ids(store.decision_list_newest(&key, 0, 10).await.unwrap()), ["b", "a"]);
    let record = DecisionFilter { record: Some(("residents".to_owned(), "8".to_owned())), ..all() };
    assert_eq!(ids(store.decision_list(&record, "", 10).await.unwrap()), ["c"]);
    let kind = DecisionFilter { kind: Some("join".to_owned()), ..all() };
    assert_eq!(store.decision_count(&kind).await.unwrap(), 1);
    let other = DecisionFilter { registry: "legal_entity".to_owned(), ..DecisionFilter::default() };
    assert_eq!(store.decision_count(&other).await.unwrap(), 0);
    let mut tx = fixture.store.begin().await.unwrap();
    assert_eq!(ids(tx.decision_list_about("population", ("residents", "7"), ("", "")).await.unwrap()), ["b"]);
    assert_eq!(ids(tx.decision_list_about("population", ("", ""), ("K9", "")).await.unwrap()), ["a"]);
}

async fn a_revoked_decision_is_not_revoked_again(fixture: Fixture) {
    decide(&fixture, &decision("a", "split", "7", "K1", "")).await.unwrap();
    revoke(&fixture, "a").await.unwrap();
    let again = revoke(&fixture, "a").await;
    assert!(matches!(again, Err(StoreError::Conflict { expected: 1, .. })), "{again:?}");
}

fn label(id: &str, reviewer: &str, answer: &str, version: i64) -> LabelRow {
    LabelRow {
        id: id.to_owned(),
        registry: "population".to_owned(),
        dataset: "residents".to_owned(),
        record_key: "7".to_owned(),
        entity_key: "K1".to_owned(),
        reviewer: reviewer.to_owned(),
        answer: answer.to_owned(),
        answered_at: at(0),
        seconds: 12,
        probability_ppm: Some(500_000),
        version,
    }
}

async fn a_later_answer_takes_the_place_of_the_one_before(fixture: Fixture) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.label_put(&label("a", "wang", "unsure", 1), &act("link.labelled", 0)).await.unwrap();
    tx.label_put(&label("b", "li", "same", 1), &act("link.labelled", 0)).await.unwrap();
    let id = tx.label_put(&label("c", "wang", "same", 1), &act("link.labelled", 0)).await.unwrap();
    assert_eq!(id, "a");
    let pair = tx.label_list_pair("population", ("residents", "7"), "K1").await.unwrap();
    assert_eq!(pair, [label("b", "li", "same", 1), label("a", "wang", "same", 2)]);
    tx.commit().await.unwrap();
    assert_eq!(fixture.store.label_count("population").await.unwrap(), 2);
    let rest = fixture.store.label_list("population", "a", 10).await.unwrap();
    assert_eq!(rest, [label("b", "li", "same", 1)]);
}

fn protection(id: &str) -> ProtectionRow {
    ProtectionRow {
        id: id.to_owned(),
        registry: "population".to_owned(),
        entity_key: "K1".to_owned(),
        basis: "反家庭暴力法 第三十一条".to_owned(),
        since: date(2025, 9, 1),
        until: Some(date(2026, 3, 1)),
        noted_by: "account-1".to_owned(),
        noted_at: at(0),
        lifted_at: None,
        lifted_by: None,
        version: 1,
    }
}

async fn an_entity_is_protected_once_until_it_is_lifted(fixture: Fixture) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.protection_insert(&protection("a"), &act("entity.protected", 0)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fixture.store.begin().await.unwrap();
    let twice = tx.protection_insert(&protection("b"), &act("entity.protected", 0)).await;
    assert!(matches!(twice, Err(StoreError::Duplicate { .. })), "{twice:?}");
    drop(tx);
    assert_eq!(fixture.store.protection_list("population", true, "", 10).await.unwrap(), [protection("a")]);
    let mut tx = fixture.store.begin().await.unwrap();
    tx.protection_lift("a", 1, &act("entity.unprotected", 5)).await.unwrap();
    assert!(matches!(
        tx.protection_lift("a", 2, &act("entity.unprotected", 5)).await,
        Err(StoreError::Conflict { .. })
    ));
    tx.protection_insert(&protection("b"), &act("entity.protected", 0)).await.unwrap();
    tx.commit().await.unwrap();
    let standing = fixture.store.protection_find_standing("population", "K1").await.unwrap();
    assert_eq!(standing, Some(protection("b")));
    assert_eq!(fixture.store.protection_list("population", false, "", 10).await.unwrap().len(), 2);
}

async fn every_change_has_its_row_for_the_ledger(fixture: Fixture) {
    decide(&fixture, &decision("a", "join", "7", "K1", "")).await.unwrap();
    revoke(&fixture, "a").await.unwrap();
    let mut tx = fixture.store.begin().await.unwrap();
    tx.label_put(&label("a", "wang", "same", 1), &act("link.labelled", 0)).await.unwrap();
    tx.protection_insert(&protection("a"), &act("entity.protected", 0)).await.unwrap();
    tx.commit().await.unwrap();
    let payloads = fixture.store.ledger_payloads(0, 10).await.unwrap();
    let objects: Vec<&str> = payloads.iter().map(|payload| payload.row.object.as_str()).collect();
    let decided = "urn:yihe:decision:a";
    assert_eq!(objects, [decided, decided, "urn:yihe:label:a", "urn:yihe:protection:a"]);
    fixture.behind_its_back("UPDATE link_decision SET entity_key = 'K2'").await;
    let payloads = fixture.store.ledger_payloads(1, 1).await.unwrap();
    assert_ne!(payloads[0].now, yihe_store::ObjectState::Is(payloads[0].row.payload.clone()));
    assert!(fixture.store.ledger_unrecorded().await.unwrap().is_empty());
}
