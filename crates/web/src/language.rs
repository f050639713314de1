//! Which language a page speaks, and how that language writes numbers, days and instants.

use jiff::{
    Timestamp,
    civil::Date,
    tz::{Offset, TimeZone},
};
use maud::{Markup, html};
pub use yihe_definitions::{Language, Text};

/// Name of the cookie that remembers a visitor's choice.
pub const COOKIE: &str = "yihe_lang";

/// The language of one answer, with the ways of writing that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words(pub Language);

impl Words {
    /// The wording in this language.
    #[must_use]
    pub fn of<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self.0 {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    /// A city's own words. Where nobody translated them the Chinese stands, marked as Chinese for readers aloud.
    #[must_use]
    pub fn text(self, text: &Text) -> Markup {
        match (self.0, &text.en) {
            (Language::En, Some(en)) => html! { (en) },
            (Language::En, None) => html! { span lang="zh-Hans" { (text.zh) } },
            (Language::Zh, _) => html! { (text.zh) },
        }
    }

    /// Value of the `lang` attribute (BCP 47).
    #[must_use]
    pub fn tag(self) -> &'static str {
        self.of("zh-Hans", "en")
    }

    /// The other language.
    #[must_use]
    pub fn other(self) -> Language {
        match self.0 {
            Language::Zh => Language::En,
            Language::En => Language::Zh,
        }
    }

    /// A whole number in groups of three digits, as both languages write it in tables.
    #[must_use]
    pub fn count(self, number: u64) -> String {
        let digits = number.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    }

    /// A ratio in `0.0..=1.0` as a percentage with two decimals. Never rounds up to 100 % what is less.
    #[must_use]
    pub fn percent(self, ratio: f64) -> String {
        let hundredths = (ratio.clamp(0.0, 1.0) * 10_000.0).floor();
        format!("{:.2} %", hundredths / 100.0)
    }

    /// A calendar day.
    #[must_use]
    pub fn day(self, day: Date) -> String {
        match self.0 {
            Language::Zh => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
            Language::En => day.strftime("%-d %b %Y").to_string(),
        }
    }

    /// An instant in Chinese local time (UTC+8), to the minute.
    #[must_use]
    pub fn instant(self, at: Timestamp) -> Markup {
        let local = at.to_zoned(TimeZone::fixed(Offset::constant(8)));
        let shown = match self.0 {
            Language::Zh => format!("{} {}", self.day(local.date()), local.strftime("%H:%M")),
            Language::En => format!("{}, {}", self.day(local.date()), local.strftime("%H:%M")),
        };
        html! { time datetime=(local.strftime("%Y-%m-%dT%H:%M:%S+08:00").to_string()) { (shown) } }
    }

    /// The same as plain text, for pictures.
    #[must_use]
    pub fn instant_text(self, at: Timestamp) -> String {
        at.to_zoned(TimeZone::fixed(Offset::constant(8))).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// "3 of them", with the plural that English needs.
    #[must_use]
    pub fn many(self, number: u64, zh_unit: &str, en_one: &str, en_many: &str) -> String {
        match self.0 {
            Language::Zh => format!("{} {zh_unit}", self.count(number)),
            Language::En if number == 1 => format!("1 {en_one}"),
            Language::En => format!("{} {en_many}", self.count(number)),
        }
    }
}

/// The same words with a capital at the front in English: rooms name states as they stand inside a sentence.
#[must_use]
pub fn capital(text: Text) -> Text {
    let en = text.en.map(|en| {
        let mut characters = en.chars();
        characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
    });
    Text { zh: text.zh, en }
}

/// Reads the name of a language as `?lang=` and the cookie write it.
#[must_use]
pub fn parse(name: &str) -> Option<Language> {
    match name {
        "zh" => Some(Language::Zh),
        "en" => Some(Language::En),
        _ => None,
    }
}

/// The name of a language as `?lang=` and the cookie write it.
#[must_use]
pub const fn name(language: Language) -> &'static str {
    match language {
        Language::Zh => "zh",
        Language::En => "en",
    }
}

/// Chooses by `Accept-Language` (RFC 9110, 12.5.4): the highest weight of `zh` and `en`; Chinese when neither is named.
#[must_use]
pub fn negotiate(accept_language: &str) -> Language {
    let mut best = (Language::Zh, 0.0_f32);
    // A header is at most a few kilobytes (see `router`), and nobody ranks more than this many languages.
    for range in accept_language.split(',').take(32) {
        let mut parts = range.split(';');
        let primary = parts.next().unwrap_or_default().trim().split('-').next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.trim().strip_prefix("q="))
            .map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
        let language = match primary.to_ascii_lowercase().as_str() {
            "zh" => Language::Zh,
            "en" => Language::En,
            _ => continue,
        };
        if weight > best.1 {
            best = (language, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_spoken_unless_english_is_preferred() {
        assert_eq!(negotiate(""), Language::Zh);
        assert_eq!(negotiate("fr-FR, de;q=0.5"), Language::Zh);
        assert_eq!(negotiate("en-GB,en;q=0.9,zh;q=0.8"), Language::En);
        assert_eq!(negotiate("en;q=0.2, zh-CN;q=0.8"), Language::Zh);
        assert_eq!(negotiate("en;q=nonsense"), Language::Zh);
    }

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        let zh = Words(Language::Zh);
        assert_eq!(zh.count(0), "0");
        assert_eq!(zh.count(999), "999");
        assert_eq!(zh.count(1_000), "1,000");
        assert_eq!(zh.count(614_000_000), "614,000,000");
    }

    #[test]
    fn a_share_below_one_never_reads_as_whole() {
        let zh = Words(Language::Zh);
        assert_eq!(zh.percent(0.999_999), "99.99 %");
        assert_eq!(zh.percent(1.0), "100.00 %");
    }

    #[test]
    fn instants_are_shown_in_chinese_local_time() {
        let at: Timestamp = "2026-11-22T17:05:00Z".parse().expect("an instant");
        assert_eq!(
            Words(Language::Zh).instant(at).into_string(),
            r#"<time datetime="2026-11-23T01:05:00+08:00">2026年11月23日 01:05</time>"#
        );
        assert!(Words(Language::En).instant(at).into_string().contains("23 Nov 2026, 01:05"));
    }

    #[test]
    fn an_untranslated_wording_is_marked_as_chinese() {
        let text = Text { zh: "公安局".into(), en: None };
        assert_eq!(Words(Language::En).text(&text).into_string(), r#"<span lang="zh-Hans">公安局</span>"#);
    }
}
