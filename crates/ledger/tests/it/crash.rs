//! Processes that die at every step of writing, thousands of times.
//!
//! The child appends from a list of numbers (the outbox) and writes down what was acknowledged; a
//! hook ends it without any clean-up at the n-th step, or the parent kills it. However it ends, what
//! was acknowledged stands where it was acknowledged, and nothing stands twice.

use std::{
    collections::HashMap,
    env, fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use yihe_ledger::{
    disk::{Hazards, Step},
    ledger::{Ledger, LedgerOptions},
};

use crate::city::{self, assert_sound, entries, open};

const FOLDER: &str = "YIHE_TEST_CRASH_FOLDER";
const DIE_AT: &str = "YIHE_TEST_CRASH_STEP";
/// How often processes die in a test run; a thorough run sets it to 1000 and more.
const ROUNDS: &str = "YIHE_TEST_CRASH_ROUNDS";

struct DieAt(AtomicU64);

impl Hazards for DieAt {
    fn before(&self, _: Step, _: &Path) -> std::io::Result<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            // No destructor, no flush: as `kill -9`.
            std::process::abort();
        }
        Ok(())
    }
}

fn acknowledged(folder: &Path) -> HashMap<u64, u64> {
    let text = fs::read_to_string(folder.join("acknowledged")).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    // The last line may be torn: then it was not acknowledged.
    pairs.filter_map(|(number, index)| Some((number.parse().ok()?, index.strip_suffix('.')?.parse().ok()?))).collect()
}

/// Not a test of its own: the body of the process that dies.
#[test]
fn child() {
    let (Ok(folder), Ok(step)) = (env::var(FOLDER), env::var(DIE_AT)) else { return };
    let folder = Path::new(&folder);
    let hazards = Arc::new(DieAt(AtomicU64::new(step.parse().unwrap())));
    let options = LedgerOptions { hazards, ..city::small() };
    let mut ledger = Ledger::open_with(&folder.join("ledger"), city::keys(), options).unwrap();
    let mut done = acknowledged(folder).len() as u64;
    let mut file = fs::OpenOptions::new().append(true).create(true).open(folder.join("acknowledged")).unwrap();
    // Ends the torn line of an earlier death.
    file.write_all(b"\n").unwrap();
    for turn in 0_u64.. {
        let batch = entries(done..done + [1, 3, 60, 7, 130][usize::try_from(turn % 5).unwrap()]);
        let indexes = ledger.append_batch(&batch).unwrap();
        let mut lines = String::new();
        for (number, index) in (done..).zip(&indexes) {
            lines.push_str(&format!("{number} {index}.\n"));
        }
        file.write_all(lines.as_bytes()).unwrap();
        done += batch.len() as u64;
        if done > 20_000 {
            return;
        }
    }
}

fn spawn(folder: &Path, step: u64) -> std::process::Child {
    Command::new(env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(DIE_AT, step.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Everything acknowledged stands where it was acknowledged; nothing stands twice.
fn check(folder: &Path) -> u64 {
    let ledger = open(&folder.join("ledger"));
    let mut places: HashMap<String, u64> = HashMap::new();
    for index in 0..ledger.size() {
        let id = ledger.entry(index).unwrap().id;
        assert_eq!(places.insert(id, index), None, "entry {index} stands twice");
    }
    for (number, index) in acknowledged(folder) {
        assert_eq!(places.get(&city::entry(number).id), Some(&index), "number {number} was acknowledged at {index}");
    }
    assert_sound(ledger.view());
    ledger.size()
}

fn rounds() -> u64 {
    env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(120)
}

#[test]
fn dying_at_every_step_loses_nothing_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = dir.path().join("0");
    fs::create_dir(&folder).unwrap();
    let mut last = 0;
    for round in 0..rounds() {
        // 1, 2, 3, … walks through every kind of step, among them all of a settle; the stride
        // reaches later batches.
        let step = 1 + round % 97 + (round / 97) * 13;
        assert!(!spawn(&folder, step).wait().unwrap().success(), "the child was to die at step {step}");
        if round % 20 == 19 {
            let size = check(&folder);
            assert!(size >= last);
            last = size;
            if size > 8_000 {
                folder = dir.path().join(round.to_string());
                fs::create_dir(&folder).unwrap();
                last = 0;
            }
        }
    }
    check(&folder);
}

#[test]
fn being_killed_at_any_moment_loses_nothing_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..rounds() / 4 {
        let mut child = spawn(dir.path(), u64::MAX);
        thread::sleep(Duration::from_micros(8_000 + round * 1_733 % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 10 == 9 {
            check(dir.path());
        }
    }
    check(dir.path());
}
