//! What people of one household do not share: by the names of columns in several languages, and by the values where
//! the names say nothing.

use crate::{
    dates::read_day,
    marginals::equal_share,
    model::Reads,
    profile::{Meaning, Profile},
    records::{MISSING, Records},
    similarity::jaro_winkler,
};

/// Pairs of one household that tell which column tells its people apart.
const HOUSEHOLDS_MIN: u32 = 30;
/// Share of records that have a name, where it is one that tells people apart.
const NAMED_MIN: f64 = 0.5;
/// Likeness below which two names have nothing to do with each other.
const UNLIKE: f32 = 0.7;
/// Bits that records must share beyond what the closest of as many strangers share.
const BEYOND_CHANCE: f64 = 3.0;

/// What columns of given names are called, in part.
const GIVEN: [&str; 16] = [
    "given", "first", "fore", "vorname", "voornaam", "rufname", "prenom", "prénom", "nombre", "imie", "imię",
    "fornavn", "förnamn", "fornamn", "etunimi", "имя",
];
/// What columns of family names are called, in part.
const FAMILY: [&str; 14] = [
    "sur",
    "last",
    "family",
    "nachname",
    "familienname",
    "achternaam",
    "nom_de_famille",
    "apellido",
    "cognome",
    "nazwisko",
    "etternavn",
    "efternamn",
    "sukunimi",
    "фамилия",
];
/// What columns of names of anything are called, in part.
const NAMED: [&str; 12] =
    ["name", "title", "naam", "titel", "firma", "denominaci", "姓名", "名称", "名字", "单位", "标题", "企业"];

pub(crate) fn is_given_name(name: &str) -> bool {
    GIVEN.iter().any(|part| name.contains(part))
}

pub(crate) fn is_family_name(name: &str) -> bool {
    FAMILY.iter().any(|part| name.contains(part))
}

/// Columns that people of one household, or companies of one building, agree on by chance only.
pub(crate) fn personal(sample: &Records, evidence: &[&Profile]) -> Vec<usize> {
    let lower = |profile: &Profile| profile.name.to_lowercase();
    let texts = |profile: &&&Profile| matches!(profile.meaning, Meaning::Name | Meaning::Words | Meaning::ChineseWords);
    let numbered = evidence.iter().filter(|profile| {
        use Reads::{ChineseName, CitizenId, CreditCode, Date};
        match profile.meaning {
            Meaning::Day | Meaning::CitizenId | Meaning::CreditCode | Meaning::ChineseName => true,
            Meaning::Hash(kind) => matches!(kind, Date | CitizenId | CreditCode | ChineseName),
            Meaning::Bloom => !is_family_name(&lower(profile)),
            _ => false,
        }
    });
    let mut found: Vec<usize> = numbered.map(|profile| profile.column).collect();
    let mut named: Vec<usize> = evidence
        .iter()
        .filter(texts)
        .filter(|profile| is_given_name(&lower(profile)))
        .map(|profile| profile.column)
        .collect();
    if named.is_empty() && !evidence.iter().any(|profile| profile.meaning == Meaning::ChineseName) {
        named = if evidence.iter().any(|profile| profile.meaning == Meaning::Day) {
            unlike_in_households(sample, evidence)
        } else {
            unlike_beside_all_else(sample, evidence)
        };
    }
    if named.is_empty() {
        let is_named = |profile: &&&Profile| {
            let name = lower(profile);
            NAMED.iter().any(|part| name.contains(part)) && !is_family_name(&name)
        };
        named = evidence.iter().filter(texts).filter(is_named).map(|profile| profile.column).collect();
    }
    found.extend(named);
    found
}

