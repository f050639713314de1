//! What the pipeline must find in the extracts: the reckoning that the generator keeps of its own faults.
//!
//! Everything here follows from the generator's knowledge (the true values and the plan of deviations), never
//! from reading a file back. The files lie in `<out>/truth/`.
//!
//! # `truth.json`
//! One object, [`Truth`]: per dataset what was delivered and what must become of it, per registry how many
//! entities, values, conflicts and unusable keys there are.
//!
//! # `rows/<dataset>-<part>.parquet`
//! One line per remarkable record: `file` (name below the inbox, or the table's name), `kind`, `what`, `column`,
//! `key` (the true key of the entity, of members of a registry only) and `row`.
//!
//! | `kind` | `what` | meaning |
//! |---|---|---|
//! | `quarantine` | `required_missing`, `not_a_number`, `not_a_day`, `field_count`, `broken_line` | the record must not land |
//! | `rule` | rule identifier | the landed record fails the rule |
//! | `unusable_key` | `wrong_check`, `absent` | the landed record cannot be joined to an entity |
//! | `deviation` | the other words of the table of deviations | for study: nothing is demanded |
//!
//! # `registries/<registry>-<part>.parquet`
//! One line per entity: the key, then for each field `<field>` and `<field>_from`, all as text (days as
//! `2024-03-05`, decimals with all their places), then `_same_as`, then `_conflicts`, the number of conflicting values.
//! `_same_as` is empty, except for an entity that there is only because a record bears a second number of a person or
//! body (`slipped_number`, `former_number`): there it is the true key.
//!
//! # What is agreed with the pipeline
//! - **Row**: the 1-based number of the record among the records of its file or table. Title, header and group
//!   lines do not count; a record that goes to quarantine does.
//! - **Landing**: a record whose text does not fit goes to quarantine whole. A column that is in the pack and in
//!   no header is missing in all records of the file and quarantines nothing, unless it is required.
//! - **Sent again**: a file with the bytes of an earlier one changes nothing and is not counted twice
//!   ([`DatasetTruth::resent`] names it).
//! - **Rules** judge landed records with their delivered text, not trimmed, not normalised. Except for `not_null`
//!   a missing value passes. `unique`: every record of a group that occurs twice fails. A record that fails a rule
//!   of severity `hold` is not in the checked table and so in no registry.
//! - **Key**: outer blanks cut, full-width made half-width, letters upper-case; a person's 15 digits are carried
//!   over to 18. A person's or organisation's key that then fails its check digit is unusable, and so is a
//!   missing one.
//! - **Within a dataset** the record with the latest `changed_on` counts, of equal ones the later row of the later
//!   file.
//! - **A field** has the value of the first dataset in `authority` that delivers one that is not blank; text is
//!   trimmed. A dataset that feeds the field without being listed never supplies it.
//! - **A conflict** is one member dataset with another value, not blank, than the chosen one, compared after
//!   trimming. A field without a chosen value has no conflicts.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use yihe_definitions::{EntityKind, Registry};

use crate::{
    CityError,
    fault::{Fault, OtherNumber, Planned, is_held},
    row::{Cell, Row},
    sink::RowsFile,
    table::Table,
    world::World,
};

/// Name of the true key of an entity that there is only because of a second number.
pub const SAME_AS: &str = "_same_as";
/// Entities in one part of a registry's truth.
pub const PART_ENTITIES: u64 = 500_000;

/// The content of `truth.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Seed the city was made with.
    pub seed: u64,
    /// Scale the city was made with.
    pub scale: f64,
    /// By dataset.
    pub datasets: BTreeMap<String, DatasetTruth>,
    /// By registry.
    pub registries: BTreeMap<String, RegistryTruth>,
}

