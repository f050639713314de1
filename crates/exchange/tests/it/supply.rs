use arrow::{array::AsArray as _, record_batch::RecordBatch};
use jiff::Timestamp;
use yihe_exchange::{
    ApplicationFault, Call, Condition, Door, ExchangeError, GrantState, GrantStep, Refused, Supplied,
    protected::PROTECTED,
};
use yihe_store::{DecisionRow, ProtectionRow, Role};

use crate::support::{
    AUTHORITY, CITIZEN, ENTRY, Fixture, PROTECTED_CITIZEN, PROVIDER, REQUESTER, actor, application, morning, on_both,
};

on_both!(
    a_record_is_supplied_within_its_grant_and_recorded,
    a_row_outside_the_grant_does_not_exist,
    a_protected_person_is_left_out,
    a_protection_holds_from_the_moment_it_is_noted,
    whoever_may_have_protected_people_has_a_grant_that_says_so,
    every_call_outside_its_grant_is_refused,
    a_suspended_grant_supplies_nothing,
    the_quota_of_the_day_is_kept_even_by_calls_at_once,
    a_call_that_cannot_be_recorded_is_not_answered,
);

fn call<'a>(token: &'a str, key: &'a [&'a str]) -> Call<'a> {
    Call { token, resource: ENTRY, key, purpose: Some("低保审核"), case_number: "DB-2025-17", door: Door::Rest }
}

fn refused(result: Result<Supplied, ExchangeError>) -> Refused {
    match result {
        Err(ExchangeError::Refused { why }) => why,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

fn cell(batch: &RecordBatch, column: &str) -> String {
    batch.column_by_name(column).unwrap().as_string::<i32>().value(0).to_owned()
}

async fn a_record_is_supplied_within_its_grant_and_recorded(fixture: Fixture) {
    let (grant, token) = fixture.grant().await;
    let supplied = fixture.exchange.supply(&call(&token, &[CITIZEN]), morning(9, 28)).await.unwrap();
    assert_eq!(supplied.rows, 1);
    let batch = &supplied.batches[0];
    let names: Vec<&str> = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["citizen_id", "name", "mobile", "household_division"]);
    assert_eq!(cell(batch, "citizen_id"), "371302********4218");
    assert_eq!(cell(batch, "name"), "王小明");
    assert_eq!(cell(batch, "mobile"), "138****1234");
    assert_eq!(cell(batch, "household_division"), "371302");
    let usage = fixture.store.usage_find(&supplied.receipt).await.unwrap().unwrap();
    assert_eq!((usage.grant_id.as_str(), usage.row_count), (grant.id.as_str(), 1));
    assert_eq!((usage.purpose.as_str(), usage.case_number.as_str()), ("低保审核", "DB-2025-17"));
    assert_eq!(usage.table_version, supplied.table_version);
    // The interval ends: one leaf for the interface's calls, in which this one is found.
    let machine = actor(AUTHORITY, Role::Reviewer);
    assert_eq!(fixture.store.calls_close(&machine.act("calls.supplied", morning(9, 28))).await.unwrap(), 1);
    let told = fixture.store.outbox_list(0, 1_000).await.unwrap();
    let told: Vec<_> = told.iter().filter(|row| row.kind == "calls.supplied").collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].payload.contains("\"calls\":1"), "{}", told[0].payload);
    assert!(fixture.store.ledger_unrecorded().await.unwrap().is_empty());
}

async fn a_row_outside_the_grant_does_not_exist(fixture: Fixture) {
    let (_, token) = fixture.grant().await;
    // The second exists, but in 河东区; the third does not exist at all. The answers are the same.
    for key in ["371312199001011234", "371302190001011234"] {
        let supplied = fixture.exchange.supply(&call(&token, &[key]), morning(9, 28)).await.unwrap();
        assert_eq!(supplied.rows, 0, "{key}");
    }
    assert_eq!(fixture.store.usage_totals(Timestamp::UNIX_EPOCH).await.unwrap().calls, 2, "looking up is a use");
}

