//! Files that pages name: the style sheet, the mark in the browser's tab, and the one script.
//!
//! Their addresses contain a digest of their content, so a browser may keep them for ever and still sees a
//! new release at once.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// One embedded file.
#[derive(Debug)]
pub struct Asset {
    /// Path with the digest, e.g. `/assets/style-3f2a9c0d11.css`.
    pub path: String,
    /// Media type.
    pub media_type: &'static str,
    /// Content.
    pub body: &'static str,
}

/// Every embedded file. Few, so a look-up is a walk.
pub static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset("style", "css", "text/css; charset=utf-8", include_str!("style.css")),
        asset("mark", "svg", "image/svg+xml", include_str!("mark.svg")),
        asset("review", "js", "text/javascript; charset=utf-8", include_str!("review.js")),
    ]
});

/// Address of the style sheet.
#[must_use]
pub fn style() -> &'static str {
    &ASSETS[0].path
}

/// Address of the mark.
#[must_use]
pub fn mark() -> &'static str {
    &ASSETS[1].path
}

/// Address of the script for judging pairs and waiting for a trial.
#[must_use]
pub fn review() -> &'static str {
    &ASSETS[2].path
}

fn asset(stem: &str, extension: &str, media_type: &'static str, body: &'static str) -> Asset {
    let digest = hex::encode(&Sha256::digest(body.as_bytes())[..5]);
    Asset { path: format!("/assets/{stem}-{digest}.{extension}"), media_type, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of one colour scheme, read from the sheet itself.
    fn tokens(scheme: &str) -> std::collections::HashMap<String, (f64, f64, f64)> {
        scheme
            .lines()
            .filter_map(|line| {
                let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
                let value = value.trim_end_matches(';');
                let channel = |at: usize| f64::from(u8::from_str_radix(&value[at..at + 2], 16).expect("hex")) / 255.0;
                Some((name.to_owned(), (channel(0), channel(2), channel(4))))
            })
            .collect()
    }

    /// Contrast ratio (WCAG 2.2, relative luminance).
    fn contrast(one: (f64, f64, f64), other: (f64, f64, f64)) -> f64 {
        let linear =
            |channel: f64| if channel <= 0.040_45 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) };
        let luminance = |(r, g, b): (f64, f64, f64)| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_ink_is_readable_on_its_ground() {
        let sheet = ASSETS[0].body;
        let dark_at = sheet.find("@media (prefers-color-scheme: dark)").expect("a dark scheme");
        let dark_end = sheet.find("/* ── elements").expect("elements follow the tokens");
        for (scheme, tokens) in [("light", tokens(&sheet[..dark_at])), ("dark", tokens(&sheet[dark_at..dark_end]))] {
            let pairs = [
                ("ink", vec!["paper", "surface", "sunken", "river-wash", "seal-wash", "amber-wash", "good-wash"]),
                ("ink-soft", vec!["paper", "surface", "river-wash"]),
                ("river", vec!["paper", "surface", "river-wash"]),
                ("river-deep", vec!["paper", "surface", "river-wash"]),
                ("on-river", vec!["river", "river-deep"]),
                ("seal", vec!["surface", "paper", "seal-wash"]),
                ("amber", vec!["surface", "amber-wash"]),
                ("good", vec!["surface", "good-wash"]),
            ];
            for (ink, grounds) in pairs {
                for ground in grounds {
                    let found = contrast(tokens[ink], tokens[ground]);
                    assert!(found >= 4.5, "{scheme}: {ink} on {ground} is {found:.2}:1, expected at least 4.5:1");
                }
            }
            // Graphics and control edges need 3:1 (WCAG 2.2, 1.4.11).
            for (ink, ground) in
                [("line-strong", "surface"), ("bar", "surface"), ("focus", "paper"), ("bar-warn", "surface")]
            {
                let found = contrast(tokens[ink], tokens[ground]);
                assert!(found >= 2.99, "{scheme}: {ink} on {ground} is {found:.2}:1, expected at least 3:1");
            }
        }
    }

    #[test]
    fn an_address_changes_with_the_content() {
        assert_ne!(asset("a", "css", "text/css", "one").path, asset("a", "css", "text/css", "two").path);
    }
}
