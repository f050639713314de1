//! What a department applies for (art. 20), checked whole against the catalogue entry.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use yihe_catalogue::{Entry, EntryItem};
use yihe_definitions::{Sensitivity, ShareMethod, Sharing, Text};

use crate::protected::PROTECTED;

/// Most characters of one statement.
pub const STATEMENT_CHARACTERS_MAX: usize = 1_000;
/// Most calls per day that may be applied for.
pub const CALLS_PER_DAY_MAX: i64 = 1_000_000;
/// Most conditions of a row filter.
pub const CONDITIONS_MAX: usize = 16;
/// Most values of one condition.
pub const VALUES_MAX: usize = 256;

/// An application: the five statements of art. 20, and exactly what is wanted.
///
/// Its JSON form is kept in the store and digested in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// 使用依据: the law or duty that calls for the data.
    pub basis: String,
    /// 使用场景: the business in which they are used.
    pub scenario: String,
    /// 使用范围: who uses them.
    pub scope: String,
    /// 共享方式
    pub method: ShareMethod,
    /// 使用时限: the last day of use.
    pub until: Date,
    /// What they are used for; every later use is bound to it (art. 25).
    pub purpose: String,
    /// Items wanted.
    pub columns: Vec<String>,
    /// Rows wanted: those that meet every condition.
    #[serde(default)]
    pub rows: Vec<Condition>,
    /// Items wanted without their mask, each with a reason.
    #[serde(default)]
    pub unmasked: Vec<Unmasking>,
    /// Calls per day.
    pub calls_per_day: i64,
}

/// A condition that a row must meet: one of several values in one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Column.
    pub column: String,
    /// Values, as they are written in the table.
    pub values: Vec<String>,
}

impl Condition {
    /// What people read.
    #[must_use]
    pub fn text(&self) -> Text {
        if self.column != PROTECTED {
            return Text { zh: format!("{} = {}", self.column, self.values.join(" | ")), en: None };
        }
        if self.values.iter().any(|value| value == "true") {
            Text::new("含受保护人员", "protected people included")
        } else {
            Text::new("不含受保护人员", "protected people left out")
        }
    }
}

/// An item wanted without its mask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmasking {
    /// Column.
    pub column: String,
    /// Why the purpose cannot be met with the masked value.
    pub reason: String,
}

/// Something an application lacks or says wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationFault {
    /// The data are not shared at all.
    Withheld,
    /// A statement is blank.
    Blank {
        /// Which statement.
        statement: Statement,
    },
    /// A statement is too long.
    TooLong {
        /// Which statement.
        statement: Statement,
        /// Characters found.
        found: usize,
    },
    /// The entry does not offer this way of supply.
    MethodNotOffered,
    /// The interface looks records up by their key, and these have none.
    NoKey,
    /// The last day of use has passed.
    UntilPassed,
    /// No item is wanted.
    NoColumns,
    /// An item, or the column of a condition, is not in the entry.
    UnknownColumn {
        /// Column name.
        column: String,
    },
    /// An item is wanted twice.
    ColumnTwice {
        /// Column name.
        column: String,
    },
    /// A condition without values, or more conditions or values than are taken.
    Conditions,
    /// A condition on protection that says neither `true` nor `false`.
    Protection,
    /// A mask is to be lifted without a reason, or from an item that is not wanted or has none.
    Unmasking {
        /// Column name.
        column: String,
    },
    /// The quota is out of range.
    Quota {
        /// Calls per day found.
        found: i64,
    },
}

/// A statement of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// 使用依据
    Basis,
    /// 使用场景
    Scenario,
    /// 使用范围
    Scope,
    /// 使用目的
    Purpose,
}

impl Statement {
    fn titles(self) -> (&'static str, &'static str) {
        match self {
            Self::Basis => ("使用依据", "basis"),
            Self::Scenario => ("使用场景", "scenario"),
            Self::Scope => ("使用范围", "scope"),
            Self::Purpose => ("使用目的", "purpose"),
        }
    }
}

