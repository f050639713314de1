//! A person at a real browser, and axe-core at every page in both languages and both colour schemes.

use std::path::PathBuf;

use yihe_store::Role;
use yihe_test_support::{Browser, browser::Scheme};

use crate::{
    house::{House, PASSPHRASE, REQUESTER, login},
    population::{KEEPER, number},
};

/// The text of `axe.min.js`, which the test command installs.
fn axe() -> String {
    let path = std::env::var_os("YIHE_AXE_JS")
        .map(PathBuf::from)
        .expect("YIHE_AXE_JS names axe.min.js; `make test` installs it and sets the variable");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// Where pictures go when somebody wants to look: `YIHE_PICTURES=folder`.
fn pictures() -> Option<PathBuf> {
    std::env::var_os("YIHE_PICTURES").map(PathBuf::from)
}

#[tokio::test]
async fn a_person_finds_an_entry_by_initials_changes_the_language_and_signs_in_to_request_it() {
    let house = House::open().await;
    let browser = Browser::start(1280, 900, "zh-CN").await;
    browser.open(&house.url("/")).await;
    assert_eq!(browser.title().await, "首页 · 沂河");

    browser.type_in(&browser.find("#q").await, "hydj").await;
    browser.click(&browser.find("form.search button").await).await;
    let first = browser.find(".hits h3 a").await;
    let title = browser.text(&first).await;
    assert!(title.contains("婚姻"), "initials find the marriage register, not `{title}`");
    browser.click(&first).await;
    assert_eq!(browser.text(&browser.find("h1").await).await, title);

    browser.click(&browser.find(".tools a[hreflang=en]").await).await;
    assert!(browser.text(&browser.find("#core").await).await.contains("Core metadata"));
    // The choice lasts: the next page needs no `lang`.
    browser.open(&house.url("/catalogue")).await;
    assert_eq!(browser.title().await, "Catalogue · Yihe");

    browser.open(&house.url("/docket")).await;
    browser.type_in(&browser.find("#name").await, &login(REQUESTER, Role::Officer)).await;
    browser.type_in(&browser.find("#passphrase").await, PASSPHRASE).await;
    browser.click(&browser.find(".gate button").await).await;
    browser.find("#mine").await;
    assert!(browser.address().await.ends_with("/docket"), "signing in leads back to where one came from");
    browser.quit().await;
}

#[tokio::test]
async fn axe_finds_nothing_on_any_page_in_either_language_and_scheme() {
    let axe = axe();
    let house = House::open().await;
    let browser = Browser::start(1280, 1000, "zh-CN").await;
    let mut findings = Vec::new();
    let addresses = addresses(&house).await;
    for seat in [None, Some(REQUESTER), Some(KEEPER)] {
        if let Some(department) = seat {
            sign_in(&browser, &house, department).await;
        }
        for address in addresses.iter().filter(|address| address.seat == seat) {
            for language in ["zh", "en"] {
                for scheme in Scheme::ALL {
                    browser.prefer(scheme).await;
                    let joiner = if address.path.contains('?') { '&' } else { '?' };
                    browser.open(&house.url(&format!("{}{joiner}lang={language}", address.path))).await;
                    let found = browser.axe(&axe).await;
                    findings.extend(
                        found
                            .into_iter()
                            .map(|line| format!("{} {language} {}: {line}", address.path, scheme.as_str())),
                    );
                    if let Some(folder) = pictures() {
                        std::fs::create_dir_all(&folder).expect("the folder can be made");
                        browser
                            .picture(&folder.join(format!("{}-{language}-{}.png", address.name, scheme.as_str())))
                            .await;
                    }
                }
            }
            if let Some(folder) = pictures() {
                browser.resize(390, 844).await;
                browser.picture(&folder.join(format!("{}-phone.png", address.name))).await;
                browser.resize(1280, 1000).await;
            }
        }
    }
    browser.quit().await;
    assert!(findings.is_empty(), "axe found:\n{}", findings.join("\n"));
}

#[tokio::test]
async fn no_page_scrolls_sideways_on_a_phone() {
    let house = House::open().await;
    let browser = Browser::start(500, 900, "zh-CN").await;
    browser.resize(390, 844).await;
    let addresses = addresses(&house).await;
    let mut seat = None;
    for address in &addresses {
        if address.seat.is_some() && address.seat != seat {
            seat = address.seat;
            sign_in(&browser, &house, seat.unwrap_or(REQUESTER)).await;
        }
        for language in ["zh", "en"] {
            let joiner = if address.path.contains('?') { '&' } else { '?' };
            browser.open(&house.url(&format!("{}{joiner}lang={language}", address.path))).await;
            let width = browser.run("return document.documentElement.scrollWidth", &[]).await;
            assert!(width.as_i64().expect("a number") <= 390, "{} {language} is {width} wide", address.path);
        }
    }
    browser.quit().await;
}

#[tokio::test]
async fn a_reviewer_judges_with_single_keys_and_may_switch_them_off() {
    let house = House::open().await;
    house.populate().await;
    let _ = house.seats().await;
    let browser = Browser::start(1280, 1000, "zh-CN").await;
    sign_in(&browser, &house, KEEPER).await;
    browser.open(&house.url("/registries/population/review")).await;
    browser.click(&browser.find(".actions a.button").await).await;
    let first = browser.text(&browser.find("h1 + p").await).await;
    browser.type_in(&browser.find("body").await, "u").await;
    // The next page says what became of the pair before.
    let said = browser.find(".notice[role=status]").await;
    assert!(browser.text(&said).await.contains("拿不准"), "{}", browser.text(&said).await);
    assert_ne!(browser.text(&browser.find("h1 + p").await).await, first, "the next pair is shown");
    let address = browser.address().await;
    browser.click(&browser.find("[data-keys-switch]").await).await;
    browser.type_in(&browser.find("body").await, "s").await;
    assert_eq!(browser.address().await, address, "a key that is switched off does nothing");
    browser.quit().await;
}

struct Address {
    name: &'static str,
    path: String,
    /// Department whose officer looks at it.
    seat: Option<&'static str>,
}

/// Every page, with something on it: a request at the provider, another granted.
async fn addresses(house: &House) -> Vec<Address> {
    let code = house.marriages().await;
    let officer = house.sign_in(&login(REQUESTER, Role::Officer)).await;
    let waiting = house.apply(&officer).await;
    let granted = crate::sharing::granted(house).await;
    house.populate().await;
    let (keeper, _, _) = house.seats().await;
    let found = house.send(&keeper, "/registries/population/search", &[("key", &number(5))]).await;
    let record = found.headers()["location"].to_str().expect("text").to_owned();
    let pairs = house.read(&keeper, "/api/v1/registries/population/review").await;
    let pairs: serde_json::Value = serde_json::from_str(&pairs).expect("JSON");
    let pair = format!("/registries/population/pairs/{}", pairs["pairs"][0]["pair"].as_str().expect("a name"));
    let order = [("field", "mobile"), ("rank:residence_permits", "1"), ("rank:medical_insurance_persons", "2")];
    let trial = house.send(&keeper, "/registries/population/what-if", &order).await;
    let trial = trial.headers()["location"].to_str().expect("text").to_owned();
    let open = |name, path: &str| Address { name, path: path.to_owned(), seat: None };
    let mine = |name, path: &str| Address { name, path: path.to_owned(), seat: Some(REQUESTER) };
    let kept = |name, path: &str| Address { name, path: path.to_owned(), seat: Some(KEEPER) };
    vec![
        open("home", "/"),
        open("catalogue", "/catalogue?q=xx"),
        open("nothing-found", "/catalogue?q=zzzzzz"),
        open("entry", &format!("/catalogue/{code}")),
        open("ledger", "/ledger"),
        open("login", "/login"),
        open("refusal", "/nothing-here"),
        open("problem", "/problems/unprocessable"),
        open("quality", "/quality"),
        open("quality-department", "/quality/departments/ziran"),
        open("quality-county", "/quality/counties/371302"),
        open("quality-dataset", "/quality/datasets/land_parcels"),
        mine("quality-rows", "/quality/datasets/land_parcels?rule=use_code"),
        mine("tickets", "/tickets?state=all"),
        mine("ticket", &format!("/tickets/{}", ticket(house).await)),
        mine("objection-receipt", "/objections/new"),
        mine("docket", "/docket"),
        mine("apply", &format!("/requests/new?entry={code}")),
        mine("request-waiting", &waiting),
        mine("request-granted", &granted),
        mine("grants", "/grants"),
        open("registries", "/registries"),
        open("theme", "/themes/household_residence"),
        kept("registry", "/registries/population"),
        kept("registry-record", &record),
        kept("registry-review", "/registries/population/review"),
        kept("registry-pair", &pair),
        kept("registry-agreement", "/registries/population/review/agreement"),
        kept("registry-what-if-form", "/registries/population/what-if?field=mobile"),
        kept("registry-what-if", &trial),
    ]
}

/// A ticket of the requester's own.
async fn ticket(house: &House) -> String {
    let open = yihe_store::TicketFilter { state: Some("open".to_owned()), ..yihe_store::TicketFilter::default() };
    let tickets = house.state.store.ticket_list(&open, 0, 1).await.expect("tickets");
    tickets[0].id.clone()
}

async fn sign_in(browser: &Browser, house: &House, department: &str) {
    // Whoever is signed in is led past the form.
    browser.forget_cookies().await;
    browser.open(&house.url("/login?next=/docket")).await;
    browser.type_in(&browser.find("#name").await, &login(department, Role::Officer)).await;
    browser.type_in(&browser.find("#passphrase").await, PASSPHRASE).await;
    browser.click(&browser.find(".gate button").await).await;
    browser.find("#mine").await;
}
