//! The second reading: which rows pass, and which faults are written down.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringBuilder},
    compute::{cast, filter_record_batch},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use roaring::RoaringBitmap;
use yihe_definitions::{Dataset, Pack, Severity};

use super::{KEY_RULE, holds, severity_word};
use crate::{
    bits::Bits,
    checker::Checker,
    error::QualityError,
    figures::{Counties, CountyRows},
    outcome::Outcome,
    state::Grown,
};

/// Schema of every faults table: the row by batch and number, the rule, what a failing row means, the columns
/// looked at and the value found.
#[must_use]
pub fn faults_schema() -> SchemaRef {
    let text = |name: &str, nullable: bool| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("_batch", false),
        Field::new("_row", DataType::Int64, false),
        text("rule", false),
        text("severity", false),
        text("columns", false),
        text("found", true),
    ]))
}

/// Applies the outcome of the first reading to the rows of the second, which come in the same order.
pub(super) struct Gate<'a> {
    checker: &'a Checker,
    outcome: &'a Outcome,
    /// By rule: rows to which it does not apply.
    skipped: &'a [RoaringBitmap],
    key: &'a [String],
    next: u64,
    /// Rows that fail at least one rule.
    pub faulty: u64,
    /// Rows held back.
    pub held: u64,
    /// How counties are told apart; `None`: nothing in a row says where it belongs.
    places: Option<Counties>,
    /// Rows and failing rows by county.
    pub counties: BTreeMap<String, CountyRows>,
}

pub(super) struct Split {
    pub accepted: RecordBatch,
    pub faults: Option<RecordBatch>,
    /// Keys of rows that are held back because they are not unique; what was accepted of their records before must
    /// leave the checked table, for it is of the same pair.
    pub displaced: Option<RecordBatch>,
    pub found: Vec<GateFault>,
}

/// One rule that one row fails. The number after the last rule's is [`KEY_RULE`].
pub(super) struct GateFault {
    pub rule: usize,
    pub row: usize,
    pub columns: String,
    pub found: Option<String>,
}

impl<'a> Gate<'a> {
    pub fn new(pack: &Pack, dataset: &'a Dataset, checker: &'a Checker, grown: &'a Grown) -> Self {
        Self {
            checker,
            outcome: &grown.delivered,
            skipped: &grown.skipped,
            key: &dataset.key,
            next: grown.first_row,
            faulty: 0,
            held: 0,
            places: Counties::of(pack, dataset),
            counties: BTreeMap::new(),
        }
    }

    pub fn split(&mut self, batch: &RecordBatch) -> Result<Split, QualityError> {
        let rows = batch.num_rows();
        let first = u32::try_from(self.next).expect("the first reading bounded the rows");
        let end = u32::try_from(self.next + rows as u64).expect("the first reading bounded the rows");
        self.next += rows as u64;

        let mut faulty = Bits::none(rows);
        let mut held = Bits::none(rows);
        let mut displaced = Bits::none(rows);
        let mut writer = FaultRows::new(batch)?;
        let mut found = Vec::new();
        let place = self.places.as_ref().map(|places| places.of_rows(batch)).transpose()?.flatten();
        if let Some(place) = &place {
            for county in place.iter().flatten() {
                self.counties.entry(county.clone()).or_default().rows += 1;
            }
        }
        for (index, rule) in self.checker.rules().iter().enumerate() {
            if let Some(place) = &place {
                for row in self.skipped[index].range(first..end) {
                    let Some(county) = &place[(row - first) as usize] else { continue };
                    let county = self.counties.entry(county.clone()).or_default();
                    *county.skipped.entry(rule.id.clone()).or_default() += 1;
                }
            }
            for row in self.outcome.failed[index].range(first..end) {
                let row = (row - first) as usize;
                faulty.insert(row);
                if holds(rule.severity) {
                    held.insert(row);
                    if self.checker.is_unique_rule(index) {
                        displaced.insert(row);
                    }
                }
                let columns = self.checker.shown_columns(index).join(", ");
                let value = self.checker.found(batch, index, row);
                writer.push(row, &rule.id, rule.severity, &columns, value.as_deref());
                if let Some(county) = place.as_ref().and_then(|place| place[row].as_ref()) {
                    *self.counties.entry(county.clone()).or_default().failed.entry(rule.id.clone()).or_default() += 1;
                }
                found.push(GateFault { rule: index, row, columns, found: value });
            }
        }
        // A row that lacks a part of its key cannot be told from others and so cannot be kept by key.
        for column in self.key {
            let Some(values) = batch.column_by_name(column) else { continue };
            for row in 0..rows {
                if values.is_null(row) {
                    faulty.insert(row);
                    held.insert(row);
                    writer.push(row, KEY_RULE, Severity::Hold, column, None);
                    let rule = self.checker.rules().len();
                    found.push(GateFault { rule, row, columns: column.clone(), found: None });
                }
            }
        }
        self.faulty += faulty.count();
        self.held += held.count();
        let accepted = if held.count() == 0 {
            batch.clone()
        } else {
            let passes = BooleanArray::new(held.complement().to_buffer(), None);
            filter_record_batch(batch, &passes).expect("the mask has one bit per row")
        };
        Ok(Split { accepted, faults: writer.finish(), displaced: keys_of(self.key, batch, &displaced)?, found })
    }
}

