//! Which pairs to compare, proposed from what keys would cost.

use crate::{
    block::{self, Cost},
    field::Field,
    keys::Keys,
    model::{Key, Part, Reads, Rule},
    profile::{Meaning, Profile},
    records::Records,
};

/// Pairs per record that blocking may cost.
const PAIRS_PER_RECORD: f64 = 100.0;
/// Pairs that blocking may always cost.
const PAIRS_ALWAYS: f64 = 1e6;
/// Most rules that are proposed.
const RULES_MAX: usize = 24;
/// Share of records that have a value, below which a column is one that few records say.
const SELDOM_FILLED: f64 = 0.3;
/// Rules below which three columns are tried together, and how many of those are.
const RULES_FEW: usize = 10;

/// A part of a column that pairs may be found by, and whether it may stand alone.
struct Atom {
    key: Key,
    column: usize,
    alone: bool,
}

/// Parts of a column from the one that finds most to the one that finds least.
fn atoms(profile: &Profile) -> Vec<Atom> {
    let (parts, alone): (&[Part], bool) = match profile.meaning {
        Meaning::RecordId | Meaning::Answer | Meaning::Nothing | Meaning::Longitude => (&[], false),
        Meaning::Category => (&[Part::Whole], false),
        Meaning::Day => (&[Part::Year, Part::Month, Part::Week, Part::Whole], true),
        Meaning::Number => (&[Part::Magnitude, Part::Whole], true),
        Meaning::Latitude => (&[Part::Field], true),
        Meaning::CitizenId | Meaning::CreditCode | Meaning::Hash(_) | Meaning::Bloom => (&[Part::Whole], true),
        Meaning::Code if profile.characters >= 4.5 => (&[Part::FirstHalf, Part::LastHalf, Part::Whole], true),
        Meaning::Code => (&[Part::Whole], true),
        Meaning::Name => (&[Part::Start, Part::Sound, Part::Whole], true),
        Meaning::ChineseName => (&[Part::Surname, Part::Sound, Part::Whole], true),
        Meaning::Words | Meaning::ChineseWords | Meaning::ChineseAddress => {
            (&[Part::Start, Part::Word, Part::Whole], true)
        }
    };
    parts
        .iter()
        .map(|&part| Atom {
            key: Key { column: profile.name.clone(), reads: profile.meaning.reads(), part },
            column: profile.column,
            // Texts of several words begin alike too often.
            alone: alone && !(part == Part::Start && profile.meaning != Meaning::Name),
        })
        .collect()
}

