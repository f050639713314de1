//! How a table's rows lie on disk: plain, or in hash buckets of a business key.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::LakeError;
use crate::name::TableName;

/// The partition column of keyed tables, an int32. Other engines see it; our scans leave it out.
pub const BUCKET_COLUMN: &str = "_bucket";

/// Between the texts of a compound key (ASCII unit separator). Should a key hold it, two keys may
/// share a bucket; keys themselves are compared column by column, so nothing else follows.
const KEY_SEPARATOR: u8 = 0x1f;

/// How a table's rows lie on disk. It is fixed when the table is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Columns that together identify a row; empty for tables that are only appended to.
    pub(crate) key: Vec<String>,
    /// Number of hash buckets; 0 exactly when `key` is empty.
    pub(crate) buckets: u32,
    /// Columns that rows are found by, besides the key.
    pub(crate) found_by: Vec<String>,
}

impl Layout {
    /// Most buckets a table may have.
    pub const BUCKETS_MAX: u32 = 4096;

    /// Rows without a key, kept in the order in which they were appended.
    #[must_use]
    pub const fn rows() -> Self {
        Self { key: Vec::new(), buckets: 0, found_by: Vec::new() }
    }

    /// Rows identified by `key`, in `buckets` partitions (1 to 4096), sorted by key within each.
    ///
    /// Choose so many buckets that one holds no more than two million rows: an upsert rewrites
    /// every bucket it touches, with one bucket's new rows per thread in memory.
    #[must_use]
    pub fn keyed(key: impl IntoIterator<Item = impl Into<String>>, buckets: u32) -> Self {
        Self {
            key: key.into_iter().map(Into::into).collect(),
            buckets: buckets.clamp(1, Self::BUCKETS_MAX),
            found_by: Vec::new(),
        }
    }

    /// Lets rows be found by text columns besides the key ([`crate::Lake::find`]), whose values should nearly all
    /// differ: files get a filter for each, of about two bytes a row. A table may be given this later; its files
    /// have the filters from when they are written anew.
    #[must_use]
    pub fn found_by(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.found_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Buckets for a table that will hold about `rows` rows, at one million rows a bucket.
    #[must_use]
    pub fn buckets_for(rows: u64) -> u32 {
        let wanted = rows.div_ceil(1_000_000).next_power_of_two();
        u32::try_from(wanted).unwrap_or(Self::BUCKETS_MAX).clamp(1, Self::BUCKETS_MAX)
    }

    /// The key's columns, in order; empty for tables without a key.
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// Columns that rows are found by, besides the key.
    #[must_use]
    pub fn filtered(&self) -> &[String] {
        &self.found_by
    }

    /// Number of buckets; 0 for tables without a key.
    #[must_use]
    pub const fn buckets(&self) -> u32 {
        self.buckets
    }

    /// True for tables that identify rows by a key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        !self.key.is_empty()
    }
}

/// The bucket of a key given as texts, in the key's column order.
///
/// xxh3 (64 bits) of the texts joined by U+001F, modulo `buckets`. The texts are those of
/// Arrow's cast to UTF-8: a date is `2024-01-31`, an integer has no sign or leading zeros.
#[must_use]
pub fn bucket_of(key: &[&str], buckets: u32) -> u32 {
    let mut text = Vec::with_capacity(64);
    for (index, part) in key.iter().enumerate() {
        if index > 0 {
            text.push(KEY_SEPARATOR);
        }
        text.extend_from_slice(part.as_bytes());
    }
    bucket_of_bytes(&text, buckets)
}

fn bucket_of_bytes(text: &[u8], buckets: u32) -> u32 {
    let bucket = xxh3_64(text) % u64::from(buckets.max(1));
    u32::try_from(bucket).expect("a remainder is below its divisor, a u32")
}

/// The bucket of every row of `batch`, whose columns `key` are the key.
///
/// # Errors
/// [`LakeError::Rows`] when a key column is absent or a row lacks a part of its key.
pub(crate) fn buckets_of(
    table: &TableName,
    batch: &RecordBatch,
    key: &[String],
    buckets: u32,
) -> Result<Vec<u32>, LakeError> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(key.len());
    for name in key {
        let Some(column) = batch.column_by_name(name) else {
            return Err(LakeError::NoColumn { table: table.clone(), column: name.clone() });
        };
        if column.null_count() > 0 {
            return Err(LakeError::Rows {
                table: table.clone(),
                difference: format!(
                    "{} of {} rows have nothing in key column `{name}`",
                    column.null_count(),
                    batch.num_rows()
                ),
            });
        }
        let text = cast(column, &DataType::Utf8).map_err(|source| LakeError::Arrow {
            action: "write the key as text for",
            table: table.clone(),
            source,
        })?;
        columns.push(text);
    }
    let texts: Vec<_> = columns.iter().map(AsArray::as_string::<i32>).collect();
    let mut found = Vec::with_capacity(batch.num_rows());
    let mut joined = Vec::with_capacity(64);
    for row in 0..batch.num_rows() {
        if let [only] = texts.as_slice() {
            found.push(bucket_of_bytes(only.value(row).as_bytes(), buckets));
            continue;
        }
        joined.clear();
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                joined.push(KEY_SEPARATOR);
            }
            joined.extend_from_slice(text.value(row).as_bytes());
        }
        found.push(bucket_of_bytes(&joined, buckets));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn a_row_and_its_key_as_text_fall_in_the_same_bucket() {
        let schema =
            Schema::new(vec![Field::new("id", DataType::Utf8, false), Field::new("day", DataType::Date32, false)]);
        let batch = RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(StringArray::from(vec!["371302198001010011", "沂河"])),
                Arc::new(Date32Array::from(vec![0, 19_753])),
            ],
        )
        .expect("columns fit the schema");
        let table = TableName::new(crate::Zone::Checked, "t").expect("a valid name");
        let key = ["id".to_owned(), "day".to_owned()];
        let rows = buckets_of(&table, &batch, &key, 64).expect("keys are whole");
        assert_eq!(rows[0], bucket_of(&["371302198001010011", "1970-01-01"], 64));
        assert_eq!(rows[1], bucket_of(&["沂河", "2024-01-31"], 64));
    }

    #[test]
    fn buckets_hold_about_a_million_rows() {
        assert_eq!(Layout::buckets_for(0), 1);
        assert_eq!(Layout::buckets_for(1_000_000), 1);
        assert_eq!(Layout::buckets_for(11_000_000), 16);
        assert_eq!(Layout::buckets_for(u64::MAX / 4), Layout::BUCKETS_MAX);
    }
}
