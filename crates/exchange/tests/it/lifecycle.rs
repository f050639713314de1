use jiff::civil::date;
use yihe_definitions::{Language, ShareMethod, Sharing, Text};
use yihe_docket::Worklist;
use yihe_exchange::{
    Action, Answer, Application, ApplicationFault, Consent, ExchangeError, GrantState, MaskKind, RequestState,
};
use yihe_store::Role;

use crate::support::{
    ENTRY, Fixture, PROVIDER, REQUESTER, actor, application, morning, on_both, refusal, sample, seated,
};

on_both!(
    a_request_goes_from_draft_to_supply,
    a_refusal_gives_reasons_and_leaves_no_grant,
    a_second_notice_is_refused,
    a_grant_never_covers_more_than_was_applied_for,
    of_two_who_sign_at_once_one_wins,
    a_step_that_fails_leaves_nothing_behind,
    a_crash_before_the_commit_changes_nothing,
    only_parties_know_of_a_request,
    every_fault_of_an_application_is_reported_at_once,
);

async fn a_request_goes_from_draft_to_supply(fixture: Fixture) {
    let request = fixture.request_in(RequestState::Supplied).await;
    let grant =
        fixture.exchange.grant_of_request(&request.id, &actor(REQUESTER, Role::Officer)).await.unwrap().unwrap();
    assert_eq!((grant.state, grant.valid_until, grant.calls_per_day), (GrantState::Active, date(2025, 12, 31), 3));
    let masks: Vec<(&str, Option<MaskKind>)> =
        grant.columns.iter().map(|column| (column.name.as_str(), column.mask)).collect();
    assert_eq!(
        masks,
        [
            ("citizen_id", Some(MaskKind::CitizenId)),
            ("name", None),
            ("mobile", Some(MaskKind::Phone)),
            ("household_division", None),
        ]
    );
    assert_eq!(grant.columns[1].unmasked_because.as_deref(), Some("须核对申请人姓名"));
    let page = fixture.docket.worklist(&fixture.store, Worklist::All, date(2025, 9, 26), 0, 10).await.unwrap();
    assert_eq!(page.total, 0);
    let kinds: Vec<String> = fixture
        .store
        .outbox_list_by_object(&format!("urn:yihe:request:{}", request.id), 100)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            "request.drafted",
            "request.submitted",
            "request.signed",
            "request.forwarded",
            "request.answer_proposed",
            "request.answered",
            "request.supplied",
        ]
    );
}

async fn a_refusal_gives_reasons_and_leaves_no_grant(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingAnswer).await;
    let blank =
        Answer::Refusal(yihe_exchange::Refusal { reasons: " ".to_owned(), legal_basis: "第一条".to_owned() });
    let action = Action::Answer(blank);
    let refused = fixture.exchange.step(&request.id, &action, None, &seated(action.step()), morning(9, 28)).await;
    assert!(matches!(refused, Err(ExchangeError::Statement { .. })));
    fixture.step(&request.id, &Action::Answer(refusal()), morning(9, 28)).await;
    let request = fixture.step(&request.id, &Action::Countersign, morning(9, 28)).await;
    assert_eq!(request.state, RequestState::Refused);
    let officer = actor(REQUESTER, Role::Officer);
    assert_eq!(fixture.exchange.grant_of_request(&request.id, &officer).await.unwrap(), None);
}

async fn a_second_notice_is_refused(fixture: Fixture) {
    let request = fixture.request_in(RequestState::Incomplete).await;
    for action in [Action::Submit, Action::Sign] {
        fixture.step(&request.id, &action, morning(9, 28)).await;
    }
    let notify = sample(yihe_exchange::RequestStep::Notify);
    let refused =
        fixture.exchange.step(&request.id, &notify, None, &seated(notify.step()), morning(9, 29)).await.unwrap_err();
    assert!(matches!(refused, ExchangeError::SecondNotice { .. }));
    assert!(refused.message(Language::Zh).contains("2025-09-26"), "{refused}");
    fixture.step(&request.id, &Action::Forward, morning(9, 29)).await;
}

async fn a_grant_never_covers_more_than_was_applied_for(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingAnswer).await;
    let all = Consent::to_all(&application());
    let beyond = [
        Consent { columns: vec!["household_address".to_owned()], unmasked: Vec::new(), ..all.clone() },
        Consent { unmasked: vec!["mobile".to_owned()], ..all.clone() },
        Consent { until: date(2026, 1, 1), ..all.clone() },
        Consent { calls_per_day: 4, ..all.clone() },
        Consent { columns: Vec::new(), unmasked: Vec::new(), ..all.clone() },
    ];
    for consent in beyond {
        let action = Action::Answer(Answer::Consent(consent.clone()));
        let refused = fixture.exchange.step(&request.id, &action, None, &seated(action.step()), morning(9, 28)).await;
        let told = matches!(refused, Err(ExchangeError::BeyondApplication { .. } | ExchangeError::Faults { .. }));
        assert!(told, "{consent:?}: {refused:?}");
    }
    let less = Consent { columns: vec!["name".to_owned()], unmasked: Vec::new(), ..all };
    fixture.step(&request.id, &Action::Answer(Answer::Consent(less)), morning(9, 28)).await;
    fixture.step(&request.id, &Action::Countersign, morning(9, 28)).await;
    let officer = actor(PROVIDER, Role::Officer);
    let grant = fixture.exchange.grant_of_request(&request.id, &officer).await.unwrap().unwrap();
    assert_eq!(grant.columns.len(), 1);
    assert_eq!(grant.columns[0].mask, Some(MaskKind::Name), "a mask that was not lifted stays");
}

