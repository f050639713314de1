//! One partition of records to golden records: which value of each field is believed, and who disagrees.
//!
//! Within one dataset the record that was changed last speaks for the entity; of equals, the one delivered
//! last. A field is taken from the first dataset in its authority order that has a value. Fields of one
//! group are taken from one record together: the first dataset that has any of them gives them all. Every
//! dataset that says otherwise is kept as a conflict; where nothing was chosen there is nothing to disagree with.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int64Array, Int64Builder, RecordBatch, StringArray, StringBuilder, new_null_array,
    },
    compute::{cast, interleave},
    datatypes::{DataType, Int64Type},
    error::ArrowError,
};
use yihe_definitions::Registry;

use crate::{
    gather::{LEADING, changed},
    shape,
};

/// What one partition came to.
#[derive(Debug)]
pub struct Resolved {
    /// Golden records, sorted by key.
    pub golden: RecordBatch,
    /// Conflicts, sorted by key, then field, then dataset in the order of the members.
    pub conflicts: RecordBatch,
}

/// One field of one member in a partition.
struct Column {
    /// Dataset that delivered it.
    dataset: usize,
    /// The values as they are.
    values: ArrayRef,
    /// The values as text, for comparing; blank ones count as missing.
    texts: StringArray,
}

impl Column {
    fn text(&self, row: usize) -> Option<&str> {
        let text = self.texts.is_valid(row).then(|| self.texts.value(row).trim())?;
        (!text.is_empty()).then_some(text)
    }
}

/// A field with the members that deliver it, and those that may supply it in the order of belief.
struct Plan {
    columns: Vec<Column>,
    /// Places in `columns`, the authority first.
    authority: Vec<usize>,
    /// First field of the group, which decides for all; the field itself when it has none.
    leader: usize,
}

/// Resolves the records of one partition; `members` has one batch for each member of the registry.
///
/// # Errors
/// Arrow refused to cast or gather, which the registry's checked definition rules out.
pub fn resolve(registry: &Registry, members: &[RecordBatch]) -> Result<Resolved, ArrowError> {
    let plans = plan(registry, members)?;
    // Entity → for each member the row that speaks for it.
    let mut entities: BTreeMap<&str, Vec<Option<usize>>> = BTreeMap::new();
    let mut records: BTreeMap<&str, i64> = BTreeMap::new();
    for (member, batch) in members.iter().enumerate() {
        let keys = batch.column(0).as_string::<i32>();
        for row in 0..batch.num_rows() {
            *records.entry(keys.value(row)).or_default() += 1;
            let speakers = entities.entry(keys.value(row)).or_insert_with(|| vec![None; members.len()]);
            if speakers[member].is_none_or(|speaker| order(batch, row) > order(batch, speaker)) {
                speakers[member] = Some(row);
            }
        }
    }
    let mut out = Output::new(registry, &plans);
    for (key, speakers) in &entities {
        out.push(key, speakers, records[key], members);
    }
    out.finish(registry, &plans)
}

/// Later is greater: the day of change, then the order of delivery (batch identifiers grow with time).
fn order(batch: &RecordBatch, row: usize) -> (Option<i64>, &str, i64) {
    let changed = changed(batch);
    let batches = batch.column(2).as_string::<i32>();
    let rows = batch.column(3).as_primitive::<Int64Type>();
    (changed.is_valid(row).then(|| changed.value(row)), batches.value(row), rows.value(row))
}

fn plan(registry: &Registry, members: &[RecordBatch]) -> Result<Vec<Plan>, ArrowError> {
    let mut plans: Vec<Plan> = Vec::with_capacity(registry.fields.len());
    let mut next = vec![LEADING; members.len()];
    for (index, field) in registry.fields.iter().enumerate() {
        let mut columns = Vec::new();
        for (dataset, member) in registry.members.iter().enumerate() {
            if member.fields.contains_key(&field.name) {
                let values = Arc::clone(members[dataset].column(next[dataset]));
                next[dataset] += 1;
                let texts = cast(&values, &DataType::Utf8)?.as_string::<i32>().clone();
                columns.push(Column { dataset, values, texts });
            }
        }
        let place = |id: &String| columns.iter().position(|column| registry.members[column.dataset].dataset == *id);
        let authority = field.authority.iter().filter_map(place).collect();
        let same_group = |other: &yihe_definitions::Field| field.group.is_some() && other.group == field.group;
        let leader = registry.fields[..index].iter().position(same_group).unwrap_or(index);
        plans.push(Plan { columns, authority, leader });
    }
    Ok(plans)
}

struct Output<'a> {
    plans: &'a [Plan],
    registry: &'a Registry,
    keys: StringBuilder,
    /// Per field: place in `[null, columns…]` and row, for gathering.
    picks: Vec<Vec<(usize, usize)>>,
    from: Vec<StringBuilder>,
    records: Int64Builder,
    conflicts: Int64Builder,
    lost: Lost,
}

