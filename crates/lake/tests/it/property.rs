//! Random grants and random queries, against a reference without the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;
use yihe_lake::{GrantedColumn, Layout, Limits, Mask, Rights, Salt, TableName, Zone};

use crate::support::{TestLake, rows, table, upsert};

const COLUMNS: [&str; 4] = ["id", "name", "phone", "amount"];
const NULL: &str = "∅";

#[derive(Debug, Clone)]
struct Person {
    id: String,
    name: Option<String>,
    phone: Option<String>,
    amount: Option<i64>,
}

impl Person {
    fn text(&self, column: &str) -> Option<String> {
        match column {
            "id" => Some(self.id.clone()),
            "name" => self.name.clone(),
            "phone" => self.phone.clone(),
            "amount" => self.amount.map(|amount| amount.to_string()),
            other => panic!("no column {other}"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum RowFilter {
    Everything,
    AmountBelow(i64),
    IdBelow(u32),
    NameKnown,
}

impl RowFilter {
    fn sql(self) -> Option<String> {
        match self {
            Self::Everything => None,
            Self::AmountBelow(bound) => Some(format!("amount < {bound}")),
            Self::IdBelow(bound) => Some(format!("id < '{bound:03}'")),
            Self::NameKnown => Some("name is not null".into()),
        }
    }

    fn keeps(self, person: &Person) -> bool {
        match self {
            Self::Everything => true,
            Self::AmountBelow(bound) => person.amount.is_some_and(|amount| amount < bound),
            Self::IdBelow(bound) => person.id < format!("{bound:03}"),
            Self::NameKnown => person.name.is_some(),
        }
    }
}

/// A random table under a random grant.
#[derive(Debug, Clone)]
struct View {
    people: Vec<Person>,
    columns: Vec<(&'static str, Option<Mask>)>,
    filter: RowFilter,
}

impl View {
    fn rights(&self, table: &TableName) -> Rights {
        Rights {
            view: "v".into(),
            table: table.clone(),
            version: None,
            columns: self
                .columns
                .iter()
                .map(|(name, mask)| GrantedColumn { name: (*name).into(), mask: mask.clone() })
                .collect(),
            row_filter: self.filter.sql(),
            row_limit: None,
        }
    }

    /// What the view holds, cell by cell, without the engine.
    fn reference(&self) -> Vec<Vec<Option<String>>> {
        self.people
            .iter()
            .filter(|person| self.filter.keeps(person))
            .map(|person| {
                self.columns
                    .iter()
                    .map(|(name, mask)| {
                        let text = person.text(name);
                        match mask {
                            None => text,
                            Some(mask) => text.and_then(|text| mask.apply(&text)),
                        }
                    })
                    .collect()
            })
            .collect()
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("phone", DataType::Utf8, true),
        Field::new("amount", DataType::Int64, true),
    ]))
}

fn batch(people: &[Person]) -> RecordBatch {
    let text =
        |column: &str| Arc::new(people.iter().map(|person| person.text(column)).collect::<StringArray>()) as ArrayRef;
    let amounts: Int64Array = people.iter().map(|person| person.amount).collect();
    RecordBatch::try_new(schema(), vec![text("id"), text("name"), text("phone"), Arc::new(amounts)])
        .expect("columns fit")
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    let name = prop::option::of(prop::sample::select(vec!["王一", "王二", "欧阳修", "李三丰", "赵"]));
    let phone = prop::option::of(prop::sample::select(vec!["13800001234", "13811111234", "13922225678", "110", ""]));
    let amount = prop::option::of(-2_i64..6);
    prop::collection::vec((name, phone, amount), 0..12).prop_map(|people| {
        people
            .into_iter()
            .enumerate()
            .map(|(number, (name, phone, amount))| Person {
                id: format!("{number:03}"),
                name: name.map(str::to_owned),
                phone: phone.map(str::to_owned),
                amount,
            })
            .collect()
    })
}

fn mask() -> impl Strategy<Value = Option<Mask>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Mask::Name)),
        1 => Just(Some(Mask::Phone)),
        1 => Just(Some(Mask::CitizenId)),
        1 => Just(Some(Mask::Hidden)),
        1 => Just(Some(Mask::BirthDate)),
        1 => Just(Some(Mask::Hash(Salt::new(*b"0123456789abcdef")))),
    ]
}

fn view() -> impl Strategy<Value = View> {
    let filter = prop_oneof![
        Just(RowFilter::Everything),
        (0_i64..5).prop_map(RowFilter::AmountBelow),
        (0_u32..12).prop_map(RowFilter::IdBelow),
        Just(RowFilter::NameKnown),
    ];
    let columns = prop::sample::subsequence(COLUMNS.to_vec(), 1..=4)
        .prop_shuffle()
        .prop_flat_map(|names| {
            let count = names.len();
            (Just(names), prop::collection::vec(mask(), count))
        })
        .prop_map(|(names, masks)| names.into_iter().zip(masks).collect());
    (people(), columns, filter).prop_map(|(people, columns, filter)| View { people, columns, filter })
}

