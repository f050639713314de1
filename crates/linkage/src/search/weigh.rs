//! Which levels a record of an index and one that is asked about reach: the cheap comparisons first, and the dear ones
//! only where the record can still be found.

use std::{collections::HashMap, hash::BuildHasherDefault};

use crate::{
    compare::Pattern,
    field::Field,
    intern::Mixing,
    levels::Steps,
    model::{COMPARISONS_MAX, Comparison, Model, Test},
    records::{MISSING, ValueId},
    score::{Rarity, Weigher},
    search::{Source, held::Held},
    train::Parameters,
};

/// Levels that values of the table reach against the value that is asked about, by comparison and value.
pub(crate) type Known = HashMap<u64, u8, BuildHasherDefault<Mixing>>;

/// A value that is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Its number among the values that are asked about; [`MISSING`] where nothing is said.
    pub value: ValueId,
    /// Its number among those of the records; [`MISSING`] where none has it.
    pub known: ValueId,
}

/// A model's comparisons.
#[derive(Debug)]
pub(crate) struct Weighing {
    /// The cheap ones first.
    compared: Vec<Compared>,
    /// Per comparison of the model: its field, how rare its values are, and the most that two values that differ add.
    fields: Vec<usize>,
    rarity: Vec<Option<Rarity>>,
    most: [f64; COMPARISONS_MAX],
}

#[derive(Debug)]
struct Compared {
    /// Place in the model.
    at: usize,
    field: usize,
    /// For `swapped`: the field of the other column.
    swapped: Option<usize>,
    steps: Steps,
    /// Whether only equality counts.
    only_exact: bool,
    /// Whether two values cost more to compare than it costs to see whether they must be.
    is_dear: bool,
    last: u8,
}

impl Weighing {
    pub(crate) fn new(
        model: &Model,
        parameters: &Parameters,
        weigher: &Weigher,
        possible: f64,
        fields: &[usize],
        sources: &[Source],
        held: &[Held],
    ) -> Self {
        let asks = |comparison: &Comparison, test: Test| comparison.levels.iter().any(|level| level.when == test);
        let mut compared: Vec<Compared> = model
            .comparisons
            .iter()
            .zip(fields)
            .enumerate()
            .map(|(at, (comparison, &field))| Compared {
                at,
                field,
                swapped: comparison.with.as_ref().filter(|_| asks(comparison, Test::Swapped)).and_then(|with| {
                    sources.iter().position(|source| source.column == *with && source.reads == comparison.reads)
                }),
                steps: Steps::new(comparison),
                only_exact: comparison.levels.len() == 2 && asks(comparison, Test::Exact),
                is_dear: asks(comparison, Test::Cosine) || asks(comparison, Test::SameRoad),
                last: comparison.levels.len() as u8,
            })
            .collect();
        compared.sort_by_key(|compared| compared.is_dear);
        let known = |field: usize| held[field].counts.iter().sum();
        let rarity: Vec<Option<Rarity>> = fields
            .iter()
            .enumerate()
            .map(|(at, &field)| Rarity::new(model, at, known(field), possible, parameters))
            .collect();
        let mut most = [0.0; COMPARISONS_MAX];
        for (at, comparison) in model.comparisons.iter().enumerate() {
            most[at] = weigher.most(at, if comparison.levels[0].when == Test::Exact { 2 } else { 1 });
        }
        Self { compared, fields: fields.to_vec(), rarity, most }
    }

    /// The field of a comparison.
    pub(crate) fn field(&self, at: usize) -> usize {
        self.fields[at]
    }

    /// By how many bits agreeing on a record's value says more than agreeing on the average one.
    pub(crate) fn rarity(&self, at: usize, row: &[ValueId], held: &[Held]) -> f64 {
        let field = self.fields[at];
        self.rarity[at].map_or(0.0, |rarity| f64::from(rarity.bits(held[field].counts[row[field] as usize])))
    }

    /// The levels that a record of these values reaches against the values that are asked about; `None` where it can
    /// no longer have `least` odds.
    pub(crate) fn pattern(
        &self,
        row: &[ValueId],
        asked: &[Asked],
        (held, fields): (&[Held], &mut [Field]),
        known: &mut Known,
        (weigher, least): (&Weigher, f64),
    ) -> Option<Pattern> {
        let mut parts = self.most;
        let mut pattern: Pattern = 0;
        let reach = |compared: &Compared, level: u8, pattern: &mut Pattern, parts: &mut [f64; COMPARISONS_MAX]| {
            *pattern |= u64::from(level) << (4 * compared.at);
            parts[compared.at] = weigher.part(compared.at, *pattern, |at| self.rarity(at, row, held));
        };
        // What is equal, missing or nothing else costs nothing to see.
        let mut open = [0_u8; COMPARISONS_MAX];
        let mut left = 0;
        for (place, compared) in self.compared.iter().enumerate() {
            let (a, b) = (row[compared.field], asked[compared.field]);
            if a == MISSING || b.value == MISSING {
                reach(compared, 0, &mut pattern, &mut parts);
            } else if a == b.known {
                reach(compared, 1, &mut pattern, &mut parts);
            } else if compared.only_exact {
                reach(compared, compared.last, &mut pattern, &mut parts);
            } else if let Some(level) = compared.known(a, known) {
                reach(compared, level, &mut pattern, &mut parts);
            } else {
                open[left] = place as u8;
                left += 1;
            }
        }
        for &place in &open[..left] {
            if weigher.same(|at| parts[at]) < least {
                return None;
            }
            let compared = &self.compared[usize::from(place)];
            let level = compared.level(row, asked, held, fields, known);
            reach(compared, level, &mut pattern, &mut parts);
        }
        Some(pattern)
    }
}

impl Compared {
    /// The level of a value, where it was asked for before; what depends on another column is not the value's alone.
    fn known(&self, value: ValueId, known: &Known) -> Option<u8> {
        if self.swapped.is_some() { None } else { known.get(&self.key(value)).copied() }
    }

    fn key(&self, value: ValueId) -> u64 {
        (self.at as u64) << 32 | u64::from(value)
    }

    /// The level of two different values.
    fn level(&self, row: &[ValueId], asked: &[Asked], held: &[Held], fields: &mut [Field], known: &mut Known) -> u8 {
        let (a, b) = (row[self.field], asked[self.field].value);
        let own = held[self.field].get(a);
        let is_swapped = self.swapped.is_some_and(|other| {
            let (x, y) = (row[other], asked[other].value);
            x != MISSING
                && y != MISSING
                && held[other].get(x) == fields[self.field].values[b as usize].as_ref()
                && *fields[other].values[y as usize] == *own
        });
        let field = &mut fields[self.field];
        let place = field.ask(own);
        let level = self.steps.level(field, (place, b), || is_swapped).map_or(self.last, |level| level as u8);
        field.forget(place);
        known.insert(self.key(a), level);
        level
    }
}
