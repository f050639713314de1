use yihe_store::{BatchBegun, BatchLanding, BatchState, NewBatch, StoreError};

use crate::support::{Fixture, act, on_both};

on_both!(
    sending_a_landed_batch_again_changes_nothing,
    a_crashed_delivery_is_resumed_under_its_identifier,
    a_failed_delivery_may_be_corrected,
    rows_in_are_always_accepted_plus_quarantined,
    unchecked_batches_are_checked_once,
);

const NEW: NewBatch<'static> =
    NewBatch { dataset: "residents", idempotency_key: "2025-09", file_name: "户籍.csv", sha256: "00" };

const LANDING: BatchLanding = BatchLanding { rows_accepted: 9, rows_quarantined: 1, landing_version: Some(4) };

async fn begin(fixture: &Fixture, second: i64) -> BatchBegun {
    let mut tx = fixture.store.begin().await.unwrap();
    let begun = tx.batch_begin(&NEW, &act("batch.receiving", second)).await.unwrap();
    tx.commit().await.unwrap();
    begun
}

async fn land(fixture: &Fixture, id: &str) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.batch_land(id, &LANDING, &act("batch.landed", 10)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn sending_a_landed_batch_again_changes_nothing(fixture: Fixture) {
    let BatchBegun::Started(batch) = begin(&fixture, 0).await else { panic!("expected a start") };
    land(&fixture, &batch.id).await;
    let pending = fixture.store.outbox_count_pending().await.unwrap();
    let BatchBegun::Landed(again) = begin(&fixture, 20).await else { panic!("expected a landed batch") };
    assert_eq!((again.id, again.rows_in), (batch.id, 10));
    assert_eq!(fixture.store.outbox_count_pending().await.unwrap(), pending);
    assert_eq!(fixture.store.batch_totals("residents").await.unwrap(), (10, 9, 1));
    let tally = fixture.store.batch_tally().await.unwrap();
    assert_eq!((tally.len(), tally[0].batches, tally[0].rows_quarantined), (1, 1, 1));
}

async fn a_crashed_delivery_is_resumed_under_its_identifier(fixture: Fixture) {
    let BatchBegun::Started(batch) = begin(&fixture, 0).await else { panic!("expected a start") };
    let BatchBegun::Resumed(again) = begin(&fixture, 20).await else { panic!("expected a resumption") };
    assert_eq!((again.id.as_str(), again.attempt), (batch.id.as_str(), 2));
    land(&fixture, &batch.id).await;
}

async fn a_failed_delivery_may_be_corrected(fixture: Fixture) {
    let BatchBegun::Started(batch) = begin(&fixture, 0).await else { panic!("expected a start") };
    let mut tx = fixture.store.begin().await.unwrap();
    tx.batch_fail(&batch.id, "truncated", &act("batch.failed", 5)).await.unwrap();
    tx.commit().await.unwrap();
    let failed = fixture.store.batch_find(&batch.id).await.unwrap().unwrap();
    assert_eq!((failed.state, failed.error.as_deref()), (BatchState::Failed, Some("truncated")));
    assert!(matches!(begin(&fixture, 6).await, BatchBegun::Resumed(_)));
}

async fn rows_in_are_always_accepted_plus_quarantined(fixture: Fixture) {
    let BatchBegun::Started(batch) = begin(&fixture, 0).await else { panic!("expected a start") };
    land(&fixture, &batch.id).await;
    let landed = fixture.store.batch_find(&batch.id).await.unwrap().unwrap();
    assert_eq!(landed.rows_in, landed.rows_accepted + landed.rows_quarantined);
    let mut tx = fixture.store.begin().await.unwrap();
    let twice = tx.batch_land(&batch.id, &LANDING, &act("batch.landed", 11)).await;
    assert!(matches!(twice, Err(StoreError::State { .. })));
}

async fn unchecked_batches_are_checked_once(fixture: Fixture) {
    let BatchBegun::Started(batch) = begin(&fixture, 0).await else { panic!("expected a start") };
    assert!(fixture.store.batch_list_unchecked("residents", 10).await.unwrap().is_empty());
    land(&fixture, &batch.id).await;
    let unchecked = fixture.store.batch_list_unchecked("residents", 10).await.unwrap();
    assert_eq!(unchecked.len(), 1);
    let mut tx = fixture.store.begin().await.unwrap();
    tx.batch_checked(std::slice::from_ref(&batch.id), "run-1", &act("batch.checked", 12)).await.unwrap();
    tx.batch_checked(std::slice::from_ref(&batch.id), "run-2", &act("batch.checked", 13)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(fixture.store.batch_list_unchecked("residents", 10).await.unwrap().is_empty());
    let checked = fixture.store.batch_find(&batch.id).await.unwrap().unwrap();
    assert_eq!(checked.checked_by.as_deref(), Some("run-1"));
}