/// A query of one of several forms; `a` and `b` choose columns, `text` is compared with.
fn query(form: u8, a: &str, b: &str, text: &str) -> String {
    match form {
        0 => "select * from v".into(),
        1 => format!("select {a} as c, {b} as d from v where {a} = '{text}'"),
        2 => format!("select {b} from v where cast({a} as varchar) like '%{text}%'"),
        3 => format!("select {a} from v group by {a} having count(*) > 1"),
        4 => format!("select x.{a} from v x join v y on x.{b} = y.{b}"),
        5 => format!("select {a} from v order by {b} desc limit 3"),
        6 => format!("select min({a}), max({b}) from v"),
        7 => format!("select {a} from v where {b} in (select {b} from v where {a} is not null)"),
        8 => format!("with w as (select distinct {a} as c from v) select c from w where c is not null or c > '{text}'"),
        9 => format!("select coalesce(cast({a} as varchar), cast({b} as varchar)) from v"),
        10 => format!("select first_value({a}) over (partition by {b}) from v"),
        11 => format!("select {a} from v where exists (select 1 from v z where z.{b} = v.{b})"),
        12 => format!("select {a} from v union all select {b} from v"),
        13 => format!("select case when {a} is null then {b} else null end from v"),
        _ => format!("select {a} from v except select {b} from v"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// Every cell of every answer is a cell of the view.
    #[test]
    fn no_query_yields_a_cell_outside_its_grant(
        view in view(),
        asked in prop::collection::vec((0_u8..15, 0_usize..4, 0_usize..4, 0_usize..8), 6),
    ) {
        runtime().block_on(async {
            let test = TestLake::open();
            let name = table(Zone::Registry, "person");
            test.lake.create(&name, schema(), Layout::keyed(["id"], 2)).await.expect("creates");
            upsert(&test.lake, &name, "u", batch(&view.people)).await;
            let rights = view.rights(&name);
            let reference = view.reference();
            let mut cells: BTreeSet<String> =
                reference.iter().flatten().flatten().cloned().collect();
            cells.insert(NULL.into());
            let all = test
                .lake
                .sql_granted(std::slice::from_ref(&rights), "select * from v", Limits::default())
                .await
                .expect("the whole view");
            let mut found = rows(&all.batches);
            found.sort();
            let mut expected: Vec<Vec<String>> = reference
                .iter()
                .map(|row| row.iter().map(|cell| cell.clone().unwrap_or(NULL.into())).collect())
                .collect();
            expected.sort();
            prop_assert_eq!(found, expected);
            let texts = ["王一", "王*", "13800001234", "138****1234", "赵", "001", "李**", "欧阳*"];
            for (form, a, b, text) in asked {
                let column = |choice: usize| view.columns[choice % view.columns.len()].0;
                let sql = query(form, column(a), column(b), texts[text]);
                let answer = test
                    .lake
                    .sql_granted(std::slice::from_ref(&rights), &sql, Limits::default())
                    .await;
                // Types may not fit (`amount = '王一'`): then there is no answer to look at.
                let Ok(answer) = answer else { continue };
                for cell in rows(&answer.batches).concat() {
                    prop_assert!(cells.contains(&cell), "`{}` yields `{}`", sql, cell);
                }
                // Where the reference can answer, it answers the same: a condition on a masked column
                // must not tell apart what the mask makes equal.
                let is_text = |place: usize| {
                    let (name, mask) = &view.columns[place];
                    *name != "amount" || mask.as_ref().is_some_and(|mask| *mask != Mask::Hidden)
                };
                if form == 1 && is_text(a % view.columns.len()) {
                    let (a, b) = (a % view.columns.len(), b % view.columns.len());
                    let mut expected: Vec<Vec<String>> = reference
                        .iter()
                        .filter(|row| row[a].as_deref() == Some(texts[text]))
                        .map(|row| {
                            [a, b].map(|place| row[place].clone().unwrap_or(NULL.into())).to_vec()
                        })
                        .collect();
                    let mut found = rows(&answer.batches);
                    found.sort();
                    expected.sort();
                    prop_assert_eq!(found, expected, "{}", sql);
                }
                if form == 3 {
                    let place = a % view.columns.len();
                    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
                    for row in &reference {
                        *counts.entry(row[place].clone().unwrap_or(NULL.into())).or_default() += 1;
                    }
                    let expected: BTreeSet<String> = counts
                        .into_iter()
                        .filter(|(_, count)| *count > 1)
                        .map(|(cell, _)| cell)
                        .collect();
                    let found: BTreeSet<String> =
                        rows(&answer.batches).concat().into_iter().collect();
                    prop_assert_eq!(found, expected, "{}", sql);
                }
            }
            for person in &view.people {
                let Ok(answer) = test.lake.lookup_granted(&rights, &[&person.id]).await else {
                    continue;
                };
                let found = rows(&answer.batches);
                prop_assert_eq!(found.len(), usize::from(view.filter.keeps(person)));
                for cell in found.concat() {
                    prop_assert!(cells.contains(&cell), "look-up yields `{}`", cell);
                }
            }
            Ok(())
        })?;
    }
}
