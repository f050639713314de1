//! Every door, in every role: who passes, who is refused, and what the refusal says.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use yihe_store::Role;
use yihe_web::routes::{Face, ROUTES, Route, Who};

use crate::house::{AUTHORITY, House, PASSPHRASE, PROVIDER, REQUESTER, Session, client, encode, form_token, login};

/// A path of a route with something in every parameter.
fn knock_at(route: &Route) -> String {
    let segments = route.path.split('/').map(|segment| if segment.starts_with('{') { "nothing" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

async fn knock(house: &House, route: &Route, session: Option<&Session>) -> reqwest::Response {
    let mut request = client().request(route.method.clone(), house.url(&knock_at(route)));
    if let Some(session) = session {
        request = request.header("cookie", &session.cookie);
    }
    if route.face == Face::Form {
        let token = session.map_or("", |session| session.form_token.as_str());
        request =
            request.header("content-type", "application/x-www-form-urlencoded").body(encode(&[("form_token", token)]));
    }
    request.send().await.expect("an answer")
}

/// Nobody is behind a refusal: it never reached a handler.
fn is_refused(status: StatusCode, location: Option<&str>) -> bool {
    status == StatusCode::UNAUTHORIZED
        || status == StatusCode::FORBIDDEN
        || (status == StatusCode::SEE_OTHER && location.is_some_and(|to| to.starts_with("/login?next=")))
}

#[tokio::test]
async fn every_door_refuses_whom_the_table_does_not_name() {
    let house = House::open().await;
    let seats = [(REQUESTER, Role::Officer), (REQUESTER, Role::Head), (AUTHORITY, Role::Reviewer)];
    for route in &ROUTES {
        let answer = knock(&house, route, None).await;
        let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
        let refused = is_refused(answer.status(), location);
        // A form without its token is refused from everybody, the sign-in included.
        let expected = route.who != Who::Anyone || route.face == Face::Form;
        assert_eq!(refused, expected, "{} {} for nobody: {}", route.method, route.path, answer.status());
    }
    for (department, role) in seats {
        for route in &ROUTES {
            // A session of its own per door: one of them is the way out.
            let session = house.sign_in(&login(department, role)).await;
            let answer = knock(&house, route, Some(&session)).await;
            let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
            let refused = is_refused(answer.status(), location);
            let expected = match route.who {
                Who::Anyone | Who::SignedIn => false,
                Who::Roles(roles) => !roles.contains(&role),
                // A session opens no door of supply: those take tokens only.
                Who::Token => true,
            };
            let is_sign_in = route.path == "/login" && route.method == Method::POST;
            assert!(
                refused == expected || is_sign_in,
                "{} {} for {role}: {}",
                route.method,
                route.path,
                answer.status()
            );
            assert!(answer.status() != StatusCode::INTERNAL_SERVER_ERROR, "{} {}", route.method, route.path);
        }
    }
}

#[tokio::test]
async fn a_form_without_its_token_changes_nothing() {
    let house = House::open().await;
    let session = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let other = house.sign_in(&login(REQUESTER, Role::Head)).await;
    for token in ["", "guessed", &other.form_token] {
        let answer = client()
            .post(house.url("/logout"))
            .header("cookie", &session.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(&[("form_token", token)]))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 403, "token `{token}`");
    }
    let still = client().get(house.url("/docket")).header("cookie", &session.cookie).send().await.expect("an answer");
    assert_eq!(still.status(), 200, "the session goes on");
}

#[tokio::test]
async fn signing_out_ends_the_session_for_good() {
    let house = House::open().await;
    let session = house.sign_in(&login(PROVIDER, Role::Officer)).await;
    let answer = client()
        .post(house.url("/logout"))
        .header("cookie", &session.cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(encode(&[("form_token", &session.form_token)]))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 303);
    let after = client().get(house.url("/docket")).header("cookie", &session.cookie).send().await.expect("an answer");
    assert_eq!(after.headers()["location"], "/login?next=%2Fdocket");
}

#[tokio::test]
async fn five_wrong_passphrases_lock_a_name_and_say_until_when() {
    let house = House::open().await;
    let name = login(PROVIDER, Role::Head);
    let mut last = StatusCode::OK;
    for attempt in 0..6 {
        let form = client().get(house.url("/login")).send().await.expect("the form");
        let visit = crate::house::cookie(&form, "yihe_visit").expect("a visit cookie");
        let token = form_token(&form.text().await.expect("a page"));
        let answer = client()
            .post(house.url("/login"))
            .header("cookie", format!("yihe_visit={visit}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(&[
                ("name", &name),
                ("passphrase", if attempt == 5 { PASSPHRASE } else { "wrong" }),
                ("form_token", &token),
            ]))
            .send()
            .await
            .expect("an answer");
        last = answer.status();
        if attempt < 5 {
            assert_eq!(last, StatusCode::UNAUTHORIZED);
        } else {
            assert_eq!(answer.headers()["retry-after"], "900");
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "the right passphrase comes too late");
}

#[tokio::test]
async fn a_refusal_is_a_page_for_people_and_problem_details_for_programs() {
    let house = House::open().await;
    let page = client().get(house.url("/catalogue/9/99/999/1")).send().await.expect("an answer");
    assert_eq!(page.status(), 404);
    assert!(page.headers()["content-type"].to_str().expect("text").starts_with("text/html"));
    assert!(page.text().await.expect("a page").contains("没有找到"));

    let details = client().get(house.url("/api/v1/catalogue/9/99/999/1?lang=en")).send().await.expect("an answer");
    assert_eq!(details.status(), 404);
    assert_eq!(details.headers()["content-type"], "application/problem+json");
    let details: Value = details.json().await.expect("JSON");
    assert_eq!(details["type"], "/problems/not-found");
    assert_eq!(details["title"], "Not found");
    assert_eq!(details["instance"], "/api/v1/catalogue/9/99/999/1");
    assert_eq!(details["trace_id"].as_str().expect("a number").len(), 16);
}

#[tokio::test]
async fn bounds_are_kept_and_named() {
    let house = House::open().await;
    let long = "a".repeat(101);
    for (path, status, said) in [
        (format!("/api/v1/catalogue?q={long}"), 422, "101"),
        (format!("/api/v1/catalogue?q={}", "a".repeat(5_000)), 413, "4096"),
        ("/api/v1/catalogue?sharing=perhaps".to_owned(), 400, "withheld"),
        ("/api/v1/catalogue?page=-1".to_owned(), 400, ""),
        ("/api/v1/catalogue?page=99999999".to_owned(), 200, ""),
    ] {
        let answer = client().get(house.url(&path)).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        let body = answer.text().await.expect("a body");
        assert!(body.contains(said), "{body}");
    }
    let answer = client().get(house.url("/")).header("x-long", "a".repeat(17_000)).send().await.expect("an answer");
    assert_eq!(answer.status(), 413);
    let answer = client().delete(house.url("/catalogue")).send().await.expect("an answer");
    assert_eq!(answer.status(), 405);
    assert!(answer.headers()["allow"].to_str().expect("text").contains("GET"));
}

#[tokio::test]
async fn every_answer_forbids_what_pages_do_not_need() {
    let house = House::open().await;
    for path in ["/", "/nothing", "/api/v1/city", "/login"] {
        let answer = client().get(house.url(path)).send().await.expect("an answer");
        let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    let style = client().get(house.url(yihe_web::assets::style())).send().await.expect("the sheet");
    assert_eq!(style.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn initials_find_an_entry_and_its_page_shows_the_thirteen_core_elements() {
    let house = House::open().await;
    let found: Value = client()
        .get(house.url("/api/v1/catalogue?q=rkjbxx"))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let all: Value =
        client().get(house.url("/api/v1/catalogue")).send().await.expect("an answer").json().await.expect("JSON");
    assert!(all["total"].as_i64().expect("a number") > 30);
    let first = found["entries"].get(0).unwrap_or(&all["entries"][0]);
    let code = first["code"].as_str().expect("a code");
    let page = client().get(house.url(&format!("/catalogue/{code}"))).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    let page = page.text().await.expect("a page");
    for element in [
        "信息资源分类",
        "信息资源名称",
        "信息资源代码",
        "信息资源提供方",
        "信息资源提供方代码",
        "信息资源摘要",
        "信息资源格式",
        "信息项信息",
        "共享属性",
        "开放属性",
        "更新周期",
        "发布日期",
        "关联资源代码",
    ] {
        assert!(page.contains(element), "{element}");
    }
    assert!(page.contains("/ledger/proof/"), "its publication is on the ledger");
}

#[tokio::test]
async fn the_ledger_is_served_as_files_that_prove_themselves() {
    let house = House::open().await;
    let get = async |path: &str| client().get(house.url(path)).send().await.expect("an answer");
    let checkpoint = get("/ledger/checkpoint").await.text().await.expect("text");
    assert!(checkpoint.starts_with("yihe.example/linyi\n"), "{checkpoint}");
    let size: u64 = checkpoint.lines().nth(1).expect("a size").parse().expect("a number");
    let bundle = get(&format!("/ledger/tile/entries/000.p/{}", size.min(255))).await;
    assert!(bundle.status() == 200 || size > 255, "{}", bundle.status());
    let proof = get("/ledger/proof/0").await;
    assert_eq!(proof.status(), 200);
    assert!(proof.text().await.expect("text").contains("yihe.example/linyi"));
    assert_eq!(get(&format!("/ledger/proof/{size}")).await.status(), 404);
    for elsewhere in ["/ledger/tile/..%2f..%2fkeys", "/ledger/tile/0%2f..%2f..%2fcheckpoint", "/ledger/tile/0/0001"] {
        assert!(matches!(get(elsewhere).await.status().as_u16(), 400 | 404), "{elsewhere}");
    }
}

#[tokio::test]
async fn the_home_page_and_the_api_tell_the_same_numbers() {
    let house = House::open().await;
    let numbers: Value =
        client().get(house.url("/api/v1/city")).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(numbers["intake"]["rows_in"], 45_030);
    assert_eq!(numbers["intake"]["rows_accepted"], 45_003);
    assert_eq!(numbers["intake"]["rows_quarantined"], 27);
    assert_eq!(numbers["intake"]["batches"], 10);
    let page = client().get(house.url("/")).send().await.expect("an answer").text().await.expect("a page");
    assert!(page.contains("45,030") && page.contains("45,003"), "{page}");
}

#[tokio::test]
async fn the_api_description_is_the_reviewed_one() {
    insta::assert_json_snapshot!("openapi", yihe_web::api::openapi::document());
}
