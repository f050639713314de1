//! What a form sent: names and values in order, bounded, checked against the form's token before any handler
//! sees it (see `guard`).

use crate::problem::{Kind, Problem};

/// Most bytes of a form.
pub const FORM_BYTES_MAX: usize = 64 * 1024;
/// Most fields of a form: the columns of the widest dataset and a few.
pub const FIELDS_MAX: usize = 640;

/// The fields of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// More than [`FIELDS_MAX`] fields.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Vec::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if fields.len() == FIELDS_MAX {
                return Err(Problem::saying(
                    Kind::TooLarge,
                    format!("表单字段超过 {FIELDS_MAX} 个。"),
                    format!("The form has more than {FIELDS_MAX} fields."),
                ));
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// The first value of a field without blanks around it; empty when it was not sent.
    ///
    /// # Errors
    /// More than `characters` of them.
    pub fn one(&self, name: &str, characters: usize) -> Result<&str, Problem> {
        let value = self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim());
        let found = value.chars().count();
        if found > characters {
            return Err(Problem::saying(
                Kind::Unprocessable,
                format!("“{name}” 有 {found} 个字，最多 {characters} 个。"),
                format!("“{name}” has {found} characters, at most {characters} are taken."),
            ));
        }
        Ok(value)
    }

    /// Every value of a field, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_repeated_fields_in_order() {
        let fields = Fields::parse("columns=a&q=%E5%85%B0+%20&columns=b".as_bytes()).expect("few fields");
        assert_eq!(fields.one("q", 4).expect("short"), "兰");
        assert_eq!(fields.all("columns").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(fields.one("missing", 1).expect("empty"), "");
    }

    #[test]
    fn bounds_are_named() {
        let fields = Fields::parse(b"q=abcdef").expect("few fields");
        let problem = fields.one("q", 5).expect_err("too long");
        assert_eq!(problem.kind, Kind::Unprocessable);
        assert!(problem.detail().zh.contains("最多 5 个"));
        let many = vec!["a=1"; FIELDS_MAX + 1].join("&");
        assert_eq!(Fields::parse(many.as_bytes()).expect_err("too many").kind, Kind::TooLarge);
    }
}
