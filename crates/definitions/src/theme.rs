//! Themes (主题库): what several departments know about the same people, bodies, places and times, on one key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    dataset::{ColumnType, Publication, Sensitivity},
    text::Text,
};

/// Most tables that one theme reads.
pub const THEME_SOURCES_MAX: usize = 32;
/// Longest query of a theme, in bytes.
pub const THEME_SQL_BYTES_MAX: usize = 16 << 10;
/// What stands before a theme's identifier in the name of its table, in the zone of the registries.
pub const THEME_TABLE_PREFIX: &str = "theme_";

/// A theme: a table or a view over base registries and checked datasets.
///
/// What it holds follows from its sources alone: the query knows no clock and no chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Stable identifier, e.g. `employment`.
    pub id: String,
    /// Title people read.
    pub title: Text,
    /// What it is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Text>,
    /// Department that answers for it.
    pub department: String,
    /// Whether it is kept or worked out when it is read.
    #[serde(default)]
    pub form: ThemeForm,
    /// By what it joins, and which column holds it. At least one.
    pub keys: BTreeMap<ThemeKey, String>,
    /// Columns that together identify a row.
    pub key: Vec<String>,
    /// Name in the query → `registry/<registry>` or `checked/<dataset>`.
    pub sources: BTreeMap<String, String>,
    /// Its columns, named and typed; the query has exactly these, in any order.
    pub columns: Vec<ThemeColumn>,
    /// One `SELECT` over the sources.
    pub sql: String,
    /// How its table stands in the catalogue; a view has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
}

/// Whether a theme is kept or worked out when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeForm {
    /// Built and kept, with a key, versions and changes; can be published.
    #[default]
    Table,
    /// Worked out when somebody reads it; always what its sources say now.
    View,
}

/// What a theme joins by (主题键).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeKey {
    /// 人: the identity number.
    Person,
    /// 组织: the credit code.
    Organisation,
    /// 不动产单元: the unit number.
    RealEstateUnit,
    /// 地点: a division, address or station code.
    Place,
    /// 时间: a day, month or period.
    Time,
    /// 区划: the division code.
    Division,
}

impl ThemeKey {
    /// The word people read.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Person => Text::new("人", "person"),
            Self::Organisation => Text::new("组织", "organisation"),
            Self::RealEstateUnit => Text::new("不动产单元", "real-estate unit"),
            Self::Place => Text::new("地点", "place"),
            Self::Time => Text::new("时间", "time"),
            Self::Division => Text::new("区划", "division"),
        }
    }
}

/// A column of a theme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThemeColumn {
    /// Name in the query and the table.
    pub name: String,
    /// Title people read.
    pub title: Text,
    /// Value type; what the query gives is brought to it.
    #[serde(rename = "type", default)]
    pub column_type: ColumnType,
    /// How sensitive a value is.
    #[serde(default)]
    pub sensitivity: Sensitivity,
}

/// A table that a theme reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThemeSource<'t> {
    /// A registry's golden table.
    Registry(&'t str),
    /// A dataset's checked table.
    Dataset(&'t str),
}

impl Theme {
    /// The tables it reads, by their name in the query; those that are written as a source is.
    pub fn tables(&self) -> impl Iterator<Item = (&str, ThemeSource<'_>)> {
        self.sources.iter().filter_map(|(name, table)| source(table).map(|source| (name.as_str(), source)))
    }

    /// The columns that say of whom a row is: those it joins people, bodies and units by, and those with people's
    /// numbers.
    pub fn identifying(&self) -> impl Iterator<Item = &str> {
        let joins = |column: &ThemeColumn| {
            let by = |(key, name): (&ThemeKey, &String)| {
                matches!(key, ThemeKey::Person | ThemeKey::Organisation | ThemeKey::RealEstateUnit)
                    && *name == column.name
            };
            column.sensitivity == Sensitivity::CitizenId || self.keys.iter().any(by)
        };
        self.columns.iter().filter(move |column| joins(column)).map(|column| column.name.as_str())
    }
}

/// Reads `registry/<id>` or `checked/<id>`.
pub(crate) fn source(text: &str) -> Option<ThemeSource<'_>> {
    match text.split_once('/')? {
        ("registry", id) => Some(ThemeSource::Registry(id)),
        ("checked", id) => Some(ThemeSource::Dataset(id)),
        _ => None,
    }
}
