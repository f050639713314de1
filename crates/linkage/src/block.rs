//! Which pairs are compared: records that share a key of at least one rule, each pair once.

use crate::{
    error::LinkageError,
    field::Field,
    keys::{Keyed, Keys},
    model::{Key, Part, Rule},
    records::Records,
};

/// Block of a record that has no partner in a rule.
const NONE: u32 = u32::MAX;
/// Keys of values that are kept from rule to rule; of more, each rule makes its own.
const KEYS_KEPT_MAX: usize = 1 << 25;

/// The blocks of one rule.
#[derive(Debug)]
pub struct Blocks {
    /// Records of each block, ascending, one block after the other.
    members: Vec<u32>,
    starts: Vec<u32>,
    /// What comparing all pairs of the rule would cost.
    pub cost: Cost,
}

/// The blocks of each record for a rule by which a record may be in several.
#[derive(Debug)]
struct Several {
    rule: usize,
    starts: Vec<u32>,
    /// Ascending for each record.
    blocks: Vec<u32>,
    /// A bit for the hash of each: two records without a common bit share nothing.
    seen: Vec<u64>,
}

/// What a rule would compare, before pairs of other rules are taken out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Pairs.
    pub pairs: f64,
    /// Blocks with at least one pair.
    pub blocks: u32,
    /// Records of the largest block.
    pub largest: u32,
    /// Records in blocks that were left out because they were too large.
    pub left_out: u32,
}

/// Calls `each` with the records of every block that has a pair, and adds up the cost.
fn blocks_of(rule: &Rule, records: &Records, keyed: &[Keyed], mut each: impl FnMut(&[Keyed])) -> Cost {
    let mut cost = Cost::default();
    for block in keyed.chunk_by(|a, b| a.0 == b.0) {
        let first = block.partition_point(|&(_, row)| (row as usize) < records.first);
        let pairs = if records.is_link() {
            first as f64 * (block.len() - first) as f64
        } else {
            block.len() as f64 * (block.len() as f64 - 1.0) / 2.0
        };
        if pairs == 0.0 {
            continue;
        }
        if rule.block_max.is_some_and(|most| block.len() > most as usize) {
            cost.left_out += block.len() as u32;
            continue;
        }
        cost.pairs += pairs;
        cost.blocks += 1;
        cost.largest = cost.largest.max(block.len() as u32);
        each(block);
    }
    cost
}

/// What a rule would cost, without building its blocks; `keys` has those of its parts.
#[must_use]
pub fn preview(rule: &Rule, records: &Records, keys: &Keys) -> Cost {
    blocks_of(rule, records, &keys.of(rule, records.rows), |_| {})
}

impl Blocks {
    /// How many blocks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether no two records share a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn block(&self, number: usize) -> &[u32] {
        &self.members[self.starts[number] as usize..self.starts[number + 1] as usize]
    }
}

/// All rules' blocks.
#[derive(Debug)]
pub struct Candidates {
    /// One per rule.
    pub rules: Vec<Blocks>,
    /// Blocks of the rules that have one per record, record by record; [`NONE`] where there is none. What one record
    /// needs stands in one place.
    one: Vec<u32>,
    /// Which rules those are, ascending.
    one_of: Vec<usize>,
    /// The other rules, ascending.
    several: Vec<Several>,
    first: usize,
    link: bool,
}

/// Some blocks of one rule: a piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    rule: usize,
    from: usize,
    to: usize,
}

impl Candidates {
    /// Builds the blocks of every rule; `fields` has the field of every key.
    ///
    /// # Errors
    /// More pairs than `pairs_max`.
    pub fn new(
        rules: &[Rule],
        records: &Records,
        fields: &[(Key, &Field)],
        pairs_max: f64,
    ) -> Result<Self, LinkageError> {
        let is_several = |rule: &Rule| rule.keys.iter().any(|key| key.part.is_many());
        let one_of: Vec<usize> = (0..rules.len()).filter(|&at| !is_several(&rules[at])).collect();
        let mut candidates = Self {
            rules: Vec::with_capacity(rules.len()),
            one: vec![NONE; records.rows * one_of.len()],
            one_of,
            several: Vec::new(),
            first: records.first,
            link: records.is_link(),
        };
        let mut keys = Keys::default();
        for rule in rules {
            keys.read(rule, fields);
            candidates.add(rule, records, &keys.of(rule, records.rows));
            if keys.len() > KEYS_KEPT_MAX {
                keys = Keys::default();
            }
            let pairs = candidates.rules.last().map_or(0.0, |blocks| blocks.cost.pairs);
            if pairs > pairs_max {
                return Err(LinkageError::TooManyPairs { rule: name(rule), pairs, most: pairs_max });
            }
        }
        Ok(candidates)
    }

