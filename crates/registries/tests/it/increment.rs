//! What is built from changes is what is built from nothing.

use proptest::prelude::*;
use yihe_registries::{Decision, How, Proposal, RecordRef, Why};
use yihe_store::{Actor, DecisionFilter};

use crate::support::{House, NUMBERS, Row};

/// Something that happens to the city.
#[derive(Debug, Clone)]
enum Event {
    Deliver { member: usize, rows: Vec<Row> },
    Remove { member: usize, ids: Vec<u8> },
    Join { member: usize, id: u8, number: usize },
    Split { member: usize, id: u8, number: usize, other: Option<usize> },
    Apart { member: usize, id: u8, number: usize },
    Merge { survivor: usize, merged: usize },
    Protect { number: usize },
    Unprotect { number: usize },
    Revoke { which: usize },
    Build,
}

fn row() -> impl Strategy<Value = Row> {
    let citizen = prop_oneof![
        8 => (0..NUMBERS.len()).prop_map(|at| NUMBERS[at].to_owned()),
        1 => (0..NUMBERS.len()).prop_map(|at| NUMBERS[at].to_lowercase()),
        2 => Just(String::new()),
        1 => Just("110105194912310021".to_owned()),
    ];
    let name = prop_oneof![Just(""), Just("王芳"), Just("王方"), Just(" 李四 ")];
    let phone = prop_oneof![Just(""), Just("1"), Just("2")];
    (0..8_u8, citizen, name, phone, 0..4_i32, prop::option::weighted(0.2, 0..3_i32)).prop_map(
        |(id, citizen, name, phone, changed_on, died_on)| Row {
            id,
            citizen,
            name: name.to_owned(),
            phone: phone.to_owned(),
            changed_on,
            died_on,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let number = 0..NUMBERS.len();
    prop_oneof![
        6 => (0..3_usize, prop::collection::vec(row(), 1..6)).prop_map(|(member, mut rows)| {
            // A batch of the checker holds a record once.
            rows.sort_by_key(|row| row.id);
            rows.dedup_by_key(|row| row.id);
            Event::Deliver { member, rows }
        }),
        2 => (0..3_usize, prop::collection::vec(0..8_u8, 1..3))
            .prop_map(|(member, ids)| Event::Remove { member, ids }),
        3 => (0..3_usize, 0..8_u8, number.clone()).prop_map(|(member, id, number)| Event::Join { member, id, number }),
        3 => (0..3_usize, 0..8_u8, number.clone(), prop::option::of(number.clone()))
            .prop_map(|(member, id, number, other)| Event::Split { member, id, number, other }),
        1 => (0..3_usize, 0..8_u8, number.clone()).prop_map(|(member, id, number)| Event::Apart { member, id, number }),
        3 => (number.clone(), number.clone()).prop_map(|(survivor, merged)| Event::Merge { survivor, merged }),
        1 => number.clone().prop_map(|number| Event::Protect { number }),
        1 => number.prop_map(|number| Event::Unprotect { number }),
        2 => (0..20_usize).prop_map(|which| Event::Revoke { which }),
        4 => Just(Event::Build),
    ]
}

fn record(house: &House, member: usize, id: u8) -> RecordRef {
    RecordRef { dataset: house.registry.members[member].dataset.clone(), record_key: format!("R{id}") }
}

/// Lets it happen; what cannot be decided is left undecided. True: a build was made from changes.
async fn happen(house: &mut House, event: &Event) -> bool {
    let builder = house.builder();
    let registry = house.registry.clone();
    let actor = Actor::system();
    let decision = match event {
        Event::Deliver { member, rows } => {
            house.deliver(*member, rows).await;
            return false;
        }
        Event::Remove { member, ids } => {
            house.remove(*member, ids).await;
            return false;
        }
        Event::Build => {
            let report = builder.build(&registry).await.unwrap();
            return matches!(report.how, How::Changes { .. });
        }
        Event::Protect { number } => {
            let _ = builder.protect(&registry, NUMBERS[*number], "依据", None, &actor).await;
            return false;
        }
        Event::Unprotect { number } => {
            builder.unprotect(&registry, NUMBERS[*number], &actor).await.unwrap();
            return false;
        }
        Event::Revoke { which } => {
            let filter = DecisionFilter { registry: registry.id.clone(), standing: true, ..DecisionFilter::default() };
            let known = house.store.decision_list(&filter, "", 100).await.unwrap();
            if !known.is_empty() {
                builder.revoke(&registry, &known[which % known.len()].id, "撤销", &actor).await.unwrap();
            }
            return false;
        }
        Event::Join { member, id, number } => {
            Decision::Join { record: record(house, *member, *id), entity: NUMBERS[*number].to_owned() }
        }
        Event::Apart { member, id, number } => {
            Decision::Apart { record: record(house, *member, *id), entity: NUMBERS[*number].to_owned() }
        }
        Event::Split { member, id, number, other } => Decision::Split {
            record: record(house, *member, *id),
            entity: NUMBERS[*number].to_owned(),
            other: other.map(|other| NUMBERS[other].to_owned()),
        },
        Event::Merge { survivor, merged } => {
            Decision::Merge { survivor: NUMBERS[*survivor].to_owned(), merged: NUMBERS[*merged].to_owned() }
        }
    };
    // Some make no sense or contradict what stands; they are refused, which is a state of the world too.
    let _ = builder.decide(&registry, decision, "理由", &Proposal::default(), &actor).await;
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// Any order of batches, corrections, deletions, decisions and revocations comes to the same bytes as a build
    /// from nothing with another number of threads.
    #[test]
    fn any_course_of_events_built_from_changes_is_what_is_built_from_nothing(
        events in prop::collection::vec(event(), 1..24),
        threads in 1..4_usize,
        is_hashed in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut house = if is_hashed {
                House::open_hashed(folder.path(), threads).await
            } else {
                House::open(folder.path(), threads).await
            };
            for event in &events {
                happen(&mut house, event).await;
            }
            house.builder().build(&house.registry).await.unwrap();
            let from_changes = house.tables().await;
            let report = house.builder().rebuild(&house.registry).await.unwrap();
            assert_eq!(report.how, How::Full(Why::Asked));
            let from_nothing = house.tables().await;
            for (table, bytes) in &from_nothing {
                assert!(from_changes[table] == *bytes, "{table} differs");
            }
        });
    }
}

