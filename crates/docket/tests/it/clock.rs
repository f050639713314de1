use jiff::civil::date;
use yihe_docket::{DocketError, EscalationPolicy, Standing, Step, Term, Worklist};
use yihe_store::Role;

use crate::support::{Fixture, MATTER, PROCEDURE, SUBJECT, actor, announced_2026, morning, on_both, waits_for};

on_both!(
    the_list_shows_what_waits_and_until_when,
    the_clock_stands_still_between_notice_and_resubmission,
    an_extension_stays_within_the_law,
    a_step_begins_its_own_term,
    handing_over_leaves_the_clock_as_it_is,
    a_missing_year_is_an_alarm_and_nothing_is_opened,
    a_day_by_weekdays_stands_until_the_year_is_announced,
    a_closed_item_leaves_the_list,
);

async fn the_list_shows_what_waits_and_until_when(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    let own = Worklist::Own { department: "gongan", role: Role::Officer };
    let page = fixture.docket.worklist(&fixture.store, own, date(2025, 10, 9), 0, 10).await.unwrap();
    assert_eq!((page.total, page.overdue), (1, 0));
    let item = &page.items[0];
    // 28, 29, 30 September, 9, 10, 11, 13, 14, 15, 16 October.
    assert_eq!(item.due_on, Some(date(2025, 10, 16)));
    assert_eq!(item.standing, Standing::Running { days: 6 });
    let late = fixture.docket.worklist(&fixture.store, own, date(2025, 10, 17), 0, 10).await.unwrap();
    assert_eq!((late.overdue, late.items[0].standing), (1, Standing::Overdue { days: 1 }));
    for other in [
        Worklist::Own { department: "gongan", role: Role::Head },
        Worklist::Own { department: "minzheng", role: Role::Officer },
        Worklist::Escalated,
        Worklist::Late("gongan"),
    ] {
        let page = fixture.docket.worklist(&fixture.store, other, date(2025, 10, 9), 0, 10).await.unwrap();
        assert_eq!(page.total, 0, "{other:?}");
    }
}

async fn the_clock_stands_still_between_notice_and_resubmission(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    let (docket, actor) = (&fixture.docket, actor());
    let mut tx = fixture.store.begin().await.unwrap();
    docket.stop(&mut tx, MATTER, &actor, morning(9, 29)).await.unwrap();
    let twice = docket.stop(&mut tx, MATTER, &actor, morning(9, 30)).await;
    assert!(matches!(twice, Err(DocketError::AlreadyStopped { .. })));
    tx.commit().await.unwrap();
    let items = docket.items_of(&fixture.store, SUBJECT, date(2025, 10, 30)).await.unwrap();
    // One day was used: Sunday the 28th, which was worked.
    assert_eq!((items[0].due_on, items[0].standing), (None, Standing::Stopped { days: 9 }));
    let mut tx = fixture.store.begin().await.unwrap();
    docket.resume(&mut tx, MATTER, &actor, morning(10, 10)).await.unwrap();
    let twice = docket.resume(&mut tx, MATTER, &actor, morning(10, 10)).await;
    assert!(matches!(twice, Err(DocketError::NotStopped { .. })));
    tx.commit().await.unwrap();
    let items = docket.items_of(&fixture.store, SUBJECT, date(2025, 10, 10)).await.unwrap();
    // 11, 13–17, 20–22 October.
    assert_eq!(items[0].due_on, Some(date(2025, 10, 22)));
}

async fn an_extension_stays_within_the_law(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    let (docket, actor) = (&fixture.docket, actor());
    let mut tx = fixture.store.begin().await.unwrap();
    for beyond in [0, 11] {
        let refused = docket.extend(&mut tx, MATTER, beyond, 10, &actor, morning(10, 9)).await;
        assert!(matches!(refused, Err(DocketError::Extension { limit: 10, .. })));
    }
    docket.extend(&mut tx, MATTER, 7, 10, &actor, morning(10, 9)).await.unwrap();
    let refused = docket.extend(&mut tx, MATTER, 4, 10, &actor, morning(10, 9)).await;
    assert!(matches!(refused, Err(DocketError::Extension { limit: 3, .. })));
    tx.commit().await.unwrap();
    let items = docket.items_of(&fixture.store, SUBJECT, date(2025, 10, 9)).await.unwrap();
    assert_eq!(items[0].due_on, Some(date(2025, 10, 27)));
}

