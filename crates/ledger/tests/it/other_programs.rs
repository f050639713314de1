//! What Rust made, checked by programs that share none of its code: the Python verifier and OpenSSL.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use yihe_ledger::{
    audit::{AuditOptions, LeafForm, audit},
    calls::CallBatch,
    export::export,
    hashes::TreeHash,
    keys::TrustedKeys,
    seal::{Event, Salt, salted_digest, seal},
    verify::Item,
    view::LogView,
};

use crate::city::{self, entries, have_cosigned, item, open, policy_text};

fn verifier() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../verifier/yihe_verify.py")
}

/// Exit code and what was said.
fn python(arguments: &[&Path]) -> (i32, String) {
    let output = Command::new("python3").arg("-B").arg(verifier()).args(arguments).output();
    let output = output.expect("python3 and openssl are needed: apt-get install -y python3 openssl");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), told)
}

fn proof_verdict(folder: &Path, policy: &str, proof: &str, item: &Value) -> (i32, String) {
    let files = [("policy", policy.to_owned()), ("x.tlog-proof", proof.to_owned()), ("x.json", item.to_string())];
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    python(&[
        Path::new("proof"),
        Path::new("--policy"),
        &folder.join("policy"),
        &folder.join("x.tlog-proof"),
        &folder.join("x.json"),
    ])
}

#[test]
fn the_python_verifier_proves_what_rust_made_in_both_trees_and_refuses_what_was_altered() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    ledger.append_batch(&entries(0..300)).unwrap();
    have_cosigned(&mut ledger, TreeHash::Sha256, &[city::witness(1), city::witness(2), city::witness(3)]);
    have_cosigned(&mut ledger, TreeHash::Sm3, &[city::sm2_witness(1)]);
    let sm2_policy = format!(
        "log {}\nwitness p {}\nquorum p\n",
        city::keys().trusted().of(TreeHash::Sm3)[0],
        city::sm2_witness(1).verifier()
    );
    for (hash, policy) in [(TreeHash::Sha256, policy_text()), (TreeHash::Sm3, sm2_policy)] {
        let proof = ledger.view().prove(hash, 257).unwrap().to_string();
        let good = item(&ledger, 257, 257);
        let json = good.to_json().unwrap();
        let (code, told) = proof_verdict(dir.path(), &policy, &proof, &json);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("#257 / 300") && told.contains("the payload is the one that was entered"), "{told}");
        let destroyed = Item { salt: None, ..good.clone() }.to_json().unwrap();
        let (code, told) = proof_verdict(dir.path(), &policy, &proof, &destroyed);
        assert!(code == 0 && told.contains("salt was destroyed"), "{told}");
        let mut other = json.clone();
        other["payload"]["rows"] = json!(258);
        assert_eq!(proof_verdict(dir.path(), &policy, &proof, &other).0, 1);
        assert_eq!(proof_verdict(dir.path(), &policy, &proof, &item(&ledger, 256, 256).to_json().unwrap()).0, 1);
        assert_eq!(proof_verdict(dir.path(), &policy, &proof.replace("index 257", "index 258"), &json).0, 1);
        // A cosignature with one bit changed: a known key that does not hold.
        let last = proof.trim_end().len() - 12;
        let altered =
            format!("{}{}{}", &proof[..last], if &proof[last..=last] == "A" { "B" } else { "A" }, &proof[last + 1..]);
        assert_eq!(proof_verdict(dir.path(), &policy, &altered, &json).0, 1);
    }
    let strict = policy_text().replace("quorum enough", "group unreachable all enough\nquorum unreachable");
    let lone = ledger.view().prove_in(&ledger.checkpoint(TreeHash::Sha256).unwrap(), 5).unwrap().to_string();
    let (code, told) = proof_verdict(dir.path(), &strict, &lone, &item(&ledger, 5, 5).to_json().unwrap());
    assert!(code == 1 && told.contains("quorum"), "{told}");
}

