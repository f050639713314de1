//! A small city's log: keys, entries and payloads that every test shares.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use yihe_ledger::{
    entry::PendingEntry,
    keys::{KeySeeds, LogKeys},
    ledger::{Ledger, LedgerOptions},
    seal::{Event, Salt, seal},
};

pub const ORIGIN: &str = "linyi.example/ledger";

pub fn seeds() -> KeySeeds {
    KeySeeds { ed25519: [7; 32], sm2: [9; 32] }
}

pub fn keys() -> LogKeys {
    LogKeys::new(ORIGIN, &seeds()).unwrap()
}

pub fn payload(number: u64) -> Value {
    json!({ "dataset": "population", "rows": number, "title": "人口基础信息" })
}

pub fn salt(number: u64) -> Salt {
    let mut salt = [0x5a; 32];
    salt[..8].copy_from_slice(&number.to_be_bytes());
    Salt(salt)
}

pub fn entry(number: u64) -> PendingEntry {
    let event = Event {
        id: &format!("0197a1b2-0000-7000-8000-{number:012x}"),
        kind: if number % 3 == 0 { "batch.landed" } else { "batch.checked" },
        at: Timestamp::from_second(1_795_300_000 + i64::try_from(number).unwrap()).unwrap(),
        actor: "account:42",
        org: "11371300004450123A",
        object: &format!("urn:yihe:batch:{}", number % 5),
        salt_id: &format!("s{number}"),
    };
    seal(&event, &payload(number), &salt(number)).unwrap()
}

pub fn entries(range: std::ops::Range<u64>) -> Vec<PendingEntry> {
    range.map(entry).collect()
}

/// A journal small enough that settles happen within a test.
pub fn small() -> LedgerOptions {
    LedgerOptions { journal_bytes: 128 << 10, ..LedgerOptions::default() }
}

pub fn open(dir: &Path) -> Ledger {
    Ledger::open_with(dir, keys(), small()).unwrap()
}
