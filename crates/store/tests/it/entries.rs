use yihe_store::{EntryFilter, EntryWord, StoreError};

use crate::support::{Fixture, act, at, entry, on_both};

on_both!(
    words_are_found_in_text_pinyin_and_initials,
    wildcards_are_taken_literally,
    serial_numbers_are_never_given_twice,
    only_announced_entries_are_tallied,
);

async fn insert(fixture: &Fixture, code: &str, title: &str) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.entry_insert(&entry(code, title), &act("entry.compiled", 0)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn find(fixture: &Fixture, text: &str) -> usize {
    let words = vec![EntryWord { text: text.to_owned(), latin: text.is_ascii() }];
    let filter = EntryFilter { words, ..EntryFilter::default() };
    let listed = fixture.store.entry_list(&filter, 0, 10).await.unwrap().len();
    assert_eq!(fixture.store.entry_count(&filter).await.unwrap(), i64::try_from(listed).unwrap());
    listed
}

async fn words_are_found_in_text_pinyin_and_initials(fixture: Fixture) {
    insert(&fixture, "10100101/000001", "兰山区人口").await;
    for text in ["兰山", "lanshan", "lsq"] {
        assert_eq!(find(&fixture, text).await, 1, "{text}");
    }
    assert_eq!(find(&fixture, "河东").await, 0);
}

async fn wildcards_are_taken_literally(fixture: Fixture) {
    insert(&fixture, "10100101/000001", "兰山区人口").await;
    for text in ["%", "_", "\\", "兰_区"] {
        assert_eq!(find(&fixture, text).await, 0, "{text}");
    }
}

async fn serial_numbers_are_never_given_twice(fixture: Fixture) {
    insert(&fixture, "10100101/000001", "一").await;
    let mut tx = fixture.store.begin().await.unwrap();
    assert_eq!(tx.entry_next_serial("10100101").await.unwrap(), 2);
    assert_eq!(tx.entry_next_serial("10100102").await.unwrap(), 1);
    let mut same = entry("10100101/000001", "二");
    "another".clone_into(&mut same.source);
    let refused = tx.entry_insert(&same, &act("entry.compiled", 1)).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })));
}

async fn only_announced_entries_are_tallied(fixture: Fixture) {
    insert(&fixture, "10100101/000001", "一").await;
    assert!(fixture.store.entry_tally().await.unwrap().is_empty());
    let mut tx = fixture.store.begin().await.unwrap();
    let mut row = tx.entry_find("10100101/000001").await.unwrap().unwrap();
    row.published_at = Some(at(5));
    tx.entry_update(&row, &act("entry.published", 5)).await.unwrap();
    tx.commit().await.unwrap();
    let tally = fixture.store.entry_tally().await.unwrap();
    assert_eq!((tally.len(), tally[0].entries), (1, 1));
    let filter = EntryFilter { published: true, ..EntryFilter::default() };
    assert_eq!(fixture.store.entry_count(&filter).await.unwrap(), 1);
}
