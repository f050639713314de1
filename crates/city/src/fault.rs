//! What departments get wrong, and how often.
//!
//! Each record has at most one deviation. Which one follows from the seed, the dataset and the record's number;
//! the kinds that a dataset can have, from its columns, rules and format. Rates are in records per million.
//!
//! | kind | rate | where | consequence |
//! |---|---|---|---|
//! | required value missing | 300 | first required column (not Parquet, not a database) | quarantine |
//! | letters in a number | 400 | first number column of a text format | quarantine |
//! | 31 February | 400 | first date column of a text format | quarantine |
//! | field too few, field too many | 200 each | CSV | quarantine |
//! | broken line | 300 | JSON lines | quarantine |
//! | value missing | 4,000 | each `not_null` rule | the rule fails |
//! | wrong check digit | 1,500 | each `check_digit` rule, each registry key without one | rule fails; key unusable |
//! | 15-digit number | 6,000 of those born before 1985 | `citizen_id_legacy` rules, person keys without rule | read as 18 digits |
//! | blank-padded, full-width | 3,000, 1,500 | registry keys without `check_digit` rule | read after normalising |
//! | unknown code, out of range | 1,500, 1,000 | each such rule | the rule fails |
//! | wrong form | 1,000 | each `pattern` rule | the rule fails |
//! | end before beginning | 800 | each `order` rule | the rule fails |
//! | sex or birth date differs from the number | 700 | each `citizen_agrees` rule | the rule fails |
//! | sum off by one | 900 | each `predicate` over amounts | the rule fails |
//! | same row twice | 800 | every dataset | both rows fail `unique` |
//! | stale | 30,000 | datasets that are not the authority for what changes | a conflict |
//! | name misheard or written with another form | 6,000 | names of persons and places, not the authority's | a conflict |
//! | corrected in a later file | 12,000 | see [`CORRECTED`] | the later value counts |
//! | region slipped in the number, check character recomputed | 500 | people, with others than the authority for the name | an entity of its own, the same person |
//! | number from before the birth date or the registering office was corrected | 500 of people, 5,000 of bodies | likewise | an entity of its own, the same person or body |

use yihe_definitions::{ColumnType, Dataset, EntityKind, Format, Pack, RuleKind, Severity, rule::Identifier};
use yihe_vocabulary::{citizen_id, credit_code};

use crate::{
    names::confused,
    random::Draw,
    row::{Cell, Row},
    table::registry_key,
};

/// Datasets that come in two files, the second with corrections of the first.
pub const CORRECTED: &[&str] = &["residence_permits", "medical_insurance_persons", "tax_registrations"];
/// Datasets of which one file is sent again, byte for byte, under another name.
pub const RESENT: &[&str] = &["student_roll", "village_profiles"];
/// Columns that a department promised and does not deliver.
pub const WITHHELD: &[(&str, &str)] = &[("veterans", "bank_account"), ("teachers", "mobile")];
/// Columns whose value changes in life, so that an old extract differs.
const MOVABLE: &[&str] = &[
    "residence_division",
    "residence_address",
    "mobile",
    "marital_status",
    "phone",
    "reg_address",
    "org_name",
    "legal_person_name",
    "legal_person_id",
    "party_name",
    "cert_status",
    "usage_type",
    "value",
];

/// Fields whose authority gives people and bodies their numbers too.
const OWN_NAMES: &[&str] = &["name", "org_name"];

/// One way in which a record deviates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Absent {
        column: usize,
    },
    WrongCheck {
        column: usize,
    },
    Legacy15 {
        column: usize,
    },
    Padded {
        column: usize,
    },
    FullWidth {
        column: usize,
    },
    UnknownCode {
        column: usize,
    },
    OutOfRange {
        column: usize,
        beyond: String,
    },
    WrongForm {
        column: usize,
    },
    Reversed {
        earlier: usize,
        later: usize,
    },
    SexDiffers {
        column: usize,
    },
    BirthDiffers {
        column: usize,
    },
    SumOff {
        column: usize,
    },
    Letters {
        column: usize,
    },
    NoSuchDay {
        column: usize,
    },
    FieldMissing,
    FieldTooMany,
    BrokenLine,
    Twice,
    Stale,
    NameConfused {
        column: usize,
    },
    Corrected,
    /// The number of the same person or body, as it was mistyped or once was.
    OtherNumber {
        column: usize,
        other: OtherNumber,
        birth: Option<usize>,
    },
}

