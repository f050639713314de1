//! `code_list`: the value is one of a list, where asked on the day of the record.

use std::{collections::BTreeMap, sync::Arc};

use yihe_definitions::CodeTable;

use crate::{
    bits::{Bits, Rows},
    column::{Class, Data, Reading},
    key::KeyMap,
    rules::{Batch, Plan, Slot, Verdict, all_valid},
    value,
};

/// Code tables by identifier, with their days of validity.
#[derive(Debug, Clone, Default)]
pub struct CodeTables {
    tables: BTreeMap<String, Arc<Codes>>,
}

/// A list of codes. A code may have been valid in several spans of time.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    numbers: Arc<KeyMap>,
    /// By the number of a code: first and last day, both included.
    spans: Vec<Vec<(i32, i32)>>,
}

impl CodeTables {
    /// No table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table of a pack.
    ///
    /// # Errors
    /// A day of validity that is none.
    pub fn insert(&mut self, table: &CodeTable) -> Result<(), String> {
        let mut codes = Codes::default();
        for code in &table.codes {
            codes
                .insert(&code.code, code.valid_from.as_deref(), code.valid_to.as_deref())
                .map_err(|reason| format!("code table `{}`: {reason}", table.id))?;
        }
        self.insert_codes(&table.id, codes);
        Ok(())
    }

    /// Adds a list under an identifier; one that was there is replaced.
    pub fn insert_codes(&mut self, id: &str, codes: Codes) {
        self.tables.insert(id.to_owned(), Arc::new(codes));
    }

    /// The list of an identifier.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Codes>> {
        self.tables.get(id)
    }

    /// Identifiers and lists.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Codes>)> {
        self.tables.iter().map(|(id, codes)| (id.as_str(), codes))
    }
}

impl Codes {
    /// Adds a code with its first and last day (`YYYY-MM-DD` or another usual spelling; empty: open).
    ///
    /// # Errors
    /// A day that is none.
    pub fn insert(&mut self, code: &str, valid_from: Option<&str>, valid_to: Option<&str>) -> Result<(), String> {
        let day = |text: Option<&str>, open: i32| match text {
            None | Some("") => Ok(open),
            Some(text) => value::day(text.as_bytes())
                .ok_or_else(|| format!("code `{code}` is valid from or to `{text}`, expected a day as 2024-03-05")),
        };
        let span = (day(valid_from, i32::MIN)?, day(valid_to, i32::MAX)?);
        let next = u32::try_from(self.spans.len()).map_err(|_| "has more than 2^32 codes".to_owned())?;
        let number = Arc::make_mut(&mut self.numbers).insert(code.as_bytes(), next);
        if number == next {
            self.spans.push(Vec::new());
        }
        self.spans[number as usize].push(span);
        Ok(())
    }

    /// The codes, whenever they were valid.
    #[must_use]
    pub const fn all(&self) -> &Arc<KeyMap> {
        &self.numbers
    }

    /// How many codes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether a code was valid on a day (days since 1970-01-01).
    #[must_use]
    pub fn valid_on(&self, code: &[u8], day: i32) -> bool {
        self.numbers
            .get(code)
            .is_some_and(|number| self.spans[number as usize].iter().any(|(from, to)| (*from..=*to).contains(&day)))
    }
}

/// A code that must have been valid on the day in another column.
#[derive(Debug)]
pub struct DatedCode {
    code: Slot,
    day: Slot,
    zoned: bool,
    codes: Arc<Codes>,
    characters: Option<(u32, u32)>,
}

impl DatedCode {
    /// Compiles the rule.
    ///
    /// # Errors
    /// No such column, or a second column that holds no days.
    pub fn compile(
        (column, characters): (&str, Option<(u32, u32)>),
        valid_at: &str,
        codes: Arc<Codes>,
        plan: &mut Plan<'_>,
    ) -> Result<Self, String> {
        let class = plan.class(valid_at)?;
        if !matches!(class, Class::Day | Class::Instant { .. } | Class::Text) {
            return Err(format!("column `{valid_at}` holds {}, expected dates", class.name()));
        }
        let zoned = class == Class::Instant { zoned: true };
        let (code, day) = (plan.slot(column, Reading::Text)?, plan.slot(valid_at, Reading::Native)?);
        Ok(Self { code, day, zoned, codes, characters })
    }

