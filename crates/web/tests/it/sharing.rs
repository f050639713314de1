//! A share request from the form to the record, over HTTP only, by the people whose steps they are.

use serde_json::Value;
use yihe_store::Role;

use crate::house::{AUTHORITY, House, PROVIDER, REQUESTER, client, login};

/// Takes a request through to its grant; returns its address.
pub async fn granted(house: &House) -> String {
    let officer = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let request = house.apply(&officer).await;
    for (department, role, act) in [
        (REQUESTER, Role::Head, "sign"),
        (AUTHORITY, Role::Reviewer, "forward"),
        (PROVIDER, Role::Officer, "consent"),
        (PROVIDER, Role::Head, "countersign"),
        (PROVIDER, Role::Officer, "supply"),
    ] {
        let session = house.sign_in(&login(department, role)).await;
        let page = house.read(&session, &request).await;
        assert!(page.contains(&format!("{request}/{act}\"")), "{role} of {department} is offered `{act}`");
        let answer = house.send(&session, &format!("{request}/{act}"), &[("version", &version(&page))]).await;
        assert_eq!(answer.status(), 303, "{act}: {}", answer.text().await.unwrap_or_default());
    }
    request
}

/// The version that a page's forms carry.
fn version(page: &str) -> String {
    let mark = r#"name="version" value=""#;
    let at = page.find(mark).expect("a form with a version") + mark.len();
    page[at..].split('"').next().expect("a value").to_owned()
}

/// A token of the only grant.
pub async fn token(house: &House) -> String {
    let officer = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let page = house.read(&officer, "/grants").await;
    let at = page.find("/token\"").expect("a form for a token");
    let act = page[..at + 6].rsplit('"').next().expect("an address").to_owned();
    let answer = house.send(&officer, &act, &[("name", "不动产登记系统")]).await;
    assert_eq!(answer.status(), 200);
    let page = answer.text().await.expect("a page");
    let at = page.find("yihe_").map(|at| page[at..].find("yihe_").map_or(at, |more| at + more)).expect("a token");
    page[at..].split('<').next().expect("a token").to_owned()
}

pub async fn call(house: &House, token: &str, path: &str, case: Option<&str>) -> (u16, Value) {
    let mut request = client().get(house.url(path)).header("authorization", format!("Bearer {token}"));
    if let Some(case) = case {
        request = request.header("x-yihe-case", case);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn a_record_leaves_masked_with_a_receipt_and_nothing_beyond_the_grant() {
    let house = House::open().await;
    granted(&house).await;
    let token = token(&house).await;
    let record = "/api/v1/share/marriage_registrations/records/371302198704020016";

    let (status, answer) = call(&house, &token, record, Some("BDC-2026-0001")).await;
    assert_eq!(status, 200, "{answer}");
    let found = &answer["records"][0];
    assert_eq!(found["marital_status"], "20");
    assert_eq!(found["citizen_id"], "371302********0016");
    assert_eq!(found["name"], "王**");
    assert_eq!(found.as_object().expect("an object").len(), 3, "no column beyond the grant: {found}");
    let usage = house.state.store.usage_find(answer["receipt"].as_str().expect("a receipt")).await.expect("the store");
    assert_eq!(usage.expect("a use record").case_number, "BDC-2026-0001");

    // No record of that key: an answer like any other, counted too.
    let (status, answer) = call(&house, &token, "/api/v1/share/marriage_registrations/records/nobody", Some("1")).await;
    assert_eq!((status, answer["records"].as_array().map(Vec::len)), (200, Some(0)));

    let (status, _) = call(&house, &token, record, None).await;
    assert_eq!(status, 400, "no case number");
    let (status, _) = call(&house, &token, "/api/v1/share/resident_register/records/1", Some("1")).await;
    assert_eq!(status, 404, "another resource");
    let (status, _) = call(&house, "yihe_guessed", record, Some("1")).await;
    assert_eq!(status, 401, "another token");

    let (status, _) = call(&house, &token, record, Some("2")).await;
    assert_eq!(status, 200, "the third call of the day");
    let (status, problem) = call(&house, &token, record, Some("3")).await;
    assert_eq!((status, problem["type"].as_str()), (429, Some("/problems/too-many")), "the fourth");
}

#[tokio::test]
async fn a_suspended_grant_answers_nobody() {
    let house = House::open().await;
    granted(&house).await;
    let token = token(&house).await;
    let head = house.sign_in(&login(PROVIDER, Role::Head)).await;
    let page = house.read(&head, "/grants").await;
    let at = page.find("/suspend\"").expect("a form to suspend");
    let act = page[..at + 8].rsplit('"').next().expect("an address").to_owned();
    assert_eq!(house.send(&head, &act, &[("reason", "")]).await.status(), 422, "a reason is needed");
    assert_eq!(house.send(&head, &act, &[("reason", "用途不符")]).await.status(), 303);
    let (status, _) =
        call(&house, &token, "/api/v1/share/marriage_registrations/records/371302198704020016", Some("1")).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn a_request_is_shown_to_its_parties_only() {
    let house = House::open().await;
    let officer = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let request = house.apply(&officer).await;
    let stranger = house.stranger().await;
    let answer = client().get(house.url(&request)).header("cookie", &stranger.cookie).send().await.expect("an answer");
    assert_eq!(answer.status(), 404, "it cannot be told from one that does not exist");
    let answer = house.send(&stranger, &format!("{request}/sign"), &[]).await;
    assert_eq!(answer.status(), 404);
    // A party without the seat is told that the step is another's.
    assert_eq!(house.send(&officer, &format!("{request}/sign"), &[]).await.status(), 403);
}

#[tokio::test]
async fn an_incomplete_form_comes_back_with_every_fault_and_what_was_written() {
    let house = House::open().await;
    let officer = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let code = house.marriages().await;
    let answer = house
        .send(
            &officer,
            "/requests",
            &[
                ("entry", &code),
                ("basis", ""),
                ("scenario", "不动产转移登记"),
                ("method", "service"),
                ("until_on", "2020-01-01"),
                ("calls_per_day", "3"),
            ],
        )
        .await;
    assert_eq!(answer.status(), 422);
    let page = answer.text().await.expect("a page");
    for fault in ["#basis", "#scope", "#purpose", "#until_on", "#columns"] {
        assert!(page.contains(&format!("href=\"{fault}\"")), "{fault} is named: {page}");
    }
    assert!(page.contains("不动产转移登记"), "nothing typed is lost");
}

#[tokio::test]
async fn two_people_who_act_at_once_are_told_apart() {
    let house = House::open().await;
    let officer = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let request = house.apply(&officer).await;
    let head = house.sign_in(&login(REQUESTER, Role::Head)).await;
    let seen = version(&house.read(&head, &request).await);
    assert_eq!(house.send(&head, &format!("{request}/sign"), &[("version", &seen)]).await.status(), 303);
    let late = house.send(&head, &format!("{request}/decline"), &[("version", &seen), ("reason", "再议")]).await;
    assert_eq!(late.status(), 409);
    let page = house.read(&head, &request).await;
    assert!(page.contains("申请部门负责人审签"), "the timeline tells what happened");
}
