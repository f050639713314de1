//! A model from the data alone: what the columns are, how to compare them, which pairs to compare.

use std::borrow::Cow;

use crate::{
    block::Cost,
    error::{LinkageError, Reason},
    model::{COMPARISONS_MAX, Comparison, Level, Model, Renamed, Test},
    personal::{is_family_name, is_given_name, personal},
    profile::{Meaning, Profile, is_unique_per_table, of_column, profile},
    propose_blocking::blocking,
    records::{Column, MISSING, Records, Table},
    similarity::JaroWinkler,
    text::Texts,
};

/// Records that costs are estimated on.
const SAMPLE_ROWS: usize = 20_000;
/// Pairs of strangers that tell whether one column implies another, at least and at most.
const STRANGERS_MIN: u32 = 50;
const STRANGERS_MAX: usize = 3_000;
/// Share of the records in which a text must repeat another column for that one to be left out.
const REPEATED: f64 = 0.7;
/// Share of the records in which a column must be equal to another for it to say the same; and the records looked at.
const EQUAL: f64 = 0.98;
const ROWS_COMPARED: usize = 20_000;
/// Likeness from which two names are not those of strangers.
const ALIKE: f32 = 0.8;

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
    let alone = only_of_their_kind(first, second, &pairs);
    pairs.extend(alone);
    pairs
}

/// Columns without a partner that are the only ones of their kind in either table: two tables say the same day in another
/// form, and the same address in more or fewer words, so that hardly a value is equal.
fn only_of_their_kind(first: &Table, second: &Table, pairs: &[(String, String)]) -> Vec<(String, String)> {
    use Meaning::{ChineseAddress, ChineseName, CitizenId, CreditCode, Day};
    let left = |table: &Table, is_paired: &dyn Fn(&str) -> bool| -> Vec<(Meaning, String)> {
        let columns = table.columns.iter().filter(|column| !is_paired(&column.name));
        columns
            .filter_map(|column| {
                let meaning = of_column(column);
                let fits = matches!(meaning, Day | ChineseAddress | ChineseName | CitizenId | CreditCode);
                fits.then(|| (meaning, column.name.clone()))
            })
            .collect()
    };
    let of_first = left(first, &|name| pairs.iter().any(|(known, _)| known == name));
    if of_first.is_empty() {
        return Vec::new();
    }
    let of_second = left(second, &|name| pairs.iter().any(|(_, known)| known == name));
    let one = |of: &[(Meaning, String)], kind: Meaning| of.iter().filter(|(meaning, _)| *meaning == kind).count() == 1;
    of_first
        .iter()
        .filter(|(kind, _)| one(&of_first, *kind) && one(&of_second, *kind))
        .filter_map(|(kind, name)| {
            let (_, other) = of_second.iter().find(|(meaning, _)| meaning == kind)?;
            Some((name.clone(), other.clone()))
        })
        .collect()
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
    drop_counters(records, &mut evidence, &mut left_out);
    drop_equal(records, &mut evidence, &mut left_out);
    drop_composites(records, &mut evidence, &mut left_out);
    drop_repeated(records, &mut evidence, &mut left_out);
    drop_dependent(&sample, &mut evidence, &mut left_out);
    // The most telling first, should there be more than a pattern holds.
    evidence.sort_by(|a, b| (b.distinct as f64 * b.filled).total_cmp(&(a.distinct as f64 * a.filled)));
    for profile in evidence.split_off(evidence.len().min(COMPARISONS_MAX)) {
        left_out.push((profile.name.clone(), "others tell more"));
    }
    evidence.sort_by_key(|profile| profile.column);
    let personal = personal(&sample, &evidence);
    let comparisons: Vec<Comparison> =
        evidence.iter().filter_map(|profile| comparison(profile, &evidence, &personal, records)).collect();
    if comparisons.iter().all(|comparison| comparison.levels.len() < 2) {
        let found = profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
        let reason = Reason::new(
            format!("no column tells records apart; found: {found}"),
            format!("没有哪一列能区分记录，现有：{found}"),
        );
        return Err(LinkageError::NothingToCompare { reason });
    }
    let (blocking, costs) = blocking(records, &sample, scale, &evidence);
    if blocking.is_empty() {
        let reason = Reason::new(
            "no column is rare enough to say which pairs to compare",
            "没有哪一列的值少见得足以决定比较哪些对",
        );
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
        moves: None,
        seed: 0,
        comparisons,
        blocking,
        must_not_differ: Vec::new(),
    };
    Ok(Proposal { model, profiles, left_out, costs })
}

