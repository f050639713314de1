use yihe_store::StoreError;

use crate::support::{Fixture, act, entry, on_both};

on_both!(of_two_who_change_at_once_one_wins, a_dropped_transaction_changes_nothing);

async fn of_two_who_change_at_once_one_wins(fixture: Fixture) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.entry_insert(&entry("10100101/000001", "一"), &act("entry.compiled", 0)).await.unwrap();
    tx.commit().await.unwrap();
    let seen = fixture.store.entry_find("10100101/000001").await.unwrap().unwrap();

    let change = |state: &'static str| {
        let (store, mut row) = (fixture.store.clone(), seen.clone());
        async move {
            let mut tx = store.begin().await?;
            row.state = state.to_owned();
            tx.entry_update(&row, &act("entry.submitted", 1)).await?;
            tx.commit().await
        }
    };
    let (one, other) = tokio::join!(change("x"), change("y"));
    let (won, lost): (Vec<_>, Vec<_>) = [one, other].into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 1));
    let error = lost.into_iter().next().unwrap().unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert!(matches!(error, StoreError::Conflict { expected: 1, .. }));
    assert!(error.message(yihe_definitions::Language::Zh).contains("刚被他人修改"));
    assert_eq!(fixture.store.outbox_count_pending().await.unwrap(), 2);
}

async fn a_dropped_transaction_changes_nothing(fixture: Fixture) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.entry_insert(&entry("10100101/000001", "一"), &act("entry.compiled", 0)).await.unwrap();
    drop(tx);
    assert_eq!(fixture.store.entry_find("10100101/000001").await.unwrap(), None);
    assert_eq!(fixture.store.outbox_count_pending().await.unwrap(), 0);
    // The writer is free again.
    fixture.store.begin().await.unwrap().commit().await.unwrap();
}
