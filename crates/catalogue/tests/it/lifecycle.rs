use jiff::civil::date;
use yihe_catalogue::{CatalogueError, Compiled, EntryState, EntryStep};
use yihe_definitions::Sharing;
use yihe_docket::Worklist;
use yihe_store::Role;

use crate::support::{AUTHORITY, Fixture, actor, draft, morning, on_both, seated};

on_both!(
    an_entry_is_compiled_signed_reviewed_and_published,
    codes_are_stable_and_never_given_twice,
    what_was_announced_stays_in_force_while_it_is_amended,
    a_returned_entry_goes_round_again,
    a_withdrawn_entry_leaves_the_catalogue_and_keeps_its_code,
    of_two_reviewers_at_once_one_wins,
    a_step_that_fails_leaves_nothing_behind,
);

async fn an_entry_is_compiled_signed_reviewed_and_published(fixture: Fixture) {
    let code = fixture.compile(&draft("household", "户籍人口信息")).await;
    assert_eq!(code, "10100102/000001");
    fixture.step(&code, EntryStep::Submit, morning(9, 26)).await;
    fixture.step(&code, EntryStep::Sign, morning(9, 29)).await;
    let waiting = Worklist::Own { department: AUTHORITY, role: Role::Reviewer };
    let page = fixture.docket.worklist(&fixture.store, waiting, date(2025, 9, 29), 0, 10).await.unwrap();
    // Two working days after Monday the 29th: the 30th, then the holidays, then the 9th.
    assert_eq!(page.items[0].due_on, Some(date(2025, 10, 9)));
    assert_eq!(fixture.catalogue.find_published(&code).await.unwrap(), None);
    let entry = fixture.step(&code, EntryStep::Publish, morning(9, 30)).await;
    assert_eq!((entry.state, entry.published_at), (EntryState::Published, Some(morning(9, 30))));
    let published = fixture.catalogue.find_published(&code).await.unwrap().unwrap();
    assert_eq!(published.title.zh, "户籍人口信息");
    assert_eq!(published.department_code, "113713000430010034");
    let page = fixture.docket.worklist(&fixture.store, Worklist::All, date(2025, 9, 30), 0, 10).await.unwrap();
    assert_eq!(page.total, 0);
    let kinds: Vec<String> = fixture
        .store
        .outbox_list(0, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.kind)
        .filter(|kind| kind.starts_with("entry."))
        .collect();
    assert_eq!(kinds, ["entry.compiled", "entry.submitted", "entry.signed", "entry.published"]);
}

async fn codes_are_stable_and_never_given_twice(fixture: Fixture) {
    let first = fixture.compile(&draft("a", "甲")).await;
    let second = fixture.compile(&draft("b", "乙")).await;
    assert_eq!((first.as_str(), second.as_str()), ("10100102/000001", "10100102/000002"));
    let officer = actor("gongan", Role::Officer);
    let again = fixture.catalogue.compile(&draft("a", "甲"), &officer, morning(9, 28)).await.unwrap();
    assert!(matches!(&again, Compiled::Unchanged(code) if code.to_string() == first));
    let renamed = fixture.catalogue.compile(&draft("a", "丙"), &officer, morning(9, 28)).await.unwrap();
    assert!(matches!(&renamed, Compiled::Changed(code) if code.to_string() == first));
}

async fn what_was_announced_stays_in_force_while_it_is_amended(fixture: Fixture) {
    let mut wanted = draft("household", "户籍人口信息");
    let code = fixture.entry_in(EntryState::Published, &wanted).await;
    wanted.publication.sharing = Sharing::Unconditional;
    fixture.compile(&wanted).await;
    let published = fixture.catalogue.find_published(&code).await.unwrap().unwrap();
    assert!(matches!(published.sharing, Sharing::Conditional { .. }));
    let working = fixture.catalogue.find(&code).await.unwrap().unwrap();
    assert_eq!((working.state, working.sharing), (EntryState::Draft, Sharing::Unconditional));
    for step in [EntryStep::Submit, EntryStep::Sign, EntryStep::Publish] {
        fixture.step(&code, step, morning(9, 28)).await;
    }
    let published = fixture.catalogue.find_published(&code).await.unwrap().unwrap();
    assert_eq!(published.sharing, Sharing::Unconditional);
}

