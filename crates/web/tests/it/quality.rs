//! Scores for everybody, rows for those who answer for them, tickets and objections with their steps.

use serde_json::{Value, json};
use yihe_store::{Role, TicketFilter};

use crate::house::{AUTHORITY, House, PARCELS, PROVIDER, REQUESTER, client, login};

const DATASET: &str = "/quality/datasets/land_parcels";

/// The open ticket of a rule.
async fn ticket_of(house: &House, rule: &str) -> String {
    let filter = TicketFilter { dataset: Some(PARCELS.to_owned()), ..TicketFilter::default() };
    let tickets = house.state.store.ticket_list(&filter, 0, 100).await.expect("tickets");
    tickets.into_iter().find(|ticket| ticket.rule == rule).expect("a ticket").id
}

#[tokio::test]
async fn a_score_is_public_and_a_row_is_not() {
    let house = House::open().await;
    let city: Value = client().get(house.url("/api/v1/quality")).send().await.expect("an answer").json().await.unwrap();
    assert_eq!((&city["faults_open"], &city["tickets_open"]), (&2.into(), &2.into()), "{city}");
    assert_eq!(city["counties"][0]["rows"], 3, "{city}");
    let page = client().get(house.url(DATASET)).send().await.expect("an answer").text().await.expect("a page");
    assert!(page.contains("宗地信息") && !page.contains("371302001"), "nobody sees a row: {page}");

    let owner = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let page = house.read(&owner, DATASET).await;
    assert!(page.contains("371302001") && page.contains("371302002"), "the department sees its rows");
    assert!(!page.contains("371302003"), "a good row is none of the matter");
    assert!(page.contains(r#"<td class="bad">"#), "the bad cell is marked");
    let narrowed = house.read(&owner, &format!("{DATASET}?rule=use_code")).await;
    assert!(narrowed.contains("371302001") && !narrowed.contains("371302002"));

    let other = house.sign_in(&login(PROVIDER, Role::Officer)).await;
    assert!(!house.read(&other, DATASET).await.contains("371302001"), "another department has grants, not this");
    let authority = house.sign_in(&login(AUTHORITY, Role::Reviewer)).await;
    assert!(house.read(&authority, DATASET).await.contains("371302001"), "the authority oversees");
    let odd = client().get(house.url(&format!("{DATASET}?state=perhaps"))).send().await.expect("an answer");
    assert_eq!(odd.status(), 400);
    assert_eq!(client().get(house.url("/quality/datasets/none")).send().await.expect("an answer").status(), 404);
}

#[tokio::test]
async fn rows_at_fault_come_as_a_workbook_for_those_who_may_see_them() {
    let house = House::open().await;
    let path = format!("{DATASET}/faults.xlsx");
    let get =
        async |cookie: &str| client().get(house.url(&path)).header("cookie", cookie).send().await.expect("an answer");
    let other = house.sign_in(&login(PROVIDER, Role::Officer)).await;
    assert_eq!(get(&other.cookie).await.status(), 403);
    let owner = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let answer = get(&owner.cookie).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-disposition"].to_str().expect("text").contains("land_parcels-faults.xlsx"));
    let bytes = answer.bytes().await.expect("a file");
    assert!(bytes.starts_with(b"PK"), "a workbook is a ZIP archive");
}

#[tokio::test]
async fn a_department_answers_its_own_ticket_and_a_check_opens_it_again() {
    let house = House::open().await;
    let id = ticket_of(&house, "use_code").await;
    let other = house.sign_in(&login(PROVIDER, Role::Officer)).await;
    let hidden = client().get(house.url(&format!("/tickets/{id}"))).header("cookie", &other.cookie).send().await;
    assert_eq!(hidden.expect("an answer").status(), 404, "another department may not know of it");
    let fields = [("reason", "corrected"), ("said", "已在地籍库改正")];
    let refused = house.send(&other, &format!("/tickets/{id}/close"), &fields).await;
    assert_eq!(refused.status(), 404);

    let owner = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    assert!(house.read(&owner, "/docket").await.contains(&format!("/tickets/{id}")), "it waits on the docket");
    let empty = house.send(&owner, &format!("/tickets/{id}/close"), &[("reason", "corrected"), ("said", " ")]).await;
    assert_eq!(empty.status(), 422, "an answer needs words");
    let odd = house.send(&owner, &format!("/tickets/{id}/close"), &[("reason", "rechecked"), ("said", "x")]).await;
    assert_eq!(odd.status(), 422, "only a check may say that");
    let stale = [("reason", "corrected"), ("said", "x"), ("version", "7")];
    assert_eq!(house.send(&owner, &format!("/tickets/{id}/close"), &stale).await.status(), 409);
    assert_eq!(house.send(&owner, &format!("/tickets/{id}/close"), &fields).await.status(), 303);
    let page = house.read(&owner, &format!("/tickets/{id}")).await;
    assert!(page.contains("已在地籍库改正") && page.contains("源头已更正"), "{page}");

    house.check_parcels(&[("371302001", "XX", 901)]).await;
    let page = house.read(&owner, &format!("/tickets/{id}")).await;
    assert!(page.contains("重开"), "the next delivery said otherwise: {page}");
    house.check_parcels(&[("371302001", "07", 901)]).await;
    let page = house.read(&owner, &format!("/tickets/{id}")).await;
    assert!(page.contains("复核通过"), "{page}");

    let authority = house.sign_in(&login(AUTHORITY, Role::Reviewer)).await;
    let again = house.send(&authority, &format!("/tickets/{id}/reopen"), &[("said", "请补充佐证材料")]).await;
    assert_eq!(again.status(), 303);
    assert!(house.read(&owner, "/tickets").await.contains(&id));
}

#[tokio::test]
async fn an_objection_goes_from_a_receipt_to_the_provider_and_back() {
    let house = House::open().await;
    let (token, receipt) = supplied(&house).await;
    let send = async |token: &str, body: Value| {
        let request = client().post(house.url("/api/v1/objections")).bearer_auth(token);
        request.header("content-type", "application/json").body(body.to_string()).send().await.expect("an answer")
    };
    let body = json!({ "receipt": receipt, "field": "marital_status", "statement": "2025 年已离婚登记" });
    assert_eq!(send("guessed", body.clone()).await.status(), 401);
    let unknown = json!({ "receipt": "0199", "statement": "x" });
    assert_eq!(send(&token, unknown).await.status(), 404);
    let field = json!({ "receipt": receipt, "field": "spouse_id", "statement": "x" });
    assert_eq!(send(&token, field).await.status(), 422);
    let raised = send(&token, body.clone()).await;
    assert_eq!(raised.status(), 201);
    let raised: Value = raised.json().await.expect("JSON");
    assert_eq!(raised["department"], PROVIDER, "{raised}");
    assert_eq!(send(&token, body).await.status(), 409, "once is enough");

    let id = raised["ticket"].as_str().expect("text");
    let provider = house.sign_in(&login(PROVIDER, Role::Officer)).await;
    let page = house.read(&provider, &format!("/tickets/{id}")).await;
    assert!(page.contains("2025 年已离婚登记"), "{page}");
    let answer = [("reason", "false_alarm"), ("said", "经核对档案，登记无误")];
    assert_eq!(house.send(&provider, &format!("/tickets/{id}/close"), &answer).await.status(), 303);

    // Who objected is told, and acknowledges.
    let requester = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let docket = house.read(&requester, "/docket").await;
    let at = docket.find("/notices/").expect("a notice waits");
    let notice: String = docket[at..].chars().take_while(|character| *character != '"').collect();
    let page = house.read(&requester, &notice).await;
    assert!(page.contains(&receipt), "{page}");
    let strangers = client().get(house.url(&notice)).header("cookie", &house.stranger().await.cookie).send().await;
    assert_eq!(strangers.expect("an answer").status(), 404);
    let acknowledged = house.send(&requester, &format!("{notice}/acknowledge"), &[("said", "已知悉")]).await;
    assert_eq!(acknowledged.status(), 303);
    assert!(!house.read(&requester, "/docket").await.contains("/notices/"));
    let form = house.read(&requester, &format!("/objections/new?receipt={receipt}")).await;
    assert!(form.contains("marital_status") && !form.contains("spouse_id"), "{form}");
}

/// One supply of the marriage register to the requester: token and receipt.
async fn supplied(house: &House) -> (String, String) {
    crate::sharing::granted(house).await;
    let token = crate::sharing::token(house).await;
    let answer = client()
        .get(house.url("/api/v1/share/marriage_registrations/records/371302198704020016"))
        .bearer_auth(&token)
        .header("X-Yihe-Case", "BDC-2026-1")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.expect("JSON");
    (token, body["receipt"].as_str().expect("a receipt").to_owned())
}
