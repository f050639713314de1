//! A small population behind the doors: three departments' checked tables as a check leaves them, the registry built
//! of them, and three doubtful pairs as a search for candidates lists them.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use yihe_lake::{CommitKey, Layout, TableName, Zone};
use yihe_registries::{
    candidates::{Waterfall, WaterfallStep, candidates_schema, candidates_table},
    shape,
};
use yihe_store::Role;

use crate::house::{AUTHORITY, House, Session, login};

/// Department that keeps the population registry.
pub const KEEPER: &str = "gongan";
/// Persons of the registry.
pub const PERSONS: usize = 12;

/// The number of a person; its check character adds up (GB 11643).
pub fn number(person: usize) -> String {
    let first = format!("3713021980{:02}15{:03}", person % 12 + 1, person + 100);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: usize = first.bytes().zip(weights).map(|(digit, weight)| usize::from(digit - b'0') * weight).sum();
    format!("{first}{}", ["1", "0", "X", "9", "8", "7", "6", "5", "4", "3", "2"][sum % 11])
}

/// A number whose check character does not add up.
pub fn slip(person: usize) -> String {
    let mut text = number(person);
    let last = if text.ends_with('7') { "8" } else { "7" };
    text.replace_range(17.., last);
    text
}

pub fn name(person: usize) -> String {
    let surnames = ["王", "李", "张", "刘", "陈", "杨"];
    let given = ["建国", "秀英", "志强", "桂兰", "海燕"];
    format!("{}{}", surnames[person % surnames.len()], given[person % given.len()])
}

/// What a medical insurer has for a person.
pub fn mobile(person: usize) -> String {
    format!("138530{person:05}")
}

/// What the police have for the first of them.
pub fn other_mobile(person: usize) -> String {
    format!("139007{person:05}")
}

