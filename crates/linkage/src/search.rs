//! One new record against a table of many: candidates by the model's blocking rules, weighed as in a run.
//!
//! An index holds, for every rule, the records by a hash of their key: four bytes a record and rule beside a
//! directory. A look-up compares at most [`CANDIDATES_MAX`] records; blocks of more than [`BLOCK_MAX`] are left out
//! and named, because so common a key says little that the other rules do not find.
//!
//! Deliberately absent: adding records (an index is built again; it is a copy of what the registry says), and any
//! decision.

use crate::{
    block::name,
    compare::{Comparer, Query},
    error::LinkageError,
    explain::{Waterfall, waterfall},
    keys::{KeyMaker, place_in, placed},
    model::{Model, Part},
    records::{MISSING, Records, ValueId, normalise, says_nothing},
    run,
    score::{Scorer, Weigher},
    weights::odds,
};

/// Most records that one look-up compares.
pub const CANDIDATES_MAX: usize = 20_000;
/// Records of one key from which it is left out of a look-up.
pub const BLOCK_MAX: usize = 4_000;
/// Most records that one look-up returns.
pub const FOUND_MAX: usize = 100;

/// A table ready for look-ups.
#[derive(Debug)]
pub struct Index {
    model: Model,
    comparer: Comparer,
    weigher: Weigher,
    /// Per column of the records that the model uses: its name.
    columns: Vec<String>,
    rules: Vec<RuleIndex>,
    rows: usize,
}

/// The records of one rule, by the hash of their key.
#[derive(Debug)]
struct RuleIndex {
    name: String,
    /// Field, part and place of each key.
    parts: Vec<(usize, Part, u64)>,
    shift: u32,
    starts: Vec<u32>,
    rows: Vec<u32>,
    most: usize,
}

/// A record that may be the same as the one asked for.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its row.
    pub row: u32,
    /// Odds in bits.
    pub weight: f64,
    /// Why.
    pub waterfall: Waterfall,
}

/// What a look-up found.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The likeliest first, at most [`FOUND_MAX`].
    pub found: Vec<Found>,
    /// Records that were compared.
    pub compared: usize,
    /// Rules whose block was left out, with its size.
    pub left_out: Vec<(String, usize)>,
    /// Whether blocks were left out only because [`CANDIDATES_MAX`] was reached.
    pub cut: bool,
}

impl Index {
    /// Builds the index of one table by a trained model.
    ///
    /// # Errors
    /// A model that is not trained, a column that the records do not have, a rule without keys.
    pub fn build(model: &Model, records: &Records) -> Result<Self, LinkageError> {
        if !model.is_trained() {
            let reason = "the model has no m and u yet; train it with `link run --save-model`".to_owned();
            return Err(LinkageError::NothingToCompare { reason });
        }
        if model.blocking.iter().any(|rule| rule.keys.is_empty()) {
            let reason = "the model compares every pair; a look-up needs blocking rules with keys".to_owned();
            return Err(LinkageError::NothingToCompare { reason });
        }
        let (comparer, of_keys) = Comparer::with_keys(model, records)?;
        let parameters = run::given(model, &comparer, records);
        let weigher = Weigher::new(model, &comparer, records, &parameters);
        let mut of_keys = of_keys.into_iter();
        let rules = model
            .blocking
            .iter()
            .map(|rule| {
                let parts = rule
                    .keys
                    .iter()
                    .enumerate()
                    .map(|(at, key)| (of_keys.next().unwrap_or_default(), key.part, place_in(rule, at)));
                let most = rule.block_max.map_or(BLOCK_MAX, |most| BLOCK_MAX.min(most as usize));
                RuleIndex::new(name(rule), parts.collect(), most, &comparer, records.rows)
            })
            .collect();
        let columns = comparer.fields.iter().map(|field| records.columns[field.column].name.clone()).collect();
        Ok(Self { model: model.clone(), comparer, weigher, columns, rules, rows: records.rows })
    }

    /// Records that were indexed.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The records that may be the same as one of these values, by column as they were written, from this
    /// probability up.
    pub fn find(&mut self, record: &dyn Fn(&str) -> Option<String>, probability_from: f64) -> Answer {
        let mut text = String::new();
        let mut ids: Vec<ValueId> = Vec::with_capacity(self.columns.len());
        let lengths: Vec<usize> = self.comparer.fields.iter().map(|field| field.values.len()).collect();
        let words: Vec<usize> = self.comparer.fields.iter().map(|field| field.words.frequency.len()).collect();
        for (at, column) in self.columns.iter().enumerate() {
            normalise(record(column).as_deref().unwrap_or(""), &mut text);
            let second = self.second_of(at).and_then(record).unwrap_or_default();
            let field = &mut self.comparer.fields[at];
            ids.push(if says_nothing(&text) { MISSING } else { field.push(&text, second.trim()) });
        }
        let answer = self.answer(&Query { ids }, probability_from);
        for (field, (values, words)) in self.comparer.fields.iter_mut().zip(lengths.into_iter().zip(words)) {
            field.truncate(values, words);
        }
        answer
    }

