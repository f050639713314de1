//! The tree of divisions, and finding one in the text of an address.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;

use crate::division_code::{DivisionCode, DivisionLevel};

/// Characters of an address that are looked at.
pub const ADDRESS_CHARACTERS_MAX: usize = 256;
/// Divisions a tree may hold; the whole country has about 665,000.
pub const DIVISIONS_MAX: usize = 1_000_000;

/// One division.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Its code.
    pub code: DivisionCode,
    /// Its official name.
    pub name: String,
    /// Code of the division it lies in; `None` for a root.
    pub parent: Option<DivisionCode>,
    /// How far down it stands.
    pub level: DivisionLevel,
    /// What it is at that level, a code of a code table: `district`, `county`, `zone`, `street`, `town` …
    pub kind: String,
    /// First day on which the code is valid; `None`: always was.
    pub valid_from: Option<Date>,
    /// Last day on which the code is valid; `None`: still is.
    pub valid_to: Option<Date>,
}

impl Division {
    /// Whether the division exists on `day`.
    #[must_use]
    pub fn is_valid_on(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day <= to)
    }
}

/// Divisions by code and by name.
#[derive(Debug, Clone, Default)]
pub struct DivisionTree {
    divisions: Vec<Division>,
    by_code: HashMap<DivisionCode, usize>,
    by_name: HashMap<String, Vec<usize>>,
    children: HashMap<DivisionCode, Vec<usize>>,
    name_characters_max: usize,
}

/// Why records make no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DivisionTreeError {
    /// The same code twice.
    #[error("found division {code} twice, expected each code once")]
    CodeTwice {
        /// The code.
        code: DivisionCode,
    },
    /// A parent that is not in the list.
    #[error("division {code} lies in {parent}, which is not in the list")]
    NoParent {
        /// The code.
        code: DivisionCode,
        /// The code of its parent.
        parent: DivisionCode,
    },
    /// A parent that does not stand above its child.
    #[error("division {code} ({level:?}) lies in {parent}, which stands no higher")]
    Order {
        /// The code.
        code: DivisionCode,
        /// Its level.
        level: DivisionLevel,
        /// The code of its parent.
        parent: DivisionCode,
    },
    /// More than [`DIVISIONS_MAX`].
    #[error("found more than {DIVISIONS_MAX} divisions")]
    TooMany,
}

/// What an address says about its division.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// One division, the deepest that the text names.
    Found {
        /// Its code.
        code: DivisionCode,
        /// Bytes of the address that name it and the divisions above it; the rest is road and house.
        consumed: usize,
    },
    /// Several divisions fit equally well: not resolved, and nobody guesses.
    Ambiguous {
        /// Their codes, in order.
        codes: Vec<DivisionCode>,
    },
    /// The text begins with no division of the tree.
    Unknown,
}

impl DivisionTree {
    /// Builds the tree; the records may come in any order.
    ///
    /// # Errors
    /// A code twice, a parent missing or not above its child, too many records.
    pub fn new(divisions: impl IntoIterator<Item = Division>) -> Result<Self, DivisionTreeError> {
        let mut tree = Self::default();
        for division in divisions {
            let index = tree.divisions.len();
            if index == DIVISIONS_MAX {
                return Err(DivisionTreeError::TooMany);
            }
            if tree.by_code.insert(division.code, index).is_some() {
                return Err(DivisionTreeError::CodeTwice { code: division.code });
            }
            tree.name_characters_max = tree.name_characters_max.max(division.name.chars().count());
            tree.by_name.entry(division.name.clone()).or_default().push(index);
            if let Some(parent) = division.parent {
                tree.children.entry(parent).or_default().push(index);
            }
            tree.divisions.push(division);
        }
        for Division { code, parent, level, .. } in &tree.divisions {
            let Some(parent) = *parent else { continue };
            let above = tree.get(&parent).ok_or(DivisionTreeError::NoParent { code: *code, parent })?;
            if above.level >= *level {
                return Err(DivisionTreeError::Order { code: *code, level: *level, parent });
            }
        }
        Ok(tree)
    }

