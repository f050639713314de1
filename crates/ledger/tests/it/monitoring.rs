//! The database held against the log, and silence.

use std::{convert::Infallible, num::NonZeroUsize};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use yihe_ledger::{
    audit::AuditOptions,
    ledger::Ledger,
    monitor::{DatabaseRow, DatabaseView, MonitorOptions, MonitorReport, ObjectNow, RowFault, Silence, monitor},
};

use crate::city::{entries, entry, open, payload, salt};

struct Rows(Vec<DatabaseRow>, Vec<String>);

impl DatabaseView for Rows {
    type Error = Infallible;

    fn rows(&mut self) -> Box<dyn Iterator<Item = Result<DatabaseRow, Infallible>> + '_> {
        Box::new(self.0.iter().cloned().map(Ok))
    }

    fn unrecorded(&mut self) -> Result<Vec<String>, Infallible> {
        Ok(self.1.clone())
    }
}

fn rows(count: u64) -> Rows {
    let row = |number: u64| {
        let pending = entry(number);
        DatabaseRow {
            name: format!("outbox {}", pending.id),
            entry_id: pending.id.clone(),
            object: pending.object,
            kind: pending.kind,
            index: Some(number),
            payload: payload(number),
            salt: Some(salt(number)),
            now: if number + 5 < count { ObjectNow::Superseded } else { ObjectNow::Is(payload(number)) },
        }
    };
    Rows((0..count).map(row).collect(), Vec::new())
}

fn run(ledger: &Ledger, database: &mut Rows, now: Timestamp) -> MonitorReport {
    let options = MonitorOptions {
        audit: AuditOptions { threads: NonZeroUsize::MIN, ..AuditOptions::default() },
        silence_after: SignedDuration::from_mins(15),
        now,
    };
    monitor(ledger.view(), database, &options, &mut |_| {}).unwrap()
}

#[test]
fn every_way_of_changing_the_database_behind_the_application_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..300)).unwrap();
    let now = entry(299).at;
    let sound = run(&ledger, &mut rows(300), now);
    assert!(sound.is_sound(), "{:#?}", sound.row_faults);
    assert_eq!((sound.rows, sound.erased, sound.pending, sound.silences.len()), (300, 0, 0, 0));

    let faults = |change: &dyn Fn(&mut Rows)| {
        let mut database = rows(300);
        change(&mut database);
        run(&ledger, &mut database, now).row_faults
    };
    let name = |number: u64| format!("outbox {}", entry(number).id);
    let object = |number: u64| entry(number).object;
    let changed = faults(&|database| {
        database.0[297].now =
            ObjectNow::Is(json!({"dataset": "population", "rows": 1, "note": "x", "title": "人口基础信息"}));
    });
    assert_eq!(
        changed,
        [RowFault::Object {
            row: name(297),
            object: object(297),
            index: 297,
            fields: vec!["note".to_owned(), "rows".to_owned()]
        }]
    );
    assert_eq!(
        faults(&|database| database.0[296].now = ObjectNow::Gone),
        [RowFault::Gone { row: name(296), object: object(296), index: 296 }]
    );
    assert_eq!(
        faults(&|database| database.0[100].payload = Value::Null),
        [RowFault::Payload { row: name(100), index: 100 }]
    );
    assert_eq!(
        faults(&|database| database.0[100].salt = Some(salt(101))),
        [RowFault::Payload { row: name(100), index: 100 }]
    );
    let removed = faults(&|database| drop(database.0.remove(100)));
    assert_eq!(removed, [RowFault::NoRow { index: 100, kind: entry(100).kind, object: object(100) }]);
    let moved = faults(&|database| database.0[100].index = Some(101));
    assert_eq!(moved.len(), 3, "{moved:#?}");
    assert!(
        matches!(&moved[0], RowFault::Elsewhere { index: 101, .. })
            && matches!(&moved[1], RowFault::Twice { index: 101, .. })
            && matches!(&moved[2], RowFault::NoRow { index: 100, .. })
    );
    let invented = faults(&|database| database.0.push(DatabaseRow { index: Some(300), ..database.0[0].clone() }));
    assert_eq!(invented, [RowFault::NoEntry { row: name(0), index: 300, size: 300 }]);
    assert_eq!(
        faults(&|database| database.1.push("urn:yihe:grant:x".to_owned())),
        [RowFault::Unrecorded { object: "urn:yihe:grant:x".to_owned() }]
    );
    for fault in changed.iter().chain(&removed).chain(&moved).chain(&invented) {
        assert!(!fault.sentence_zh().is_empty() && !fault.sentence_en().is_empty());
    }
}

#[test]
fn a_destroyed_salt_and_a_waiting_row_are_counted_and_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..10)).unwrap();
    let mut database = rows(10);
    database.0[3].salt = None;
    // Entered, but its acknowledgement is still on the way.
    database.0[7].index = None;
    let report = run(&ledger, &mut database, entry(9).at);
    assert!(report.is_sound(), "{:#?}", report.row_faults);
    assert_eq!((report.erased, report.pending), (1, 1));
}

#[test]
fn silence_between_entries_and_until_now_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    let mut batch = entries(0..6);
    for late in &mut batch[4..] {
        late.at += SignedDuration::from_hours(2);
    }
    ledger.append_batch(&batch).unwrap();
    let now = batch[5].at + SignedDuration::from_mins(16);
    let report = run(&ledger, &mut rows(6), now);
    let expected = [
        Silence { before: 4, from: batch[3].at, until: batch[4].at },
        Silence { before: 6, from: batch[5].at, until: now },
    ];
    assert_eq!(report.silences, expected);
    assert!(report.is_sound(), "an alarm is not a fault");
    assert!(report.silences[0].sentence_zh().contains('4') && report.silences[0].sentence_en().contains('4'));
}
