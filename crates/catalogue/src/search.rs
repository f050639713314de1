//! Finding entries by Chinese words, by pinyin and by initials (`lsq` finds 兰山区).

use pinyin::ToPinyin as _;
use yihe_definitions::{Language, Sharing, Text};
use yihe_store::EntryWord;

use crate::{document::Document, error::CatalogueError};

/// Longest search, in characters.
pub const SEARCH_CHARACTERS_MAX: usize = 100;

/// What people look for. Empty fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Words, separated by blanks; an entry has them all.
    pub words: String,
    /// Providing department.
    pub department: Option<String>,
    /// Sharing attribute.
    pub sharing: Option<SharingKind>,
}

/// Sharing attribute without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SharingKind {
    /// 无条件共享
    Unconditional,
    /// 有条件共享
    Conditional,
    /// 不予共享
    Withheld,
}

impl SharingKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Unconditional, Self::Conditional, Self::Withheld];

    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unconditional => "unconditional",
            Self::Conditional => "conditional",
            Self::Withheld => "withheld",
        }
    }

    /// What people read.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Unconditional => Text::new("无条件共享", "shared unconditionally"),
            Self::Conditional => Text::new("有条件共享", "shared on conditions"),
            Self::Withheld => Text::new("不予共享", "not shared"),
        }
    }

    /// Reads the word of the database and the API.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The kind of a sharing attribute.
#[must_use]
pub fn sharing_word(sharing: &Sharing) -> SharingKind {
    match sharing {
        Sharing::Unconditional => SharingKind::Unconditional,
        Sharing::Conditional { .. } => SharingKind::Conditional,
        Sharing::Withheld { .. } => SharingKind::Withheld,
    }
}

/// A title as it is compared: without blanks and punctuation, in lower case.
#[must_use]
pub fn title_key(title: &str) -> String {
    title.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The searchable forms of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchWords {
    pub(crate) text: String,
    pub(crate) pinyin: String,
    pub(crate) initials: String,
}

impl SearchWords {
    pub(crate) fn of(document: &Document) -> Self {
        let mut words = Vec::new();
        for text in [&document.title, &document.department_name, &document.summary] {
            words.push(title_key(&text.zh));
            words.push(title_key(text.get(Language::En)));
        }
        words.push(title_key(&document.department));
        for item in &document.items {
            words.push(title_key(&item.title.zh));
            words.push(title_key(&item.name));
        }
        words.dedup();
        let spelt = |form: fn(pinyin::Pinyin) -> &'static str| {
            words.iter().filter(|word| !word.is_ascii()).map(|word| spell(word, form)).collect::<Vec<_>>().join(" ")
        };
        Self {
            pinyin: spelt(pinyin::Pinyin::plain),
            initials: spelt(pinyin::Pinyin::first_letter),
            text: words.join(" "),
        }
    }
}

/// A word with each Chinese character replaced by `form` of its commonest reading.
fn spell(word: &str, form: fn(pinyin::Pinyin) -> &'static str) -> String {
    let mut spelt = String::new();
    for character in word.chars() {
        match character.to_pinyin() {
            // `ü` is typed as v on every Chinese keyboard.
            Some(pinyin) => spelt.push_str(&form(pinyin).replace('ü', "v")),
            None => spelt.push(character),
        }
    }
    spelt
}

/// The words of a search, ready for the store.
pub(crate) fn words_of(search: &str) -> Result<Vec<EntryWord>, CatalogueError> {
    let found = search.chars().count();
    if found > SEARCH_CHARACTERS_MAX {
        return Err(CatalogueError::SearchLength { found, limit: SEARCH_CHARACTERS_MAX });
    }
    Ok(search
        .split(|character: char| character.is_whitespace() || ",，、".contains(character))
        .map(title_key)
        .filter(|word| !word.is_empty())
        .map(|text| EntryWord { latin: text.is_ascii(), text })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_compared_without_blanks_and_punctuation() {
        assert_eq!(title_key(" 人口 基础信息（临沂）"), title_key("人口基础信息·临沂"));
        assert_ne!(title_key("人口基础信息"), title_key("人口信息"));
    }

    #[test]
    fn chinese_words_are_spelt_in_full_and_by_initials() {
        assert_eq!(spell("兰山区", pinyin::Pinyin::plain), "lanshanqu");
        assert_eq!(spell("兰山区", pinyin::Pinyin::first_letter), "lsq");
        assert_eq!(spell("绿地gb2260", pinyin::Pinyin::plain), "lvdigb2260");
    }

    #[test]
    fn a_search_is_split_and_bounded() {
        let words = words_of("兰山区， LSQ").unwrap();
        assert_eq!(words[0], EntryWord { text: "兰山区".to_owned(), latin: false });
        assert_eq!(words[1], EntryWord { text: "lsq".to_owned(), latin: true });
        assert!(matches!(words_of(&"a".repeat(101)), Err(CatalogueError::SearchLength { .. })));
    }
}
