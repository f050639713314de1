//! Names: zones, tables, commit keys.

use std::fmt;
use std::str::FromStr;

use crate::error::LakeError;

/// The stage a table's data is in; the first folder below the lake's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Zone {
    /// Rows as they were delivered, typed.
    Landing,
    /// What did not fit, with the reason.
    Quarantine,
    /// Rows that passed the rules, newest per key.
    Checked,
    /// Base registries: one record per person, body, place.
    Registry,
    /// Values that lost against an authority's value.
    Conflicts,
    /// Rows that broke a rule, and which.
    Faults,
    /// What became of each fault: first seen, returned, corrected, open again, gone.
    History,
    /// Figures about tables.
    Metrics,
    /// Tables made for others to read.
    Published,
}

impl Zone {
    /// Every zone, in the order data walks through them.
    pub const ALL: [Self; 9] = [
        Self::Landing,
        Self::Quarantine,
        Self::Checked,
        Self::Registry,
        Self::Conflicts,
        Self::Faults,
        Self::History,
        Self::Metrics,
        Self::Published,
    ];

    /// The folder's name, which is also how the zone is written.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Landing => "landing",
            Self::Quarantine => "quarantine",
            Self::Checked => "checked",
            Self::Registry => "registry",
            Self::Conflicts => "conflicts",
            Self::Faults => "faults",
            Self::History => "history",
            Self::Metrics => "metrics",
            Self::Published => "published",
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.folder())
    }
}

impl FromStr for Zone {
    type Err = LakeError;

    fn from_str(text: &str) -> Result<Self, LakeError> {
        Self::ALL.into_iter().find(|zone| zone.folder() == text).ok_or_else(|| LakeError::Name {
            what: "zone",
            found: text.to_owned(),
            expected: "landing, quarantine, checked, registry, conflicts, faults, history, metrics or published",
        })
    }
}

/// A table of the lake, written `zone/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    zone: Zone,
    name: String,
}

impl TableName {
    /// Longest name, in characters.
    pub const LENGTH_MAX: usize = 64;

    /// Names a table. The name becomes a folder, so its alphabet is small.
    ///
    /// # Errors
    /// [`LakeError::Name`] unless `name` is 1 to 64 of `a-z0-9_` beginning with a letter.
    pub fn new(zone: Zone, name: impl Into<String>) -> Result<Self, LakeError> {
        let name = name.into();
        let mut characters = name.chars();
        let begins_well = characters.next().is_some_and(|first| first.is_ascii_lowercase());
        let goes_on_well = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if begins_well && goes_on_well && name.len() <= Self::LENGTH_MAX {
            Ok(Self { zone, name })
        } else {
            Err(LakeError::Name {
                what: "table name",
                found: shortened(&name),
                expected: "1 to 64 of a-z, 0-9 and _, beginning with a letter",
            })
        }
    }

    /// The zone the table lies in.
    #[must_use]
    pub const fn zone(&self) -> Zone {
        self.zone
    }

    /// The table's name within its zone.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.zone, self.name)
    }
}

impl FromStr for TableName {
    type Err = LakeError;

    fn from_str(text: &str) -> Result<Self, LakeError> {
        let Some((zone, name)) = text.split_once('/') else {
            return Err(LakeError::Name { what: "table", found: shortened(text), expected: "zone/name" });
        };
        Self::new(zone.parse()?, name)
    }
}

/// What makes a commit recognisable when it is sent again: a second commit to the same table
/// with the same key changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommitKey(String);

impl CommitKey {
    /// Longest key, in characters.
    pub const LENGTH_MAX: usize = 200;

    /// Takes a key chosen by the caller, such as `collect:<batch>`.
    ///
    /// # Errors
    /// [`LakeError::Name`] unless it is 1 to 200 printable ASCII characters without blanks.
    pub fn new(key: impl Into<String>) -> Result<Self, LakeError> {
        let key = key.into();
        let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && (1..=Self::LENGTH_MAX).contains(&key.len()) {
            Ok(Self(key))
        } else {
            Err(LakeError::Name {
                what: "commit key",
                found: shortened(&key),
                expected: "1 to 200 printable ASCII characters without blanks",
            })
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommitKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// At most 80 characters of what was found, so that an error stays readable.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_never_leaves_its_zone() {
        for bad in ["", "..", "a/b", "a.b", "A", "1a", "_a", "表", &"a".repeat(65)] {
            assert!(TableName::new(Zone::Checked, bad).is_err(), "{bad}");
        }
        let name: TableName = "checked/person_2024".parse().expect("a valid name");
        assert_eq!(name.to_string(), "checked/person_2024");
    }

    #[test]
    fn zones_are_read_as_they_are_written() {
        for zone in Zone::ALL {
            assert_eq!(zone.to_string().parse::<Zone>().expect("a zone"), zone);
        }
        assert!("golden".parse::<Zone>().is_err());
    }
}