    fn add(&mut self, rule: &Rule, records: &Records, keyed: &[Keyed]) {
        let at = self.rules.len();
        let (mut members, mut starts) = (Vec::new(), vec![0]);
        let cost = blocks_of(rule, records, keyed, |block| {
            members.extend(block.iter().map(|&(_, row)| row));
            starts.push(members.len() as u32);
        });
        let blocks = Blocks { members, starts, cost };
        if let Ok(place) = self.one_of.binary_search(&at) {
            let width = self.one_of.len();
            for number in 0..blocks.len() {
                for &row in blocks.block(number) {
                    self.one[row as usize * width + place] = number as u32;
                }
            }
        } else {
            self.several.push(Several::new(at, &blocks, records.rows));
        }
        self.rules.push(blocks);
    }

    /// The blocks of two records for the rules that have one per record.
    fn ones(&self, left: u32, right: u32) -> impl Iterator<Item = (usize, bool)> {
        let width = self.one_of.len();
        let of = |row: u32| &self.one[row as usize * width..][..width];
        let both = of(left).iter().zip(of(right));
        self.one_of.iter().zip(both).map(|(&rule, (a, b))| (rule, a == b && *a != NONE))
    }

    /// Whether a rule before this one has the pair.
    fn is_earlier(&self, rule: usize, left: u32, right: u32) -> bool {
        self.ones(left, right).take_while(|(at, _)| *at < rule).any(|(_, shares)| shares)
            || self
                .several
                .iter()
                .take_while(|several| several.rule < rule)
                .any(|several| several.first_shared(left, right).is_some())
    }

    /// Pairs of all rules, those of several counted several times.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.rules.iter().map(|rule| rule.cost.pairs).sum()
    }

    /// The work in pieces of about `pairs` each, always the same for the same records.
    #[must_use]
    pub fn pieces(&self, pairs: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (rule, blocks) in self.rules.iter().enumerate() {
            let (mut from, mut sum) = (0, 0);
            for number in 0..blocks.len() {
                let length = blocks.block(number).len();
                sum += length * (length - 1) / 2;
                if sum >= pairs || number + 1 == blocks.len() {
                    pieces.push(Piece { rule, from, to: number + 1 });
                    (from, sum) = (number + 1, 0);
                }
            }
        }
        pieces
    }

    /// Calls `each` once for every pair of a piece that no earlier rule has and that `wanted` lets pass; the first
    /// record is the lower one.
    pub fn for_each_pair(&self, piece: Piece, wanted: impl Fn(u32, u32) -> bool, mut each: impl FnMut(u32, u32)) {
        let blocks = &self.rules[piece.rule];
        let several = self.several.iter().find(|several| several.rule == piece.rule);
        for number in piece.from..piece.to {
            let block = blocks.block(number);
            let split = block.partition_point(|&row| (row as usize) < self.first);
            for (at, &left) in block.iter().enumerate() {
                let partners = if self.link {
                    if at >= split {
                        break;
                    }
                    &block[split..]
                } else {
                    &block[at + 1..]
                };
                for &right in partners {
                    if !wanted(left, right) {
                        continue;
                    }
                    let again = several.is_some_and(|rule| rule.first_shared(left, right) != Some(number as u32));
                    if !again && !self.is_earlier(piece.rule, left, right) {
                        each(left, right);
                    }
                }
            }
        }
    }

    /// Which rules have a pair, one bit each.
    #[must_use]
    pub fn rules_of(&self, left: u32, right: u32) -> u64 {
        let ones = self.ones(left, right).fold(0, |bits, (rule, shares)| bits | u64::from(shares) << rule);
        self.several
            .iter()
            .fold(ones, |bits, several| bits | u64::from(several.first_shared(left, right).is_some()) << several.rule)
    }
}

impl Several {
    fn new(rule: usize, of: &Blocks, rows: usize) -> Self {
        let mut starts = vec![0; rows + 1];
        for &row in &of.members {
            starts[row as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut blocks = vec![0; of.members.len()];
        let mut seen = vec![0; rows];
        // In the order of the blocks, so that those of a record ascend.
        for number in 0..of.len() as u32 {
            for &row in of.block(number as usize) {
                let row = row as usize;
                blocks[next[row] as usize] = number;
                next[row] += 1;
                seen[row] |= 1 << (number.wrapping_mul(0x9E37_79B1) >> 26);
            }
        }
        Self { rule, starts, blocks, seen }
    }

    /// The first block that two records share.
    fn first_shared(&self, left: u32, right: u32) -> Option<u32> {
        if self.seen[left as usize] & self.seen[right as usize] == 0 {
            return None;
        }
        let list = |row: u32| &self.blocks[self.starts[row as usize] as usize..self.starts[row as usize + 1] as usize];
        let (mut a, mut b) = (list(left), list(right));
        while let (Some(x), Some(y)) = (a.first(), b.first()) {
            match x.cmp(y) {
                std::cmp::Ordering::Equal => return Some(*x),
                std::cmp::Ordering::Less => a = &a[1..],
                std::cmp::Ordering::Greater => b = &b[1..],
            }
        }
        None
    }
}

/// A rule in words.
#[must_use]
pub fn name(rule: &Rule) -> String {
    let keys: Vec<String> = rule
        .keys
        .iter()
        .map(|key| if key.part == Part::Whole { key.column.clone() } else { format!("{}.{:?}", key.column, key.part) })
        .collect();
    if keys.is_empty() { "every pair".to_owned() } else { keys.join(" + ") }
}