#[test]
fn the_python_verifier_proves_one_call_of_a_batch() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    let calls: Vec<Value> = (0..9)
        .map(|n| json!({"case": n, "purpose": "低保核查 \u{1f600} \"引号\"\n", "键": {"b": null, "a": true}}))
        .collect();
    let at = Timestamp::from_second(1_795_300_000).unwrap();
    let batch = CallBatch::new("population/by-id", at, at, &calls, Salt([3; 32])).unwrap();
    let event = Event {
        id: "calls-1",
        kind: "supply.calls",
        at,
        actor: "gateway",
        org: "o",
        object: "urn:yihe:grant:9",
        salt_id: "c1",
    };
    ledger.append_batch(&[seal(&event, &batch.payload(), &Salt([4; 32])).unwrap()]).unwrap();
    for hash in TreeHash::BOTH {
        let with = |call: &Value| {
            let call = Some((call.clone(), batch.prove(hash, 4).unwrap()));
            Item { entry: ledger.entry(0).unwrap(), payload: Some(batch.payload()), salt: Some(Salt([4; 32])), call }
                .to_json()
                .unwrap()
        };
        let proof = ledger.prove(0).unwrap().to_string();
        let (code, told) = proof_verdict(dir.path(), &city::plain_policy_text(), &proof, &with(&calls[4]));
        assert!(code == 0 && told.contains("the call is one of the batch"), "{told}");
        assert_eq!(proof_verdict(dir.path(), &city::plain_policy_text(), &proof, &with(&calls[5])).0, 1);
    }
}

#[test]
fn the_python_verifier_reads_a_whole_exported_log_and_names_a_changed_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir.path().join("ledger"));
    ledger.append_batch(&entries(0..600)).unwrap();
    let copy = dir.path().join("copy");
    export(ledger.view(), &copy, &mut |_, _| {}).unwrap();
    let keys = copy.join("verifier-keys");
    let run = || python(&[Path::new("log"), Path::new("--keys"), &keys, &copy]);
    let (code, told) = run();
    assert_eq!(code, 0, "{told}");
    for hash in TreeHash::BOTH {
        assert!(told.contains(&hex::encode(ledger.root(hash))), "{told}");
    }
    for file in ["tile/0/001", "sm3/tile/1/000.p/2", "tile/entries/002.p/88", "checkpoint", "sm3/checkpoint"] {
        let path = copy.join(file);
        let kept = fs::read(&path).unwrap();
        let mut changed = kept.clone();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        fs::write(&path, changed).unwrap();
        let (code, told) = run();
        assert!(code == 1 && told.contains(file), "{file}: {told}");
        fs::write(&path, kept).unwrap();
    }
    assert_eq!(run().0, 0);
}

#[test]
fn openssl_computes_the_same_hmac_under_both_hashes() {
    let key = Salt(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("message");
    fs::write(&path, "沂河").unwrap();
    for (hash, name) in [(TreeHash::Sha256, "SHA256"), (TreeHash::Sm3, "SM3")] {
        let option = format!("hexkey:{}", hex::encode(key.0));
        let output = Command::new("openssl")
            .args(["mac", "-digest", name, "-macopt", &option, "-in"])
            .arg(&path)
            .arg("HMAC")
            .output();
        let output = output.expect("openssl is needed: apt-get install -y openssl");
        let expected = String::from_utf8_lossy(&output.stdout).trim().to_lowercase();
        assert_eq!(
            hex::encode(salted_digest(hash, &key, "沂河".as_bytes())),
            expected,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Tessera keeps a log of fifteen entries among its test data. Name its folder (`testdata/log` of a
/// checkout of `transparency-dev/tessera`) in `YIHE_TESSERA_LOG` and it is audited as it stands.
#[test]
fn a_log_that_tessera_wrote_is_sound_to_us() {
    let Ok(folder) = std::env::var("YIHE_TESSERA_LOG") else {
        println!("YIHE_TESSERA_LOG is not set: nothing audited");
        return;
    };
    let key = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx".parse().unwrap();
    let trusted = TrustedKeys::new("example.com/log/testdata", vec![key]).unwrap();
    let view = LogView::new(&folder, trusted);
    let options =
        AuditOptions { leaves: LeafForm::Any, trees: vec![TreeHash::Sha256], strays: false, ..AuditOptions::default() };
    let report = audit(&view, &options, &mut |_| {});
    assert!(report.is_sound() && report.entries == 15, "{report:#?}");
    let head = view.head(TreeHash::Sha256).unwrap();
    assert_eq!(report.root_sha256, Some(head.root));
    assert_eq!(view.entry_bytes(7, 15).unwrap(), b"eit");
    // Its older checkpoints are prefixes of its last.
    for size in 1..=15_u64 {
        let text = fs::read_to_string(Path::new(&folder).join(format!("checkpoint.{size}"))).unwrap();
        let old = view.check_head(TreeHash::Sha256, &text, Path::new("checkpoint")).unwrap();
        let path = view.prove_consistency(TreeHash::Sha256, size, 15).unwrap();
        assert!(yihe_ledger::merkle::consistency_holds(TreeHash::Sha256, size, 15, &path, &old.root, &head.root));
    }
}