/// What must become of one dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetTruth {
    /// Deliveries in the order in which they were made, with their records.
    pub files: Vec<FileTruth>,
    /// Records in all of them.
    pub rows: u64,
    /// Records that must go to quarantine, by reason.
    pub quarantined: BTreeMap<String, u64>,
    /// Records that fail, by rule; every rule of the dataset is listed.
    pub rules: BTreeMap<String, u64>,
    /// Landed records that a rule of severity `hold` keeps out of the checked table.
    pub held: u64,
    /// Landed records, not held, whose registry key cannot be used.
    pub unusable_keys: u64,
    /// Deviations of all kinds, by their word.
    pub deviations: BTreeMap<String, u64>,
    /// Columns that were promised and are in no file.
    pub withheld: Vec<String>,
    /// A file with the bytes of an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent: Option<String>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTruth {
    /// Name below the inbox; of a database, the table's name.
    pub name: String,
    /// Records in it.
    pub rows: u64,
}

impl DatasetTruth {
    /// Records that must go to quarantine.
    #[must_use]
    pub fn quarantined_rows(&self) -> u64 {
        self.quarantined.values().sum()
    }

    /// Records that must land.
    #[must_use]
    pub fn accepted_rows(&self) -> u64 {
        self.rows - self.quarantined_rows()
    }

    fn absorb(&mut self, other: Self) {
        let add = |into: &mut BTreeMap<String, u64>, from: BTreeMap<String, u64>| {
            for (word, count) in from {
                *into.entry(word).or_default() += count;
            }
        };
        self.files.extend(other.files);
        self.rows += other.rows;
        self.held += other.held;
        self.unusable_keys += other.unusable_keys;
        add(&mut self.quarantined, other.quarantined);
        add(&mut self.rules, other.rules);
        add(&mut self.deviations, other.deviations);
        self.withheld = other.withheld;
        self.resent = self.resent.take().or(other.resent);
    }
}

/// What one registry must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryTruth {
    /// Golden records.
    pub entities: u64,
    /// By field: golden records that have a value, by the dataset it comes from.
    pub fields: BTreeMap<String, BTreeMap<String, u64>>,
    /// By field: conflicting values.
    pub conflicts: BTreeMap<String, u64>,
    /// By dataset: landed records, not held, whose key cannot be used.
    pub unusable_keys: BTreeMap<String, u64>,
}

impl RegistryTruth {
    /// Conflicting values of all fields.
    #[must_use]
    pub fn conflict_values(&self) -> u64 {
        self.conflicts.values().sum()
    }
}

impl Truth {
    pub(crate) fn absorb(&mut self, part: Part) {
        match part {
            Part::Dataset(id, truth) => self.datasets.entry(id).or_default().absorb(truth),
            Part::Registry(id, truth) => {
                let whole = self.registries.entry(id).or_default();
                whole.entities += truth.entities;
                for (field, counts) in truth.fields {
                    let into = whole.fields.entry(field).or_default();
                    for (dataset, count) in counts {
                        *into.entry(dataset).or_default() += count;
                    }
                }
                for (field, count) in truth.conflicts {
                    *whole.conflicts.entry(field).or_default() += count;
                }
            }
        }
    }

    /// Reads `truth.json` of a city.
    ///
    /// # Errors
    /// The file is missing or was not written by this version.
    pub fn read(folder: &Path) -> Result<Self, CityError> {
        let path = folder.join("truth.json");
        let text = std::fs::read(&path).map_err(|source| CityError::Write { path: path.clone(), source })?;
        serde_json::from_slice(&text).map_err(|source| CityError::Truth { path, source })
    }
}

/// What one job found out.
#[derive(Debug)]
pub(crate) enum Part {
    Dataset(String, DatasetTruth),
    Registry(String, RegistryTruth),
}

/// Keeps the reckoning of one file while it is written.
pub(crate) struct Ledger<'t> {
    table: &'t Table<'t>,
    pub truth: DatasetTruth,
    name: String,
    row: u32,
    rules: Vec<u64>,
    broken: Vec<usize>,
    lines: RowsFile,
}

