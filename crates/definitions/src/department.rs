//! The bodies that hold, supply and use data.

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// A department of the city or a county-level unit (部门；政务数据共享条例, art. 11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Department {
    /// Short stable identifier used in packs, addresses and tables, e.g. `gongan`.
    pub id: String,
    /// Official and English name.
    pub name: Text,
    /// Unified social credit code of the body (GB 32100-2015).
    pub credit_code: String,
    /// Division code of the county-level unit it belongs to; `None` for a city department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub division: Option<String>,
    /// The working body for data sharing inside it (共享工作机构, art. 11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing_office: Option<Text>,
}
