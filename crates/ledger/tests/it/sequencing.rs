//! From an outbox into the log, with rows that never fit and rows that come twice.

use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};
use yihe_ledger::{
    entry::{EntryDefect, PendingEntry},
    release::{Release, ReleaseRule, release_payload},
    sequencer::{Drained, HEARTBEAT_KIND, Outbox, Sequencer},
    tiles::TILE_WIDTH,
};

use crate::city::{assert_sound, entries, entry, open};

#[derive(Default)]
struct List {
    waiting: Vec<PendingEntry>,
    placed: Vec<(String, u64)>,
    refused: Vec<(String, String)>,
    /// Forgets an acknowledgement, as a crash before it would.
    forget: bool,
}

impl Outbox for List {
    type Error = Infallible;

    fn fetch(&mut self, limit: usize) -> Result<Vec<PendingEntry>, Infallible> {
        let done = |entry: &&PendingEntry| {
            !self.placed.iter().any(|(id, _)| *id == entry.id) && !self.refused.iter().any(|(id, _)| *id == entry.id)
        };
        Ok(self.waiting.iter().filter(done).take(limit).cloned().collect())
    }

    fn acknowledge(&mut self, placed: &[(String, u64)]) -> Result<(), Infallible> {
        if !std::mem::take(&mut self.forget) {
            self.placed.extend_from_slice(placed);
        }
        Ok(())
    }

    fn refuse(&mut self, entry_id: &str, defect: &EntryDefect) -> Result<(), Infallible> {
        self.refused.push((entry_id.to_owned(), defect.to_string()));
        Ok(())
    }
}

#[test]
fn a_drain_places_everything_once_and_sets_defective_rows_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    let mut outbox = List { waiting: entries(0..20), forget: true, ..List::default() };
    outbox.waiting[4].object = "urn:yihe:person:11010519491231002X".to_owned();
    let drained = Sequencer::default().drain(&mut ledger, &mut outbox).unwrap();
    // Acknowledged twice, because the first acknowledgement was lost; entered once.
    assert_eq!(drained, Drained { acknowledged: 38, refused: 1, more: false });
    assert_eq!(ledger.size(), 19);
    assert_eq!(outbox.placed.iter().map(|(_, index)| *index).collect::<Vec<_>>(), (0..19).collect::<Vec<_>>());
    assert!(outbox.refused[0].1.contains("citizen's number"));
    assert_sound(ledger.view());
}

#[test]
fn a_quiet_log_gives_a_sign_of_life_every_ten_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..1)).unwrap();
    let mut sequencer = Sequencer::default();
    let start: Timestamp = entry(0).at;
    let mut alive = |minutes| sequencer.keep_alive(&mut ledger, start + SignedDuration::from_mins(minutes)).unwrap();
    assert_eq!(
        [alive(1), alive(9), alive(10), alive(11), alive(19), alive(20)],
        [false, false, true, false, false, true]
    );
    assert_eq!(ledger.entry(2).unwrap().kind, HEARTBEAT_KIND);
    assert_sound(ledger.view());
}

fn about(kind: &str, number: u64) -> PendingEntry {
    PendingEntry { kind: kind.to_owned(), object: "urn:yihe:request:7".to_owned(), ..entry(number) }
}

#[test]
fn a_release_waits_for_its_entries_cites_them_and_is_held_back_by_what_undoes_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    let rule = ReleaseRule {
        releases: "supply.began".to_owned(),
        requires: vec!["request.signed".to_owned(), "request.authorised".to_owned(), "assessment.passed".to_owned()],
        unless: vec!["request.withdrawn".to_owned()],
    };
    let evaluate = |ledger: &yihe_ledger::ledger::Ledger| rule.evaluate(ledger, "urn:yihe:request:7").unwrap();
    ledger.append_batch(&[about("request.signed", 1), about("assessment.passed", 2)]).unwrap();
    assert_eq!(evaluate(&ledger), Release::Waiting { missing: vec!["request.authorised".to_owned()] });
    ledger.append_batch(&entries(10..10 + TILE_WIDTH)).unwrap();
    ledger.append_batch(&[about("request.authorised", 3)]).unwrap();
    let Release::Ready { citations } = evaluate(&ledger) else { panic!("all three exist") };
    assert_eq!(citations.iter().map(|cite| cite.index).collect::<Vec<_>>(), [0, 258, 1]);
    for cite in &citations {
        let root = ledger.root(cite.proof.hash);
        assert!(yihe_ledger::merkle::inclusion_holds(
            cite.proof.hash,
            &cite.leaf,
            cite.index,
            259,
            &cite.proof.hashes,
            &root
        ));
    }
    assert_eq!(release_payload("urn:yihe:request:7", &citations)["cites"][1]["index"], 258);
    ledger.append_batch(&[about("request.withdrawn", 4)]).unwrap();
    assert_eq!(evaluate(&ledger), Release::Undone { kind: "request.withdrawn".to_owned(), index: 259 });
    ledger.append_batch(&[about("request.signed", 5)]).unwrap();
    assert!(matches!(evaluate(&ledger), Release::Ready { .. }), "signed again after the withdrawal");
}
