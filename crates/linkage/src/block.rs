//! Which pairs are compared: records that share a key of at least one rule, each pair once.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    dates::read_written,
    error::LinkageError,
    field::{Field, sound},
    hanzi,
    model::{Key, Part, Reads, Rule},
    records::{MISSING, Records, ValueId},
};

/// Block of a record that has no partner in a rule.
const NONE: u32 = u32::MAX;
/// Words of one value that serve as keys: the rarest ones.
const WORD_KEYS_MAX: usize = 6;

/// The blocks of one rule.
#[derive(Debug)]
pub struct Blocks {
    /// Records of each block, ascending, one block after the other.
    members: Vec<u32>,
    starts: Vec<u32>,
    /// Whether a record may be in several blocks.
    many: bool,
    /// What comparing all pairs of the rule would cost.
    pub cost: Cost,
}

/// Which blocks a record is in, for all rules; what one record needs stands in one place.
#[derive(Debug)]
enum OfRow {
    /// Place of the rule among those with one block per record.
    One(usize),
    /// Blocks of each record, ascending.
    /// `seen` has a bit for the hash of each: two records without a common bit share nothing.
    Many { starts: Vec<u32>, blocks: Vec<u32>, seen: Vec<u64> },
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

/// Keys of all records for a rule, sorted by key and then by record.
struct Keyed {
    keys: Vec<(u64, u32)>,
    many: bool,
}

fn keyed(rule: &Rule, fields: &[(Key, &Field)], rows: usize) -> Keyed {
    let parts: Vec<(&Field, Vec<Vec<u64>>)> = rule
        .keys
        .iter()
        .enumerate()
        .filter_map(|(at, key)| {
            let field = fields.iter().find(|(known, _)| known.column == key.column && known.reads == key.reads)?.1;
            // Keys in any order must hash alike whichever column they came from.
            let seed = if rule.any_order { 0 } else { at as u64 + 1 };
            Some((field, value_keys(field, key.part, seed)))
        })
        .collect();
    let many = rule.keys.iter().any(|key| key.part.is_many());
    let mut keys = Vec::with_capacity(rows);
    let mut several: Vec<u64> = Vec::new();
    'rows: for row in 0..rows {
        let mut combined = 0_u64;
        several.clear();
        for (field, of_value) in &parts {
            let id = field.ids[row];
            if id == MISSING {
                continue 'rows;
            }
            match of_value[id as usize].as_slice() {
                [] => continue 'rows,
                [one] => combined = combined.wrapping_add(*one),
                list if several.is_empty() => several.extend_from_slice(list),
                // Two parts of several keys: each with each.
                list => {
                    several = several
                        .iter()
                        .flat_map(|a| list.iter().map(move |b| a.wrapping_mul(3).wrapping_add(*b)))
                        .collect();
                }
            }
        }
        if several.is_empty() {
            keys.push((combined, row as u32));
        } else {
            several.sort_unstable();
            several.dedup();
            keys.extend(several.iter().map(|&one| (combined.wrapping_add(one), row as u32)));
        }
    }
    keys.sort_unstable();
    Keyed { keys, many }
}

