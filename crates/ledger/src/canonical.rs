//! Canonical JSON: one spelling per value, so that a digest means the value (RFC 8785).
//!
//! A subset on purpose: whole numbers only, within the 53 bits every JSON reader keeps. A money or
//! measurement value travels as text; two writers never disagree about how to print a float.

use serde_json::Value;

/// Deepest nesting written or compared.
pub const DEPTH_MAX: usize = 64;
/// Longest canonical form of a payload: 1 MiB. A payload describes what happened; data lie in the
/// lake and are named by digest.
pub const CANONICAL_BYTES_MAX: usize = 1 << 20;
const WHOLE_MAX: i64 = (1 << 53) - 1;

/// A value that has no canonical form here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    #[error("`{found}` is not a whole number within ±(2^53 - 1); write other numbers as text")]
    Number { found: String },
    #[error("values are nested deeper than {DEPTH_MAX}")]
    Depth,
    #[error("the canonical form has more than {CANONICAL_BYTES_MAX} bytes")]
    TooLong,
}

/// The canonical bytes of a value: keys sorted by UTF-16 code units, no spaces, shortest escapes.
///
/// # Errors
/// A fraction, a whole number beyond 53 bits, nesting or length beyond the bounds.
pub fn canonical(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut bytes = Vec::new();
    write(value, &mut bytes, 0)?;
    if bytes.len() > CANONICAL_BYTES_MAX {
        return Err(CanonicalError::TooLong);
    }
    Ok(bytes)
}

fn write(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), CanonicalError> {
    if depth > DEPTH_MAX {
        return Err(CanonicalError::Depth);
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let whole = number.as_i64().filter(|whole| (-WHOLE_MAX..=WHOLE_MAX).contains(whole));
            let whole = whole.ok_or_else(|| CanonicalError::Number { found: number.to_string() })?;
            out.extend_from_slice(whole.to_string().as_bytes());
        }
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write(item, out, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (position, (key, item)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_text(key, out);
                out.push(b':');
                write(item, out, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// A JSON string with the escapes of RFC 8785 §3.2.2.2.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            0x00..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        String::from_utf8(canonical(value).unwrap()).unwrap()
    }

    /// The sorting example of RFC 8785 §3.2.3.
    #[test]
    fn keys_are_sorted_as_the_standard_sorts_them() {
        let value = json!({"\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh", "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis"});
        let order: Vec<usize> = ["Carriage Return", "One", "Control", "Latin Small", "Euro Sign", "Emoji", "Hebrew"]
            .iter()
            .map(|name| text(&value).find(name).unwrap())
            .collect();
        assert!(order.is_sorted(), "{}", text(&value));
    }

    #[test]
    fn escapes_are_the_shortest_and_nothing_else_is_escaped() {
        assert_eq!(text(&json!("\u{20ac}$\u{f}\nA'\u{42}\u{22}\u{5c}\\\"/")), r#""€$\u000f\nA'B\"\\\\\"/""#);
        assert_eq!(text(&json!("\u{7f}沂河")), "\"\u{7f}沂河\"");
    }

    #[test]
    fn fractions_and_long_numbers_are_refused_by_name() {
        for value in [json!(1.5), json!(9_007_199_254_740_992_i64), json!(u64::MAX)] {
            assert!(matches!(canonical(&json!([value])), Err(CanonicalError::Number { .. })));
        }
        assert_eq!(text(&json!([0, -7, 9_007_199_254_740_991_i64])), "[0,-7,9007199254740991]");
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = (0..=DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(canonical(&deep), Err(CanonicalError::Depth));
    }

    proptest! {
        #[test]
        fn the_canonical_form_reads_back_and_is_its_own_canonical_form(keys in prop::collection::vec(any::<String>(), 0..6), number in -WHOLE_MAX..=WHOLE_MAX) {
            let value = Value::Object(keys.into_iter().map(|key| (key.clone(), json!([key, number, null, true]))).collect());
            let bytes = canonical(&value).unwrap();
            let read: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&read, &value);
            prop_assert_eq!(canonical(&read).unwrap(), bytes);
        }
    }
}
