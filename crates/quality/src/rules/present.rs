//! `not_null`: a value is there (GB/T 36344, completeness).

use crate::{
    bits::{Bits, Rows},
    column::{Memory, Reading},
    rules::{Batch, Plan, Slot, Verdict},
    value::is_blank,
};

/// A value is there; blank text counts as missing.
#[derive(Debug)]
pub struct Present {
    slot: Slot,
}

impl Present {
    /// Compiles the rule.
    ///
    /// # Errors
    /// The table has no such column.
    pub fn compile(column: &str, plan: &mut Plan<'_>) -> Result<Self, String> {
        Ok(Self { slot: plan.slot(column, Reading::Native)? })
    }

    /// Where the value stands.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// As [`Self::judge`], where of the rows with a value only `suspects` can fail.
    #[must_use]
    pub fn judge_suspects(&self, batch: &Batch<'_>, suspects: &Bits) -> Verdict {
        let column = batch.column(self.slot);
        let mut failed = match &column.valid {
            Rows::All => Bits::none(batch.rows()),
            Rows::Some(valid) => valid.complement(),
        };
        if let Some(text) = column.text() {
            for row in suspects.iter().filter(|row| is_blank(text.value(*row))) {
                failed.insert(row);
            }
        }
        Verdict { evaluated: Rows::All, failed }
    }

    /// Every row is evaluated.
    #[must_use]
    pub fn judge(&self, batch: &Batch<'_>, memory: &mut Memory) -> Verdict {
        Verdict { evaluated: Rows::All, failed: Bits::clone(&batch.missing(self.slot, memory)) }
    }
}

/// Rows without a value. Ask [`Batch::missing`], which asks once.
pub(super) fn missing(batch: &Batch<'_>, slot: Slot, memory: &mut Memory) -> Bits {
    let column = batch.column(slot);
    let mut missing = match &column.valid {
        Rows::All => Bits::none(batch.rows()),
        Rows::Some(valid) => valid.complement(),
    };
    if let Some(text) = column.text() {
        missing.unite(&text.select(&column.valid, memory, is_blank));
    }
    missing
}
