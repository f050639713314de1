use yihe_store::{DisclosureRow, ObjectKind};

use crate::support::{Fixture, act, at, on_both};

on_both!(who_saw_a_record_in_clear_stands_with_the_reason_and_on_the_ledger);

async fn who_saw_a_record_in_clear_stands_with_the_reason_and_on_the_ledger(fixture: Fixture) {
    let row = |second: i64, entity: &str| DisclosureRow {
        id: format!("d{second}"),
        registry: "population".to_owned(),
        entity: entity.to_owned(),
        record: String::new(),
        reason: "核对身份 12345 热线 0091".to_owned(),
        department: "gongan".to_owned(),
        account: "account-1".to_owned(),
        at: at(second),
    };
    for (second, entity) in [(0, "e1"), (1, "e1"), (2, "e2")] {
        let mut tx = fixture.store.begin().await.unwrap();
        tx.disclosure_insert(&row(second, entity), &act("record.disclosed", second)).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(fixture.store.disclosure_list("population", "e1", 10).await.unwrap(), [row(1, "e1"), row(0, "e1")]);
    assert_eq!(fixture.store.disclosure_list("population", "e1", 1).await.unwrap(), [row(1, "e1")]);
    assert_eq!(fixture.store.disclosure_list("legal_entities", "e1", 10).await.unwrap(), []);
    assert_eq!(fixture.store.disclosure_find("d2").await.unwrap(), Some(row(2, "e2")));
    let told = fixture.store.outbox_list_by_object(&ObjectKind::Disclosure.name("d0"), 10).await.unwrap();
    assert_eq!((told.len(), told[0].kind.as_str()), (1, "record.disclosed"));
    assert!(told[0].payload.contains("0091"), "{}", told[0].payload);
}
