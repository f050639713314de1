//! Masks: what a caller sees in place of a value (脱敏).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use sha2::{Digest, Sha256};

use crate::data_file::hex;

/// Hexadecimal digits of a hashed value: 128 bits, far from any chance collision.
const HASH_DIGITS: usize = 32;
/// Surnames of two characters in present use; every other Chinese surname is taken as one.
const LONG_SURNAMES: [&str; 24] = [
    "欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "轩辕", "宇文", "长孙",
    "司徒", "司空", "端木", "呼延", "南宫", "独孤", "西门", "百里", "闻人", "澹台",
];

/// What a caller sees in place of a column's values. Nothing stays nothing under every mask.
///
/// Every mask but [`Mask::Hidden`] yields text. Queries see the masked text only, so no condition,
/// order or group can tell apart what the mask makes equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mask {
    /// A person's name: the surname stays, `王**`, `欧阳*`.
    Name,
    /// A citizen identity number: six digits of the division and the last four stay.
    CitizenId,
    /// A telephone number: the first three and last four digits stay.
    Phone,
    /// A bank or other account: the first six and last four characters stay.
    Account,
    /// An address: it stays down to the county.
    Address,
    /// A date of birth: the year stays, `1985-**-**`.
    BirthDate,
    /// Nothing is seen, not even the type's text form: every value is null.
    Hidden,
    /// Equal values stay recognisable as equal: SHA-256 of salt and value, 32 hexadecimal digits.
    Hash(Salt),
}

/// The secret that a [`Mask::Hash`] mixes in. Without it, an identity number's hash could be
/// found by trying all numbers; so keep one per grant, and never show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Arc<[u8]>);

impl Salt {
    /// Takes bytes from a random source; 16 or more.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Salt(***)")
    }
}

impl Hash for Salt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Mask {
    /// The type of a masked column whose values are of `data_type`.
    #[must_use]
    pub fn data_type(&self, data_type: &DataType) -> DataType {
        match self {
            Self::Hidden => data_type.clone(),
            Self::Name
            | Self::CitizenId
            | Self::Phone
            | Self::Account
            | Self::Address
            | Self::BirthDate
            | Self::Hash(_) => DataType::Utf8,
        }
    }

    /// The mask of one value in its text form; `None` for [`Mask::Hidden`].
    #[must_use]
    pub fn apply(&self, text: &str) -> Option<String> {
        match self {
            Self::Name => Some(name(text)),
            Self::CitizenId | Self::Account => Some(ends(text, 6, 4)),
            Self::Phone => Some(ends(text, 3, 4)),
            Self::Address => Some(to_the_county(text)),
            Self::BirthDate => Some(year(text)),
            Self::Hidden => None,
            Self::Hash(salt) => {
                let mut digest = Sha256::new();
                digest.update(&salt.0);
                digest.update(text.as_bytes());
                let mut digits = hex(&digest.finalize());
                digits.truncate(HASH_DIGITS);
                Some(digits)
            }
        }
    }

    /// The masked form of `value`, an expression of type `data_type`.
    pub(crate) fn expression(&self, value: Expr, data_type: &DataType) -> EngineResult<Expr> {
        if matches!(self, Self::Hidden) {
            return Ok(Expr::Literal(ScalarValue::try_from(data_type)?, None));
        }
        let text = Expr::Cast(Cast::new(Box::new(value), DataType::Utf8));
        Ok(ScalarUDF::new_from_impl(MaskFunction::new(self.clone())).call(vec![text]))
    }
}

/// A mask as a function of the engine. It is registered nowhere: only a grant's plan holds it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct MaskFunction {
    mask: Mask,
    signature: Signature,
}

