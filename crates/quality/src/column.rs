//! Columns of a batch in the few layouts that the kernels read.
//!
//! Text keeps the layout it came in — offsets, views or a dictionary — because copying it would cost more than
//! checking it. Numbers, days and instants are brought to one width each; that is free for the widths that our
//! own tables have (`Int64`, `Float64`, `Decimal128`, `Date32`, timestamps in microseconds).

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray, StringArray,
        StringViewArray,
    },
    buffer::{BooleanBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    },
};

use crate::{
    bits::{Bits, Rows},
    error::QualityError,
};

/// What the values of a column are, whatever their width or encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Text, or bytes that are read as text.
    Text,
    /// Whole numbers up to 64 bits, signed.
    Integer,
    /// Exact decimals with this many digits after the point.
    Decimal(i8),
    /// Measurements.
    Float,
    /// Calendar days.
    Day,
    /// Instants; `zoned` ones count from 1970 in UTC, the others are read off a wall clock.
    Instant {
        /// Whether the type carries a time zone.
        zoned: bool,
    },
    /// Truth values.
    Boolean,
    /// Nothing but NULL.
    Null,
    /// A type that rules can only ask for presence.
    Other,
}

impl Class {
    /// The class of an Arrow type; a dictionary has that of its values.
    #[must_use]
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView => Self::Text,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Self::Integer,
            DataType::UInt64 => Self::Decimal(0),
            DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
                Self::Decimal(*scale)
            }
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Date32 | DataType::Date64 => Self::Day,
            DataType::Timestamp(_, zone) => Self::Instant { zoned: zone.is_some() },
            DataType::Boolean => Self::Boolean,
            DataType::Null => Self::Null,
            DataType::Dictionary(_, values) => Self::of(values),
            _ => Self::Other,
        }
    }

    /// The class as people say it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "whole numbers",
            Self::Decimal(_) => "decimals",
            Self::Float => "floating-point numbers",
            Self::Day => "dates",
            Self::Instant { .. } => "timestamps",
            Self::Boolean => "truth values",
            Self::Null => "nothing but NULL",
            Self::Other => "a nested or foreign type",
        }
    }
}

/// How a rule wants to read a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// As what it is.
    Native,
    /// As text; other classes are written out.
    Text,
}

/// A column of one batch, ready for kernels.
#[derive(Debug, Clone)]
pub struct Column {
    /// Which rows have a value.
    pub valid: Rows,
    /// The values; what stands in rows without one is arbitrary.
    pub data: Data,
}

/// Values of a column.
#[derive(Debug, Clone)]
pub enum Data {
    /// Text in one of its layouts.
    Text(TextData),
    /// Whole numbers.
    Integers(ScalarBuffer<i64>),
    /// Unscaled decimals.
    Decimals(ScalarBuffer<i128>),
    /// Measurements.
    Floats(ScalarBuffer<f64>),
    /// Days since 1970-01-01.
    Days(ScalarBuffer<i32>),
    /// Microseconds since 1970-01-01.
    Instants(ScalarBuffer<i64>),
    /// Truth values.
    Booleans(BooleanBuffer),
    /// Not for kernels.
    Opaque,
}

/// The layouts of text.
#[derive(Debug, Clone)]
pub enum TextData {
    /// 32-bit offsets.
    Utf8(StringArray),
    /// 64-bit offsets.
    LargeUtf8(LargeStringArray),
    /// Views.
    Utf8View(StringViewArray),
    /// Bytes, 32-bit offsets.
    Binary(BinaryArray),
    /// Bytes, 64-bit offsets.
    LargeBinary(LargeBinaryArray),
    /// Bytes, views.
    BinaryView(BinaryViewArray),
    /// A dictionary.
    Dictionary {
        /// Position of its value by row; anything, even negative, where the row has no value.
        keys: ScalarBuffer<i32>,
        /// The values in one of the other layouts.
        values: Box<TextData>,
        /// The values as they came, to recognise the same dictionary in the next batch.
        origin: ArrayRef,
    },
}

