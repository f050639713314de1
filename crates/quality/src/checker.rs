//! Rules of a table, compiled: every fault of the rules is told at once, before the first row is read.

use arrow::datatypes::Schema;
use jiff::Timestamp;
use yihe_definitions::{Rule, RuleKind, rule::Condition};

use crate::{
    column::Reading,
    error::RuleFault,
    rules::{
        Plan, RowRule,
        citizen::Citizen,
        code_list::{CodeTables, DatedCode, listed},
        implied::Shortcuts,
        order::Order,
        predicate::{Predicate, Predicates},
        present::Present,
        range::Range,
        reference::{Reconcile, Reference, References},
        table::TableRule,
        text::TextRule,
        unique::Unique,
        when::When,
    },
};

/// Most rules of one table.
pub const RULES_MAX: usize = 1024;
/// Longest identifier of a rule, in bytes.
pub const RULE_ID_BYTES_MAX: usize = 128;

/// What rules refer to outside their table.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Code tables by identifier.
    pub codes: &'a CodeTables,
    /// Keys of other tables.
    pub references: &'a References,
    /// The engine for SQL predicates; `None`: rules of that kind are refused.
    pub predicates: Option<&'a dyn Predicates>,
    /// The moment of the check.
    pub now: Timestamp,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Surroundings").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Rules of one table, ready to judge batches. Shared by every thread of a scan.
#[derive(Debug)]
pub struct Checker {
    rules: Vec<Rule>,
    compiled: Vec<Compiled>,
    /// Conditions of the rules, each once.
    conditions: Vec<When>,
    shortcuts: Shortcuts,
    slots: Vec<(String, Reading)>,
    columns: Vec<String>,
    now: Timestamp,
    /// Columns of the business key.
    key: Vec<String>,
    /// How the business key is kept; `None`: there is none, or a rule keeps it.
    identity: Option<Unique>,
    /// The uniqueness rule whose key is the business key.
    identity_rule: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Compiled {
    /// Its place among the checker's conditions.
    pub when: Option<usize>,
    pub demand: Demand,
}

/// The three ways of judging: a row at once, a row at the end of the scan, the table at the end.
#[derive(Debug)]
pub(crate) enum Demand {
    Row(RowRule),
    Unique(Unique),
    Table(TableRule),
}

impl Checker {
    /// Compiles rules for tables of this schema. The order of the rules is that of every answer.
    ///
    /// # Errors
    /// Every fault of every rule: unknown columns, columns of the wrong class, unknown code tables and references,
    /// expressions that are none, identifiers that occur twice.
    pub fn compile(rules: &[Rule], schema: &Schema, around: &Surroundings<'_>) -> Result<Self, Vec<RuleFault>> {
        Self::compile_keyed(rules, &[], schema, around)
    }

