//! One new record against a table of many: candidates by the model's blocking rules, weighed as in a run.
//!
//! An index holds each distinct value once as text and, for every rule, the records by a hash of their key: four
//! bytes a record and key beside a directory. What is compared of a value (its words, its sounds, the parts of an
//! address) is made when it is compared, and only for records that could still reach the probability asked for by what
//! has not been compared yet. A look-up compares at most [`CANDIDATES_MAX`] records, those of the rarest keys first;
//! blocks of more than [`BLOCK_MAX`] are left out and named, because so common a key says little that the other rules
//! do not find.
//!
//! Deliberately absent: adding records (an index is built again; it is a copy of what the registry says), and any
//! decision.
//!
//! Reading order: [`held`] → [`postings`] → [`weigh`].

use std::{borrow::Cow, collections::HashMap};

use crate::{
    error::{LinkageError, Reason},
    explain::{Waterfall, waterfall},
    field::{Field, point},
    marginals::equal_share,
    model::{Comparison, Model, Reads},
    records::{Column, MISSING, Records, ValueId, normalise, says_nothing},
    run,
    score::Weigher,
    value::canonical,
    weights::odds,
};

mod held;
mod postings;
mod weigh;

use held::{Held, Rows};
use postings::{Block, PartKeys, Postings};
use weigh::{Asked, Weighing};

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
    weigher: Weigher,
    weighing: Weighing,
    rules: Vec<Postings>,
    /// Where the values of each field are read from.
    sources: Vec<Source>,
    held: Vec<Held>,
    rows: Rows,
    /// What is made of a value when it is compared; empty between look-ups.
    fields: Vec<Field>,
}

