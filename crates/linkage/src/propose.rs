//! A model from the data alone: what the columns are, how to compare them, which pairs to compare.

use crate::{
    block::{self, Cost},
    error::LinkageError,
    field::Field,
    model::{COMPARISONS_MAX, Comparison, Key, Level, Model, Part, Renamed, Rule, Test},
    profile::{Meaning, Profile, profile},
    records::{Column, MISSING, Records, Table},
};

/// Pairs per record that blocking may cost.
const PAIRS_PER_RECORD: f64 = 100.0;
/// Pairs that blocking may always cost.
const PAIRS_ALWAYS: f64 = 1e6;
/// Most rules that are proposed.
const RULES_MAX: usize = 24;
/// Records that costs are estimated on.
const SAMPLE_ROWS: usize = 20_000;
/// Pairs of strangers that tell whether one column implies another, at least and at most.
const STRANGERS_MIN: u32 = 50;
const STRANGERS_MAX: usize = 20_000;

/// A proposed model and why it is what it is.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The model, not yet trained.
    pub model: Model,
    /// What each column was taken for.
    pub profiles: Vec<Profile>,
    /// Columns that were left out, and why, in English.
    pub left_out: Vec<(String, &'static str)>,
    /// What each blocking rule is expected to compare.
    pub costs: Vec<Cost>,
}

/// Columns of two tables that mean the same: those of one name, then those with the same values.
#[must_use]
pub fn pair_columns(first: &Table, second: &Table) -> Vec<(String, String)> {
    let plain = |name: &str| name.to_lowercase().replace([' ', '_', '-', '.'], "");
    let mut pairs: Vec<(String, String)> = Vec::new();
    for column in &first.columns {
        if let Some(other) = second.columns.iter().find(|other| plain(&other.name) == plain(&column.name)) {
            pairs.push((column.name.clone(), other.name.clone()));
        }
    }
    let mut candidates: Vec<(f64, &Column, &Column)> = Vec::new();
    for left in first.columns.iter().filter(|column| !pairs.iter().any(|(name, _)| *name == column.name)) {
        for right in second.columns.iter().filter(|column| !pairs.iter().any(|(_, name)| *name == column.name)) {
            let shared = shared_values(left, right);
            if shared > 0.1 {
                candidates.push((shared, left, right));
            }
        }
    }
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, left, right) in candidates {
        if !pairs.iter().any(|(a, b)| *a == left.name || *b == right.name) {
            pairs.push((left.name.clone(), right.name.clone()));
        }
    }
    pairs
}

/// Share of the smaller column's values that the other has too.
fn shared_values(left: &Column, right: &Column) -> f64 {
    let (fewer, more) = if left.values.len() <= right.values.len() { (left, right) } else { (right, left) };
    if fewer.values.len() < 3 {
        return 0.0;
    }
    let known: std::collections::HashSet<&str> = more.values.iter().map(AsRef::as_ref).collect();
    fewer.values.iter().filter(|value| known.contains(value.as_ref())).count() as f64 / fewer.values.len() as f64
}

