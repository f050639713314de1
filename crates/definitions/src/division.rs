//! Administrative divisions and the city's own functional zones.

use serde::{Deserialize, Serialize};

/// A list of divisions kept in a CSV file beside the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DivisionList {
    /// Stable identifier, e.g. `linyi`.
    pub id: String,
    /// Where the list comes from, with its version.
    pub source: String,
    /// Licence under which it is used.
    pub licence: String,
    /// CSV with the columns `code,name,parent,level,kind` and optionally `valid_from,valid_to`.
    pub file: String,
}

/// One administrative division (行政区划) or functional zone (功能区).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Division {
    /// 2 to 12 digits (GB/T 2260, GB/T 10114, statistics division), or a city's own code for a zone.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// Code of the division above; empty for the topmost.
    #[serde(default)]
    pub parent: String,
    /// 1 province, 2 prefecture, 3 county, 4 street or town, 5 village or community.
    pub level: u8,
    /// What it is: `statutory` or `zone`, or the urban–rural class of the statistics division.
    #[serde(default)]
    pub kind: String,
    /// First day on which the code is valid; empty: always was.
    #[serde(default)]
    pub valid_from: String,
    /// Last day on which the code is valid; empty: still is.
    #[serde(default)]
    pub valid_to: String,
}
