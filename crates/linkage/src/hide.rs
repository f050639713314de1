//! A file with some of its columns hidden by keyed hashes, batch by batch, as Parquet.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringBuilder},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{
    error::{LinkageError, Reason},
    hash::{Hasher, Hide},
    read::{column_failed, csv_text, is_parquet, not_csv, not_parquet},
    write::{WholeFile, output_failed},
};

/// Rows of a batch.
const BATCH: usize = 8192;

/// What became of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Its name.
    pub column: String,
    /// How it was hidden.
    pub hide: Hide,
    /// Values that have a token.
    pub tokens: u64,
    /// Records without one: empty, or not readable as their kind.
    pub without: u64,
}

/// Writes `input` to `output` with the named columns hidden; the others stay as they are, or are left out.
///
/// # Errors
/// A column that the file does not have, a file that cannot be read or written.
pub fn file(
    input: &Path,
    output: &Path,
    hasher: &mut Hasher,
    columns: &[(String, Hide)],
    leave_out_others: bool,
) -> Result<Vec<Hidden>, LinkageError> {
    let unreadable = |reason: Reason| LinkageError::Input { path: input.to_owned(), reason };
    let parquet = is_parquet(input).map_err(|error| unreadable(error.into()))?;
    if parquet {
        let opened = File::open(input).map_err(|error| unreadable(error.into()))?;
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| unreadable(not_parquet(error)))?;
        let schema = builder.schema().clone();
        let batches = builder.with_batch_size(BATCH).build().map_err(|error| unreadable(not_parquet(error)))?;
        let batches = batches.map(|batch| batch.map_err(not_parquet));
        return write(input, output, &schema, batches, hasher, columns, leave_out_others);
    }
    let (text, delimiter) = csv_text(input).map_err(unreadable)?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| unreadable(not_csv(&error)))?.clone();
    let fields: Vec<Field> = headers.iter().map(|name| Field::new(name.trim(), DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let of_batch = schema.clone();
    let batches = std::iter::from_fn(move || csv_batch(&mut reader, &of_batch));
    write(input, output, &schema, batches, hasher, columns, leave_out_others)
}

fn csv_batch(reader: &mut csv::Reader<&[u8]>, schema: &SchemaRef) -> Option<Result<RecordBatch, Reason>> {
    let mut columns: Vec<StringBuilder> = schema.fields().iter().map(|_| StringBuilder::new()).collect();
    let mut record = csv::StringRecord::new();
    let mut rows = 0;
    while rows < BATCH {
        match reader.read_record(&mut record) {
            Err(error) => return Some(Err(not_csv(&error))),
            Ok(false) => break,
            Ok(true) => {
                for (column, value) in columns.iter_mut().zip(&record) {
                    column.append_option((!value.is_empty()).then_some(value));
                }
                rows += 1;
            }
        }
    }
    if rows == 0 {
        return None;
    }
    let arrays = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
    Some(RecordBatch::try_new(schema.clone(), arrays).map_err(|error| Reason::of("not a table", "不是表", &error)))
}

fn write(
    input: &Path,
    output: &Path,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, Reason>>,
    hasher: &mut Hasher,
    columns: &[(String, Hide)],
    leave_out_others: bool,
) -> Result<Vec<Hidden>, LinkageError> {
    let mut hidden: Vec<Hidden> = Vec::with_capacity(columns.len());
    for (column, hide) in columns {
        if schema.index_of(column).is_err() {
            return Err(LinkageError::Column {
                name: column.clone(),
                table: input.display().to_string(),
                found: schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", "),
            });
        }
        hidden.push(Hidden { column: column.clone(), hide: *hide, tokens: 0, without: 0 });
    }
    let place = |name: &str| columns.iter().position(|(column, _)| column == name);
    let kept: Vec<usize> = (0..schema.fields().len())
        .filter(|&at| !leave_out_others || place(schema.field(at).name()).is_some())
        .collect();
    let fields: Vec<Field> = kept
        .iter()
        .map(|&at| {
            let field = schema.field(at);
            if place(field.name()).is_some() { Field::new(field.name(), DataType::Utf8, true) } else { field.clone() }
        })
        .collect();
    let out_schema = Arc::new(Schema::new(fields));

    let mut file = WholeFile::create(output, &out_schema)?;
    for batch in batches {
        let batch = batch.map_err(|reason| LinkageError::Input { path: input.to_owned(), reason })?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(kept.len());
        for &at in &kept {
            let array = batch.column(at);
            match place(schema.field(at).name()) {
                None => arrays.push(array.clone()),
                Some(which) => {
                    let hide = hidden[which].hide;
                    let text = cast(array, &DataType::Utf8).map_err(|error| LinkageError::Input {
                        path: input.to_owned(),
                        reason: column_failed(schema.field(at).name(), &error),
                    })?;
                    let mut tokens = StringBuilder::new();
                    for value in text.as_string::<i32>() {
                        let token = value.and_then(|value| hasher.token(value, hide));
                        *(if token.is_some() { &mut hidden[which].tokens } else { &mut hidden[which].without }) += 1;
                        tokens.append_option(token);
                    }
                    arrays.push(Arc::new(tokens.finish()));
                }
            }
        }
        let batch = RecordBatch::try_new(out_schema.clone(), arrays).map_err(|error| output_failed(output, &error))?;
        file.write(&batch)?;
    }
    file.finish()?;
    Ok(hidden)
}
