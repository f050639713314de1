//! Words that people read, in both languages.

use serde::{Deserialize, Serialize};

/// The language of a page, an error or a report. Chinese is the default everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// 中文
    #[default]
    Zh,
    /// English
    En,
}

/// One wording in Chinese and, where it was translated, in English.
///
/// In YAML either a plain string (Chinese only) or `{zh: …, en: …}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Spelling", into = "Spelling")]
pub struct Text {
    /// The Chinese wording; never empty.
    pub zh: String,
    /// The English wording; `None` when nobody translated it.
    pub en: Option<String>,
}

impl Text {
    /// Both wordings.
    #[must_use]
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: Some(en.into()) }
    }

    /// The wording in `language`, or the Chinese one where no translation exists.
    #[must_use]
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::Zh => &self.zh,
            Language::En => self.en.as_deref().unwrap_or(&self.zh),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Plain(String),
    Both {
        zh: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        en: Option<String>,
    },
}

impl From<Spelling> for Text {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Plain(zh) => Self { zh, en: None },
            Spelling::Both { zh, en } => Self { zh, en },
        }
    }
}

impl From<Text> for Spelling {
    fn from(text: Text) -> Self {
        match text.en {
            None => Self::Plain(text.zh),
            en => Self::Both { zh: text.zh, en },
        }
    }
}
