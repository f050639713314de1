//! Witnesses: every answer of the specification, races, restarts, and files carried by hand.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use yihe_ledger::{
    audit::Report,
    checkpoint::Checkpoint,
    hashes::TreeHash,
    ledger::{POOL_MAX, awaiting_quorum},
    note::Note,
    policy::Policy,
    view::LogView,
    witness::{AddCheckpoint, WitnessState, WitnessedLog},
};

use crate::city::{self, ORIGIN, audit_with, entries, keys, open};

const NOW: u64 = 1_795_300_000;

fn watched() -> Vec<WitnessedLog> {
    let trusted = keys().trusted().clone();
    vec![
        WitnessedLog { origin: ORIGIN.to_owned(), keys: trusted.of(TreeHash::Sha256) },
        WitnessedLog { origin: format!("{ORIGIN}/sm3"), keys: trusted.of(TreeHash::Sm3) },
    ]
}

fn witness(folder: &std::path::Path) -> WitnessState {
    WitnessState::open(folder, vec![city::witness(1), city::sm2_witness(1)], watched()).unwrap()
}

fn checkpoint(size: u64, root: [u8; 32]) -> String {
    keys().sign_checkpoint(TreeHash::Sha256, size, root).to_string()
}

#[test]
fn a_log_that_grows_is_cosigned_and_every_other_request_is_answered_as_the_specification_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    let mut state = witness(&dir.path().join("witness"));
    ledger.append_batch(&entries(0..5)).unwrap();
    let first = ledger.witness_request(TreeHash::Sha256, 0).unwrap();
    let answer = state.handle_add_checkpoint(&first, NOW);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let verifier = city::witness(1).verifier().clone();
    assert_eq!(
        ledger.accept_cosignatures(TreeHash::Sha256, &first, &answer.body, std::slice::from_ref(&verifier)).unwrap(),
        1
    );
    // The very same again: now the old size is stale.
    let stale = state.handle_add_checkpoint(&first, NOW);
    assert_eq!((stale.status, stale.content_type, stale.body.as_str()), (409, "text/x.tlog.size", "5\n"));
    ledger.append_batch(&entries(5..300)).unwrap();
    let good = ledger.witness_request(TreeHash::Sha256, 5).unwrap();
    let mut status = |body: &str| state.handle_add_checkpoint(body, NOW).status;
    // Malformed.
    for body in [
        "",
        "old 5\n",
        "old 05\n\n",
        "new 5\n\nx",
        &good.replace("old 5", "old 5 "),
        &good.replace("old 5\n", "old 5\nAAAA\n"),
        &good.replacen("\n\n", "\n", 1),
    ] {
        assert_eq!(status(body), 400, "{body}");
    }
    let many =
        format!("old 5\n{}\n{}", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(64), checkpoint(300, [0; 32]));
    assert_eq!(status(&many), 400);
    assert_eq!(status(&AddCheckpoint::body(301, &[], &checkpoint(300, [0; 32]))), 400, "old beyond the checkpoint");
    // Unknown origin.
    let stranger = yihe_ledger::keys::LogKeys::new("stranger.example/log", &city::seeds()).unwrap();
    assert_eq!(
        status(&AddCheckpoint::body(5, &[], &stranger.sign_checkpoint(TreeHash::Sha256, 9, [0; 32]).to_string())),
        404
    );
    // A known key's line that does not hold; no known key at all.
    let mut forged: Note = checkpoint(300, [0; 32]).parse().unwrap();
    forged.signatures[0].signature[0] ^= 1;
    assert_eq!(status(&AddCheckpoint::body(5, &[], &forged.to_string())), 403);
    forged.signatures[0].key_id ^= 1;
    assert_eq!(status(&AddCheckpoint::body(5, &[], &forged.to_string())), 403);
    // Signed by the log itself, but leading elsewhere: the fork that a witness is for.
    let read = AddCheckpoint::read(&good).unwrap();
    assert_eq!(status(&AddCheckpoint::body(5, &read.proof, &checkpoint(300, [9; 32]))), 422);
    assert_eq!(status(&AddCheckpoint::body(5, &read.proof[1..], &read.note.to_string())), 422);
    assert_eq!(status(&AddCheckpoint::body(5, &[], &checkpoint(5, [9; 32]))), 422, "same size, other root");
    // None of these moved the record.
    assert_eq!(status(&good), 200);
    assert_eq!(
        status(&ledger.witness_request(TreeHash::Sha256, 300).unwrap()),
        200,
        "the same head again is cosigned again"
    );
}