/// How one person or body comes by a second number whose check characters add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherNumber {
    /// Two digits of the region changed places, and the program that took the number made the check character.
    Slipped,
    /// As it was before it was issued anew: a person born a day or a year later than the paper said, a body with another
    /// registering office.
    Former,
}

/// A region of before the city was one (临沂地区, until 1994): nobody else of this city has it.
const FORMER_REGION: &str = "372801";

impl OtherNumber {
    /// Both, in the order in which the truth lists their entities.
    pub const ALL: [Self; 2] = [Self::Slipped, Self::Former];

    /// The word in the truth file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Slipped => "slipped_number",
            Self::Former => "former_number",
        }
    }

    /// The second number; `None` where there is none: the digits that would change places are equal.
    pub fn of(self, number: &str) -> Option<String> {
        let bytes = number.as_bytes();
        if bytes.len() != 18 {
            return None;
        }
        if citizen_id::is_valid(bytes) {
            let first = match self {
                Self::Slipped if bytes[1] == bytes[2] => return None,
                Self::Slipped => {
                    format!("{}{}{}{}", &number[..1], &number[2..3], &number[1..2], &number[3..17])
                }
                Self::Former => format!("{FORMER_REGION}{}{}", former_birth(&number[6..14]), &number[14..17]),
            };
            let check = citizen_id::check_character(first.as_bytes().first_chunk()?).ok()?;
            return Some(format!("{first}{}", char::from(check)));
        }
        let first = match self {
            Self::Slipped => return None,
            Self::Former => format!("{}{FORMER_REGION}{}", &number[..2], &number[8..17]),
        };
        let check = credit_code::check_character(first.as_bytes().first_chunk()?).ok()?;
        Some(format!("{first}{}", char::from(check)))
    }
}

/// The birth date that stood on the papers before: a year earlier, on the first of a month where there was no such day.
fn former_birth(born: &str) -> String {
    let year: u16 = born[..4].parse().unwrap_or(1970);
    let rest = if &born[4..] == "0229" { "0201" } else { &born[4..] };
    format!("{:04}{rest}", year - 1)
}

/// Why a record cannot land. The word in the truth file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    RequiredMissing,
    NotANumber,
    NotADay,
    FieldCount,
    BrokenLine,
}

impl Reason {
    pub const fn word(self) -> &'static str {
        match self {
            Self::RequiredMissing => "required_missing",
            Self::NotANumber => "not_a_number",
            Self::NotADay => "not_a_day",
            Self::FieldCount => "field_count",
            Self::BrokenLine => "broken_line",
        }
    }
}

