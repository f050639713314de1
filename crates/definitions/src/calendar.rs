//! Working days of a year, as the State Council announces them.

use serde::{Deserialize, Serialize};

/// Holidays and make-up days of one year. Days are `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarYear {
    /// The year.
    pub year: i16,
    /// Where the days are announced, e.g. 国办发明电〔2025〕7号.
    pub source: String,
    /// Days off, weekends among them included or not.
    pub holidays: Vec<String>,
    /// Weekend days that are worked (调休).
    pub makeup_days: Vec<String>,
}