/// Columns of names that differ between records which share much else but not the day: what tells the people of
/// a household apart, whatever the column is called.
fn unlike_in_households(sample: &Records, evidence: &[&Profile]) -> Vec<usize> {
    let Some(day) = evidence.iter().find(|profile| profile.meaning == Meaning::Day) else { return Vec::new() };
    let names: Vec<&&Profile> = evidence.iter().filter(|profile| profile.meaning == Meaning::Name).collect();
    let ids = |profile: &Profile, row: usize| sample.columns[profile.column].ids[row];
    let agree =
        |profile: &Profile, (a, b): (usize, usize)| ids(profile, a) == ids(profile, b) && ids(profile, a) != MISSING;
    let far = |(a, b): (usize, usize)| {
        let read = |row| sample.columns[day.column].value(row).and_then(read_day);
        matches!((read(a), read(b)), (Some(a), Some(b)) if a.edits(&b) > 2)
    };
    let mut both = vec![0_u32; names.len()];
    let mut same = vec![0_u32; names.len()];
    for anchor in evidence.iter().filter(|profile| {
        profile.distinct * 20 > sample.rows && matches!(profile.meaning, Meaning::Code | Meaning::Words | Meaning::Name)
    }) {
        let rows = sample.columns[anchor.column].rows_by_value();
        for two in rows.windows(2).filter(|two| two[0].0 == two[1].0) {
            let pair = (two[0].1 as usize, two[1].1 as usize);
            let others = evidence.iter().filter(|other| {
                other.column != anchor.column && other.column != day.column && other.distinct > 60 && agree(other, pair)
            });
            if others.count() < 2 || !far(pair) {
                continue;
            }
            for (at, name) in names.iter().enumerate().filter(|(_, name)| name.column != anchor.column) {
                if ids(name, pair.0) != MISSING && ids(name, pair.1) != MISSING {
                    both[at] += 1;
                    same[at] += u32::from(agree(name, pair));
                }
            }
        }
    }
    let share = |at: usize| f64::from(same[at]) / f64::from(both[at].max(1));
    let shared = (0..names.len()).any(|at| both[at] >= HOUSEHOLDS_MIN && share(at) > 0.6);
    let differs = |at: &usize| both[*at] >= HOUSEHOLDS_MIN && share(*at) < 0.3;
    if shared { (0..names.len()).filter(differs).map(|at| names[at].column).collect() } else { Vec::new() }
}

/// Where no day is known: columns of names that are wholly unlike in records which share so much else that it is not
/// by chance. Of records of the same thing nearly all would be alike.
fn unlike_beside_all_else(sample: &Records, evidence: &[&Profile]) -> Vec<usize> {
    let is_named = |profile: &&&Profile| profile.meaning == Meaning::Name && profile.filled >= NAMED_MIN;
    let names: Vec<&&Profile> = evidence.iter().filter(is_named).collect();
    let bits: Vec<f64> = evidence
        .iter()
        .map(|profile| {
            let column = &sample.columns[profile.column];
            -equal_share(column.counts(0..column.ids.len()).into_iter()).max(1e-9).log2()
        })
        .collect();
    let mut both = vec![0_u32; names.len()];
    let mut unlike = vec![0_u32; names.len()];
    let by_chance = (sample.rows.max(2) as f64).log2() + BEYOND_CHANCE;
    for anchor in evidence.iter().filter(|profile| profile.distinct * 20 > sample.rows) {
        let rows = sample.columns[anchor.column].rows_by_value();
        for two in rows.windows(2).filter(|two| two[0].0 == two[1].0) {
            let (a, b) = (two[0].1 as usize, two[1].1 as usize);
            let shared = |profile: &Profile| {
                let ids = &sample.columns[profile.column].ids;
                ids[a] == ids[b] && ids[a] != MISSING
            };
            for (at, name) in names.iter().enumerate().filter(|(_, name)| name.column != anchor.column) {
                let column = &sample.columns[name.column];
                let (Some(left), Some(right)) = (column.value(a), column.value(b)) else { continue };
                let others = evidence.iter().zip(&bits).filter(|(other, _)| other.column != name.column);
                let shared_bits: f64 = others.filter(|(other, _)| shared(other)).map(|(_, bits)| bits).sum();
                if shared_bits < by_chance {
                    continue;
                }
                both[at] += 1;
                let likeness = jaro_winkler(left, right, 0.0);
                unlike[at] += u32::from(likeness < UNLIKE);
            }
        }
    }
    let is_unlike = |at: &usize| both[*at] >= HOUSEHOLDS_MIN && unlike[*at] * 2 > both[*at];
    let is_shared = (0..names.len()).any(|at| both[at] >= HOUSEHOLDS_MIN && unlike[at] * 10 < both[at] * 4);
    if is_shared { (0..names.len()).filter(is_unlike).map(|at| names[at].column).collect() } else { Vec::new() }
}