impl Fault {
    /// The word in the truth file.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Absent { .. } => "absent",
            Self::WrongCheck { .. } => "wrong_check",
            Self::Legacy15 { .. } => "legacy15",
            Self::Padded { .. } => "padded",
            Self::FullWidth { .. } => "full_width",
            Self::UnknownCode { .. } => "unknown_code",
            Self::OutOfRange { .. } => "out_of_range",
            Self::WrongForm { .. } => "wrong_form",
            Self::Reversed { .. } => "reversed",
            Self::SexDiffers { .. } => "sex_differs",
            Self::BirthDiffers { .. } => "birth_differs",
            Self::SumOff { .. } => "sum_off",
            Self::Letters { .. } => "letters",
            Self::NoSuchDay { .. } => "no_such_day",
            Self::FieldMissing => "field_missing",
            Self::FieldTooMany => "field_too_many",
            Self::BrokenLine => "broken_line",
            Self::Twice => "twice",
            Self::Stale => "stale",
            Self::NameConfused { .. } => "name_confused",
            Self::Corrected => "corrected",
            Self::OtherNumber { other, .. } => other.word(),
        }
    }

    /// The column it is about, if one.
    pub const fn column(&self) -> Option<usize> {
        match self {
            Self::Absent { column }
            | Self::WrongCheck { column }
            | Self::Legacy15 { column }
            | Self::Padded { column }
            | Self::FullWidth { column }
            | Self::UnknownCode { column }
            | Self::OutOfRange { column, .. }
            | Self::WrongForm { column }
            | Self::Reversed { later: column, .. }
            | Self::SexDiffers { column }
            | Self::BirthDiffers { column }
            | Self::SumOff { column }
            | Self::Letters { column }
            | Self::NoSuchDay { column }
            | Self::NameConfused { column }
            | Self::OtherNumber { column, .. } => Some(*column),
            Self::FieldMissing
            | Self::FieldTooMany
            | Self::BrokenLine
            | Self::Twice
            | Self::Stale
            | Self::Corrected => None,
        }
    }

    /// Changes the record. Returns whether it could: a 15-digit number needs somebody born in time.
    pub fn apply(&self, row: &mut Row) -> bool {
        match self {
            Self::Absent { column } => row.cells[*column] = Cell::Missing,
            Self::WrongCheck { column } => {
                let wrong = wrong_check(row.str(*column));
                row.set_str(*column, &wrong);
            }
            Self::Legacy15 { column } => {
                let id = row.str(*column);
                if id.len() != 18 || &id[6..8] != "19" || &id[8..10] >= "85" {
                    return false;
                }
                let old = format!("{}{}", &id[..6], &id[8..17]);
                row.set_str(*column, &old);
            }
            Self::Padded { column } => {
                let padded = format!(" {}  ", row.str(*column));
                row.set_str(*column, &padded);
            }
            Self::FullWidth { column } => {
                let wide: String = row.str(*column).chars().map(full_width).collect();
                row.set_str(*column, &wide);
            }
            Self::UnknownCode { column } => row.set_str(*column, "ZZ"),
            Self::OutOfRange { column, beyond } => return out_of_range(row, *column, beyond),
            Self::WrongForm { column } => {
                let wrong = format!("{}#", row.str(*column));
                row.set_str(*column, &wrong);
            }
            Self::Reversed { earlier, later } => {
                let Cell::Day(begin) = row.cells[*earlier] else { return false };
                row.cells[*later] = Cell::Day(begin - 40);
            }
            Self::SexDiffers { column } => {
                let other = if row.str(*column) == "1" { "2" } else { "1" };
                row.set_str(*column, other);
            }
            Self::BirthDiffers { column } => {
                let Cell::Day(birth) = row.cells[*column] else { return false };
                row.cells[*column] = Cell::Day(birth + 1);
            }
            Self::SumOff { column } => {
                let Cell::Decimal { unscaled, scale } = row.cells[*column] else { return false };
                row.cells[*column] = Cell::Decimal { unscaled: unscaled + 1, scale };
            }
            Self::Letters { column } => row.set_unfit(*column, "1O2.l"),
            Self::NoSuchDay { column } => row.set_unfit(*column, "2024-02-31"),
            Self::NameConfused { column } => {
                let wrong = confused(row.str(*column));
                row.set_str(*column, &wrong);
            }
            Self::OtherNumber { column, other, birth } => {
                let Some(number) = other.of(row.str(*column)) else { return false };
                if let (OtherNumber::Former, Some(birth)) = (other, birth) {
                    let Ok(born) = yihe_vocabulary::parse_day(&number[6..14]) else { return false };
                    row.cells[*birth] = Cell::Day(crate::world::day_number(born));
                }
                row.set_str(*column, &number);
            }
            Self::FieldMissing
            | Self::FieldTooMany
            | Self::BrokenLine
            | Self::Twice
            | Self::Stale
            | Self::Corrected => {}
        }
        true
    }
}

/// A deviation with its rate and what follows from it.
#[derive(Debug, Clone)]
pub struct Planned {
    pub fault: Fault,
    /// Cumulated rate: draws below it and not below the one before choose this.
    until: u64,
    /// Rules that fail, by their number in the dataset.
    pub breaks: Vec<usize>,
    /// Keeps the record from landing.
    pub quarantine: Option<Reason>,
    /// The record's registry key cannot be used.
    pub spoils_key: bool,
}

/// All deviations of one dataset.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    planned: Vec<Planned>,
}