/// A whole course takes about a tenth of a second; a night may ask for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

fn plain(id: u8, number: usize, name: &str) -> Row {
    Row {
        id,
        citizen: NUMBERS[number].to_owned(),
        name: name.to_owned(),
        phone: String::new(),
        changed_on: 1,
        died_on: None,
    }
}

#[tokio::test]
async fn a_change_derives_its_entities_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    house.deliver(0, &[plain(1, 0, "王芳"), plain(2, 1, "李四")]).await;
    let first = house.builder().build(&house.registry).await.unwrap();
    assert_eq!(first.how, How::Full(Why::First));
    house.deliver(1, &[plain(1, 1, "李四")]).await;
    let report = house.builder().build(&house.registry).await.unwrap();
    assert_eq!(report.how, How::Changes { records: 1, decisions: 0, entities: 1 });
    assert_eq!((report.entities, report.records), (2, 3));
    let again = house.builder().build(&house.registry).await.unwrap();
    assert_eq!((again.how, again.version), (How::Unchanged, report.version));
}

#[tokio::test]
async fn what_changes_in_the_golden_table_is_what_changed() {
    use futures::StreamExt;
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::open(folder.path(), 2).await;
    house.deliver(0, &[plain(1, 0, "王芳"), plain(2, 1, "李四"), plain(3, 2, "赵六")]).await;
    let first = house.builder().build(&house.registry).await.unwrap();
    house.deliver(0, &[plain(2, 1, "李四光")]).await;
    let second = house.builder().build(&house.registry).await.unwrap();
    let third = house.builder().rebuild(&house.registry).await.unwrap();
    let golden = yihe_registries::shape::golden_table(&house.registry).unwrap();
    let count = async |from: i64, to: i64| {
        let mut stream = house.lake.changes(&golden, from, to).await.unwrap();
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            rows += batch.unwrap().num_rows();
        }
        rows
    };
    assert_eq!(count(first.version, second.version).await, 1);
    assert_eq!(count(second.version, third.version).await, 0, "a build from nothing that changes nothing");
}
