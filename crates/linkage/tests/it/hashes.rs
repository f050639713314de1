//! Linking what may not be read.

use yihe_linkage::{
    hash::{Algorithm, Hasher, Hide},
    hide,
    model::Reads,
    propose::propose,
    read::read,
    records::{ColumnBuilder, Records, Table},
    run::{Options, run},
};

use crate::people::{Person, register_and_delivery};

const KEY: &[u8] = b"a key that two departments share";

/// A number for every person, with a right check digit but for one in ten.
fn number(truth: usize) -> String {
    let first17 = format!("371302{}{:03}", 19_500_101 + truth / 900 * 100 + truth % 28, truth % 900);
    let digits: [u8; 17] = first17.as_bytes().try_into().unwrap();
    let check = yihe_vocabulary::citizen_id::check_character(&digits).unwrap();
    format!("{first17}{}", check as char)
}

fn csv(people: &[Person], broken: usize) -> String {
    let mut text = "编号,姓名,出生日期,身份证号,手机\n".to_owned();
    for (row, person) in people.iter().enumerate() {
        let mut number = number(person.truth);
        if row % 10 == broken {
            let wrong = if number.ends_with('0') { "1" } else { "0" };
            number.replace_range(17.., wrong);
        }
        text += &format!("{row},{},{},{number},{}\n", person.name, person.birth, person.mobile);
    }
    text
}

fn linked(first: Table, second: Table) -> Vec<(u32, u32)> {
    let names: Vec<(String, String)> =
        first.columns.iter().map(|column| (column.name.clone(), column.name.clone())).collect();
    let records = Records::two(first, second, &names).unwrap();
    let model = propose(&records, Vec::new()).unwrap().model;
    let outcome = run(&model, &records, &Options::default(), &|_, _, _| {}).unwrap();
    outcome.pairs.iter().map(|pair| (pair.left, pair.right)).collect()
}

#[test]
fn linking_on_hashes_equals_linking_on_clear_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (register, delivery) = register_and_delivery(31, 1200);
    for algorithm in [Algorithm::Sm3, Algorithm::Sha256] {
        let (mut clear, mut hashed) = (Vec::new(), Vec::new());
        for (name, people, broken) in [("a", &register, 3), ("b", &delivery, 7)] {
            let plain = folder.path().join(format!("{name}.csv"));
            std::fs::write(&plain, csv(people, broken)).unwrap();
            let hidden = folder.path().join(format!("{name}.parquet"));
            let mut hasher = Hasher::new(algorithm, KEY).unwrap();
            let columns = [("身份证号".to_owned(), Hide::Equal(Reads::CitizenId))];
            let counts = hide::file(&plain, &hidden, &mut hasher, &columns, false).unwrap();
            // A failed check digit makes no token: nothing to block or match by.
            assert_eq!(
                counts[0].without,
                people.iter().enumerate().filter(|(row, _)| row % 10 == broken).count() as u64
            );
            let bytes = std::fs::read(&hidden).unwrap();
            let clear_number = number(people[0].truth);
            assert!(!bytes.windows(18).any(|window| window == clear_number.as_bytes()));
            clear.push(read(&plain).unwrap());
            hashed.push(read(&hidden).unwrap());
        }
        let (b, a) = (clear.pop().unwrap(), clear.pop().unwrap());
        let clear = linked(a, b);
        let (b, a) = (hashed.pop().unwrap(), hashed.pop().unwrap());
        assert_eq!(linked(a, b), clear);
        assert!(clear.len() > 500);
    }
}

#[test]
fn two_keys_have_nothing_in_common() {
    let mut tokens = [KEY, b"another key, which is not shared"].map(|key| {
        let mut hasher = Hasher::new(Algorithm::Sm3, key).unwrap();
        hasher.token(&number(5), Hide::Equal(Reads::CitizenId)).unwrap()
    });
    tokens.sort_unstable();
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn names_as_bloom_filters_are_compared_by_likeness() {
    let (register, delivery) = register_and_delivery(32, 1500);
    let table = |people: &[Person]| {
        let mut hasher = Hasher::new(Algorithm::Sm3, KEY).unwrap();
        let mut column = |name: &str, hide: Hide, of: &dyn Fn(&Person) -> &str| {
            let mut column = ColumnBuilder::new(name);
            for person in people {
                column.push(hasher.token(of(person), hide).as_deref());
            }
            column.finish()
        };
        let columns = vec![
            column("姓名", Hide::Alike, &|person| &person.name),
            column("出生日期", Hide::Equal(Reads::Date), &|person| &person.birth),
            column("手机", Hide::Equal(Reads::Code), &|person| &person.mobile),
            column("住址", Hide::Alike, &|person| &person.address),
        ];
        Table { name: "hidden".to_owned(), columns, rows: people.len() }
    };
    let pairs = linked(table(&register), table(&delivery));
    let truth: Vec<usize> = register.iter().chain(&delivery).map(|person| person.truth).collect();
    let right = pairs.iter().filter(|(a, b)| truth[*a as usize] == truth[*b as usize]).count();
    let known: std::collections::HashSet<usize> = register.iter().map(|person| person.truth).collect();
    let all = delivery.iter().filter(|person| known.contains(&person.truth)).count();
    assert!(right * 100 > pairs.len() * 80, "{right} of {} pairs are right", pairs.len());
    assert!(right * 100 > all * 90, "{right} of {all} found");
}