impl ApplicationFault {
    /// What the applicant reads.
    #[must_use]
    pub fn text(&self) -> Text {
        match self {
            Self::Withheld => {
                Text::new("该数据不予共享，不能申请", "these data are withheld and cannot be applied for")
            }
            Self::Blank { statement } => {
                let (zh, en) = statement.titles();
                Text::new(format!("须填写{zh}（条例第二十条）"), format!("the {en} is blank (art. 20)"))
            }
            Self::TooLong { statement, found } => {
                let (zh, en) = statement.titles();
                Text::new(
                    format!("{zh}共 {found} 字，最多 {STATEMENT_CHARACTERS_MAX} 字"),
                    format!("the {en} has {found} characters, at most {STATEMENT_CHARACTERS_MAX} are taken"),
                )
            }
            Self::MethodNotOffered => {
                Text::new("目录未提供所选的共享方式", "the entry does not offer this way of supply")
            }
            Self::NoKey => Text::new(
                "该数据没有主键，不能按服务接口查询",
                "these data have no key and cannot be looked up by the interface",
            ),
            Self::UntilPassed => {
                Text::new("使用时限已过，应为今天或以后", "the last day of use has passed, expected today or later")
            }
            Self::NoColumns => Text::new("至少应申请一个数据项", "no item is wanted, expected at least one"),
            Self::UnknownColumn { column } => {
                Text::new(format!("目录中没有数据项 {column}"), format!("the entry has no item `{column}`"))
            }
            Self::ColumnTwice { column } => {
                Text::new(format!("数据项 {column} 重复"), format!("the item `{column}` is wanted twice"))
            }
            Self::Conditions => Text::new(
                format!("行条件最多 {CONDITIONS_MAX} 个，每个须有 1 至 {VALUES_MAX} 个值"),
                format!("at most {CONDITIONS_MAX} conditions are taken, each with 1 to {VALUES_MAX} values"),
            ),
            Self::Protection => Text::new(
                "行条件 _protected（受保护人员）的值只能是 true 或 false",
                "the condition on `_protected` (protected people) takes the values true and false alone",
            ),
            Self::Unmasking { column } => Text::new(
                format!("数据项 {column} 申请不脱敏，须为已申请的敏感项并说明理由"),
                format!(
                    "the item `{column}` is wanted without mask: expected a sensitive item that is wanted, and a reason"
                ),
            ),
            Self::Quota { found } => Text::new(
                format!("每日调用 {found} 次，应为 1 至 {CALLS_PER_DAY_MAX} 次"),
                format!("found {found} calls per day, expected 1 to {CALLS_PER_DAY_MAX}"),
            ),
        }
    }
}

impl Application {
    /// Every fault, given the entry as it is announced and today's date.
    #[must_use]
    pub fn faults(&self, entry: &Entry, today: Date) -> Vec<ApplicationFault> {
        let mut faults = Vec::new();
        if matches!(entry.sharing, Sharing::Withheld { .. }) {
            faults.push(ApplicationFault::Withheld);
        } else if !entry.methods.contains(&self.method) {
            faults.push(ApplicationFault::MethodNotOffered);
        } else if self.method == ShareMethod::Service && entry.key.is_empty() {
            faults.push(ApplicationFault::NoKey);
        }
        let statements = [
            (Statement::Basis, &self.basis),
            (Statement::Scenario, &self.scenario),
            (Statement::Scope, &self.scope),
            (Statement::Purpose, &self.purpose),
        ];
        for (statement, text) in statements {
            let found = text.trim().chars().count();
            if found == 0 {
                faults.push(ApplicationFault::Blank { statement });
            } else if found > STATEMENT_CHARACTERS_MAX {
                faults.push(ApplicationFault::TooLong { statement, found });
            }
        }
        if self.until < today {
            faults.push(ApplicationFault::UntilPassed);
        }
        if !(1..=CALLS_PER_DAY_MAX).contains(&self.calls_per_day) {
            faults.push(ApplicationFault::Quota { found: self.calls_per_day });
        }
        self.column_faults(entry, &mut faults);
        faults
    }

    fn column_faults(&self, entry: &Entry, faults: &mut Vec<ApplicationFault>) {
        if self.columns.is_empty() {
            faults.push(ApplicationFault::NoColumns);
        }
        let mut seen = BTreeSet::new();
        for column in &self.columns {
            if item(entry, column).is_none() {
                faults.push(ApplicationFault::UnknownColumn { column: column.clone() });
            } else if !seen.insert(column) {
                faults.push(ApplicationFault::ColumnTwice { column: column.clone() });
            }
        }
        if self.rows.len() > CONDITIONS_MAX
            || self.rows.iter().any(|condition| !(1..=VALUES_MAX).contains(&condition.values.len()))
        {
            faults.push(ApplicationFault::Conditions);
        }
        for condition in &self.rows {
            if condition.column == PROTECTED {
                if condition.values.iter().any(|value| !["true", "false"].contains(&value.as_str())) {
                    faults.push(ApplicationFault::Protection);
                }
            } else if item(entry, &condition.column).is_none() {
                faults.push(ApplicationFault::UnknownColumn { column: condition.column.clone() });
            }
        }
        for unmasking in &self.unmasked {
            let masked = item(entry, &unmasking.column).is_some_and(|item| item.sensitivity != Sensitivity::Plain);
            let wanted = self.columns.contains(&unmasking.column);
            let reason = unmasking.reason.trim().chars().count();
            if !masked || !wanted || !(1..=STATEMENT_CHARACTERS_MAX).contains(&reason) {
                faults.push(ApplicationFault::Unmasking { column: unmasking.column.clone() });
            }
        }
    }
}

pub(crate) fn item<'a>(entry: &'a Entry, column: &str) -> Option<&'a EntryItem> {
    entry.items.iter().find(|item| item.name == column)
}
