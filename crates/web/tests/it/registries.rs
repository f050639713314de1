//! Golden records that are masked until a reason is on the ledger, pairs that reviewers judge, and trials.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use yihe_registries::{Decision, Proposal};
use yihe_store::{DecisionFilter, ObjectKind, Role};

use crate::{
    house::{House, Session, client},
    population::{KEEPER, PERSONS, mobile, name, number, other_mobile, slip},
};

const POPULATION: &str = "/registries/population";

async fn json_of(house: &House, session: &Session, path: &str) -> Value {
    serde_json::from_str(&house.read(session, path).await).expect("JSON")
}

/// The address of a person's record, as the search leads to it.
async fn found(house: &House, session: &Session, person: usize) -> String {
    let answer = house.send(session, &format!("{POPULATION}/search"), &[("key", &number(person))]).await;
    assert_eq!(answer.status(), 303, "{}", answer.text().await.unwrap_or_default());
    answer.headers()["location"].to_str().expect("text").to_owned()
}

/// No number, whole name or telephone of anybody stands in a text.
fn assert_masked(text: &str) {
    for person in 0..PERSONS {
        for hidden in [number(person), slip(person), name(person), mobile(person), other_mobile(person)] {
            assert!(!text.contains(&hidden), "{hidden} is shown: {text}");
        }
    }
}

#[tokio::test]
async fn figures_and_sources_are_public_and_records_are_not() {
    let house = House::open().await;
    house.populate().await;
    let get = async |path: &str| client().get(house.url(path)).send().await.expect("an answer");
    let list: Value = get("/api/v1/registries").await.json().await.expect("JSON");
    let all = list["registries"].as_array().expect("registries");
    let population = all.iter().find(|one| one["id"] == "population").expect("population");
    assert_eq!((&population["entities"], &population["doubtful"]), (&PERSONS.into(), &3.into()), "{list}");
    let one: Value = get("/api/v1/registries/population").await.json().await.expect("JSON");
    let field = |name: &str| {
        one["fields"].as_array().expect("fields").iter().find(|field| field["name"] == name).expect(name).clone()
    };
    let mobile = field("mobile");
    assert_eq!((&mobile["filled"], &mobile["conflicts"]), (&PERSONS.into(), &(PERSONS - 3).into()), "{mobile}");
    assert_eq!(
        (&mobile["sources"][0]["rank"], &mobile["sources"][0]["taken"]),
        (&1.into(), &PERSONS.into()),
        "{mobile}"
    );
    // Completeness and consistency are those of the golden values that were counted.
    let number = |value: &Value, name: &str| value[name].as_f64().expect(name);
    let fields = one["fields"].as_array().expect("fields");
    let mean = |shares: Vec<f64>| 100.0 * shares.iter().sum::<f64>() / f64::from(u32::try_from(shares.len()).unwrap());
    let entities = number(&one, "entities");
    let expected = [
        (
            "completeness",
            mean(
                fields
                    .iter()
                    // That somebody did not die is no gap.
                    .filter(|field| field["name"] != "died_on" && field["name"] != "emigrated_on")
                    .map(|field| number(field, "filled") / entities)
                    .collect(),
            ),
        ),
        (
            "consistency",
            mean(
                fields
                    .iter()
                    .map(|field| (number(field, "filled"), number(field, "conflicts")))
                    .filter(|(filled, _)| *filled > 0.0)
                    .map(|(filled, lost)| filled / (filled + lost))
                    .collect(),
            ),
        ),
    ];
    for (name, expected) in expected {
        let dimensions = one["quality"]["dimensions"].as_array().expect("dimensions");
        let found = dimensions.iter().find(|one| one["dimension"] == name).expect(name);
        assert!((number(found, "value") - expected).abs() < 1e-6, "{name}: {expected} {one}");
    }
    let page = get(POPULATION).await.text().await.expect("a page");
    assert!(page.contains("一数一源") && page.contains("数源"), "{page}");
    assert_masked(&page);

    let (_, _, provider) = house.seats().await;
    let record = found(&house, &provider, 5).await;
    let stranger = house.stranger().await;
    for path in [record.as_str(), "/registries/population/review", "/registries/population/what-if"] {
        let nobody = get(path).await;
        assert_eq!(nobody.status(), 303, "{path}: nobody is led to the sign-in");
        let other = client().get(house.url(path)).header("cookie", &stranger.cookie).send().await.expect("an answer");
        assert_eq!(other.status(), 403, "{path} for a department that neither runs nor feeds it");
    }
    for path in
        ["/registries/population/review", "/registries/population/what-if", "/api/v1/registries/population/review"]
    {
        let other = client().get(house.url(path)).header("cookie", &provider.cookie).send().await.expect("an answer");
        assert_eq!(other.status(), 403, "{path} is for the keeper");
    }
    assert_eq!(get("/registries/nothing").await.status(), 404);

    // A theme: what it joins and from whom is public before anything is built.
    let page = get("/themes/credit").await.text().await.expect("a page");
    assert!(page.contains("信用主题库") && page.contains("/registries/legal_entities"), "{page}");
    let theme: Value = get("/api/v1/themes/credit").await.json().await.expect("JSON");
    assert_eq!(
        (&theme["rows"], &theme["view"], &theme["quality"]["score"]),
        (&Value::Null, &false.into(), &Value::Null),
        "{theme}"
    );
    assert_eq!(get("/themes/nothing").await.status(), 404);
}

