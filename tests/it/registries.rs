//! Trials on the registries: what a change of authority would alter is what it alters; a record without a usable
//! number is laid beside the right person; a person with two numbers and a company with two codes are found, and what
//! reviewers say of them is not asked again.

use std::collections::{BTreeMap, BTreeSet};

use yihe_city::{CityOptions, generate};
use yihe_collect::Outcome;
use yihe_definitions::Registry;
use yihe_registries::{
    Answered, RecordRef,
    candidates::{CERTAIN_FROM, CandidateReport, candidates_table},
    duplicates::ENTITY_SIDE,
    review::{self, Answer, Verdict},
    shape,
};
use yihe_store::Actor;

use crate::{
    main_line::{City, pack},
    truth::{table_rows, text, truth_rows},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_says_what_the_change_does_and_lost_people_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let pack = pack();
    let options =
        CityOptions { scale: 0.001, seed: 99, out: data.to_path_buf(), postgres: None, mariadb: None, threads: 2 };
    generate(&pack, &options, &mut |_| {}).expect("a city");
    let city = City::open(data, pack.clone()).await;
    let mut batches = BTreeMap::new();
    for one in city.collect().await {
        if let Outcome::Landed { batch, .. } = one.outcome {
            batches.insert(batch, one.name);
        }
    }
    city.check().await;
    city.build().await;
    let registry = pack.registry("population").expect("in the pack");

    // Candidates: the truth knows whose record it is, although its number is missing or does not add up.
    let report = city.builder().candidates(registry, 2).await.expect("candidates");
    let mut whose: BTreeMap<(String, String, String), String> = BTreeMap::new();
    for member in &registry.members {
        for row in truth_rows(&data.join("truth").join("rows"), &member.dataset) {
            if text(&row, "kind") == "unusable_key" {
                let file = text(&row, "file").rsplit('/').next().unwrap_or_default().to_owned();
                whose.insert((member.dataset.clone(), file, text(&row, "row")), text(&row, "key"));
            }
        }
    }
    let place = |row: &BTreeMap<String, Option<String>>| {
        (text(row, "dataset"), batches[&text(row, "batch")].clone(), text(row, "row"))
    };
    let unlinked = table_rows(&city.lake, &shape::unlinked_table(registry).expect("a name")).await;
    assert_eq!(report.unlinked, unlinked.len() as u64);
    assert!(unlinked.len() > 50, "too few records to judge by: {}", unlinked.len());
    let golden = table_rows(&city.lake, &shape::golden_table(registry).expect("a name")).await;
    let known: BTreeSet<String> = golden.iter().map(|row| text(row, &registry.key)).collect();
    let findable: f64 = unlinked.iter().filter(|row| known.contains(&whose[&place(row)])).map(|_| 1.0).sum();
    let (mut right, mut listed, mut certain_wrong) = (0.0, 0.0, 0);
    for row in table_rows(&city.lake, &candidates_table(registry).expect("a name")).await {
        let probability: f64 = text(&row, "probability").parse().expect("a number");
        if text(&row, "rank") != "1" || probability < 0.5 || text(&row, "dataset") == ENTITY_SIDE {
            continue;
        }
        let is_right = whose[&place(&row)] == text(&row, "entity");
        listed += 1.0;
        right += f64::from(u8::from(is_right));
        certain_wrong += u32::from(!is_right && probability >= CERTAIN_FROM);
    }
    let f1 = 2.0 * right / (listed + findable);
    assert!(f1 >= 0.98, "F1 {f1:.4}: {right} of {listed} listed are right, {findable} could be found");
    assert_eq!(certain_wrong, 0, "a certain candidate is somebody else");

    // What-if: the trial's figures against the registry that is really built so.
    let mut proposed = registry.clone();
    let mobile = proposed.fields.iter_mut().find(|field| field.name == "mobile").expect("a field");
    mobile.authority = vec!["residence_permits".to_owned(), "fund_accounts".to_owned()];
    let trial = city.builder().what_if(registry, &proposed).await.expect("a trial");
    assert_eq!(trial.entities, golden.len() as u64);
    city.builder().build(&proposed).await.expect("built");
    let rebuilt = table_rows(&city.lake, &shape::golden_table(registry).expect("a name")).await;
    let by_key = |rows: &[BTreeMap<String, Option<String>>]| -> BTreeMap<String, (String, String)> {
        let cells = |row: &BTreeMap<String, Option<String>>| (text(row, "mobile"), text(row, "mobile_from"));
        rows.iter().map(|row| (text(row, &registry.key), cells(row))).collect()
    };
    let (before, after) = (by_key(&golden), by_key(&rebuilt));
    let (mut altered, mut lost, mut gained, mut moved) = (0, 0, 0, 0);
    for (key, (value, from)) in &before {
        let (value_after, from_after) = &after[key];
        match (value.is_empty(), value_after.is_empty()) {
            (false, false) if value != value_after => altered += 1,
            (false, false) if from != from_after => moved += 1,
            (false, true) => lost += 1,
            (true, false) => gained += 1,
            _ => {}
        }
    }
    let field = trial.fields.iter().find(|field| field.field == "mobile").expect("the field");
    assert_eq!((field.altered, field.lost, field.gained, field.moved), (altered, lost, gained, moved));
    assert!(field.altered > 0 && field.lost > 0, "the change does something");
    assert!(trial.fields.iter().filter(|field| field.field != "mobile").all(|field| !field.is_change()));

    // Members are not up for trial.
    proposed.members.pop();
    let refusal = city.builder().what_if(registry, &proposed).await.expect_err("another shape");
    assert!(refusal.to_string().contains("other members or fields"), "{refusal}");
}

