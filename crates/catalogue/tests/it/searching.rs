use yihe_catalogue::{EntryState, Search, SharingKind};

use crate::support::{Fixture, draft, on_both};

on_both!(entries_are_found_in_chinese_pinyin_and_initials, only_announced_entries_are_found);

async fn search(fixture: &Fixture, words: &str) -> Vec<String> {
    let search = Search { words: words.to_owned(), ..Search::default() };
    let page = fixture.catalogue.search(&search, 0, 10).await.unwrap();
    assert_eq!(page.total, i64::try_from(page.entries.len()).unwrap());
    page.entries.into_iter().map(|entry| entry.title.zh).collect()
}

async fn entries_are_found_in_chinese_pinyin_and_initials(fixture: Fixture) {
    fixture.entry_in(EntryState::Published, &draft("a", "兰山区户籍人口")).await;
    fixture.entry_in(EntryState::Published, &draft("b", "河东区登记企业")).await;
    for words in ["兰山", "兰山 户籍", "lanshan", "LSQ", "lsqhjrk", "户籍人口", "兰山,姓名"] {
        assert_eq!(search(&fixture, words).await, ["兰山区户籍人口"], "{words}");
    }
    for words in ["", "citizen_id", "gonganju", "Public Security", "姓名"] {
        assert_eq!(search(&fixture, words).await.len(), 2, "{words}");
    }
    for words in ["蒙阴", "兰山 企业", "%", "_"] {
        let expected = if words.chars().any(char::is_alphanumeric) { 0 } else { 2 };
        assert_eq!(search(&fixture, words).await.len(), expected, "{words}");
    }
    let narrowed = Search { sharing: Some(SharingKind::Withheld), ..Search::default() };
    assert_eq!(fixture.catalogue.search(&narrowed, 0, 10).await.unwrap().total, 0);
}

async fn only_announced_entries_are_found(fixture: Fixture) {
    for (number, state) in EntryState::ALL.into_iter().enumerate() {
        fixture.entry_in(state, &draft(&format!("source{number}"), &format!("条目{}", state.as_str()))).await;
    }
    assert_eq!(search(&fixture, "条目").await, ["条目published"]);
    let tally = fixture.catalogue.sharing_tally().await.unwrap();
    assert_eq!((tally["gongan"].conditional, tally["gongan"].total()), (1, 1));
    assert_eq!(fixture.catalogue.list_of("gongan", None, 0, 10).await.unwrap().total, 6);
}
