//! What a person reads on each page, in both languages.

use yihe_web::language::{Language, name};

use crate::samples;

#[test]
fn every_page_reads_as_reviewed() {
    for language in [Language::Zh, Language::En] {
        for (page, markup) in samples::pages(language) {
            insta::assert_snapshot!(format!("{page}.{}", name(language)), readable(&markup));
        }
    }
}

#[test]
fn no_page_carries_inline_style_or_script() {
    for (page, markup) in samples::pages(Language::Zh) {
        assert!(
            !markup.contains(" style="),
            "{page} carries an inline style, which the content security policy refuses"
        );
        // A script comes as a file of ours and from nowhere else.
        let scripts = markup.matches("<script").count();
        assert_eq!(scripts, markup.matches(r#"<script src="/assets/"#).count(), "{page} carries a script");
        assert_eq!(scripts, markup.matches("defer></script>").count(), "{page} carries a script with words in it");
        assert!(!markup.contains(" onclick"), "{page} carries a handler");
    }
}

#[test]
fn every_page_has_one_first_heading_and_a_way_past_the_navigation() {
    for language in [Language::Zh, Language::En] {
        for (page, markup) in samples::pages(language) {
            assert_eq!(markup.matches("<h1").count(), 1, "{page}");
            assert!(markup.contains(r##"href="#content""##) && markup.contains(r#"id="content""#), "{page}");
        }
    }
}

#[test]
fn an_english_page_says_nothing_in_chinese_without_marking_it() {
    let marked = regex::Regex::new(r#"<(\w+)[^>]* lang="zh-Hans"[^>]*>.*?</\w+>"#).expect("a pattern");
    for (page, markup) in samples::pages(Language::En) {
        let rest = marked.replace_all(&markup, "");
        // The name of the decree has no official English title; sample contents stand in Chinese.
        let rest = rest.replace("政务数据共享条例", "").replace("《不动产登记暂行条例》", "");
        let body = rest.split_once("<main").map_or("", |(_, body)| body);
        let said: String = body.chars().filter(|character| ('\u{4e00}'..='\u{9fff}').contains(character)).collect();
        let contents = ["request", "grants", "apply", "refusal"];
        assert!(said.is_empty() || contents.contains(&page), "{page}: {said}");
    }
}

/// One element per line, so that a change shows where it is.
fn readable(markup: &str) -> String {
    // The digest of what an address serves is no page's business, or a new colour would be a change of every page.
    let mut parts = markup.split("/assets/");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digest = part.find('-').zip(part.find('.')).filter(|(from, to)| from < to);
        let (from, to) = digest.expect("an asset's address has the digest of what it serves");
        text.push_str(&format!("/assets/{}{}", &part[..from], &part[to..]));
    }
    text.replace("><", ">\n<")
}
