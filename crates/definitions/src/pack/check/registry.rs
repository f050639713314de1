//! What a base registry may demand of its members, and of itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{COLUMNS_MAX, Found, check_publication, is_identifier};
use crate::{
    dataset::Dataset,
    registry::{EntityKind, Field, Member, Registry},
    theme::THEME_TABLE_PREFIX,
};

/// Most datasets that feed one registry.
const MEMBERS_MAX: usize = 64;
/// Most reviewers that a pair may ask for.
const REVIEWERS_MAX: u8 = 5;
/// Longest age of a value that can be asked for: a hundred years.
const AGE_DAYS_MAX: u32 = 36_525;

pub(super) fn check(
    registry: &Registry,
    departments: &BTreeSet<&str>,
    datasets: &BTreeMap<&str, &Dataset>,
    found: &mut Found<'_>,
) {
    if !is_identifier(&registry.id) {
        found.name(&registry.id);
    }
    if registry.id.starts_with(THEME_TABLE_PREFIX) {
        found.say(
            format!("名称以 {THEME_TABLE_PREFIX} 开头；这是主题库的表名"),
            format!("found a name that begins with {THEME_TABLE_PREFIX}, which themes' tables have"),
        );
    }
    if !departments.contains(registry.department.as_str()) {
        found.unknown("部门", "department", &registry.department);
    }
    check_counts(registry, found);
    let mut members = BTreeMap::new();
    for member in &registry.members {
        let Some(dataset) = datasets.get(member.dataset.as_str()) else {
            found.unknown("数据集", "dataset", &member.dataset);
            continue;
        };
        if members.insert(member.dataset.as_str(), member).is_some() {
            found.say(
                format!("成员数据集 `{}` 重复", member.dataset),
                format!("member dataset `{}` stands twice", member.dataset),
            );
        }
        check_member(registry, member, dataset, found);
    }
    check_names(registry, found);
    for field in &registry.fields {
        check_authority(field, &members, found);
    }
    for (word, field) in registry.standing.fields() {
        if !registry.fields.iter().any(|known| known.name == field) {
            found.say(
                format!("standing.{word} 指向不存在的字段 `{field}`"),
                format!("standing.{word} names `{field}`, expected a field of the registry"),
            );
        }
    }
    if !(1..=REVIEWERS_MAX).contains(&registry.review.reviewers) {
        let reviewers = registry.review.reviewers;
        found.say(
            format!("review.reviewers 为 {reviewers}；应为 1 至 {REVIEWERS_MAX} 人"),
            format!("found {reviewers} review.reviewers, expected 1 to {REVIEWERS_MAX}"),
        );
    }
    if let Some(probability) = registry.join_from
        && !(0.5..=1.0).contains(&probability)
    {
        found.say(
            format!("join_from 为 {probability}；应在 0.5 与 1 之间，不填则一律由人判定"),
            format!("found join_from {probability}, expected 0.5 to 1, or none to let people decide"),
        );
    }
    if let Some(publication) = &registry.publication {
        check_publication(publication, found);
    }
}

fn check_counts(registry: &Registry, found: &mut Found<'_>) {
    let count = registry.members.len();
    if !(1..=MEMBERS_MAX).contains(&count) {
        found.say(
            format!("有 {count} 个成员数据集；应为 1 至 {MEMBERS_MAX} 个"),
            format!("found {count} members, expected 1 to {MEMBERS_MAX}"),
        );
    }
    let count = registry.fields.len();
    if !(1..=COLUMNS_MAX).contains(&count) {
        found.say(
            format!("有 {count} 个字段；应为 1 至 {COLUMNS_MAX} 个"),
            format!("found {count} fields, expected 1 to {COLUMNS_MAX}"),
        );
    }
}

