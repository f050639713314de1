//! A witness's doors: every status and content type of C2SP `tlog-witness`, and its bounds.

use std::sync::{Arc, Mutex};

use yihe_ledger::{
    hashes::TreeHash,
    keys::{KeySeeds, LogKeys, Signer},
    signature::Algorithm,
    witness::{AddCheckpoint, REQUEST_BYTES_MAX, WitnessState, WitnessedLog},
};
use yihe_vocabulary::FixedClock;
use yihe_web::witness::{Door, router};

use crate::house::client;

fn keys(byte: u8) -> LogKeys {
    LogKeys::new("city.example/ledger", &KeySeeds { ed25519: [byte; 32], sm2: [byte; 32] }).expect("keys")
}

fn checkpoint(size: u64, root: [u8; 32]) -> String {
    keys(1).sign_checkpoint(TreeHash::Sha256, size, root).to_string()
}

#[tokio::test]
async fn every_answer_has_the_status_and_the_type_of_the_specification() {
    let folder = tempfile::tempdir().expect("a folder");
    let signer = Signer::new("audit.example", Algorithm::Ed25519Cosignature, &[9; 32]).expect("a key");
    let log = WitnessedLog { origin: "city.example/ledger".to_owned(), keys: keys(1).trusted().of(TreeHash::Sha256) };
    let state = WitnessState::open(folder.path(), vec![signer], vec![log]).expect("a witness");
    let clock = Arc::new(FixedClock::new("2026-03-06T02:00:00Z".parse().expect("an instant")));
    let door = Arc::new(Door { state: Mutex::new(state), clock });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router(door)).await });
    let post = async |body: String| {
        let answer =
            client().post(format!("http://{address}/add-checkpoint")).body(body).send().await.expect("an answer");
        let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
        (answer.status().as_u16(), kind, answer.text().await.expect("a body"))
    };
    let text = "text/plain; charset=utf-8";

    let first = AddCheckpoint::body(0, &[], &checkpoint(5, [7; 32]));
    let (status, kind, body) = post(first.clone()).await;
    assert_eq!((status, kind.as_str()), (200, text), "{body}");
    assert!(body.starts_with("— audit.example ") && body.ends_with('\n'), "{body}");
    let (status, kind, body) = post(first).await;
    assert_eq!((status, kind.as_str(), body.as_str()), (409, "text/x.tlog.size", "5\n"));
    assert_eq!(post("old 5".to_owned()).await.0, 400);
    assert_eq!(post(AddCheckpoint::body(9, &[], &checkpoint(8, [7; 32]))).await.0, 400);
    let forged = keys(2).sign_checkpoint(TreeHash::Sha256, 8, [7; 32]).to_string();
    assert_eq!(post(AddCheckpoint::body(5, &[], &forged)).await.0, 403);
    let stranger = LogKeys::new("other.example/log", &KeySeeds { ed25519: [3; 32], sm2: [3; 32] }).expect("keys");
    let unknown = stranger.sign_checkpoint(TreeHash::Sha256, 8, [7; 32]).to_string();
    assert_eq!(post(AddCheckpoint::body(0, &[], &unknown)).await.0, 404);
    assert_eq!(post(AddCheckpoint::body(5, &[[1; 32]], &checkpoint(8, [8; 32]))).await.0, 422);
    let (status, _, body) = post("x".repeat(REQUEST_BYTES_MAX + 1)).await;
    assert_eq!(status, 413);
    assert!(body.contains(&REQUEST_BYTES_MAX.to_string()), "the bound is named: {body}");
    let method = client().get(format!("http://{address}/add-checkpoint")).send().await.expect("an answer");
    assert_eq!(method.status().as_u16(), 405);

    let origin = hex::encode(<sha2::Sha256 as sha2::Digest>::digest("city.example/ledger"));
    let latest = client().get(format!("http://{address}/{origin}/checkpoint")).send().await.expect("an answer");
    assert_eq!(latest.status().as_u16(), 200);
    assert!(latest.text().await.expect("a note").starts_with("city.example/ledger\n5\n"));
    let none = client().get(format!("http://{address}/00/checkpoint")).send().await.expect("an answer");
    assert_eq!(none.status().as_u16(), 404);
    let keys = client().get(format!("http://{address}/verifier-keys")).send().await.expect("an answer");
    assert!(keys.text().await.expect("text").starts_with("audit.example+"));
}
