//! The population registry at size:
//! `cargo run --release -p yihe-registries --example bench_registries -- PEOPLE FOLDER [prepare|build|changes|spread]`.
//!
//! Six departments know every person; a twentieth of the values differ. `prepare` writes their checked tables; `build`,
//! in a process of its own, builds the registry from nothing, then from changes: of one person in a hundred in every
//! department; of one record in a hundred of each department, other people in each; of one record. `changes` leaves out
//! the build from nothing, of a folder where one was made, and `spread` the first of the changes, too. Without a third
//! argument it does all. Prints seconds, processor seconds (user and system), rows per second and the process's
//! greatest memory.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::{path::Path, sync::Arc, time::Instant};

use arrow::{
    array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use yihe_definitions::Registry;
use yihe_lake::{CommitKey, Lake, LakeOptions, Layout, TableName, Zone};
use yihe_registries::{Builder, EntitySecret, HashKeys, shape, why};
use yihe_store::{Actor, SeededIdentity, Store};
use yihe_vocabulary::FixedClock;

const FIELDS: [&str; 8] = ["name", "sex", "phone", "address", "division", "employer", "education", "insured_as"];
const MEMBERS: usize = 6;
const ROWS: u64 = 65_536;

fn registry() -> Registry {
    let members: Vec<_> = (0..MEMBERS)
        .map(|member| {
            let fields: serde_json::Map<String, serde_json::Value> = fed(member).map(|name| (name.into(), name.into())).collect();
            serde_json::json!({ "dataset": format!("d{member}"), "key": "citizen_id", "changed_on": "changed_on", "fields": fields })
        })
        .collect();
    let fields: Vec<_> = FIELDS
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let authority: Vec<String> = (0..MEMBERS)
                .map(|member| (member + at) % MEMBERS)
                .filter(|member| fed(*member).any(|field| field == *name))
                .map(|member| format!("d{member}"))
                .collect();
            serde_json::json!({ "name": name, "title": { "zh": name }, "authority": authority })
        })
        .collect();
    serde_json::from_value(serde_json::json!({
        "id": "population", "title": { "zh": "人口" }, "department": "gongan", "entity": "person", "key": "citizen_id",
        "members": members, "fields": fields,
    }))
    .unwrap()
}

/// Every department knows name, sex and telephone, and two or three more.
fn fed(member: usize) -> impl Iterator<Item = &'static str> {
    FIELDS.iter().enumerate().filter(move |(at, _)| *at < 3 || !(at + member).is_multiple_of(3)).map(|(_, name)| *name)
}

fn schema(member: usize) -> SchemaRef {
    let mut fields = vec![Field::new("citizen_id", DataType::Utf8, false)];
    fields.extend(fed(member).map(|name| Field::new(name, DataType::Utf8, true)));
    fields.push(Field::new("changed_on", DataType::Date32, true));
    fields.push(Field::new("_batch", DataType::Utf8, false));
    fields.push(Field::new("_row", DataType::Int64, false));
    Arc::new(Schema::new(fields))
}

