//! Statistical periods (期别): a year, half-year, quarter or month, in one spelling each.

/// Brings a period to its one spelling: `2026`, `2026H1`, `2026Q3` or `202609`. `None` when it is no period.
///
/// Read are also a hyphen or 年 behind the year, and what statistical offices write: 上半年, 第3季度, 三季度, 9月.
/// Years from 1900 to 2199.
///
/// ```
/// use yihe_vocabulary::period::normalise;
/// for text in ["2026Q3", "2026-q3", "２０２６Q3", "2026年第3季度", "2026年三季度"] {
///     assert_eq!(normalise(text).as_deref(), Some("2026Q3"), "{text}");
/// }
/// assert_eq!(normalise("2026年9月").as_deref(), Some("202609"));
/// assert_eq!(normalise("2026Q5"), None);
/// ```
#[must_use]
pub fn normalise(text: &str) -> Option<String> {
    let text = crate::normalise_key(text);
    let year = text.get(..4)?;
    let is_year = year.bytes().all(|byte| byte.is_ascii_digit()) && ("1900".."2200").contains(&year);
    if !is_year {
        return None;
    }
    let rest = &text[4..];
    let rest = rest.strip_prefix('-').or_else(|| rest.strip_prefix('年')).unwrap_or(rest);
    let part = match rest {
        "" if text.ends_with('-') => return None,
        "" => String::new(),
        "H1" | "上半年" => "H1".to_owned(),
        "H2" | "下半年" => "H2".to_owned(),
        other => quarter(other).or_else(|| month(other))?,
    };
    Some(format!("{year}{part}"))
}

fn quarter(text: &str) -> Option<String> {
    let digit = text
        .strip_prefix('Q')
        .or_else(|| text.strip_suffix("季度").map(|rest| rest.strip_prefix('第').unwrap_or(rest)))?;
    let number = match digit {
        "1" | "一" => 1,
        "2" | "二" => 2,
        "3" | "三" => 3,
        "4" | "四" => 4,
        _ => return None,
    };
    Some(format!("Q{number}"))
}

fn month(text: &str) -> Option<String> {
    let digits = text.strip_suffix('月').unwrap_or(text);
    let is_short = text.ends_with('月') && digits.len() == 1;
    if digits.len() != 2 && !is_short {
        return None;
    }
    let number: u8 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    (1..=12).contains(&number).then(|| format!("{number:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_period_has_one_spelling() {
        for (text, expected) in [
            ("2026", "2026"),
            ("2026年", "2026"),
            ("2026H1", "2026H1"),
            ("2026年下半年", "2026H2"),
            (" 2026Q4 ", "2026Q4"),
            ("202601", "202601"),
            ("2026-12", "202612"),
            ("2026年1月", "202601"),
        ] {
            assert_eq!(normalise(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "",
            "26Q1",
            "2026Q0",
            "2026Q5",
            "202613",
            "202600",
            "2026-",
            "2026年13月",
            "20261",
            "2026+1",
            "三季度",
            "2300",
        ] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }
}
