//! A dataset as it is delivered: each record with its deviation.

use yihe_definitions::{Dataset, EntityKind, Format, Pack, RuleKind};

use crate::{
    CityError,
    columns::{Make, Subject, make},
    fault::{Fault, Faults, Planned, WITHHELD},
    plan::{Entity, Size, Whereabouts},
    random::Stream,
    row::{Cell, Row},
    world::{AS_OF, Version, World, day_number},
};

/// Most records in one file; spreadsheets hold fewer.
pub const FILE_ROWS_MAX: u64 = 2_000_000;
/// Most records in one workbook.
pub const SHEET_ROWS_MAX: u64 = 100_000;

/// One dataset of the city.
pub struct Table<'a> {
    pub dataset: &'a Dataset,
    pub size: Size,
    world: &'a World,
    makes: Vec<Make>,
    faults: Faults,
    stream: Stream,
    fault_stream: Stream,
    spelling_stream: Stream,
    /// Columns that are in the files; the others were promised and are withheld.
    pub delivered: Vec<usize>,
    withheld: Vec<usize>,
    not_null: Vec<NotNull>,
    unique: Vec<usize>,
    /// The registry that the dataset feeds, if one: what it is about and the columns of the key.
    pub registry_key: Option<(EntityKind, Vec<usize>)>,
    /// The dataset by whose draws values are made: its own, or the one it repeats.
    drawn_as: &'a str,
    today: i32,
}

/// A `not_null` rule, with its condition: a column and the texts it may have.
struct NotNull {
    rule: usize,
    column: usize,
    when: Option<(usize, Vec<String>)>,
}

impl<'a> Table<'a> {
    /// # Errors
    /// A dataset, column or rule that the generator was not taught.
    pub fn new(pack: &Pack, dataset: &'a Dataset, size: Size, world: &'a World) -> Result<Self, CityError> {
        let drawn_as = size.repeats().unwrap_or(&dataset.id);
        let makes = dataset.columns.iter().map(|column| {
            make(drawn_as, column)
                .ok_or_else(|| CityError::Column { dataset: dataset.id.clone(), column: column.name.clone() })
        });
        let place = |name: &str| {
            let found = dataset.columns.iter().position(|column| column.name == name);
            found.ok_or_else(|| CityError::Column { dataset: dataset.id.clone(), column: name.to_owned() })
        };
        let mut not_null = Vec::new();
        let mut unique = Vec::new();
        for (index, rule) in dataset.rules.iter().enumerate() {
            let refused = || CityError::Rule { dataset: dataset.id.clone(), rule: rule.id.clone() };
            match &rule.kind {
                RuleKind::NotNull { column } => {
                    let when = match &rule.when {
                        None => None,
                        Some(condition) => {
                            let texts = condition.one_of.clone().ok_or_else(refused)?;
                            Some((place(&condition.column)?, texts))
                        }
                    };
                    not_null.push(NotNull { rule: index, column: place(column)?, when });
                }
                _ if rule.when.is_some() => return Err(refused()),
                RuleKind::Unique { .. } => unique.push(index),
                RuleKind::Pattern { .. }
                | RuleKind::Length { .. }
                | RuleKind::CodeList { .. }
                | RuleKind::Range { .. }
                | RuleKind::CheckDigit { .. }
                | RuleKind::CitizenAgrees { .. }
                | RuleKind::Order { .. }
                | RuleKind::Predicate { .. } => {}
                RuleKind::Reference { .. }
                | RuleKind::Reconcile { .. }
                | RuleKind::Freshness { .. }
                | RuleKind::Volume { .. }
                | RuleKind::Drift { .. } => return Err(refused()),
            }
        }
        let is_withheld = |name: &str| WITHHELD.contains(&(dataset.id.as_str(), name));
        let (withheld, delivered) =
            (0..dataset.columns.len()).partition(|index| is_withheld(&dataset.columns[*index].name));
        let stream = |purpose: &str| Stream::new(world.seed, &format!("{}.{purpose}", dataset.id));
        Ok(Self {
            makes: makes.collect::<Result<_, _>>()?,
            faults: Faults::of(pack, dataset),
            stream: Stream::new(world.seed, &format!("{drawn_as}.values")),
            registry_key: registry_key(pack, dataset),
            drawn_as,
            fault_stream: stream("faults"),
            spelling_stream: stream("spelling"),
            delivered,
            withheld,
            not_null,
            unique,
            today: day_number(AS_OF),
            dataset,
            size,
            world,
        })
    }

    /// Whether a later file corrects records of the first.
    pub fn has_corrections(&self) -> bool {
        crate::fault::CORRECTED.contains(&self.dataset.id.as_str())
    }

