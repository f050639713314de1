//! The truth against an independent recount of the files.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use yihe_city::{DatasetTruth, Truth};
use yihe_definitions::{Dataset, EntityKind, Registry, RuleKind, Severity, rule::Identifier};
use yihe_vocabulary::{CitizenId, CreditCode, normalise_key};

use crate::{
    city::{make, pack},
    reader::{Record, parquet_rows, read},
};

const SCALE: f64 = 0.001;

/// Everything that a dataset's files say, file after file; a file sent again is left out.
struct Delivered<'p> {
    dataset: &'p Dataset,
    records: Vec<Record>,
    /// By rule: the failing records, as indices.
    failing: Vec<BTreeSet<usize>>,
}

impl Delivered<'_> {
    fn column(&self, name: &str) -> usize {
        self.dataset.columns.iter().position(|column| column.name == name).unwrap()
    }

    fn is_held(&self, record: usize) -> bool {
        let rules = self.dataset.rules.iter().zip(&self.failing);
        rules.into_iter().any(|(rule, failing)| rule.severity == Severity::Hold && failing.contains(&record))
    }
}

#[test]
fn the_truth_equals_an_independent_recount() {
    let folder = tempfile::tempdir().unwrap();
    let report = make(folder.path(), SCALE, 11, 2);
    let truth = Truth::read(&folder.path().join("truth")).unwrap();
    assert_eq!(truth, report.truth);
    let pack = pack();
    let mut all = BTreeMap::new();
    for dataset in &pack.datasets {
        let expected = &truth.datasets[&dataset.id];
        let mut records = Vec::new();
        for file in &expected.files {
            let found = read(dataset, &folder.path().join("inbox").join(&file.name));
            assert_eq!(found.len() as u64, file.rows, "{}", file.name);
            records.extend(found);
        }
        let failing = failing(&pack, dataset, &records);
        let delivered = Delivered { dataset, records, failing };
        compare_dataset(&delivered, expected);
        compare_rows(&delivered, expected, folder.path());
        all.insert(dataset.id.as_str(), delivered);
    }
    for registry in &pack.registries {
        compare_registry(registry, &all, &truth, folder.path());
    }
}

fn compare_dataset(delivered: &Delivered<'_>, expected: &DatasetTruth) {
    let id = &delivered.dataset.id;
    assert_eq!(delivered.records.len() as u64, expected.rows, "{id}");
    let mut quarantined = BTreeMap::new();
    for reason in delivered.records.iter().filter_map(|record| record.as_ref().err()) {
        *quarantined.entry((*reason).to_owned()).or_insert(0) += 1;
    }
    assert_eq!(quarantined, expected.quarantined, "{id}");
    let rules = delivered.dataset.rules.iter().map(|rule| rule.id.clone());
    let rules: BTreeMap<String, u64> =
        rules.zip(delivered.failing.iter().map(|failing| failing.len() as u64)).collect();
    assert_eq!(rules, expected.rules, "{id}");
    let held = (0..delivered.records.len()).filter(|record| delivered.is_held(*record)).count();
    assert_eq!(held as u64, expected.held, "{id}");
    // Columns are full, or withheld; a value may be missing by accident or by nature, but not always.
    for (index, column) in delivered.dataset.columns.iter().enumerate() {
        let landed = || delivered.records.iter().filter_map(|record| record.as_ref().ok());
        let is_filled = landed().any(|record| record[index].is_some());
        let may_be_rare =
            ["dissolved_on", "finding", "chronic_code", "closed_on", "finished_on"].contains(&column.name.as_str());
        let is_withheld = expected.withheld.contains(&column.name);
        assert!(is_filled != is_withheld || may_be_rare, "{id}.{} is filled: {is_filled}", column.name);
    }
}

/// The truth's list of records names exactly those that fail.
fn compare_rows(delivered: &Delivered<'_>, expected: &DatasetTruth, folder: &Path) {
    let mut begin = BTreeMap::new();
    let mut next = 0;
    for file in &expected.files {
        begin.insert(file.name.clone(), next);
        next += usize::try_from(file.rows).unwrap();
    }
    let mut found = BTreeSet::new();
    for part in 1..=expected.files.len() {
        let path = folder.join(format!("truth/rows/{}-{part:03}.parquet", delivered.dataset.id));
        for (header, values) in parquet_rows(&path) {
            let of =
                |name: &str| values[header.iter().position(|known| known == name).unwrap()].clone().unwrap_or_default();
            let record = begin[&of("file")] + of("row").parse::<usize>().unwrap() - 1;
            if ["quarantine", "rule"].contains(&of("kind").as_str()) {
                assert!(found.insert((record, of("what"))), "{} twice", delivered.dataset.id);
            }
        }
    }
    let mut real = BTreeSet::new();
    for (index, record) in delivered.records.iter().enumerate() {
        if let Err(reason) = record {
            real.insert((index, (*reason).to_owned()));
        }
    }
    for (rule, failing) in delivered.dataset.rules.iter().zip(&delivered.failing) {
        real.extend(failing.iter().map(|record| (*record, rule.id.clone())));
    }
    assert!(
        found == real,
        "{}: {:?}",
        delivered.dataset.id,
        found.symmetric_difference(&real).take(5).collect::<Vec<_>>()
    );
}

