//! Records of some entities to golden records: which value of each field is believed, and who disagrees.
//!
//! Within one dataset the record that was changed last speaks for the entity; of equals, the one delivered
//! last. A field is taken from the first dataset in its authority order that has a value, where that value is not
//! older than the field allows. Fields of one group are taken from one record together: the first dataset that has
//! any of them gives them all. Every dataset that says otherwise is kept as a conflict; where nothing was chosen
//! there is nothing to disagree with.

use std::{cmp::Ordering, fmt::Write as _, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanBuilder, DynComparator, Int32Array, Int64Array, Int64Builder, RecordBatch,
        StringArray, StringBuilder, make_comparator, new_null_array,
    },
    compute::{SortOptions, interleave},
    datatypes::{Int32Type, Int64Type},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use yihe_definitions::Registry;

use crate::{
    gather::{LEADING, Part, Rules},
    identity::is_entity_id,
    shape, sources,
};

/// What one partition came to.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Golden records, sorted by key.
    pub golden: RecordBatch,
    /// Conflicts, sorted by key, then field, then dataset in the order of the members.
    pub conflicts: RecordBatch,
    /// The records of each entity, sorted by key.
    pub sources: RecordBatch,
}

/// The columns of a member that say whose a record is and which counts.
pub(crate) struct Leads<'a> {
    pub keys: &'a StringArray,
    changed: &'a Int64Array,
    batches: &'a Int32Array,
    rows: &'a Int64Array,
    records: &'a StringArray,
    by: &'a StringArray,
}

impl<'a> Leads<'a> {
    pub fn of(batch: &'a RecordBatch) -> Self {
        Self {
            keys: batch.column(0).as_string(),
            changed: batch.column(1).as_primitive::<Int64Type>(),
            batches: batch.column(2).as_primitive::<Int32Type>(),
            rows: batch.column(3).as_primitive::<Int64Type>(),
            records: batch.column(4).as_string(),
            by: batch.column(5).as_string(),
        }
    }

    /// When a record was last changed.
    pub fn changed(&self, row: usize) -> Option<i64> {
        self.changed.is_valid(row).then(|| self.changed.value(row))
    }

    pub fn batch<'b>(&self, part: &'b Part, row: usize) -> &'b str {
        let number = usize::try_from(self.batches.value(row)).unwrap_or(usize::MAX);
        part.batches.names.get(number).map_or("", String::as_str)
    }

    pub fn row(&self, row: usize) -> i64 {
        self.rows.value(row)
    }

    /// The business key within this room, where it is another than the entity's.
    pub fn own_record(&self, row: usize) -> Option<&str> {
        self.records.is_valid(row).then(|| self.records.value(row))
    }

    /// The business key within this room.
    pub fn record(&self, row: usize) -> &str {
        self.own_record(row).unwrap_or_else(|| self.keys.value(row))
    }

    /// The decision that gave the record to its entity.
    pub fn by(&self, row: usize) -> Option<&str> {
        self.by.is_valid(row).then(|| self.by.value(row))
    }

    /// Greater counts more: the day of change, then the order of delivery (batch identifiers grow with time).
    pub fn order(&self, part: &Part, row: usize) -> (Option<i64>, u32, i64) {
        let number = usize::try_from(self.batches.value(row)).unwrap_or(usize::MAX);
        (self.changed(row), part.batches.ranks.get(number).copied().unwrap_or(0), self.rows.value(row))
    }
}

/// One field of one member in a partition.
pub(crate) struct Column {
    /// Dataset that delivered it, by its place among the members.
    pub dataset: usize,
    /// The values as they are; blank ones are null.
    pub values: ArrayRef,
    /// A record changed before this is too old to supply the field.
    not_before: Option<i64>,
}

impl Column {
    pub fn has(&self, row: usize) -> bool {
        self.values.is_valid(row)
    }

    /// Whether the record is too old to supply the field; one without a day is the oldest.
    pub fn is_too_old(&self, changed: Option<i64>) -> bool {
        self.not_before.is_some_and(|limit| changed.is_none_or(|changed| changed < limit))
    }

    /// The value as text.
    pub fn text(&self, row: usize) -> Result<String, ArrowError> {
        let formatter = ArrayFormatter::try_new(self.values.as_ref(), &FormatOptions::default())?;
        Ok(formatter.value(row).to_string())
    }
}

/// A field with the members that deliver it, and those that may supply it in the order of belief.
pub(crate) struct Plan {
    pub columns: Vec<Column>,
    /// Datasets that may supply the field, the authority first: whose turn it is, with the columns of which one must
    /// have a value (those of the group, or the field's own) and the column that supplies the field.
    turns: Vec<Turn>,
    /// Whether two columns say the same: of `n` columns, that of `a` and `b` stands at `a * n + b`.
    equals: Vec<DynComparator>,
}

