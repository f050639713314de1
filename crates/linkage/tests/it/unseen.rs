//! Data of kinds that nothing was tuned to: other languages' columns, people who move, tables without duplicates.

use std::collections::HashMap;

use yihe_linkage::{
    propose::propose,
    records::{ColumnBuilder, Records, Table},
    run::{Options, Outcome, run},
};

use crate::people::Random;

const SYLLABLES: [&str; 24] = [
    "ba", "ber", "den", "do", "el", "fen", "gar", "ha", "in", "jo", "kel", "lan", "mar", "ne", "or", "per", "ro",
    "sen", "ta", "ul", "van", "wil", "xa", "zim",
];

fn word(random: &mut Random, syllables: usize) -> String {
    (0..syllables).map(|_| SYLLABLES[random.below(SYLLABLES.len())]).collect()
}

/// Replaces one letter.
fn slip(random: &mut Random, text: &str) -> String {
    let at = random.below(text.len());
    let letter = char::from(b'a' + random.below(26) as u8);
    text.char_indices().map(|(index, own)| if index == at { letter } else { own }).collect()
}

/// Given name, family name, day of birth, street, town, postcode, telephone.
type Person = [String; 7];

fn address(random: &mut Random) -> [String; 3] {
    let street = format!("{} {}", word(random, 3), 1 + random.below(150));
    [street, word(random, 3), format!("{:05}", random.below(100_000))]
}

fn person(random: &mut Random, family: &str, [street, town, postcode]: [String; 3], telephone: &str) -> Person {
    let birth = format!("{}-{:02}-{:02}", 1930 + random.below(85), 1 + random.below(12), 1 + random.below(28));
    [word(random, 2), family.to_owned(), birth, street, town, postcode, telephone.to_owned()]
}

/// Households, and a second record of one in three people; `moved` in a hundred of these have another address.
fn register(seed: u64, households: usize, moved: usize, again: usize) -> (Vec<Person>, Vec<usize>) {
    let mut random = Random(seed);
    let (mut people, mut truth): (Vec<Person>, Vec<usize>) = (Vec::new(), Vec::new());
    for _ in 0..households {
        let (family, home) = (word(&mut random, 3), address(&mut random));
        let telephone = format!("0{:09}", random.next() % 1_000_000_000);
        for _ in 0..=random.below(4) {
            truth.push(people.len());
            people.push(person(&mut random, &family, home.clone(), &telephone));
        }
    }
    for known in 0..people.len() {
        if !random.chance(again) {
            continue;
        }
        let mut second = people[known].clone();
        for name in 0..2 {
            if random.chance(12) {
                second[name] = slip(&mut random, &second[name]);
            }
        }
        if random.chance(moved) {
            let [street, town, postcode] = address(&mut random);
            (second[3], second[4], second[5]) = (street, town, postcode);
        }
        if random.chance(4) {
            // A day that the calendar does not have.
            second[2].replace_range(5..6, "3");
        }
        if random.chance(30) {
            second[6].clear();
        }
        truth.push(known);
        people.push(second);
    }
    (people, truth)
}

fn records(people: &[Person], names: [&str; 7]) -> Records {
    let columns = names.iter().enumerate().map(|(at, name)| {
        let mut column = ColumnBuilder::new(name);
        for person in people {
            column.push(Some(&person[at]));
        }
        column.finish()
    });
    Records::one(Table { name: "people".to_owned(), columns: columns.collect(), rows: people.len() })
}

fn linked(records: &Records) -> Outcome {
    let model = propose(records, Vec::new()).unwrap().model;
    run(&model, records, &Options::default(), &|_, _, _| {}).unwrap()
}

/// Precision and recall of pairs.
fn judged(outcome: &Outcome, truth: &[usize]) -> (f64, f64) {
    let right = outcome.pairs.iter().filter(|pair| truth[pair.left as usize] == truth[pair.right as usize]).count();
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for &one in truth {
        *counts.entry(one).or_default() += 1;
    }
    let all: usize = counts.values().map(|count| count * (count - 1) / 2).sum();
    let share = |part: usize, of: usize| f64::from(part as u32) / f64::from(of.max(1) as u32);
    (share(right, outcome.pairs.len()), share(right, all))
}

#[test]
fn households_are_kept_apart_whatever_language_the_columns_are_named_in() {
    let (people, truth) = register(21, 1500, 0, 35);
    for names in [
        ["Vorname", "Nachname", "Geburtsdatum", "Strasse", "Ort", "PLZ", "Telefon"],
        ["voornaam", "achternaam", "geboren", "straat", "plaats", "postcode", "tel"],
        ["c1", "c2", "c3", "c4", "c5", "c6", "c7"],
    ] {
        let outcome = linked(&records(&people, names));
        let (precision, recall) = judged(&outcome, &truth);
        assert!(precision > 0.98 && recall > 0.98, "{names:?}: precision {precision:.4}, recall {recall:.4}");
        let personal: Vec<&str> = outcome
            .model
            .comparisons
            .iter()
            .filter(|comparison| comparison.personal)
            .map(|comparison| comparison.column.as_str())
            .collect();
        assert_eq!(personal, [names[0], names[2]]);
    }
}

#[test]
fn people_who_moved_are_still_themselves() {
    let (people, truth) = register(22, 2500, 20, 35);
    let outcome = linked(&records(&people, ["first", "last", "born", "street", "town", "zip", "phone"]));
    let (precision, recall) = judged(&outcome, &truth);
    assert!(precision > 0.98 && recall > 0.96, "precision {precision:.4}, recall {recall:.4}");
    let moves = outcome.model.moves.unwrap();
    assert_eq!(moves.columns, ["street", "town", "zip"]);
    assert!((0.1..0.3).contains(&moves.share), "{}", moves.share);
}

#[test]
fn a_table_without_duplicates_has_none() {
    for (seed, households) in [(23, 400), (24, 2000)] {
        let (people, _) = register(seed, households, 0, 0);
        let outcome = linked(&records(&people, ["first", "last", "born", "street", "town", "zip", "phone"]));
        let found = outcome.pairs.len();
        assert!(found * 200 <= people.len(), "found {found} pairs among {} people", people.len());
    }
}

#[test]
fn one_column_links_what_is_equal() {
    let mut random = Random(25);
    let mut column = ColumnBuilder::new("name");
    let names: Vec<String> = (0..300).map(|at| format!("{} {at:03}", word(&mut random, 4))).collect();
    for name in names.iter().chain(&names[..40]) {
        column.push(Some(name));
    }
    let records = Records::one(Table { name: "names".to_owned(), columns: vec![column.finish()], rows: 340 });
    let outcome = linked(&records);
    let equal = outcome.pairs.iter().filter(|pair| pair.right == pair.left + 300).count();
    assert_eq!(equal, 40);
    assert!(outcome.pairs.len() <= 42, "{} more that are nearly equal", outcome.pairs.len() - 40);
}
