//! The doors through which records leave.

/// Headers that every supply call carries beside its token: name and meaning.
pub const HEADERS: [(&str, &str); 2] = [
    ("X-Yihe-Case", "Number of the case for which the data is needed"),
    ("X-Yihe-Purpose", "Purpose of this call, within the grant's"),
];