#[test]
fn an_empty_log_must_have_the_root_of_no_bytes_and_needs_no_proof() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = witness(dir.path());
    let empty = TreeHash::Sha256.empty();
    assert_eq!(state.handle_add_checkpoint(&AddCheckpoint::body(0, &[], &checkpoint(0, [1; 32])), NOW).status, 422);
    assert_eq!(
        state.handle_add_checkpoint(&AddCheckpoint::body(0, &[[1; 32]], &checkpoint(0, empty)), NOW).status,
        422
    );
    assert_eq!(
        state.handle_add_checkpoint(&AddCheckpoint::body(0, &[[1; 32]], &checkpoint(7, [1; 32])), NOW).status,
        422
    );
    assert_eq!(state.handle_add_checkpoint(&AddCheckpoint::body(0, &[], &checkpoint(0, empty)), NOW).status, 200);
    assert_eq!(state.handle_add_checkpoint(&AddCheckpoint::body(0, &[], &checkpoint(7, [1; 32])), NOW).status, 200);
}

#[test]
fn a_witness_remembers_across_restarts_and_serves_what_it_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    ledger.append_batch(&entries(0..5)).unwrap();
    let folder = dir.path().join("witness");
    let mut state = witness(&folder);
    for hash in TreeHash::BOTH {
        assert_eq!(state.handle_add_checkpoint(&ledger.witness_request(hash, 0).unwrap(), NOW).status, 200);
    }
    assert!(WitnessState::open(&folder, vec![city::witness(1)], watched()).is_err(), "one witness process per folder");
    drop(state);
    let mut state = witness(&folder);
    assert_eq!(state.handle_add_checkpoint(&ledger.witness_request(TreeHash::Sha256, 0).unwrap(), NOW).body, "5\n");
    let origin_hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(ORIGIN));
    let served: Note = state.latest(&origin_hash).unwrap().parse().unwrap();
    assert_eq!(served.text.parse::<Checkpoint>().unwrap().size, 5);
    assert!(served.verify(&keys().trusted().of(TreeHash::Sha256)).is_ok());
    assert_eq!(served.verify(&[city::witness(1).verifier().clone()]).unwrap()[0].cosigned_at, Some(NOW));
    assert_eq!(state.latest("00"), None);
}

/// The race the specification spells out: two requests from one old size must not both succeed.
#[test]
fn of_requests_racing_from_one_size_exactly_one_is_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    let mut bodies = Vec::new();
    ledger.append_batch(&entries(0..4)).unwrap();
    let start = ledger.witness_request(TreeHash::Sha256, 0).unwrap();
    for number in 4..24 {
        ledger.append_batch(&entries(number..number + 1)).unwrap();
        bodies.push(ledger.witness_request(TreeHash::Sha256, 4).unwrap());
    }
    for round in 0..10 {
        let folder = dir.path().join(format!("witness{round}"));
        let state = Arc::new(Mutex::new(witness(&folder)));
        assert_eq!(state.lock().unwrap().handle_add_checkpoint(&start, NOW).status, 200);
        let workers: Vec<_> = bodies
            .iter()
            .cloned()
            .map(|body| {
                let state = state.clone();
                thread::spawn(move || {
                    (
                        AddCheckpoint::read(&body).unwrap().checkpoint.size,
                        state.lock().unwrap().handle_add_checkpoint(&body, NOW),
                    )
                })
            })
            .collect();
        let answers: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        let cosigned: Vec<u64> =
            answers.iter().filter(|(_, answer)| answer.status == 200).map(|(size, _)| *size).collect();
        assert_eq!(cosigned.len(), 1);
        assert!(answers.iter().all(|(_, answer)| answer.status == 200 || answer.body == format!("{}\n", cosigned[0])));
    }
}

