//! A small registry of people fed by three datasets, and checked tables written as the checker writes them.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use futures::StreamExt;
use yihe_definitions::{HashAlgorithm, Hashed, Registry};
use yihe_lake::{CommitKey, FaultHook, Lake, LakeOptions, Layout, Scan, TableName, Zone};
use yihe_linkage::{
    hash::{Algorithm, Hasher, Hide},
    model::Reads,
};
use yihe_registries::{Builder, EntitySecret, HashKeys};
use yihe_store::{Actor, SeededIdentity, Store};
use yihe_vocabulary::FixedClock;

/// Numbers that add up, by a small count.
pub const NUMBERS: [&str; 6] = [
    "11010519491231002X",
    "110105199003070033",
    "11010519900307005X",
    "110105199003070076",
    "110105199003070092",
    "110105199003070113",
];

pub fn registry() -> Registry {
    serde_json::from_value(serde_json::json!({
        "id": "people", "title": { "zh": "人口" }, "department": "gongan", "entity": "person", "key": "citizen_id",
        "members": [
            { "dataset": "residents", "key": "citizen_id", "changed_on": "changed_on",
              "fields": { "name": "name", "phone": "phone", "died_on": "died_on" } },
            { "dataset": "insured", "key": "citizen_id", "changed_on": "changed_on",
              "fields": { "name": "name", "phone": "phone" } },
            { "dataset": "patients", "key": "citizen_id", "fields": { "phone": "phone" } },
        ],
        "fields": [
            { "name": "name", "title": { "zh": "姓名" }, "authority": ["residents", "insured"] },
            { "name": "phone", "title": { "zh": "电话" }, "authority": ["insured", "residents"] },
            { "name": "died_on", "title": { "zh": "死亡日期" }, "type": "date", "authority": ["residents"] },
        ],
        "standing": { "deceased": "died_on" },
    }))
    .unwrap()
}

/// A row of a checked table. Its business key is a number of its own, not the citizen's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: u8,
    pub citizen: String,
    pub name: String,
    pub phone: String,
    pub changed_on: i32,
    pub died_on: Option<i32>,
}

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        text("citizen_id"),
        text("name"),
        text("phone"),
        Field::new("changed_on", DataType::Date32, true),
        Field::new("died_on", DataType::Date32, true),
        Field::new("_batch", DataType::Utf8, false),
        Field::new("_row", DataType::Int64, false),
    ]))
}

/// The key that departments and platform share.
pub fn secret_of(name: &str) -> String {
    format!("the key named {name}")
}

/// Ends the work at a point, as a kill would: the point, and how often it is passed before.
pub type Trap = Arc<Mutex<Option<(&'static str, u32)>>>;

fn hook(trap: &Trap) -> FaultHook {
    let trap = Arc::clone(trap);
    Arc::new(move |point| {
        let mut armed = trap.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, left)) = armed.as_mut()
            && *at == point
        {
            if *left == 0 {
                *armed = None;
                drop(armed);
                panic!("killed at {point}");
            }
            *left -= 1;
        }
    })
}

pub struct House {
    pub trap: Trap,
    pub lake: Lake,
    pub store: Store,
    pub registry: Registry,
    threads: usize,
    batches: u32,
}

impl House {
    pub async fn open(folder: &Path, threads: usize) -> Self {
        let mut options = LakeOptions::new(folder.join("spill"));
        options.threads = threads;
        let trap = Trap::default();
        // As if the tables were large: changes lie beside them, however many there are.
        (options.beside_from, options.beside_share) = (0, 0);
        options.faults = hook(&trap);
        let lake = Lake::open(&folder.join("lake"), options).unwrap();
        let store = Store::open_file(&folder.join("yihe.sqlite"), SeededIdentity::new(1)).await.unwrap();
        let house = Self { trap, lake, store, registry: registry(), threads, batches: 0 };
        for member in &house.registry.members {
            let table = TableName::new(Zone::Checked, member.dataset.as_str()).unwrap();
            house.lake.create(&table, schema(), Layout::keyed(["id"], 2)).await.unwrap();
        }
        house
    }

    pub fn builder(&self) -> Builder {
        Builder {
            hash_keys: HashKeys::new(|name| Ok(secret_of(name).into_bytes())),
            lake: self.lake.clone(),
            store: self.store.clone(),
            secret: EntitySecret::new(&[7; 32]),
            clock: Arc::new(FixedClock::new("2026-11-02T09:00:00+08:00".parse().unwrap())),
            actor: Actor::system(),
            holder: format!("test-{}", self.threads),
            faults: hook(&self.trap),
        }
    }

    fn table(&self, member: usize) -> TableName {
        TableName::new(Zone::Checked, self.registry.members[member].dataset.as_str()).unwrap()
    }

