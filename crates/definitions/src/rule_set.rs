//! Ready sets of rules (规则包): what a national standard asks of a code, for any table that has it.
//!
//! A set is a document of a pack. Its rules name columns by `$column`, `$valid_at`, `$birth_on` and `$sex`; the line
//! that uses the set says which columns these are. A rule whose column was not given is left out.
//!
//! ```yaml
//! kind: rule_set
//! id: national/citizen-id
//! title: { zh: 公民身份号码, en: Citizen's number }
//! standard: GB 11643-1999
//! rules:
//!   - { id: adds_up, kind: check_digit, column: $column, identifier: citizen_id }
//!   - { id: agrees, kind: citizen_agrees, column: $column, birth_on: $birth_on, sex: $sex }
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    rule::{Rule, RuleEntry, RuleKind, RuleUse},
    text::Text,
};

/// Most rules of one set.
pub const SET_RULES_MAX: usize = 64;

/// A ready set of rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// Stable identifier, e.g. `national/citizen-id`.
    pub id: String,
    /// Title people read.
    pub title: Text,
    /// Standard that asks for it, e.g. GB 11643-1999.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// What it is for and what it cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Text>,
    /// The rules, with places for columns.
    pub rules: Vec<Rule>,
}

/// The places for columns.
const PLACES: [&str; 4] = ["$column", "$valid_at", "$birth_on", "$sex"];

impl RuleSet {
    /// What is wrong with the set itself, in Chinese and English.
    ///
    /// # Errors
    /// No rule or too many, or a place for a column that there is not.
    pub fn check(&self) -> Result<(), Text> {
        if self.rules.is_empty() || self.rules.len() > SET_RULES_MAX {
            let count = self.rules.len();
            return Err(Text::new(
                format!("有 {count} 条规则；应为 1 至 {SET_RULES_MAX} 条"),
                format!("found {count} rules, expected 1 to {SET_RULES_MAX}"),
            ));
        }
        for rule in &self.rules {
            let unknown = rule.columns().into_iter().find(|column| !PLACES.contains(column));
            if let Some(column) = unknown {
                return Err(Text::new(
                    format!("规则 `{}` 的列 `{column}` 不是占位；应为 {}", rule.id, PLACES.join("、")),
                    format!("rule `{}` names the column `{column}`, expected {}", rule.id, PLACES.join(", ")),
                ));
            }
        }
        Ok(())
    }

    /// The columns that a line may give beside `column`, as their keys.
    #[must_use]
    pub fn optional_keys(&self) -> Vec<&'static str> {
        let named = |place: &str| self.rules.iter().any(|rule| rule.columns().contains(&place));
        PLACES[1..].iter().filter(|place| named(place)).map(|place| &place[1..]).collect()
    }

    /// The rules for the columns that a line gives.
    ///
    /// # Errors
    /// The line gives a column that no rule of the set reads, in Chinese and English.
    pub fn rules_for(&self, line: &RuleUse) -> Result<Vec<Rule>, Text> {
        let known = self.optional_keys();
        let given = [("valid_at", &line.valid_at), ("birth_on", &line.birth_on), ("sex", &line.sex)];
        for (key, column) in given {
            if column.is_some() && !known.contains(&key) {
                let (zh, en) = match known.as_slice() {
                    [] => ("只有 column".to_owned(), "column only".to_owned()),
                    known => (format!("column、{}", known.join("、")), format!("column, {}", known.join(", "))),
                };
                return Err(Text::new(
                    format!("规则包 `{}` 不读 `{key}`；应为{zh}", self.id),
                    format!("the set `{}` does not read `{key}`, expected {en}", self.id),
                ));
            }
        }
        let prefix = line.id.as_deref().unwrap_or(&line.column);
        let rules = self.rules.iter().filter_map(|rule| {
            let mut rule = rule.clone();
            rule.kind = placed(rule.kind, line)?;
            if let Some(when) = &mut rule.when {
                when.column = column(&when.column, line)?;
            }
            rule.id = format!("{prefix}_{}", rule.id);
            rule.when = line.when.clone().or(rule.when);
            rule.severity = line.severity.unwrap_or(rule.severity);
            rule.owner = line.owner.clone().or(rule.owner);
            Some(rule)
        });
        Ok(rules.collect())
    }
}

