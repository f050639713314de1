//! `reference` and `reconcile`: keys and values of other tables.
//!
//! The other table is handed in as a set of keys ([`KeySet`]); a key is the text of its columns, so that a code
//! kept as a number in one table is found in the other.

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::RecordBatch;

use crate::{
    bits::{Bits, Rows},
    column::{Column, Memory, Reading},
    error::QualityError,
    key::{KeyMap, append_part},
    rules::{Batch, Plan, Slot, Verdict, all_valid},
};

/// Keys of a table; rows with a NULL in the key are left out.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: KeyMap,
}

impl KeySet {
    /// No key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the keys of a batch, made of these columns in this order.
    ///
    /// # Errors
    /// The batch has no such column, or the library cannot write it out as text.
    pub fn add(&mut self, batch: &RecordBatch, columns: &[String]) -> Result<(), QualityError> {
        let prepared = columns.iter().map(|name| {
            let array = batch.column_by_name(name);
            let array = array.ok_or_else(|| QualityError::BatchColumn { column: name.clone() })?;
            Column::prepare(array, Reading::Text)
        });
        let prepared: Vec<Column> = prepared.collect::<Result<_, _>>()?;
        let refs: Vec<&Column> = prepared.iter().collect();
        let mut key = Vec::new();
        for row in 0..batch.num_rows() {
            if refs.iter().all(|column| column.valid.contains(row)) {
                self.keys.insert(key_at(&refs, row, &mut key), 0);
            }
        }
        Ok(())
    }

    /// Adds a key of one column.
    pub fn insert(&mut self, text: &str) {
        self.keys.insert(text.as_bytes(), 0);
    }

    /// How many different keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Keys of other tables, by table and key columns.
#[derive(Debug, Clone, Default)]
pub struct References {
    sets: BTreeMap<(String, Vec<String>), Arc<KeySet>>,
}

impl References {
    /// No table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys of `table` made of `columns`. For `reconcile` two sets are asked for: its `key`, and its `key`
    /// followed by its `compare` ([`wanted`] lists them).
    pub fn insert(&mut self, table: &str, columns: &[String], keys: KeySet) {
        self.sets.insert((table.to_owned(), columns.to_vec()), Arc::new(keys));
    }

    /// The keys of `table` made of `columns`.
    #[must_use]
    pub fn get(&self, table: &str, columns: &[String]) -> Option<&Arc<KeySet>> {
        self.sets.get(&(table.to_owned(), columns.to_vec()))
    }

    fn need(&self, table: &str, columns: &[String]) -> Result<Arc<KeySet>, String> {
        self.get(table, columns)
            .cloned()
            .ok_or_else(|| format!("no keys of table `{table}` by `{}` were handed in", columns.join("`, `")))
    }
}

/// The key sets that rules ask for: table and columns, each once.
#[must_use]
pub fn wanted(rules: &[yihe_definitions::Rule]) -> Vec<(String, Vec<String>)> {
    let mut wanted = Vec::new();
    for rule in rules {
        match &rule.kind {
            yihe_definitions::RuleKind::Reference { table, key, .. } => wanted.push((table.clone(), key.clone())),
            yihe_definitions::RuleKind::Reconcile { table, key, compare, .. } => {
                wanted.push((table.clone(), key.clone()));
                wanted.push((table.clone(), key.iter().chain(compare).cloned().collect()));
            }
            _ => {}
        }
    }
    wanted.sort();
    wanted.dedup();
    wanted
}

/// The key is found in another table.
#[derive(Debug)]
pub struct Reference {
    slots: Vec<Slot>,
    keys: Arc<KeySet>,
}

impl Reference {
    /// Compiles the rule.
    ///
    /// # Errors
    /// No such column, different numbers of columns, or no such set of keys.
    pub fn compile(
        columns: &[String],
        table: &str,
        key: &[String],
        references: &References,
        plan: &mut Plan<'_>,
    ) -> Result<Self, String> {
        same_number(columns, key)?;
        Ok(Self { slots: plan.texts(columns)?, keys: references.need(table, key)? })
    }

    /// Rows with the whole key are evaluated.
    #[must_use]
    pub fn judge(&self, batch: &Batch<'_>, memory: &mut Memory) -> Verdict {
        let evaluated = all_valid(batch, &self.slots);
        let keys = &self.keys.keys;
        let failed = if let [slot] = self.slots.as_slice()
            && let Some(text) = batch.column(*slot).text()
        {
            text.select(&evaluated, memory, |text| !keys.contains(text))
        } else {
            let columns: Vec<&Column> = self.slots.iter().map(|slot| batch.column(*slot)).collect();
            let mut key = Vec::new();
            Bits::collect(batch.rows(), |row| {
                evaluated.contains(row) && !keys.contains(key_at(&columns, row, &mut key))
            })
        };
        Verdict { evaluated, failed }
    }
}

/// Where another source knows the key, it has the same values.
#[derive(Debug)]
pub struct Reconcile {
    key: Vec<Slot>,
    whole: Vec<Slot>,
    keys: Arc<KeySet>,
    rows: Arc<KeySet>,
    required: bool,
}

impl Reconcile {
    /// Compiles the rule.
    ///
    /// # Errors
    /// No such column, different numbers of columns, or no such sets of keys.
    pub fn compile(
        columns: &[String],
        (table, key): (&str, &[String]),
        compare: &[String],
        required: bool,
        references: &References,
        plan: &mut Plan<'_>,
    ) -> Result<Self, String> {
        same_number(columns, key)?;
        if compare.is_empty() {
            return Err("has an empty `compare`, expected the columns that must be the same".to_owned());
        }
        let whole: Vec<String> = columns.iter().chain(compare).cloned().collect();
        let other: Vec<String> = key.iter().chain(compare).cloned().collect();
        Ok(Self {
            key: plan.texts(columns)?,
            whole: plan.texts(&whole)?,
            keys: references.need(table, key)?,
            rows: references.need(table, &other)?,
            required,
        })
    }

    /// Rows are evaluated that have the key and the values, and whose key the other source knows (or must know).
    #[must_use]
    pub fn judge(&self, batch: &Batch<'_>) -> Verdict {
        let rows = batch.rows();
        let complete = all_valid(batch, &self.whole);
        let key: Vec<&Column> = self.key.iter().map(|slot| batch.column(*slot)).collect();
        let whole: Vec<&Column> = self.whole.iter().map(|slot| batch.column(*slot)).collect();
        let mut evaluated = Bits::none(rows);
        let mut failed = Bits::none(rows);
        let mut buffer = Vec::new();
        for row in (0..rows).filter(|row| complete.contains(*row)) {
            if self.rows.keys.contains(key_at(&whole, row, &mut buffer)) {
                evaluated.insert(row);
            } else if self.required || self.keys.keys.contains(key_at(&key, row, &mut buffer)) {
                evaluated.insert(row);
                failed.insert(row);
            }
        }
        Verdict { evaluated: Rows::Some(evaluated), failed }
    }
}

fn same_number(columns: &[String], key: &[String]) -> Result<(), String> {
    if columns.len() == key.len() {
        return Ok(());
    }
    Err(format!("has {} `columns` and {} `key` columns, expected as many", columns.len(), key.len()))
}

/// The key of a row: the text itself for one column, the parts one after another for several.
pub(crate) fn key_at<'a>(columns: &[&'a Column], row: usize, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if let [column] = columns {
        return column.text().map_or(b"", |text| text.value(row));
    }
    buffer.clear();
    for column in columns {
        append_part(buffer, column.text().map_or(b"", |text| text.value(row)));
    }
    buffer
}
