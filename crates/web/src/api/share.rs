//! The door through which records leave: one record by its key. Rights, masks, quota, use record and ledger
//! entry are `exchange`'s; this file only reads the call and writes the answer.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray as _},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float64Type, Int64Type},
    error::ArrowError,
    record_batch::RecordBatch,
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    response::IntoResponse,
};
use serde_json::{Map, Value, json};
use yihe_exchange::{Call, Door};

use crate::{
    guard::Bearer,
    problem::{Kind, Problem},
    serve::{Answer, internal, request::refused},
    state::AppState,
    visit::Visit,
};

/// Headers that a supply call carries beside its token: name, whether it must be there, meaning.
pub const HEADERS: [(&str, bool, &str); 2] = [
    (CASE_HEADER, true, "Number of the case for which the data is needed, percent-encoded UTF-8"),
    (PURPOSE_HEADER, false, "Purpose of this call, percent-encoded UTF-8; must be the grant's when it is sent"),
];

const CASE_HEADER: &str = "X-Yihe-Case";
const PURPOSE_HEADER: &str = "X-Yihe-Purpose";
/// The receipt: identifier of the use record.
const RECEIPT_HEADER: HeaderName = HeaderName::from_static("x-yihe-receipt");
/// Most parts of a key.
const KEY_PARTS_MAX: usize = 16;

/// `GET /api/v1/share/{resource}/records/{*key}`
pub async fn record(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((resource, _)): Path<(String, String)>,
    Extension(bearer): Extension<Bearer>,
    headers: HeaderMap,
) -> Answer {
    let key = key_parts(&visit.path)?;
    let parts: Vec<&str> = key.iter().map(String::as_str).collect();
    let case_number = text_of(&headers, CASE_HEADER)?.unwrap_or_default();
    let purpose = text_of(&headers, PURPOSE_HEADER)?;
    let call = Call {
        token: &bearer.0,
        resource: &resource,
        key: &parts,
        purpose: purpose.as_deref(),
        case_number: &case_number,
        door: Door::Rest,
    };
    let supplied = state.exchange.supply(&call, state.clock.now()).await.map_err(refused)?;
    let records = rows(&supplied.batches).map_err(internal)?;
    let body = json!({
        "receipt": supplied.receipt,
        "grant": supplied.grant,
        "entry": supplied.entry,
        "table_version": supplied.table_version,
        "records": records,
    });
    let receipt = HeaderValue::try_from(&supplied.receipt).map_err(internal)?;
    Ok(([(RECEIPT_HEADER, receipt)], Json(body)).into_response())
}

/// The key's parts as they stand between slashes behind `/records/`. Each is decoded by itself, so a part may
/// hold a slash as `%2F`.
fn key_parts(path: &str) -> Result<Vec<String>, Problem> {
    let (_, key) = path.split_once("/records/").ok_or(Kind::NotFound)?;
    let parts: Vec<&str> = key.split('/').collect();
    if parts.len() > KEY_PARTS_MAX {
        return Err(Problem::saying(
            Kind::Malformed,
            format!("主键有 {} 部分，最多 {KEY_PARTS_MAX} 部分。", parts.len()),
            format!("The key has {} parts, at most {KEY_PARTS_MAX} are taken.", parts.len()),
        ));
    }
    parts.into_iter().map(decoded).collect()
}

/// Text of a header; HTTP carries ASCII, so anything else comes percent-encoded.
fn text_of(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| {
        Problem::saying(
            Kind::Malformed,
            format!("请求头 {name} 应为百分号编码的 UTF-8。"),
            format!("The header {name} is percent-encoded UTF-8."),
        )
    })?;
    decoded(text).map(Some)
}

fn decoded(text: &str) -> Result<String, Problem> {
    percent_encoding::percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| {
        Problem::saying(Kind::Malformed, "百分号编码解出来不是 UTF-8。", "What was percent-encoded is not UTF-8.")
    })
}

/// Rows as JSON objects: whole numbers and floats as numbers, decimals as text so that no digit is lost, dates
/// and instants as ISO 8601.
fn rows(batches: &[RecordBatch]) -> Result<Vec<Value>, ArrowError> {
    let mut rows = Vec::new();
    for batch in batches {
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            columns.push((field.name().clone(), cells(array.as_ref())?));
        }
        for row in 0..batch.num_rows() {
            let record: Map<String, Value> =
                columns.iter().map(|(name, cells)| (name.clone(), cells[row].clone())).collect();
            rows.push(Value::Object(record));
        }
    }
    Ok(rows)
}

fn cells(array: &dyn Array) -> Result<Vec<Value>, ArrowError> {
    Ok(match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().iter().map(Value::from).collect(),
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().map(Value::from).collect(),
        DataType::Boolean => array.as_boolean().iter().map(Value::from).collect(),
        DataType::Decimal128(_, _) => {
            let decimals = array.as_primitive::<Decimal128Type>();
            (0..decimals.len())
                .map(|row| (!decimals.is_null(row)).then(|| decimals.value_as_string(row)).into())
                .collect()
        }
        _ => cast(array, &DataType::Utf8)?.as_string::<i32>().iter().map(Value::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_key_part_may_hold_a_slash_and_chinese() {
        let parts = key_parts("/api/v1/share/x/records/a%2Fb/%E6%B2%82%E6%B2%B3").expect("readable");
        assert_eq!(parts, ["a/b", "沂河"]);
        assert_eq!(key_parts("/api/v1/share/x/records/%FF").expect_err("no UTF-8").kind, Kind::Malformed);
        let long = format!("/records/{}", vec!["a"; 17].join("/"));
        assert_eq!(key_parts(&long).expect_err("too many").kind, Kind::Malformed);
    }

    #[test]
    fn values_keep_every_digit() {
        let decimal = Decimal128Array::from(vec![Some(12_345_678_901_234_567_890_i128)])
            .with_precision_and_scale(38, 2)
            .expect("fits");
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("name", Arc::new(StringArray::from(vec![None::<&str>]))),
            ("age", Arc::new(Int64Array::from(vec![Some(41)]))),
            ("born_on", Arc::new(Date32Array::from(vec![Some(6_300)]))),
            ("capital", Arc::new(decimal)),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("one row");
        assert_eq!(
            rows(&[batch]).expect("values"),
            [json!({ "name": null, "age": 41, "born_on": "1987-04-02", "capital": "123456789012345678.90" })]
        );
    }
}
