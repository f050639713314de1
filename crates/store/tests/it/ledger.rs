use std::path::Path;

use tokio::runtime::Handle;
use yihe_ledger::{
    audit::AuditOptions,
    keys::{KeySeeds, LogKeys},
    ledger::Ledger,
    monitor::{DatabaseView as _, MonitorOptions, ObjectNow, RowFault, monitor},
    sequencer::{Outbox as _, Sequencer},
    view::LogView,
};
use yihe_store::{BatchBegun, BatchLanding, LedgerDatabase, LedgerOutbox, NewBatch, ObjectState, Store, StoreError};

use crate::support::{Fixture, act, at, on_both};

on_both!(
    the_row_is_digested_as_the_database_holds_it,
    a_cell_changed_behind_the_application_is_named,
    a_row_removed_or_put_in_behind_the_application_is_named,
    a_drained_row_is_not_fetched_again,
    what_the_ledger_cannot_take_is_refused_before_it_is_written,
);

async fn land(fixture: &Fixture) -> String {
    let mut tx = fixture.store.begin().await.unwrap();
    let new = NewBatch { dataset: "residents", idempotency_key: "k", file_name: "户籍.csv", sha256: "00" };
    let BatchBegun::Started(batch) = tx.batch_begin(&new, &act("batch.receiving", 0)).await.unwrap() else {
        panic!("expected a start")
    };
    let landing = BatchLanding { rows_accepted: 9, rows_quarantined: 1, landing_version: None };
    tx.batch_land(&batch.id, &landing, &act("batch.landed", 1)).await.unwrap();
    tx.commit().await.unwrap();
    batch.id
}

/// Runs a closure of the synchronous ledger on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn the_row_is_digested_as_the_database_holds_it(fixture: Fixture) {
    land(&fixture).await;
    let payloads = fixture.store.ledger_payloads(0, 10).await.unwrap();
    assert_eq!(payloads.len(), 2);
    assert_eq!(payloads[0].now, ObjectState::Superseded);
    assert_eq!(payloads[1].now, ObjectState::Is(payloads[1].row.payload.clone()));
    assert!(payloads[1].row.payload.contains("\"rows_in\":10"), "{}", payloads[1].row.payload);
    assert!(payloads[1].row.payload.contains("\"landing_version\":null"));
    assert!(fixture.store.ledger_unrecorded().await.unwrap().is_empty());
}

async fn a_cell_changed_behind_the_application_is_named(fixture: Fixture) {
    land(&fixture).await;
    fixture.behind_its_back("UPDATE batch SET file_name = '户籍2.csv'").await;
    let mut database = LedgerDatabase::new(fixture.store.clone(), Handle::current());
    let rows = blocking(move || database.rows().collect::<Result<Vec<_>, _>>().unwrap()).await;
    assert_eq!(rows[0].now, ObjectNow::Superseded);
    let ObjectNow::Is(now) = &rows[1].now else { panic!("expected the object") };
    assert_ne!(now, &rows[1].payload);
    assert_eq!(now["rows_in"], rows[1].payload["rows_in"]);
    assert_eq!(now["file_name"], "户籍2.csv");
}

async fn a_row_removed_or_put_in_behind_the_application_is_named(fixture: Fixture) {
    let id = land(&fixture).await;
    fixture
        .behind_its_back(
            "INSERT INTO run (id, step, subject, state, holder, started_at, lease_until, deadline_at) \
             VALUES ('forged', 'check', 'residents', 'done', 'x', 0, 0, 0)",
        )
        .await;
    assert_eq!(fixture.store.ledger_unrecorded().await.unwrap(), ["urn:yihe:run:forged"]);
    fixture.behind_its_back(&format!("DELETE FROM batch WHERE id = '{id}'")).await;
    let payloads = fixture.store.ledger_payloads(1, 10).await.unwrap();
    assert_eq!(payloads[0].now, ObjectState::Gone);
}