fn failing(pack: &yihe_definitions::Pack, dataset: &Dataset, records: &[Record]) -> Vec<BTreeSet<usize>> {
    let place = |name: &String| dataset.columns.iter().position(|column| column.name == *name).unwrap();
    let landed = || records.iter().enumerate().filter_map(|(index, record)| Some((index, record.as_ref().ok()?)));
    dataset
        .rules
        .iter()
        .map(|rule| {
            if let RuleKind::Unique { columns } = &rule.kind {
                let mut groups: HashMap<Vec<&str>, Vec<usize>> = HashMap::new();
                for (index, record) in landed() {
                    let key: Option<Vec<&str>> =
                        columns.iter().map(|column| record[place(column)].as_deref()).collect();
                    groups.entry(key.unwrap_or_default()).or_default().push(index);
                }
                return groups
                    .into_iter()
                    .filter(|(key, group)| !key.is_empty() && group.len() > 1)
                    .flat_map(|(_, group)| group)
                    .collect();
            }
            let is_asked = |record: &[Option<String>]| match &rule.when {
                None => true,
                Some(when) => {
                    let value = record[place(&when.column)].as_deref();
                    value.is_some_and(|value| when.one_of.as_ref().unwrap().iter().any(|one| one == value))
                }
            };
            let pattern = match &rule.kind {
                RuleKind::Pattern { pattern, .. } => Some(regex::Regex::new(&format!("^(?:{pattern})$")).unwrap()),
                _ => None,
            };
            let fails = |record: &Vec<Option<String>>| {
                is_asked(record) && !passes(pack, &rule.kind, pattern.as_ref(), &|name| record[place(name)].as_deref())
            };
            landed().filter(|(_, record)| fails(record)).map(|(index, _)| index).collect()
        })
        .collect()
}

/// Whether one record meets a rule, judged the plain way.
fn passes<'r>(
    pack: &yihe_definitions::Pack,
    rule: &RuleKind,
    regex: Option<&regex::Regex>,
    of: &dyn Fn(&String) -> Option<&'r str>,
) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    match rule {
        RuleKind::NotNull { column } => of(column).is_some_and(|text| !text.trim().is_empty()),
        RuleKind::Pattern { column, .. } => of(column).is_none_or(|text| regex.unwrap().is_match(text)),
        RuleKind::Length { column, min, max } => of(column).is_none_or(|text| {
            let length = u32::try_from(text.chars().count()).unwrap();
            min.is_none_or(|min| min <= length) && max.is_none_or(|max| length <= max)
        }),
        RuleKind::CodeList { column, table, codes, .. } => of(column).is_none_or(|text| match table {
            Some(table) => pack.code_table(table).unwrap().codes.iter().any(|code| code.code == text),
            None => codes.iter().any(|code| code == text),
        }),
        RuleKind::Range { column, min, max } => of(column).is_none_or(|text| match number(text) {
            Some(value) => {
                let bound = |bound: &Option<String>| bound.as_ref().map(|bound| number(bound).unwrap());
                bound(min).is_none_or(|min| min <= value) && bound(max).is_none_or(|max| value <= max)
            }
            None => min.as_deref().is_none_or(|min| min <= text) && max.as_deref().is_none_or(|max| text <= max),
        }),
        RuleKind::CheckDigit { column, identifier } => of(column).is_none_or(|text| is_identifier(*identifier, text)),
        RuleKind::CitizenAgrees { column, birth_on, sex } => {
            let Some(id) = of(column).and_then(|text| text.parse::<CitizenId>().ok()) else { return true };
            let birth = birth_on.as_ref().and_then(of);
            let sex = sex.as_ref().and_then(of).filter(|sex| ["1", "2"].contains(sex));
            birth.is_none_or(|birth| birth == id.birth_on().to_string()) && sex.is_none_or(|sex| sex == id.sex().code())
        }
        RuleKind::Order { earlier, later } => match (of(earlier), of(later)) {
            (Some(earlier), Some(later)) => earlier <= later,
            _ => true,
        },
        RuleKind::Predicate { sql } => {
            assert_eq!(sql, "total_amount = fund_amount + self_amount");
            let cents = |name: &str| of(&name.to_owned()).map(|text| text.replace('.', "").parse::<i64>().unwrap());
            match (cents("total_amount"), cents("fund_amount"), cents("self_amount")) {
                (Some(total), Some(fund), Some(own)) => total == fund + own,
                _ => true,
            }
        }
        other => panic!("the demonstration has no rule of kind {}", other.name()),
    }
}

