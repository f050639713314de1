//! A small city's log: keys, entries and payloads that every test shares.

use std::{num::NonZeroUsize, path::Path};

use jiff::Timestamp;
use serde_json::{Value, json};
use yihe_ledger::{
    audit::{AuditOptions, Report, audit},
    entry::PendingEntry,
    fault::Fault,
    hashes::TreeHash,
    keys::{KeySeeds, LogKeys, Signer},
    ledger::{Ledger, LedgerOptions},
    seal::{Event, Salt, seal},
    signature::Algorithm,
    verify::Item,
    view::LogView,
    witness::AddCheckpoint,
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
        kind: if number.is_multiple_of(3) { "batch.landed" } else { "batch.checked" },
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

/// A cosigner of the Ed25519 kind.
pub fn witness(number: u8) -> Signer {
    Signer::new(&format!("witness{number}.example"), Algorithm::Ed25519Cosignature, &[number; 32]).unwrap()
}

/// A cosigner of the SM2 kind.
pub fn sm2_witness(number: u8) -> Signer {
    Signer::new(&format!("witness{number}.example/sm2"), Algorithm::Sm2Cosignature, &[number; 32]).unwrap()
}

/// The province and any one of two others.
pub fn policy_text() -> String {
    let trusted = keys().trusted().clone();
    let mut text = format!("log {}\nlog {}\n", trusted.of(TreeHash::Sha256)[0], trusted.of(TreeHash::Sm3)[0]);
    for (name, number) in [("province", 1), ("audit-office", 2), ("county", 3)] {
        text += &format!("witness {name} {}\n", witness(number).verifier());
    }
    text + "group others any audit-office county\ngroup enough all province others\nquorum enough\n"
}

/// Believes the log's own signatures, of either tree, without witnesses.
pub fn plain_policy_text() -> String {
    let trusted = keys().trusted().clone();
    format!("log {}\nlog {}\nquorum none\n", trusted.of(TreeHash::Sha256)[0], trusted.of(TreeHash::Sm3)[0])
}

/// Sends the present head to the witnesses and takes their answers.
pub fn have_cosigned(ledger: &mut Ledger, hash: TreeHash, witnesses: &[Signer]) {
    let request = ledger.witness_request(hash, 0).unwrap();
    let text = AddCheckpoint::read(&request).unwrap().note.text;
    for witness in witnesses {
        let answer = witness.sign(&text, 1_795_300_123).to_string();
        ledger.accept_cosignatures(hash, &request, &answer, std::slice::from_ref(witness.verifier())).unwrap();
    }
}

pub fn audit_with(view: &LogView, witnesses: &[Signer]) -> Report {
    let options = AuditOptions {
        witnesses: witnesses.iter().map(|witness| witness.verifier().clone()).collect(),
        threads: NonZeroUsize::MIN,
        ..AuditOptions::default()
    };
    audit(view, &options, &mut |_| {})
}

pub fn assert_sound(view: &LogView) {
    let report = audit_with(view, &[]);
    assert!(report.is_sound(), "{:#?}", report.faults.iter().map(Fault::sentence_en).collect::<Vec<_>>());
}

/// The item file of an entry made by [`entry`].
pub fn item(ledger: &Ledger, index: u64, number: u64) -> Item {
    Item { entry: ledger.entry(index).unwrap(), payload: Some(payload(number)), salt: Some(salt(number)), call: None }
}
