//! `when`: which rows a rule is for.

use std::sync::Arc;

use yihe_definitions::rule::Condition;

use crate::{
    bits::{Bits, Rows},
    column::{Memory, Reading},
    key::KeyMap,
    rules::{Batch, Plan, Slot, code_list::listed},
};

/// A compiled condition.
#[derive(Debug)]
pub struct When {
    slot: Slot,
    test: Test,
}

#[derive(Debug)]
enum Test {
    OneOf(Arc<KeyMap>),
    NoneOf(Arc<KeyMap>),
    Present,
    Missing,
}

impl When {
    /// Compiles a condition.
    ///
    /// # Errors
    /// No such column, or no test.
    pub fn compile(condition: &Condition, plan: &mut Plan<'_>) -> Result<Self, String> {
        let (reading, test) = match (&condition.one_of, &condition.none_of, condition.present) {
            (Some(values), None, None) => (Reading::Text, Test::OneOf(listed(values))),
            (None, Some(values), None) => (Reading::Text, Test::NoneOf(listed(values))),
            (None, None, Some(true)) => (Reading::Native, Test::Present),
            (None, None, Some(false)) => (Reading::Native, Test::Missing),
            _ => return Err("has a `when` without exactly one of in, not_in and present".to_owned()),
        };
        Ok(Self { slot: plan.slot(&condition.column, reading)?, test })
    }

    /// The rows for which the condition holds.
    #[must_use]
    pub fn rows(&self, batch: &Batch<'_>, memory: &mut Memory) -> Rows {
        let column = batch.column(self.slot);
        let mut select = |codes: &KeyMap, wanted: bool| match column.text() {
            Some(text) => text.select(&column.valid, memory, |text| codes.contains(text) == wanted),
            None => Bits::none(batch.rows()),
        };
        Rows::Some(match &self.test {
            Test::OneOf(codes) => select(codes, true),
            Test::NoneOf(codes) => select(codes, false),
            Test::Present => batch.missing(self.slot, memory).complement(),
            Test::Missing => Bits::clone(&batch.missing(self.slot, memory)),
        })
    }
}