/// Proposes rules within a budget of pairs; `sample` stands for one in `scale` of the records.
pub(crate) fn blocking(
    records: &Records,
    sample: &Records,
    scale: f64,
    evidence: &[&Profile],
) -> (Vec<Rule>, Vec<Cost>) {
    let budget = (PAIRS_PER_RECORD * records.rows as f64).max(PAIRS_ALWAYS);
    if records.possible_pairs() <= PAIRS_ALWAYS {
        let rule = Rule { keys: Vec::new(), any_order: false, block_max: None };
        let cost = Cost { pairs: records.possible_pairs(), blocks: 1, largest: records.rows as u32, left_out: 0 };
        return (vec![rule], vec![cost]);
    }
    let atoms: Vec<Atom> = evidence.iter().flat_map(|profile| atoms(profile)).collect();
    let singles: Vec<Rule> =
        atoms.iter().map(|atom| Rule { keys: vec![atom.key.clone()], any_order: false, block_max: None }).collect();
    let fields = fields(&atoms, sample, evidence);
    let read: Vec<(Key, &Field)> = atoms
        .iter()
        .filter_map(|atom| Some((atom.key.clone(), fields.iter().find(|field| field.column == atom.column)?)))
        .collect();
    let mut keys = Keys::default();
    for rule in &singles {
        keys.read(rule, &read);
    }
    // Blocks of the sample are smaller than those of all records, and pairs fewer by the square.
    let cost = |rule: &Rule| {
        let block_max = rule.block_max.map(|most| (f64::from(most) / scale).ceil() as u32);
        let cost = block::preview(&Rule { block_max, ..rule.clone() }, sample, &keys);
        let times = |count: u32| (f64::from(count) * scale) as u32;
        Cost { pairs: cost.pairs * scale * scale, largest: times(cost.largest), left_out: times(cost.left_out), ..cost }
    };

    // Each column alone, in every part that is rare enough: an error elsewhere does no harm.
    let mut chosen: Vec<(Rule, Cost)> = Vec::new();
    let mut alone: Vec<(Rule, Cost)> = Vec::new();
    let mut atom_pairs: Vec<f64> = Vec::with_capacity(atoms.len());
    for (atom, rule) in atoms.iter().zip(&singles) {
        let whole = cost(rule);
        atom_pairs.push(whole.pairs);
        if !atom.alone {
            continue;
        }
        let limit = budget / 8.0;
        if whole.pairs <= limit && whole.pairs > 0.0 {
            alone.push((rule.clone(), whole));
        } else if let Some((rule, cost)) = trimmed(rule, &cost, limit, records.rows, atom.key.part) {
            alone.push((rule, cost));
        }
    }
    let order = |a: &(Rule, Cost), b: &(Rule, Cost)| order(evidence, a, b);
    alone.sort_by(order);
    let mut spent = 0.0;
    for (rule, cost) in alone {
        if chosen.len() < RULES_MAX / 2 && spent + cost.pairs <= budget * 0.6 {
            spent += cost.pairs;
            chosen.push((rule, cost));
        }
    }

    // Two columns together, each in the widest part that the budget allows.
    let mut together: Vec<(Rule, Cost)> = Vec::new();
    for (at, left) in evidence.iter().enumerate() {
        for right in &evidence[at + 1..] {
            // Ordered by what they would cost if the columns knew nothing of each other; only those near the
            // limits are counted.
            let mut guesses: Vec<(f64, Rule)> = atoms
                .iter()
                .zip(&atom_pairs)
                .filter(|(atom, _)| atom.column == left.column)
                .flat_map(|a| {
                    atoms.iter().zip(&atom_pairs).filter(|(atom, _)| atom.column == right.column).map(move |b| (a, b))
                })
                .filter(|(a, b)| ![a, b].iter().all(|(atom, _)| matches!(atom.key.part, Part::Word | Part::Field)))
                .map(|((a, in_a), (b, in_b))| {
                    let rule = Rule { keys: vec![a.key.clone(), b.key.clone()], any_order: false, block_max: None };
                    (in_a * in_b / records.possible_pairs(), rule)
                })
                .filter(|(guess, rule)| *guess < 2.0 * budget && !covered(rule, &chosen))
                .collect();
            guesses.sort_by(|a, b| b.0.total_cmp(&a.0));
            let wide = guesses.iter().filter(|(guess, _)| *guess > budget / 50.0).take(3);
            let narrow = guesses.iter().filter(|(guess, _)| *guess <= budget / 50.0).take(1);
            let mut widest: Vec<(Rule, Cost)> = wide
                .chain(narrow)
                .map(|(_, rule)| (rule.clone(), cost(rule)))
                .filter(|(_, found)| found.pairs > 0.0 && found.pairs <= budget / 2.0)
                .collect();
            widest.sort_by(|a, b| b.1.pairs.total_cmp(&a.1.pairs));
            let mut kept: Vec<(Rule, Cost)> = Vec::new();
            // The widest of all, should the budget allow it in the end, and the widest that is cheap.
            for (rule, found) in widest {
                let limit = if kept.is_empty() { budget / 2.0 } else { budget / 12.0 };
                if kept.len() < 2 && found.pairs <= limit {
                    kept.push((rule, found));
                }
            }
            together.extend(kept);
        }
    }
    together.sort_by(order);
    for (rule, cost) in together {
        if chosen.len() < RULES_MAX && spent + cost.pairs <= budget {
            spent += cost.pairs;
            chosen.push((rule, cost));
        }
    }
    if chosen.len() < RULES_FEW {
        three_together(records, &atoms, &atom_pairs, &cost, budget - spent, &mut chosen);
    }
    chosen.into_iter().unzip()
}

