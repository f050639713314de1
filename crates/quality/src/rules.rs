//! One file per kind of rule; here is what they have in common.
//!
//! A row rule is compiled once against the table's schema and then judges batches. It answers with two sets of
//! rows: those it evaluated (they had a value, and `when` held) and, among them, those that failed.

pub mod citizen;
pub mod code_list;
pub mod implied;
pub mod order;
pub mod predicate;
pub mod present;
pub mod range;
pub mod reference;
pub mod table;
pub mod text;
pub mod unique;
pub mod when;

use std::{cell::RefCell, rc::Rc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema},
};

use crate::{
    bits::{Bits, Rows},
    column::{Class, Column, Memory, Reading},
    error::QualityError,
};

/// The answer of a rule for one batch.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Rows that were judged.
    pub evaluated: Rows,
    /// Rows among them that failed.
    pub failed: Bits,
}

/// A column as a rule reads it; its place among the prepared columns of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(usize);

/// Which columns of a table are read, and how. Rules that read a column the same way share its preparation.
#[derive(Debug)]
pub struct Plan<'a> {
    schema: &'a Schema,
    slots: Vec<(String, Reading)>,
}

impl<'a> Plan<'a> {
    /// Nothing is read yet.
    #[must_use]
    pub const fn new(schema: &'a Schema) -> Self {
        Self { schema, slots: Vec::new() }
    }

    /// The class of a column.
    ///
    /// # Errors
    /// The schema has no such column.
    pub fn class(&self, column: &str) -> Result<Class, String> {
        match self.schema.field_with_name(column) {
            Ok(field) => Ok(Class::of(field.data_type())),
            Err(_) => Err(format!("the table has no column `{column}`")),
        }
    }

    /// Where the column will stand.
    ///
    /// # Errors
    /// The schema has no such column, or it holds a type that cannot be read so.
    pub fn slot(&mut self, column: &str, reading: Reading) -> Result<Slot, String> {
        let class = self.class(column)?;
        let has_text = || self.schema.field_with_name(column).is_ok_and(|field| has_text(field.data_type()));
        if reading == Reading::Text && class == Class::Other && !has_text() {
            return Err(format!("column `{column}` holds {}, expected text", class.name()));
        }
        let reading = if class == Class::Text { Reading::Text } else { reading };
        let known = self.slots.iter().position(|(name, known)| name == column && *known == reading);
        Ok(Slot(known.unwrap_or_else(|| {
            self.slots.push((column.to_owned(), reading));
            self.slots.len() - 1
        })))
    }

    /// Places for several columns, as text.
    ///
    /// # Errors
    /// As [`Self::slot`].
    pub fn texts(&mut self, columns: &[String]) -> Result<Vec<Slot>, String> {
        columns.iter().map(|column| self.slot(column, Reading::Text)).collect()
    }

    /// What to prepare of each batch, in order.
    #[must_use]
    pub fn into_slots(self) -> Vec<(String, Reading)> {
        self.slots
    }
}

/// Whether values of a type that no kernel knows can be written out all the same.
fn has_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => has_text(values),
        DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Decimal256(..)
        | DataType::FixedSizeBinary(_) => true,
        _ => false,
    }
}

/// A batch whose columns are prepared.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The batch as it came.
    pub record_batch: &'a RecordBatch,
    /// By slot.
    pub columns: Vec<Column>,
    /// Rows whose text is a citizen's number, by slot; several rules ask.
    citizens: Shared,
    /// Rows without a value, blank text among them, by slot.
    missing: Shared,
}

/// Answers that several rules ask for.
type Shared = RefCell<Vec<(Slot, Rc<Bits>)>>;

fn shared(answers: &Shared, slot: Slot, ask: impl FnOnce() -> Bits) -> Rc<Bits> {
    let known = answers.borrow().iter().find(|(known, _)| *known == slot).map(|(_, bits)| bits.clone());
    known.unwrap_or_else(|| {
        let bits = Rc::new(ask());
        answers.borrow_mut().push((slot, bits.clone()));
        bits
    })
}

impl<'a> Batch<'a> {
    /// A batch with its prepared columns, by slot.
    #[must_use]
    pub fn new(record_batch: &'a RecordBatch, columns: Vec<Column>) -> Self {
        Self { record_batch, columns, citizens: RefCell::default(), missing: RefCell::default() }
    }

    /// Rows that have an 18-character citizen's number that adds up.
    #[must_use]
    pub fn citizens(&self, slot: Slot, memory: &mut Memory) -> Rc<Bits> {
        shared(&self.citizens, slot, || {
            let column = self.column(slot);
            match column.text() {
                Some(text) => text.select(&column.valid, memory, yihe_vocabulary::citizen_id::is_valid),
                None => Bits::none(self.rows()),
            }
        })
    }

    /// Rows without a value, blank text among them.
    #[must_use]
    pub fn missing(&self, slot: Slot, memory: &mut Memory) -> Rc<Bits> {
        shared(&self.missing, slot, || present::missing(self, slot, memory))
    }

    /// Rows of the batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.record_batch.num_rows()
    }

    /// The column of a slot.
    #[must_use]
    pub fn column(&self, slot: Slot) -> &Column {
        &self.columns[slot.0]
    }
}

/// A rule that judges single rows.
#[derive(Debug)]
pub enum RowRule {
    /// A value is there.
    Present(present::Present),
    /// One text, one test.
    Text(text::TextRule),
    /// A code that was valid on a day.
    DatedCode(code_list::DatedCode),
    /// Between two bounds.
    Range(range::Range),
    /// What a citizen's number says of its holder.
    Citizen(citizen::Citizen),
    /// One before the other.
    Order(order::Order),
    /// A key of another table.
    Reference(reference::Reference),
    /// The same values as another source.
    Reconcile(reference::Reconcile),
    /// An expression of the query engine.
    Predicate(predicate::Predicate),
}

impl RowRule {
    /// Judges the rows of a batch.
    ///
    /// # Errors
    /// The predicate of an engine stopped; other kinds do not fail.
    pub fn judge(&self, batch: &Batch<'_>, memory: &mut Memory) -> Result<Verdict, QualityError> {
        match self {
            Self::Present(rule) => Ok(rule.judge(batch, memory)),
            Self::Text(rule) => Ok(rule.judge(batch, memory)),
            Self::DatedCode(rule) => Ok(rule.judge(batch)),
            Self::Range(rule) => Ok(rule.judge(batch, memory)),
            Self::Citizen(rule) => Ok(rule.judge(batch, memory)),
            Self::Order(rule) => Ok(rule.judge(batch)),
            Self::Reference(rule) => Ok(rule.judge(batch, memory)),
            Self::Reconcile(rule) => Ok(rule.judge(batch)),
            Self::Predicate(rule) => rule.judge(batch),
        }
    }

    /// As [`Self::judge`], where a stricter rule has left only `suspects` that can fail.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn judge_suspects(
        &self,
        batch: &Batch<'_>,
        suspects: &Bits,
        memory: &mut Memory,
    ) -> Result<Verdict, QualityError> {
        match self {
            Self::Present(rule) => Ok(rule.judge_suspects(batch, suspects)),
            Self::Text(rule) => Ok(rule.judge_suspects(batch, suspects)),
            Self::Range(rule) => Ok(rule.judge_suspects(batch, suspects)),
            _ => self.judge(batch, memory),
        }
    }
}

/// Rows in which all of these columns have a value.
#[must_use]
pub fn all_valid(batch: &Batch<'_>, slots: &[Slot]) -> Rows {
    slots.iter().fold(Rows::All, |rows, slot| rows.and(&batch.column(*slot).valid))
}
