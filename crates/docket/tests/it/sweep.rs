use yihe_docket::{EscalationLevel, EscalationPolicy, SweepReport, Term, Worklist};
use yihe_store::Role;

use crate::support::{Fixture, MATTER, SUBJECT, actor, morning, on_both};

on_both!(
    each_level_is_reached_once,
    a_sweep_that_comes_late_notes_every_level_it_passed,
    a_clock_that_stands_still_is_not_escalated,
    a_crash_between_note_and_commit_repeats_nothing_and_loses_nothing,
    a_year_that_will_be_missing_is_announced,
);

async fn sweep(fixture: &Fixture, month: i8, day: i8) -> SweepReport {
    fixture.docket.sweep(&fixture.store, EscalationPolicy::default(), morning(month, day)).await.unwrap()
}

async fn levels(fixture: &Fixture, month: i8, day: i8) -> Vec<EscalationLevel> {
    sweep(fixture, month, day).await.escalations.iter().map(|escalation| escalation.level).collect()
}

async fn each_level_is_reached_once(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    assert_eq!(levels(&fixture, 10, 14).await, []);
    assert_eq!(levels(&fixture, 10, 15).await, [EscalationLevel::Reminder]);
    assert_eq!(levels(&fixture, 10, 16).await, []);
    assert_eq!(levels(&fixture, 10, 17).await, [EscalationLevel::Head]);
    assert_eq!(levels(&fixture, 10, 18).await, []);
    assert_eq!(levels(&fixture, 10, 21).await, [EscalationLevel::Authority]);
    assert_eq!(levels(&fixture, 10, 22).await, []);
    let late = Worklist::Escalated;
    let page = fixture.docket.worklist(&fixture.store, late, jiff::civil::date(2025, 10, 22), 0, 10).await.unwrap();
    assert_eq!(page.total, 1);
    let kinds: Vec<String> = fixture.store.outbox_list(0, 100).await.unwrap().into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["item.opened", "item.reminded", "item.overdue", "item.escalated"]);
}

async fn a_sweep_that_comes_late_notes_every_level_it_passed(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    let all = [EscalationLevel::Reminder, EscalationLevel::Head, EscalationLevel::Authority];
    assert_eq!(levels(&fixture, 10, 31).await, all);
    assert_eq!(levels(&fixture, 10, 31).await, []);
}

async fn a_clock_that_stands_still_is_not_escalated(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    let mut tx = fixture.store.begin().await.unwrap();
    fixture.docket.stop(&mut tx, MATTER, &actor(), morning(9, 29)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(levels(&fixture, 10, 31).await, []);
}

async fn a_crash_between_note_and_commit_repeats_nothing_and_loses_nothing(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    let item = fixture.store.item_list_by_subject(SUBJECT).await.unwrap().remove(0);
    let mut tx = fixture.store.begin().await.unwrap();
    assert!(tx.escalation_insert(&item.id, EscalationLevel::Reminder.number(), morning(10, 15)).await.unwrap());
    drop(tx);
    assert_eq!(levels(&fixture, 10, 15).await, [EscalationLevel::Reminder]);
    let own = Worklist::Own { department: "gongan", role: Role::Officer };
    let page = fixture.docket.worklist(&fixture.store, own, jiff::civil::date(2025, 10, 15), 0, 10).await.unwrap();
    assert_eq!(page.items[0].escalation, 1);
}

async fn a_year_that_will_be_missing_is_announced(fixture: Fixture) {
    assert_eq!(sweep(&fixture, 10, 15).await.calendar_missing, None);
    assert_eq!(sweep(&fixture, 11, 15).await.calendar_missing, Some(2026));
}
