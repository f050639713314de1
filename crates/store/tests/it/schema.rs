use yihe_store::{SeededIdentity, Store, StoreError};

use crate::support::{Fixture, on_both};

on_both!(
    opening_again_changes_nothing,
    two_servers_may_start_at_once,
    a_changed_migration_is_named,
    a_later_release_is_recognised,
);

async fn opening_again_changes_nothing(fixture: Fixture) {
    let again = Store::open(&fixture.address, SeededIdentity::new(8)).await.unwrap();
    assert_eq!(again.pack_find().await.unwrap(), None);
}

async fn two_servers_may_start_at_once(fixture: Fixture) {
    let open = || Store::open(&fixture.address, SeededIdentity::new(8));
    let (one, other) = tokio::join!(open(), open());
    assert!(one.is_ok() && other.is_ok());
}

async fn a_changed_migration_is_named(fixture: Fixture) {
    fixture.behind_its_back("UPDATE schema_migration SET checksum = 'x' WHERE number = 3").await;
    let error = Store::open(&fixture.address, SeededIdentity::new(8)).await.unwrap_err();
    assert!(matches!(error, StoreError::MigrationChanged { number: 3, .. }), "{error}");
}

async fn a_later_release_is_recognised(fixture: Fixture) {
    fixture.behind_its_back("INSERT INTO schema_migration (number, checksum) VALUES (999, 'x')").await;
    let error = Store::open(&fixture.address, SeededIdentity::new(8)).await.unwrap_err();
    assert!(matches!(error, StoreError::MigrationUnknown { found: 999, .. }), "{error}");
}

#[tokio::test]
async fn an_address_of_another_database_is_refused_without_its_password() {
    let error = Store::open("mysql://city:s3cret@db/yihe", SeededIdentity::new(1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "found the store address `mysql://***@db/yihe`, expected `sqlite:<path>` or `postgres://…`"
    );
}