/// Runs a body for each layout that is not a dictionary, with `$value` a function from position to bytes.
macro_rules! each_plain {
    ($data:expr, $value:ident => $body:expr, $dictionary:pat => $other:expr) => {
        match $data {
            $crate::column::TextData::Utf8(array) => {
                let $value = |at: usize| array.value(at).as_bytes();
                $body
            }
            $crate::column::TextData::LargeUtf8(array) => {
                let $value = |at: usize| array.value(at).as_bytes();
                $body
            }
            $crate::column::TextData::Utf8View(array) => {
                let $value = |at: usize| array.value(at).as_bytes();
                $body
            }
            $crate::column::TextData::Binary(array) => {
                let $value = |at: usize| array.value(at);
                $body
            }
            $crate::column::TextData::LargeBinary(array) => {
                let $value = |at: usize| array.value(at);
                $body
            }
            $crate::column::TextData::BinaryView(array) => {
                let $value = |at: usize| array.value(at);
                $body
            }
            $dictionary => $other,
        }
    };
}
pub(crate) use each_plain;

impl TextData {
    /// The text of a row that has a value; empty for an empty dictionary.
    #[must_use]
    pub fn value(&self, row: usize) -> &[u8] {
        match self {
            Self::Dictionary { keys, values, .. } => match keys.get(row).map(|key| usize::try_from(*key)) {
                Some(Ok(key)) if key < values.len() => values.value(key),
                _ => b"",
            },
            Self::Utf8(array) => array.value(row).as_bytes(),
            Self::LargeUtf8(array) => array.value(row).as_bytes(),
            Self::Utf8View(array) => array.value(row).as_bytes(),
            Self::Binary(array) => array.value(row),
            Self::LargeBinary(array) => array.value(row),
            Self::BinaryView(array) => array.value(row),
        }
    }

    /// Whether the library vouches that every text is UTF-8.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        match self {
            Self::Utf8(_) | Self::LargeUtf8(_) | Self::Utf8View(_) => true,
            Self::Binary(_) | Self::LargeBinary(_) | Self::BinaryView(_) => false,
            Self::Dictionary { values, .. } => values.is_utf8(),
        }
    }

    /// Rows of a column, or values of a dictionary.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Dictionary { keys, .. } => keys.len(),
            Self::Utf8(array) => array.len(),
            Self::LargeUtf8(array) => array.len(),
            Self::Utf8View(array) => array.len(),
            Self::Binary(array) => array.len(),
            Self::LargeBinary(array) => array.len(),
            Self::BinaryView(array) => array.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which rows `member` holds for. A dictionary is asked once per value when that is less work, and `memory`
    /// keeps the answers for as long as the same dictionary comes back.
    #[inline]
    pub fn select(&self, valid: &Rows, memory: &mut Memory, mut member: impl FnMut(&[u8]) -> bool) -> Bits {
        let rows = self.len();
        each_plain!(
            self,
            value => match valid {
                Rows::All => Bits::collect(rows, |row| member(value(row))),
                Rows::Some(valid) => {
                    let mut bits = Bits::collect(rows, |row| member(value(row)));
                    bits.intersect(valid);
                    bits
                }
            },
            Self::Dictionary { keys, values, origin } => {
                let known = memory.origin.as_ref().is_some_and(|known| same_buffers(known, origin));
                let mut bits = if known || values.len() <= 4 * rows {
                    if !known {
                        memory.answers.clear();
                        memory.answers.extend((0..values.len()).map(|at| member(values.value(at))));
                        memory.any = memory.answers.contains(&true);
                        memory.origin = Some(origin.clone());
                    }
                    if !memory.any {
                        return Bits::none(rows);
                    }
                    let answers = &memory.answers;
                    // A negative key becomes a number beyond every dictionary.
                    Bits::of_values(keys, |key| answers.get(key.cast_unsigned() as usize).copied().unwrap_or(false))
                } else {
                    Bits::collect(rows, |row| member(self.value(row)))
                };
                valid.confine(&mut bits);
                bits
            }
        )
    }
}

/// Whether two arrays are the same memory. Readers wrap the dictionary of a row group anew for each batch; as long
/// as we hold the first wrapping, its memory cannot be given to another.
pub(crate) fn same_buffers(first: &ArrayRef, second: &ArrayRef) -> bool {
    std::sync::Arc::ptr_eq(first, second) || first.to_data().ptr_eq(&second.to_data())
}

