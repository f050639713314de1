//! Columns as strangers' files have them: only one of use, numbering, written twice, paired by what they hold.

use yihe_linkage::{
    propose::{Proposal, pair_columns, propose},
    records::{ColumnBuilder, Records, Table},
    run::{Options, run},
};

use crate::people::Random;

const SYLLABLES: [&str; 12] = ["ba", "den", "do", "el", "fen", "gar", "ha", "jo", "kel", "lan", "mar", "zim"];

fn word(random: &mut Random) -> String {
    (0..4).map(|_| SYLLABLES[random.below(SYLLABLES.len())]).collect()
}

fn table(columns: &[(&str, Vec<String>)]) -> Table {
    let built = columns.iter().map(|(name, values)| {
        let mut column = ColumnBuilder::new(name);
        for value in values {
            column.push(Some(value));
        }
        column.finish()
    });
    Table { name: "t".to_owned(), columns: built.collect(), rows: columns[0].1.len() }
}

fn both(first: Table, second: Table) -> Records {
    let pairs = pair_columns(&first, &second);
    Records::two(first, second, &pairs).unwrap()
}

fn left_out<'p>(proposal: &'p Proposal, column: &str) -> Option<&'p str> {
    proposal.left_out.iter().find(|(name, _)| name == column).map(|(_, reason)| *reason)
}

#[test]
fn two_files_that_share_only_a_name_are_linked_by_it_and_those_that_share_a_category_are_not() {
    let mut random = Random(71);
    let names: Vec<String> = (0..1500).map(|_| format!("{} {}", word(&mut random), word(&mut random))).collect();
    let kinds = |random: &mut Random, rows: usize| (0..rows).map(|_| word(random)[..2].to_owned()).collect::<Vec<_>>();
    let (a, b) = (kinds(&mut random, 1000), kinds(&mut random, 1000));
    // The second file has half of the first one's names, and a kind that says nothing of who is who.
    let records = both(
        table(&[("company", names[..1000].to_vec()), ("kind", a)]),
        table(&[("company", names[500..].to_vec()), ("kind", b)]),
    );
    let model = propose(&records, Vec::new()).unwrap().model;
    let outcome = run(&model, &records, &Options::default(), &|_, _, _| {}).unwrap();
    let right = outcome.pairs.iter().filter(|pair| pair.right == pair.left + 500).count();
    assert!(right >= 495 && outcome.pairs.len() <= right + 5, "{right} right of {}", outcome.pairs.len());
}

#[test]
fn a_number_that_counts_the_records_of_either_table_is_no_evidence_and_one_that_names_them_is() {
    let mut random = Random(72);
    let names: Vec<String> = (0..900).map(|_| format!("{} {}", word(&mut random), word(&mut random))).collect();
    let count = |from: usize| (from..from + 600).map(|number| format!("N{number}")).collect::<Vec<_>>();
    let (first, second) = (names[..600].to_vec(), names[300..].to_vec());
    let named = |from: [usize; 2]| {
        let a = table(&[("流水", count(from[0])), ("name", first.clone()), ("grade", vec!["x".to_owned(); 600])]);
        let b = table(&[("流水", count(from[1])), ("name", second.clone()), ("grade", vec!["x".to_owned(); 600])]);
        propose(&both(a, b), Vec::new()).unwrap()
    };
    // Both begin at the same number, so that those who share one are strangers.
    assert_eq!(left_out(&named([1, 1]), "流水"), Some("numbers the records of each table"));
    // The second goes on where its names do.
    assert_eq!(left_out(&named([1, 301]), "流水"), None);
}

#[test]
fn a_column_that_says_what_another_says_counts_once() {
    let mut random = Random(73);
    let names: Vec<String> = (0..400).map(|row| format!("{} {}", word(&mut random), row % 7)).collect();
    let days: Vec<String> = (0..400).map(|row| format!("19{:02}-05-01", row % 90)).collect();
    let mut again = names.clone();
    again[3] = "somebody else".to_owned();
    let records = Records::one(table(&[("a", names.clone()), ("day", days), ("b", names), ("c", again)]));
    let proposal = propose(&records, Vec::new()).unwrap();
    let compared: Vec<&str> = proposal.model.comparisons.iter().map(|one| one.column.as_str()).collect();
    assert_eq!(compared, ["a", "day"]);
    assert_eq!(left_out(&proposal, "c"), Some("says what another column says"));
}

#[test]
fn days_and_addresses_that_are_written_otherwise_are_paired_by_what_they_are() {
    let mut random = Random(74);
    let (mut first, mut second) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for _ in 0..300 {
        let (year, month, day) = (1940 + random.below(70), 1 + random.below(12), 1 + random.below(28));
        first.0.push(format!("{year}-{month:02}-{day:02}"));
        second.0.push(format!("{year}年{month}月{day}日"));
        let (road, house) = (["金雀山路", "沂蒙路", "解放路", "通达路"][random.below(4)], 1 + random.below(900));
        let flat = 101 + random.below(2000);
        first.1.push(format!("山东省临沂市兰山区{road}{house}号3号楼{flat}"));
        second.1.push(format!("{road}{house}号3号楼{flat}"));
    }
    let a = table(&[("出生日期", first.0), ("住址", first.1)]);
    let b = table(&[("JTDZ", second.1), ("CSRQ", second.0)]);
    let mut pairs = pair_columns(&a, &b);
    pairs.sort();
    let expected = [("住址", "JTDZ"), ("出生日期", "CSRQ")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(pairs, expected);
}