fn is_identifier(identifier: Identifier, text: &str) -> bool {
    let bytes = text.as_bytes();
    match identifier {
        Identifier::CitizenId => yihe_vocabulary::citizen_id::is_valid(bytes),
        Identifier::CitizenIdLegacy => {
            yihe_vocabulary::citizen_id::is_valid(bytes) || CitizenId::from_legacy15(text).is_ok()
        }
        Identifier::CreditCode => yihe_vocabulary::credit_code::is_valid(bytes),
        Identifier::CertificateId => yihe_vocabulary::certificate_id::is_valid(bytes),
        Identifier::ServiceItem => yihe_vocabulary::item_code::is_valid(bytes),
        Identifier::RealEstateUnit => yihe_vocabulary::real_estate_unit::is_valid(bytes),
        Identifier::Mobile => yihe_vocabulary::mobile::is_valid(bytes),
        Identifier::OrganisationCode | Identifier::PostalCode => unreachable!("the demonstration checks none"),
    }
}

fn read_key<'t>(kind: EntityKind, parts: impl Iterator<Item = Option<&'t str>>) -> Option<String> {
    let parts: Vec<&str> = parts.collect::<Option<_>>()?;
    let text = parts[0];
    match kind {
        EntityKind::Person => CitizenId::read(text).ok().map(|id| id.to_string()),
        EntityKind::Organisation => CreditCode::read(text).ok().map(|code| code.to_string()),
        EntityKind::Place => Some(normalise_key(text).into_owned()).filter(|key| !key.is_empty()),
        EntityKind::Certificate => {
            let text = normalise_key(text);
            text.parse::<yihe_vocabulary::CertificateId>().ok().map(|id| id.to_string())
        }
        EntityKind::RealEstateUnit => {
            let mut text = normalise_key(text).into_owned();
            if text.len() == 19 {
                text.push_str("W00000000");
            }
            text.parse::<yihe_vocabulary::RealEstateUnit>().ok().map(|unit| unit.to_string())
        }
        EntityKind::CreditRecord => {
            let party = CreditCode::read(text).ok().map(|code| code.to_string());
            let party = party.or_else(|| CitizenId::read(text).ok().map(|id| id.to_string()))?;
            Some(format!("{party}|{}", normalise_key(parts[1])))
        }
        EntityKind::Indicator => {
            let period = normalise_key(parts[1]);
            let is_quarter = period.len() == 6 && period.starts_with("20") && period.as_bytes()[4] == b'Q';
            is_quarter.then(|| format!("{}|{period}|{}", normalise_key(text), normalise_key(parts[2])))
        }
    }
}