impl<'t> Ledger<'t> {
    pub fn new(table: &'t Table<'t>, name: &str, lines: &Path) -> Result<Self, CityError> {
        let columns = ["file", "kind", "what", "column", "key"].map(str::to_owned);
        let dataset = table.dataset;
        let is_delivered = |index: &usize| table.delivered.contains(index);
        let withheld = (0..dataset.columns.len()).filter(|index| !is_delivered(index));
        Ok(Self {
            table,
            truth: DatasetTruth {
                withheld: withheld.map(|index| dataset.columns[index].name.clone()).collect(),
                ..DatasetTruth::default()
            },
            name: name.to_owned(),
            row: 0,
            rules: vec![0; dataset.rules.len()],
            broken: Vec::new(),
            lines: RowsFile::new(lines, &columns, "row")?,
        })
    }

    /// Notes a record that was just written.
    pub fn note(&mut self, row: &Row, planned: Option<&Planned>, number: u64) -> Result<(), CityError> {
        self.row += 1;
        self.truth.rows += 1;
        self.table.broken_rules(row, planned, &mut self.broken);
        if planned.is_none() && self.broken.is_empty() {
            return Ok(());
        }
        let feeds = self.table.registry_key.is_some();
        let true_key = if feeds { self.table.true_key(number) } else { String::new() };
        let true_key = true_key.as_str();
        let dataset = self.table.dataset;
        let column = planned
            .and_then(|planned| planned.fault.column())
            .map_or("", |column| dataset.columns[column].name.as_str());
        if let Some(planned) = planned {
            *self.truth.deviations.entry(planned.fault.word().to_owned()).or_default() += 1;
            if let Some(reason) = planned.quarantine {
                *self.truth.quarantined.entry(reason.word().to_owned()).or_default() += 1;
                return self.lines.add([self.name.as_str(), "quarantine", reason.word(), column, true_key], self.row);
            }
            self.lines.add([self.name.as_str(), "deviation", planned.fault.word(), column, true_key], self.row)?;
        }
        for rule in &self.broken {
            self.rules[*rule] += 1;
            let id = dataset.rules[*rule].id.as_str();
            self.lines.add([self.name.as_str(), "rule", id, "", true_key], self.row)?;
        }
        let is_held = is_held(dataset, &self.broken);
        self.truth.held += u64::from(is_held);
        let spoiled = planned.filter(|planned| planned.spoils_key && feeds);
        if let Some(planned) = spoiled {
            self.truth.unusable_keys += u64::from(!is_held);
            self.lines.add([self.name.as_str(), "unusable_key", planned.fault.word(), column, true_key], self.row)?;
        }
        Ok(())
    }

    pub fn finish(mut self, resent: Option<String>) -> Result<Part, CityError> {
        self.lines.finish()?;
        self.truth.files.push(FileTruth { name: self.name, rows: self.truth.rows });
        self.truth.resent = resent;
        let rules = self.table.dataset.rules.iter().map(|rule| rule.id.clone());
        self.truth.rules = rules.zip(self.rules).collect();
        Ok(Part::Dataset(self.table.dataset.id.clone(), self.truth))
    }
}

/// A member dataset, ready to be asked what it delivers of an entity.
struct Member<'t> {
    table: &'t Table<'t>,
    /// By field of the registry: the column that feeds it.
    columns: Vec<Option<usize>>,
    /// Column with the day of the last change.
    changed_on: Option<usize>,
}