    /// Most records in one of its files.
    pub fn file_rows_max(&self) -> u64 {
        match self.dataset.source.format {
            Format::Xlsx => SHEET_ROWS_MAX,
            Format::Csv | Format::Jsonl | Format::Parquet => FILE_ROWS_MAX,
            // A table of a database is one delivery, and so is the file that stands in for it.
            Format::Postgres | Format::Mariadb => u64::MAX,
        }
    }

    /// Writes a record as the department delivers it first. Returns its deviation, if it has one.
    pub fn deliver(&self, number: u64, row: &mut Row) -> Option<&Planned> {
        let chosen = self.faults.choose(self.fault_stream.at(number));
        let version = match chosen.map(|planned| &planned.fault) {
            Some(Fault::Stale | Fault::Corrected) => Version::Former,
            _ => Version::Current,
        };
        self.write(number, version, row);
        let applied = chosen.filter(|planned| planned.fault.apply(row));
        for column in &self.withheld {
            row.cells[*column] = Cell::Missing;
        }
        applied
    }

    /// Writes the correction of a record, as the later file has it.
    pub fn correct(&self, number: u64, row: &mut Row) {
        self.write(number, Version::Current, row);
    }

    /// Whether a record is corrected in the later file.
    pub fn is_corrected(&self, number: u64) -> bool {
        let chosen = self.faults.choose(self.fault_stream.at(number));
        chosen.is_some_and(|planned| planned.fault == Fault::Corrected)
    }

    /// The rules that a landed record fails, by number.
    pub fn broken_rules(&self, row: &Row, planned: Option<&Planned>, broken: &mut Vec<usize>) {
        broken.clear();
        if let Some(planned) = planned {
            broken.extend(&planned.breaks);
            if planned.fault == Fault::Twice {
                broken.extend(&self.unique);
            }
        }
        for NotNull { rule, column, when } in &self.not_null {
            let is_asked = match when {
                None => true,
                Some((column, texts)) => texts.iter().any(|text| text == row.str(*column)),
            };
            if is_asked && row.is_missing(*column) {
                broken.push(*rule);
            }
        }
    }

    /// The key of the entity that a record is about, as it should be.
    pub fn true_key(&self, number: u64) -> String {
        if let Some((EntityKind::CreditRecord, _)) = &self.registry_key {
            return self.thing_key(number);
        }
        match self.size.whereabouts(number).about {
            Entity::Person(index) => self.world.person(index).id_text().to_owned(),
            Entity::Body(index) => self.world.body(index).code_text().to_owned(),
            Entity::Place(index) => {
                self.world.places[usize::try_from(index).expect("below the number of places")].code.clone()
            }
            Entity::Thing => self.thing_key(number),
        }
    }

    /// The key of a certificate, unit, decision or indicator: what stands in its columns when nothing goes wrong.
    pub fn thing_key(&self, number: u64) -> String {
        let Some((kind, columns)) = &self.registry_key else { return String::new() };
        let mut row = Row::default();
        self.write(number, Version::Current, &mut row);
        let parts: Vec<&str> = columns.iter().map(|column| row.str(*column)).collect();
        let mut key = parts.join("|");
        if *kind == EntityKind::RealEstateUnit && key.len() == 19 {
            // The land alone, without a fixture (GB/T 37346).
            key.push_str("W00000000");
        }
        key
    }

    fn write(&self, number: u64, version: Version, row: &mut Row) {
        let (mut person, mut body, mut place) = (None, None, 0);
        let Whereabouts { serial, thing, entity, period, about } = self.size.whereabouts(number);
        match about {
            Entity::Person(index) => person = Some(self.world.person(index)),
            Entity::Body(index) => body = Some(self.world.body(index)),
            Entity::Place(index) => place = usize::try_from(index).expect("below the number of places"),
            Entity::Thing => {}
        }
        let subject = Subject {
            world: self.world,
            dataset: self.drawn_as,
            person,
            body,
            place,
            serial,
            thing,
            entity,
            period,
            version,
            stream: self.stream,
            today: self.today,
        };
        row.clear();
        row.spelling = self.spelling_stream.at(number).bits();
        for make in &self.makes {
            make(&subject, row);
        }
    }
}

/// What the registry that a dataset feeds is about, and the columns of its key.
pub fn registry_key(pack: &Pack, dataset: &Dataset) -> Option<(EntityKind, Vec<usize>)> {
    let members =
        pack.registries.iter().flat_map(|registry| registry.members.iter().map(move |member| (registry, member)));
    let (registry, member) = members.into_iter().find(|(_, member)| member.dataset == dataset.id)?;
    let place = |name: &String| dataset.columns.iter().position(|column| column.name == *name);
    Some((registry.entity, member.key.columns().iter().map(place).collect::<Option<_>>()?))
}