fn number(person: u64) -> String {
    const WEIGHTS: [u64; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let first = jiff::civil::date(1940, 1, 1);
    let born = first.checked_add(jiff::Span::new().days(i64::try_from(person / 1000 % 29_000).unwrap())).unwrap();
    let county = 371_302 + person / 29_000_000;
    let text = format!("{county:06}{}{:03}", born.strftime("%Y%m%d"), person % 1000);
    let sum: u64 = text.bytes().zip(WEIGHTS).map(|(digit, weight)| u64::from(digit - b'0') * weight).sum();
    format!("{text}{}", char::from(b"10X98765432"[usize::try_from(sum % 11).unwrap()]))
}

fn mixed(person: u64, salt: u64) -> u64 {
    let mut x = person.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 31;
    x.wrapping_mul(0x94d0_49bb_1331_11eb) ^ (x >> 17)
}

fn value(field: &str, person: u64, member: u64, round: u64) -> String {
    // A twentieth of the values of a department differ from the others'.
    let salt =
        if mixed(person, member * 31 + field.len() as u64).is_multiple_of(20) { member + 7 } else { 0 } + round * 97;
    let draw = mixed(person, salt + u64::from(field.as_bytes()[0]));
    match field {
        "name" => format!("{}{}", ["王", "李", "张", "刘", "陈"][usize::try_from(draw % 5).unwrap()], draw % 4000),
        "sex" => (1 + draw % 2).to_string(),
        "phone" => format!("138{:08}", draw % 100_000_000),
        "address" => format!("兰山区金雀山街道{}号{}室", draw % 500, draw % 37),
        "division" => format!("3713{:02}{:03}", draw % 15, draw % 200),
        _ => format!("{}", draw % 300),
    }
}

fn rows(member: usize, people: &[u64], batch: &str, round: u64) -> RecordBatch {
    let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(people.iter().map(|p| number(*p))))];
    for field in fed(member) {
        columns.push(Arc::new(StringArray::from_iter_values(
            people.iter().map(|person| value(field, *person, member as u64, round)),
        )));
    }
    columns.push(Arc::new(Date32Array::from_iter_values(
        people.iter().map(|person| 18_000 + i32::try_from(mixed(*person, member as u64) % 2000).unwrap()),
    )));
    columns.push(Arc::new(StringArray::from_iter_values(people.iter().map(|_| batch))));
    columns.push(Arc::new(Int64Array::from_iter_values(people.iter().map(|person| i64::try_from(*person).unwrap()))));
    RecordBatch::try_new(schema(member), columns).unwrap()
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Seconds that processors worked for this process, in the kernel's ticks of a hundredth.
fn worked() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap().split_whitespace().next().unwrap().to_owned()
}

/// A step that is measured.
struct Step {
    began: Instant,
    worked: f64,
}

impl Step {
    fn begin() -> Self {
        Self { began: Instant::now(), worked: worked() }
    }

    fn say(&self, step: &str, count: u64) {
        let seconds = self.began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "for people to read")]
        let speed = count as f64 / seconds;
        let worked = worked() - self.worked;
        println!(
            "{step}: {seconds:.2} s, {worked:.2} CPU s, {speed:.0} rows/s, {} MiB at most, load {}",
            memory_mib(),
            load()
        );
    }
}

async fn prepare(lake: &Lake, people: u64) {
    let step = Step::begin();
    for member in 0..MEMBERS {
        let table = TableName::new(Zone::Checked, format!("d{member}")).unwrap();
        lake.create(&table, schema(member), Layout::keyed(["citizen_id"], Layout::buckets_for(people))).await.unwrap();
        let mut writer = lake.replacer(&table, CommitKey::new("b1").unwrap()).await.unwrap();
        for first in (0..people).step_by(usize::try_from(ROWS).unwrap()) {
            let chunk: Vec<u64> = (first..people.min(first + ROWS)).collect();
            writer.write(rows(member, &chunk, "0199-b1", 0)).await.unwrap();
        }
        writer.commit(serde_json::Map::new()).await.unwrap();
    }
    step.say("preparing the six datasets", people * MEMBERS as u64);
}

/// Delivers new records of these people in one department.
async fn deliver(lake: &Lake, member: usize, people: &[u64], batch: &str, round: u64) {
    let table = TableName::new(Zone::Checked, format!("d{member}")).unwrap();
    let mut writer = lake.grower(&table, CommitKey::new(batch).unwrap(), &[]).await.unwrap();
    for chunk in people.chunks(usize::try_from(ROWS).unwrap()) {
        writer.write(rows(member, chunk, &format!("0199-{batch}"), round)).await.unwrap();
    }
    writer.commit(serde_json::Map::new()).await.unwrap();
}

