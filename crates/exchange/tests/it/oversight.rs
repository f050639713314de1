use yihe_exchange::{ExchangeError, GrantState, GrantStep};
use yihe_store::Role;

use crate::support::{AUTHORITY, Fixture, PROVIDER, REQUESTER, actor, morning, on_both};

on_both!(
    authority_and_provider_suspend_and_the_grantee_does_not,
    a_grant_expires_after_its_last_day,
    a_terminated_grant_stays_terminated,
    only_the_grantees_officer_gets_a_token,
);

async fn authority_and_provider_suspend_and_the_grantee_does_not(fixture: Fixture) {
    let (grant, _) = fixture.grant().await;
    for department in [REQUESTER, PROVIDER, AUTHORITY] {
        for role in Role::ALL {
            let may = [(PROVIDER, Role::Head), (AUTHORITY, Role::Reviewer)].contains(&(department, role));
            let actor = actor(department, role);
            let step = |step| fixture.exchange.grant_step(&grant.id, step, "用途不符", None, &actor, morning(9, 28));
            let suspended = step(GrantStep::Suspend).await;
            if may {
                assert_eq!(suspended.unwrap().state, GrantState::Suspended);
                assert_eq!(step(GrantStep::Resume).await.unwrap().state, GrantState::Active);
            } else {
                assert!(matches!(suspended, Err(ExchangeError::NotAllowed { .. })), "{role} of {department}");
            }
        }
    }
    let stranger = actor("renshe", Role::Head);
    let unknown =
        fixture.exchange.grant_step(&grant.id, GrantStep::Suspend, "x", None, &stranger, morning(9, 28)).await;
    assert!(matches!(unknown, Err(ExchangeError::GrantNotFound { .. })));
    let head = actor(PROVIDER, Role::Head);
    let unexplained =
        fixture.exchange.grant_step(&grant.id, GrantStep::Suspend, " ", None, &head, morning(9, 28)).await;
    assert!(matches!(unexplained, Err(ExchangeError::Statement { .. })));
}

async fn a_grant_expires_after_its_last_day(fixture: Fixture) {
    let (grant, _) = fixture.grant().await;
    assert!(fixture.exchange.sweep(morning(12, 31)).await.unwrap().expired.is_empty());
    let after = "2026-01-01T02:00:00Z".parse().unwrap();
    assert_eq!(fixture.exchange.sweep(after).await.unwrap().expired, std::slice::from_ref(&grant.id));
    assert!(fixture.exchange.sweep(after).await.unwrap().expired.is_empty());
    let officer = actor(REQUESTER, Role::Officer);
    let found = fixture.exchange.grant_find(&grant.id, &officer).await.unwrap().unwrap();
    assert_eq!(found.state, GrantState::Expired);
}

async fn a_terminated_grant_stays_terminated(fixture: Fixture) {
    let (grant, _) = fixture.grant().await;
    let head = actor(PROVIDER, Role::Head);
    let step = |step| fixture.exchange.grant_step(&grant.id, step, "已完成", None, &head, morning(9, 28));
    step(GrantStep::Terminate).await.unwrap();
    for next in GrantStep::ALL {
        assert!(matches!(step(next).await, Err(ExchangeError::GrantState { .. })), "{next}");
    }
}

async fn only_the_grantees_officer_gets_a_token(fixture: Fixture) {
    let (grant, _) = fixture.grant().await;
    for department in [REQUESTER, PROVIDER, AUTHORITY] {
        for role in Role::ALL {
            let issued =
                fixture.exchange.token_issue(&grant.id, "系统", &actor(department, role), morning(9, 28)).await;
            assert_eq!(issued.is_ok(), (department, role) == (REQUESTER, Role::Officer), "{role} of {department}");
        }
    }
}
