//! The key of an entity as departments write it, brought to one spelling.

use std::borrow::Cow;

use arrow::{
    array::{Array, AsArray, RecordBatch, StringArray, StringBuilder},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};
use yihe_definitions::{EntityKind, KEY_PARTS_BETWEEN, MemberKey};
use yihe_vocabulary::{
    certificate_id, citizen_id, composite_key, credit_code, division_code, normalise_key, real_estate_unit,
};

/// Brings a key to its one spelling; `None` when it cannot identify anybody.
///
/// Blanks at the ends are dropped, full-width characters become half-width and letters upper-case. A person's
/// 15-digit number becomes the 18-digit one (GB 11643). A number or code whose check character does not
/// add up is unusable: it must neither join nor separate records. The parts of a key that stands in several
/// columns are joined by [`KEY_PARTS_BETWEEN`] in `text`, by `|` in what is returned.
#[must_use]
pub fn usable(kind: EntityKind, text: &str) -> Option<Cow<'_, str>> {
    match kind {
        EntityKind::Person => citizen_id::normalise(text).map(Cow::Owned),
        EntityKind::Organisation => {
            let code = normalise_key(text);
            credit_code::is_valid(code.as_bytes()).then_some(code)
        }
        EntityKind::Place => {
            let code = normalise_key(text);
            division_code::is_valid(code.as_bytes()).then_some(code)
        }
        EntityKind::Certificate => {
            let identifier = normalise_key(text);
            certificate_id::is_valid(identifier.as_bytes()).then_some(identifier)
        }
        EntityKind::RealEstateUnit => real_estate_unit::normalise(text),
        EntityKind::CreditRecord => {
            let (party, document) = text.split_once(KEY_PARTS_BETWEEN)?;
            composite_key::credit_record(party, document).map(Cow::Owned)
        }
        EntityKind::Indicator => {
            let (code, rest) = text.split_once(KEY_PARTS_BETWEEN)?;
            let (period, division) = rest.split_once(KEY_PARTS_BETWEEN)?;
            composite_key::indicator(code, period, division).map(Cow::Owned)
        }
    }
}

/// A member's keys as they were delivered, one per row of `batch`, the parts of several columns joined by
/// [`KEY_PARTS_BETWEEN`]. Null where a part is missing.
///
/// # Errors
/// A column of the key is not in the batch or has no form as text.
pub fn delivered(key: &MemberKey, batch: &RecordBatch) -> Result<StringArray, ArrowError> {
    let column = |name: &String| -> Result<StringArray, ArrowError> {
        let column = batch.column_by_name(name);
        let column = column.ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")))?;
        Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
    };
    let parts = key.columns().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    if let [only] = parts.as_slice() {
        return Ok(only.clone());
    }
    let mut joined = StringBuilder::with_capacity(batch.num_rows(), batch.num_rows() * 32);
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        if parts.iter().any(|part| part.is_null(row)) {
            joined.append_null();
            continue;
        }
        text.clear();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                text.push(KEY_PARTS_BETWEEN);
            }
            text.push_str(part.value(row));
        }
        joined.append_value(&text);
    }
    Ok(joined.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_number_however_it_is_written() {
        let number = "11010519491231002X";
        for spelling in
            ["11010519491231002X", " 11010519491231002x ", "１１０１０５１９４９１２３１００２Ｘ", "110105491231002"]
        {
            assert_eq!(usable(EntityKind::Person, spelling).as_deref(), Some(number), "{spelling}");
        }
    }

    #[test]
    fn a_number_that_does_not_add_up_joins_nothing() {
        assert_eq!(usable(EntityKind::Person, "110105194912310021"), None);
        assert_eq!(usable(EntityKind::Person, ""), None);
        assert_eq!(usable(EntityKind::Organisation, "91350100M000100Y44"), None);
        assert!(usable(EntityKind::Organisation, "91350100M000100Y43").is_some());
        let certificate = "1.2.156.3005.2.11100000000013338W011.11100000000013338W.1234.001";
        let usable_checks = ('0'..='9')
            .chain('A'..='Z')
            .filter(|check| usable(EntityKind::Certificate, &format!("{certificate}.{check}")).is_some());
        assert_eq!(usable_checks.count(), 1);
    }

    #[test]
    fn a_key_of_several_columns_is_one_text_and_needs_every_part() {
        let columns = |rows: [[Option<&str>; 3]; 3]| {
            let column = |at: usize| rows.iter().map(|row| row[at]).collect::<StringArray>();
            let named = ["code", "period", "division"].into_iter().zip(0..);
            RecordBatch::try_from_iter(
                named.map(|(name, at)| (name, std::sync::Arc::new(column(at)) as arrow::array::ArrayRef)),
            )
            .unwrap()
        };
        let batch = columns([
            [Some("a001"), Some("2026-Q3"), Some(" 371302 ")],
            [Some("A001"), None, Some("371302")],
            [Some(""), Some("2026Q3"), Some("371302")],
        ]);
        let key = MemberKey::new(["code", "period", "division"]);
        let texts = delivered(&key, &batch).unwrap();
        let usable =
            |row: usize| texts.is_valid(row).then(|| usable(EntityKind::Indicator, texts.value(row))).flatten();
        assert_eq!(usable(0).as_deref(), Some("A001|2026Q3|371302"));
        assert_eq!((usable(1), usable(2)), (None, None));
        assert!(delivered(&MemberKey::new(["code", "gone"]), &batch).is_err());
    }

    #[test]
    fn a_parcel_is_the_land_alone_and_a_decision_is_its_party_and_its_number() {
        let land = "371302001001GB00001W00000000";
        assert_eq!(usable(EntityKind::RealEstateUnit, "371302001001GB00001").as_deref(), Some(land));
        assert_eq!(usable(EntityKind::RealEstateUnit, "371302001001GB0000"), None);
        let decision = format!("91350100m000100y43{KEY_PARTS_BETWEEN}临城罚〔2026〕12号");
        assert_eq!(
            usable(EntityKind::CreditRecord, &decision).as_deref(),
            Some("91350100M000100Y43|临城罚〔2026〕12号")
        );
    }
}
