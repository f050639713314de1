//! What a theme may demand of registries and datasets, and of itself.

use std::collections::BTreeSet;

use super::{COLUMNS_MAX, Found, check_publication, is_identifier};
use crate::{
    pack::Pack,
    theme::{THEME_SOURCES_MAX, THEME_SQL_BYTES_MAX, Theme, ThemeForm, ThemeSource, source},
};

/// Words of a query whose value does not follow from its sources.
const CHANGEABLE: &[&str] = &[
    "now",
    "today",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "random",
    "rand",
    "uuid",
    "version",
    "arrow_metadata",
];

pub(super) fn check(theme: &Theme, pack: &Pack, found: &mut Found<'_>) {
    if !is_identifier(&theme.id) {
        found.name(&theme.id);
    }
    if pack.department(&theme.department).is_none() {
        found.unknown("部门", "department", &theme.department);
    }
    check_sources(theme, pack, found);
    check_columns(theme, found);
    check_sql(&theme.sql, found);
    match (&theme.publication, theme.form) {
        (Some(publication), ThemeForm::Table) => check_publication(publication, found),
        (Some(_), ThemeForm::View) => found.say(
            "视图不落表，不能编入目录；请改 form: table 或去掉 publication".to_owned(),
            "a view has no table to publish, expected form: table or no publication".to_owned(),
        ),
        (None, _) => {}
    }
}

fn check_sources(theme: &Theme, pack: &Pack, found: &mut Found<'_>) {
    let count = theme.sources.len();
    if !(1..=THEME_SOURCES_MAX).contains(&count) {
        found.say(
            format!("有 {count} 个来源；应为 1 至 {THEME_SOURCES_MAX} 个"),
            format!("found {count} sources, expected 1 to {THEME_SOURCES_MAX}"),
        );
    }
    let mut departments = BTreeSet::new();
    for (name, table) in &theme.sources {
        if !is_identifier(name) {
            found.name(name);
        }
        let owner = |id: &str| pack.dataset(id).map(|dataset| dataset.department.as_str());
        match source(table) {
            None => found.say(
                format!("来源 `{table}` 写法不对；应为 registry/基础库 或 checked/数据集"),
                format!("found source `{table}`, expected registry/<registry> or checked/<dataset>"),
            ),
            Some(ThemeSource::Registry(id)) => match pack.registry(id) {
                None => found.unknown("基础库", "registry", id),
                Some(registry) => {
                    departments.extend(registry.members.iter().filter_map(|member| owner(&member.dataset)));
                }
            },
            Some(ThemeSource::Dataset(id)) => match owner(id) {
                None => found.unknown("数据集", "dataset", id),
                Some(department) => {
                    departments.insert(department);
                }
            },
        }
    }
    if departments.len() == 1 {
        found.say(
            "只涉及一个部门；主题库应汇集两个以上部门的数据".to_owned(),
            "found sources of one department, expected a theme to join two at least".to_owned(),
        );
    }
}

fn check_columns(theme: &Theme, found: &mut Found<'_>) {
    let count = theme.columns.len();
    if !(1..=COLUMNS_MAX).contains(&count) {
        found.say(
            format!("有 {count} 列；应为 1 至 {COLUMNS_MAX} 列"),
            format!("found {count} columns, expected 1 to {COLUMNS_MAX}"),
        );
    }
    let mut names = BTreeSet::new();
    for column in &theme.columns {
        if !is_identifier(&column.name) {
            found.name(&column.name);
        }
        if !names.insert(column.name.as_str()) {
            found.say(format!("列 `{}` 重复", column.name), format!("column `{}` stands twice", column.name));
        }
    }
    if theme.key.is_empty() {
        found.say("没有 key".to_owned(), "found no key, expected the columns that identify a row".to_owned());
    }
    if theme.keys.is_empty() {
        found.say(
            "没有 keys；应写明以人、组织、不动产单元、地点、时间或区划中的哪些相连".to_owned(),
            "found no keys, expected person, organisation, real_estate_unit, place, time or division".to_owned(),
        );
    }
    for column in theme.key.iter().chain(theme.keys.values()) {
        if !names.contains(column.as_str()) {
            found.unknown("列", "column", column);
        }
    }
}

/// What the engine cannot know: the query is bounded, reads only and says the same tomorrow. Whether it is SQL
/// over its sources is checked with the engine (`yihe pack check`).
fn check_sql(sql: &str, found: &mut Found<'_>) {
    if sql.len() > THEME_SQL_BYTES_MAX {
        found.say(
            format!("sql 有 {} 字节；至多 {THEME_SQL_BYTES_MAX} 字节", sql.len()),
            format!("found {} bytes of sql, expected at most {THEME_SQL_BYTES_MAX}", sql.len()),
        );
        return;
    }
    let words = words(sql);
    if !words.first().is_some_and(|word| word == "select" || word == "with") {
        found.say("sql 应以 SELECT 或 WITH 开头".to_owned(), "expected sql that begins with SELECT or WITH".to_owned());
    }
    for word in words.iter().filter(|word| CHANGEABLE.contains(&word.as_str())) {
        found.say(
            format!("sql 使用了 {word}；主题库只能由来源推出，不得依赖时间或随机数"),
            format!("found `{word}` in sql, expected a query that follows from its sources, without clock or chance"),
        );
    }
}

