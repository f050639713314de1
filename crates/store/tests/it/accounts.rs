use yihe_store::{Account, ApiToken, Office, Role, Session, StoreError};

use crate::support::{Fixture, at, on_both};

on_both!(
    no_account_holds_two_of_the_three_offices,
    the_database_itself_refuses_a_second_office,
    an_account_comes_back_with_its_roles,
    a_session_ends_by_itself_and_with_the_password,
    a_token_is_kept_as_a_digest_and_revoked_by_its_own_department_only,
);

fn account(id: &str) -> Account {
    Account {
        id: id.to_owned(),
        login: format!("login-{id}"),
        name: "王警官".to_owned(),
        department: "gongan".to_owned(),
        password_hash: "$argon2id$x".to_owned(),
        roles: vec![Role::Officer, Role::Head],
        office: None,
        created_at: at(0),
        disabled_at: None,
    }
}

async fn insert(fixture: &Fixture, account: &Account) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.account_insert(account, "root").await.unwrap();
    tx.commit().await.unwrap();
}

async fn no_account_holds_two_of_the_three_offices(fixture: Fixture) {
    insert(&fixture, &account("a")).await;
    for held in Office::ALL {
        let id = format!("holder-{held}");
        insert(&fixture, &Account { office: Some(held), ..account(&id) }).await;
        for wanted in Office::ALL {
            let mut tx = fixture.store.begin().await.unwrap();
            let given = tx.office_assign(&id, wanted, "root", at(1)).await;
            if held == wanted {
                given.unwrap();
            } else {
                assert!(matches!(given, Err(StoreError::Offices { .. })), "{held} and {wanted}");
            }
        }
    }
}

async fn the_database_itself_refuses_a_second_office(fixture: Fixture) {
    insert(&fixture, &Account { office: Some(Office::System), ..account("a") }).await;
    let found = fixture.store.account_find("a").await.unwrap().unwrap();
    assert_eq!(found.office, Some(Office::System));
    let mut tx = fixture.store.begin().await.unwrap();
    let again = tx.account_insert(&account("a"), "root").await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })));
}

async fn an_account_comes_back_with_its_roles(fixture: Fixture) {
    insert(&fixture, &account("a")).await;
    let found = fixture.store.account_find_by_login("login-a").await.unwrap().unwrap();
    assert_eq!(found.roles, [Role::Head, Role::Officer]);
    assert!(found.actor().is(Role::Head, "gongan"));
    assert!(!found.actor().is(Role::Head, "minzheng"));
    assert!(!format!("{found:?}").contains("argon2"), "a hash must not reach a log");
    assert_eq!(fixture.store.account_list(Some("gongan"), 0, 10).await.unwrap().len(), 1);
}

async fn a_session_ends_by_itself_and_with_the_password(fixture: Fixture) {
    insert(&fixture, &account("a")).await;
    let session = Session { account: "a".to_owned(), created_at: at(0), expires_at: at(100) };
    let mut tx = fixture.store.begin().await.unwrap();
    tx.session_insert("secret", &session).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fixture.store.session_find("secret", at(99)).await.unwrap(), Some(session));
    assert_eq!(fixture.store.session_find("secret", at(100)).await.unwrap(), None);
    let mut tx = fixture.store.begin().await.unwrap();
    tx.account_set_password("a", "$argon2id$y").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fixture.store.session_find("secret", at(1)).await.unwrap(), None);
}

async fn a_token_is_kept_as_a_digest_and_revoked_by_its_own_department_only(fixture: Fixture) {
    let row = ApiToken {
        id: "t1".to_owned(),
        department: "gongan".to_owned(),
        grant_id: None,
        name: "test".to_owned(),
        created_by: "a".to_owned(),
        created_at: at(0),
        expires_at: at(100),
        revoked_at: None,
    };
    let mut tx = fixture.store.begin().await.unwrap();
    tx.token_insert("yihe_secret", &row).await.unwrap();
    assert!(!tx.token_revoke("t1", "minzheng", at(5)).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(fixture.store.token_find("yihe_secret").await.unwrap(), Some(row));
    assert_eq!(fixture.store.token_find("yihe_other").await.unwrap(), None);
    let mut tx = fixture.store.begin().await.unwrap();
    assert!(tx.token_revoke("t1", "gongan", at(5)).await.unwrap());
    tx.commit().await.unwrap();
    assert!(fixture.store.token_find("yihe_secret").await.unwrap().unwrap().revoked_at.is_some());
}