fn check_member(registry: &Registry, member: &Member, dataset: &Dataset, found: &mut Found<'_>) {
    for (field, column) in &member.fields {
        let known = dataset.columns.iter().find(|known| known.name == *column);
        let expected = registry.fields.iter().find(|known| known.name == *field);
        if expected.is_none() {
            found.unknown("字段", "field", field);
        }
        match (known, expected) {
            (None, _) => found.unknown("列", "column", &format!("{}.{column}", member.dataset)),
            (Some(known), Some(expected)) if known.column_type != expected.column_type => found.say(
                format!(
                    "{}.{column} 的类型为 {}，字段 {field} 为 {}",
                    member.dataset, known.column_type, expected.column_type
                ),
                format!(
                    "{}.{column} is {}, field {field} is {}",
                    member.dataset, known.column_type, expected.column_type
                ),
            ),
            (Some(_), _) => {}
        }
    }
    for column in member.key.columns().iter().chain(&member.changed_on) {
        if !dataset.columns.iter().any(|known| known.name == *column) {
            found.unknown("列", "column", &format!("{}.{column}", member.dataset));
        }
    }
    if let Some(hashed) = &member.hashed {
        if !matches!(registry.entity, EntityKind::Person | EntityKind::Organisation) {
            found.say(
                format!("{} 的主键不能是杂凑：只有公民身份号码与统一社会信用代码可以", member.dataset),
                format!("the key of {} cannot be hashed, expected a citizen's number or a credit code", member.dataset),
            );
        }
        if !is_identifier(&hashed.key) {
            found.name(&hashed.key);
        }
        if registry.members.iter().all(|other| other.hashed.is_some()) {
            found.say(
                "所有成员都只送杂凑；至少须有一个成员以明文送号码".to_owned(),
                "every member delivers hashes, expected one at least that delivers numbers".to_owned(),
            );
        }
    }
    let parts = registry.entity.key_parts();
    let count = member.key.columns().len();
    if count != parts.len() {
        let zh: Vec<&str> = parts.iter().map(|(zh, _)| *zh).collect();
        let en: Vec<&str> = parts.iter().map(|(_, en)| *en).collect();
        found.say(
            format!("{} 的主键有 {count} 列；应为 {} 列：{}", member.dataset, parts.len(), zh.join("、")),
            format!("the key of {} has {count} column(s), expected {}: {}", member.dataset, parts.len(), en.join(", ")),
        );
    }
}

/// Names of the golden table's columns: the key, and each field with where it came from.
fn check_names(registry: &Registry, found: &mut Found<'_>) {
    let mut names = BTreeSet::new();
    let fields = registry.fields.iter().flat_map(|field| [field.name.clone(), format!("{}_from", field.name)]);
    for name in std::iter::once(registry.key.clone()).chain(fields) {
        if !is_identifier(name.strip_suffix("_from").unwrap_or(&name)) {
            found.name(&name);
        }
        if !names.insert(name.clone()) {
            found.say(format!("黄金表的列 `{name}` 重复"), format!("column `{name}` of the golden table stands twice"));
        }
    }
}

