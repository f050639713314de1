use yihe_exchange::{ExchangeError, RequestState, RequestStep};
use yihe_store::Role;

use crate::support::{AUTHORITY, Fixture, PROVIDER, REQUESTER, actor, morning, on_both, sample};

on_both!(every_step_is_refused_to_every_other_role_and_from_every_other_state);

/// Walks every state × step × department × role. Where the seat and the state are right the step is
/// tried in a transaction that is dropped; everywhere else it must be refused and change nothing.
async fn every_step_is_refused_to_every_other_role_and_from_every_other_state(fixture: Fixture) {
    let mut taken = 0;
    for state in RequestState::ALL {
        let request = fixture.request_in(state).await;
        for step in RequestStep::ALL {
            for department in [REQUESTER, PROVIDER, AUTHORITY, "renshe"] {
                for role in Role::ALL {
                    let actor = actor(department, role);
                    let seated = step.seat().of(&request, AUTHORITY) == (role, department);
                    let mut tx = fixture.store.begin().await.unwrap();
                    let tried = fixture
                        .exchange
                        .step_in(&mut tx, &request.id, &sample(step), None, &actor, morning(9, 28))
                        .await;
                    drop(tx);
                    let case = format!("{step} by {role} of {department} from {}", state.as_str());
                    match tried {
                        Err(ExchangeError::NotFound { .. }) => assert_eq!(department, "renshe", "{case}"),
                        Err(ExchangeError::NotAllowed { .. }) => assert!(!seated, "{case}"),
                        Err(ExchangeError::WrongState { .. }) => {
                            assert!(seated && !step.from().contains(&state), "{case}");
                        }
                        Err(ExchangeError::NoExtension { .. }) => {
                            assert_eq!(step, RequestStep::ConsentExtension, "{case}");
                            taken += 1;
                        }
                        Ok(_) => {
                            assert!(seated && step.from().contains(&state), "{case}");
                            taken += 1;
                        }
                        Err(other) => panic!("{case}: {other:?}"),
                    }
                }
            }
        }
        let officer = actor(REQUESTER, Role::Officer);
        assert_eq!(fixture.exchange.find(&request.id, &officer).await.unwrap().unwrap(), request);
    }
    assert_eq!(taken, RequestStep::ALL.iter().map(|step| step.from().len()).sum::<usize>());
}
