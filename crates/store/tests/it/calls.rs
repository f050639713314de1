//! Calls in bulk: one leaf per interface and interval, each call proven, every change named.

use std::path::Path;

use tokio::runtime::Handle;
use yihe_ledger::{
    audit::AuditOptions,
    hashes::TreeHash,
    keys::{KeySeeds, LogKeys},
    ledger::Ledger,
    monitor::{MonitorOptions, RowFault, monitor},
    policy::Policy,
    sequencer::Sequencer,
    verify::{verify_item, verify_proof},
    view::LogView,
};
use yihe_store::{LedgerDatabase, LedgerOutbox, ObjectKind, Store, StoreError, UsageRow};

use crate::{
    exchange,
    support::{Fixture, act, at, on_both},
};

on_both!(
    an_interval_is_one_leaf_per_interface_and_every_call_is_proven,
    a_changed_a_removed_and_a_forged_call_are_named,
    a_destroyed_secret_leaves_the_batch_and_proves_no_call,
);

fn keys() -> LogKeys {
    LogKeys::new("yihe.example/test", &KeySeeds { ed25519: [1; 32], sm2: [2; 32] }).unwrap()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn usage(number: i64, entry: &str) -> UsageRow {
    UsageRow {
        id: format!("u{number}"),
        grant_id: "g1".to_owned(),
        entry: entry.to_owned(),
        grantee: "minzheng".to_owned(),
        token: "t1".to_owned(),
        door: "rest".to_owned(),
        purpose: "低保审核".to_owned(),
        case_number: format!("A-{number}"),
        looked_up: "[\"371302198503154218\"]".to_owned(),
        columns: "[]".to_owned(),
        row_count: 1,
        table_version: 3,
        at: at(number),
    }
}

async fn supply(fixture: &Fixture, numbers: std::ops::Range<i64>, entry: &str) {
    let mut tx = fixture.store.begin().await.unwrap();
    for number in numbers {
        tx.usage_insert(&usage(number, entry)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn enter(fixture: &Fixture, folder: &Path) {
    let (folder, store, runtime) = (folder.to_owned(), fixture.store.clone(), Handle::current());
    blocking(move || {
        let mut ledger = Ledger::open(&folder, keys()).unwrap();
        Sequencer::default().drain(&mut ledger, &mut LedgerOutbox::new(store, runtime)).unwrap();
        ledger.close().unwrap();
    })
    .await;
}

async fn faults(store: &Store, folder: &Path) -> Vec<RowFault> {
    let view = LogView::new(folder.join("public"), keys().trusted().clone());
    let (store, runtime) = (store.clone(), Handle::current());
    blocking(move || {
        let options = MonitorOptions {
            audit: AuditOptions { strays: false, ..AuditOptions::default() },
            silence_after: jiff::SignedDuration::from_hours(1),
            now: at(60),
        };
        monitor(&view, &mut LedgerDatabase::new(store, runtime), &options, &mut |_| ()).unwrap().row_faults
    })
    .await
}

async fn batches(fixture: &Fixture) -> Vec<String> {
    let rows = fixture.store.outbox_list(0, 1_000).await.unwrap();
    rows.into_iter().filter(|row| row.kind == "calls.supplied").map(|row| row.object).collect()
}

async fn an_interval_is_one_leaf_per_interface_and_every_call_is_proven(fixture: Fixture) {
    exchange::prepare(&fixture).await;
    supply(&fixture, 0..30, "10100101/000001").await;
    supply(&fixture, 30..35, "20100101/000002").await;
    let before = fixture.store.outbox_count_pending().await.unwrap();
    let close = act("calls.supplied", 40);
    assert!(fixture.store.ledger_unrecorded().await.unwrap().is_empty(), "what waits for its interval is no fault");
    assert_eq!(fixture.store.calls_close(&close).await.unwrap(), 2);
    assert_eq!(fixture.store.calls_close(&close).await.unwrap(), 0, "nothing waits, nothing is entered");
    assert_eq!(fixture.store.outbox_count_pending().await.unwrap(), before + 2, "35 calls are two entries");
    let folder = tempfile::tempdir().unwrap();
    enter(&fixture, folder.path()).await;
    assert_eq!(faults(&fixture.store, folder.path()).await, []);

    let view = LogView::new(folder.path().join("public"), keys().trusted().clone());
    let head = view.head(TreeHash::Sha256).unwrap();
    let policy = format!("log {}\nquorum none\n", keys().trusted().of(TreeHash::Sha256)[0]);
    let policy = Policy::read(policy.as_bytes()).unwrap();
    for number in [0, 7, 29, 34] {
        let object = ObjectKind::Usage.name(&format!("u{number}"));
        let row = fixture.store.ledger_last_row(&object).await.unwrap().expect("its batch is in the log");
        let index = u64::try_from(row.leaf.unwrap()).unwrap();
        let entry = view.entry(index, head.size).unwrap();
        let item = fixture.store.ledger_item(&row, entry, &object).await.unwrap();
        let (call, _) = item.call.clone().expect("the call with its proof");
        assert_eq!(call["case_number"], format!("A-{number}"));
        let proof = view.prove(TreeHash::Sha256, index).unwrap();
        let proven = verify_item(&policy, &proof, item.clone()).unwrap();
        assert!(proven.call);
        let mut other = item.to_json().unwrap();
        other["call"]["case_number"] = "A-999".into();
        assert!(verify_proof(&policy, &proof.to_string(), &other.to_string()).is_err(), "another call is not proven");
    }
    let unknown = ObjectKind::Usage.name("u99");
    assert!(fixture.store.ledger_last_row(&unknown).await.unwrap().is_none());
}

async fn a_changed_a_removed_and_a_forged_call_are_named(fixture: Fixture) {
    exchange::prepare(&fixture).await;
    supply(&fixture, 0..5, "10100101/000001").await;
    fixture.store.calls_close(&act("calls.supplied", 40)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    enter(&fixture, folder.path()).await;
    let batch = batches(&fixture).await.remove(0);
    for (change, undo, named) in [
        (
            "UPDATE usage_row SET case_number = 'A-7' WHERE id = 'u3'",
            "UPDATE usage_row SET case_number = 'A-3' WHERE id = 'u3'",
            "call u3",
        ),
        (
            "UPDATE usage_row SET batch = '-' WHERE id = 'u1'",
            "UPDATE usage_row SET batch = (SELECT id FROM call_batch) WHERE id = 'u1'",
            "call at place 1 of 5",
        ),
        (
            "UPDATE call_batch SET calls_root_sha256 = 'f' || calls_root_sha256",
            "UPDATE call_batch SET calls_root_sha256 = substr(calls_root_sha256, 2)",
            "calls_root_sha256",
        ),
    ] {
        fixture.behind_its_back(change).await;
        let found = faults(&fixture.store, folder.path()).await;
        let fields = found.iter().find_map(|fault| match fault {
            RowFault::Object { object, fields, .. } if *object == batch => Some(fields.clone()),
            _ => None,
        });
        let fields = fields.unwrap_or_else(|| panic!("{change}: {found:?}"));
        assert!(fields.iter().any(|field| field == named), "{named} among {fields:?}");
        assert!(fields.contains(&"calls_root_sha256".to_owned()), "{fields:?}");
        fixture.behind_its_back(undo).await;
        assert_eq!(faults(&fixture.store, folder.path()).await, [], "{undo}");
    }
    // A call put in under a batch that does not exist.
    fixture.behind_its_back("UPDATE usage_row SET batch = 'nowhere' WHERE id = 'u2'").await;
    assert_eq!(fixture.store.ledger_unrecorded().await.unwrap(), ["urn:yihe:usage:u2"]);
}

async fn a_destroyed_secret_leaves_the_batch_and_proves_no_call(fixture: Fixture) {
    exchange::prepare(&fixture).await;
    supply(&fixture, 0..3, "10100101/000001").await;
    fixture.store.calls_close(&act("calls.supplied", 40)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    enter(&fixture, folder.path()).await;
    let batch = batches(&fixture).await.remove(0);
    let id = batch.rsplit(':').next().unwrap().to_owned();
    let mut tx = fixture.store.begin().await.unwrap();
    tx.calls_destroy_secret(&id).await.unwrap();
    assert!(matches!(tx.calls_destroy_secret(&id).await, Err(StoreError::State { .. })), "once");
    tx.commit().await.unwrap();
    assert_eq!(faults(&fixture.store, folder.path()).await, [], "lawful erasure is no fault");
    let object = ObjectKind::Usage.name("u1");
    let row = fixture.store.ledger_last_row(&object).await.unwrap().unwrap();
    let view = LogView::new(folder.path().join("public"), keys().trusted().clone());
    let size = view.head(TreeHash::Sha256).unwrap().size;
    let entry = view.entry(u64::try_from(row.leaf.unwrap()).unwrap(), size).unwrap();
    assert!(fixture.store.ledger_item(&row, entry, &object).await.unwrap().call.is_none());
}