impl House {
    /// Fills the checked tables, builds the registry, lists three doubtful pairs.
    pub async fn populate(&self) {
        let everybody = || 0..PERSONS;
        let row = |cells: &[(&'static str, String)]| cells.to_vec();
        let household: Vec<_> = everybody()
            .map(|person| {
                row(&[
                    ("citizen_id", number(person)),
                    ("name", name(person)),
                    ("sex", "1".to_owned()),
                    ("birth_on", format!("1980-{:02}-15", person % 12 + 1)),
                    ("household_address", format!("山东省临沂市兰山区沂蒙路{person}号")),
                    ("changed_on", "2026-01-05".to_owned()),
                ])
            })
            .collect();
        let insured: Vec<_> = everybody()
            .map(|person| {
                row(&[
                    ("citizen_id", number(person)),
                    ("name", name(person)),
                    ("mobile", mobile(person)),
                    ("changed_on", "2026-02-07".to_owned()),
                ])
            })
            .collect();
        // Three people's permits bear a number that does not add up.
        let permits: Vec<_> = everybody()
            .map(|person| {
                row(&[
                    ("citizen_id", if person < 3 { slip(person) } else { number(person) }),
                    ("name", name(person)),
                    ("mobile", other_mobile(person)),
                    ("changed_on", "2025-12-01".to_owned()),
                ])
            })
            .collect();
        self.checked("population_household", household).await;
        self.checked("medical_insurance_persons", insured).await;
        self.checked("residence_permits", permits).await;
        let pack = self.state.pack();
        let registry = pack.registry("population").expect("in the pack");
        self.state.desk.builder.build(registry).await.expect("built");
        self.list_doubtful().await;
    }

    /// Rows of a dataset as a check leaves them.
    pub async fn checked(&self, dataset: &str, rows: Vec<Vec<(&'static str, String)>>) {
        let pack = self.state.pack();
        let known = pack.dataset(dataset).expect("the dataset");
        let table = TableName::new(Zone::Checked, dataset).expect("a table's name");
        let mut fields = vec![Field::new("_batch", DataType::Utf8, false), Field::new("_row", DataType::Int64, false)];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|_| format!("batch-{dataset}")))),
            Arc::new((1..).take(rows.len()).map(Some).collect::<Int64Array>()),
        ];
        for column in &known.columns {
            let cell = |row: &Vec<(&'static str, String)>| {
                row.iter().find(|(name, _)| *name == column.name).map(|(_, value)| value.clone())
            };
            let texts: ArrayRef = Arc::new(rows.iter().map(cell).collect::<StringArray>());
            let data_type = shape::data_type(column.column_type);
            columns.push(cast(&texts, &data_type).expect("it reads"));
            fields.push(Field::new(&column.name, data_type, true));
        }
        let schema = Arc::new(Schema::new(fields));
        let layout = Layout::keyed(known.key.iter().map(String::as_str), 1);
        self.state.lake.create(&table, schema.clone(), layout).await.expect("a table");
        let batch = RecordBatch::try_new(schema, columns).expect("rows");
        let key = CommitKey::new(format!("test:{dataset}")).expect("a commit key");
        let mut writer = self.state.lake.upserter(&table, key, &[]).await.expect("a writer");
        writer.write(batch).await.expect("written");
        writer.commit(serde_json::Map::new()).await.expect("committed");
    }

    /// The permits with a slip, each beside its person, the second the least certain.
    async fn list_doubtful(&self) {
        let pack = self.state.pack();
        let registry = pack.registry("population").expect("in the pack");
        let table = candidates_table(registry).expect("a table's name");
        let odds = [0.9, 0.52, 0.7];
        let waterfall = |person: usize| {
            let step = |field: &str, entity: String, record: String, level: &str, weight: f64| WaterfallStep {
                field: field.to_owned(),
                entity: Some(entity),
                record: Some(record),
                level: level.to_owned(),
                weight,
                rarity: 0.0,
            };
            let waterfall = Waterfall {
                prior: -3.5,
                steps: vec![
                    step("name", name(person), name(person), "exact", 8.0),
                    step("mobile", mobile(person), other_mobile(person), "other", -4.4),
                ],
                moved: 0.0,
                kin: 0.0,
                pair_probability: odds[person],
                probability: odds[person],
                rank: 1,
                model: "m1".to_owned(),
            };
            serde_json::to_string(&waterfall).expect("JSON")
        };
        let texts =
            |of: &dyn Fn(usize) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..3).map(of))) };
        let columns: Vec<ArrayRef> = vec![
            texts(&|_| "residence_permits".to_owned()),
            texts(&|person| format!("[\"{}\"]", slip(person))),
            texts(&|_| "batch-residence_permits".to_owned()),
            Arc::new((1..4).map(Some).collect::<Int64Array>()),
            texts(&number),
            Arc::new(Float64Array::from(odds.to_vec())),
            Arc::new(Int64Array::from(vec![1, 1, 1])),
            texts(&|_| "m1".to_owned()),
            texts(&waterfall),
        ];
        let layout = Layout::keyed(["dataset", "record_key", "entity"], 1);
        self.state.lake.create(&table, candidates_schema(), layout).await.expect("a table");
        let key = CommitKey::new("test:candidates").expect("a commit key");
        let mut writer = self.state.lake.replacer(&table, key).await.expect("a writer");
        writer.write(RecordBatch::try_new(candidates_schema(), columns).expect("rows")).await.expect("written");
        writer.commit(serde_json::Map::new()).await.expect("committed");
    }

    /// Sessions of a keeper's officer, of the authority's reviewer, and of a department that feeds the registry.
    pub async fn seats(&self) -> (Session, Session, Session) {
        self.open_account(KEEPER, Role::Officer).await;
        self.open_account("yibao", Role::Officer).await;
        (
            self.sign_in(&login(KEEPER, Role::Officer)).await,
            self.sign_in(&login(AUTHORITY, Role::Reviewer)).await,
            self.sign_in(&login("yibao", Role::Officer)).await,
        )
    }
}