impl Faults {
    /// The deviation of a record, if it has one.
    pub fn choose(&self, mut draw: Draw) -> Option<&Planned> {
        let ticket = draw.below(1_000_000);
        if self.planned.last().is_none_or(|last| ticket >= last.until) {
            return None;
        }
        self.planned.iter().find(|planned| ticket < planned.until)
    }

    /// What a dataset's columns, rules and format allow to go wrong.
    pub fn of(pack: &Pack, dataset: &Dataset) -> Self {
        let mut list = List { dataset, faults: Self::default() };
        let member_key = registry_key(pack, dataset);
        list.unreadable();
        list.rule_breaking(member_key.as_ref());
        if let Some((entity, columns)) = &member_key {
            for column in columns {
                list.key_spellings(*entity, *column);
            }
        }
        list.add(800, Fault::Twice, None, false);
        list.differing(pack);
        if let Some((entity, columns)) = &member_key {
            list.other_numbers(pack, *entity, columns);
        }
        list.faults
    }
}

struct List<'a> {
    dataset: &'a Dataset,
    faults: Faults,
}

impl List<'_> {
    fn column(&self, name: &str) -> usize {
        let place = self.dataset.columns.iter().position(|column| column.name == name);
        place.expect("the pack was checked: rules and members name columns of the dataset")
    }

    fn add(&mut self, rate: u64, fault: Fault, quarantine: Option<Reason>, spoils_key: bool) {
        let before = self.faults.planned.last().map_or(0, |last| last.until);
        let breaks = if quarantine.is_some() { Vec::new() } else { self.broken_by(&fault) };
        self.faults.planned.push(Planned { fault, until: before + rate, breaks, quarantine, spoils_key });
    }

    /// Rules that a deviation breaks. `not_null` and `unique` are left out: they follow from the cells.
    fn broken_by(&self, fault: &Fault) -> Vec<usize> {
        let breaks = |rule: &RuleKind| {
            let is = |name: &str, column: usize| self.column(name) == column;
            match (rule, fault) {
                (RuleKind::CheckDigit { column, identifier }, Fault::Legacy15 { column: at }) => {
                    is(column, *at) && *identifier != Identifier::CitizenIdLegacy
                }
                (
                    RuleKind::CheckDigit { column, .. },
                    Fault::WrongCheck { column: at } | Fault::Padded { column: at } | Fault::FullWidth { column: at },
                )
                | (RuleKind::CodeList { column, .. }, Fault::UnknownCode { column: at })
                | (RuleKind::Range { column, .. }, Fault::OutOfRange { column: at, .. })
                | (RuleKind::Pattern { column, .. }, Fault::WrongForm { column: at }) => is(column, *at),
                (RuleKind::Order { earlier, later }, Fault::Reversed { earlier: from, later: to }) => {
                    is(earlier, *from) && is(later, *to)
                }
                (RuleKind::CitizenAgrees { sex, .. }, Fault::SexDiffers { column: at }) => {
                    sex.as_ref().is_some_and(|sex| is(sex, *at))
                }
                // A birth date behind the calendar is not that of the number either.
                (
                    RuleKind::CitizenAgrees { birth_on, .. },
                    Fault::BirthDiffers { column: at } | Fault::OutOfRange { column: at, .. },
                ) => birth_on.as_ref().is_some_and(|birth| is(birth, *at)),
                (RuleKind::Predicate { .. }, Fault::SumOff { .. }) => true,
                _ => false,
            }
        };
        (0..self.dataset.rules.len()).filter(|index| breaks(&self.dataset.rules[*index].kind)).collect()
    }

    fn unreadable(&mut self) {
        let format = self.dataset.source.format;
        let is_text = matches!(format, Format::Csv | Format::Xlsx | Format::Jsonl);
        if !is_text {
            return;
        }
        let first =
            |wanted: fn(ColumnType) -> bool| self.dataset.columns.iter().position(|column| wanted(column.column_type));
        let number = first(|found| matches!(found, ColumnType::Integer | ColumnType::Decimal { .. }));
        let date = first(|found| found == ColumnType::Date);
        if let Some(column) = self.dataset.columns.iter().position(|column| column.required) {
            self.add(300, Fault::Absent { column }, Some(Reason::RequiredMissing), false);
        }
        if let Some(column) = number {
            self.add(400, Fault::Letters { column }, Some(Reason::NotANumber), false);
        }
        if let Some(column) = date {
            self.add(400, Fault::NoSuchDay { column }, Some(Reason::NotADay), false);
        }
        match format {
            Format::Csv => {
                self.add(200, Fault::FieldMissing, Some(Reason::FieldCount), false);
                self.add(200, Fault::FieldTooMany, Some(Reason::FieldCount), false);
            }
            Format::Jsonl => self.add(300, Fault::BrokenLine, Some(Reason::BrokenLine), false),
            Format::Xlsx | Format::Parquet | Format::Postgres | Format::Mariadb => {}
        }
    }

    fn rule_breaking(&mut self, key: Option<&(EntityKind, Vec<usize>)>) {
        for rule in &self.dataset.rules {
            let is_key = |column: usize| key.is_some_and(|(_, columns)| columns.contains(&column));
            match &rule.kind {
                RuleKind::NotNull { column } => {
                    let column = self.column(column);
                    if !self.dataset.columns[column].required {
                        self.add(4_000, Fault::Absent { column }, None, is_key(column));
                    }
                }
                RuleKind::CheckDigit { column, identifier } => {
                    let column = self.column(column);
                    self.add(1_500, Fault::WrongCheck { column }, None, is_key(column));
                    if *identifier == Identifier::CitizenIdLegacy {
                        self.add(6_000, Fault::Legacy15 { column }, None, false);
                    }
                }
                RuleKind::CodeList { column, .. } => {
                    let column = self.column(column);
                    self.add(1_500, Fault::UnknownCode { column }, None, false);
                }
                RuleKind::Range { column, max, .. } => {
                    let column = self.column(column);
                    let beyond = max.clone().unwrap_or_default();
                    self.add(1_000, Fault::OutOfRange { column, beyond }, None, false);
                }
                RuleKind::Pattern { column, .. } => {
                    let column = self.column(column);
                    // A period of no known form names no value; a person's or place's key has no pattern.
                    let is_period = is_key(column) && key.is_some_and(|(kind, _)| *kind == EntityKind::Indicator);
                    self.add(1_000, Fault::WrongForm { column }, None, is_period);
                }
                RuleKind::Order { earlier, later } => {
                    let (earlier, later) = (self.column(earlier), self.column(later));
                    self.add(800, Fault::Reversed { earlier, later }, None, false);
                }
                RuleKind::CitizenAgrees { birth_on, sex, .. } => {
                    if let Some(sex) = sex {
                        let column = self.column(sex);
                        self.add(700, Fault::SexDiffers { column }, None, false);
                    }
                    if let Some(birth) = birth_on {
                        let column = self.column(birth);
                        self.add(700, Fault::BirthDiffers { column }, None, false);
                    }
                }
                RuleKind::Predicate { .. } => {
                    if let Some(column) = self.dataset.columns.iter().position(|column| column.name == "total_amount") {
                        self.add(900, Fault::SumOff { column }, None, false);
                    }
                }
                RuleKind::Unique { .. }
                | RuleKind::Length { .. }
                | RuleKind::Reference { .. }
                | RuleKind::Reconcile { .. }
                | RuleKind::Freshness { .. }
                | RuleKind::Volume { .. }
                | RuleKind::Drift { .. } => {}
            }
        }
    }

    fn key_spellings(&mut self, entity: EntityKind, key: usize) {
        let has_rule = self.dataset.rules.iter().any(|rule| match &rule.kind {
            RuleKind::CheckDigit { column, .. } | RuleKind::Pattern { column, .. } => self.column(column) == key,
            _ => false,
        });
        if has_rule {
            return;
        }
        self.add(3_000, Fault::Padded { column: key }, None, false);
        self.add(1_500, Fault::FullWidth { column: key }, None, false);
        match entity {
            EntityKind::Person => {
                self.add(1_500, Fault::WrongCheck { column: key }, None, true);
                self.add(6_000, Fault::Legacy15 { column: key }, None, false);
            }
            EntityKind::Organisation | EntityKind::Certificate | EntityKind::RealEstateUnit => {
                self.add(1_500, Fault::WrongCheck { column: key }, None, true);
            }
            EntityKind::Place | EntityKind::CreditRecord | EntityKind::Indicator => {}
        }
    }

    /// Values that other departments know better.
    fn differing(&mut self, pack: &Pack) {
        let is_authority = |names: &[&str]| {
            pack.registries
                .iter()
                .flat_map(|registry| &registry.fields)
                .any(|field| names.contains(&field.name.as_str()) && field.authority.first() == Some(&self.dataset.id))
        };
        let has = |names: &[&str]| self.dataset.columns.iter().any(|column| names.contains(&column.name.as_str()));
        let is_named = |name: &&str| has(&[*name]);
        let here: Vec<&str> = MOVABLE.iter().copied().filter(is_named).collect();
        let stale = !here.is_empty() && !is_authority(&here);
        if stale {
            self.add(30_000, Fault::Stale, None, false);
        }
        for name in ["name", "place_name"] {
            if has(&[name]) && !is_authority(&[name]) {
                let column = self.column(name);
                self.add(6_000, Fault::NameConfused { column }, None, false);
            }
        }
        if CORRECTED.contains(&self.dataset.id.as_str()) {
            self.add(12_000, Fault::Corrected, None, false);
        }
    }

    /// Second numbers of people and bodies, with whoever does not name them.
    fn other_numbers(&mut self, pack: &Pack, entity: EntityKind, key: &[usize]) {
        let names = pack.registries.iter().filter(|registry| registry.entity == entity);
        let is_authority = names
            .flat_map(|registry| &registry.fields)
            .any(|field| OWN_NAMES.contains(&field.name.as_str()) && field.authority.first() == Some(&self.dataset.id));
        let &[column] = key else { return };
        if is_authority {
            return;
        }
        let birth = self.dataset.columns.iter().position(|column| column.name == "birth_on");
        match entity {
            EntityKind::Person => {
                for other in OtherNumber::ALL {
                    self.add(500, Fault::OtherNumber { column, other, birth }, None, false);
                }
            }
            EntityKind::Organisation => {
                self.add(5_000, Fault::OtherNumber { column, other: OtherNumber::Former, birth: None }, None, false);
            }
            EntityKind::Place
            | EntityKind::Certificate
            | EntityKind::RealEstateUnit
            | EntityKind::CreditRecord
            | EntityKind::Indicator => {}
        }
    }
}