/// Joins the records anew, by hand, and compares every golden value, its origin and every conflict.
#[expect(clippy::type_complexity, reason = "records of each member by key, used here only")]
fn compare_registry(registry: &Registry, all: &BTreeMap<&str, Delivered<'_>>, truth: &Truth, folder: &Path) {
    let mut members: Vec<(&str, HashMap<String, Vec<Option<String>>>)> = Vec::new();
    let mut keys = BTreeSet::new();
    for member in &registry.members {
        let delivered = &all[member.dataset.as_str()];
        let key: Vec<usize> = member.key.columns().iter().map(|column| delivered.column(column)).collect();
        let changed = member.changed_on.as_ref().map(|column| delivered.column(column));
        let columns: Vec<Option<usize>> = registry
            .fields
            .iter()
            .map(|field| member.fields.get(&field.name).map(|column| delivered.column(column)))
            .collect();
        let mut latest: HashMap<String, (Option<String>, usize)> = HashMap::new();
        let mut unusable = 0;
        for (index, record) in delivered.records.iter().enumerate() {
            let Ok(record) = record else { continue };
            if delivered.is_held(index) {
                continue;
            }
            let Some(key) = read_key(registry.entity, key.iter().map(|column| record[*column].as_deref())) else {
                unusable += 1;
                continue;
            };
            let on = changed.and_then(|column| record[column].clone());
            if latest.get(&key).is_none_or(|(known, _)| *known <= on) {
                latest.insert(key, (on, index));
            }
        }
        assert_eq!(unusable, truth.registries[&registry.id].unusable_keys[&member.dataset], "{}", member.dataset);
        assert_eq!(unusable, truth.datasets[&member.dataset].unusable_keys, "{}", member.dataset);
        keys.extend(latest.keys().cloned());
        let values = |record: usize| {
            let record = delivered.records[record].as_ref().unwrap();
            let text = |column: &Option<usize>| {
                let text = record[(*column)?].as_deref()?.trim();
                (!text.is_empty()).then(|| text.to_owned())
            };
            columns.iter().map(text).collect()
        };
        members.push((&member.dataset, latest.into_iter().map(|(key, (_, record))| (key, values(record))).collect()));
    }
    let mut golden: HashMap<String, Vec<String>> = HashMap::new();
    for part in 1.. {
        let path = folder.join(format!("truth/registries/{}-{part:03}.parquet", registry.id));
        if !path.exists() {
            break;
        }
        for (_, values) in parquet_rows(&path) {
            let mut values = values.into_iter().map(Option::unwrap_or_default);
            assert!(golden.insert(values.next().unwrap(), values.collect()).is_none());
        }
    }
    assert_eq!(golden.len(), keys.len(), "{}", registry.id);
    assert_eq!(golden.len() as u64, truth.registries[&registry.id].entities, "{}", registry.id);
    let mut conflicts = vec![0; registry.fields.len()];
    let mut doubles = 0;
    for key in &keys {
        let mut expected = Vec::new();
        let mut of_entity = 0;
        for (index, field) in registry.fields.iter().enumerate() {
            let value_of = |id: &str| {
                let (_, records) = members.iter().find(|(member, _)| *member == id).unwrap();
                records.get(key).and_then(|values| values[index].clone())
            };
            let chosen = field.authority.iter().find_map(|id| Some((id, value_of(id)?)));
            if let Some((_, value)) = &chosen {
                let differs = |id: &&str| value_of(id).is_some_and(|other| other != *value);
                let count = members.iter().map(|(id, _)| *id).filter(differs).count();
                conflicts[index] += count as u64;
                of_entity += count;
            }
            let (from, value) = chosen.map_or_else(Default::default, |(id, value)| (id.clone(), value));
            expected.extend([value, from]);
        }
        expected.push(of_entity.to_string());
        let mut found = golden[key].clone();
        // Of whom this is a second number; what was delivered under it cannot tell.
        let same_as = found.remove(2 * registry.fields.len());
        assert_ne!(same_as, *key, "{}", registry.id);
        doubles += usize::from(!same_as.is_empty());
        assert_eq!(found, expected, "{} {key}", registry.id);
    }
    let fields = registry.fields.iter().map(|field| field.name.clone());
    let conflicts: BTreeMap<String, u64> = fields.zip(conflicts).collect();
    let has_doubles = ["population", "legal_entities"].contains(&registry.id.as_str());
    assert_eq!(doubles > 0, has_doubles, "{}: {doubles} second numbers", registry.id);
    assert_eq!(conflicts, truth.registries[&registry.id].conflicts, "{}", registry.id);
    assert!(conflicts.values().sum::<u64>() > 0, "{} has no conflicts to find", registry.id);
}

#[test]
fn a_file_that_is_sent_again_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let report = make(folder.path(), 0.000_2, 5, 2);
    let again = report.truth.datasets.values().filter_map(|truth| Some((&truth.files[0].name, truth.resent.as_ref()?)));
    let again: Vec<_> = again.collect();
    assert_eq!(again.len(), 2);
    for (first, second) in again {
        let bytes = |name: &String| std::fs::read(folder.path().join("inbox").join(name)).unwrap();
        assert_eq!(bytes(first), bytes(second));
        assert!(first < second, "what is sent again sorts behind");
    }
}

#[test]
fn every_kind_of_fault_occurs_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let report = make(folder.path(), SCALE, 11, 2);
    let mut found = BTreeSet::new();
    for truth in report.truth.datasets.values() {
        found.extend(truth.deviations.keys().cloned());
    }
    let expected = [
        "absent",
        "birth_differs",
        "broken_line",
        "corrected",
        "field_missing",
        "field_too_many",
        "former_number",
        "full_width",
        "legacy15",
        "letters",
        "name_confused",
        "no_such_day",
        "out_of_range",
        "padded",
        "reversed",
        "sex_differs",
        "slipped_number",
        "stale",
        "sum_off",
        "twice",
        "unknown_code",
        "wrong_check",
        "wrong_form",
    ];
    assert_eq!(found, expected.map(str::to_owned).into_iter().collect());
}