fn check_authority(field: &Field, members: &BTreeMap<&str, &Member>, found: &mut Found<'_>) {
    if field.authority.is_empty() {
        found.say(
            format!("字段 `{}` 没有数源", field.name),
            format!("field `{}` has no authority (art. 19)", field.name),
        );
    }
    for dataset in &field.authority {
        match members.get(dataset.as_str()) {
            None => found.unknown("成员数据集", "member dataset", dataset),
            Some(member) if !member.fields.contains_key(&field.name) => found.say(
                format!("{dataset} 不提供字段 `{}`，不能做它的数源", field.name),
                format!("{dataset} does not feed `{}` and cannot be its authority", field.name),
            ),
            Some(member) if field.max_age_days.is_some() && member.changed_on.is_none() => found.say(
                format!("字段 `{}` 限定了 max_age_days，而 {dataset} 没有 changed_on，无从计算", field.name),
                format!("field `{}` has max_age_days, but {dataset} has no changed_on to tell an age by", field.name),
            ),
            Some(_) => {}
        }
    }
    if let Some(days) = field.max_age_days
        && !(1..=AGE_DAYS_MAX).contains(&days)
    {
        found.say(
            format!("字段 `{}` 的 max_age_days 为 {days}；应为 1 至 {AGE_DAYS_MAX}", field.name),
            format!("found max_age_days {days} of field `{}`, expected 1 to {AGE_DAYS_MAX}", field.name),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::pack::{Pack, PackError, PackFiles};

    const GOOD: &str = "kind: department\nid: d\nname: d\ncredit_code: 113713000430010034\n---\n\
        kind: dataset\nid: permits\ntitle: tt\ndepartment: d\ncolumns:\n  - { name: party, title: pp }\n  \
        - { name: number, title: nn }\n  - { name: what, title: ww }\n  - { name: since, title: oo, type: date }\n\
        source: { format: csv, files: p_*.csv }\n---\n\
        kind: registry\nid: credit\ntitle: c\ndepartment: d\nentity: credit_record\nkey: record_no\nmembers:\n  \
        - { dataset: permits, key: [party, number], changed_on: since, fields: { what: what, ended_on: since } }\nfields:\n  \
        - { name: what, title: ww, authority: [permits], max_age_days: 365 }\n  \
        - { name: ended_on, title: ee, type: date, authority: [permits] }\n\
        standing: { dissolved: ended_on }\nreview: { reviewers: 2 }\njoin_from: 0.99\n";

    fn read(document: &str) -> Result<Pack, Vec<String>> {
        let mut files = PackFiles::default();
        files.0.insert("pack.yaml".to_owned(), "id: p\nversion: 0.1.0\ntitle: p\nlicence: x\n".to_owned());
        files.0.insert("r.yaml".to_owned(), document.to_owned());
        Pack::from_files(&[files]).map_err(|error| match error {
            PackError::Faults(faults) => faults.iter().map(|fault| format!("{fault} / {}", fault.message.zh)).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_key_of_several_columns_is_read_and_written_back() {
        let pack = read(GOOD).unwrap();
        let registry = pack.registry("credit").unwrap();
        assert_eq!(registry.members[0].key.columns(), ["party", "number"]);
        assert_eq!(registry.standing.fields().collect::<Vec<_>>(), [("dissolved", "ended_on")]);
        assert_eq!((registry.review.reviewers, registry.join_from), (2, Some(0.99)));
        let json = serde_json::to_string(registry).unwrap();
        assert!(json.contains(r#""key":["party","number"]"#), "{json}");
        assert_eq!(serde_json::from_str::<crate::Registry>(&json).unwrap(), *registry);
    }

    #[test]
    fn each_fault_of_a_registry_is_named_in_both_languages() {
        for (from, to, en, zh) in [
            ("key: [party, number]", "key: party", "has 1 column(s), expected 2", "主键有 1 列；应为 2 列"),
            ("key: [party, number]", "key: [party, code]", "no column `permits.code`", "没有列 `permits.code`"),
            ("dissolved: ended_on", "dissolved: gone_on", "standing.dissolved names `gone_on`", "指向不存在的字段"),
            ("dissolved: ended_on", "vanished: ended_on", "vanished", "文档不合规定"),
            ("reviewers: 2", "reviewers: 9", "found 9 review.reviewers", "应为 1 至 5 人"),
            ("join_from: 0.99", "join_from: 0.2", "found join_from 0.2", "应在 0.5 与 1 之间"),
            ("max_age_days: 365", "max_age_days: 0", "found max_age_days 0", "max_age_days 为 0"),
            ("changed_on: since, ", "", "has no changed_on to tell an age by", "没有 changed_on"),
            ("name: what, title: ww, auth", "name: ended_on, title: ww, auth", "stands twice", "重复"),
            ("entity: credit_record", "entity: credit", "credit", "文档不合规定"),
            ("key: record_no", "key: what", "column `what` of the golden table stands twice", "重复"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let found = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(found.iter().any(|fault| fault.contains(en) && fault.contains(zh)), "{en}: {found:?}");
        }
    }
}
