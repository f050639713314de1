use jiff::civil::date;
use yihe_store::{ItemRow, ItemStep, StoreError, WorklistFilter};

use crate::support::{Fixture, act, at, on_both};

on_both!(
    overdue_items_lead_the_list_and_untimed_ones_end_it,
    a_subject_has_one_open_item_per_procedure,
    every_step_leaves_a_closed_task_and_an_open_one,
    an_escalation_is_noted_once_per_task_and_level,
);

fn item(id: &str, due_on: Option<jiff::civil::Date>) -> ItemRow {
    ItemRow {
        id: id.to_owned(),
        procedure: "share_request".to_owned(),
        subject: format!("urn:yihe:request:{id}"),
        title_zh: "共享申请".to_owned(),
        title_en: "share request".to_owned(),
        state: "awaiting_check".to_owned(),
        department: "dsj".to_owned(),
        role: "reviewer".to_owned(),
        received_on: date(2025, 9, 26),
        term_days: Some(2),
        extension_days: 0,
        stops: "[]".to_owned(),
        due_on,
        escalation: 0,
        opened_at: at(0),
        changed_at: at(0),
        closed_at: None,
        outcome: None,
        version: 1,
    }
}

async fn insert(fixture: &Fixture, item: &ItemRow) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.item_insert(item, &act("item.opened", 0)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn overdue_items_lead_the_list_and_untimed_ones_end_it(fixture: Fixture) {
    insert(&fixture, &item("untimed", None)).await;
    insert(&fixture, &item("later", Some(date(2025, 10, 16)))).await;
    insert(&fixture, &item("sooner", Some(date(2025, 9, 28)))).await;
    let filter = WorklistFilter { department: Some("dsj".to_owned()), ..WorklistFilter::default() };
    let ids = |items: Vec<ItemRow>| items.into_iter().map(|item| item.id).collect::<Vec<_>>();
    assert_eq!(ids(fixture.store.item_list_open(&filter, 0, 10).await.unwrap()), ["sooner", "later", "untimed"]);
    let late = WorklistFilter { due_before: Some(date(2025, 10, 1)), ..filter.clone() };
    assert_eq!(fixture.store.item_count_open(&late).await.unwrap(), 1);
    let others = WorklistFilter { department: Some("gongan".to_owned()), ..WorklistFilter::default() };
    assert_eq!(fixture.store.item_count_open(&others).await.unwrap(), 0);
    let due = fixture.store.item_list_due(date(2025, 10, 16), 3, Some((date(2025, 9, 28), "sooner")), 10).await;
    assert_eq!(ids(due.unwrap()), ["later"]);
}

async fn a_subject_has_one_open_item_per_procedure(fixture: Fixture) {
    insert(&fixture, &item("a", None)).await;
    let mut tx = fixture.store.begin().await.unwrap();
    let twice = ItemRow { id: "b".to_owned(), ..item("a", None) };
    let refused = tx.item_insert(&twice, &act("item.opened", 1)).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })));
}

async fn every_step_leaves_a_closed_task_and_an_open_one(fixture: Fixture) {
    insert(&fixture, &item("a", None)).await;
    let mut tx = fixture.store.begin().await.unwrap();
    let row = ItemRow { state: "awaiting_answer".to_owned(), ..item("a", Some(date(2025, 10, 16))) };
    tx.item_update(&row, ItemStep::Advance { outcome: "forwarded" }, &act("item.advanced", 1)).await.unwrap();
    let stale = tx.item_update(&row, ItemStep::Clock, &act("item.advanced", 2)).await;
    assert!(matches!(stale, Err(StoreError::Conflict { expected: 1, .. })));
    tx.commit().await.unwrap();
    let tasks = fixture.store.task_list("a").await.unwrap();
    assert_eq!(tasks.len(), 2);
    assert_eq!((tasks[0].outcome.as_deref(), tasks[0].closed_by.as_deref()), (Some("forwarded"), Some("account-1")));
    assert_eq!((tasks[1].state.as_str(), tasks[1].closed_at), ("awaiting_answer", None));
}

async fn an_escalation_is_noted_once_per_task_and_level(fixture: Fixture) {
    insert(&fixture, &item("a", None)).await;
    let mut tx = fixture.store.begin().await.unwrap();
    assert!(tx.escalation_insert("a", 1, at(1)).await.unwrap());
    assert!(!tx.escalation_insert("a", 1, at(2)).await.unwrap());
    assert!(tx.escalation_insert("a", 2, at(3)).await.unwrap());
    let row = item("a", None);
    tx.item_update(&row, ItemStep::Advance { outcome: "forwarded" }, &act("item.advanced", 4)).await.unwrap();
    assert!(tx.escalation_insert("a", 1, at(5)).await.unwrap(), "a new task has its own escalations");
}