/// The cheapest first; but what few records say at all takes no place of what most say.
fn order(evidence: &[&Profile], a: &(Rule, Cost), b: &(Rule, Cost)) -> std::cmp::Ordering {
    let is_seldom = |rule: &Rule| {
        let of = |key: &Key| evidence.iter().find(|profile| profile.name == key.column);
        rule.keys.iter().filter_map(of).any(|profile| profile.filled < SELDOM_FILLED)
    };
    is_seldom(&a.0).cmp(&is_seldom(&b.0)).then(a.1.pairs.total_cmp(&b.1.pairs))
}

/// The columns that atoms are parts of, each read once.
fn fields(atoms: &[Atom], sample: &Records, evidence: &[&Profile]) -> Vec<Field> {
    let longitude = evidence.iter().find(|profile| profile.meaning == Meaning::Longitude).map(|profile| profile.column);
    atoms
        .chunk_by(|a, b| a.column == b.column)
        .map(|of_column| {
            let reads = of_column[0].key.reads;
            let with = longitude.filter(|_| reads == Reads::Point);
            Field::read(sample, of_column[0].column, with, reads)
        })
        .collect()
}

/// Three columns together, where few rules of one or two were found: wide parts, each of which alone costs too much.
fn three_together(
    records: &Records,
    atoms: &[Atom],
    atom_pairs: &[f64],
    cost: &dyn Fn(&Rule) -> Cost,
    budget: f64,
    chosen: &mut Vec<(Rule, Cost)>,
) {
    let is_many = |atom: &Atom| usize::from(atom.key.part.is_many());
    let possible = records.possible_pairs();
    let mut widest: std::collections::BTreeMap<(usize, usize, usize), (f64, Rule)> = std::collections::BTreeMap::new();
    for (i, a) in atoms.iter().enumerate() {
        for (j, b) in atoms.iter().enumerate().skip(i + 1).filter(|(_, b)| b.column != a.column) {
            for (k, c) in atoms.iter().enumerate().skip(j + 1).filter(|(_, c)| c.column != b.column) {
                let guess = atom_pairs[i] * atom_pairs[j] * atom_pairs[k] / (possible * possible);
                if guess > budget / 4.0 || is_many(a) + is_many(b) + is_many(c) > 2 {
                    continue;
                }
                let keys = vec![a.key.clone(), b.key.clone(), c.key.clone()];
                let rule = Rule { keys, any_order: false, block_max: None };
                if covered(&rule, chosen) {
                    continue;
                }
                let known = widest.entry((a.column, b.column, c.column)).or_insert((guess, rule.clone()));
                if guess > known.0 {
                    *known = (guess, rule);
                }
            }
        }
    }
    let mut widest: Vec<(f64, Rule)> = widest.into_values().collect();
    widest.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut spent = 0.0;
    for (_, rule) in widest.into_iter().take(RULES_FEW) {
        let found = cost(&rule);
        if found.pairs > 0.0 && spent + found.pairs <= budget / 2.0 && chosen.len() < RULES_MAX {
            spent += found.pairs;
            chosen.push((rule, found));
        }
    }
}

/// The rule without its largest blocks, where that brings it within the limit and leaves most records.
fn trimmed(rule: &Rule, cost: &dyn Fn(&Rule) -> Cost, limit: f64, rows: usize, part: Part) -> Option<(Rule, Cost)> {
    for most in [400, 150, 60, 25] {
        let rule = Rule { block_max: Some(most), ..rule.clone() };
        let found = cost(&rule);
        // Of the words of a value others remain when the common ones are left out.
        if found.pairs <= limit
            && found.pairs > 0.0
            && (part == Part::Word || f64::from(found.left_out) < 0.5 * rows as f64)
        {
            return Some((rule, found));
        }
    }
    None
}

/// Whether a rule finds nothing that one of the chosen does not find.
fn covered(rule: &Rule, chosen: &[(Rule, Cost)]) -> bool {
    chosen.iter().any(|(known, _)| {
        known.block_max.is_none()
            && known
                .keys
                .iter()
                .all(|key| rule.keys.iter().any(|mine| mine.column == key.column && implies_part(mine.part, key.part)))
    })
}

/// Whether two values that share the one part always share the other.
fn implies_part(narrow: Part, wide: Part) -> bool {
    narrow == wide || narrow == Part::Whole || (narrow == Part::Month && wide == Part::Year)
}
