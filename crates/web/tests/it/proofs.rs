//! Every page that shows a request, a supply or a publication offers its proof, which holds offline; nobody
//! gets an item who may not see the page.

use std::collections::BTreeSet;

use yihe_ledger::{hashes::TreeHash, policy::Policy, verify::verify_proof};
use yihe_store::Role;

use crate::{
    house::{AUTHORITY, House, PROVIDER, REQUESTER, Session, client, login},
    sharing,
};

/// The addresses of items that a page offers, each with that of its proof.
fn offered(page: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut proof = String::new();
    for part in page.split("href=\"").skip(1) {
        let href = part.split('"').next().expect("an address").to_owned();
        if href.starts_with("/ledger/proof/") {
            proof = href;
        } else if href.starts_with("/ledger/items/") || href.starts_with("/ledger/calls/") {
            found.insert((std::mem::take(&mut proof), href));
        }
    }
    found
}

async fn get(house: &House, session: Option<&Session>, path: &str) -> (u16, String) {
    let mut request = client().get(house.url(path));
    if let Some(session) = session {
        request = request.header("cookie", &session.cookie);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

/// Proof and item hold together under a policy that trusts this log; returns the kind of the entry.
async fn proven(house: &House, session: Option<&Session>, proof: &str, item: &str) -> (String, bool) {
    let (status, proof_text) = get(house, None, proof).await;
    assert_eq!(status, 200, "{proof}");
    let (status, item_text) = get(house, session, item).await;
    assert_eq!(status, 200, "{item}");
    let log = house.state.log.as_ref().expect("a log");
    let policy = format!("log {}\nquorum none\n", log.trusted().of(TreeHash::Sha256)[0]);
    let policy = Policy::read(policy.as_bytes()).expect("a policy");
    let proven = verify_proof(&policy, &proof_text, &item_text).unwrap_or_else(|error| panic!("{item}: {error}"));
    assert_eq!(proven.payload, yihe_ledger::seal::PayloadVerdict::Matches, "{item}");
    // One changed character of the payload, and it no longer holds.
    let forged = item_text.replacen("\"_org\": \"", "\"_org\": \"x", 1);
    assert_ne!(forged, item_text);
    assert!(verify_proof(&policy, &proof_text, &forged).is_err(), "{item}");
    (proven.entry.kind, proven.call)
}

#[tokio::test]
async fn pages_offer_proofs_that_hold_and_items_go_to_those_who_may_see_the_page() {
    let house = House::open().await;
    let request = sharing::granted(&house).await;
    let token = sharing::token(&house).await;
    let record = "/api/v1/share/marriage_registrations/records/371302198704020016";
    let (status, _) = sharing::call(&house, &token, record, Some("BDC-2026-0001")).await;
    assert_eq!(status, 200);
    let before = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    assert!(house.read(&before, &request).await.contains("正在入账"), "what the ledger has not taken is not offered");
    house.enter_what_waits().await;

    let entry = format!("/catalogue/{}", house.marriages().await);
    let seats = [
        (REQUESTER, Role::Officer),
        (REQUESTER, Role::Head),
        (PROVIDER, Role::Officer),
        (PROVIDER, Role::Head),
        (AUTHORITY, Role::Reviewer),
    ];
    let mut kinds = BTreeSet::new();
    let (mut private, mut calls) = (BTreeSet::new(), 0);
    for (department, role) in seats {
        let session = house.sign_in(&login(department, role)).await;
        for page in [request.as_str(), "/grants"] {
            let offers = offered(&house.read(&session, page).await);
            assert!(!offers.is_empty(), "{page} for {role} of {department}");
            for (proof, item) in offers {
                let (kind, call) = proven(&house, Some(&session), &proof, &item).await;
                calls += usize::from(call);
                kinds.insert(kind);
                private.insert(item);
            }
        }
    }
    for kind in ["request.drafted", "request.signed", "request.answered", "request.supplied", "calls.supplied"] {
        assert!(kinds.contains(kind), "{kind} among {kinds:?}");
    }
    assert!(kinds.iter().any(|kind| kind.starts_with("grant.")), "{kinds:?}");
    assert_eq!(calls, seats.len(), "each party is offered the one call, proven in its batch");

    // A publication is everybody's.
    let (_, page) = get(&house, None, &entry).await;
    let offers = offered(&page);
    assert_eq!(offers.len(), 1, "{offers:?}");
    for (proof, item) in offers {
        assert_eq!(proven(&house, None, &proof, &item).await.0, "entry.published");
    }

    // Nobody else gets an item, nor learns whether there is one.
    let stranger = house.stranger().await;
    let (_, unknown) = get(&house, Some(&stranger), "/ledger/items/nothing").await;
    for item in &private {
        assert_eq!(get(&house, None, item).await.0, 404, "{item}");
        let (status, body) = get(&house, Some(&stranger), item).await;
        assert_eq!(status, 404, "{item}");
        assert!(body.len().abs_diff(unknown.len()) < 60, "the answers look alike");
    }
    // A batch of calls is several departments' at once: its own item is nobody's.
    let batch = house.state.store.outbox_list(0, 1_000).await.expect("rows");
    let batch = batch.iter().find(|row| row.kind == "calls.supplied").expect("a batch");
    assert_eq!(get(&house, Some(&before), &format!("/ledger/items/{}", batch.entry_id)).await.0, 404);
}

#[tokio::test]
async fn what_a_verifier_needs_is_public() {
    let house = House::open().await;
    assert_eq!(get(&house, None, "/ledger/policy").await.0, 404, "none was configured");
    let (status, keys) = get(&house, None, "/ledger/verifier-keys").await;
    assert_eq!(status, 200);
    assert!(keys.contains("yihe.example/linyi+"), "{keys}");
    assert_eq!(get(&house, None, "/ledger/witnessed/checkpoint").await.0, 404, "nobody has cosigned yet");
}
