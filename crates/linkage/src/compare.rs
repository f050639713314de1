//! Which level two records reach in each comparison: the hot path, a few nanoseconds per comparison.

use std::collections::HashMap;

use crate::{
    error::LinkageError,
    field::Field,
    levels::Steps,
    model::{Comparison, Key, Model, Reads, Test},
    records::{MISSING, Records, ValueId},
};

/// Levels of all comparisons, four bits each, the first comparison lowest; 0 is missing, 1 the first level.
pub type Pattern = u64;

/// The level of one comparison in a pattern: 0 where a value is missing.
#[must_use]
pub fn level(pattern: Pattern, comparison: usize) -> usize {
    (pattern >> (4 * comparison) & 0xf) as usize
}

/// A model's comparisons on these records.
#[derive(Debug)]
pub struct Comparer {
    /// Fields by column and reading, each once.
    pub fields: Vec<Field>,
    /// One per comparison of the model.
    pub comparisons: Vec<Prepared>,
    /// Values of every comparison, record by record: what two records need stands in one place each.
    ids: Vec<ValueId>,
}

/// One comparison, ready.
#[derive(Debug)]
pub struct Prepared {
    /// Which field.
    pub field: usize,
    steps: Steps,
    /// For `swapped`: number of each value of the one column in the other.
    swapped: Option<Swapped>,
    /// Whether only equality counts, so that two values that differ are at the last level.
    only_exact: bool,
    /// Number of the last level.
    last: u64,
}

#[derive(Debug)]
struct Swapped {
    other: usize,
    to_other: Vec<ValueId>,
}

impl Comparer {
    /// The keys of a model's rules with their fields, as [`Self::with_keys`] read them.
    pub(crate) fn key_fields<'c>(&'c self, model: &Model, of_keys: &[usize]) -> Vec<(Key, &'c Field)> {
        let keys = model.blocking.iter().flat_map(|rule| &rule.keys);
        keys.zip(of_keys).map(|(key, &field)| (key.clone(), &self.fields[field])).collect()
    }

    /// Reads every column that the model compares or blocks by; returns also the field of every key, rule by rule.
    ///
    /// # Errors
    /// A column that the records do not have.
    pub(crate) fn with_keys(model: &Model, records: &Records) -> Result<(Self, Vec<usize>), LinkageError> {
        let mut comparer = Self::new(model, records)?;
        let mut of_keys = Vec::new();
        for key in model.blocking.iter().flat_map(|rule| &rule.keys) {
            let column = records.column(&key.column)?;
            let known = comparer.fields.iter().position(|field| field.column == column && field.reads == key.reads);
            of_keys.push(known.unwrap_or_else(|| {
                comparer.fields.push(Field::read(records, column, None, key.reads));
                comparer.fields.len() - 1
            }));
        }
        Ok((comparer, of_keys))
    }

    /// Reads every column that the model compares.
    ///
    /// # Errors
    /// A column that the records do not have.
    pub fn new(model: &Model, records: &Records) -> Result<Self, LinkageError> {
        let mut fields = Fields::default();
        let mut comparisons = Vec::with_capacity(model.comparisons.len());
        for comparison in &model.comparisons {
            comparisons.push(prepare(comparison, records, &mut fields)?);
        }
        let fields = fields.read;
        let mut ids = Vec::with_capacity(records.rows * comparisons.len());
        for row in 0..records.rows {
            ids.extend(comparisons.iter().map(|comparison| fields[comparison.field].ids[row]));
        }
        Ok(Self { fields, comparisons, ids })
    }

    /// The pattern of two records.
    #[must_use]
    pub fn pattern(&self, left: usize, right: usize) -> Pattern {
        let mut pattern = 0;
        let width = self.comparisons.len();
        let (of_left, of_right) = (&self.ids[left * width..][..width], &self.ids[right * width..][..width]);
        for (at, (comparison, (&a, &b))) in self.comparisons.iter().zip(of_left.iter().zip(of_right)).enumerate() {
            if a == MISSING || b == MISSING {
                continue;
            }
            let level = if a == b {
                1
            } else if comparison.only_exact {
                comparison.last
            } else {
                comparison.level(&self.fields[comparison.field], (a, b), |swapped| {
                    let other = &self.fields[swapped.other];
                    let (x, y) = (other.ids[left], other.ids[right]);
                    x != MISSING && swapped.to_other[b as usize] == x && swapped.to_other[a as usize] == y
                })
            };
            pattern |= level << (4 * at);
        }
        pattern
    }
}

impl Prepared {
    /// The level of two different values.
    fn level(&self, field: &Field, ids: (ValueId, ValueId), is_swapped: impl Fn(&Swapped) -> bool) -> u64 {
        let swapped = || self.swapped.as_ref().is_some_and(&is_swapped);
        self.steps.level(field, ids, swapped).unwrap_or(self.last)
    }
}

#[derive(Default)]
struct Fields {
    read: Vec<Field>,
    known: HashMap<(usize, Reads), usize>,
}

impl Fields {
    fn get(&mut self, records: &Records, column: usize, with: Option<usize>, reads: Reads) -> usize {
        if let Some(&at) = self.known.get(&(column, reads)) {
            return at;
        }
        self.read.push(Field::read(records, column, with, reads));
        self.known.insert((column, reads), self.read.len() - 1);
        self.read.len() - 1
    }
}

fn prepare(comparison: &Comparison, records: &Records, fields: &mut Fields) -> Result<Prepared, LinkageError> {
    let column = records.column(&comparison.column)?;
    let with = comparison.with.as_deref().map(|name| records.column(name)).transpose()?;
    let field = fields.get(records, column, with, comparison.reads);
    let asks = |test: Test| comparison.levels.iter().any(|level| level.when == test);
    let swapped = match with {
        Some(with) if asks(Test::Swapped) => {
            let other = fields.get(records, with, None, comparison.reads);
            let numbers: HashMap<&str, ValueId> = fields.read[other]
                .values
                .iter()
                .enumerate()
                .map(|(id, value)| (value.as_ref(), id as ValueId))
                .collect();
            let to_other = fields.read[field]
                .values
                .iter()
                .map(|value| numbers.get(value.as_ref()).copied().unwrap_or(MISSING))
                .collect();
            Some(Swapped { other, to_other })
        }
        _ => None,
    };
    Ok(Prepared {
        field,
        steps: Steps::new(comparison),
        swapped,
        only_exact: comparison.levels.len() == 2 && asks(Test::Exact),
        last: comparison.levels.len() as u64,
    })
}