impl MaskFunction {
    fn new(mask: Mask) -> Self {
        Self { mask, signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for MaskFunction {
    fn name(&self) -> &'static str {
        "masked"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> EngineResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        let rows = arguments.number_rows;
        let Some(argument) = arguments.args.into_iter().next() else {
            return Err(DataFusionError::Internal("a mask needs its value".to_owned()));
        };
        let values = argument.into_array(rows)?;
        let masked: StringArray =
            values.as_string::<i32>().iter().map(|text| text.and_then(|text| self.mask.apply(text))).collect();
        Ok(ColumnarValue::Array(Arc::new(masked) as ArrayRef))
    }
}

/// The surname and a star for every other character.
fn name(text: &str) -> String {
    let count = text.chars().count();
    let long = count > 2 && LONG_SURNAMES.iter().any(|surname| text.starts_with(surname));
    // A name of one character is a surname alone, or the whole name: it is not shown.
    let shown = if count == 1 { 0 } else { 1 + usize::from(long) };
    starred(text, shown, 0)
}

/// `head` characters at the front and `tail` at the end stay when that leaves something hidden.
fn ends(text: &str, head: usize, tail: usize) -> String {
    if text.chars().count() > head + tail { starred(text, head, tail) } else { starred(text, 0, 0) }
}

fn starred(text: &str, head: usize, tail: usize) -> String {
    let count = text.chars().count();
    text.chars().enumerate().map(|(index, c)| if index < head || index + tail >= count { c } else { '*' }).collect()
}

fn year(text: &str) -> String {
    let year: String = text.chars().take(4).collect();
    if year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{year}-**-**")
    } else {
        "****-**-**".to_owned()
    }
}

/// Province, city and county stay, in that order and as far as they are written.
fn to_the_county(text: &str) -> String {
    const PROVINCES: [&str; 2] = ["省", "自治区"];
    const CITIES: [&str; 4] = ["市", "自治州", "地区", "盟"];
    const COUNTIES: [&str; 4] = ["区", "县", "旗", "市"];
    let mut rest = text;
    for level in [&PROVINCES[..], &CITIES[..], &COUNTIES[..]] {
        if let Some(length) = division(rest, level) {
            rest = &rest[length..];
        }
    }
    let shown = &text[..text.len() - rest.len()];
    if rest.is_empty() { shown.to_owned() } else { format!("{shown}****") }
}

/// Bytes of a division's name at the front of `text`, ending in one of `endings`.
fn division(text: &str, endings: &[&str]) -> Option<usize> {
    /// Longest name of a division, in characters: 双江拉祜族佤族布朗族傣族自治县.
    const LENGTH_MAX: usize = 16;
    /// What stands below a county, or ends like a division without being one.
    const BELOW: [&str; 12] = ["路", "街", "巷", "村", "镇", "乡", "号", "小区", "社区", "园区", "厂区", "校区"];
    let mut found = None;
    for (count, (at, c)) in text.char_indices().enumerate() {
        if count >= LENGTH_MAX || !c.is_alphabetic() || c.is_ascii() {
            break;
        }
        let name = &text[..at + c.len_utf8()];
        if BELOW.iter().any(|below| name.ends_with(below)) {
            break;
        }
        if count > 0 && endings.iter().any(|ending| name.ends_with(ending)) {
            found = Some(name.len());
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(mask: &Mask, text: &str) -> String {
        mask.apply(text).expect("this mask shows text")
    }

    #[test]
    fn a_name_keeps_its_surname() {
        for (text, expected) in [
            ("王小明", "王**"),
            ("李四", "李*"),
            ("欧阳锋", "欧阳*"),
            ("欧阳", "欧*"),
            ("王", "*"),
            ("", ""),
            ("阿依古丽·买买提", "阿*******"),
        ] {
            assert_eq!(masked(&Mask::Name, text), expected);
        }
    }

    #[test]
    fn numbers_keep_their_ends_only_when_something_stays_hidden() {
        assert_eq!(masked(&Mask::CitizenId, "371302198503154218"), "371302********4218");
        assert_eq!(masked(&Mask::CitizenId, "3713024218"), "**********");
        assert_eq!(masked(&Mask::Phone, "13805391234"), "138****1234");
        assert_eq!(masked(&Mask::Phone, "8311234"), "*******");
        assert_eq!(masked(&Mask::Account, "6222021610001234567"), "622202*********4567");
    }

    #[test]
    fn an_address_ends_at_its_county() {
        for (text, expected) in [
            ("山东省临沂市兰山区金雀山街道12号", "山东省临沂市兰山区****"),
            ("临沂市沂水县沂城街道", "临沂市沂水县****"),
            ("兰山区金雀山街道", "兰山区****"),
            ("北京市海淀区中关村大街1号", "北京市海淀区****"),
            ("内蒙古自治区锡林郭勒盟东乌珠穆沁旗某苏木", "内蒙古自治区锡林郭勒盟东乌珠穆沁旗****"),
            ("山东省临沂市兰山区", "山东省临沂市兰山区"),
            ("阳光小区3号楼", "****"),
            ("沂蒙路12号阳光花园区", "****"),
            ("12 High Street", "****"),
            ("", ""),
        ] {
            assert_eq!(masked(&Mask::Address, text), expected, "{text}");
        }
    }

    #[test]
    fn a_birth_date_keeps_its_year() {
        assert_eq!(masked(&Mask::BirthDate, "1985-03-15"), "1985-**-**");
        assert_eq!(masked(&Mask::BirthDate, "unknown"), "****-**-**");
    }

    #[test]
    fn a_hash_depends_on_the_salt_and_never_prints_it() {
        let one = Mask::Hash(Salt::new(*b"salt of grant 01"));
        let other = Mask::Hash(Salt::new(*b"salt of grant 02"));
        assert_eq!(masked(&one, "x"), masked(&one, "x"));
        assert_ne!(masked(&one, "x"), masked(&other, "x"));
        assert_eq!(masked(&one, "x").len(), HASH_DIGITS);
        assert_eq!(format!("{one:?}"), "Hash(Salt(***))");
    }
}