#[test]
fn files_carried_by_hand_reach_the_quorum_in_both_trees() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    ledger.append_batch(&entries(0..9)).unwrap();
    let mut province = witness(&dir.path().join("province"));
    for (hash, signer) in [(TreeHash::Sha256, city::witness(1)), (TreeHash::Sm3, city::sm2_witness(1))] {
        let out = dir.path().join("request.txt");
        std::fs::write(&out, ledger.witness_request(hash, 0).unwrap()).unwrap();
        let carried = std::fs::read_to_string(&out).unwrap();
        let back = dir.path().join("answer.txt");
        std::fs::write(&back, province.handle_add_checkpoint(&carried, NOW).body).unwrap();
        // Meanwhile the log has grown; the answer is still good for what was cosigned.
        ledger.append_batch(&entries(ledger.size()..ledger.size() + 3)).unwrap();
        let answer = std::fs::read_to_string(&back).unwrap();
        let known = [signer.verifier().clone()];
        assert_eq!(ledger.accept_cosignatures(hash, &carried, &answer, &known).unwrap(), 1);
        let mut altered = answer.clone();
        altered.replace_range(60..61, if &answer[60..61] == "A" { "B" } else { "A" });
        assert!(ledger.accept_cosignatures(hash, &carried, &altered, &known).is_err());
        assert!(ledger.accept_cosignatures(hash, &carried, &answer, &[city::witness(7).verifier().clone()]).is_err());
        let policy = format!("log {}\nwitness p {}\nquorum p\n", keys().trusted().of(hash)[0], signer.verifier());
        let head = ledger.view().witnessed_head(hash).unwrap().unwrap();
        let accepted = Policy::read(policy.as_bytes()).unwrap().accept(&head.note).unwrap();
        assert_eq!((accepted.hash, accepted.witnesses), (hash, vec![("p".to_owned(), NOW)]));
    }
    let report: Report = audit_with(
        &LogView::new(ledger.view().folder(), keys().trusted().clone()),
        &[city::witness(1), city::sm2_witness(1)],
    );
    assert!(report.is_sound(), "{:#?}", report.faults);
}