/// Puts the rules of sets in the place of the lines that use them.
///
/// # Errors
/// Every line that names no set of these, or gives a set what it does not read.
pub fn spelled_out(entries: Vec<RuleEntry>, sets: &[RuleSet]) -> Result<Vec<Rule>, Vec<Text>> {
    let mut rules = Vec::with_capacity(entries.len());
    let mut faults = Vec::new();
    for entry in entries {
        match entry {
            RuleEntry::Rule(rule) => rules.push(*rule),
            RuleEntry::Use(line) => match sets.iter().find(|set| set.id == line.set) {
                Some(set) => match set.rules_for(&line) {
                    Ok(found) => rules.extend(found),
                    Err(fault) => faults.push(fault),
                },
                None => {
                    let known: Vec<&str> = sets.iter().map(|set| set.id.as_str()).collect();
                    faults.push(Text::new(
                        format!("没有规则包 `{}`；现有：{}", line.set, known.join("、")),
                        format!("found no rule set `{}`, expected one of: {}", line.set, known.join(", ")),
                    ));
                }
            },
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

/// The column of a place; `None` where the line gives none.
fn column(place: &str, line: &RuleUse) -> Option<String> {
    match place {
        "$column" => Some(line.column.clone()),
        "$valid_at" => line.valid_at.clone(),
        "$birth_on" => line.birth_on.clone(),
        "$sex" => line.sex.clone(),
        other => Some(other.to_owned()),
    }
}

/// The kind for the columns of a line; `None` where it cannot do without one that is not given.
fn placed(kind: RuleKind, line: &RuleUse) -> Option<RuleKind> {
    let at = |place: String| column(&place, line);
    let all = |places: Vec<String>| places.iter().map(|place| column(place, line)).collect::<Option<Vec<_>>>();
    let maybe = |place: Option<String>| place.and_then(|place| column(&place, line));
    Some(match kind {
        RuleKind::NotNull { column } => RuleKind::NotNull { column: at(column)? },
        RuleKind::Unique { columns } => RuleKind::Unique { columns: all(columns)? },
        RuleKind::Pattern { column, pattern } => RuleKind::Pattern { column: at(column)?, pattern },
        RuleKind::Length { column, min, max } => RuleKind::Length { column: at(column)?, min, max },
        // Without the day any code that ever was valid passes.
        RuleKind::CodeList { column, table, codes, valid_at, characters } => {
            RuleKind::CodeList { column: at(column)?, table, codes, valid_at: maybe(valid_at), characters }
        }
        RuleKind::Range { column, min, max } => RuleKind::Range { column: at(column)?, min, max },
        RuleKind::CheckDigit { column, identifier } => RuleKind::CheckDigit { column: at(column)?, identifier },
        RuleKind::CitizenAgrees { column, birth_on, sex } => {
            let (birth_on, sex) = (maybe(birth_on), maybe(sex));
            if birth_on.is_none() && sex.is_none() {
                return None;
            }
            RuleKind::CitizenAgrees { column: at(column)?, birth_on, sex }
        }
        RuleKind::Order { earlier, later } => RuleKind::Order { earlier: at(earlier)?, later: at(later)? },
        RuleKind::Reference { columns, table, key } => RuleKind::Reference { columns: all(columns)?, table, key },
        RuleKind::Reconcile { columns, table, key, compare, required } => {
            RuleKind::Reconcile { columns: all(columns)?, table, key, compare, required }
        }
        RuleKind::Freshness { column, within_days, every_row } => {
            RuleKind::Freshness { column: at(column)?, within_days, every_row }
        }
        RuleKind::Drift { column, distance } => RuleKind::Drift { column: at(column)?, distance },
        RuleKind::Volume { .. } | RuleKind::Predicate { .. } => kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> RuleSet {
        serde_saphyr::from_str(
            "
id: national/citizen-id
title: 公民身份号码
rules:
  - { id: adds_up, kind: check_digit, column: $column, identifier: citizen_id, severity: hold }
  - { id: agrees, kind: citizen_agrees, column: $column, birth_on: $birth_on, sex: $sex }
  - { id: division, kind: code_list, column: $column, table: divisions, characters: [1, 6], severity: info }
",
        )
        .unwrap()
    }

    fn line(yaml: &str) -> RuleEntry {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_line_becomes_the_rules_of_its_set_for_its_columns() {
        let own = "{ id: own, kind: not_null, column: name }";
        let entries = vec![line("{ use: national/citizen-id, column: id_no, birth_on: birth }"), line(own)];
        let rules = spelled_out(entries, &[set()]).unwrap();
        let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, ["id_no_adds_up", "id_no_agrees", "id_no_division", "own"]);
        let agrees = RuleKind::CitizenAgrees { column: "id_no".into(), birth_on: Some("birth".into()), sex: None };
        assert_eq!(rules[1].kind, agrees);
    }

    #[test]
    fn a_rule_whose_column_was_not_given_is_left_out() {
        let rules = spelled_out(vec![line("{ use: national/citizen-id, column: a, id: x, severity: info }")], &[set()]);
        let rules = rules.unwrap();
        assert_eq!(rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["x_adds_up", "x_division"]);
        assert!(rules.iter().all(|rule| rule.severity == crate::Severity::Info));
    }

    #[test]
    fn a_line_that_means_nothing_is_refused_with_what_there_is() {
        let refusal = |yaml: &str| spelled_out(vec![line(yaml)], &[set()]).unwrap_err()[0].clone();
        let unknown = refusal("{ use: national/citizen, column: a }");
        assert!(unknown.zh.contains("没有规则包 `national/citizen`") && unknown.zh.contains("national/citizen-id"));
        let foreign = refusal("{ use: national/citizen-id, column: a, valid_at: b }");
        assert!(foreign.en.unwrap().contains("expected column, birth_on, sex"));
        for (yaml, word) in [
            ("{ use: a, column: b, pattern: c }", "`pattern`"),
            ("{ use: a }", "no `column`"),
            ("{ kind: not_null, column: b }", "no `id`"),
            ("{ id: a, column: b }", "neither `kind` nor `use`"),
            ("{ use: a, column: b, severity: quarantine }", "quarantine"),
        ] {
            let refusal = serde_saphyr::from_str::<RuleEntry>(yaml).unwrap_err().to_string();
            assert!(refusal.contains(word), "{yaml}: {refusal}");
        }
    }

    #[test]
    fn a_set_names_columns_by_their_places_only() {
        let mut wrong = set();
        wrong.rules[0].kind = RuleKind::NotNull { column: "citizen_id".into() };
        assert!(wrong.check().unwrap_err().zh.contains("`citizen_id` 不是占位"));
        assert_eq!(set().check(), Ok(()));
    }
}
