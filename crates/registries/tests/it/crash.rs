//! A build that is killed anywhere, and then repeated or followed by other changes, comes to the same tables.

use yihe_registries::{Decision, FAULT_POINT_CHANGES, FAULT_POINTS, Proposal};
use yihe_store::Actor;

use crate::support::{House, NUMBERS, Row};

fn row(id: u8, number: usize, name: &str) -> Row {
    Row {
        id,
        citizen: NUMBERS[number].to_owned(),
        name: name.to_owned(),
        phone: "1".to_owned(),
        changed_on: 1,
        died_on: None,
    }
}

/// Builds with the trap set; true when it was killed.
async fn killed(house: &House, point: &'static str, passes: u32) -> bool {
    *house.trap.lock().unwrap() = Some((point, passes));
    let (builder, registry) = (house.builder(), house.registry.clone());
    let ended = tokio::spawn(async move { builder.build(&registry).await }).await;
    let met = house.trap.lock().unwrap().take().is_none();
    // A point on another thread comes back as an error of that thread.
    assert!(!met || ended.is_err() || ended.is_ok_and(|outcome| outcome.is_err()), "{point} was met and passed over");
    met
}

async fn same_as_from_nothing(house: &House, point: &str) {
    house.builder().build(&house.registry).await.unwrap();
    let found = house.tables().await;
    house.builder().rebuild(&house.registry).await.unwrap();
    for (table, bytes) in house.tables().await {
        assert!(found[&table] == bytes, "{table} after {point}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_killed_anywhere_comes_to_the_same_tables() {
    let lake = yihe_lake::FAULT_POINTS.iter().filter(|point| !point.contains("spill") && !point.contains("checkpoint"));
    let points: Vec<&'static str> = FAULT_POINTS.iter().chain([&FAULT_POINT_CHANGES]).chain(lake).copied().collect();
    for point in points {
        // The lake's points are passed by the commit of each table.
        let passes = if point.starts_with("lake.") { 0..5 } else { 0..1 };
        for passes in passes {
            for goes_on in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let mut house = House::open(folder.path(), 2).await;
                house.deliver(0, &[row(1, 0, "王芳"), row(2, 1, "李四"), row(3, 2, "赵六")]).await;
                house.deliver(1, &[row(1, 0, "王方"), row(2, 1, "李四"), row(3, 3, "孙七")]).await;
                let first = killed(&house, point, passes).await;
                assert!(first || passes > 0 || point == FAULT_POINT_CHANGES, "{point} was not met");
                house.builder().build(&house.registry).await.unwrap();
                // Entities change, come, go and become one.
                house.deliver(1, &[row(1, 4, "王方"), row(2, 1, "李思")]).await;
                house.remove(0, &[3]).await;
                let merge = Decision::Merge { survivor: NUMBERS[0].to_owned(), merged: NUMBERS[1].to_owned() };
                let (builder, actor) = (house.builder(), Actor::system());
                builder.decide(&house.registry, merge, "一人", &Proposal::default(), &actor).await.unwrap();
                let second = killed(&house, point, passes).await;
                assert!(second || passes > 0 || point == "build.after_gather", "{point} was not met by changes");
                if goes_on {
                    house.deliver(0, &[row(3, 2, "赵六"), row(2, 5, "李四")]).await;
                }
                same_as_from_nothing(&house, &format!("{point}:{passes}, goes on: {goes_on}")).await;
            }
        }
    }
}