/// The words of a query in lower case, without what stands between quotes and in comments.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = sql.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() || character == '_' {
            word.extend(character.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        match character {
            '\'' => while characters.next().is_some_and(|next| next != '\'') {},
            '-' if characters.peek() == Some(&'-') => while characters.next().is_some_and(|next| next != '\n') {},
            _ => {}
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use crate::pack::{Pack, PackError, PackFiles};

    const GOOD: &str = "kind: department\nid: one\nname: eins\ncredit_code: 113713000430010034\n---\n\
        kind: department\nid: two\nname: zwei\ncredit_code: 1137130004300137XW\n---\n\
        kind: dataset\nid: people\ntitle: people\ndepartment: one\ncolumns:\n  - { name: person, title: pp }\n\
        source: { format: csv, files: p_*.csv }\n---\n\
        kind: dataset\nid: jobs\ntitle: jobs\ndepartment: two\ncolumns:\n  - { name: person, title: pp }\n\
        source: { format: csv, files: j_*.csv }\n---\n\
        kind: theme\nid: work\ntitle: tt\ndepartment: one\nkeys: { person: person }\nkey: [person]\n\
        sources: { p: checked/people, j: checked/jobs }\ncolumns:\n  - { name: person, title: pp, sensitivity: citizen_id }\n  \
        - { name: jobs, title: jj, type: integer }\n\
        sql: SELECT p.person, count(j.person) AS jobs FROM p LEFT JOIN j ON j.person = p.person GROUP BY p.person\n";

    fn read(document: &str) -> Result<Pack, Vec<String>> {
        let mut files = PackFiles::default();
        files.0.insert("pack.yaml".to_owned(), "id: p\nversion: 0.1.0\ntitle: p\nlicence: x\n".to_owned());
        files.0.insert("t.yaml".to_owned(), document.to_owned());
        Pack::from_files(&[files]).map_err(|error| match error {
            PackError::Faults(faults) => faults.iter().map(|fault| format!("{fault} / {}", fault.message.zh)).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_theme_is_read_and_its_definition_is_written_back() {
        let pack = read(GOOD).unwrap();
        let theme = pack.theme("work").unwrap();
        assert_eq!(theme.tables().count(), 2);
        let json = serde_json::to_string(theme).unwrap();
        assert_eq!(serde_json::from_str::<crate::Theme>(&json).unwrap(), *theme);
    }

    #[test]
    fn each_fault_of_a_theme_is_named_in_both_languages() {
        for (from, to, en, zh) in [
            ("checked/jobs", "checked/gone", "found no dataset `gone`", "没有数据集 `gone`"),
            ("checked/jobs", "registry/jobs", "found no registry `jobs`", "没有基础库 `jobs`"),
            ("checked/jobs", "landing/jobs", "expected registry/<registry>", "写法不对"),
            ("checked/jobs", "checked/people", "sources of one department", "只涉及一个部门"),
            ("key: [person]", "key: [name]", "found no column `name`", "没有列 `name`"),
            ("key: [person]", "key: []", "found no key", "没有 key"),
            ("keys: { person: person }", "keys: {}", "found no keys", "没有 keys"),
            ("keys: { person: person }", "keys: { planet: person }", "planet", "文档不合规定"),
            ("sql: SELECT", "sql: DELETE", "begins with SELECT", "应以 SELECT"),
            ("count(j.person)", "now()", "found `now` in sql", "不得依赖时间"),
            ("name: jobs, title: jj", "name: person, title: jj", "stands twice", "重复"),
            (
                "sql:",
                "form: view\npublication: { classification: 2/01/001/01, sharing: { type: unconditional }, \
              methods: [service], grade: g, secrecy_assessed: true, privacy_assessed: true }\nsql:",
                "a view has no table to publish",
                "视图不落表",
            ),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let found = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(found.iter().any(|fault| fault.contains(en) && fault.contains(zh)), "{en}: {found:?}");
        }
    }

    #[test]
    fn what_stands_in_quotes_and_comments_is_no_word_of_the_query() {
        assert!(read(&GOOD.replace("count(j.person)", "count(CASE WHEN j.person = 'now' THEN 1 END)")).is_ok());
        assert!(read(&GOOD.replace("GROUP BY p.person", "GROUP BY p.person -- now")).is_ok());
    }
}