#[tokio::test]
async fn a_number_leads_to_a_masked_record_and_stands_in_no_address() {
    let house = House::open().await;
    house.populate().await;
    let (keeper, _, provider) = house.seats().await;
    let path = found(&house, &provider, 5).await;
    assert!(path.starts_with("/registries/population/records/E") && !path.contains(&number(5)), "{path}");
    let page = house.read(&provider, &path).await;
    assert_masked(&page);
    assert!(
        page.contains("次序在后") && page.contains("batch-residence_permits"),
        "the value that lost, and why: {page}"
    );
    let api = json_of(&house, &provider, &format!("/api/v1{path}")).await;
    assert_masked(&api.to_string());
    let field = |title: &str| {
        api["fields"]
            .as_array()
            .expect("fields")
            .iter()
            .find(|field| field["title"]["zh"] == title)
            .expect(title)
            .clone()
    };
    let mobile = field("手机号码");
    assert_eq!((&mobile["masked"], mobile["lost"].as_array().map(Vec::len)), (&true.into(), Some(1)), "{mobile}");
    assert_eq!(mobile["from"]["changed_on"], "2026-02-07", "{mobile}");
    assert_eq!(api["records"].as_array().map(Vec::len), Some(3), "{api}");

    let slipped = house.send(&keeper, &format!("{POPULATION}/search"), &[("key", &slip(5))]).await;
    assert_eq!(slipped.status(), 404);
    let said = slipped.text().await.expect("a page");
    assert!(said.contains("校验位不符") && !said.contains(&slip(5)), "{said}");
    let unknown = house.send(&keeper, &format!("{POPULATION}/search"), &[("key", &number(PERSONS + 3))]).await;
    assert_eq!(unknown.status(), 404);
    let by_number = format!("{POPULATION}/records/{}", number(5));
    let refused = client().get(house.url(&by_number)).header("cookie", &keeper.cookie).send().await.expect("an answer");
    assert_eq!(refused.status(), 404, "a number in an address finds nothing");
    let search = client()
        .post(house.url("/api/v1/registries/population/search"))
        .header("cookie", &keeper.cookie)
        .body(json!({ "key": number(5) }).to_string())
        .send()
        .await
        .expect("an answer");
    let search: Value = search.json().await.expect("JSON");
    assert_eq!(search["href"], path.as_str());
}

