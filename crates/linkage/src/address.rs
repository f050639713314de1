//! Chinese addresses in parts: the divisions that the text names, road or village, house number, flat.
//!
//! With a list of divisions the longest chain of names that were valid on a day is looked for, from province to
//! village, levels left out or not, each division also under its name without the word for its kind (`兰山` for
//! `兰山区`); where two divisions fit equally well none is taken. Without a list the parts are told apart by the
//! words for their kinds.
//!
//! Deliberately absent: coordinates, and guessing a division that the text does not name.

use std::{collections::HashMap, path::Path, sync::Arc};

use jiff::civil::Date;
use yihe_vocabulary::{Division, DivisionCode, DivisionLevel, DivisionTree, Resolution, parse_day};

use crate::{
    error::{LinkageError, Reason},
    read,
    records::MISSING,
};

/// Words for kinds of divisions, by level, the longer first.
const KINDS: [&[&str]; 5] = [
    &["特别行政区", "自治区", "省"],
    &["自治州", "地区", "市", "盟"],
    &["自治县", "开发区", "新区", "区", "县", "旗", "市"],
    &["街道办事处", "街道", "镇", "乡"],
    &["社区居民委员会", "村村民委员会", "村民委员会", "居民委员会", "村委会", "居委会", "社区", "村"],
];
/// Words at which a road or village ends.
const ROADS: [&str; 11] = ["大街", "大道", "公路", "胡同", "路", "街", "巷", "道", "弄", "村", "庄"];

/// Divisions and the day on which their names must be valid.
#[derive(Debug, Clone)]
pub struct Divisions {
    tree: Arc<DivisionTree>,
    on: Date,
}

/// An address in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// County: its code, or its name where there is no list.
    pub county: Option<String>,
    /// Street or town: its code, or its name.
    pub town: Option<String>,
    /// Road, or village.
    pub road: Option<String>,
    /// House number: the first one after the road.
    pub number: Option<String>,
    /// The other numbers: block, unit, flat.
    pub flat: Option<String>,
}

impl Divisions {
    /// Divisions whose names count on this day, under their aliases too.
    #[must_use]
    pub fn new(mut tree: DivisionTree, on: Date) -> Self {
        let aliases: Vec<(DivisionCode, String)> = tree
            .divisions()
            .iter()
            .flat_map(|division| aliases(division).into_iter().map(|alias| (division.code, alias)))
            .collect();
        for (code, alias) in aliases {
            tree.add_alias(&code, alias);
        }
        Self { tree: Arc::new(tree), on }
    }

    /// Reads a list: columns `code`, `name`, `parent`, `level` (1 to 5), and where known `valid_from`, `valid_to`.
    ///
    /// # Errors
    /// The file is no such list; the reason names the row.
    pub fn read(path: &Path, on: Date) -> Result<Self, LinkageError> {
        let failed = |reason: Reason| LinkageError::Input { path: path.to_owned(), reason };
        let table = read::read(path)?;
        let column = |name: &str| table.columns.iter().find(|column| column.name == name);
        let needed = |name: &str| {
            column(name)
                .ok_or_else(|| failed(Reason::new(format!("found no column `{name}`"), format!("没有列“{name}”"))))
        };
        let (codes, names, levels) = (needed("code")?, needed("name")?, needed("level")?);
        let mut divisions = Vec::with_capacity(table.rows);
        for row in 0..table.rows {
            let at = |what: Reason| failed(what.at(&format!("row {}", row + 1), &format!("第 {} 行", row + 1)));
            let code =
                |text: &str| text.parse::<DivisionCode>().map_err(|error| at(Reason::of("code", "代码", &error)));
            let day = |name: &str| {
                let written = column(name).and_then(|column| column.value(row));
                written.map(|text| parse_day(text).map_err(|error| at(Reason::of("day", "日期", &error)))).transpose()
            };
            let level = match levels.value(row).unwrap_or("") {
                "1" => DivisionLevel::Province,
                "2" => DivisionLevel::City,
                "3" => DivisionLevel::County,
                "4" => DivisionLevel::Town,
                "5" => DivisionLevel::Village,
                other => return Err(at(Reason::found(&format!("level `{other}`"), &"1 to 5"))),
            };
            divisions.push(Division {
                code: code(codes.value(row).unwrap_or(""))?,
                name: names.value(row).ok_or_else(|| at(Reason::new("found no name", "没有名称")))?.to_owned(),
                parent: column("parent").and_then(|column| column.value(row)).map(code).transpose()?,
                level,
                kind: String::new(),
                valid_from: day("valid_from")?,
                valid_to: day("valid_to")?,
            });
        }
        let tree = DivisionTree::new(divisions).map_err(|error| failed(Reason::of("divisions", "区划", &error)))?;
        Ok(Self::new(tree, on))
    }
}

