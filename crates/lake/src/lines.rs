//! Functions of our own queries on texts of several lines: `lines(text)` is the lines as a list, none of an empty text or
//! of NULL; `first_after(text, beginning)` is what follows in the first line that begins so, up to a tab; NULL if none
//! does.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// The function.
pub(crate) fn lines() -> ScalarUDF {
    let of = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    create_udf("lines", vec![DataType::Utf8], of, Volatility::Immutable, Arc::new(split))
}

/// The function.
pub(crate) fn first_after() -> ScalarUDF {
    let texts = vec![DataType::Utf8, DataType::Utf8];
    create_udf("first_after", texts, DataType::Utf8, Volatility::Immutable, Arc::new(find))
}

fn find(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let texts = ColumnarValue::values_to_arrays(arguments)?;
    let (texts, beginnings) = (cast(&texts[0], &DataType::Utf8)?, cast(&texts[1], &DataType::Utf8)?);
    let found: StringArray = texts
        .as_string::<i32>()
        .iter()
        .zip(beginnings.as_string::<i32>())
        .map(|(text, beginning)| {
            let (text, beginning) = (text?, beginning?);
            let rest = text.lines().find_map(|line| line.strip_prefix(beginning))?;
            rest.split('\t').next()
        })
        .collect();
    Ok(ColumnarValue::Array(Arc::new(found) as ArrayRef))
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
