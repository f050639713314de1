//! The function `lines(text)` of our own queries: the lines of a text as a list, none of an empty one or of NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// The function.
pub(crate) fn lines() -> ScalarUDF {
    let of = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    create_udf("lines", vec![DataType::Utf8], of, Volatility::Immutable, Arc::new(split))
}

fn split(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let texts = ColumnarValue::values_to_arrays(arguments)?;
    let texts = cast(&texts[0], &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let mut lists = ListBuilder::with_capacity(StringBuilder::new(), texts.len());
    for text in texts {
        for line in text.unwrap_or_default().lines() {
            lists.values().append_value(line);
        }
        lists.append(true);
    }
    Ok(ColumnarValue::Array(Arc::new(lists.finish()) as ArrayRef))
}