#[tokio::test]
async fn a_record_is_shown_in_clear_for_a_reason_that_is_on_the_ledger_first() {
    let house = House::open().await;
    house.populate().await;
    let (keeper, _, provider) = house.seats().await;
    let path = found(&house, &keeper, 5).await;
    let entity = path.rsplit('/').next().expect("a name").to_owned();
    let clear = format!("{path}/clear");
    let reason = ("reason", "核对群众来电 12345-0091");
    assert_eq!(house.send(&provider, &clear, &[reason]).await.status(), 403, "who feeds it sees it masked");
    let without = house.send(&keeper, &clear, &[("reason", "看")]).await;
    assert_eq!(without.status(), 422, "a word is no reason");
    let none = house.state.store.disclosure_list("population", &entity, 10).await.expect("a list");
    assert!(none.is_empty(), "nothing was shown: {none:?}");

    let shown = house.send(&keeper, &clear, &[reason]).await;
    assert_eq!(shown.status(), 200);
    let shown = shown.text().await.expect("a page");
    assert!(shown.contains(&number(5)) && shown.contains(&name(5)) && shown.contains(&mobile(5)), "{shown}");
    let rows = house.state.store.disclosure_list("population", &entity, 10).await.expect("a list");
    assert_eq!((rows.len(), rows[0].department.as_str()), (1, KEEPER));
    let told = house.state.store.outbox_list_by_object(&ObjectKind::Disclosure.name(&rows[0].id), 10).await;
    assert_eq!(told.expect("a list")[0].kind, "record.disclosed");
    let again = house.read(&keeper, &path).await;
    assert!(again.contains("12345-0091"), "the keeper sees who looked: {again}");
    assert!(!again.contains(&number(5)), "the next visit is masked again");
    assert!(!house.read(&provider, &path).await.contains("12345-0091"), "that is none of a provider's business");

    // Protected from this moment, built or not.
    let pack = house.state.pack();
    let registry = pack.registry("population").expect("in the pack");
    let actor = crate::house::cast(KEEPER, Role::Head);
    house.state.desk.builder.protect(registry, &number(5), "证人保护", None, &actor).await.expect("noted");
    let refused = house.send(&keeper, &clear, &[reason]).await;
    assert_eq!(refused.status(), 403);
    let page = house.read(&keeper, &path).await;
    assert!(page.contains("受保护人员"), "{page}");
    assert_masked(&page);

    // So is who bears the number that another was merged with, from the moment that other is protected.
    let survivor = found(&house, &keeper, 6).await;
    let merge = Decision::Merge { survivor: number(6), merged: number(7) };
    let builder = &house.state.desk.builder;
    builder.decide(registry, merge, "同一人换发新号", &Proposal::default(), &actor).await.expect("decided");
    let shown = house.send(&keeper, &format!("{survivor}/clear"), &[reason]).await;
    assert_eq!(shown.status(), 200, "nobody is protected yet");
    builder.protect(registry, &number(7), "证人保护", None, &actor).await.expect("noted");
    let refused = house.send(&keeper, &format!("{survivor}/clear"), &[reason]).await;
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn reviewers_judge_the_least_certain_first_and_agree_or_not() {
    let house = House::open().await;
    house.populate().await;
    let (keeper, reviewer, _) = house.seats().await;
    let list = json_of(&house, &keeper, "/api/v1/registries/population/review").await;
    let odds: Vec<f64> =
        list["pairs"].as_array().expect("pairs").iter().filter_map(|pair| pair["probability"].as_f64()).collect();
    assert_eq!(odds, [0.52, 0.7, 0.9], "{list}");
    assert_masked(&list.to_string());
    let pair = |at: usize| list["pairs"][at]["pair"].as_str().expect("a name").to_owned();
    let page = house.read(&keeper, &format!("{POPULATION}/review")).await;
    assert!(page.contains(&pair(0)), "{page}");
    assert_masked(&page);

    let first = format!("{POPULATION}/pairs/{}", pair(0));
    let page = house.read(&keeper, &first).await;
    assert_masked(&page);
    assert!(page.contains("完全一致") && page.contains("不一致") && page.contains("−4.4"), "the weights: {page}");
    let api = json_of(&house, &keeper, &format!("/api/v1{first}")).await;
    assert_eq!((&api["prior"], &api["steps"][0]["weight"]), (&(-3.5).into(), &8.0.into()), "{api}");

    let odd = house.send(&keeper, &format!("{first}/answer"), &[("answer", "perhaps")]).await;
    assert_eq!(odd.status(), 422);
    let unsure = house.send(&keeper, &format!("{first}/answer"), &[("answer", "unsure"), ("shown_at", "0")]).await;
    assert_eq!(unsure.status(), 303);
    let next = unsure.headers()["location"].to_str().expect("text").to_owned();
    assert!(next.contains(&pair(1)) && next.ends_with("said=unsure"), "{next}");
    assert!(house.read(&keeper, &next).await.contains("上一对：拿不准，已记。"));

    // One reviewer is enough in this registry: it is decided.
    let same = house.send(&reviewer, &format!("{first}/answer"), &[("answer", "same")]).await;
    assert!(same.headers()["location"].to_str().expect("text").ends_with("said=same-decided"));
    let filter = DecisionFilter { registry: "population".to_owned(), standing: true, ..DecisionFilter::default() };
    let decided = house.state.store.decision_list_newest(&filter, 0, 10).await.expect("a list");
    assert_eq!((decided.len(), decided[0].kind.as_str(), decided[0].model.as_str()), (1, "join", "m1"));
    let labels = house.state.store.label_list("population", "", 10).await.expect("a list");
    assert_eq!(labels.len(), 2);
    assert_eq!(labels[0].seconds, 3_600, "who is gone for years does not think for years");

    let agreement = json_of(&house, &keeper, "/api/v1/registries/population/review/agreement").await;
    assert_eq!(
        (&agreement["answers"], &agreement["compared"]),
        (&2.into(), &0.into()),
        "unsure is no answer: {agreement}"
    );
    // The keeper makes up its mind, against the decision that stands: the answer counts, the decision stands.
    let against = house.send(&keeper, &format!("{first}/answer"), &[("answer", "different")]).await;
    assert_eq!(against.status(), 303);
    let next = against.headers()["location"].to_str().expect("text").to_owned();
    assert!(next.ends_with(&format!("said=different-against.{}", decided[0].id)), "{next}");
    let told = house.read(&keeper, &next).await;
    assert!(told.contains(&format!("yihe registry revoke population {}", decided[0].id)), "{told}");
    assert!(!house.read(&keeper, &next.replace("against.", "against.%3Cb%3E")).await.contains("revoke population <b>"));
    let agreement = json_of(&house, &keeper, "/api/v1/registries/population/review/agreement").await;
    assert_eq!((&agreement["answers"], &agreement["compared"]), (&2.into(), &1.into()), "{agreement}");
    let page = house.read(&reviewer, &format!("{POPULATION}/review/agreement")).await;
    assert!(page.contains("科恩 κ") && page.contains("gongan-officer"), "{page}");
    assert_masked(&page);

    // The decision counts with the next build, and leads back to its weights.
    let pack = house.state.pack();
    house.state.desk.builder.build(pack.registry("population").expect("in the pack")).await.expect("built");
    let record = json_of(&house, &keeper, &format!("/api/v1{}", found(&house, &keeper, 1).await)).await;
    assert_eq!(record["records"].as_array().map(Vec::len), Some(3), "the permit with the slip is hers now: {record}");
    assert_eq!(record["decisions"][0]["pair"], first.as_str(), "{record}");
    let kept = &record["decisions"][0];
    assert_eq!((&kept["model"], &kept["weights"][0]["weight"]), (&"m1".into(), &8.0.into()), "{kept}");
    assert!(kept["model_version"].is_number(), "{kept}");

    // In clear for a reason, and on to the next in clear; an entry of the ledger for each.
    let second = format!("{POPULATION}/pairs/{}", pair(1));
    let reason = ("reason", "核对疑似同一");
    let clear = house.send(&keeper, &format!("{second}/clear"), &[reason]).await;
    assert!(clear.text().await.expect("a page").contains(&other_mobile(2)));
    let on = house.send(&keeper, &format!("{second}/answer"), &[("answer", "different"), reason]).await;
    assert_eq!(on.status(), 200);
    assert!(on.text().await.expect("a page").contains(&other_mobile(0)), "the next pair is in clear too");
    for person in [0, 2] {
        let path = found(&house, &keeper, person).await;
        let entity = path.rsplit('/').next().expect("a name");
        let rows = house.state.store.disclosure_list("population", entity, 10).await.expect("a list");
        assert_eq!(rows.len(), 1, "person {person}");
        assert!(rows[0].record.starts_with("residence_permits/batch-residence_permits/"), "{:?}", rows[0]);
    }
    let gone =
        client().get(house.url(&format!("{POPULATION}/pairs/a.b.1.c"))).header("cookie", &keeper.cookie).send().await;
    assert_eq!(gone.expect("an answer").status(), 404);
}

#[tokio::test]
async fn a_trial_works_behind_the_request_and_its_examples_are_masked() {
    let house = House::open().await;
    house.populate().await;
    let (keeper, _, _) = house.seats().await;
    let form = house.read(&keeper, &format!("{POPULATION}/what-if?field=mobile")).await;
    assert!(form.contains("rank:residence_permits"), "{form}");
    let begin = async |fields: &[(&str, &str)]| house.send(&keeper, &format!("{POPULATION}/what-if"), fields).await;
    assert_eq!(begin(&[("field", "shoe_size")]).await.status(), 422);
    let twice = [("field", "mobile"), ("rank:residence_permits", "1"), ("rank:medical_insurance_persons", "1")];
    assert_eq!(begin(&twice).await.status(), 422, "two in one place");
    let order = [("field", "mobile"), ("rank:residence_permits", "1"), ("rank:medical_insurance_persons", "2")];
    let begun = begin(&order).await;
    assert_eq!(begun.status(), 303);
    let path = begun.headers()["location"].to_str().expect("text").to_owned();
    let deadline = Instant::now() + Duration::from_secs(60);
    let outcome = loop {
        let outcome = json_of(&house, &keeper, &format!("/api/v1{path}")).await;
        if outcome["state"] != "running" {
            break outcome;
        }
        assert!(Instant::now() < deadline, "the trial does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(outcome["state"], "done", "{outcome}");
    assert_eq!(outcome["changes"][0]["altered"], PERSONS - 3, "{outcome}");
    assert_masked(&outcome.to_string());
    let page = house.read(&keeper, &path).await;
    assert!(page.contains("值会改变") && page.contains("139****"), "{page}");
    assert_masked(&page);
    assert!(house.read(&keeper, &format!("{POPULATION}/what-if")).await.contains(&path), "it is listed");
}

#[tokio::test]
async fn the_ticket_of_a_conflict_names_the_rows_that_lost() {
    let house = House::open().await;
    house.populate().await;
    let (_, reviewer, _) = house.seats().await;
    let pack = house.state.pack();
    let population = pack.registry("population").expect("in the pack");
    let mut losing = None;
    for member in &population.members {
        let lost = yihe_registries::losers::losers(&house.state.lake, population, "mobile", &member.dataset, 100).await;
        let lost = lost.expect("read");
        if !lost.is_empty() {
            losing = Some((pack.dataset(&member.dataset).expect("in the pack"), lost));
        }
    }
    let (dataset, lost) = losing.expect("somebody's mobile lost");
    assert_eq!(lost.len(), PERSONS - 3, "{lost:?}");
    let count = std::collections::BTreeMap::from([("mobile".to_owned(), lost.len() as u64)]);
    let actor = yihe_store::Actor::system();
    let now = house.state.clock.now();
    house.state.tickets.after_build("population", dataset, &count, &actor, now).await.expect("settled");
    let found = house.state.store.ticket_list(&yihe_store::TicketFilter::default(), 0, 100).await.expect("tickets");
    let ticket = found.iter().find(|ticket| ticket.rule == "conflict:population.mobile").expect("a ticket");
    let page = house.read(&reviewer, &format!("/tickets/{}", ticket.id)).await;
    assert!(page.contains("未被采信的行") && page.contains("/registries/population"), "{page}");
    assert!(page.contains(&format!("{}:{}", lost[0].batch, lost[0].row)), "{page}");
    assert_masked(&page);
}
