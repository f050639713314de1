//! The spellings in which departments write values.

use std::borrow::Cow;

use yihe_definitions::ColumnType;

use super::Parsed;

/// Reads a non-empty cell as a value of `column_type`; `None` when it is not one. Blank text is missing.
pub(super) fn parse(cell: &str, column_type: ColumnType) -> Option<Parsed> {
    let text = half_width(cell.trim());
    if text.is_empty() {
        return Some(Parsed::Missing);
    }
    match column_type {
        ColumnType::Text => Some(Parsed::Text),
        ColumnType::Integer => integer(&text).map(Parsed::Integer),
        ColumnType::Decimal { precision, scale } => decimal(&text, precision, scale).map(Parsed::Decimal),
        ColumnType::Float => text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Parsed::Float),
        ColumnType::Boolean => boolean(&text).map(Parsed::Boolean),
        ColumnType::Date => yihe_vocabulary::parse_day(&text).ok().map(|date| Parsed::Date(days(date))),
        ColumnType::Timestamp => timestamp(&text).map(Parsed::Timestamp),
    }
}

/// Full-width digits and signs to their half-width twins.
fn half_width(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let narrow = |character: char| match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        '\u{3000}' => ' ',
        other => other,
    };
    Cow::Owned(text.chars().map(narrow).collect())
}

/// A whole number; `12.0`, as spreadsheets write it, counts as 12.
fn integer(text: &str) -> Option<i64> {
    let whole = text
        .split_once('.')
        .map_or(text, |(whole, rest)| if rest.bytes().all(|digit| digit == b'0') { whole } else { text });
    whole.parse().ok()
}

/// A decimal scaled by 10^`scale`; more decimals than `scale` pass only when they are zeros.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::from(scale.unsigned_abs());
    let only_digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !only_digits(whole) || !only_digits(fraction) {
        return None;
    }
    let (kept, rest) = fraction.split_at(fraction.len().min(scale));
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(kept.bytes()) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    for _ in kept.len()..scale {
        value = value.checked_mul(10)?;
    }
    (value < 10_i128.checked_pow(u32::from(precision))?).then_some(if negative { -value } else { value })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "是" | "有" | "1" | "Y" | "y" | "true" | "TRUE" | "True" => Some(true),
        "否" | "无" | "0" | "N" | "n" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Days since 1970-01-01.
fn days(date: jiff::civil::Date) -> i32 {
    let epoch = jiff::civil::date(1970, 1, 1);
    // Both days lie within years -9999 to 9999, so the difference is far from the bounds of `i32`.
    (date - epoch).get_days()
}

/// Microseconds since 1970-01-01 UTC; without a zone the text is Chinese local time.
fn timestamp(text: &str) -> Option<i64> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_microsecond());
    }
    let local = match text.replace(['/', '.'], "-").parse::<jiff::civil::DateTime>() {
        Ok(local) => local,
        Err(_) => match text.parse::<jiff::civil::DateTime>() {
            Ok(local) => local,
            Err(_) => yihe_vocabulary::parse_day(text).ok()?.at(0, 0, 0, 0),
        },
    };
    let china = jiff::tz::Offset::constant(8);
    china.to_timestamp(local).ok().map(jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_decimal(text: &str) -> Option<i128> {
        decimal(text, 10, 2)
    }

    #[test]
    fn decimals_are_exact_and_bounded() {
        assert_eq!(read_decimal("12.5"), Some(1250));
        assert_eq!(read_decimal("-0.01"), Some(-1));
        assert_eq!(read_decimal("12.500"), Some(1250));
        assert_eq!(read_decimal("12.505"), None, "a third decimal would be lost");
        assert_eq!(read_decimal("99999999.99"), Some(9_999_999_999));
        assert_eq!(read_decimal("100000000.00"), None, "eleven digits");
        assert_eq!(read_decimal("1e3"), None);
        assert_eq!(read_decimal("."), None);
    }

    #[test]
    fn full_width_digits_are_digits() {
        assert!(matches!(parse("１２", ColumnType::Integer), Some(Parsed::Integer(12))));
    }

    #[test]
    fn times_without_zone_are_chinese_time() {
        assert_eq!(timestamp("1970-01-01 08:00:00"), Some(0));
        assert_eq!(timestamp("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(timestamp("2025/13/01 08:00:00"), None);
    }

    proptest! {
        #[test]
        fn every_integer_is_read_as_written(value in any::<i64>()) {
            prop_assert_eq!(integer(&value.to_string()), Some(value));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*", choice in 0_usize..6) {
            let types = [
                ColumnType::Integer, ColumnType::Decimal { precision: 38, scale: 6 }, ColumnType::Float,
                ColumnType::Boolean, ColumnType::Date, ColumnType::Timestamp,
            ];
            let _ = parse(&text, types[choice]);
        }
    }
}
