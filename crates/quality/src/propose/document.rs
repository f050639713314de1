//! Proposals as a rule file: `yihe check` takes it as it is.

use std::fmt::Write;

use serde_json::Value;

use super::Proposal;

/// A rule file of these proposals, the reason of each in a comment above it. `subject` says what was profiled.
#[must_use]
pub fn document(subject: &str, proposals: &[Proposal]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "# 根据 {} 拟写的质量规则，请逐条核对后使用。", one_line(subject));
    let _ = writeln!(text, "# Proposed from {}; read each rule before you keep it.", one_line(subject));
    if proposals.is_empty() {
        let _ = writeln!(text, "# 没有可拟写的规则：数据太少。 There is too little data to propose a rule.\nrules: []");
        return text;
    }
    text.push_str("rules:\n");
    for Proposal { rule, reason } in proposals {
        let _ = writeln!(text, "  # {}", one_line(&reason.zh));
        let _ = writeln!(text, "  # {}", one_line(reason.en.as_deref().unwrap_or_default()));
        // Rules are plain data, which JSON can always write.
        let rule = serde_json::to_value(rule).unwrap_or_default();
        let _ = writeln!(text, "  - {}", flow(&rule));
    }
    text
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A value in flow style; `id` and `kind` go first, as people write them.
fn flow(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by_key(|(key, _)| match key.as_str() {
                "id" => 0,
                "kind" => 1,
                "column" | "columns" => 2,
                _ => 3,
            });
            let written: Vec<String> =
                fields.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value))).collect();
            format!("{{ {} }}", written.join(", "))
        }
    }
}

/// A text as YAML: as it is where that is safe, otherwise in quotes; a JSON string is YAML.
fn scalar(text: &str) -> String {
    let word = |character: char| {
        character.is_ascii_alphanumeric() || character == '_' || ('\u{4e00}'..='\u{9fff}').contains(&character)
    };
    let begins = text.chars().next().is_some_and(char::is_alphabetic);
    let reserved =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if begins && !reserved && text.chars().all(word) {
        return text.to_owned();
    }
    if text.contains('\\') && !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    serde_json::to_string(text).unwrap_or_default()
}