/// What a rule remembers of the last dictionary.
#[derive(Debug, Default)]
pub struct Memory {
    origin: Option<ArrayRef>,
    answers: Vec<bool>,
    /// Whether the answer is yes for any value.
    any: bool,
}

impl Column {
    /// Brings an array into the shape of `reading`.
    ///
    /// # Errors
    /// The library cannot cast the array; cannot happen for the types of [`Class`].
    pub fn prepare(array: &ArrayRef, reading: Reading) -> Result<Self, QualityError> {
        let class = Class::of(array.data_type());
        if reading == Reading::Text && class != Class::Text {
            let written = cast_to(array, &DataType::Utf8)?;
            return Self::prepare(&written, Reading::Text);
        }
        let valid = match array.logical_nulls() {
            Some(nulls) if nulls.null_count() > 0 => Rows::Some(Bits::of_valid(&nulls)),
            _ => Rows::All,
        };
        let data = match class {
            Class::Text => Data::Text(text(array)?),
            Class::Integer => {
                Data::Integers(cast_to(array, &DataType::Int64)?.as_primitive::<Int64Type>().values().clone())
            }
            Class::Decimal(scale) => {
                let wide = match array.data_type() {
                    DataType::Decimal128(..) => array.clone(),
                    _ => cast_to(array, &DataType::Decimal128(38, scale))?,
                };
                Data::Decimals(wide.as_primitive::<Decimal128Type>().values().clone())
            }
            Class::Float => {
                Data::Floats(cast_to(array, &DataType::Float64)?.as_primitive::<Float64Type>().values().clone())
            }
            Class::Day => Data::Days(cast_to(array, &DataType::Date32)?.as_primitive::<Date32Type>().values().clone()),
            Class::Instant { .. } => {
                let plain = cast_to(array, &DataType::Timestamp(TimeUnit::Microsecond, zone_of(array.data_type())))?;
                Data::Instants(plain.as_primitive::<TimestampMicrosecondType>().values().clone())
            }
            Class::Boolean => Data::Booleans(cast_to(array, &DataType::Boolean)?.as_boolean().values().clone()),
            Class::Null | Class::Other => Data::Opaque,
        };
        Ok(Self { valid, data })
    }

    /// The text layout of a column that was prepared as text.
    #[must_use]
    pub fn text(&self) -> Option<&TextData> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn zone_of(data_type: &DataType) -> Option<std::sync::Arc<str>> {
    match data_type {
        DataType::Timestamp(_, zone) => zone.clone(),
        DataType::Dictionary(_, values) => zone_of(values),
        _ => None,
    }
}

fn cast_to(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, QualityError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    cast(array, to).map_err(|source| QualityError::Arrow { doing: "bring a column to its working type", source })
}

fn text(array: &ArrayRef) -> Result<TextData, QualityError> {
    Ok(match array.data_type() {
        DataType::Utf8 => TextData::Utf8(array.as_string().clone()),
        DataType::LargeUtf8 => TextData::LargeUtf8(array.as_string().clone()),
        DataType::Utf8View => TextData::Utf8View(array.as_string_view().clone()),
        DataType::Binary => TextData::Binary(array.as_binary().clone()),
        DataType::LargeBinary => TextData::LargeBinary(array.as_binary().clone()),
        DataType::BinaryView => TextData::BinaryView(array.as_binary_view().clone()),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let origin = dictionary.values().clone();
            if matches!(origin.data_type(), DataType::Dictionary(..)) {
                return text(&cast_to(array, &DataType::Utf8)?);
            }
            let keys = match dictionary.keys().as_primitive_opt::<Int32Type>() {
                Some(keys) => keys.values().clone(),
                None if origin.is_empty() => vec![0; array.len()].into(),
                // A dictionary has fewer values than 2^31: its array is bounded by the batch.
                None => {
                    dictionary.normalized_keys().into_iter().map(|key| i32::try_from(key).unwrap_or(i32::MAX)).collect()
                }
            };
            TextData::Dictionary { keys, values: Box::new(text(&origin)?), origin }
        }
        _ => text(&cast_to(array, &DataType::Utf8)?)?,
    })
}