struct Turn {
    dataset: usize,
    any_of: Vec<(usize, usize)>,
    /// The field's own column of the dataset; a group's dataset may lack it.
    own: Option<usize>,
    /// The column that knows how old the value may be.
    age: (usize, usize),
}

/// The plans of every field, over one partition.
pub(crate) struct Plans(pub Vec<Plan>);

impl Plans {
    pub fn new(registry: &Registry, part: &Part) -> Result<Self, ArrowError> {
        let mut plans = Vec::with_capacity(registry.fields.len());
        let mut next = vec![LEADING; part.members.len()];
        for field in &registry.fields {
            let mut columns = Vec::new();
            for (dataset, member) in registry.members.iter().enumerate() {
                if member.fields.contains_key(&field.name) {
                    let values = Arc::clone(part.members[dataset].column(next[dataset]));
                    next[dataset] += 1;
                    let newest = part.newest.get(dataset).filter(|_| member.changed_on.is_some());
                    let not_before = field.max_age_days.zip(newest.and_then(|newest| newest.at)).map(|(days, at)| {
                        let day = newest.map_or(1, |newest| newest.day);
                        at.saturating_sub(i64::from(days).saturating_mul(day))
                    });
                    columns.push(Column { dataset, values, not_before });
                }
            }
            let mut equals = Vec::with_capacity(columns.len() * columns.len());
            for left in &columns {
                for right in &columns {
                    let (left, right): (&Column, &Column) = (left, right);
                    equals.push(make_comparator(left.values.as_ref(), right.values.as_ref(), SortOptions::default())?);
                }
            }
            plans.push(Plan { columns, turns: Vec::new(), equals });
        }
        for index in 0..plans.len() {
            plans[index].turns = turns(registry, &plans, index);
        }
        Ok(Self(plans))
    }

