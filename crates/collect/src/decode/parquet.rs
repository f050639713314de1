//! Parquet files, and tables of foreign databases, which are spooled as Parquet first.

use std::{fs::File, path::Path};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, new_null_array},
    datatypes::DataType,
    util::display::{ArrayFormatter, FormatOptions},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use yihe_definitions::Dataset;

use super::{Sink, read_error};
use crate::{error::CollectError, fit, headers::Headers, record::Record};

pub(super) fn decode(path: &Path, dataset: &Dataset, sink: &mut dyn Sink) -> Result<(), CollectError> {
    let file = File::open(path).map_err(read_error(path))?;
    let damaged = |detail: String| CollectError::Parquet { detail };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let headers = Headers::matched(dataset, &names, 1)?;
    sink.columns(&headers)?;
    let ready = dataset.columns.iter().zip(&headers.places).all(|(column, place)| {
        let given = place.map(|place| builder.schema().field(place).data_type());
        !column.required && given.is_none_or(|given| *given == fit::data_type(column.column_type))
    });
    let reader = builder.with_batch_size(fit::BATCH_ROWS).build().map_err(|error| damaged(error.to_string()))?;
    let mut row = 0;
    let mut record = Record::default();
    for batch in reader {
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        if ready {
            sink.typed(&reordered(&batch, dataset, &headers))?;
        } else {
            push_rows(&batch, &mut row, &mut record, sink)?;
        }
    }
    Ok(())
}

/// The dataset's columns in their order; columns that the file does not have are null.
fn reordered(batch: &RecordBatch, dataset: &Dataset, headers: &Headers) -> RecordBatch {
    let schema = fit::landing_schema(dataset);
    let schema = std::sync::Arc::new(
        schema.project(&(0..dataset.columns.len()).collect::<Vec<_>>()).expect("declared columns come first"),
    );
    let columns: Vec<ArrayRef> = dataset
        .columns
        .iter()
        .zip(&headers.places)
        .map(|(column, place)| match place {
            Some(place) => batch.column(*place).clone(),
            None => new_null_array(&fit::data_type(column.column_type), batch.num_rows()),
        })
        .collect();
    RecordBatch::try_new(schema, columns).expect("types were compared before")
}

fn push_rows(batch: &RecordBatch, row: &mut u64, record: &mut Record, sink: &mut dyn Sink) -> Result<(), CollectError> {
    let options = FormatOptions::default().with_display_error(true);
    let mut formatters = Vec::with_capacity(batch.num_columns());
    for column in batch.columns() {
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options)
            .map_err(|error| CollectError::Parquet { detail: error.to_string() })?;
        formatters.push((formatter, column, column.data_type() == &DataType::Null));
    }
    let mut text = String::new();
    for index in 0..batch.num_rows() {
        *row += 1;
        record.start(*row);
        for (formatter, column, null) in &formatters {
            text.clear();
            if !null && column.is_valid(index) {
                use std::fmt::Write;
                write!(text, "{}", formatter.value(index)).expect("writing to a string");
            }
            record.push(&text);
        }
        sink.record(record)?;
    }
    Ok(())
}