    /// The longitude's column of a point.
    fn second_of(&self, field: usize) -> Option<&str> {
        let at = self.comparer.comparisons.iter().position(|comparison| comparison.field == field)?;
        self.model.comparisons[at].with.as_deref()
    }

    fn answer(&self, query: &Query, probability_from: f64) -> Answer {
        let mut answer = Answer::default();
        let mut blocks: Vec<(&[u32], &RuleIndex)> = Vec::new();
        let mut keys: Vec<u64> = Vec::new();
        for rule in &self.rules {
            rule.keys(&self.comparer, |field| query.ids[field], &mut keys);
            blocks.extend(keys.iter().map(|&key| (rule.block(key), rule)));
        }
        // The rarest keys first: they say most, and cost least.
        blocks.sort_by_key(|(block, _)| block.len());
        let mut candidates: Vec<u32> = Vec::new();
        for (block, rule) in blocks {
            let full = candidates.len() + block.len() > CANDIDATES_MAX;
            if full || block.len() > rule.most {
                answer.cut |= full;
                answer.left_out.push((rule.name.clone(), block.len()));
            } else {
                candidates.extend_from_slice(block);
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        answer.compared = candidates.len();
        let scorer = Scorer::of(&self.comparer, &self.weigher);
        let least = odds(probability_from.clamp(1e-12, 1.0 - 1e-12));
        let mut found: Vec<(f64, u32, u64)> = candidates
            .into_iter()
            .map(|row| {
                let pattern = self.comparer.pattern_of(row as usize, query);
                (scorer.weight(row, pattern), row, pattern)
            })
            .filter(|(weight, ..)| *weight >= least)
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.truncate(FOUND_MAX);
        let value = |at: usize| {
            let field = self.comparer.comparisons[at].field;
            self.comparer.fields[field].values.get(query.ids[field] as usize).map(ToString::to_string)
        };
        answer.found = found
            .into_iter()
            .map(|(weight, row, pattern)| Found {
                row,
                weight,
                waterfall: waterfall(&self.model, &self.comparer, &scorer, row, pattern, &value),
            })
            .collect();
        answer
    }
}

impl RuleIndex {
    fn new(name: String, parts: Vec<(usize, Part, u64)>, most: usize, comparer: &Comparer, rows: usize) -> Self {
        // About two records to a place of the directory.
        let bits = (rows.max(2) as u64).ilog2().clamp(4, 28);
        let mut index =
            Self { name, parts, shift: 64 - bits, starts: vec![0; (1 << bits) + 1], rows: Vec::new(), most };
        let mut keys = Vec::new();
        for row in 0..rows {
            index.keys(comparer, |field| comparer.fields[field].ids[row], &mut keys);
            for &key in &keys {
                index.starts[(key >> index.shift) as usize + 1] += 1;
            }
        }
        for place in 1..index.starts.len() {
            index.starts[place] += index.starts[place - 1];
        }
        index.rows = vec![0; index.starts.last().map_or(0, |last| *last as usize)];
        let mut next = index.starts.clone();
        for row in 0..rows {
            index.keys(comparer, |field| comparer.fields[field].ids[row], &mut keys);
            for &key in &keys {
                let place = (key >> index.shift) as usize;
                index.rows[next[place] as usize] = row as u32;
                next[place] += 1;
            }
        }
        index
    }

    /// The keys of a record: none where a part is missing.
    fn keys(&self, comparer: &Comparer, id: impl Fn(usize) -> ValueId, keys: &mut Vec<u64>) {
        keys.clear();
        keys.push(0);
        for &(field, part, place) in &self.parts {
            let id = id(field);
            let mut maker = KeyMaker::new(&comparer.fields[field]);
            let of_part = if id == MISSING { &[] } else { maker.keys(id, part) };
            let with = |sum: u64| of_part.iter().map(move |&key| sum.wrapping_add(placed(key, place)));
            *keys = keys.iter().flat_map(|&sum| with(sum)).collect();
        }
        // Sums of hashes are spread once more: places are their highest bits.
        for key in keys.iter_mut() {
            *key = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        keys.sort_unstable();
        keys.dedup();
    }

    fn block(&self, key: u64) -> &[u32] {
        let place = (key >> self.shift) as usize;
        &self.rows[self.starts[place] as usize..self.starts[place + 1] as usize]
    }
}