    /// The column and row that supply a field; `None` when no authority has a value that counts.
    pub fn choose(&self, index: usize, speakers: &[Option<usize>], leads: &[Leads<'_>]) -> Option<(usize, usize)> {
        for turn in &self.0[index].turns {
            let Some(row) = speakers[turn.dataset] else { continue };
            if !turn.any_of.iter().any(|(field, place)| self.0[*field].columns[*place].has(row)) {
                continue;
            }
            if self.0[turn.age.0].columns[turn.age.1].is_too_old(leads[turn.dataset].changed(row)) {
                continue;
            }
            return turn.own.map(|own| (own, row));
        }
        None
    }

    /// The dataset from which a field, or its group, was taken.
    pub fn decided_by(&self, index: usize, speakers: &[Option<usize>], leads: &[Leads<'_>]) -> Option<usize> {
        let turn = self.0[index].turns.iter().find(|turn| {
            let has = |row: usize| turn.any_of.iter().any(|(field, place)| self.0[*field].columns[*place].has(row));
            speakers[turn.dataset]
                .is_some_and(|row| has(row) && !self.is_too_old(index, turn.dataset, leads[turn.dataset].changed(row)))
        });
        turn.map(|turn| turn.dataset)
    }

    /// Whether a dataset may supply a field.
    pub fn has_turn(&self, index: usize, dataset: usize) -> bool {
        self.0[index].turns.iter().any(|turn| turn.dataset == dataset)
    }

    /// Whether a record changed then is too old to supply a field.
    pub fn is_too_old(&self, index: usize, dataset: usize, changed: Option<i64>) -> bool {
        let turn = self.0[index].turns.iter().find(|turn| turn.dataset == dataset);
        turn.is_some_and(|turn| self.0[turn.age.0].columns[turn.age.1].is_too_old(changed))
    }

    /// Whether two values of a field, each given by column and row, are the same.
    pub fn says_same(&self, index: usize, one: (usize, usize), other: (usize, usize)) -> bool {
        let plan = &self.0[index];
        let compare = &plan.equals[one.0 * plan.columns.len() + other.0];
        compare(one.1, other.1) == Ordering::Equal
    }
}

fn turns(registry: &Registry, plans: &[Plan], index: usize) -> Vec<Turn> {
    let field = &registry.fields[index];
    let group: Vec<usize> = match &field.group {
        Some(group) => (0..plans.len()).filter(|other| registry.fields[*other].group.as_ref() == Some(group)).collect(),
        None => vec![index],
    };
    // The first field of a group decides for all.
    let leader = group.first().copied().unwrap_or(index);
    let column = |field: usize, dataset: usize| {
        plans[field].columns.iter().position(|column| column.dataset == dataset).map(|place| (field, place))
    };
    registry.fields[leader]
        .authority
        .iter()
        .filter_map(|id| {
            let dataset = registry.members.iter().position(|member| member.dataset == *id)?;
            // A dataset that does not deliver the leading field has no turn.
            let age = column(leader, dataset)?;
            Some(Turn {
                dataset,
                any_of: group.iter().filter_map(|field| column(*field, dataset)).collect(),
                own: column(index, dataset).map(|(_, place)| place),
                age,
            })
        })
        .collect()
}

/// A record's place, with the beginning of its entity's key: most comparisons end there.
struct Entry {
    prefix: u128,
    member: u32,
    row: u32,
}

/// The first 16 bytes of a key, so that greater bytes make a greater number.
fn prefix(key: &str) -> u128 {
    let mut bytes = [0; 16];
    let length = key.len().min(16);
    bytes[..length].copy_from_slice(&key.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
}

/// Every record, by entity, then member, the one that counts most first.
fn entries(part: &Part, leads: &[Leads<'_>]) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(part.members.iter().map(RecordBatch::num_rows).sum());
    for (member, lead) in (0_u32..).zip(leads) {
        for row in 0..lead.keys.len() {
            let place = u32::try_from(row).expect("a partition has fewer than 2^32 rows");
            entries.push(Entry { prefix: prefix(lead.keys.value(row)), member, row: place });
        }
    }
    let key = |entry: &Entry| leads[entry.member as usize].keys.value(entry.row as usize);
    let order = |entry: &Entry| leads[entry.member as usize].order(part, entry.row as usize);
    entries.sort_unstable_by(|a, b| {
        a.prefix
            .cmp(&b.prefix)
            .then_with(|| key(a).cmp(key(b)))
            .then_with(|| a.member.cmp(&b.member))
            .then_with(|| order(b).cmp(&order(a)))
    });
    entries
}

/// Resolves the records of one part.
///
/// # Errors
/// Arrow refused to compare or gather, which the registry's checked definition rules out.
pub(crate) fn resolve(rules: &Rules, part: &Part) -> Result<Resolved, ArrowError> {
    let leads: Vec<Leads<'_>> = part.members.iter().map(Leads::of).collect();
    let plans = Plans::new(&rules.registry, part)?;
    let entries = entries(part, &leads);
    let key = |entry: &Entry| leads[entry.member as usize].keys.value(entry.row as usize);
    let mut out = Output::new(rules, part, &plans)?;
    let mut speakers = vec![None; leads.len()];
    for run in entries.chunk_by(|a, b| a.prefix == b.prefix && key(a) == key(b)) {
        speakers.fill(None);
        for entry in run {
            // Of each member the first is the one that speaks.
            speakers[entry.member as usize].get_or_insert(entry.row as usize);
        }
        out.push(key(&run[0]), run, &speakers, &leads);
    }
    out.finish()
}

struct Output<'a> {
    rules: &'a Rules,
    part: &'a Part,
    plans: &'a Plans,
    /// Per field and column: how to write a value as text.
    formatters: Vec<Vec<ArrayFormatter<'a>>>,
    standing: Vec<(&'static str, usize)>,
    keys: StringBuilder,
    /// Per field: place in `[null, columns…]` and row, for gathering.
    picks: Vec<Vec<(usize, usize)>>,
    from: Vec<StringBuilder>,
    records: Int64Builder,
    conflicts: Int64Builder,
    entities: StringBuilder,
    standings: StringBuilder,
    protected: BooleanBuilder,
    lost: Lost,
    source_keys: StringBuilder,
    sources: StringBuilder,
    source_losses: StringBuilder,
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
    fn new(rules: &'a Rules, part: &'a Part, plans: &'a Plans) -> Result<Self, ArrowError> {
        let registry = &rules.registry;
        let formatters = plans
            .0
            .iter()
            .map(|plan| {
                let text =
                    |column: &'a Column| ArrayFormatter::try_new(column.values.as_ref(), &FormatOptions::default());
                plan.columns.iter().map(text).collect::<Result<Vec<_>, _>>()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let place = |field: &str| registry.fields.iter().position(|other| other.name == field);
        let standing = registry.standing.fields().filter_map(|(word, field)| Some((word, place(field)?))).collect();
        Ok(Self {
            rules,
            part,
            plans,
            formatters,
            standing,
            keys: StringBuilder::new(),
            picks: vec![Vec::new(); plans.0.len()],
            from: plans.0.iter().map(|_| StringBuilder::new()).collect(),
            records: Int64Builder::new(),
            conflicts: Int64Builder::new(),
            entities: StringBuilder::new(),
            standings: StringBuilder::new(),
            protected: BooleanBuilder::new(),
            lost: Lost::default(),
            source_keys: StringBuilder::new(),
            sources: StringBuilder::new(),
            source_losses: StringBuilder::new(),
        })
    }

    fn push(&mut self, key: &str, run: &[Entry], speakers: &[Option<usize>], leads: &[Leads<'_>]) {
        let registry = &self.rules.registry;
        let mut conflicts = 0;
        for index in 0..self.plans.0.len() {
            let plan = &self.plans.0[index];
            let name = |place: usize| registry.members[plan.columns[place].dataset].dataset.as_str();
            let kept = self.plans.choose(index, speakers, leads);
            // A group may bring an empty value: there is none to name a source for, nor one to disagree with.
            let Some((chosen, kept_row)) = kept.filter(|(place, row)| plan.columns[*place].has(*row)) else {
                self.picks[index].push((0, 0));
                self.from[index].append_null();
                continue;
            };
            self.picks[index].push((chosen + 1, kept_row));
            self.from[index].append_value(name(chosen));
            for (place, column) in plan.columns.iter().enumerate() {
                let Some(row) = speakers[column.dataset] else { continue };
                if chosen == place || !column.has(row) || self.plans.says_same(index, (chosen, kept_row), (place, row))
                {
                    continue;
                }
                conflicts += 1;
                let texts = &self.formatters[index];
                // Writing to a builder in memory cannot fail.
                let _ = writeln!(self.source_losses, "{}\t{}", registry.fields[index].name, name(place));
                self.lost.entity.append_value(key);
                self.lost.field.append_value(&registry.fields[index].name);
                let _ = write!(self.lost.kept, "{}", texts[chosen].value(kept_row));
                self.lost.kept.append_value("");
                self.lost.kept_from.append_value(name(chosen));
                let _ = write!(self.lost.lost, "{}", texts[place].value(row));
                self.lost.lost.append_value("");
                self.lost.lost_from.append_value(name(place));
                self.lost.batch.append_value(leads[column.dataset].batch(self.part, row));
                self.lost.row.append_value(leads[column.dataset].row(row));
            }
        }
        self.keys.append_value(key);
        self.records.append_value(i64::try_from(run.len()).unwrap_or(i64::MAX));
        self.conflicts.append_value(conflicts);
        if is_entity_id(key) {
            self.entities.append_value(key);
        } else {
            self.entities.append_value(self.rules.secret.entity_id(&registry.id, key));
        }
        let is_there = |index: usize| self.picks[index].last().is_some_and(|(place, _)| *place > 0);
        if registry.standing.is_empty() {
            self.standings.append_null();
        } else {
            let word = self.standing.iter().find(|(_, field)| is_there(*field)).map(|(word, _)| *word);
            self.standings.append_value(word.unwrap_or(registry.entity.standing()));
        }
        self.protected.append_value(self.rules.links.is_protected(key));
        self.source_keys.append_value(key);
        for entry in run {
            let (member, row) = (entry.member as usize, entry.row as usize);
            let lead = &leads[member];
            sources::write(&mut self.sources, &registry.members[member].dataset, lead.own_record(row), lead.by(row));
        }
        self.sources.append_value("");
        if conflicts == 0 {
            self.source_losses.append_null();
        } else {
            self.source_losses.append_value("");
        }
    }

    fn finish(mut self) -> Result<Resolved, ArrowError> {
        let registry = &self.rules.registry;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.keys.finish())];
        for (index, (field, plan)) in registry.fields.iter().zip(&self.plans.0).enumerate() {
            let data_type = shape::data_type(field.column_type);
            let nothing = new_null_array(&data_type, 1);
            let sources: Vec<&dyn Array> = std::iter::once(nothing.as_ref())
                .chain(plan.columns.iter().map(|column| column.values.as_ref()))
                .collect();
            columns.push(interleave(&sources, &self.picks[index])?);
            columns.push(Arc::new(self.from[index].finish()));
        }
        columns.push(Arc::new(self.records.finish()));
        columns.push(Arc::new(self.conflicts.finish()));
        columns.push(Arc::new(self.entities.finish()));
        columns.push(Arc::new(self.standings.finish()));
        columns.push(Arc::new(self.protected.finish()));
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
        let sources: Vec<ArrayRef> = vec![
            Arc::new(self.source_keys.finish()),
            Arc::new(self.sources.finish()),
            Arc::new(self.source_losses.finish()),
        ];
        Ok(Resolved {
            golden: RecordBatch::try_new(shape::golden_schema(registry), columns)?,
            conflicts: RecordBatch::try_new(shape::conflicts_schema(), lost)?,
            sources: RecordBatch::try_new(shape::sources_schema(), sources)?,
        })
    }
}
