//! Base registries: which datasets feed them, and which department is the authority for each field.

use serde::{Deserialize, Serialize};

use crate::{
    dataset::{ColumnType, Publication, Sensitivity},
    text::Text,
};

/// A base registry (基础库): one record per entity, one source of truth per field (一数一源; 条例, art. 19).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Stable identifier, e.g. `population`.
    pub id: String,
    /// Title people read.
    pub title: Text,
    /// Department that runs the registry.
    pub department: String,
    /// What one record stands for; decides how keys are read.
    pub entity: EntityKind,
    /// Name of the key field in the golden table, e.g. `citizen_id`.
    pub key: String,
    /// Datasets that feed it.
    pub members: Vec<Member>,
    /// Golden fields in order, without the key.
    pub fields: Vec<Field>,
    /// Golden fields whose presence says that the entity is no more what it was.
    #[serde(default, skip_serializing_if = "Standing::is_empty")]
    pub standing: Standing,
    /// How people judge doubtful pairs.
    #[serde(default, skip_serializing_if = "Review::is_default")]
    pub review: Review,
    /// Probability from which the linkage model joins a record without a usable key by itself, in
    /// `0.5..=1.0`; `None`: never, a person decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_from: Option<f64>,
    /// How the golden table stands in the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
}

/// What one golden record stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// Keyed by the 18-digit identity number; 15-digit numbers are carried over (GB 11643).
    Person,
    /// Keyed by the unified social credit code (GB 32100).
    Organisation,
    /// Keyed by the division or address code.
    Place,
    /// Keyed by the certificate identifier (证照标识; GB/T 36904).
    Certificate,
    /// Keyed by the 28 characters of the unit number (不动产单元代码; GB/T 37346); land alone by its parcel code,
    /// which is carried over.
    RealEstateUnit,
    /// Keyed by the party's credit code or identity number and the number of the document (双公示).
    CreditRecord,
    /// Keyed by the code of the indicator, the period and the division.
    Indicator,
}

impl EntityKind {
    /// What the columns of a member's key hold, in their order: Chinese and English.
    #[must_use]
    pub const fn key_parts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Person => &[("公民身份号码", "citizen identity number")],
            Self::Organisation => &[("统一社会信用代码", "unified social credit code")],
            Self::Place => &[("区划代码", "division code")],
            Self::Certificate => &[("电子证照标识", "certificate identifier")],
            Self::RealEstateUnit => &[("不动产单元号", "real-estate unit number")],
            Self::CreditRecord => {
                &[("行政相对人代码", "the party's credit code or identity number"), ("文书号", "document number")]
            }
            Self::Indicator => &[("指标代码", "indicator code"), ("期别", "period"), ("区划代码", "division code")],
        }
    }

    /// The word for an entity of which nothing says otherwise, in the golden column `_standing`.
    #[must_use]
    pub const fn standing(self) -> &'static str {
        match self {
            Self::Person => "living",
            Self::Organisation
            | Self::Place
            | Self::Certificate
            | Self::RealEstateUnit
            | Self::CreditRecord
            | Self::Indicator => "existing",
        }
    }
}

/// The columns that hold a member's key, in the order of [`EntityKind::key_parts`].
///
/// In YAML one name, or a list of names where the key is made of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "KeySpelling", into = "KeySpelling")]
pub struct MemberKey(Vec<String>);

/// Stands between the parts of a key that is read from several columns.
pub const KEY_PARTS_BETWEEN: char = '\u{1f}';

impl MemberKey {
    /// A key in these columns.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(columns.into_iter().map(Into::into).collect())
    }

    /// The columns; at least one in a checked definition.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.0
    }

    /// The column, where there is one only.
    #[must_use]
    pub fn single(&self) -> Option<&str> {
        match self.0.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeySpelling {
    One(String),
    Several(Vec<String>),
}

impl From<KeySpelling> for MemberKey {
    fn from(spelling: KeySpelling) -> Self {
        match spelling {
            KeySpelling::One(column) => Self(vec![column]),
            KeySpelling::Several(columns) => Self(columns),
        }
    }
}

impl From<MemberKey> for KeySpelling {
    fn from(key: MemberKey) -> Self {
        match <[String; 1]>::try_from(key.0) {
            Ok([only]) => Self::One(only),
            Err(columns) => Self::Several(columns),
        }
    }
}

/// Golden fields whose presence says how an entity stands. Of several that are there, the first in the order
/// of [`Standing::fields`] counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The person has died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deceased: Option<String>,
    /// The person has left for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emigrated: Option<String>,
    /// The body, place or thing has ceased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dissolved: Option<String>,
}

impl Standing {
    /// Whether nothing is declared, so that nobody's standing is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.deceased.is_none() && self.emigrated.is_none() && self.dissolved.is_none()
    }

    /// The word in the golden table and the field that says so, those that are declared.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("deceased", &self.deceased), ("emigrated", &self.emigrated), ("dissolved", &self.dissolved)]
            .into_iter()
            .filter_map(|(word, field)| field.as_deref().map(|field| (word, field)))
    }
}

/// How people judge doubtful pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Reviewers that must agree before their answer becomes a decision, 1 to 5.
    pub reviewers: u8,
}

impl Default for Review {
    fn default() -> Self {
        Self { reviewers: 1 }
    }
}

impl Review {
    /// Whether it is what holds where nothing is declared.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A dataset that feeds a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Dataset identifier.
    pub dataset: String,
    /// Columns that hold the entity's key.
    pub key: MemberKey,
    /// The key's column holds keyed hashes of the number, for a department that may not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed: Option<Hashed>,
    /// Column with the day of the record's last change; later wins within one dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_on: Option<String>,
    /// Golden field → column.
    pub fields: std::collections::BTreeMap<String, String>,
}

/// How a member hides its numbers: as `yihe link hash` does, under a key that the platform holds too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hashed {
    /// Which hash.
    pub algorithm: HashAlgorithm,
    /// Name of the key. The platform finds the key itself, which no definition holds.
    pub key: String,
}

/// A keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashAlgorithm {
    /// HMAC with SM3 (GB/T 32905).
    Sm3,
    /// HMAC with SHA-256 (FIPS 180-4).
    Sha256,
}

/// A field of the golden record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name in the golden table.
    pub name: String,
    /// Title people read.
    pub title: Text,
    /// Value type.
    #[serde(rename = "type", default)]
    pub column_type: ColumnType,
    /// Standard by which values are written, e.g. GB/T 2261.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// Datasets in the order in which they are believed; the first is the authority (数源).
    /// A dataset that feeds the field and is not listed never supplies a value, it only disagrees.
    pub authority: Vec<String>,
    /// How many days a value may be older than the newest change that its dataset tells of (`changed_on`): an
    /// older one loses its turn to the next dataset. Never measured against the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
    /// Fields with the same group come from one record together or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How sensitive a value is.
    #[serde(default)]
    pub sensitivity: Sensitivity,
}
