use jiff::civil::{Date, date};
use yihe_definitions::Sharing;
use yihe_docket::{EscalationPolicy, Standing};
use yihe_exchange::{Action, ExchangeError, RequestState};

use crate::support::{Fixture, morning, on_both, sample, seated};

on_both!(
    terms_run_over_the_holidays_of_national_day,
    the_clock_stops_at_the_one_notice_and_runs_on_when_the_head_has_signed_again,
    the_answer_is_extended_once_with_the_authoritys_consent,
    an_answer_that_is_late_escalates_by_itself,
);

async fn due(fixture: &Fixture, id: &str) -> Option<Date> {
    let subject = format!("urn:yihe:request:{id}");
    let items = fixture.docket.items_of(&fixture.store, &subject, date(2025, 10, 9)).await.unwrap();
    items[0].due_on
}

async fn terms_run_over_the_holidays_of_national_day(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingSignature).await;
    assert_eq!(due(&fixture, &request.id).await, None, "no law sets the head a term");
    fixture.step(&request.id, &Action::Sign, morning(9, 29)).await;
    // Two working days after 29 September: the 30th and 9 October.
    assert_eq!(due(&fixture, &request.id).await, Some(date(2025, 10, 9)));
    fixture.step(&request.id, &Action::Forward, morning(9, 30)).await;
    // Ten: 9, 10, 11 (worked Saturday), 13–17, 20, 21 October.
    assert_eq!(due(&fixture, &request.id).await, Some(date(2025, 10, 21)));
    fixture.step(&request.id, &sample(yihe_exchange::RequestStep::Answer), morning(10, 10)).await;
    assert_eq!(due(&fixture, &request.id).await, Some(date(2025, 10, 21)), "the head has what the officer left");
    fixture.step(&request.id, &Action::Countersign, morning(10, 13)).await;
    // Twenty from Monday the 13th.
    assert_eq!(due(&fixture, &request.id).await, Some(date(2025, 11, 10)));
}

async fn the_clock_stops_at_the_one_notice_and_runs_on_when_the_head_has_signed_again(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingCheck).await;
    assert_eq!(due(&fixture, &request.id).await, Some(date(2025, 9, 29)));
    // Sunday the 28th is worked; the day of the notice is not counted against the authority.
    fixture.step(&request.id, &sample(yihe_exchange::RequestStep::Notify), morning(9, 28)).await;
    let subject = format!("urn:yihe:request:{}", request.id);
    let items = fixture.docket.items_of(&fixture.store, &subject, date(2025, 10, 20)).await.unwrap();
    assert_eq!((items[0].role.as_str(), items[0].standing), ("officer", Standing::Stopped { days: 2 }));
    fixture.step(&request.id, &Action::Submit, morning(10, 13)).await;
    assert_eq!(due(&fixture, &request.id).await, None, "the clock waits for the head's signature too");
    fixture.step(&request.id, &Action::Sign, morning(10, 14)).await;
    assert_eq!(due(&fixture, &request.id).await, Some(date(2025, 10, 16)));
}

async fn the_answer_is_extended_once_with_the_authoritys_consent(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingAnswer).await;
    let before = due(&fixture, &request.id).await;
    let step = |action: Action| {
        let (fixture, id) = (&fixture, request.id.clone());
        async move { fixture.exchange.step(&id, &action, None, &seated(action.step()), morning(10, 9)).await }
    };
    assert!(matches!(step(Action::ConsentExtension).await, Err(ExchangeError::NoExtension { .. })));
    let too_long = Action::AskExtension { days: 11, reason: "数据量大".to_owned() };
    assert!(matches!(step(too_long).await, Err(ExchangeError::Extension { limit: 10, .. })));
    step(Action::AskExtension { days: 10, reason: "数据量大".to_owned() }).await.unwrap();
    assert_eq!(due(&fixture, &request.id).await, before, "asking alone changes nothing");
    step(Action::ConsentExtension).await.unwrap();
    // Received on 26 September: 28, 29, 30 September, 9, 10, 11, 13–17, 20–24, 27–30 October.
    assert_eq!(due(&fixture, &request.id).await, Some(date(2025, 10, 30)));
    let again = Action::AskExtension { days: 1, reason: "再延".to_owned() };
    assert!(matches!(step(again).await, Err(ExchangeError::Extension { .. })));
}

async fn an_answer_that_is_late_escalates_by_itself(fixture: Fixture) {
    let request = fixture.request_in(RequestState::AwaitingAnswer).await;
    let sweep = |day| fixture.docket.sweep(&fixture.store, EscalationPolicy::default(), morning(10, day));
    assert!(sweep(13).await.unwrap().escalations.is_empty());
    assert_eq!(sweep(17).await.unwrap().escalations.len(), 2, "reminder and head");
    assert!(sweep(17).await.unwrap().escalations.is_empty());
    assert!(due(&fixture, &request.id).await.is_some());
}

#[tokio::test]
async fn data_shared_unconditionally_are_answered_within_one_working_day_and_never_extended() {
    let fixture = Fixture::shared_as(Sharing::Unconditional).await;
    let request = fixture.request_in(RequestState::AwaitingCheck).await;
    fixture.step(&request.id, &Action::Forward, morning(9, 30)).await;
    assert_eq!(due(&fixture, &request.id).await, Some(date(2025, 10, 9)));
    let ask = Action::AskExtension { days: 1, reason: "数据量大".to_owned() };
    let refused = fixture.exchange.step(&request.id, &ask, None, &seated(ask.step()), morning(9, 30)).await;
    assert!(matches!(refused, Err(ExchangeError::Extension { .. })));
}

#[test]
fn no_term_is_longer_than_the_decree_allows() {
    let days: Vec<u32> = yihe_exchange::TERMS.iter().map(|limit| limit.legal_days).collect();
    assert_eq!(days, [2, 1, 10, 10, 20]);
}
