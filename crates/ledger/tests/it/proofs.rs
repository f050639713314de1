//! Proofs that a person carries: made, checked, altered.

use jiff::Timestamp;
use serde_json::{Value, json};
use yihe_ledger::{
    calls::CallBatch,
    hashes::TreeHash,
    note::Note,
    policy::Policy,
    proof::TlogProof,
    seal::{Event, PayloadVerdict, Salt, seal},
    verify::{Item, VerifyError, verify_proof},
};

use crate::city::{self, entries, have_cosigned, item, open, plain_policy_text, policy_text, salt};

fn json_of(item: &Item) -> String {
    item.to_json().unwrap().to_string()
}

#[test]
fn a_witnessed_entry_is_proven_offline_with_its_payload() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..300)).unwrap();
    have_cosigned(&mut ledger, TreeHash::Sha256, &[city::witness(1), city::witness(3)]);
    // What comes later does not touch a proof under the witnessed head.
    ledger.append_batch(&entries(300..310)).unwrap();
    let policy = Policy::read(policy_text().as_bytes()).unwrap();
    let proof = ledger.prove(290).unwrap();
    let proven = verify_proof(&policy, &proof.to_string(), &json_of(&item(&ledger, 290, 290))).unwrap();
    assert_eq!((proven.index, proven.size, proven.payload), (290, 300, PayloadVerdict::Matches));
    assert_eq!(proven.witnesses.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["province", "county"]);
    assert_eq!(proof.to_string().parse::<TlogProof>().unwrap(), proof);
    // An entry behind the witnessed head is proven under the latest, which no witness has seen.
    let late = ledger.prove(305).unwrap().to_string();
    let late_item = json_of(&item(&ledger, 305, 305));
    assert!(matches!(verify_proof(&policy, &late, &late_item), Err(VerifyError::Policy { .. })));
    assert!(verify_proof(&Policy::read(plain_policy_text().as_bytes()).unwrap(), &late, &late_item).is_ok());
}

#[test]
fn nothing_altered_is_proven() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..20)).unwrap();
    let policy = Policy::read(plain_policy_text().as_bytes()).unwrap();
    for hash in TreeHash::BOTH {
        let proof = ledger.view().prove(hash, 7).unwrap().to_string();
        let good = item(&ledger, 7, 7);
        assert!(verify_proof(&policy, &proof, &json_of(&good)).is_ok());
        let verdict = |item: &Item| verify_proof(&policy, &proof, &json_of(item));
        assert!(matches!(verdict(&item(&ledger, 8, 8)), Err(VerifyError::NotIncluded { .. })));
        let other_payload = Item { payload: Some(json!({"rows": 8})), ..good.clone() };
        assert_eq!(verdict(&other_payload), Err(VerifyError::PayloadDiffers));
        assert_eq!(verdict(&Item { salt: Some(salt(8)), ..good.clone() }), Err(VerifyError::PayloadDiffers));
        assert_eq!(verdict(&Item { salt: None, ..good.clone() }).unwrap().payload, PayloadVerdict::SaltDestroyed);
        assert_eq!(
            verdict(&Item { payload: None, salt: None, ..good.clone() }).unwrap().payload,
            PayloadVerdict::NotGiven
        );
        // Every byte of the proof file.
        for at in 0..proof.len() {
            let mut bytes = proof.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(altered) = String::from_utf8(bytes) else { continue };
            if let Ok(proven) = verify_proof(&policy, &altered, &json_of(&good)) {
                panic!("byte {at} changed and still proven: {proven:?}");
            }
        }
    }
}

#[test]
fn a_proof_with_three_cosignatures_and_a_hundred_million_entries_fits_two_and_a_half_kilobytes() {
    let mut note: Note = city::keys().sign_checkpoint(TreeHash::Sha256, 100_000_000, [0x5a; 32]);
    let lines: Vec<_> = (1..=3).map(|number| city::witness(number).sign(&note.text, 1_795_300_000)).collect();
    note.signatures.extend(lines);
    let proof = TlogProof {
        hash: TreeHash::Sha256,
        extra: None,
        index: 99_999_999,
        hashes: vec![[0xa5; 32]; 27],
        checkpoint: note.to_string(),
    };
    let length = proof.to_string().len();
    assert!(length <= 2_560, "{length} bytes");
    println!("{length} bytes");
}

#[test]
fn one_call_of_a_batch_is_proven_through_the_batchs_leaf() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..3)).unwrap();
    let calls: Vec<Value> = (0..37).map(|n| json!({"case": format!("371300-{n}"), "rows": n})).collect();
    let at = Timestamp::from_second(1_795_300_000).unwrap();
    let batch = CallBatch::new("population/by-id", at, at, &calls, Salt([3; 32])).unwrap();
    let event = Event {
        id: "calls-1",
        kind: "supply.calls",
        at,
        actor: "gateway",
        org: "11371300004450123A",
        object: "urn:yihe:grant:9",
        salt_id: "c1",
    };
    ledger.append_batch(&[seal(&event, &batch.payload(), &Salt([4; 32])).unwrap()]).unwrap();
    let policy = Policy::read(plain_policy_text().as_bytes()).unwrap();
    let proof = ledger.prove(3).unwrap().to_string();
    let with = |position: u64, call: &Value| Item {
        entry: ledger.entry(3).unwrap(),
        payload: Some(batch.payload()),
        salt: Some(Salt([4; 32])),
        call: Some((call.clone(), batch.prove(TreeHash::Sm3, position).unwrap())),
    };
    assert!(verify_proof(&policy, &proof, &json_of(&with(20, &calls[20]))).unwrap().call);
    assert_eq!(verify_proof(&policy, &proof, &json_of(&with(20, &calls[21]))), Err(VerifyError::CallDiffers));
    let unsealed = Item { salt: None, ..with(20, &calls[20]) };
    assert_eq!(verify_proof(&policy, &proof, &json_of(&unsealed)), Err(VerifyError::CallDiffers));
}