/// Names that a division goes by besides its official one: without the word for its kind, where two characters stay.
fn aliases(division: &Division) -> Vec<String> {
    let kinds = KINDS[division.level as usize];
    let Some(stem) = kinds.iter().find_map(|kind| division.name.strip_suffix(kind)) else { return Vec::new() };
    let mut aliases = Vec::new();
    if division.level == DivisionLevel::Village {
        // A village is called 前园社区 or 小岭村, hardly ever 前园.
        aliases.extend(["社区", "村"].iter().map(|kind| format!("{stem}{kind}")));
        aliases.retain(|alias| *alias != division.name);
    } else if stem.chars().count() >= 2 {
        aliases.push(stem.to_owned());
    }
    aliases
}

/// Parts an address, by a list of divisions or by its words.
#[must_use]
pub fn parse(text: &str, divisions: Option<&Divisions>) -> Address {
    let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let mut address = Address::default();
    let mut rest = text.as_str();
    if let Some(divisions) = divisions {
        match divisions.tree.resolve(&text, divisions.on) {
            Resolution::Found { code, consumed } => {
                rest = &text[consumed..];
                let chain = std::iter::once(code).chain(divisions.tree.ancestors(&code).map(|above| above.code));
                for division in chain.filter_map(|code| divisions.tree.get(&code)) {
                    match division.level {
                        DivisionLevel::County => address.county = Some(division.code.to_string()),
                        DivisionLevel::Town => address.town = Some(division.code.to_string()),
                        DivisionLevel::Village => address.road = Some(division.name.clone()),
                        DivisionLevel::Province | DivisionLevel::City => {}
                    }
                }
            }
            // Nobody guesses: the text as a whole is compared by its words.
            Resolution::Ambiguous { .. } => {}
            Resolution::Unknown => rest = by_words(&text, &mut address),
        }
    } else {
        rest = by_words(&text, &mut address);
    }
    house(rest, &mut address);
    address
}

/// Takes province to town off the beginning, by the words for their kinds; returns the rest.
fn by_words<'text>(text: &'text str, address: &mut Address) -> &'text str {
    let mut rest = text;
    for (level, kinds) in KINDS.iter().enumerate().take(4) {
        // A name of two to eight characters, of which none is a digit, then the word.
        let found = kinds
            .iter()
            .filter_map(|kind| rest.find(kind).map(|at| (at, at + kind.len())))
            .filter(|(at, _)| {
                let name = &rest[..*at];
                (1..=8).contains(&name.chars().count()) && !name.contains(|one: char| one.is_ascii_digit())
            })
            .filter(|(at, _)| !ROADS.iter().any(|road| rest[..*at].contains(road)))
            .min_by_key(|(at, end)| (*at, std::cmp::Reverse(*end)));
        let Some((_, end)) = found else { continue };
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        match level {
            2 => address.county = Some(name),
            3 => address.town = Some(name),
            _ => {}
        }
    }
    rest
}

/// Road or village, and numbers.
fn house(rest: &str, address: &mut Address) {
    let digit = rest.find(|one: char| one.is_ascii_digit()).unwrap_or(rest.len());
    let before = &rest[..digit];
    let road = ROADS.iter().filter_map(|road| before.find(road).map(|at| at + road.len())).filter(|end| *end > 3).min();
    if let Some(end) = road {
        address.road = Some(before[..end].to_owned());
    }
    let mut numbers = rest.split(|one: char| !one.is_ascii_digit()).filter(|number| !number.is_empty());
    address.number = numbers.next().map(ToOwned::to_owned);
    let flat = numbers.collect::<Vec<_>>().join("-");
    address.flat = (!flat.is_empty()).then_some(flat);
}

/// Whether a text looks like an address: a road, village or town, and mostly a number.
#[must_use]
pub fn looks_like_one(text: &str) -> bool {
    let address = parse(text, None);
    address.road.is_some() && (address.number.is_some() || address.town.is_some() || address.county.is_some())
}

/// Numbers of an address's parts, so that they compare as integers; [`MISSING`] where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    county: u32,
    town: u32,
    road: u32,
    number: u32,
    flat: u32,
}

impl Place {
    /// Numbers the parts of an address.
    #[must_use]
    pub fn new(address: &Address, known: &mut HashMap<String, u32>) -> Self {
        let mut number = |part: &Option<String>| {
            part.as_ref().map_or(MISSING, |part| {
                let next = known.len() as u32;
                *known.entry(part.clone()).or_insert(next)
            })
        };
        Self {
            county: number(&address.county),
            town: number(&address.town),
            road: number(&address.road),
            number: number(&address.number),
            flat: number(&address.flat),
        }
    }

    /// Whether two parts do not contradict each other: one may be unsaid.
    fn fits(a: u32, b: u32) -> bool {
        a == b || a == MISSING || b == MISSING
    }

    fn both(a: u32, b: u32) -> bool {
        a == b && a != MISSING
    }

