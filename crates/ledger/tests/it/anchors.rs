//! Anchors: a folder elsewhere, and OpenSSL's `ts` as a time-stamping authority.

use std::{fs, io, path::Path, process::Command};

use yihe_ledger::{
    anchor::{Anchor, AnchorError, FileAnchor, Rfc3161Anchor},
    export::export,
    hashes::TreeHash,
    keys::{KeySeeds, LogKeys, rotation_payload},
    ledger::Ledger,
    seal::{Event, Salt, seal},
    view::LogView,
};

use crate::city::{self, ORIGIN, assert_sound, entries, entry, open};

#[test]
fn a_folder_keeps_checkpoints_and_notices_a_fork() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    ledger.append_batch(&entries(0..4)).unwrap();
    let mut anchor = FileAnchor::new(&dir.path().join("elsewhere"));
    let note = ledger.checkpoint(TreeHash::Sha256).unwrap().note;
    let receipt = anchor.anchor(&note).unwrap();
    assert_eq!(fs::read_to_string(&receipt.files[0]).unwrap(), note);
    assert!(anchor.anchor(&note).is_ok(), "the same again is fine");
    let fork = city::keys().sign_checkpoint(TreeHash::Sha256, 4, [1; 32]).to_string();
    assert!(matches!(anchor.anchor(&fork), Err(AnchorError::Forked { .. })));
    assert!(matches!(anchor.anchor("x"), Err(AnchorError::Checkpoint)));
}

fn openssl(folder: &Path, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output();
    let output =
        output.map_err(|error| io::Error::other(format!("openssl is needed: apt-get install -y openssl ({error})")))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

const AUTHORITY: &str = "\
[ req ]
distinguished_name = name
[ name ]
[ tsa ]
default_tsa = one
[ one ]
serial = ./serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
[ ext ]
extendedKeyUsage = critical,timeStamping
basicConstraints = critical,CA:true
";

fn authority(folder: &Path) {
    fs::write(folder.join("tsa.cnf"), AUTHORITY).unwrap();
    fs::write(folder.join("serial"), "01").unwrap();
    let request = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "tsa.key",
        "-out",
        "tsa.pem",
        "-days",
        "30",
        "-subj",
        "/CN=time",
        "-config",
        "tsa.cnf",
        "-extensions",
        "ext",
    ];
    openssl(folder, &request).unwrap();
}

#[test]
fn a_time_stamp_is_asked_for_checked_and_verifies_with_openssl() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_owned();
    authority(&folder);
    let mut ledger = open(&folder.join("ledger"));
    ledger.append_batch(&entries(0..4)).unwrap();
    let note = ledger.checkpoint(TreeHash::Sha256).unwrap().note;
    let at = folder.clone();
    let transport = move |query: &[u8]| {
        fs::write(at.join("query.tsq"), query)?;
        openssl(
            &at,
            &[
                "ts",
                "-reply",
                "-config",
                "tsa.cnf",
                "-queryfile",
                "query.tsq",
                "-signer",
                "tsa.pem",
                "-inkey",
                "tsa.key",
                "-out",
                "reply.tsr",
            ],
        )?;
        fs::read(at.join("reply.tsr"))
    };
    let mut anchor = Rfc3161Anchor::new(&folder.join("stamps"), Box::new(transport), 0xf123_4567_89ab_cdef);
    let receipt = anchor.anchor(&note).unwrap();
    assert!(receipt.seen_at.unwrap().ends_with('Z'));
    let [data, reply] = [&receipt.files[0], &receipt.files[1]].map(|path| path.to_str().unwrap());
    openssl(&folder, &["ts", "-verify", "-data", data, "-in", reply, "-CAfile", "tsa.pem"]).unwrap();
    // An old answer for a new question.
    let kept = fs::read(reply).unwrap();
    let mut replayed = Rfc3161Anchor::new(&folder.join("stamps"), Box::new(move |_: &[u8]| Ok(kept.clone())), 1);
    assert!(matches!(replayed.anchor(&note), Err(AnchorError::Answer { expected }) if expected.contains("nonce")));
    assert!(
        matches!(replayed.anchor(&city::keys().sign_checkpoint(TreeHash::Sha256, 4, [1; 32]).to_string()), Err(AnchorError::Answer { expected }) if expected.contains("this checkpoint"))
    );
    let mut unreachable =
        Rfc3161Anchor::new(&folder, Box::new(|_: &[u8]| Err(io::ErrorKind::ConnectionRefused.into())), 1);
    assert!(matches!(unreachable.anchor(&note), Err(AnchorError::Transport { .. })));
}

#[test]
fn an_exported_log_is_the_log_and_grows_by_exporting_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    let copy = LogView::new(dir.path().join("copy"), city::keys().trusted().clone());
    for (from, to) in [(0, 0), (0, 3), (3, 400), (400, 401)] {
        ledger.append_batch(&entries(from..to)).unwrap();
        let exported = export(ledger.view(), copy.folder(), &mut |_, _| {}).unwrap();
        assert_eq!(exported.entries, to);
        assert_eq!(copy.head(TreeHash::Sm3).unwrap(), ledger.checkpoint(TreeHash::Sm3).unwrap());
        assert_sound(&copy);
    }
}

#[test]
fn a_rotation_of_keys_is_an_entry_and_old_proofs_stay_good() {
    let dir = tempfile::tempdir().unwrap();
    let (keys_dir, log_dir) = (dir.path().join("keys"), dir.path().join("ledger"));
    let seeds = |byte| KeySeeds { ed25519: [byte; 32], sm2: [byte; 32] };
    let old = LogKeys::read_or_create(&keys_dir, ORIGIN, &seeds(1)).unwrap();
    let old_trusted = old.trusted().clone();
    let mut ledger = Ledger::open_with(&log_dir, old, city::small()).unwrap();
    ledger.append_batch(&entries(0..4)).unwrap();
    let old_proof = ledger.prove(2).unwrap();
    drop(ledger);
    let new = LogKeys::rotate(&keys_dir, ORIGIN, &seeds(2)).unwrap();
    let payload = rotation_payload(&old_trusted, new.trusted());
    let mut ledger = Ledger::open_with(&log_dir, new, city::small()).unwrap();
    let event = Event {
        id: "rotation-1",
        kind: "ledger.keys_rotated",
        at: entry(4).at,
        actor: "account:1",
        org: "ledger",
        object: "urn:yihe:ledger:keys",
        salt_id: "none",
    };
    assert_eq!(ledger.append_batch(&[seal(&event, &payload, &Salt([0; 32])).unwrap()]).unwrap(), [4]);
    assert_sound(ledger.view());
    let trusted = ledger.view().trusted().of(TreeHash::Sha256);
    let old_note: yihe_ledger::note::Note = old_proof.checkpoint.parse().unwrap();
    assert!(old_note.verify(&trusted).is_ok(), "signed by the retired key, which is still listed");
    let new_note: yihe_ledger::note::Note = ledger.checkpoint(TreeHash::Sha256).unwrap().note.parse().unwrap();
    assert!(new_note.verify(&old_trusted.of(TreeHash::Sha256)).is_err());
}