/// Of the pairs that the truth knows and that are in the registry, how many are listed; of those that are listed as
/// likely, how many are right: found, known, right, listed.
async fn doubles(city: &City, data: &std::path::Path, registry: &Registry) -> (usize, usize, usize, usize) {
    let golden = table_rows(&city.lake, &shape::golden_table(registry).expect("a name")).await;
    let there: BTreeSet<String> = golden.iter().map(|row| text(row, &registry.key)).collect();
    let pair = |one: String, other: String| if one < other { (one, other) } else { (other, one) };
    let known: BTreeSet<(String, String)> = truth_rows(&data.join("truth").join("registries"), &registry.id)
        .iter()
        .filter(|row| !text(row, "_same_as").is_empty())
        .map(|row| pair(text(row, &registry.key), text(row, "_same_as")))
        .filter(|(one, other)| there.contains(one) && there.contains(other))
        .collect();
    let listed: BTreeSet<(String, String)> = table_rows(&city.lake, &candidates_table(registry).expect("a name"))
        .await
        .iter()
        .filter(|row| text(row, "dataset") == ENTITY_SIDE)
        .filter(|row| text(row, "probability").parse::<f64>().expect("a number") >= 0.5)
        .map(|row| {
            let other: Vec<String> = serde_json::from_str(&text(row, "record_key")).expect("a list of one");
            pair(other[0].clone(), text(row, "entity"))
        })
        .collect();
    let found = known.intersection(&listed).count();
    // The second numbers of one person, neither of them their own, are one person too.
    let mine: BTreeMap<&str, &str> = known
        .iter()
        .flat_map(|(one, other)| [(one.as_str(), other.as_str()), (other.as_str(), one.as_str())])
        .collect();
    let is_right = |one: &str, other: &str| {
        known.contains(&pair(one.to_owned(), other.to_owned()))
            || mine.get(one).is_some_and(|own| mine.get(other) == Some(own))
    };
    let right = listed.iter().filter(|(one, other)| is_right(one, other)).count();
    (found, known.len(), right, listed.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_two_numbers_is_found_and_judged_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let pack = pack();
    let options =
        CityOptions { scale: 0.001, seed: 1999, out: data.to_path_buf(), postgres: None, mariadb: None, threads: 2 };
    generate(&pack, &options, &mut |_| {}).expect("a city");
    let city = City::open(data, pack.clone()).await;
    city.collect().await;
    city.check().await;
    city.build().await;
    let entities = |report: &CandidateReport| (report.doubles, report.laid);
    for (id, recall, precision) in [("population", 0.8, 0.95), ("legal_entities", 0.6, 0.9)] {
        let registry = pack.registry(id).expect("in the pack");
        let report = city.builder().candidates(registry, 2).await.expect("candidates");
        let (found, known, right, listed) = doubles(&city, data, registry).await;
        println!(
            "{id}: {found} of {known} found, {right} of {listed} right, {:?} doubles and entities",
            entities(&report)
        );
        #[expect(clippy::cast_precision_loss, reason = "counts below a hundred")]
        let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
        assert!(known >= 2, "{id}: too few pairs to judge by: {known}");
        assert!(share(found, known) >= recall, "{id}: {found} of {known} pairs of the truth are listed");
        assert!(share(right, listed) >= precision, "{id}: {right} of {listed} listed pairs are of one");
    }

    // Reviewers are asked; what two of a mind say is decided, and not asked again.
    let mut registry = pack.registry("population").expect("in the pack").clone();
    registry.review.reviewers = 2;
    let (wang, li) = (
        Actor { account: "wang".to_owned(), ..Actor::system() },
        Actor { account: "li".to_owned(), ..Actor::system() },
    );
    let asked = |reviewer: &'static str| {
        let (lake, store, registry) = (city.lake.clone(), city.store.clone(), registry.clone());
        async move {
            let (pairs, _) = review::list(&lake, &store, &registry, reviewer, 0, 1_000).await.expect("a list");
            pairs.into_iter().filter(|pair| pair.merged().is_some()).collect::<Vec<_>>()
        }
    };
    let waiting = asked("wang").await;
    assert!(waiting.len() > 20 && waiting.iter().any(|pair| pair.probability >= CERTAIN_FROM), "{}", waiting.len());
    let say = async |pair: &review::Pair, verdict: Verdict, who: &Actor| {
        let record = RecordRef { dataset: pair.dataset.clone(), record_key: pair.record_key.clone() };
        let answer = Answer { record, entity_key: pair.entity.clone(), verdict, seconds: 5 };
        city.builder().answer(&registry, &answer, who).await.expect("taken")
    };
    let (same, different) = (&waiting[0], &waiting[1]);
    assert_eq!(say(same, Verdict::Same, &wang).await, Answered::Noted);
    assert!(!asked("wang").await.contains(same) && asked("li").await.contains(same), "who answered is not asked again");
    assert!(matches!(say(same, Verdict::Same, &li).await, Answered::Decided(_)));
    assert_eq!(say(different, Verdict::Different, &wang).await, Answered::Noted);
    assert!(matches!(say(different, Verdict::Different, &li).await, Answered::Decided(_)));
    let left = asked("third").await;
    assert!(!left.contains(same) && !left.contains(different) && left.len() == waiting.len() - 2);
    let agreement = review::agreement(&city.store, &registry).await.expect("figures");
    assert_eq!((agreement.compared, agreement.share, agreement.kappa), (2, Some(1.0), Some(1.0)));

    // The next build makes them one; the next search lays only what changed beside the others, and does not ask again.
    let before = table_rows(&city.lake, &shape::golden_table(&registry).expect("a name")).await.len();
    let registry = pack.registry("population").expect("in the pack");
    city.builder().build(registry).await.expect("built");
    let after = table_rows(&city.lake, &shape::golden_table(registry).expect("a name")).await;
    assert_eq!(after.len(), before - 1);
    assert!(!after.iter().any(|row| text(row, &registry.key) == same.merged().expect("two entities")));
    let report = city.builder().candidates(registry, 2).await.expect("candidates");
    assert!(report.laid <= 4, "{} entities were laid beside the others for one merge", report.laid);
    let again = asked("third").await;
    let name = |pair: &review::Pair| (pair.record_key.clone(), pair.entity.clone());
    let (left, again): (BTreeSet<_>, BTreeSet<_>) = (left.iter().map(name).collect(), again.iter().map(name).collect());
    assert!(!again.contains(&name(same)) && !again.contains(&name(different)));
    assert!(left.difference(&again).count() <= 1, "the pairs that nothing was said of are still there");
}