/// Writes the expected golden records of the entities `first..last`.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn registry(
    registry: &Registry,
    tables: &BTreeMap<&str, Table<'_>>,
    world: &World,
    (first, last): (u64, u64),
    path: &Path,
) -> Result<Part, CityError> {
    let members: Vec<Member<'_>> = registry
        .members
        .iter()
        .filter_map(|member| {
            let table = tables.get(member.dataset.as_str())?;
            let column = |field: &yihe_definitions::Field| {
                let name = member.fields.get(&field.name)?;
                table.dataset.columns.iter().position(|column| column.name == *name)
            };
            let place = |name: &String| table.dataset.columns.iter().position(|column| column.name == *name);
            let changed_on = member.changed_on.as_ref().and_then(place);
            Some(Member { table, columns: registry.fields.iter().map(column).collect(), changed_on })
        })
        .collect();
    // By field: members in the order in which they are believed.
    let believed: Vec<Vec<usize>> = registry
        .fields
        .iter()
        .map(|field| {
            let place = |id: &String| members.iter().position(|member| member.table.dataset.id == *id);
            field.authority.iter().filter_map(place).collect()
        })
        .collect();
    let mut header = vec![registry.key.clone()];
    header.extend(registry.fields.iter().flat_map(|field| [field.name.clone(), format!("{}_from", field.name)]));
    header.push(SAME_AS.to_owned());
    let mut lines = RowsFile::new(path, &header, "_conflicts")?;
    let mut truth = RegistryTruth::default();
    let width = registry.fields.len();
    let mut filled = vec![vec![0_u64; members.len()]; width];
    let mut conflicts = vec![0_u64; width];
    // What each member delivers of one entity, field by field; empty: nothing.
    let mut delivered = vec![vec![String::new(); width]; members.len()];
    let mut line: Vec<String> = vec![String::new(); header.len()];
    let (mut row, mut broken) = (Row::default(), Vec::new());
    let spans = spans(registry, tables);
    let bears_other_numbers = matches!(registry.entity, EntityKind::Person | EntityKind::Organisation);
    let bearings = std::iter::once(None).chain(OtherNumber::ALL.map(Some).into_iter().filter(|_| bears_other_numbers));
    let bearings: Vec<Option<OtherNumber>> = bearings.collect();
    for (entity, other) in (first..last).flat_map(|entity| bearings.iter().map(move |other| (entity, *other))) {
        let thing = thing_of(&spans, entity);
        let mut is_known = false;
        for (member, values) in members.iter().zip(&mut delivered) {
            values.iter_mut().for_each(String::clear);
            let size = &member.table.size;
            match thing {
                None => {
                    is_known |= deliveries(member, size.row_of(entity), other, &mut row, &mut broken, values);
                }
                Some((base, number)) if size.base().unwrap_or(&member.table.dataset.id) == base => {
                    is_known |= deliveries(member, size.rows_about(number), other, &mut row, &mut broken, values);
                }
                Some(_) => {}
            }
        }
        if !is_known {
            continue;
        }
        truth.entities += 1;
        line.iter_mut().for_each(String::clear);
        match thing {
            None => key_of(world, registry.entity, entity, &mut line[0]),
            Some((base, number)) => line[0].push_str(&tables[base].thing_key(number)),
        }
        if let Some(other) = other {
            let number = other.of(&line[0]).expect("a record bears it");
            line[1 + 2 * width] = std::mem::replace(&mut line[0], number);
        }
        let mut entity_conflicts = 0;
        for field in 0..width {
            let Some(source) = believed[field].iter().copied().find(|member| !delivered[*member][field].is_empty())
            else {
                continue;
            };
            let golden = &delivered[source][field];
            let differs = |values: &Vec<String>| !values[field].is_empty() && values[field] != *golden;
            let count = delivered.iter().filter(|values| differs(values)).count() as u64;
            filled[field][source] += 1;
            conflicts[field] += count;
            entity_conflicts += count;
            line[1 + 2 * field].push_str(golden);
            line[2 + 2 * field].push_str(&members[source].table.dataset.id);
        }
        lines.add(line.iter().map(String::as_str), u32::try_from(entity_conflicts).expect("members times fields"))?;
    }
    lines.finish()?;
    for (field, (by_member, conflicts)) in registry.fields.iter().zip(filled.into_iter().zip(conflicts)) {
        let counts = members.iter().zip(by_member).filter(|(_, count)| *count > 0);
        truth.fields.insert(
            field.name.clone(),
            counts.map(|(member, count)| (member.table.dataset.id.clone(), count)).collect(),
        );
        truth.conflicts.insert(field.name.clone(), conflicts);
    }
    Ok(Part::Registry(registry.id.clone(), truth))
}