async fn a_protected_person_is_left_out(fixture: Fixture) {
    let (_, token) = fixture.grant().await;
    let supplied = fixture.exchange.supply(&call(&token, &[PROTECTED_CITIZEN]), morning(9, 28)).await.unwrap();
    assert_eq!(supplied.rows, 0, "the grant covers the division and says nothing of protected people");
}

/// Notes that an entity of the population registry is protected, and of which other it is a part.
async fn protect(fixture: &Fixture, key: &str, merged: Option<&str>) {
    let at = morning(9, 27);
    let actor = actor(PROVIDER, Role::Head);
    let mut tx = fixture.store.begin().await.unwrap();
    let row = ProtectionRow {
        id: tx.new_id(at),
        registry: "population".to_owned(),
        entity_key: key.to_owned(),
        basis: "证人保护".to_owned(),
        since: jiff::civil::date(2025, 9, 27),
        until: None,
        noted_by: actor.account.clone(),
        noted_at: at,
        lifted_at: None,
        lifted_by: None,
        version: 1,
    };
    tx.protection_insert(&row, &actor.act("entity.protected", at)).await.unwrap();
    if let Some(other) = merged {
        let row = DecisionRow {
            id: tx.new_id(at),
            registry: "population".to_owned(),
            kind: "merge".to_owned(),
            dataset: String::new(),
            record_key: String::new(),
            entity_key: key.to_owned(),
            other_key: other.to_owned(),
            reason: "同一人".to_owned(),
            decided_by: actor.account.clone(),
            decided_at: at,
            model: String::new(),
            probability_ppm: None,
            evidence: None,
            model_version: None,
            revoked_at: None,
            revoked_by: None,
            revoked_reason: None,
            version: 1,
        };
        tx.decision_insert(&row, &actor.act("link.decided", at)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn a_protection_holds_from_the_moment_it_is_noted(fixture: Fixture) {
    let (_, token) = fixture.grant().await;
    let key = [CITIZEN];
    let asked = call(&token, &key);
    let found = |at| fixture.exchange.supply(&asked, at);
    // Somebody else's protection takes nobody away.
    protect(&fixture, "371312199001011234", None).await;
    assert_eq!(found(morning(9, 27)).await.unwrap().rows, 1);
    // The table is as it was built: it marks nobody new. The number is one that was merged with the protected one.
    protect(&fixture, "371302198001010017", Some(CITIZEN)).await;
    let supplied = found(morning(9, 28)).await.unwrap();
    assert_eq!(supplied.rows, 0);
    assert_eq!(supplied.batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

async fn whoever_may_have_protected_people_has_a_grant_that_says_so(fixture: Fixture) {
    let mut application = application();
    application.rows.push(Condition { column: PROTECTED.to_owned(), values: vec!["perhaps".to_owned()] });
    let officer = actor(REQUESTER, Role::Officer);
    let faults = fixture.exchange.draft(ENTRY, application.clone(), &officer, morning(9, 25)).await;
    assert!(
        matches!(&faults, Err(ExchangeError::Faults { faults }) if faults == &[ApplicationFault::Protection]),
        "{faults:?}"
    );
    application.rows.last_mut().unwrap().values = vec!["true".to_owned(), "false".to_owned()];
    let (_, token) = fixture.grant_of(application).await;
    protect(&fixture, CITIZEN, None).await;
    for key in [CITIZEN, PROTECTED_CITIZEN] {
        let supplied = fixture.exchange.supply(&call(&token, &[key]), morning(9, 28)).await.unwrap();
        assert_eq!(supplied.rows, 1, "{key}");
    }
}

async fn every_call_outside_its_grant_is_refused(fixture: Fixture) {
    let (_, token) = fixture.grant().await;
    let key = [CITIZEN];
    let good = call(&token, &key);
    let long = "9".repeat(65);
    let cases = [
        (Call { token: "yihe_forged", ..good }, Refused::Token),
        (Call { resource: "10100102/000002", ..good }, Refused::Resource),
        (Call { purpose: Some("催收"), ..good }, Refused::Purpose),
        (Call { case_number: " ", ..good }, Refused::CaseNumber { found: 0 }),
        (Call { case_number: &long, ..good }, Refused::CaseNumber { found: 65 }),
        (Call { key: &[], ..good }, Refused::Key { expected: 1 }),
        (Call { key: &[CITIZEN, CITIZEN], ..good }, Refused::Key { expected: 1 }),
    ];
    for (call, expected) in cases {
        assert_eq!(refused(fixture.exchange.supply(&call, morning(9, 28)).await), expected);
    }
    let early = refused(fixture.exchange.supply(&good, morning(9, 20)).await);
    assert_eq!(early, Refused::OutOfTerm);
    let late = refused(fixture.exchange.supply(&good, "2026-01-01T02:00:00Z".parse().unwrap()).await);
    assert_eq!(late, Refused::Token, "a token ends with its grant");
    assert_eq!(fixture.store.usage_totals(Timestamp::UNIX_EPOCH).await.unwrap().calls, 0);
    // The dataset's or registry's identifier names the same resource.
    let by_name = Call { resource: "population", purpose: None, ..good };
    assert_eq!(fixture.exchange.supply(&by_name, morning(9, 28)).await.unwrap().rows, 1);
    assert!(!format!("{good:?}").contains(CITIZEN), "a key must not reach a log");
}

async fn a_suspended_grant_supplies_nothing(fixture: Fixture) {
    let (grant, token) = fixture.grant().await;
    let head = actor(PROVIDER, Role::Head);
    let step = |step| fixture.exchange.grant_step(&grant.id, step, "用途不符", None, &head, morning(9, 28));
    step(GrantStep::Suspend).await.unwrap();
    let why = refused(fixture.exchange.supply(&call(&token, &[CITIZEN]), morning(9, 28)).await);
    assert_eq!(why, Refused::NotInForce { state: GrantState::Suspended });
    step(GrantStep::Resume).await.unwrap();
    assert_eq!(fixture.exchange.supply(&call(&token, &[CITIZEN]), morning(9, 28)).await.unwrap().rows, 1);
    let officer = actor(REQUESTER, Role::Officer);
    let held = fixture.store.token_list(REQUESTER, 10).await.unwrap();
    assert!(fixture.exchange.token_revoke(&held[0].id, &officer, morning(9, 28)).await.unwrap());
    let why = refused(fixture.exchange.supply(&call(&token, &[CITIZEN]), morning(9, 28)).await);
    assert_eq!(why, Refused::Token);
}

async fn the_quota_of_the_day_is_kept_even_by_calls_at_once(fixture: Fixture) {
    let (_, token) = fixture.grant().await;
    let key = [CITIZEN];
    let call = call(&token, &key);
    let supply = || fixture.exchange.supply(&call, morning(9, 28));
    let calls = tokio::join!(supply(), supply(), supply(), supply(), supply());
    let answered =
        [&calls.0, &calls.1, &calls.2, &calls.3, &calls.4].into_iter().filter(|result| result.is_ok()).count();
    assert_eq!(answered, 3);
    assert_eq!(refused(supply().await), Refused::Quota { calls_per_day: 3 });
    // Sixteen hours UTC is the next day in China.
    let next_day = "2025-09-28T16:00:00Z".parse().unwrap();
    assert!(fixture.exchange.supply(&call, next_day).await.is_ok());
}

async fn a_call_that_cannot_be_recorded_is_not_answered(fixture: Fixture) {
    let (_, token) = fixture.grant().await;
    let key = [CITIZEN];
    let call = call(&token, &key);
    fixture.behind_its_back("ALTER TABLE usage_row RENAME TO usage_away").await;
    let failed = fixture.exchange.supply(&call, morning(9, 28)).await;
    assert!(matches!(failed, Err(ExchangeError::Store { action: "record a use", .. })), "{failed:?}");
    fixture.behind_its_back("ALTER TABLE usage_away RENAME TO usage_row").await;
    // The failed call was not counted: all three of the day are still there.
    for _ in 0..3 {
        fixture.exchange.supply(&call, morning(9, 28)).await.unwrap();
    }
}