async fn a_returned_entry_goes_round_again(fixture: Fixture) {
    let code = fixture.entry_in(EntryState::AwaitingReview, &draft("household", "户籍人口信息")).await;
    let returned = fixture.step(&code, EntryStep::Return, morning(9, 28)).await;
    assert_eq!(returned.reason.as_deref(), Some("理由"));
    let own = Worklist::Own { department: "gongan", role: Role::Officer };
    let page = fixture.docket.worklist(&fixture.store, own, date(2025, 9, 28), 0, 10).await.unwrap();
    // Ten working days: 29, 30 September, 9, 10, 11, 13–17 October.
    assert_eq!(page.items[0].due_on, Some(date(2025, 10, 17)));
    for step in [EntryStep::Submit, EntryStep::Sign, EntryStep::Publish] {
        fixture.step(&code, step, morning(9, 29)).await;
    }
    assert!(fixture.catalogue.find_published(&code).await.unwrap().is_some());
}

async fn a_withdrawn_entry_leaves_the_catalogue_and_keeps_its_code(fixture: Fixture) {
    let wanted = draft("household", "户籍人口信息");
    let code = fixture.entry_in(EntryState::Withdrawn, &wanted).await;
    assert_eq!(fixture.catalogue.find_published(&code).await.unwrap(), None);
    assert_eq!(fixture.compile(&wanted).await, code);
    assert_eq!(fixture.catalogue.find(&code).await.unwrap().unwrap().state, EntryState::Draft);
}

async fn of_two_reviewers_at_once_one_wins(fixture: Fixture) {
    let code = fixture.entry_in(EntryState::AwaitingReview, &draft("household", "户籍人口信息")).await;
    let seen = fixture.catalogue.find(&code).await.unwrap().unwrap().version;
    let reviewer = seated(EntryStep::Publish);
    let publish = fixture.catalogue.step(&code, EntryStep::Publish, Some(seen), "", &reviewer, morning(9, 28));
    let send_back = fixture.catalogue.step(&code, EntryStep::Return, Some(seen), "缺项", &reviewer, morning(9, 28));
    let (one, other) = tokio::join!(publish, send_back);
    assert_eq!([one.is_ok(), other.is_ok()].into_iter().filter(|won| *won).count(), 1);
    let lost = one.err().or(other.err()).unwrap();
    assert!(lost.is_conflict(), "{lost}");
    assert!(lost.message(yihe_definitions::Language::Zh).contains("刚被他人修改"));
}

async fn a_step_that_fails_leaves_nothing_behind(fixture: Fixture) {
    let code = fixture.entry_in(EntryState::AwaitingSignature, &draft("household", "户籍人口信息")).await;
    let before = fixture.store.outbox_list(0, 100).await.unwrap().len();
    // The review's term would run into 2026, which the calendar lacks.
    let refused =
        fixture.catalogue.step(&code, EntryStep::Sign, None, "", &seated(EntryStep::Sign), morning(12, 31)).await;
    assert!(matches!(refused, Err(CatalogueError::Docket { .. })));
    assert_eq!(fixture.catalogue.find(&code).await.unwrap().unwrap().state, EntryState::AwaitingSignature);
    assert_eq!(fixture.store.outbox_list(0, 100).await.unwrap().len(), before);
}

#[tokio::test]
async fn a_city_may_shorten_its_terms_and_never_lengthen_them() {
    let fixture = Fixture::sqlite().await;
    let city = |days| [("catalogue.review".to_owned(), days)].into_iter().collect();
    let catalogue =
        |days| yihe_catalogue::Catalogue::new(fixture.store.clone(), fixture.docket.clone(), AUTHORITY, &city(days));
    assert!(catalogue(1).is_ok());
    assert!(catalogue(3).is_err());
}
