//! Automation on proof: the supply waits for the ledger, then begins and cites.

use std::path::Path;

use tokio::runtime::Handle;
use yihe_definitions::{Release, Releases, Text};
use yihe_exchange::{Action, ExchangeError, Gate, GrantState, RequestState, RequestStep};
use yihe_ledger::{
    hashes::TreeHash,
    keys::{KeySeeds, LogKeys},
    ledger::Ledger,
    sequencer::Sequencer,
    view::LogView,
};
use yihe_store::{Actor, LedgerOutbox, Role, Store};

use crate::support::{AUTHORITY, Fixture, PROVIDER, REQUESTER, actor, morning, on_both, sample};

on_both!(
    a_supply_waits_for_the_ledger_then_begins_and_cites_its_proofs,
    what_was_undone_since_holds_the_supply_back,
    an_automatic_supply_begins_by_itself_once_it_is_proven,
);

fn keys() -> LogKeys {
    LogKeys::new("yihe.example/test", &KeySeeds { ed25519: [1; 32], sm2: [2; 32] }).unwrap()
}

/// What the sequencer does: everything committed so far goes into the log.
async fn enter(folder: &Path, store: &Store) {
    let (folder, store, runtime) = (folder.to_owned(), store.clone(), Handle::current());
    tokio::task::spawn_blocking(move || {
        let mut ledger = Ledger::open(&folder, keys()).unwrap();
        Sequencer::default().drain(&mut ledger, &mut LedgerOutbox::new(store, runtime)).unwrap();
        ledger.close().unwrap();
    })
    .await
    .unwrap();
}

fn gate(folder: &Path, automatic: bool) -> Gate {
    let kinds = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect();
    Gate {
        rule: Release {
            id: "supply_on_proof".to_owned(),
            title: Text::new("凭证放行", "on proof"),
            releases: Releases::Supply,
            requires: kinds(&["request.signed", "request.answered", "entry.published"]),
            unless: kinds(&["entry.withdrawn"]),
            automatic,
        },
        log: LogView::new(folder.join("public"), keys().trusted().clone()),
    }
}

async fn a_supply_waits_for_the_ledger_then_begins_and_cites_its_proofs(mut fixture: Fixture) {
    let folder = tempfile::tempdir().unwrap();
    enter(folder.path(), &fixture.store).await;
    fixture.exchange = fixture.exchange.released_on_proof(Some(gate(folder.path(), false)));
    // Consented, and committed to the store: but the log has not taken it over, so it has not happened.
    let request = fixture.request_in(RequestState::Consented).await;
    let officer = actor(PROVIDER, Role::Officer);
    let supply = || fixture.exchange.step(&request.id, &Action::Supply, None, &officer, morning(9, 27));
    let Err(ExchangeError::NotProven { missing }) = supply().await else { panic!("nothing is proven yet") };
    assert_eq!(missing, ["request.signed", "request.answered"], "the entry's publication is in the log already");
    let grant = fixture.exchange.grant_of_request(&request.id, &officer).await.unwrap().unwrap();
    assert_eq!(grant.state, GrantState::Pending, "a refused step changes nothing");

    enter(folder.path(), &fixture.store).await;
    let supplied = supply().await.unwrap();
    assert_eq!(supplied.state, RequestState::Supplied);
    let grant = fixture.exchange.grant_of_request(&request.id, &officer).await.unwrap().unwrap();
    assert_eq!(grant.state, GrantState::Active);
    let release = supplied.release.expect("it says what it rests on");
    assert_eq!(release.rule, "supply_on_proof");
    let kinds: Vec<&str> = release.cites.iter().map(|cited| cited.kind.as_str()).collect();
    assert_eq!(kinds, ["request.signed", "request.answered", "entry.published"]);
    // The release is an entry of its own, and each citation is the leaf that stands in the log.
    enter(folder.path(), &fixture.store).await;
    let told = fixture.store.outbox_list_by_object(&format!("urn:yihe:request:{}", request.id), 50).await.unwrap();
    let kinds: Vec<&str> = told.iter().rev().take(2).map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["request.supplied", "request.released"]);
    assert!(told[told.len() - 2].payload.contains(&release.cites[0].leaf_sha256));
    let view = gate(folder.path(), false).log;
    let head = view.head(TreeHash::Sha256).unwrap();
    for cited in &release.cites {
        let bytes = view.entry_bytes(cited.index, head.size).unwrap();
        assert_eq!(hex::encode(TreeHash::Sha256.leaf(&bytes)), cited.leaf_sha256, "{cited}");
        assert_eq!(view.entry(cited.index, head.size).unwrap().kind, cited.kind);
    }
    // The stored request tells the same after it was read again, and the next version is as promised.
    let read = fixture.exchange.find(&request.id, &actor(REQUESTER, Role::Officer)).await.unwrap().unwrap();
    assert_eq!((read.release, read.version), (Some(release), supplied.version));
}

async fn what_was_undone_since_holds_the_supply_back(mut fixture: Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let mut rule = gate(folder.path(), false);
    // A city that wants the answer never to have been sent back after it was signed by the requester.
    rule.rule.requires = vec!["request.signed".to_owned()];
    rule.rule.unless = vec!["request.answered".to_owned()];
    fixture.exchange = fixture.exchange.released_on_proof(Some(rule));
    let request = fixture.request_in(RequestState::Consented).await;
    enter(folder.path(), &fixture.store).await;
    let officer = actor(PROVIDER, Role::Officer);
    let held = fixture.exchange.step(&request.id, &sample(RequestStep::Supply), None, &officer, morning(9, 27)).await;
    let Err(ExchangeError::Undone { kind, index }) = held else { panic!("{held:?}") };
    assert_eq!(kind, "request.answered");
    assert!(index > 0);
}

async fn an_automatic_supply_begins_by_itself_once_it_is_proven(mut fixture: Fixture) {
    let folder = tempfile::tempdir().unwrap();
    enter(folder.path(), &fixture.store).await;
    fixture.exchange = fixture.exchange.released_on_proof(Some(gate(folder.path(), true)));
    let request = fixture.request_in(RequestState::Consented).await;
    let machine = Actor { department: AUTHORITY.to_owned(), ..Actor::system() };
    let none: [String; 0] = [];
    assert_eq!(fixture.exchange.release_sweep(&machine, morning(9, 27)).await.unwrap(), none);
    enter(folder.path(), &fixture.store).await;
    assert_eq!(
        fixture.exchange.release_sweep(&machine, morning(9, 27)).await.unwrap(),
        std::slice::from_ref(&request.id)
    );
    assert_eq!(fixture.exchange.release_sweep(&machine, morning(9, 27)).await.unwrap(), none, "once");
    let officer = actor(REQUESTER, Role::Officer);
    let grant = fixture.exchange.grant_of_request(&request.id, &officer).await.unwrap().unwrap();
    assert_eq!(grant.state, GrantState::Active);
    assert!(
        fixture
            .docket
            .items_of(&fixture.store, &format!("urn:yihe:request:{}", request.id), grant.valid_from)
            .await
            .unwrap()
            .iter()
            .all(|item| item.closed_at.is_some())
    );
}