/// Leaves out columns that number the records of each of two tables: everybody has another, and those who share one
/// share nothing else more often than strangers do.
fn drop_counters(records: &Records, evidence: &mut Vec<&Profile>, left_out: &mut Vec<(String, &'static str)>) {
    if !records.is_link() || evidence.len() < 2 {
        return;
    }
    let counts = |profile: &Profile| {
        let column = &records.columns[profile.column];
        if profile.meaning != Meaning::Code || !is_unique_per_table(records, column) {
            return false;
        }
        let rows = column.rows_by_value();
        let pairs: Vec<(usize, usize)> = rows
            .windows(2)
            .filter(|two| two[0].0 == two[1].0)
            .map(|two| (two[0].1 as usize, two[1].1 as usize))
            .take(STRANGERS_MAX)
            .collect();
        let says_so = |other: &&Profile| {
            let ids = &records.columns[other.column].ids;
            let known = pairs.iter().filter(|(a, b)| ids[*a] != MISSING && ids[*b] != MISSING);
            let (mut all, mut same) = (0.0, 0.0);
            for (a, b) in known {
                all += 1.0;
                same += f64::from(u8::from(ids[*a] == ids[*b]));
            }
            let first = records.columns[other.column].counts(0..records.first);
            let second = records.columns[other.column].counts(records.first..records.rows);
            let sum = |counts: &[u32]| counts.iter().map(|&count| f64::from(count)).sum::<f64>().max(1.0);
            let shared: f64 = first.iter().zip(&second).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let by_chance = shared / sum(&first) / sum(&second);
            // Four standard deviations, and a pair or two that happen to be.
            same > all * by_chance + 4.0 * (all * by_chance).sqrt() + 3.0
        };
        pairs.len() as u32 >= STRANGERS_MIN
            && !evidence.iter().filter(|other| other.column != profile.column).any(says_so)
    };
    let counters: Vec<String> =
        evidence.iter().filter(|profile| counts(profile)).map(|profile| profile.name.clone()).collect();
    if counters.len() < evidence.len() {
        evidence.retain(|profile| !counters.contains(&profile.name));
        left_out.extend(counters.into_iter().map(|name| (name, "numbers the records of each table")));
    }
}

/// Leaves out columns that say what another says, record by record.
fn drop_equal(records: &Records, evidence: &mut Vec<&Profile>, left_out: &mut Vec<(String, &'static str)>) {
    let step = records.rows.div_ceil(ROWS_COMPARED).max(1);
    let is_equal = |a: &Profile, b: &Profile| {
        let (mut said, mut same) = (0_u32, 0_u32);
        for row in (0..records.rows).step_by(step) {
            let (left, right) = (records.columns[a.column].value(row), records.columns[b.column].value(row));
            said += u32::from(left.is_some() || right.is_some());
            same += u32::from(left.is_some() && left == right);
        }
        said > 0 && f64::from(same) >= EQUAL * f64::from(said)
    };
    let mut equal: Vec<String> = Vec::new();
    for (at, profile) in evidence.iter().enumerate() {
        let first = evidence[..at].iter().find(|first| !equal.contains(&first.name) && is_equal(first, profile));
        equal.extend(first.map(|_| profile.name.clone()));
    }
    evidence.retain(|profile| !equal.contains(&profile.name));
    left_out.extend(equal.into_iter().map(|name| (name, "says what another column says")));
}

/// Leaves out columns that only put others together: `full_name` beside `first_name` and `surname`.
fn drop_composites<'p>(records: &Records, evidence: &mut Vec<&'p Profile>, left_out: &mut Vec<(String, &'static str)>) {
    let text = |profile: &Profile| {
        matches!(profile.meaning, Meaning::Name | Meaning::Words | Meaning::ChineseWords | Meaning::ChineseAddress)
    };
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

/// Leaves out columns that a longer text repeats: the maker whose name the title begins with agrees whenever titles do,
/// which would count twice.
fn drop_repeated(records: &Records, evidence: &mut Vec<&Profile>, left_out: &mut Vec<(String, &'static str)>) {
    let step = records.rows.div_ceil(2000).max(1);
    let is_repeated = |part: &Profile, whole: &Profile| {
        let (mut both, mut inside) = (0_u32, 0_u32);
        for row in (0..records.rows).step_by(step) {
            if let (Some(whole), Some(part)) =
                (records.columns[whole.column].value(row), records.columns[part.column].value(row))
            {
                both += 1;
                inside += u32::from(whole.len() > part.len() && has_words(whole, part));
            }
        }
        both > 50 && f64::from(inside) > REPEATED * f64::from(both)
    };
    let repeated: Vec<String> = evidence
        .iter()
        .filter(|part| matches!(part.meaning, Meaning::Name | Meaning::Category))
        .filter(|part| {
            let longer = |whole: &&&Profile| whole.meaning == Meaning::Words && whole.distinct > part.distinct;
            evidence.iter().filter(longer).any(|whole| is_repeated(part, whole))
        })
        .map(|profile| profile.name.clone())
        .collect();
    evidence.retain(|profile| !repeated.contains(&profile.name));
    left_out.extend(repeated.into_iter().map(|name| (name, "is repeated in another column")));
}

/// Whether words stand in a text as they are, not as parts of others.
fn has_words(text: &str, words: &str) -> bool {
    let is_edge = |character: Option<char>| character.is_none_or(|character| !character.is_alphanumeric());
    text.match_indices(words)
        .any(|(at, found)| is_edge(text[..at].chars().next_back()) && is_edge(text[at + found.len()..].chars().next()))
}

/// Leaves out columns that another one implies: the state beside the postcode. Asked of strangers only: records
/// that share a value and are not even alike in the other columns. A company that moved shares its web site and its
/// state with itself, and a name that is nearly the same; the web site implies no state.
fn drop_dependent(records: &Records, evidence: &mut Vec<&Profile>, left_out: &mut Vec<(String, &'static str)>) {
    let mut implied: Vec<String> = Vec::new();
    let texts: Vec<Option<Texts>> = evidence.iter().map(|profile| texts(records, profile)).collect();
    for whole in evidence.iter() {
        let strangers = strangers(records, whole, evidence, &texts);
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

/// The values of a column whose likeness says something.
fn texts(records: &Records, profile: &Profile) -> Option<Texts> {
    use Meaning::{ChineseAddress, ChineseName, ChineseWords, Name, Words};
    if !matches!(profile.meaning, Name | Words | ChineseName | ChineseWords | ChineseAddress) {
        return None;
    }
    let mut texts = Texts::default();
    for value in &records.columns[profile.column].values {
        texts.push(value);
    }
    Some(texts)
}

/// Pairs of records that share a value of `whole` and are alike in at most one other column.
fn strangers(
    records: &Records,
    whole: &Profile,
    evidence: &[&Profile],
    texts: &[Option<Texts>],
) -> Vec<(usize, usize)> {
    let similarity = JaroWinkler::new(ALIKE);
    let rows = records.columns[whole.column].rows_by_value();
    let mut found = Vec::new();
    for near in [1, 2, 5] {
        for pair in rows.windows(near + 1).filter(|pair| pair[0].0 == pair[near].0) {
            let (a, b) = (pair[0].1 as usize, pair[near].1 as usize);
            let (mut agree, mut compared) = (0, 0);
            for (other, texts) in evidence.iter().zip(texts).filter(|(other, _)| other.column != whole.column) {
                let ids = &records.columns[other.column].ids;
                if ids[a] != MISSING && ids[b] != MISSING {
                    let alike = |texts: &Texts| similarity.of(texts.get(ids[a]), texts.get(ids[b])) >= ALIKE;
                    compared += 1;
                    agree += u32::from(ids[a] == ids[b] || texts.as_ref().is_some_and(alike));
                }
                if agree > 1 {
                    break;
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

fn comparison(profile: &Profile, evidence: &[&Profile], personal: &[usize], records: &Records) -> Option<Comparison> {
    use Test::{
        Cosine, DayMonthSwapped, Days, Dice, Edits, Exact, Glyph, JaroWinkler, Kilometres, NearPinyin, Other, Pinyin,
        Relative, SameFlat, SameHouse, SameRoad, SameTown, Surname, Swapped, Variant,
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
        Meaning::CitizenId | Meaning::CreditCode | Meaning::Hash(_) => vec![exact, other],
        Meaning::Bloom => {
            let alike = |bound| Level::at_least(Dice, bound);
            vec![exact, alike(0.85), alike(0.7), alike(0.5), other]
        }
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
        Meaning::ChineseAddress => {
            let alike = |bound| Level::at_least(Cosine, bound);
            vec![
                exact,
                Level::new(SameFlat),
                alike(0.9),
                Level::new(SameHouse),
                alike(0.75),
                alike(0.6),
                Level::new(SameRoad),
                alike(0.4),
                Level::new(SameTown),
                alike(0.2),
                other,
            ]
        }
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
        personal: personal.contains(&profile.column),
        levels,
    })
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

/// Part of the records, evenly, and how many times it fits into all.
fn sample(records: &Records) -> (Cow<'_, Records>, f64) {
    let step = records.rows.div_ceil(SAMPLE_ROWS).max(1);
    if step == 1 {
        return (Cow::Borrowed(records), 1.0);
    }
    let rows: Vec<usize> = (0..records.rows).step_by(step).collect();
    let columns = records.columns.iter().map(|column| part_of(column, &rows)).collect();
    let first = rows.partition_point(|&row| row < records.first);
    let sample = Records { tables: records.tables.clone(), columns, first, rows: rows.len(), divisions: None };
    (Cow::Owned(sample), records.rows as f64 / rows.len() as f64)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::ColumnBuilder;

    #[test]
    fn words_stand_in_a_text_only_as_they_are() {
        assert!(has_words("acme usb cable", "acme"));
        assert!(has_words("black usb cable, acme", "usb cable"));
        assert!(!has_words("acmeish usb cable", "acme"));
        assert!(has_words("acmeish cable by acme", "acme"));
    }

    #[test]
    fn names_that_are_written_in_either_order_are_compared_by_their_words() {
        let name = |number: usize| -> String {
            [number / 26, number % 26, number / 7 % 26].iter().map(|letter| char::from(b'a' + *letter as u8)).collect()
        };
        let meaning = |reordered: usize| {
            let mut column = ColumnBuilder::new("who");
            for number in 0..400 {
                let (given, family) = (name(number), name(number % 90));
                column.push(Some(&format!("{given} mc{family}")));
                if number < reordered {
                    column.push(Some(&format!("mc{family}, {given}")));
                }
            }
            // A column whose values are all different would name records.
            for number in 0..30 {
                column.push(Some(&format!("{} mc{}", name(number), name(number % 90))));
            }
            let rows = 430 + reordered;
            profile(&Records::one(Table { name: "t".to_owned(), columns: vec![column.finish()], rows }))[0].meaning
        };
        assert_eq!(meaning(60), Meaning::Words);
        assert_ne!(meaning(0), Meaning::Words);
    }
}