    /// As [`House::open`], and the last member delivers hashes of its numbers.
    pub async fn open_hashed(folder: &Path, threads: usize) -> Self {
        let mut house = Self::open(folder, threads).await;
        house.registry.members[2].hashed = Some(Hashed { algorithm: HashAlgorithm::Sha256, key: "partner".to_owned() });
        house
    }

    /// A number as the member delivers it.
    fn shown(&self, member: usize, number: &str) -> String {
        let Some(hashed) = &self.registry.members[member].hashed else { return number.to_owned() };
        let mut hasher = Hasher::new(Algorithm::Sha256, secret_of(&hashed.key).as_bytes()).unwrap();
        hasher.token(number, Hide::Equal(Reads::CitizenId)).unwrap_or_default()
    }

    /// One batch of a member: rows put under their business key.
    pub async fn deliver(&mut self, member: usize, rows: &[Row]) {
        self.batches += 1;
        let batch = format!("batch-{:04}", self.batches);
        let text = |of: &dyn Fn(&Row) -> String| -> ArrayRef {
            Arc::new(rows.iter().map(|row| Some(of(row)).filter(|text| !text.is_empty())).collect::<StringArray>())
        };
        let columns: Vec<ArrayRef> = vec![
            text(&|row| format!("R{}", row.id)),
            text(&|row| self.shown(member, &row.citizen)),
            text(&|row| row.name.clone()),
            text(&|row| row.phone.clone()),
            Arc::new(rows.iter().map(|row| Some(row.changed_on)).collect::<Date32Array>()),
            Arc::new(rows.iter().map(|row| row.died_on).collect::<Date32Array>()),
            text(&|_| batch.clone()),
            Arc::new((0..i64::try_from(rows.len()).unwrap()).map(Some).collect::<Int64Array>()),
        ];
        let key = CommitKey::new(batch.as_str()).unwrap();
        let mut writer = self.lake.grower(&self.table(member), key, &[]).await.unwrap();
        writer.write(RecordBatch::try_new(schema(), columns).unwrap()).await.unwrap();
        writer.commit(serde_json::Map::new()).await.unwrap();
    }

    /// Removes records of a member, as a source does that no longer delivers them.
    pub async fn remove(&mut self, member: usize, ids: &[u8]) {
        self.batches += 1;
        let key = CommitKey::new(format!("batch-{:04}", self.batches)).unwrap();
        let names: ArrayRef = Arc::new(ids.iter().map(|id| Some(format!("R{id}"))).collect::<StringArray>());
        let mut writer = self.lake.deleter(&self.table(member), key).await.unwrap();
        writer.write(RecordBatch::try_from_iter([("id", names)]).unwrap()).await.unwrap();
        writer.commit(serde_json::Map::new()).await.unwrap();
    }

    /// Every table of the registry, each as the bytes of its rows in key order.
    pub async fn tables(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for table in self.lake.tables().unwrap() {
            let ours = matches!(table.zone(), Zone::Registry | Zone::Conflicts);
            if ours {
                found.insert(table.to_string(), rows_as_bytes(&self.lake, &table).await);
            }
        }
        found
    }
}

async fn rows_as_bytes(lake: &Lake, table: &TableName) -> Vec<u8> {
    let schema = lake.schema(table).await.unwrap();
    let mut stream = lake.scan(table, Scan { ordered: true, ..Scan::default() }).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch.unwrap());
    }
    let whole = arrow::compute::concat_batches(&schema, &batches).unwrap();
    // Files of a bucket each are in order of their own, and what stands under a null is nothing that a table says: the
    // reader leaves there what the values around it made.
    let fields = schema.fields().iter().map(|field| arrow::row::SortField::new(field.data_type().clone())).collect();
    let rows = arrow::row::RowConverter::new(fields).unwrap().convert_columns(whole.columns()).unwrap();
    let mut rows: Vec<&[u8]> = rows.iter().map(|row| row.data()).collect();
    rows.sort_unstable();
    rows.into_iter().flat_map(|row| [&row.len().to_le_bytes()[..], row].concat()).collect()
}

/// The rows of a table as text, by column.
pub async fn table_rows(lake: &Lake, table: &TableName) -> Vec<BTreeMap<String, String>> {
    let mut stream = lake.scan(table, Scan { ordered: true, ..Scan::default() }).await.unwrap();
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let cell = |at: usize| arrow::util::display::array_value_to_string(batch.column(at), row).unwrap();
            let names = batch.schema();
            rows.push(names.fields().iter().enumerate().map(|(at, field)| (field.name().clone(), cell(at))).collect());
        }
    }
    rows
}