#[derive(Default)]
struct Lost {
    entity: StringBuilder,
    field: StringBuilder,
    kept: StringBuilder,
    kept_from: StringBuilder,
    lost: StringBuilder,
    lost_from: StringBuilder,
    batch: StringBuilder,
    row: Int64Builder,
}

impl<'a> Output<'a> {
    fn new(registry: &'a Registry, plans: &'a [Plan]) -> Self {
        Self {
            plans,
            registry,
            keys: StringBuilder::new(),
            picks: vec![Vec::new(); plans.len()],
            from: plans.iter().map(|_| StringBuilder::new()).collect(),
            records: Int64Builder::new(),
            conflicts: Int64Builder::new(),
            lost: Lost::default(),
        }
    }

    fn push(&mut self, key: &str, speakers: &[Option<usize>], records: i64, members: &[RecordBatch]) {
        let mut conflicts = 0;
        for index in 0..self.plans.len() {
            let kept = self.choose(index, speakers);
            let plan = &self.plans[index];
            let kept_text = kept.and_then(|(place, row)| plan.columns[place].text(row));
            let name = |place: usize| self.registry.members[plan.columns[place].dataset].dataset.as_str();
            match kept {
                // A group may bring an empty value; its origin is still known, but there is no value to name one for.
                Some((place, row)) if kept_text.is_some() => {
                    self.picks[index].push((place + 1, row));
                    self.from[index].append_value(name(place));
                }
                Some(_) | None => {
                    self.picks[index].push((0, 0));
                    self.from[index].append_null();
                }
            }
            let (Some((chosen, _)), Some(kept_text)) = (kept, kept_text) else { continue };
            for (place, column) in plan.columns.iter().enumerate() {
                let Some(row) = speakers[column.dataset] else { continue };
                let Some(text) = column.text(row) else { continue };
                if chosen == place || kept_text == text {
                    continue;
                }
                conflicts += 1;
                let batch = &members[column.dataset];
                self.lost.entity.append_value(key);
                self.lost.field.append_value(&self.registry.fields[index].name);
                self.lost.kept.append_value(kept_text);
                self.lost.kept_from.append_value(name(chosen));
                self.lost.lost.append_value(text);
                self.lost.lost_from.append_value(name(place));
                self.lost.batch.append_value(batch.column(2).as_string::<i32>().value(row));
                self.lost.row.append_value(batch.column(3).as_primitive::<Int64Type>().value(row));
            }
        }
        self.keys.append_value(key);
        self.records.append_value(records);
        self.conflicts.append_value(conflicts);
    }

    /// The column and row that supply a field; `None` when no authority has a value.
    fn choose(&self, index: usize, speakers: &[Option<usize>]) -> Option<(usize, usize)> {
        let plan = &self.plans[index];
        let group: Vec<usize> = match &self.registry.fields[index].group {
            Some(group) => {
                let same = |other: &usize| self.registry.fields[*other].group.as_ref() == Some(group);
                (0..self.plans.len()).filter(same).collect()
            }
            None => vec![index],
        };
        let leader = &self.plans[plan.leader];
        for place in &leader.authority {
            let dataset = leader.columns[*place].dataset;
            let Some(row) = speakers[dataset] else { continue };
            let has = |field: &usize| {
                self.plans[*field].columns.iter().any(|column| column.dataset == dataset && column.text(row).is_some())
            };
            if group.iter().any(has) {
                let here = plan.columns.iter().position(|column| column.dataset == dataset)?;
                return Some((here, row));
            }
        }
        None
    }

    fn finish(mut self, registry: &Registry, plans: &[Plan]) -> Result<Resolved, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.keys.finish())];
        for (index, (field, plan)) in registry.fields.iter().zip(plans).enumerate() {
            let data_type = shape::data_type(field.column_type);
            let nothing = new_null_array(&data_type, 1);
            let sources: Vec<&dyn Array> = std::iter::once(nothing.as_ref())
                .chain(plan.columns.iter().map(|column| column.values.as_ref()))
                .collect();
            columns.push(interleave(&sources, &self.picks[index])?);
            columns.push(Arc::new(self.from[index].finish()));
        }
        let records: Int64Array = self.records.finish();
        columns.push(Arc::new(records));
        columns.push(Arc::new(self.conflicts.finish()));
        let lost: Vec<ArrayRef> = vec![
            Arc::new(self.lost.entity.finish()),
            Arc::new(self.lost.field.finish()),
            Arc::new(self.lost.kept.finish()),
            Arc::new(self.lost.kept_from.finish()),
            Arc::new(self.lost.lost.finish()),
            Arc::new(self.lost.lost_from.finish()),
            Arc::new(self.lost.batch.finish()),
            Arc::new(self.lost.row.finish()),
        ];
        Ok(Resolved {
            golden: RecordBatch::try_new(shape::golden_schema(registry), columns)?,
            conflicts: RecordBatch::try_new(shape::conflicts_schema(), lost)?,
        })
    }
}