async fn a_drained_row_is_not_fetched_again(fixture: Fixture) {
    land(&fixture).await;
    let mut outbox = LedgerOutbox::new(fixture.store.clone(), Handle::current());
    blocking(move || {
        let pending = outbox.fetch(10).unwrap();
        assert_eq!(pending.len(), 2);
        assert!(pending[0].object.starts_with("urn:yihe:batch:"));
        let placed: Vec<(String, u64)> = pending.into_iter().map(|entry| entry.id).zip(0..).collect();
        outbox.acknowledge(&placed).unwrap();
        // A sequencer that died before it heard of this repeats it.
        outbox.acknowledge(&placed).unwrap();
        assert!(outbox.fetch(10).unwrap().is_empty());
        let moved = outbox.acknowledge(&[(placed[0].0.clone(), 7)]);
        assert!(matches!(moved, Err(StoreError::State { .. })), "an entry keeps its place");
    })
    .await;
    assert_eq!(fixture.store.outbox_count_pending().await.unwrap(), 0);
}

async fn what_the_ledger_cannot_take_is_refused_before_it_is_written(fixture: Fixture) {
    let mut tx = fixture.store.begin().await.unwrap();
    let new = NewBatch { dataset: "residents", idempotency_key: "k", file_name: "a", sha256: "00" };
    let named = yihe_store::Act { kind: "batch.receiving", actor: "王警官", org: "gongan", at: at(0) };
    let refused = tx.batch_begin(&new, &named).await;
    assert!(matches!(refused, Err(StoreError::Unsealable { .. })), "a person's name must not reach the log");
}

/// The whole way: outbox, log on disk, monitor. One changed byte in any cell is found.
#[tokio::test]
async fn the_monitor_names_every_changed_cell() {
    let fixture = Fixture::sqlite().await;
    land(&fixture).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, runtime) = (fixture.store.clone(), Handle::current());
    let path = folder.path().to_owned();
    let sound = blocking(move || drain_and_compare(&path, store, runtime)).await;
    assert!(sound.is_empty(), "{sound:?}");
    let changes = [
        "UPDATE batch SET rows_accepted = 8, rows_quarantined = 2",
        "UPDATE outbox SET actor = 'account-2' WHERE seq = 1",
        "UPDATE outbox SET payload = ' ' || payload WHERE seq = 1",
        "UPDATE outbox SET at = at + 1 WHERE seq = 2",
        "UPDATE outbox SET salt = '00' || substr(salt, 3) WHERE seq = 1",
    ];
    for change in changes {
        fixture.behind_its_back(change).await;
        let (store, runtime) = (fixture.store.clone(), Handle::current());
        let path = folder.path().to_owned();
        let faults = blocking(move || compare(&path, store, runtime)).await;
        assert!(!faults.is_empty(), "not found: {change}");
    }
}

fn keys() -> LogKeys {
    LogKeys::new("yihe.example/test", &KeySeeds { ed25519: [1; 32], sm2: [2; 32] }).unwrap()
}

fn drain_and_compare(folder: &Path, store: Store, runtime: Handle) -> Vec<RowFault> {
    let mut ledger = Ledger::open(folder, keys()).unwrap();
    let mut outbox = LedgerOutbox::new(store.clone(), runtime.clone());
    Sequencer::default().drain(&mut ledger, &mut outbox).unwrap();
    ledger.close().unwrap();
    compare(folder, store, runtime)
}

fn compare(folder: &Path, store: Store, runtime: Handle) -> Vec<RowFault> {
    let view = LogView::new(folder.join("public"), keys().trusted().clone());
    let options = MonitorOptions {
        audit: AuditOptions { strays: false, ..AuditOptions::default() },
        silence_after: jiff::SignedDuration::from_hours(1),
        now: at(60),
    };
    let mut database = LedgerDatabase::new(store, runtime);
    let report = monitor(&view, &mut database, &options, &mut |_| ()).unwrap();
    assert_eq!((report.audit.entries, report.rows), (2, 2));
    report.row_faults
}