    /// Rows with a code are evaluated; without a readable day any code of the table passes.
    #[must_use]
    pub fn judge(&self, batch: &Batch<'_>) -> Verdict {
        let evaluated = all_valid(batch, &[self.code]);
        let (code, day) = (batch.column(self.code), batch.column(self.day));
        let day_of = |row: usize| {
            if !day.valid.contains(row) {
                return None;
            }
            match &day.data {
                Data::Days(days) => Some(days[row]),
                Data::Instants(instants) => local_day(instants[row], self.zoned),
                Data::Text(text) => value::day(text.value(row)),
                _ => None,
            }
        };
        let mut failed = match code.text() {
            Some(text) => Bits::collect(batch.rows(), |row| {
                let code = self.characters.map_or_else(|| text.value(row), |part| part_of(text.value(row), part));
                match day_of(row) {
                    Some(day) => !self.codes.valid_on(code, day),
                    None => !self.codes.all().contains(code),
                }
            }),
            None => Bits::none(batch.rows()),
        };
        evaluated.confine(&mut failed);
        Verdict { evaluated, failed }
    }
}

/// The characters of a text from `first` to `last`, counted from 1; empty where the text is shorter.
#[must_use]
pub fn part_of(text: &[u8], (first, last): (u32, u32)) -> &[u8] {
    let (begin, end) = (first.saturating_sub(1) as usize, last as usize);
    if let Some(head) = text.get(..end)
        && head.is_ascii()
    {
        return &head[begin.min(end)..];
    }
    let Ok(text) = std::str::from_utf8(text) else { return b"" };
    let at = |character: usize| text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(character);
    match (at(begin), at(end)) {
        (Some(begin), Some(end)) => &text.as_bytes()[begin..end],
        _ => b"",
    }
}

/// The day on the wall: zoned instants are read in China.
#[must_use]
pub fn local_day(micros: i64, zoned: bool) -> Option<i32> {
    let wall = if zoned { micros.checked_add(value::LOCAL_OFFSET_MICROS)? } else { micros };
    i32::try_from(wall.div_euclid(value::DAY_MICROS)).ok()
}

/// A list written into the rule itself.
#[must_use]
pub fn listed(codes: &[String]) -> Arc<KeyMap> {
    let mut map = KeyMap::default();
    for (number, code) in (0..).zip(codes) {
        map.insert(code.as_bytes(), number);
    }
    Arc::new(map)
}

/// `Rows` in which nothing is evaluated.
#[must_use]
pub fn nothing(rows: usize) -> Rows {
    Rows::Some(Bits::none(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_valid_in_each_of_its_spans_and_not_between() {
        let mut codes = Codes::default();
        codes.insert("371312", None, Some("1994-12-31")).unwrap();
        codes.insert("371312", Some("2000-01-01"), None).unwrap();
        let day = |text: &str| value::day(text.as_bytes()).unwrap();
        assert!(codes.valid_on(b"371312", day("1994-12-31")));
        assert!(!codes.valid_on(b"371312", day("1995-01-01")));
        assert!(codes.valid_on(b"371312", day("2000-01-01")));
        assert!(!codes.valid_on(b"371313", day("2000-01-01")));
        assert_eq!(codes.len(), 1);
        assert!(codes.insert("1", Some("soon"), None).unwrap_err().contains("`soon`"));
    }

    #[test]
    fn a_part_of_a_text_is_counted_in_characters_from_one() {
        assert_eq!(part_of(b"91371302MA", (3, 8)), b"371302");
        assert_eq!(part_of("鲁Q12345".as_bytes(), (1, 2)), "鲁Q".as_bytes());
        assert_eq!(part_of("3713沂河".as_bytes(), (5, 6)), "沂河".as_bytes());
        assert_eq!(
            (part_of(b"37130", (1, 6)), part_of(b"", (1, 6)), part_of(b"\xff12345", (1, 6))),
            (&b""[..], &b""[..], &b""[..])
        );
    }
}