    /// As [`Self::compile`], for a table whose records are known by the columns `key`, so that a later delivery of a
    /// record takes the place of an earlier one. An empty key: rows are only added.
    ///
    /// # Errors
    /// As [`Self::compile`]; a column of the key is reported under the name `_key`.
    pub fn compile_keyed(
        rules: &[Rule],
        key: &[String],
        schema: &Schema,
        around: &Surroundings<'_>,
    ) -> Result<Self, Vec<RuleFault>> {
        let mut faults = Vec::new();
        if rules.len() > RULES_MAX {
            let reason = format!("is one of {} rules, expected at most {RULES_MAX}", rules.len());
            return Err(vec![RuleFault { rule: rules[RULES_MAX].id.clone(), reason }]);
        }
        let mut plan = Plan::new(schema);
        let mut compiled = Vec::new();
        let mut conditions = Conditions::default();
        let mut columns: Vec<String> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let mut fault = |reason: String| faults.push(RuleFault { rule: rule.id.clone(), reason });
            if rule.id.is_empty() || rule.id.len() > RULE_ID_BYTES_MAX {
                fault(format!("has an identifier of {} bytes, expected 1 to {RULE_ID_BYTES_MAX}", rule.id.len()));
            }
            if rules[..index].iter().any(|earlier| earlier.id == rule.id) {
                fault("has an identifier that another rule has".to_owned());
            }
            let mut unknown: Vec<&str> =
                rule.columns().into_iter().filter(|column| schema.field_with_name(column).is_err()).collect();
            unknown.dedup();
            for column in &unknown {
                fault(format!("the table has no column `{column}`{}", columns_of(schema)));
            }
            let twice = |column: &&str| schema.fields().iter().filter(|field| field.name() == column).count() > 1;
            let twice: Vec<&str> = rule.columns().into_iter().filter(twice).collect();
            for column in &twice {
                fault(format!("the table has more than one column `{column}`, expected one"));
            }
            if !unknown.is_empty() || !twice.is_empty() {
                continue;
            }
            match compile_one(rule, schema, around, &mut conditions, &mut plan) {
                Ok(one) => {
                    let mut read: Vec<String> = rule.columns().into_iter().map(str::to_owned).collect();
                    if let Demand::Row(RowRule::Predicate(predicate)) = &one.demand {
                        read.extend(predicate.columns());
                    }
                    for column in read {
                        if !columns.contains(&column) {
                            columns.push(column);
                        }
                    }
                    compiled.push(one);
                }
                Err(reason) => fault(reason),
            }
        }
        let is_key = |rule: &Rule| matches!(&rule.kind, RuleKind::Unique { columns } if columns == key);
        let identity_rule = rules.iter().position(|rule| is_key(rule) && rule.when.is_none());
        let mut identity = None;
        if !key.is_empty() && identity_rule.is_none() {
            match Unique::compile(key, &mut plan) {
                Ok(unique) => identity = Some(unique),
                Err(reason) => faults.push(RuleFault { rule: "_key".to_owned(), reason }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        columns.extend(key.iter().filter(|column| !columns.contains(column)).cloned().collect::<Vec<_>>());
        let shortcuts = Shortcuts::of(&compiled);
        Ok(Self {
            rules: rules.to_vec(),
            compiled,
            conditions: conditions.compiled,
            shortcuts,
            slots: plan.into_slots(),
            columns,
            now: around.now,
            key: key.to_vec(),
            identity,
            identity_rule: identity_rule.filter(|_| !key.is_empty()),
        })
    }

    /// The rules, in the order of every answer.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Columns that batches must have; others are not looked at.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The moment of the check.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Columns of the business key; empty: there is none.
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.key
    }

    pub(crate) const fn identity(&self) -> Option<&Unique> {
        self.identity.as_ref()
    }

    pub(crate) const fn identity_rule(&self) -> Option<usize> {
        self.identity_rule
    }

    pub(crate) fn compiled(&self) -> &[Compiled] {
        &self.compiled
    }

    pub(crate) fn conditions(&self) -> &[When] {
        &self.conditions
    }

    pub(crate) const fn shortcuts(&self) -> &Shortcuts {
        &self.shortcuts
    }

    pub(crate) fn slots(&self) -> &[(String, Reading)] {
        &self.slots
    }

    /// Whether a rule judges the table as a whole and not its rows.
    #[must_use]
    pub fn is_table_rule(&self, rule: usize) -> bool {
        matches!(self.compiled.get(rule), Some(Compiled { demand: Demand::Table(_), .. }))
    }

    /// Whether a rule asks that no two rows share a key.
    #[must_use]
    pub fn is_unique_rule(&self, rule: usize) -> bool {
        matches!(self.compiled.get(rule), Some(Compiled { demand: Demand::Unique(_), .. }))
    }

    /// Columns whose values explain a fault of a rule, the one a reader looks at first in front.
    #[must_use]
    pub fn shown_columns(&self, rule: usize) -> Vec<String> {
        let columns: Vec<String> = self.rules[rule].kind.columns().into_iter().map(str::to_owned).collect();
        match &self.compiled[rule].demand {
            Demand::Row(RowRule::Predicate(predicate)) => predicate.columns(),
            _ => columns,
        }
    }
}

/// What the columns are, for whoever named one that is not there.
fn columns_of(schema: &Schema) -> String {
    const SHOWN_MAX: usize = 12;
    let names: Vec<String> =
        schema.fields().iter().take(SHOWN_MAX).map(|field| format!("`{}`", field.name())).collect();
    let more = if schema.fields().len() > SHOWN_MAX { ", …" } else { "" };
    if names.is_empty() { ", it has none".to_owned() } else { format!("; it has {}{more}", names.join(", ")) }
}

fn compile_one(
    rule: &Rule,
    schema: &Schema,
    around: &Surroundings<'_>,
    conditions: &mut Conditions,
    plan: &mut Plan<'_>,
) -> Result<Compiled, String> {
    let mut with_when = |demand: Demand, plan: &mut Plan<'_>| {
        let when = rule.when.as_ref().map(|condition| conditions.add(condition, plan)).transpose()?;
        Ok(Compiled { when, demand })
    };
    let row = match &rule.kind {
        RuleKind::NotNull { column } => RowRule::Present(Present::compile(column, plan)?),
        RuleKind::Pattern { column, pattern } => RowRule::Text(TextRule::pattern(column, pattern, plan)?),
        RuleKind::Length { column, min, max } => RowRule::Text(TextRule::length(column, *min, *max, plan)?),
        RuleKind::CodeList { column, table, codes, valid_at, characters } => {
            code_list((column, *characters), table.as_deref(), codes, valid_at.as_deref(), around, plan)?
        }
        RuleKind::Range { column, min, max } => {
            RowRule::Range(Range::compile(column, min.as_deref(), max.as_deref(), plan)?)
        }
        RuleKind::CheckDigit { column, identifier } => RowRule::Text(TextRule::identifier(column, *identifier, plan)?),
        RuleKind::CitizenAgrees { column, birth_on, sex } => {
            RowRule::Citizen(Citizen::compile(column, birth_on.as_deref(), sex.as_deref(), plan)?)
        }
        RuleKind::Order { earlier, later } => RowRule::Order(Order::compile(earlier, later, plan)?),
        RuleKind::Reference { columns, table, key } => {
            RowRule::Reference(Reference::compile(columns, table, key, around.references, plan)?)
        }
        RuleKind::Reconcile { columns, table, key, compare, required } => {
            RowRule::Reconcile(Reconcile::compile(columns, (table, key), compare, *required, around.references, plan)?)
        }
        RuleKind::Freshness { column, within_days, every_row: true } => {
            let span = i64::from(*within_days).saturating_mul(crate::value::DAY_MICROS);
            RowRule::Range(Range::not_before(column, around.now.as_microsecond().saturating_sub(span), plan)?)
        }
        RuleKind::Predicate { sql } => {
            RowRule::Predicate(Predicate::compile(&rule.id, sql, around.predicates, schema)?)
        }
        RuleKind::Unique { columns } => {
            return with_when(Demand::Unique(Unique::compile(columns, plan)?), plan);
        }
        RuleKind::Freshness { column, within_days, every_row: false } => {
            return with_when(Demand::Table(TableRule::freshness(column, *within_days, plan)?), plan);
        }
        RuleKind::Drift { column, distance } => {
            return with_when(Demand::Table(TableRule::drift(column, *distance, plan)?), plan);
        }
        RuleKind::Volume { min, max, change_percent } => {
            if rule.when.is_some() {
                return Err("has a `when`, which the kind volume does not read".to_owned());
            }
            return with_when(Demand::Table(TableRule::volume(*min, *max, *change_percent)?), plan);
        }
    };
    with_when(Demand::Row(row), plan)
}

/// Conditions by what they say; rules that have the same share it.
#[derive(Default)]
struct Conditions {
    said: Vec<Condition>,
    compiled: Vec<When>,
}

impl Conditions {
    fn add(&mut self, condition: &Condition, plan: &mut Plan<'_>) -> Result<usize, String> {
        if let Some(known) = self.said.iter().position(|said| said == condition) {
            return Ok(known);
        }
        self.compiled.push(When::compile(condition, plan)?);
        self.said.push(condition.clone());
        Ok(self.said.len() - 1)
    }
}

fn code_list(
    (column, characters): (&str, Option<(u32, u32)>),
    table: Option<&str>,
    codes: &[String],
    valid_at: Option<&str>,
    around: &Surroundings<'_>,
    plan: &mut Plan<'_>,
) -> Result<RowRule, String> {
    match (table, codes.is_empty()) {
        (None, true) => Err("has neither `table` nor `codes`, expected one".to_owned()),
        (Some(_), false) => Err("has both `table` and `codes`, expected one".to_owned()),
        (None, false) if valid_at.is_some() => {
            Err("has `valid_at` beside `codes`, which have no days of validity".to_owned())
        }
        (None, false) => Ok(RowRule::Text(TextRule::one_of(column, listed(codes), characters, plan)?)),
        (Some(id), true) => {
            let Some(known) = around.codes.get(id) else {
                return Err(format!("there is no code table `{id}`"));
            };
            Ok(match valid_at {
                None => RowRule::Text(TextRule::one_of(column, known.all().clone(), characters, plan)?),
                Some(day) => RowRule::DatedCode(DatedCode::compile((column, characters), day, known.clone(), plan)?),
            })
        }
    }
}