    /// Lets a division be found under another name too; a code that is not in the tree is passed over.
    pub fn add_alias(&mut self, code: &DivisionCode, name: String) {
        if let Some(&index) = self.by_code.get(code) {
            self.name_characters_max = self.name_characters_max.max(name.chars().count());
            self.by_name.entry(name).or_default().push(index);
        }
    }

    /// The division with this code, whenever it was or is valid.
    #[must_use]
    pub fn get(&self, code: &DivisionCode) -> Option<&Division> {
        self.by_code.get(code).map(|index| &self.divisions[*index])
    }

    /// All divisions, in the order of the records.
    #[must_use]
    pub fn divisions(&self) -> &[Division] {
        &self.divisions
    }

    /// The divisions directly below, in the order of the records.
    pub fn children(&self, code: &DivisionCode) -> impl Iterator<Item = &Division> {
        self.children.get(code).into_iter().flatten().map(|index| &self.divisions[*index])
    }

    /// The divisions above, nearest first. Ends, because a parent stands higher than its child.
    pub fn ancestors(&self, code: &DivisionCode) -> impl Iterator<Item = &Division> {
        let above = |division: &Division| division.parent.and_then(|parent| self.get(&parent));
        std::iter::successors(self.get(code).and_then(above), move |division| above(division))
    }

    /// Names from the top down to the division itself, joined: `山东省临沂市兰山区`.
    #[must_use]
    pub fn full_name(&self, code: &DivisionCode) -> Option<String> {
        let own = self.get(code)?;
        let mut names: Vec<&str> = self.ancestors(code).map(|division| division.name.as_str()).collect();
        names.reverse();
        names.push(&own.name);
        Some(names.concat())
    }

    /// Finds the division that an address names, by the longest chain of names from its beginning.
    ///
    /// Levels may be left out (`兰山区金雀山街道…`, `山东省兰山区…`), the order top to bottom may not change.
    /// Of divisions that were valid at different times only those of `on` are considered. When several
    /// chains are equally long (a village name that many towns have), the answer is
    /// [`Resolution::Ambiguous`]. At most [`ADDRESS_CHARACTERS_MAX`] characters are looked at.
    #[must_use]
    pub fn resolve(&self, address: &str, on: Date) -> Resolution {
        let start = address.len() - address.trim_start().len();
        let end = address.char_indices().nth(ADDRESS_CHARACTERS_MAX).map_or(address.len(), |(index, _)| index);
        let mut longest = 0;
        let mut ends = BTreeSet::new();
        // A chain is at most five levels deep, and each step looks at `name_characters_max` prefixes.
        let mut open = vec![(None::<usize>, start)];
        while let Some((above, at)) = open.pop() {
            if let Some(index) = above {
                if at > longest {
                    longest = at;
                    ends.clear();
                }
                if at == longest {
                    ends.insert(self.divisions[index].code);
                }
            }
            for (next, length) in self.named_below(above, &address[at..end.max(at)], on) {
                open.push((Some(next), at + length));
            }
        }
        // A chain that leaves levels out ends at the same place as the full one, with the same code.
        let mut ends = ends.into_iter();
        match (ends.next(), ends.len()) {
            (None, _) => Resolution::Unknown,
            (Some(code), 0) => Resolution::Found { code, consumed: longest },
            (Some(first), _) => Resolution::Ambiguous { codes: std::iter::once(first).chain(ends).collect() },
        }
    }

