//! Records to be linked: one or two tables, held by column with every distinct value once.

use crate::{address::Divisions, error::LinkageError, intern::Interner};

/// Number of a distinct value in its column; [`MISSING`] where the record says nothing.
pub type ValueId = u32;

/// What a record says that says nothing.
pub const MISSING: ValueId = ValueId::MAX;

/// Most records of one run; row numbers are 32 bits.
pub const ROWS_MAX: usize = u32::MAX as usize - 1;

/// Words that departments write where they know nothing.
const NOTHING: [&str; 12] = ["null", "none", "nan", "n/a", "\\n", "-", "--", "无", "空", "未知", "不详", "unknown"];

/// One column over all records of all tables.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// Name in the first table, which is also the name in the second unless columns were paired.
    pub name: String,
    /// Distinct values, normalised ([`normalise`]).
    pub values: Vec<Box<str>>,
    /// One per record.
    pub ids: Vec<ValueId>,
    /// Whether the file says that these are numbers with a fraction.
    pub is_decimal: bool,
}

impl Column {
    /// The value of a record.
    #[must_use]
    pub fn value(&self, row: usize) -> Option<&str> {
        self.values.get(self.ids[row] as usize).map(AsRef::as_ref)
    }

    /// Records that have a value, by value and then by row.
    #[must_use]
    pub fn rows_by_value(&self) -> Vec<(ValueId, u32)> {
        let mut next = vec![0_u32; self.values.len() + 1];
        for &id in self.ids.iter().filter(|&&id| id != MISSING) {
            next[id as usize + 1] += 1;
        }
        for id in 0..self.values.len() {
            next[id + 1] += next[id];
        }
        let mut rows = vec![(0, 0); next.last().map_or(0, |all| *all as usize)];
        for (row, &id) in self.ids.iter().enumerate().filter(|(_, id)| **id != MISSING) {
            let place = &mut next[id as usize];
            rows[*place as usize] = (id, row as u32);
            *place += 1;
        }
        rows
    }

    /// How often each value occurs among the given rows.
    #[must_use]
    pub fn counts(&self, rows: std::ops::Range<usize>) -> Vec<u32> {
        let mut counts = vec![0; self.values.len()];
        for &id in &self.ids[rows] {
            if id != MISSING {
                counts[id as usize] += 1;
            }
        }
        counts
    }
}

/// One table's columns as they were read, each value as text.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// What people call it: the file's name.
    pub name: String,
    /// Columns of equal length.
    pub columns: Vec<Column>,
    /// Records.
    pub rows: usize,
}

/// The records of a run: one table to be freed of duplicates, or two to be linked.
#[derive(Debug, Clone)]
pub struct Records {
    /// Name of the first table, and of the second.
    pub tables: Vec<String>,
    /// Columns that both tables have.
    pub columns: Vec<Column>,
    /// Records of the first table; those of the second follow.
    pub first: usize,
    /// All records.
    pub rows: usize,
    /// Divisions that addresses are read by, where there is a list.
    pub divisions: Option<Divisions>,
}

impl Records {
    /// One table, in which the same thing may occur several times.
    #[must_use]
    pub fn one(table: Table) -> Self {
        Self { tables: vec![table.name], first: table.rows, rows: table.rows, columns: table.columns, divisions: None }
    }

    /// Two tables; `pairs` names the columns that mean the same, first and second.
    ///
    /// # Errors
    /// A name that its table does not have, or more than [`ROWS_MAX`] records.
    pub fn two(first: Table, second: Table, pairs: &[(String, String)]) -> Result<Self, LinkageError> {
        let rows = first.rows + second.rows;
        if rows > ROWS_MAX {
            return Err(LinkageError::TooManyRows { found: rows, most: ROWS_MAX });
        }
        let mut columns = Vec::with_capacity(pairs.len());
        for (left, right) in pairs {
            columns.push(append(find(&first, left)?, find(&second, right)?));
        }
        Ok(Self { tables: vec![first.name, second.name], columns, first: first.rows, rows, divisions: None })
    }

