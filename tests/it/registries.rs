//! Trials on the registries: what a change of authority would alter is what it alters; a record without a usable
//! number is laid beside the right person.

use std::collections::BTreeMap;

use yihe_city::{CityOptions, generate};
use yihe_collect::Outcome;
use yihe_registries::{
    candidates::{CERTAIN_FROM, candidates_table},
    shape,
};

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
    let known: std::collections::BTreeSet<String> = golden.iter().map(|row| text(row, &registry.key)).collect();
    let findable: f64 = unlinked.iter().filter(|row| known.contains(&whose[&place(row)])).map(|_| 1.0).sum();
    let (mut right, mut listed, mut certain_wrong) = (0.0, 0.0, 0);
    for row in table_rows(&city.lake, &candidates_table(registry).expect("a name")).await {
        let probability: f64 = text(&row, "probability").parse().expect("a number");
        if text(&row, "rank") != "1" || probability < 0.5 {
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