    /// The same road or village, in divisions that do not contradict each other.
    #[must_use]
    pub fn same_road(&self, other: &Self) -> bool {
        Self::both(self.road, other.road) && Self::fits(self.town, other.town) && Self::fits(self.county, other.county)
    }

    /// The same down to the house number.
    #[must_use]
    pub fn same_house(&self, other: &Self) -> bool {
        self.same_road(other) && Self::both(self.number, other.number)
    }

    /// The same down to the flat, or the house where neither says one.
    #[must_use]
    pub fn same_flat(&self, other: &Self) -> bool {
        self.same_house(other) && self.flat == other.flat
    }

    /// The same street or town.
    #[must_use]
    pub fn same_town(&self, other: &Self) -> bool {
        Self::both(self.town, other.town) && Self::fits(self.county, other.county)
    }

    /// The same county.
    #[must_use]
    pub fn same_county(&self, other: &Self) -> bool {
        Self::both(self.county, other.county)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn divisions(on: Date) -> Divisions {
        use DivisionLevel::{City, County, Province, Town, Village};
        let division = |code: &str, name: &str, parent: &str, level, to: Option<Date>| Division {
            code: code.parse().unwrap(),
            name: name.to_owned(),
            parent: (!parent.is_empty()).then(|| parent.parse().unwrap()),
            level,
            kind: String::new(),
            valid_from: None,
            valid_to: to,
        };
        let tree = DivisionTree::new([
            division("370000", "山东省", "", Province, None),
            division("371300", "临沂市", "370000", City, None),
            division("371302", "兰山区", "371300", County, None),
            division("371311", "罗庄区", "371300", County, None),
            division("371324", "兰陵县", "371300", County, None),
            division("371399", "苍山县", "371300", County, Some(date(2014, 1, 20))),
            division("371302101", "枣园镇", "371302", Town, None),
            division("371302101201", "小岭村村民委员会", "371302101", Village, None),
            division("371311001", "罗庄街道", "371311", Town, None),
            division("371311001201", "小岭村村民委员会", "371311001", Village, None),
        ])
        .unwrap();
        Divisions::new(tree, on)
    }

    fn place(text: &str, divisions: Option<&Divisions>, known: &mut HashMap<String, u32>) -> Place {
        Place::new(&parse(text, divisions), known)
    }

    #[test]
    fn one_address_written_in_several_ways_is_one_place() {
        let divisions = divisions(date(2026, 1, 1));
        let mut known = HashMap::new();
        let mut of = |text: &str| place(text, Some(&divisions), &mut known);
        let whole = of("山东省临沂市兰山区沂蒙路12号3号楼2单元301");
        for other in ["兰山区沂蒙路12号3号楼2单元301", "临沂兰山区沂蒙路12号3-2-301", "临沂市 兰山 沂蒙路12号3#2-301室"]
        {
            assert!(whole.same_flat(&of(other)), "{other}");
        }
        assert!(!whole.same_flat(&of("兰山区沂蒙路12号3号楼2单元302")));
        assert!(whole.same_house(&of("兰山区沂蒙路12号")));
        assert!(whole.same_road(&of("兰山区沂蒙路14号")) && !whole.same_house(&of("兰山区沂蒙路14号")));
        assert!(!whole.same_road(&of("罗庄区沂蒙路12号")), "the same road of another county");
    }

    #[test]
    fn villages_are_found_by_their_short_names_and_ambiguous_ones_are_not() {
        let divisions = divisions(date(2026, 1, 1));
        let found = parse("兰山区枣园镇小岭村15号", Some(&divisions));
        assert_eq!((found.town.as_deref(), found.number.as_deref()), (Some("371302101"), Some("15")));
        assert_eq!(found.road.as_deref(), Some("小岭村村民委员会"));
        // Two towns have a 小岭村: which one is not said, so no division is taken.
        let doubtful = parse("小岭村15号", Some(&divisions));
        assert_eq!((doubtful.county, doubtful.town), (None, None));
    }

    #[test]
    fn a_name_counts_only_while_it_was_valid() {
        let text = "临沂市苍山县文化路8号";
        assert_eq!(parse(text, Some(&divisions(date(2013, 1, 1)))).county.as_deref(), Some("371399"));
        assert_eq!(parse(text, Some(&divisions(date(2026, 1, 1)))).county, None);
    }

    #[test]
    fn without_a_list_the_words_for_kinds_part_an_address() {
        let address = parse("山东省临沂市兰山区枣园镇前王家庄村15号", None);
        assert_eq!(address.county.as_deref(), Some("兰山区"));
        assert_eq!(address.town.as_deref(), Some("枣园镇"));
        assert_eq!(address.number.as_deref(), Some("15"));
        assert!(looks_like_one("沂蒙路12号") && !looks_like_one("临沂宏达商贸有限公司"));
    }
}