    /// Whether two tables are linked, rather than one freed of duplicates.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.tables.len() == 2
    }

    /// The column of this name.
    ///
    /// # Errors
    /// There is none; the error lists what there is.
    pub fn column(&self, name: &str) -> Result<usize, LinkageError> {
        self.columns.iter().position(|column| column.name == name).ok_or_else(|| LinkageError::Column {
            name: name.to_owned(),
            table: self.tables.join(", "),
            found: self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Pairs of records that could be the same.
    #[must_use]
    pub fn possible_pairs(&self) -> f64 {
        if self.is_link() {
            self.first as f64 * (self.rows - self.first) as f64
        } else {
            self.rows as f64 * (self.rows as f64 - 1.0) / 2.0
        }
    }
}

fn find<'table>(table: &'table Table, name: &str) -> Result<&'table Column, LinkageError> {
    table.columns.iter().find(|column| column.name == name).ok_or_else(|| LinkageError::Column {
        name: name.to_owned(),
        table: table.name.clone(),
        found: table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

fn append(first: &Column, second: &Column) -> Column {
    let mut builder = ColumnBuilder::new(&first.name);
    for value in &first.values {
        builder.id(value);
    }
    builder.column.ids.clone_from(&first.ids);
    builder.column.is_decimal = first.is_decimal;
    let translated: Vec<ValueId> = second.values.iter().map(|value| builder.id(value)).collect();
    let ids = second.ids.iter().map(|&id| if id == MISSING { MISSING } else { translated[id as usize] });
    builder.column.ids.extend(ids);
    builder.column.is_decimal |= second.is_decimal;
    builder.finish()
}

/// Builds a column value by value.
#[derive(Debug)]
pub struct ColumnBuilder {
    column: Column,
    known: Interner,
    text: String,
}

impl ColumnBuilder {
    /// An empty column.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let column = Column { name: name.to_owned(), ..Column::default() };
        Self { column, known: Interner::default(), text: String::new() }
    }

    /// Says that the source holds numbers with a fraction.
    pub fn decimal(&mut self) {
        self.column.is_decimal = true;
    }

    /// Adds the next record's value as it was written.
    pub fn push(&mut self, value: Option<&str>) {
        let mut text = std::mem::take(&mut self.text);
        normalise(value.unwrap_or(""), &mut text);
        let id = if says_nothing(&text) { MISSING } else { self.id(&text) };
        self.column.ids.push(id);
        self.text = text;
    }

    /// Adds a value that another record has.
    pub fn push_id(&mut self, id: ValueId) {
        self.column.ids.push(id);
    }

    /// The number that a value as it was written has in this column.
    pub fn intern(&mut self, value: &str) -> ValueId {
        self.push(Some(value));
        self.column.ids.pop().unwrap_or(MISSING)
    }

    fn id(&mut self, value: &str) -> ValueId {
        let (id, is_new) = self.known.number(value, &self.column.values);
        if is_new {
            self.column.values.push(value.into());
        }
        id
    }

    /// The column.
    #[must_use]
    pub fn finish(self) -> Column {
        self.column
    }
}

/// Whether a normalised value says nothing.
#[must_use]
pub fn says_nothing(text: &str) -> bool {
    text.is_empty() || NOTHING.contains(&text)
}

/// Writes what is compared of a value: half-width, lower case, single spaces, nothing at the ends.
pub fn normalise(value: &str, into: &mut String) {
    into.clear();
    let mut space = false;
    if value.is_ascii() {
        for byte in value.bytes() {
            // As `char::is_whitespace` has it.
            if matches!(byte, b' ' | b'\t'..=b'\r') {
                space = !into.is_empty();
                continue;
            }
            if space {
                into.push(' ');
                space = false;
            }
            into.push(char::from(byte.to_ascii_lowercase()));
        }
        return;
    }
    for character in value.chars() {
        let character = match character {
            // Full-width forms differ from ASCII by a constant.
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(character as u32 - 0xfee0).unwrap_or(character),
            '•' | '・' | '‧' | '∙' => '·',
            _ => character,
        };
        if character.is_whitespace() || character == '\u{feff}' {
            space = !into.is_empty();
            continue;
        }
        if space {
            into.push(' ');
            space = false;
        }
        if character.is_ascii() {
            into.push(character.to_ascii_lowercase());
        } else {
            into.extend(character.to_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_compared_without_width_case_and_stray_spaces() {
        let mut text = String::new();
        normalise("  ＡＢ１　Ｃ\tStraße  ", &mut text);
        assert_eq!(text, "ab1 c straße");
    }

    #[test]
    fn words_for_nothing_are_missing() {
        let mut builder = ColumnBuilder::new("x");
        for value in [Some("无"), Some(" NULL "), None, Some(""), Some("张三"), Some("张三 ")] {
            builder.push(value);
        }
        let column = builder.finish();
        assert_eq!(column.ids, [MISSING, MISSING, MISSING, MISSING, 0, 0]);
    }
}