/// The whole keys of some rows; `None` when there are none.
fn keys_of(key: &[String], batch: &RecordBatch, rows: &Bits) -> Result<Option<RecordBatch>, QualityError> {
    if rows.count() == 0 || key.is_empty() {
        return Ok(None);
    }
    let columns: Vec<usize> = key.iter().filter_map(|name| batch.schema().index_of(name).ok()).collect();
    let whole = |row: usize| columns.iter().all(|column| !batch.column(*column).is_null(row));
    let chosen: BooleanArray = (0..batch.num_rows()).map(|row| Some(rows.contains(row) && whole(row))).collect();
    Ok(Some(filter_record_batch(&batch.project(&columns)?, &chosen)?))
}

/// Builds rows of the faults table out of one batch.
struct FaultRows {
    batches: ArrayRef,
    rows: ArrayRef,
    batch: StringBuilder,
    row: Vec<i64>,
    rule: StringBuilder,
    severity: StringBuilder,
    columns: StringBuilder,
    found: StringBuilder,
}

impl FaultRows {
    fn new(batch: &RecordBatch) -> Result<Self, QualityError> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| QualityError::BatchColumn { column: name.to_owned() })
        };
        Ok(Self {
            batches: cast(column("_batch")?, &DataType::Utf8).expect("text is text"),
            rows: cast(column("_row")?, &DataType::Int64).expect("a row number is a whole number"),
            batch: StringBuilder::new(),
            row: Vec::new(),
            rule: StringBuilder::new(),
            severity: StringBuilder::new(),
            columns: StringBuilder::new(),
            found: StringBuilder::new(),
        })
    }

    fn push(&mut self, row: usize, rule: &str, severity: Severity, columns: &str, found: Option<&str>) {
        self.batch.append_value(self.batches.as_string::<i32>().value(row));
        self.row.push(self.rows.as_primitive::<Int64Type>().value(row));
        self.rule.append_value(rule);
        self.severity.append_value(severity_word(severity));
        self.columns.append_value(columns);
        self.found.append_option(found);
    }

    fn finish(mut self) -> Option<RecordBatch> {
        if self.row.is_empty() {
            return None;
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.batch.finish()),
            Arc::new(Int64Array::from(self.row)),
            Arc::new(self.rule.finish()),
            Arc::new(self.severity.finish()),
            Arc::new(self.columns.finish()),
            Arc::new(self.found.finish()),
        ];
        Some(RecordBatch::try_new(faults_schema(), columns).expect("the builders follow the schema"))
    }
}