/// A column as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    column: String,
    /// The longitude of a point.
    with: Option<String>,
    reads: Reads,
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
    /// Builds the index of one table by a trained model. Columns are let go as soon as they are held, so that memory
    /// for both is not needed at once.
    ///
    /// # Errors
    /// A model that is not trained, a column that the records do not have, a rule without keys.
    pub fn build(model: &Model, mut records: Records) -> Result<Self, LinkageError> {
        if !model.is_trained() {
            let reason = Reason::new(
                "the model has no m and u yet; train it with `link run --save-model`",
                "模型还没有 m 与 u，请先以 `link run --save-model` 训练",
            );
            return Err(LinkageError::NothingToCompare { reason });
        }
        if model.blocking.iter().any(|rule| rule.keys.is_empty()) {
            let reason = Reason::new(
                "the model compares every pair; a look-up needs blocking rules with keys",
                "模型比较所有的对；检索需要有键的分块规则",
            );
            return Err(LinkageError::NothingToCompare { reason });
        }
        let (sources, of_comparisons, of_keys) = sources(model);
        let mut held = Vec::with_capacity(sources.len());
        let mut rows = Rows::new(records.rows, sources.len());
        for (at, source) in sources.iter().enumerate() {
            let column = records.column(&source.column)?;
            let with = source.with.as_deref().map(|name| records.column(name)).transpose()?;
            let (values, ids) =
                Held::read(&records.columns[column], with.map(|with| &records.columns[with]), source.reads);
            rows.set(at, &ids);
            held.push(values);
            let again = |name: &String| sources[at + 1..].iter().any(|later| later.names().any(|other| other == name));
            for name in source.names().filter(|name| !again(name)) {
                let column = records.column(name)?;
                records.columns[column] = Column { name: name.clone(), ..Column::default() };
            }
        }
        let mut fields: Vec<Field> = sources
            .iter()
            .zip(&held)
            .enumerate()
            .map(|(at, (source, held))| Field::asked(at, source.reads, records.divisions.as_ref(), held.counted()))
            .collect();
        let share = |at: usize| equal_share(held[of_comparisons[at]].counts.iter().copied());
        let parameters = run::given_beside(model, share);
        let weigher = Weigher::new(model, &parameters);
        let possible = records.possible_pairs();
        let weighing = Weighing::new(model, &parameters, &weigher, possible, &of_comparisons, &sources, &held);
        let mut of_keys = of_keys.iter().map(Vec::as_slice);
        let mut known = PartKeys::default();
        let mut rules = Vec::with_capacity(model.blocking.len());
        for rule in &model.blocking {
            let most = rule.block_max.map_or(BLOCK_MAX, |most| BLOCK_MAX.min(most as usize));
            let of_keys = of_keys.next().unwrap_or_default();
            rules.push(Postings::new(rule, of_keys, most, &rows, (&mut fields, &held), &mut known)?);
        }
        Ok(Self { model: model.clone(), weigher, weighing, rules, sources, held, rows, fields })
    }

    /// Records that were indexed.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The records that may be the same as one of these values, by column as they were written, from this
    /// probability up.
    pub fn find(&mut self, record: &dyn Fn(&str) -> Option<String>, probability_from: f64) -> Answer {
        let asked: Vec<Asked> = (0..self.sources.len()).map(|at| self.ask(at, record)).collect();
        let mut answer = Answer::default();
        let candidates = self.candidates(&asked, &mut answer);
        answer.compared = candidates.len();
        let least = odds(probability_from.clamp(1e-12, 1.0 - 1e-12));
        let mut known = HashMap::default();
        let mut found: Vec<(f64, u32, u64)> = Vec::new();
        // Fetched together, so that one need not wait for the other.
        let values: Vec<ValueId> = candidates.iter().flat_map(|&row| self.rows.of(row)).copied().collect();
        for (row, of_row) in candidates.into_iter().zip(values.chunks_exact(self.sources.len())) {
            let values = (self.held.as_slice(), self.fields.as_mut_slice());
            let pattern = self.weighing.pattern(of_row, &asked, values, &mut known, (&self.weigher, least));
            let Some(pattern) = pattern else { continue };
            let rarity = |at: usize| self.weighing.rarity(at, of_row, &self.held);
            if let Some(weight) = self.weigher.weight_from(pattern, rarity, least) {
                found.push((weight, row, pattern));
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.truncate(FOUND_MAX);
        answer.found =
            found.into_iter().map(|(weight, row, pattern)| self.explained(row, weight, pattern, &asked)).collect();
        for field in &mut self.fields {
            field.forget(0);
        }
        answer
    }

    /// Reads the value that is asked about for a field.
    fn ask(&mut self, at: usize, record: &dyn Fn(&str) -> Option<String>) -> Asked {
        let Source { column, with, reads } = &self.sources[at];
        let mut text = String::new();
        normalise(record(column).as_deref().unwrap_or(""), &mut text);
        let value = if says_nothing(&text) {
            None
        } else if *reads == Reads::Point {
            let longitude = with.as_deref().and_then(record).unwrap_or_default();
            point(&text, longitude.trim()).map(|(_, text)| Cow::from(text))
        } else {
            canonical(&text, *reads)
        };
        value.map_or(Asked { value: MISSING, known: MISSING }, |value| Asked {
            value: self.fields[at].ask(&value),
            known: self.held[at].find(&value),
        })
    }

    /// The records to be compared, by row: those of the rarest keys first, which say most and cost least.
    fn candidates(&self, asked: &[Asked], answer: &mut Answer) -> Vec<u32> {
        let ids: Vec<ValueId> = asked.iter().map(|asked| asked.value).collect();
        let mut blocks: Vec<(&[u32], &Postings)> = Vec::new();
        for rule in &self.rules {
            rule.blocks(&self.fields, &ids, |block| match block {
                Block::Rows(rows) => blocks.push((rows, rule)),
                Block::LeftOut(records) => answer.left_out.push((rule.name.clone(), records as usize)),
            });
        }
        blocks.sort_by_key(|(block, _)| block.len());
        let mut candidates: Vec<u32> = Vec::new();
        for (block, rule) in blocks {
            if candidates.len() + block.len() > CANDIDATES_MAX {
                answer.cut = true;
                answer.left_out.push((rule.name.clone(), block.len()));
            } else {
                candidates.extend_from_slice(block);
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    fn explained(&self, row: u32, weight: f64, pattern: u64, asked: &[Asked]) -> Found {
        let of_row = self.rows.of(row);
        let values = |at: usize| {
            let field = self.weighing.field(at);
            let own = (of_row[field] != MISSING).then(|| self.held[field].get(of_row[field]).to_owned());
            (own, self.fields[field].values.get(asked[field].value as usize).map(ToString::to_string))
        };
        let rarity = |at: usize| self.weighing.rarity(at, of_row, &self.held);
        Found { row, weight, waterfall: waterfall(&self.model, &self.weigher, pattern, rarity, values) }
    }
}

impl Source {
    fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.column).chain(&self.with)
    }
}

/// Every reading of a column that the model asks for, once; and which of them each comparison, and each key of each
/// rule, reads.
fn sources(model: &Model) -> (Vec<Source>, Vec<usize>, Vec<Vec<usize>>) {
    let mut sources: Vec<Source> = Vec::new();
    let mut number = |column: &str, with: Option<&String>, reads: Reads| {
        let known = sources.iter().position(|source| source.column == column && source.reads == reads);
        known.unwrap_or_else(|| {
            let with = with.filter(|_| reads == Reads::Point).cloned();
            sources.push(Source { column: column.to_owned(), with, reads });
            sources.len() - 1
        })
    };
    let of = |comparison: &Comparison| (comparison.column.clone(), comparison.with.clone(), comparison.reads);
    let compared: Vec<_> = model.comparisons.iter().map(of).collect();
    let of_comparisons = compared.iter().map(|(column, with, reads)| number(column, with.as_ref(), *reads)).collect();
    // What `swapped` looks into is read as the comparison is.
    for (_, with, reads) in &compared {
        if let Some(with) = with.as_ref().filter(|_| *reads != Reads::Point) {
            number(with, None, *reads);
        }
    }
    let keys = model.blocking.iter().map(|rule| &rule.keys);
    let of_keys = keys.map(|keys| keys.iter().map(|key| number(&key.column, None, key.reads)).collect()).collect();
    (sources, of_comparisons, of_keys)
}
