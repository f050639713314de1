//! `unique`: no two rows with the same key, exactly, in the same pass.
//!
//! Every key goes into one of [`PARTITIONS`](crate::key_store::PARTITIONS) by its bits. At the end each partition
//! is searched on its own, in a table that fits the processor's cache. Keys that fit into a number are compared as
//! numbers ([`crate::key::packed`] maps no two texts to the same one); longer keys keep their bytes and are
//! compared byte by byte where hashes are equal. So there is no false duplicate and no second pass over the table.

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    bits::{Bits, Rows},
    column::{Class, Column, Data, Reading, TextData, each_plain},
    error::QualityError,
    key::{packed, parts, unpacked},
    key_store::KeyStore,
    rules::{Batch, Plan, Slot, all_valid, reference::key_at},
    value,
};

/// A key that no two rows may share.
#[derive(Debug)]
pub struct Unique {
    slots: Vec<Slot>,
    form: Form,
}

/// What a number in the store stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A whole number or a count of microseconds, itself.
    Integer,
    /// Days since 1970-01-01.
    Day,
    /// A text, packed.
    Text,
    /// Several texts, one after another with their lengths, packed.
    Texts,
}

impl Unique {
    /// Compiles the rule.
    ///
    /// # Errors
    /// No such column, no column at all, or one of a nested type.
    pub fn compile(columns: &[String], plan: &mut Plan<'_>) -> Result<Self, String> {
        let (slots, form) = match columns {
            [] => return Err("has an empty `columns`, expected the columns of the key".to_owned()),
            [column] => match plan.class(column)? {
                Class::Integer => (vec![plan.slot(column, Reading::Native)?], Form::Integer),
                Class::Day => (vec![plan.slot(column, Reading::Native)?], Form::Day),
                _ => (vec![plan.slot(column, Reading::Text)?], Form::Text),
            },
            several => (plan.texts(several)?, Form::Texts),
        };
        Ok(Self { slots, form })
    }

    /// How keys are kept.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Keeps the keys of the rows in `rows` that have one, and says which those are.
    ///
    /// # Errors
    /// A key beyond the store's bound.
    pub fn keep(
        &self,
        batch: &Batch<'_>,
        rows: &Rows,
        first_row: u32,
        store: &mut KeyStore,
    ) -> Result<Rows, QualityError> {
        let evaluated = all_valid(batch, &self.slots).and(rows);
        let number = |row: usize| first_row + row as u32;
        if let [slot] = self.slots.as_slice() {
            let column = batch.column(*slot);
            match &column.data {
                Data::Integers(values) => {
                    evaluated.each(batch.rows(), |row| store.put_number(values[row].cast_unsigned(), number(row)));
                }
                Data::Days(values) => {
                    evaluated.each(batch.rows(), |row| {
                        store.put_number(u64::from(values[row].cast_unsigned()), number(row));
                    });
                }
                Data::Text(text) => {
                    let mut refusal = None;
                    each_plain!(
                        text,
                        value => evaluated.each(batch.rows(), |row| {
                            put(store, value(row), number(row), &mut refusal);
                        }),
                        TextData::Dictionary { .. } => evaluated.each(batch.rows(), |row| {
                            put(store, text.value(row), number(row), &mut refusal);
                        })
                    );
                    if let Some(refusal) = refusal {
                        return Err(refusal);
                    }
                }
                _ => return Ok(Rows::Some(Bits::none(batch.rows()))),
            }
            return Ok(evaluated);
        }
        let columns: Vec<&Column> = self.slots.iter().map(|slot| batch.column(*slot)).collect();
        let mut buffer = Vec::new();
        let mut refusal = None;
        evaluated.each(batch.rows(), |row| {
            put(store, key_at(&columns, row, &mut buffer), number(row), &mut refusal);
        });
        refusal.map_or(Ok(evaluated), Err)
    }
}

#[inline]
fn put(store: &mut KeyStore, text: &[u8], row: u32, refusal: &mut Option<QualityError>) {
    match packed(text) {
        Some(number) => store.put_number(number, row),
        None => {
            if let Err(error) = store.put_bytes(xxh3_64(text), text, row) {
                refusal.get_or_insert(error);
            }
        }
    }
}

/// A key in writing, as a report shows it.
#[must_use]
pub fn written(form: Form, number: Option<u64>, bytes: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let bytes = match (number, form) {
        (Some(number), Form::Integer) => return number.cast_signed().to_string(),
        (Some(number), Form::Day) => {
            // Days were widened without sign; the low half is the number of days.
            let (year, month, day) = value::civil_from_days((number as u32).cast_signed());
            return format!("{year:04}-{month:02}-{day:02}");
        }
        (Some(number), Form::Text | Form::Texts) => unpacked(number),
        (None, _) => bytes.to_vec(),
    };
    let shown = match form {
        Form::Texts => match parts(&bytes) {
            Some(parts) => parts.into_iter().map(text).collect::<Vec<_>>().join(", "),
            None => text(&bytes),
        },
        _ => text(&bytes),
    };
    value::cut(shown)
}