    /// Divisions below `above` whose name, or other name, the text begins with, and the bytes of that name.
    fn named_below(&self, above: Option<usize>, text: &str, on: Date) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let ends = text.char_indices().map(|(index, character)| index + character.len_utf8());
        for end in ends.take(self.name_characters_max) {
            let Some(named) = self.by_name.get(&text[..end]) else { continue };
            let fitting = named.iter().copied().filter(|index| {
                let division = &self.divisions[*index];
                division.is_valid_on(on) && above.is_none_or(|above| self.lies_in(division, above))
            });
            found.extend(fitting.map(|index| (index, end)));
        }
        found
    }

    fn lies_in(&self, division: &Division, above: usize) -> bool {
        let above = self.divisions[above].code;
        self.ancestors(&division.code).any(|ancestor| ancestor.code == above)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn division(code: &str, name: &str, parent: &str, level: DivisionLevel) -> Division {
        Division {
            code: code.parse().unwrap(),
            name: name.to_owned(),
            parent: (!parent.is_empty()).then(|| parent.parse().unwrap()),
            level,
            kind: String::new(),
            valid_from: None,
            valid_to: None,
        }
    }

    fn linyi() -> DivisionTree {
        use DivisionLevel::{City, County, Province, Town, Village};
        DivisionTree::new([
            division("370000", "山东省", "", Province),
            division("371300", "临沂市", "370000", City),
            division("371302", "兰山区", "371300", County),
            division("371311", "罗庄区", "371300", County),
            division("371302001", "兰山街道", "371302", Town),
            division("371302001001", "前进社区", "371302001", Village),
            division("371311001", "罗庄街道", "371311", Town),
            division("371311001001", "前进社区", "371311001", Village),
        ])
        .unwrap()
    }

    fn found(address: &str) -> Option<String> {
        match linyi().resolve(address, date(2026, 1, 1)) {
            Resolution::Found { code, .. } => Some(code.to_string()),
            Resolution::Ambiguous { .. } | Resolution::Unknown => None,
        }
    }

    #[test]
    fn the_deepest_division_that_an_address_names_is_found() {
        assert_eq!(found("山东省临沂市兰山区兰山街道前进社区12号").as_deref(), Some("371302001001"));
        assert_eq!(found("兰山区兰山街道沂蒙路3号").as_deref(), Some("371302001"));
        assert_eq!(found("山东省罗庄区前进社区").as_deref(), Some("371311001001"));
        assert_eq!(found("临沂市解放路").as_deref(), Some("371300"));
    }

    #[test]
    fn a_name_that_several_towns_have_is_not_resolved() {
        let Resolution::Ambiguous { codes } = linyi().resolve("前进社区5号", date(2026, 1, 1)) else {
            panic!("expected two candidates");
        };
        assert_eq!(codes.len(), 2);
        assert_eq!(linyi().resolve("北京市东城区", date(2026, 1, 1)), Resolution::Unknown);
        assert_eq!(linyi().resolve("", date(2026, 1, 1)), Resolution::Unknown);
    }

    #[test]
    fn a_division_counts_only_while_it_is_valid() {
        let mut gone = division("371399", "郯城区", "", DivisionLevel::County);
        gone.valid_to = Some(date(2020, 12, 31));
        let tree = DivisionTree::new([gone]).unwrap();
        assert!(matches!(tree.resolve("郯城区1号", date(2020, 6, 1)), Resolution::Found { .. }));
        assert_eq!(tree.resolve("郯城区1号", date(2021, 1, 1)), Resolution::Unknown);
    }

    #[test]
    fn ancestors_run_to_the_top() {
        let tree = linyi();
        let code = "371302001001".parse().unwrap();
        let names: Vec<_> = tree.ancestors(&code).map(|division| division.name.as_str()).collect();
        assert_eq!(names, ["兰山街道", "兰山区", "临沂市", "山东省"]);
        assert_eq!(tree.full_name(&code).as_deref(), Some("山东省临沂市兰山区兰山街道前进社区"));
        assert_eq!(tree.children(&"371300".parse().unwrap()).count(), 2);
    }

    #[test]
    fn records_that_make_no_tree_are_refused() {
        use DivisionLevel::{City, County};
        let tree = |records: Vec<Division>| DivisionTree::new(records).unwrap_err();
        let county = || division("371302", "兰山区", "371300", County);
        assert!(matches!(tree(vec![county()]), DivisionTreeError::NoParent { .. }));
        assert!(matches!(tree(vec![county(), county()]), DivisionTreeError::CodeTwice { .. }));
        let below = division("371300", "临沂市", "371302", City);
        let top = division("371302", "兰山区", "", County);
        assert!(matches!(tree(vec![top, below]), DivisionTreeError::Order { .. }));
    }
}