async fn a_step_begins_its_own_term(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    let (docket, actor) = (&fixture.docket, actor());
    let step = Step { state: "consented", waits_for: waits_for(), term: Term::WorkingDays(20) };
    let mut tx = fixture.store.begin().await.unwrap();
    docket.advance(&mut tx, MATTER, &step, "answered", &actor, morning(10, 9)).await.unwrap();
    tx.commit().await.unwrap();
    let items = docket.items_of(&fixture.store, SUBJECT, date(2025, 10, 9)).await.unwrap();
    assert_eq!((items[0].state.as_str(), items[0].due_on), ("consented", Some(date(2025, 11, 5))));
    let tasks = fixture.store.task_list(&items[0].id).await.unwrap();
    assert_eq!(tasks.iter().filter(|task| task.closed_at.is_none()).count(), 1);
    assert_eq!(tasks[0].outcome.as_deref(), Some("answered"));
}

async fn handing_over_leaves_the_clock_as_it_is(fixture: Fixture) {
    fixture.open(Term::WorkingDays(10), morning(9, 26)).await;
    let head = yihe_docket::WaitsFor { department: "gongan".to_owned(), role: Role::Head };
    let mut tx = fixture.store.begin().await.unwrap();
    let step = Step { state: "awaiting_countersignature", waits_for: head, term: Term::Continued };
    fixture.docket.advance(&mut tx, MATTER, &step, "proposed", &actor(), morning(10, 9)).await.unwrap();
    tx.commit().await.unwrap();
    let items = fixture.docket.items_of(&fixture.store, SUBJECT, date(2025, 10, 9)).await.unwrap();
    assert_eq!((items[0].role.as_str(), items[0].due_on), ("head", Some(date(2025, 10, 16))));
}

async fn a_missing_year_is_an_alarm_and_nothing_is_opened(fixture: Fixture) {
    let opening = yihe_docket::Opening {
        procedure: PROCEDURE,
        subject: SUBJECT.to_owned(),
        title: yihe_definitions::Text::new("共享申请", "share request"),
        step: Step { state: "awaiting_answer", waits_for: waits_for(), term: Term::WorkingDays(10) },
    };
    let mut tx = fixture.store.begin().await.unwrap();
    let error = fixture.docket.open(&mut tx, &opening, &actor(), morning(12, 30)).await.unwrap_err();
    assert!(error.message(yihe_definitions::Language::Zh).contains("2026"), "{error}");
    drop(tx);
    assert!(fixture.docket.items_of(&fixture.store, SUBJECT, date(2025, 12, 30)).await.unwrap().is_empty());
}

/// What is no term of the law has a day all the same, and the right one as soon as the year is announced.
async fn a_day_by_weekdays_stands_until_the_year_is_announced(fixture: Fixture) {
    fixture.open(Term::Assumed(5), morning(12, 29)).await;
    // 30, 31 December, then the weekdays 1, 2 and 5 January.
    let due_on = |items: Vec<yihe_docket::Item>| items[0].due_on;
    let items = fixture.docket.items_of(&fixture.store, SUBJECT, date(2026, 1, 2)).await.unwrap();
    assert_eq!(items[0].standing, Standing::Running { days: 1 });
    assert_eq!(due_on(items), Some(date(2026, 1, 5)));

    // 1 to 3 January are off, Sunday the 4th is worked.
    let announced = announced_2026();
    let at = "2026-01-04T01:00:00Z".parse().unwrap();
    let report = announced.sweep(&fixture.store, EscalationPolicy::default(), at).await.unwrap();
    assert_eq!(report.calendar_missing, None);
    let items = announced.items_of(&fixture.store, SUBJECT, date(2026, 1, 4)).await.unwrap();
    assert_eq!(due_on(items), Some(date(2026, 1, 6)));
    // Without the year the sweep goes on too, and says what is missing.
    let report = fixture.docket.sweep(&fixture.store, EscalationPolicy::default(), at).await.unwrap();
    assert_eq!(report.calendar_missing, Some(2026));
}

async fn a_closed_item_leaves_the_list(fixture: Fixture) {
    fixture.open(Term::Untimed, morning(9, 26)).await;
    let mut tx = fixture.store.begin().await.unwrap();
    fixture.docket.close(&mut tx, MATTER, "answered", &actor(), morning(9, 28)).await.unwrap();
    let gone = fixture.docket.close(&mut tx, MATTER, "answered", &actor(), morning(9, 28)).await;
    assert!(matches!(gone, Err(DocketError::NotOpen { .. })));
    tx.commit().await.unwrap();
    let page = fixture.docket.worklist(&fixture.store, Worklist::All, date(2025, 9, 28), 0, 10).await.unwrap();
    assert_eq!(page.total, 0);
    // The same subject may wait again later.
    fixture.open(Term::WorkingDays(1), morning(9, 29)).await;
}
