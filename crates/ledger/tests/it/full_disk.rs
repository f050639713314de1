//! A disk that takes nothing more: refused, nothing lost, and everything goes on once there is room.

use std::{
    io,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use yihe_ledger::{
    disk::{Hazards, Step},
    error::LedgerError,
    ledger::{Ledger, LedgerOptions},
};

use crate::city::{self, assert_sound, entries, open};

/// Full from the n-th time on that a step comes; below zero, not full.
struct FullAt {
    step: Step,
    left: AtomicI64,
}

impl Hazards for FullAt {
    fn before(&self, step: Step, _: &Path) -> io::Result<()> {
        if step == self.step && self.left.load(Ordering::SeqCst) >= 0 && self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.left.store(0, Ordering::SeqCst);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[test]
fn whichever_step_finds_the_disk_full_the_same_calls_succeed_later() {
    for step in Step::ALL {
        for nth in [0, 1, 2] {
            let dir = tempfile::tempdir().unwrap();
            let hazards = Arc::new(FullAt { step, left: AtomicI64::new(-1) });
            let options = LedgerOptions { hazards: hazards.clone(), ..city::small() };
            let mut ledger = Ledger::open_with(dir.path(), city::keys(), options).unwrap();
            ledger.append_batch(&entries(0..10)).unwrap();
            hazards.left.store(nth, Ordering::SeqCst);
            let mut refused = 0;
            for number in 10..40 {
                match ledger.append_batch(&entries(number * 20..number * 20 + 20)) {
                    Ok(_) => {}
                    Err(LedgerError::Refused { .. } | LedgerError::Stalled { .. } | LedgerError::File { .. }) => {
                        refused += 1;
                    }
                    Err(other) => panic!("{step:?}: {other}"),
                }
            }
            if ledger.settle().is_err() {
                refused += 1;
            }
            assert!(refused > 0, "{step:?} was never refused");
            hazards.left.store(-1, Ordering::SeqCst);
            // The outbox sends everything again.
            let mut indexes = Vec::new();
            for number in 10..40 {
                indexes.extend(ledger.append_batch(&entries(number * 20..number * 20 + 20)).unwrap());
            }
            indexes.sort_unstable();
            assert_eq!(indexes, (10..610).collect::<Vec<_>>(), "{step:?}");
            ledger.settle().unwrap();
            assert_sound(ledger.view());
            drop(ledger);
            assert_eq!(open(dir.path()).size(), 610);
        }
    }
}

const FOLDER: &str = "YIHE_TEST_FULL_FOLDER";

/// Not a test of its own: the body of a process whose files may not grow beyond a megabyte or two.
/// The index is the first to want more.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let mut ledger = open(Path::new(&folder));
    let mut number = 0;
    let error = loop {
        assert!(number < 200_000, "the limit was never met");
        match ledger.append_batch(&entries(number..number + 200)) {
            Ok(_) => number += 200,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            LedgerError::Stalled { .. }
                | LedgerError::File { .. }
                | LedgerError::Refused { .. }
                | LedgerError::Index { .. }
        ),
        "{error}"
    );
    println!("refused after {number}");
}

#[test]
fn a_real_limit_of_the_system_refuses_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // The shell ignores the signal, so that writing answers with an error, as a full disk does.
    let script = "trap '' XFSZ; ulimit -f 2400; exec \"$0\" full_disk::child --exact --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged: u64 = told.lines().find_map(|line| line.strip_prefix("refused after ")?.parse().ok()).unwrap();
    assert!(acknowledged > 0);
    let ledger = open(dir.path());
    assert!(ledger.size() >= acknowledged);
    for number in 0..acknowledged {
        assert_eq!(ledger.index_of(&city::entry(number).id).unwrap(), Some(number));
    }
    assert_sound(ledger.view());
}