async fn build(builder: &Builder, registry: &Registry, step_name: &str, count: u64) {
    let step = Step::begin();
    let report = builder.build(registry).await.unwrap();
    step.say(step_name, count);
    println!("    {:?}, {} entities, {} conflicts", report.how, report.entities, report.conflicts);
}

async fn look_up(lake: &Lake, store: &Store, registry: &Registry, people: u64) {
    let secret = EntitySecret::new(&[7; 32]);
    let golden = shape::golden_table(registry).unwrap();
    for what in ["by key", "by name", "why"] {
        let mut times = Vec::new();
        for at in 0..1_000 {
            let key = number(mixed(at, 5) % people);
            let name = secret.entity_id(&registry.id, &key);
            let began = Instant::now();
            match what {
                "by key" => assert!(!lake.lookup(&golden, &[&key]).await.unwrap().is_empty()),
                "by name" => assert_eq!(why::entity_key(lake, registry, &name).await.unwrap(), Some(key)),
                _ => drop(why::golden(lake, store, registry, &key).await.unwrap().unwrap()),
            }
            times.push(began.elapsed());
        }
        let first = times[0];
        times.sort();
        println!("golden record {what}: p50 {:?}, p99 {:?}, first {first:?}, load {}", times[500], times[990], load());
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let people: u64 = arguments.next().map_or(100_000, |text| text.parse().unwrap());
    let folder = arguments.next().unwrap_or_else(|| "/tmp/bench-registries".to_owned());
    let part = arguments.next().unwrap_or_default();
    let folder = Path::new(&folder);
    // Of a folder where a build was made.
    let again = part == "changes" || part == "spread";
    let lake = Lake::open(&folder.join("lake"), LakeOptions::new(folder.join("spill"))).unwrap();
    if part.is_empty() || part == "prepare" {
        prepare(&lake, people).await;
    }
    if part == "prepare" {
        return;
    }
    let store = Store::open_file(&folder.join("yihe.sqlite"), SeededIdentity::new(1 + u64::from(again))).await.unwrap();
    let registry = registry();
    let builder = Builder {
        hash_keys: HashKeys::in_folder("keys".into()),
        lake: lake.clone(),
        store: store.clone(),
        secret: EntitySecret::new(&[7; 32]),
        clock: Arc::new(FixedClock::new("2026-11-02T09:00:00+08:00".parse().unwrap())),
        actor: Actor::system(),
        holder: "bench".to_owned(),
        faults: Arc::new(|_| {}),
    };
    if !again {
        build(&builder, &registry, "build from nothing", people * MEMBERS as u64).await;
        look_up(&lake, &store, &registry, people).await;
    }

    if part != "spread" {
        let same: Vec<u64> = (0..people).filter(|person| mixed(*person, 999).is_multiple_of(100)).collect();
        let step = Step::begin();
        for member in 0..MEMBERS {
            deliver(&lake, member, &same, "b2", 1).await;
        }
        step.say("delivering 1 % of the people in every dataset", (same.len() * MEMBERS) as u64);
        build(&builder, &registry, "build from 1 % of the people", (same.len() * MEMBERS) as u64).await;
    }

    let step = Step::begin();
    for member in 0..MEMBERS {
        let others: Vec<u64> =
            (0..people).filter(|person| mixed(*person, 1000 + member as u64).is_multiple_of(100)).collect();
        deliver(&lake, member, &others, "b3", 2).await;
    }
    step.say("delivering 1 % of each dataset, other people in each", people * MEMBERS as u64 / 100);
    build(&builder, &registry, "build from 1 % of each dataset", people * MEMBERS as u64 / 100).await;

    for at in 0..5 {
        let person = mixed(at, 77) % people;
        deliver(&lake, 0, &[person], &format!("c{at}"), 3).await;
        build(&builder, &registry, "build from one changed record", 1).await;
    }
    look_up(&lake, &store, &registry, people).await;
    println!("{} MiB at most", memory_mib());
}