/// Proposes a model.
///
/// # Errors
/// No column tells records apart.
pub fn propose(records: &Records, renamed: Vec<Renamed>) -> Result<Proposal, LinkageError> {
    let profiles = profile(records);
    let mut left_out: Vec<(String, &'static str)> = Vec::new();
    for profile in &profiles {
        match profile.meaning {
            Meaning::RecordId => left_out.push((profile.name.clone(), "names a record")),
            Meaning::Answer => left_out.push((profile.name.clone(), "looks like the answer, not like evidence")),
            Meaning::Nothing => left_out.push((profile.name.clone(), "empty, or the same everywhere")),
            _ => {}
        }
    }
    let mut evidence: Vec<&Profile> =
        profiles.iter().filter(|profile| profile.meaning.is_evidence() && profile.filled > 0.02).collect();
    let (sample, scale) = sample(records);
    drop_composites(records, &mut evidence, &mut left_out);
    drop_dependent(&sample, &mut evidence, &mut left_out);
    // The most telling first, should there be more than a pattern holds.
    evidence.sort_by(|a, b| (b.distinct as f64 * b.filled).total_cmp(&(a.distinct as f64 * a.filled)));
    for profile in evidence.split_off(evidence.len().min(COMPARISONS_MAX)) {
        left_out.push((profile.name.clone(), "others tell more"));
    }
    evidence.sort_by_key(|profile| profile.column);
    let comparisons: Vec<Comparison> =
        evidence.iter().filter_map(|profile| comparison(profile, &evidence, records)).collect();
    if comparisons.iter().all(|comparison| comparison.levels.len() < 2) {
        let found = profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
        let reason = format!("no column tells records apart; found: {found}");
        return Err(LinkageError::NothingToCompare { reason });
    }
    let (blocking, costs) = blocking(records, &sample, scale, &evidence)?;
    if blocking.is_empty() {
        let reason = "no column is rare enough to say which pairs to compare".to_owned();
        return Err(LinkageError::NothingToCompare { reason });
    }
    let id = profiles.iter().find(|profile| profile.meaning == Meaning::RecordId).map(|profile| profile.name.clone());
    let model = Model {
        title: records.tables.join(" + "),
        id,
        renamed,
        threshold: 0.5,
        prior: None,
        kin_prior: None,
        seed: 0,
        comparisons,
        blocking,
        must_not_differ: Vec::new(),
    };
    Ok(Proposal { model, profiles, left_out, costs })
}

/// Leaves out columns that only put others together: `full_name` beside `first_name` and `surname`.
fn drop_composites<'p>(records: &Records, evidence: &mut Vec<&'p Profile>, left_out: &mut Vec<(String, &'static str)>) {
    let text = |profile: &Profile| matches!(profile.meaning, Meaning::Name | Meaning::Words | Meaning::ChineseWords);
    let step = records.rows.div_ceil(2000).max(1);
    let contains = |whole: &Profile, part: &Profile| {
        let (mut both, mut inside) = (0_u32, 0_u32);
        for row in (0..records.rows).step_by(step) {
            if let (Some(whole), Some(part)) =
                (records.columns[whole.column].value(row), records.columns[part.column].value(row))
            {
                both += 1;
                inside += u32::from(whole.len() > part.len() && whole.contains(part));
            }
        }
        both > 50 && f64::from(inside) > 0.6 * f64::from(both)
    };
    let composite: Vec<String> = evidence
        .iter()
        .filter(|whole| text(whole))
        .filter(|whole| {
            let parts = evidence.iter().filter(|part| part.column != whole.column && text(part) && part.distinct > 60);
            parts.filter(|part| contains(whole, part)).count() >= 2
        })
        .map(|profile| profile.name.clone())
        .collect();
    evidence.retain(|profile: &&'p Profile| !composite.contains(&profile.name));
    left_out.extend(composite.into_iter().map(|name| (name, "puts other columns together")));
}

/// Leaves out columns that another one implies: the state beside the postcode. Asked of strangers only: records
/// that share a value and differ in every other column.
fn drop_dependent(records: &Records, evidence: &mut Vec<&Profile>, left_out: &mut Vec<(String, &'static str)>) {
    let mut implied: Vec<String> = Vec::new();
    for whole in evidence.iter() {
        let strangers = strangers(records, whole, evidence);
        for part in evidence.iter() {
            if whole.distinct > 2 * part.distinct
                && !matches!(part.meaning, Meaning::Latitude | Meaning::Longitude)
                && !implied.contains(&whole.name)
                && implies(&strangers, &records.columns[part.column])
            {
                implied.push(part.name.clone());
            }
        }
    }
    evidence.retain(|profile| !implied.contains(&profile.name));
    implied.sort();
    implied.dedup();
    left_out.extend(implied.into_iter().map(|name| (name, "follows from another column")));
}

/// Pairs of records that share a value of `whole` and agree on at most one other column.
fn strangers(records: &Records, whole: &Profile, evidence: &[&Profile]) -> Vec<(usize, usize)> {
    let mut rows: Vec<(u32, u32)> = records.columns[whole.column]
        .ids
        .iter()
        .enumerate()
        .filter(|(_, id)| **id != MISSING)
        .map(|(row, id)| (*id, row as u32))
        .collect();
    rows.sort_unstable();
    let mut found = Vec::new();
    for near in [1, 2, 5] {
        for pair in rows.windows(near + 1).filter(|pair| pair[0].0 == pair[near].0) {
            let (a, b) = (pair[0].1 as usize, pair[near].1 as usize);
            let (mut agree, mut compared) = (0, 0);
            for other in evidence.iter().filter(|other| other.column != whole.column) {
                let ids = &records.columns[other.column].ids;
                if ids[a] != MISSING && ids[b] != MISSING {
                    compared += 1;
                    agree += u32::from(ids[a] == ids[b]);
                }
            }
            if compared >= 3 && agree <= 1 {
                found.push((a, b));
            }
            if found.len() >= STRANGERS_MAX {
                return found;
            }
        }
    }
    found
}

/// Whether strangers nearly always share the value of `part`, more than any two records do.
fn implies(strangers: &[(usize, usize)], part: &Column) -> bool {
    let known = strangers.iter().filter(|(a, b)| part.ids[*a] != MISSING && part.ids[*b] != MISSING);
    let (mut all, mut same) = (0_u32, 0_u32);
    for (a, b) in known {
        all += 1;
        same += u32::from(part.ids[*a] == part.ids[*b]);
    }
    let counts = part.counts(0..part.ids.len());
    let filled: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let by_chance: f64 = counts.iter().map(|&count| (f64::from(count) / filled.max(1.0)).powi(2)).sum();
    all >= STRANGERS_MIN && f64::from(same) / f64::from(all) > 0.8 + 0.2 * by_chance
}

fn comparison(profile: &Profile, evidence: &[&Profile], records: &Records) -> Option<Comparison> {
    use Test::{
        Cosine, DayMonthSwapped, Days, Edits, Exact, Glyph, JaroWinkler, Kilometres, NearPinyin, Other, Pinyin,
        Relative, Surname, Swapped, Variant,
    };
    let exact = Level::new(Exact);
    let other = Level::new(Other);
    let mut with = None;
    let levels = match profile.meaning {
        Meaning::RecordId | Meaning::Answer | Meaning::Nothing | Meaning::Longitude => return None,
        Meaning::Latitude => {
            with = evidence.iter().find(|other| other.meaning == Meaning::Longitude).map(|other| other.name.clone());
            with.as_ref()?;
            let near = |bound| Level::at_most(Kilometres, bound);
            vec![exact, near(0.1), near(1.0), near(10.0), near(100.0), other]
        }
        Meaning::Category => vec![exact, other],
        Meaning::Day => vec![
            exact,
            Level::new(DayMonthSwapped),
            Level::at_most(Days, 1.0),
            Level::at_most(Days, 3.0),
            Level::at_most(Edits, 1.0),
            Level::at_most(Days, 10.0),
            Level::at_most(Days, 31.0),
            Level::at_most(Edits, 2.0),
            Level::at_most(Days, 366.0),
            other,
        ],
        Meaning::Number => vec![
            exact,
            Level::at_most(Relative, 0.01),
            Level::at_most(Relative, 0.05),
            Level::at_most(Relative, 0.2),
            other,
        ],
        Meaning::CitizenId | Meaning::CreditCode => vec![exact, other],
        Meaning::Code if profile.characters >= 4.5 => {
            vec![exact, Level::at_most(Edits, 1.0), Level::at_most(Edits, 2.0), other]
        }
        Meaning::Code => vec![exact, Level::at_most(Edits, 1.0), other],
        Meaning::Name => {
            with = partner(profile, evidence, records);
            let alike = |bound| Level::at_least(JaroWinkler, bound);
            let mut levels = vec![exact];
            if with.is_some() {
                levels.push(Level::new(Swapped));
            }
            levels.extend([alike(0.92), alike(0.88), alike(0.8), alike(0.7), other]);
            levels
        }
        Meaning::ChineseName => vec![
            exact,
            Level::new(Variant),
            Level::new(Pinyin),
            Level::new(NearPinyin),
            Level::new(Glyph),
            Level::new(Surname),
            other,
        ],
        Meaning::Words | Meaning::ChineseWords => {
            let alike = |bound| Level::at_least(Cosine, bound);
            vec![exact, alike(0.9), alike(0.75), alike(0.6), alike(0.4), alike(0.2), other]
        }
    };
    Some(Comparison {
        column: profile.name.clone(),
        with,
        reads: profile.meaning.reads(),
        term_frequency: !matches!(profile.meaning, Meaning::Latitude),
        personal: is_personal(profile, evidence),
        levels,
    })
}

fn is_given_name(name: &str) -> bool {
    ["given", "first", "fore"].iter().any(|part| name.contains(part))
}

fn is_family_name(name: &str) -> bool {
    ["sur", "last", "family"].iter().any(|part| name.contains(part))
}

/// Whether people of one household, or companies of one building, agree on it by chance only.
fn is_personal(profile: &Profile, evidence: &[&Profile]) -> bool {
    let name = profile.name.to_lowercase();
    match profile.meaning {
        Meaning::Day | Meaning::CitizenId | Meaning::CreditCode | Meaning::ChineseName => true,
        Meaning::Name | Meaning::Words | Meaning::ChineseWords => {
            let named = ["name", "title", "姓名", "名称", "单位"].iter().any(|part| name.contains(part));
            is_given_name(&name)
                || (named
                    && !is_family_name(&name)
                    && !evidence.iter().any(|other| is_given_name(&other.name.to_lowercase())))
        }
        Meaning::RecordId
        | Meaning::Answer
        | Meaning::Nothing
        | Meaning::Category
        | Meaning::Number
        | Meaning::Latitude
        | Meaning::Longitude
        | Meaning::Code => false,
    }
}

/// The column whose values are written into this one by mistake: surname and given name.
fn partner(profile: &Profile, evidence: &[&Profile], records: &Records) -> Option<String> {
    let name = profile.name.to_lowercase();
    evidence
        .iter()
        .filter(|other| other.column != profile.column && other.meaning == Meaning::Name)
        .find(|other| {
            let second = other.name.to_lowercase();
            (is_given_name(&name) && is_family_name(&second))
                || (is_family_name(&name) && is_given_name(&second))
                || shared_values(&records.columns[profile.column], &records.columns[other.column]) > 0.3
        })
        .map(|other| other.name.clone())
}

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
        Meaning::CitizenId | Meaning::CreditCode => (&[Part::Whole], true),
        Meaning::Code if profile.characters >= 4.5 => (&[Part::FirstHalf, Part::LastHalf, Part::Whole], true),
        Meaning::Code => (&[Part::Whole], true),
        Meaning::Name => (&[Part::Start, Part::Sound, Part::Whole], true),
        Meaning::ChineseName => (&[Part::Surname, Part::Sound, Part::Whole], true),
        Meaning::Words | Meaning::ChineseWords => (&[Part::Word, Part::Whole], true),
    };
    parts
        .iter()
        .map(|&part| Atom {
            key: Key { column: profile.name.clone(), reads: profile.meaning.reads(), part },
            column: profile.column,
            alone,
        })
        .collect()
}

fn blocking(
    records: &Records,
    sample: &Records,
    scale: f64,
    evidence: &[&Profile],
) -> Result<(Vec<Rule>, Vec<Cost>), LinkageError> {
    let budget = (PAIRS_PER_RECORD * records.rows as f64).max(PAIRS_ALWAYS);
    if records.possible_pairs() <= PAIRS_ALWAYS {
        let rule = Rule { keys: Vec::new(), any_order: false, block_max: None };
        let cost = Cost { pairs: records.possible_pairs(), blocks: 1, largest: records.rows as u32, left_out: 0 };
        return Ok((vec![rule], vec![cost]));
    }
    let atoms: Vec<Atom> = evidence.iter().flat_map(|profile| atoms(profile)).collect();
    let singles: Vec<Rule> =
        atoms.iter().map(|atom| Rule { keys: vec![atom.key.clone()], any_order: false, block_max: None }).collect();
    let read: Vec<(Key, Field)> = block::fields(&singles, sample)?;
    let read: Vec<(Key, &Field)> = read.iter().map(|(key, field)| (key.clone(), field)).collect();
    // Blocks of the sample are smaller than those of all records, and pairs fewer by the square.
    let cost = |rule: &Rule| {
        let block_max = rule.block_max.map(|most| (f64::from(most) / scale).ceil() as u32);
        let cost = block::preview(&Rule { block_max, ..rule.clone() }, sample, &read);
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
    alone.sort_by(|a, b| a.1.pairs.total_cmp(&b.1.pairs));
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
    together.sort_by(|a, b| a.1.pairs.total_cmp(&b.1.pairs));
    for (rule, cost) in together {
        if chosen.len() < RULES_MAX && spent + cost.pairs <= budget {
            spent += cost.pairs;
            chosen.push((rule, cost));
        }
    }
    Ok(chosen.into_iter().unzip())
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

/// Part of the records, evenly, and how many times it fits into all.
fn sample(records: &Records) -> (Records, f64) {
    let step = records.rows.div_ceil(SAMPLE_ROWS).max(1);
    if step == 1 {
        return (records.clone(), 1.0);
    }
    let rows: Vec<usize> = (0..records.rows).step_by(step).collect();
    let columns = records.columns.iter().map(|column| part_of(column, &rows)).collect();
    let first = rows.partition_point(|&row| row < records.first);
    let sample = Records { tables: records.tables.clone(), columns, first, rows: rows.len() };
    (sample, records.rows as f64 / rows.len() as f64)
}

/// A column of some records, with their values only.
fn part_of(column: &Column, rows: &[usize]) -> Column {
    let mut numbers = vec![MISSING; column.values.len()];
    let mut part = Column { name: column.name.clone(), is_decimal: column.is_decimal, ..Column::default() };
    for &row in rows {
        let id = column.ids[row];
        if id != MISSING && numbers[id as usize] == MISSING {
            numbers[id as usize] = part.values.len() as u32;
            part.values.push(column.values[id as usize].clone());
        }
        part.ids.push(if id == MISSING { MISSING } else { numbers[id as usize] });
    }
    part
}