/// What `yihe serve` does: answers come one by one, and only a quorum is published.
#[test]
fn a_checkpoint_is_published_as_witnessed_only_with_its_quorum_and_never_replaced_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ledger");
    let mut ledger = open(&log);
    let hash = TreeHash::Sha256;
    let mut near = WitnessState::open(&dir.path().join("near"), vec![city::witness(1)], watched()).unwrap();
    let mut far = WitnessState::open(&dir.path().join("far"), vec![city::witness(2)], watched()).unwrap();
    let policy = format!(
        "log {}\nwitness near {}\nwitness far {}\ngroup both all near far\nquorum both\n",
        keys().trusted().of(hash)[0],
        city::witness(1).verifier(),
        city::witness(2).verifier()
    );
    let policy = Policy::read(policy.as_bytes()).unwrap();

    ledger.append_batch(&entries(0..5)).unwrap();
    let first = ledger.witness_request(hash, 0).unwrap();
    let answer = near.handle_add_checkpoint(&first, NOW).body;
    let taken = ledger.collect_cosignatures(hash, &first, &answer, &policy).unwrap();
    assert_eq!((taken.size, taken.cosignatures, taken.quorum), (5, 1, false));
    assert!(ledger.view().witnessed_head(hash).unwrap().is_none(), "one of two is no quorum");
    // The log grows, the near witness goes on; the carried answer is about the older checkpoint.
    ledger.append_batch(&entries(5..9)).unwrap();
    let second = ledger.witness_request(hash, 5).unwrap();
    let answer = near.handle_add_checkpoint(&second, NOW).body;
    assert!(!ledger.collect_cosignatures(hash, &second, &answer, &policy).unwrap().quorum);
    let waiting = awaiting_quorum(&log, ledger.view(), hash).unwrap().unwrap();
    assert_eq!(waiting.size, 9, "the newest that waits is the one to carry");
    // Everything survives a restart.
    ledger.close().unwrap();
    let mut ledger = open(&log);
    let answer = far.handle_add_checkpoint(&first, NOW).body;
    let taken = ledger.collect_cosignatures(hash, &first, &answer, &policy).unwrap();
    assert_eq!((taken.size, taken.cosignatures, taken.quorum), (5, 2, true));
    let witnessed = ledger.view().witnessed_head(hash).unwrap().unwrap();
    assert_eq!(witnessed.size, 5);
    assert_eq!(policy.accept(&witnessed.note).unwrap().witnesses.len(), 2);
    // The newer one still waits; without the far witness it does not take the place of the older.
    assert_eq!(awaiting_quorum(&log, ledger.view(), hash).unwrap().unwrap().size, 9);
    ledger.append_batch(&entries(9..12)).unwrap();
    let third = ledger.witness_request(hash, 9).unwrap();
    let answer = near.handle_add_checkpoint(&third, NOW).body;
    assert!(!ledger.collect_cosignatures(hash, &third, &answer, &policy).unwrap().quorum);
    assert_eq!(ledger.view().witnessed_head(hash).unwrap().unwrap().size, 5);
    let request = ledger.view().witness_request(&ledger.checkpoint(hash).unwrap(), 5).unwrap();
    let answer = far.handle_add_checkpoint(&request, NOW).body;
    assert!(ledger.collect_cosignatures(hash, &request, &answer, &policy).unwrap().quorum);
    assert_eq!(ledger.view().witnessed_head(hash).unwrap().unwrap().size, 12);
    assert!(awaiting_quorum(&log, ledger.view(), hash).unwrap().is_none(), "what is older is forgotten");
    // A late answer about an older checkpoint changes nothing; one that does not hold is refused.
    let stale = ledger.collect_cosignatures(hash, &first, &near_again(&first), &policy).unwrap();
    assert_eq!(stale.size, 5);
    assert_eq!(ledger.view().witnessed_head(hash).unwrap().unwrap().size, 12);
    assert!(ledger.collect_cosignatures(hash, &third, &near_again(&first), &policy).is_err());
    let report: Report = audit_with(ledger.view(), &[city::witness(1), city::witness(2)]);
    assert!(report.is_sound(), "{:#?}", report.faults);
}

/// The first witness's signature line over the checkpoint of a request.
fn near_again(request: &str) -> String {
    city::witness(1).sign(&AddCheckpoint::read(request).unwrap().note.text, NOW).to_string()
}

#[test]
fn checkpoints_that_wait_for_a_quorum_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ledger");
    let mut ledger = open(&log);
    let hash = TreeHash::Sha256;
    let policy = format!(
        "log {}\nwitness near {}\nwitness far {}\ngroup both all near far\nquorum both\n",
        keys().trusted().of(hash)[0],
        city::witness(1).verifier(),
        city::witness(2).verifier()
    );
    let policy = Policy::read(policy.as_bytes()).unwrap();
    for number in 0..POOL_MAX as u64 + 9 {
        ledger.append_batch(&entries(number..number + 1)).unwrap();
        let request = ledger.witness_request(hash, number).unwrap();
        ledger.collect_cosignatures(hash, &request, &near_again(&request), &policy).unwrap();
    }
    assert_eq!(std::fs::read_dir(log.join("state").join("cosigned")).unwrap().count(), POOL_MAX);
    assert_eq!(awaiting_quorum(&log, ledger.view(), hash).unwrap().unwrap().size, POOL_MAX as u64 + 9);
}
