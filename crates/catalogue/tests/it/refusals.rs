use yihe_catalogue::{CatalogueError, EntryState, EntryStep, Seat};
use yihe_store::Role;

use crate::support::{AUTHORITY, Fixture, actor, draft, morning, on_both, seated};

on_both!(
    every_step_is_refused_to_every_other_role_and_from_every_other_state,
    a_reason_is_demanded_where_the_step_needs_one,
    nobody_compiles_for_another_department,
    an_unknown_code_is_not_found,
);

async fn every_step_is_refused_to_every_other_role_and_from_every_other_state(fixture: Fixture) {
    let mut taken = 0;
    for (number, state) in EntryState::ALL.into_iter().enumerate() {
        let code = fixture.entry_in(state, &draft(&format!("source{number}"), &format!("条目{number}"))).await;
        for step in EntryStep::ALL {
            for department in ["gongan", "minzheng", AUTHORITY] {
                for role in Role::ALL {
                    let wanted = match step.seat() {
                        Seat::Provider(role) => ("gongan", role),
                        Seat::Authority => (AUTHORITY, Role::Reviewer),
                    };
                    let seated = (department, role) == wanted;
                    let follows = step.from().contains(&state);
                    if seated && follows {
                        taken += 1;
                        continue;
                    }
                    let before = fixture.catalogue.find(&code).await.unwrap();
                    let refused = fixture
                        .catalogue
                        .step(&code, step, None, "理由", &actor(department, role), morning(9, 28))
                        .await
                        .unwrap_err();
                    if seated {
                        assert!(matches!(refused, CatalogueError::WrongState { .. }), "{step} from {state:?}");
                    } else {
                        assert!(
                            matches!(refused, CatalogueError::NotAllowed { .. }),
                            "{step} by {role} of {department}"
                        );
                    }
                    assert_eq!(fixture.catalogue.find(&code).await.unwrap(), before);
                }
            }
        }
    }
    assert_eq!(taken, EntryStep::ALL.iter().map(|step| step.from().len()).sum::<usize>());
}

async fn a_reason_is_demanded_where_the_step_needs_one(fixture: Fixture) {
    let code = fixture.entry_in(EntryState::AwaitingReview, &draft("household", "户籍人口信息")).await;
    for reason in ["", "   ", &"长".repeat(501)] {
        let refused = fixture
            .catalogue
            .step(&code, EntryStep::Return, None, reason, &seated(EntryStep::Return), morning(9, 28))
            .await;
        assert!(matches!(refused, Err(CatalogueError::Reason { .. })));
    }
}

async fn nobody_compiles_for_another_department(fixture: Fixture) {
    for (department, role) in [("minzheng", Role::Officer), ("gongan", Role::Head), (AUTHORITY, Role::Reviewer)] {
        let refused =
            fixture.catalogue.compile(&draft("household", "户籍"), &actor(department, role), morning(9, 26)).await;
        assert!(matches!(refused, Err(CatalogueError::NotAllowed { .. })));
    }
}

async fn an_unknown_code_is_not_found(fixture: Fixture) {
    let refused = fixture
        .catalogue
        .step("10100102/000009", EntryStep::Sign, None, "", &seated(EntryStep::Sign), morning(9, 28))
        .await;
    assert!(matches!(refused, Err(CatalogueError::NotFound { .. })));
}