/// Whether a rule of severity `hold` is among those that a record breaks.
pub fn is_held(dataset: &Dataset, broken: &[usize]) -> bool {
    broken.iter().any(|index| dataset.rules[*index].severity == Severity::Hold)
}

/// The same identifier with a slip that its check always finds: another check character, or a digit less.
fn wrong_check(text: &str) -> String {
    if citizen_id::is_valid(text.as_bytes()) || credit_code::is_valid(text.as_bytes()) {
        let slip = if text.ends_with('7') { '4' } else { '7' };
        return format!("{}{slip}", &text[..17]);
    }
    let mut shorter: String = text.to_owned();
    // The mobile number, the certificate, the service item and the real-estate unit all have a fixed length.
    if shorter.pop().is_none() {
        "0".clone_into(&mut shorter);
    }
    shorter
}

fn out_of_range(row: &mut Row, column: usize, beyond: &str) -> bool {
    match row.cells[column] {
        Cell::Integer(_) => {
            let Ok(most) = beyond.parse::<i64>() else { return false };
            row.cells[column] = Cell::Integer(most + 1);
        }
        Cell::Decimal { scale, .. } => {
            let Ok(most) = beyond.parse::<i64>() else { return false };
            row.cells[column] = Cell::Decimal { unscaled: (most + 1) * 10_i64.pow(u32::from(scale)), scale };
        }
        Cell::Day(_) => {
            let Ok(most) = yihe_vocabulary::parse_day(beyond) else { return false };
            row.cells[column] = Cell::Day(crate::world::day_number(most) + 1);
        }
        Cell::Missing | Cell::Text { .. } | Cell::LocalSecond(_) | Cell::Unfit { .. } => return false,
    }
    true
}

fn full_width(found: char) -> char {
    if found.is_ascii_graphic() {
        char::from_u32(found as u32 + 0xfee0).expect("the block holds all printable ASCII")
    } else {
        found
    }
}
