//! Measures what people wait for: run by hand, figures go to `bench/ledger.md`.
//!
//! `measure [FOLDER] [ENTRIES]`: the folder should lie on the disk to be measured.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a program that prints figures, run by hand"
)]

use std::{
    fs::OpenOptions,
    io::{Seek as _, SeekFrom, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::json;
use yihe_ledger::{
    audit::{AuditOptions, audit},
    entry::PendingEntry,
    hashes::TreeHash,
    keys::{KeySeeds, LogKeys, Signer},
    ledger::{Ledger, LedgerOptions},
    merkle,
    policy::Policy,
    seal::{Event, Salt, seal},
    signature::Algorithm,
    verify::{Item, verify_item},
    witness::AddCheckpoint,
};

fn keys() -> LogKeys {
    LogKeys::new("linyi.example/ledger", &KeySeeds { ed25519: [7; 32], sm2: [9; 32] }).unwrap()
}

fn entry(number: u64) -> PendingEntry {
    let event = Event {
        id: &format!("0197a1b2-0000-7000-8000-{number:012x}"),
        kind: "supply.calls",
        at: Timestamp::from_millisecond(1_795_300_000_000 + i64::try_from(number).unwrap()).unwrap(),
        actor: "account:42",
        org: "11371300004450123A",
        object: &format!("urn:yihe:grant:0197a1b2-0000-7000-8000-{:012x}", number % 5_000),
        salt_id: &format!("0197a1b2-0000-7000-8000-{number:012x}"),
    };
    seal(&event, &json!({ "n": number }), &Salt([3; 32])).unwrap()
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1_000.0
}

fn told(name: &str, mut times: Vec<Duration>) {
    times.sort();
    println!(
        "{name}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, n {}",
        percentile(&times, 50),
        percentile(&times, 99),
        percentile(&times, 100),
        times.len()
    );
}

/// What one sync of the disk costs: 4 KiB written over and over.
fn sync_cost(folder: &Path) {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(folder.join("sync")).unwrap();
    file.write_all(&[0; 4096]).unwrap();
    file.sync_all().unwrap();
    let once = |file: &mut std::fs::File| {
        let start = Instant::now();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
        start.elapsed()
    };
    told("one fdatasync of the disk", (0..300).map(|_| once(&mut file)).collect());
}

fn append(ledger: &mut Ledger, entries: u64) {
    const BATCH: u64 = 2_000;
    let batches: Vec<Vec<PendingEntry>> =
        (0..entries / BATCH).map(|n| (n * BATCH..(n + 1) * BATCH).map(entry).collect()).collect();
    let start = Instant::now();
    let mut times = Vec::new();
    for batch in &batches {
        let at = Instant::now();
        ledger.append_batch(batch).unwrap();
        times.push(at.elapsed());
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "durable append, batches of {BATCH}, both trees: {:.0} entries/s ({entries} in {seconds:.1} s)",
        entries as f64 / seconds
    );
    told("  a batch, from hand-over to published checkpoint", times);
}

/// 10,000 entries a second offered, batches every 200 ms: how long does the oldest of a batch wait?
fn paced(ledger: &mut Ledger, from: u64) {
    let batches: Vec<Vec<PendingEntry>> =
        (0..60).map(|n| (from + n * 2_000..from + (n + 1) * 2_000).map(entry).collect()).collect();
    let start = Instant::now();
    let mut waits = Vec::new();
    for (n, batch) in (0_u32..).zip(&batches) {
        let opened = Duration::from_millis(200) * n;
        if let Some(rest) = (opened + Duration::from_millis(200)).checked_sub(start.elapsed()) {
            std::thread::sleep(rest);
        }
        ledger.append_batch(batch).unwrap();
        waits.push(start.elapsed().saturating_sub(opened));
    }
    told("10,000 entries/s offered, batches of 200 ms: oldest entry to published checkpoint", waits);
}

fn single(ledger: &mut Ledger, from: u64) {
    let entries: Vec<_> = (from..from + 1_000).map(|n| [entry(n)]).collect();
    let mut once = |one: &[PendingEntry]| {
        let at = Instant::now();
        ledger.append_batch(one).unwrap();
        at.elapsed()
    };
    told("single synchronous append", entries.iter().map(|one| once(one)).collect());
}

fn witnesses() -> Vec<Signer> {
    (1..=3)
        .map(|n| Signer::new(&format!("witness{n}.example"), Algorithm::Ed25519Cosignature, &[n; 32]).unwrap())
        .collect()
}

fn proofs(ledger: &mut Ledger) {
    let size = ledger.size();
    let witnesses = witnesses();
    let request = ledger.witness_request(TreeHash::Sha256, 0).unwrap();
    let text = AddCheckpoint::read(&request).unwrap().note.text;
    let mut policy = format!("log {}\n", ledger.view().trusted().of(TreeHash::Sha256)[0]);
    for (n, witness) in witnesses.iter().enumerate() {
        let answer = witness.sign(&text, 1_795_300_000).to_string();
        ledger
            .accept_cosignatures(TreeHash::Sha256, &request, &answer, std::slice::from_ref(witness.verifier()))
            .unwrap();
        policy += &format!("witness w{n} {}\n", witness.verifier());
    }
    let policy = Policy::read((policy + "group all3 all w0 w1 w2\nquorum all3\n").as_bytes()).unwrap();
    let picks: Vec<u64> = (0..500).map(|n| n * 7_919 % size).collect();
    let start = Instant::now();
    let proofs: Vec<_> = picks.iter().map(|index| ledger.prove(*index).unwrap()).collect();
    println!("make one proof from the files of {size} entries: {:.0} µs", start.elapsed().as_secs_f64() * 1e6 / 500.0);
    println!("proof file with 3 cosignatures: {} bytes", proofs[0].to_string().len());
    for hash in TreeHash::BOTH {
        let head = ledger.checkpoint(hash).unwrap();
        let proofs: Vec<_> =
            picks.iter().map(|index| (*index, ledger.view().prove_in(&head, *index).unwrap().hashes)).collect();
        let leaves: Vec<_> =
            picks.iter().map(|index| hash.leaf(&ledger.view().entry_bytes(*index, size).unwrap())).collect();
        let start = Instant::now();
        for _ in 0..20 {
            for ((index, path), leaf) in proofs.iter().zip(&leaves) {
                assert!(merkle::inclusion_holds(hash, leaf, *index, size, path, &head.root));
            }
        }
        println!(
            "verify one path of {} hashes, {}: {:.1} µs",
            proofs[0].1.len(),
            hash.name(),
            start.elapsed().as_secs_f64() * 1e6 / 10_000.0
        );
    }
    let items: Vec<Item> = picks
        .iter()
        .map(|index| Item { entry: ledger.entry(*index).unwrap(), payload: None, salt: None, call: None })
        .collect();
    let start = Instant::now();
    for (proof, item) in proofs.iter().zip(items) {
        verify_item(&policy, proof, item).unwrap();
    }
    println!(
        "verify a whole proof with one log signature and three cosignatures: {:.0} µs",
        start.elapsed().as_secs_f64() * 1e6 / 500.0
    );
}

/// Seconds of processor time this process has used, in all its threads: what a core can do, however
/// many others share it. Linux counts in hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name in brackets may hold blanks; user and system time are the 14th and 15th fields.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn audits(ledger: &Ledger) {
    for threads in [1, 2] {
        let witnesses = witnesses().iter().map(|witness| witness.verifier().clone()).collect();
        let options =
            AuditOptions { witnesses, threads: NonZeroUsize::new(threads).unwrap(), ..AuditOptions::default() };
        let (start, used) = (Instant::now(), processor_seconds());
        let report = audit(ledger.view(), &options, &mut |_| {});
        assert!(report.is_sound(), "{report:?}");
        let rate = report.entries as f64 / start.elapsed().as_secs_f64();
        let per_core = report.entries as f64 / (processor_seconds() - used);
        println!(
            "full audit, both trees, {threads} thread(s): {rate:.0} entries/s by the wall, {per_core:.0} entries per \
             second of a core's time"
        );
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("yihe-ledger-measure"), PathBuf::from);
    let entries: u64 = arguments.next().map_or(400_000, |text| text.parse().unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    sync_cost(&folder);
    let mut ledger = Ledger::open_with(&folder.join("log"), keys(), LedgerOptions::default()).unwrap();
    append(&mut ledger, entries);
    paced(&mut ledger, entries);
    single(&mut ledger, entries + 120_000);
    let at = Instant::now();
    ledger.settle().unwrap();
    println!("settle: {:.0} ms", at.elapsed().as_secs_f64() * 1_000.0);
    proofs(&mut ledger);
    audits(&ledger);
    drop(ledger);
    let at = Instant::now();
    drop(Ledger::open_with(&folder.join("log"), keys(), LedgerOptions::default()).unwrap());
    println!("open again: {:.0} ms", at.elapsed().as_secs_f64() * 1_000.0);
    std::fs::remove_dir_all(&folder).unwrap();
}