/// Calls `each` with the records of every block that has a pair, and adds up the cost.
fn blocks_of(rule: &Rule, records: &Records, keyed: &Keyed, mut each: impl FnMut(&[(u64, u32)])) -> Cost {
    let mut cost = Cost::default();
    for block in keyed.keys.chunk_by(|a, b| a.0 == b.0) {
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

/// What a rule would cost, without building its blocks.
#[must_use]
pub fn preview(rule: &Rule, records: &Records, fields: &[(Key, &Field)]) -> Cost {
    blocks_of(rule, records, &keyed(rule, fields, records.rows), |_| {})
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
    of_row: Vec<OfRow>,
    /// Blocks of the rules that have one per record, record by record; [`NONE`] where there is none.
    one: Vec<u32>,
    width: usize,
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
    /// Builds the blocks of every rule.
    ///
    /// # Errors
    /// A column that the records do not have, or more pairs than `pairs_max`.
    pub fn new(rules: &[Rule], records: &Records, pairs_max: f64) -> Result<Self, LinkageError> {
        let read = fields(rules, records)?;
        let read: Vec<(Key, &Field)> = read.iter().map(|(key, field)| (key.clone(), field)).collect();
        let is_many = |rule: &Rule| rule.keys.iter().any(|key| key.part.is_many());
        let width = rules.iter().filter(|rule| !is_many(rule)).count();
        let mut candidates = Self {
            rules: Vec::with_capacity(rules.len()),
            of_row: Vec::with_capacity(rules.len()),
            one: vec![NONE; records.rows * width],
            width,
            first: records.first,
            link: records.is_link(),
        };
        let mut at = 0;
        for rule in rules {
            candidates.add(rule, records, &read, at);
            at += usize::from(!is_many(rule));
            let pairs = candidates.rules.last().map_or(0.0, |blocks| blocks.cost.pairs);
            if pairs > pairs_max {
                return Err(LinkageError::TooManyPairs { rule: name(rule), pairs, most: pairs_max });
            }
        }
        Ok(candidates)
    }

    fn add(&mut self, rule: &Rule, records: &Records, fields: &[(Key, &Field)], at: usize) {
        let keyed = keyed(rule, fields, records.rows);
        let (mut members, mut starts) = (Vec::new(), vec![0]);
        let mut placed: Vec<(u32, u32)> = Vec::new();
        let (one, width) = (&mut self.one, self.width);
        let cost = blocks_of(rule, records, &keyed, |block| {
            let number = starts.len() as u32 - 1;
            for &(_, row) in block {
                members.push(row);
                if keyed.many {
                    placed.push((row, number));
                } else {
                    one[row as usize * width + at] = number;
                }
            }
            starts.push(members.len() as u32);
        });
        self.rules.push(Blocks { members, starts, many: keyed.many, cost });
        if !keyed.many {
            self.of_row.push(OfRow::One(at));
            return;
        }
        placed.sort_unstable();
        let mut starts = vec![0; records.rows + 1];
        for &(row, _) in &placed {
            starts[row as usize + 1] += 1;
        }
        for row in 0..records.rows {
            starts[row + 1] += starts[row];
        }
        let mut seen = vec![0; records.rows];
        for &(row, block) in &placed {
            seen[row as usize] |= 1 << (block.wrapping_mul(0x9E37_79B1) >> 26);
        }
        self.of_row.push(OfRow::Many { starts, blocks: placed.into_iter().map(|(_, block)| block).collect(), seen });
    }

    /// The first block of a rule that two records share.
    fn first_shared(&self, rule: usize, left: u32, right: u32) -> Option<u32> {
        match &self.of_row[rule] {
            OfRow::One(at) => {
                let (a, b) = (self.one[left as usize * self.width + at], self.one[right as usize * self.width + at]);
                (a == b && a != NONE).then_some(a)
            }
            OfRow::Many { starts, blocks, seen } => {
                if seen[left as usize] & seen[right as usize] == 0 {
                    return None;
                }
                let list = |row: u32| &blocks[starts[row as usize] as usize..starts[row as usize + 1] as usize];
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
                    let again = blocks.many && self.first_shared(piece.rule, left, right) != Some(number as u32);
                    if !again && !(0..piece.rule).any(|rule| self.first_shared(rule, left, right).is_some()) {
                        each(left, right);
                    }
                }
            }
        }
    }

    /// Which rules have a pair, one bit each.
    #[must_use]
    pub fn rules_of(&self, left: u32, right: u32) -> u64 {
        (0..self.rules.len())
            .fold(0, |bits, rule| bits | u64::from(self.first_shared(rule, left, right).is_some()) << rule)
    }
}

/// The fields that rules need, each once.
///
/// # Errors
/// A column that the records do not have.
pub fn fields(rules: &[Rule], records: &Records) -> Result<Vec<(Key, Field)>, LinkageError> {
    let mut read: Vec<(Key, Field)> = Vec::new();
    for key in rules.iter().flat_map(|rule| &rule.keys) {
        if !read.iter().any(|(known, _)| known.column == key.column && known.reads == key.reads) {
            let column = records.column(&key.column)?;
            read.push((key.clone(), Field::read(records, column, None, key.reads)));
        }
    }
    Ok(read)
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

/// The keys of every value of a field.
fn value_keys(field: &Field, part: Part, seed: u64) -> Vec<Vec<u64>> {
    (0..field.values.len() as ValueId).map(|id| part_keys(field, id, part, seed)).collect()
}

pub(crate) fn part_keys(field: &Field, id: ValueId, part: Part, seed: u64) -> Vec<u64> {
    let value = field.values[id as usize].as_ref();
    let hash = |text: &str| xxh3_64_with_seed(text.as_bytes(), seed);
    let characters = field.characters.get(id);
    let text = |characters: &[char]| characters.iter().collect::<String>();
    let half = characters.len().div_ceil(2);
    match part {
        Part::Whole if field.reads == Reads::ChineseName => {
            vec![hash(&value.chars().map(hanzi::canonical).collect::<String>())]
        }
        Part::Whole => vec![hash(value)],
        Part::FirstHalf if characters.len() >= 4 => vec![hash(&text(&characters[..half]))],
        Part::LastHalf if characters.len() >= 4 => vec![hash(&text(&characters[characters.len() - half..]))],
        Part::Start if characters.len() >= 3 => vec![hash(&text(&characters[..3]))],
        Part::FirstHalf | Part::LastHalf | Part::Start => Vec::new(),
        Part::Sound => {
            let sound = sound(value);
            if sound.len() < 2 { Vec::new() } else { vec![hash(&sound)] }
        }
        Part::Surname if !characters.is_empty() => {
            let length = hanzi::surname_length(characters).min(characters.len());
            vec![hash(&characters[..length].iter().map(|&one| hanzi::canonical(one)).collect::<String>())]
        }
        Part::Surname => Vec::new(),
        Part::Week => {
            let number = read_written(value).and_then(|day| day.number);
            let weeks = number.map(|day| [format!("{}", day.div_euclid(7)), format!("{}h", (day + 3).div_euclid(7))]);
            weeks.iter().flatten().map(|week| hash(week)).collect()
        }
        Part::Month | Part::Year | Part::MonthDay | Part::DayOrMonth => {
            day_key(value, part).map(|key| hash(&key)).into_iter().collect()
        }
        Part::Word => {
            let mut words: Vec<(u32, u32)> = field
                .words
                .of_value
                .get(id)
                .iter()
                .map(|word| (field.words.frequency[word.id as usize], word.id))
                .collect();
            words.sort_unstable();
            words.iter().take(WORD_KEYS_MAX).map(|&(_, word)| hash(&text(field.words.texts.get(word)))).collect()
        }
        Part::Magnitude => {
            let number = field.numbers[id as usize].0;
            if number == 0.0 {
                return vec![hash("0")];
            }
            // Steps of a tenth, counted from both sides: numbers within five per cent share one.
            let step = number.abs().ln() / 1.1_f64.ln();
            [step.floor(), (step + 0.5).floor() + 0.5]
                .iter()
                .map(|step| hash(&format!("{step}{}", number < 0.0)))
                .collect()
        }
        Part::Field => {
            let (latitude, longitude) = field.numbers[id as usize];
            let (y, x) = ((latitude * 100.0).floor() as i64, (longitude * 100.0).floor() as i64);
            let mut keys = Vec::with_capacity(9);
            for dy in -1..=1 {
                for dx in -1..=1 {
                    keys.push(hash(&format!("{}/{}", y + dy, x + dx)));
                }
            }
            keys
        }
    }
}

fn day_key(value: &str, part: Part) -> Option<String> {
    let day = read_written(value)?;
    Some(match part {
        Part::Month => format!("{}-{}", day.year, day.month),
        Part::MonthDay => format!("{}-{}", day.month, day.day),
        Part::DayOrMonth => format!("{}-{}-{}", day.year, day.month.min(day.day), day.month.max(day.day)),
        _ => day.year.to_string(),
    })
}
