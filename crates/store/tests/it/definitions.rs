use yihe_store::{DefinitionDraft, PackApplied, StoreError};

use crate::support::{Fixture, act, on_both};

on_both!(
    a_pack_applied_twice_changes_nothing,
    a_changed_document_gets_a_new_version_and_the_old_one_stays,
    a_document_that_leaves_the_pack_retires_and_may_come_back,
    the_same_document_twice_is_refused,
);

fn draft(name: &str, body: &str) -> DefinitionDraft {
    DefinitionDraft { kind: "dataset".to_owned(), name: name.to_owned(), body: body.to_owned() }
}

async fn apply(fixture: &Fixture, drafts: &[DefinitionDraft], second: i64) -> PackApplied {
    let mut tx = fixture.store.begin().await.unwrap();
    let applied = tx.pack_apply(drafts, &act("definition.applied", second)).await.unwrap();
    tx.commit().await.unwrap();
    applied
}

async fn a_pack_applied_twice_changes_nothing(fixture: Fixture) {
    let pack = [draft("a", "{}"), draft("b", "{}")];
    assert_eq!(apply(&fixture, &pack, 0).await, PackApplied { version: 1, changed: 2, unchanged: 0, retired: 0 });
    assert_eq!(apply(&fixture, &pack, 1).await, PackApplied { version: 1, changed: 0, unchanged: 2, retired: 0 });
    assert_eq!(fixture.store.outbox_count_pending().await.unwrap(), 2);
}

async fn a_changed_document_gets_a_new_version_and_the_old_one_stays(fixture: Fixture) {
    apply(&fixture, &[draft("a", "{\"v\":1}")], 0).await;
    let applied = apply(&fixture, &[draft("a", "{\"v\":2}")], 1).await;
    assert_eq!(applied, PackApplied { version: 2, changed: 1, unchanged: 0, retired: 0 });
    let found = fixture.store.definition_find("dataset", "a").await.unwrap().unwrap();
    assert_eq!((found.version, found.body.as_str()), (2, "{\"v\":2}"));
    assert_eq!(fixture.store.definition_list("dataset").await.unwrap().len(), 1);
}

async fn a_document_that_leaves_the_pack_retires_and_may_come_back(fixture: Fixture) {
    apply(&fixture, &[draft("a", "{}"), draft("b", "{}")], 0).await;
    assert_eq!(apply(&fixture, &[draft("b", "{}")], 1).await.retired, 1);
    assert_eq!(fixture.store.definition_find("dataset", "a").await.unwrap(), None);
    apply(&fixture, &[draft("a", "{}"), draft("b", "{}")], 2).await;
    let back = fixture.store.definition_find("dataset", "a").await.unwrap().unwrap();
    assert_eq!(back.version, 2);
}

async fn the_same_document_twice_is_refused(fixture: Fixture) {
    let mut tx = fixture.store.begin().await.unwrap();
    let refused = tx.pack_apply(&[draft("a", "{}"), draft("a", "{}")], &act("definition.applied", 0)).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })));
}