/// What counts of a member's records of an entity: the one changed last, of equal ones the later. Those that bear the
/// second number `other`; `None`: their own. Returns whether one can be joined.
fn deliveries(
    member: &Member<'_>,
    numbers: impl IntoIterator<Item = u64>,
    other: Option<OtherNumber>,
    row: &mut Row,
    broken: &mut Vec<usize>,
    values: &mut [String],
) -> bool {
    // The first of several is older than any day, and a record without a day too.
    let mut newest: Option<Option<i32>> = None;
    for number in numbers {
        let planned = member.table.deliver(number, row);
        if planned.is_some_and(|planned| planned.quarantine.is_some() || planned.spoils_key) {
            continue;
        }
        let borne = planned.and_then(|planned| match planned.fault {
            Fault::OtherNumber { other, .. } => Some(other),
            _ => None,
        });
        if borne != other {
            continue;
        }
        member.table.broken_rules(row, planned, broken);
        if is_held(member.table.dataset, broken) {
            continue;
        }
        if planned.is_some_and(|planned| planned.fault == Fault::Corrected) {
            // The later file has the later day of change.
            member.table.correct(number, row);
        }
        let changed_on = member.changed_on.and_then(|column| match row.cells[column] {
            Cell::Day(day) => Some(day),
            _ => None,
        });
        if newest.is_some_and(|known| known > changed_on) {
            continue;
        }
        newest = Some(changed_on);
        for (column, value) in member.columns.iter().zip(values.iter_mut()) {
            value.clear();
            if let Some(column) = column {
                row.canonical(*column, value);
            }
        }
    }
    newest.is_some()
}

fn key_of(world: &World, kind: EntityKind, entity: u64, into: &mut String) {
    match kind {
        EntityKind::Person => into.push_str(world.person(entity).id_text()),
        EntityKind::Organisation => into.push_str(world.body(entity).code_text()),
        EntityKind::Place => {
            into.push_str(&world.places[usize::try_from(entity).expect("below the number of places")].code);
        }
        EntityKind::Certificate | EntityKind::RealEstateUnit | EntityKind::CreditRecord | EntityKind::Indicator => {
            unreachable!("things have the key of their dataset")
        }
    }
}

/// Of a registry of things: the datasets that first know them with their records, in the order of the members. The
/// entities are numbered through all of them. Empty for people, bodies and places, who are numbered in the world.
fn spans<'t>(registry: &'t Registry, tables: &BTreeMap<&str, Table<'t>>) -> Vec<(&'t str, u64)> {
    match registry.entity {
        EntityKind::Person | EntityKind::Organisation | EntityKind::Place => Vec::new(),
        EntityKind::Certificate | EntityKind::RealEstateUnit | EntityKind::CreditRecord | EntityKind::Indicator => {
            let own = registry.members.iter().filter_map(|member| {
                let size = &tables.get(member.dataset.as_str())?.size;
                size.base().is_none().then_some((member.dataset.as_str(), size.rows))
            });
            own.collect()
        }
    }
}

fn thing_of<'t>(spans: &[(&'t str, u64)], entity: u64) -> Option<(&'t str, u64)> {
    let mut number = entity;
    for (base, rows) in spans {
        if number < *rows {
            return Some((base, number));
        }
        number -= rows;
    }
    None
}

/// How many entities a registry may have at most.
pub(crate) fn entities(world: &World, registry: &Registry, tables: &BTreeMap<&str, Table<'_>>) -> u64 {
    match registry.entity {
        EntityKind::Person => world.people,
        EntityKind::Organisation => world.bodies,
        EntityKind::Place => world.places.len() as u64,
        EntityKind::Certificate | EntityKind::RealEstateUnit | EntityKind::CreditRecord | EntityKind::Indicator => {
            spans(registry, tables).iter().map(|(_, rows)| rows).sum()
        }
    }
}
