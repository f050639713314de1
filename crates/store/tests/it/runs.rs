use yihe_store::{NewRun, RunBegun, RunState, StoreError};

use crate::support::{Fixture, act, at, on_both};

on_both!(
    one_run_works_on_a_subject_at_a_time,
    a_run_whose_holder_vanished_is_abandoned_by_the_sweep,
    a_crash_never_blocks_a_step,
    a_heartbeat_keeps_a_run_alive_until_its_deadline,
);

fn new(holder: &str, second: i64) -> NewRun<'_> {
    NewRun { step: "check", subject: "residents", holder, lease_until: at(second + 30), deadline_at: at(second + 100) }
}

async fn begin(fixture: &Fixture, holder: &str, second: i64) -> RunBegun {
    let mut tx = fixture.store.begin().await.unwrap();
    let begun = tx.run_begin(&new(holder, second), &act("run.started", second)).await.unwrap();
    tx.commit().await.unwrap();
    begun
}

async fn sweep(fixture: &Fixture, second: i64) -> usize {
    let mut tx = fixture.store.begin().await.unwrap();
    let swept = tx.run_sweep(&act("run.swept", second)).await.unwrap();
    tx.commit().await.unwrap();
    swept.len()
}

async fn one_run_works_on_a_subject_at_a_time(fixture: Fixture) {
    let RunBegun::Started(run) = begin(&fixture, "one", 0).await else { panic!("expected a start") };
    assert!(matches!(begin(&fixture, "other", 1).await, RunBegun::Busy(busy) if busy.id == run.id));
    let mut tx = fixture.store.begin().await.unwrap();
    tx.run_finish(&run.id, "{\"rows\":9}", &act("run.done", 2)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(begin(&fixture, "other", 3).await, RunBegun::Started(_)));
}

async fn a_run_whose_holder_vanished_is_abandoned_by_the_sweep(fixture: Fixture) {
    let RunBegun::Started(run) = begin(&fixture, "one", 0).await else { panic!("expected a start") };
    assert_eq!(sweep(&fixture, 29).await, 0);
    assert_eq!(sweep(&fixture, 30).await, 1);
    assert_eq!(sweep(&fixture, 31).await, 0);
    assert_eq!(fixture.store.run_find(&run.id).await.unwrap().unwrap().state, RunState::Abandoned);
    let mut tx = fixture.store.begin().await.unwrap();
    let late = tx.run_finish(&run.id, "{}", &act("run.done", 40)).await;
    assert!(matches!(late, Err(StoreError::State { .. })), "an abandoned run must not finish");
}

async fn a_crash_never_blocks_a_step(fixture: Fixture) {
    begin(&fixture, "one", 0).await;
    assert!(matches!(begin(&fixture, "other", 31).await, RunBegun::Started(_)));
    let states: Vec<RunState> =
        fixture.store.run_list(Some("residents"), 10).await.unwrap().iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Running, RunState::Abandoned]);
}

async fn a_heartbeat_keeps_a_run_alive_until_its_deadline(fixture: Fixture) {
    let RunBegun::Started(run) = begin(&fixture, "one", 0).await else { panic!("expected a start") };
    let mut tx = fixture.store.begin().await.unwrap();
    tx.run_heartbeat(&run.id, "one", at(1_000)).await.unwrap();
    let stranger = tx.run_heartbeat(&run.id, "other", at(1_000)).await;
    assert!(matches!(stranger, Err(StoreError::State { .. })));
    tx.commit().await.unwrap();
    assert_eq!(sweep(&fixture, 99).await, 0);
    assert_eq!(sweep(&fixture, 100).await, 1);
}