async fn of_two_who_sign_at_once_one_wins(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingSignature).await;
    let decline = Action::DeclineToSign { reason: "范围过大".to_owned() };
    let head = actor(REQUESTER, Role::Head);
    let version = Some(request.version);
    let sign = fixture.exchange.step(&request.id, &Action::Sign, version, &head, morning(9, 28));
    let decline = fixture.exchange.step(&request.id, &decline, version, &head, morning(9, 28));
    let (one, other) = tokio::join!(sign, decline);
    assert_eq!([one.is_ok(), other.is_ok()].into_iter().filter(|won| *won).count(), 1);
    let lost = one.err().or(other.err()).unwrap();
    assert!(lost.is_conflict(), "{lost}");
    assert!(lost.message(Language::Zh).contains("刚被他人修改"));
}

async fn a_step_that_fails_leaves_nothing_behind(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingCheck).await;
    let before = fixture.store.outbox_list(0, 1_000).await.unwrap().len();
    // The answer's term would run into 2026, which the calendar lacks.
    let forward = Action::Forward;
    let refused = fixture.exchange.step(&request.id, &forward, None, &seated(forward.step()), morning(12, 30)).await;
    assert!(matches!(refused, Err(ExchangeError::Docket { .. })), "{refused:?}");
    assert_eq!(fixture.store.outbox_list(0, 1_000).await.unwrap().len(), before);
    let found = fixture.exchange.find(&request.id, &actor(REQUESTER, Role::Officer)).await.unwrap().unwrap();
    assert_eq!((found.state, found.version), (request.state, request.version));
}

async fn a_crash_before_the_commit_changes_nothing(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingCountersignature).await;
    let before = fixture.store.outbox_list(0, 1_000).await.unwrap().len();
    let head = actor(PROVIDER, Role::Head);
    let mut tx = fixture.store.begin().await.unwrap();
    let signed = fixture
        .exchange
        .step_in(&mut tx, &request.id, &Action::Countersign, None, &head, morning(9, 28))
        .await
        .unwrap();
    assert_eq!(signed.state, RequestState::Consented);
    drop(tx);
    assert_eq!(fixture.store.outbox_list(0, 1_000).await.unwrap().len(), before);
    let officer = actor(REQUESTER, Role::Officer);
    assert_eq!(fixture.exchange.grant_of_request(&request.id, &officer).await.unwrap(), None);
    let subject = format!("urn:yihe:request:{}", request.id);
    let items = fixture.docket.items_of(&fixture.store, &subject, date(2025, 9, 28)).await.unwrap();
    assert_eq!(items[0].state, "awaiting_countersignature");
    // The same step goes through afterwards.
    fixture.step(&request.id, &Action::Countersign, morning(9, 28)).await;
}

async fn only_parties_know_of_a_request(fixture: Fixture) {
    let request = fixture.draft().await;
    let stranger = actor("renshe", Role::Officer);
    assert_eq!(fixture.exchange.find(&request.id, &stranger).await.unwrap(), None);
    assert!(fixture.exchange.list(&stranger, None, 0, 10).await.unwrap().is_empty());
    let refused = fixture.exchange.step(&request.id, &Action::Submit, None, &stranger, morning(9, 26)).await;
    assert!(matches!(refused, Err(ExchangeError::NotFound { .. })), "what one may not know of is not found");
    let officer = actor(REQUESTER, Role::Officer);
    assert_eq!(fixture.exchange.list(&officer, Some(RequestState::Draft), 0, 10).await.unwrap().len(), 1);
    assert_eq!(fixture.exchange.steps_for(&request, &officer).len(), 2, "submit and withdraw");
    let own = fixture.exchange.draft(ENTRY, application(), &actor(PROVIDER, Role::Officer), morning(9, 26)).await;
    assert!(matches!(own, Err(ExchangeError::OwnData { .. })));
}

async fn every_fault_of_an_application_is_reported_at_once(fixture: Fixture) {
    let broken = Application {
        basis: " ".to_owned(),
        scenario: "长".repeat(1_001),
        method: ShareMethod::Exchange,
        until: date(2025, 9, 24),
        columns: vec!["name".to_owned(), "name".to_owned(), "salary".to_owned()],
        unmasked: vec![yihe_exchange::Unmasking { column: "household_division".to_owned(), reason: "x".to_owned() }],
        calls_per_day: 0,
        rows: vec![yihe_exchange::Condition { column: "name".to_owned(), values: Vec::new() }],
        ..application()
    };
    let officer = actor(REQUESTER, Role::Officer);
    let error = fixture.exchange.draft(ENTRY, broken, &officer, morning(9, 25)).await.unwrap_err();
    let ExchangeError::Faults { faults } = &error else { panic!("expected faults, found {error}") };
    assert_eq!(faults.len(), 9, "{faults:?}");
    assert!(faults.contains(&ApplicationFault::UnknownColumn { column: "salary".to_owned() }));
    for language in [Language::Zh, Language::En] {
        assert!(faults.iter().all(|fault| error.message(language).contains(fault.text().get(language))));
    }
}

#[tokio::test]
async fn withheld_data_cannot_be_applied_for() {
    let fixture = Fixture::shared_as(Sharing::Withheld {
        reason: Text::new("国家秘密", ""),
        legal_basis: Text::new("保密法", ""),
    })
    .await;
    let officer = actor(REQUESTER, Role::Officer);
    let error = fixture.exchange.draft(ENTRY, application(), &officer, morning(9, 25)).await.unwrap_err();
    assert!(matches!(error, ExchangeError::Faults { faults } if faults.contains(&ApplicationFault::Withheld)));
}
