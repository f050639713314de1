//! What one document may demand of another.

mod registry;
mod theme;

use std::collections::{BTreeMap, BTreeSet};

use super::{Fault, Pack, Places};
use crate::{
    dataset::{Dataset, Format, Publication, ShareMethod, Sharing},
    release::{RELEASE_KINDS_MAX, Release},
    rule::RuleKind,
    text::Text,
};

/// Most columns in one dataset.
const COLUMNS_MAX: usize = 512;

pub(super) fn check(pack: &Pack, places: &Places, faults: &mut Vec<Fault>) {
    let departments: BTreeSet<&str> = pack.departments.iter().map(|department| department.id.as_str()).collect();
    let tables: BTreeSet<&str> = pack.code_tables.iter().map(|table| table.id.as_str()).collect();
    for department in &pack.departments {
        let mut found = Found { kind: "department", id: &department.id, places, faults };
        if !is_identifier(&department.id) {
            found.name(&department.id);
        }
    }
    for dataset in &pack.datasets {
        let mut found = Found { kind: "dataset", id: &dataset.id, places, faults };
        check_dataset(dataset, &departments, &tables, &mut found);
    }
    let datasets: BTreeMap<&str, &Dataset> =
        pack.datasets.iter().map(|dataset| (dataset.id.as_str(), dataset)).collect();
    for registry in &pack.registries {
        let mut found = Found { kind: "registry", id: &registry.id, places, faults };
        registry::check(registry, &departments, &datasets, &mut found);
    }
    for one in &pack.themes {
        let mut found = Found { kind: "theme", id: &one.id, places, faults };
        theme::check(one, pack, &mut found);
    }
    for (index, release) in pack.releases.iter().enumerate() {
        let mut found = Found { kind: "release", id: &release.id, places, faults };
        check_release(release, &pack.releases[..index], &mut found);
    }
    for set in &pack.rule_sets {
        let mut found = Found { kind: "rule_set", id: &set.id, places, faults };
        if let Err(reason) = set.check() {
            found.say(reason.zh, reason.en.unwrap_or_default());
        }
        let unknown = set.rules.iter().filter_map(|rule| match &rule.kind {
            RuleKind::CodeList { table: Some(table), .. } if !tables.contains(table.as_str()) => Some(table),
            _ => None,
        });
        for table in unknown {
            found.unknown("代码表", "code table", table);
        }
    }
    for shape in &pack.registry_shapes {
        let mut found = Found { kind: "registry_shape", id: &shape.id, places, faults };
        for reason in shape.faults() {
            found.say(reason.zh, reason.en.unwrap_or_default());
        }
        for name in shape.fields.iter().map(|field| &field.name).chain([&shape.key]) {
            if !is_identifier(name) {
                found.name(name);
            }
        }
    }
    for scheme in &pack.schemes {
        let mut found = Found { kind: "score_scheme", id: &scheme.id, places, faults };
        if let Err(fault) = scheme.check() {
            found.say(fault.zh(), fault.to_string());
        }
    }
    check_titles(pack, places, faults);
}

/// Collects the faults of one document.
struct Found<'a> {
    kind: &'static str,
    id: &'a str,
    places: &'a Places,
    faults: &'a mut Vec<Fault>,
}

impl Found<'_> {
    fn say(&mut self, zh: String, en: String) {
        let (file, line) = self.places.of(self.kind, self.id);
        let message =
            Text::new(format!("{} `{}`：{zh}", self.kind, self.id), format!("{} `{}`: {en}", self.kind, self.id));
        self.faults.push(Fault { file, line, message });
    }

    fn name(&mut self, name: &str) {
        self.say(
            format!("名称 `{name}` 不合规定；应以小写字母开头，只含 a-z、0-9、_，不超过 48 个字符"),
            format!("found name `{name}`, expected a-z, 0-9 and _ after a first letter, at most 48 characters"),
        );
    }

    fn unknown(&mut self, what_zh: &str, what_en: &str, name: &str) {
        self.say(format!("没有{what_zh} `{name}`"), format!("found no {what_en} `{name}`"));
    }
}

fn is_identifier(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn check_dataset(dataset: &Dataset, departments: &BTreeSet<&str>, tables: &BTreeSet<&str>, found: &mut Found<'_>) {
    if !is_identifier(&dataset.id) {
        found.name(&dataset.id);
    }
    if !departments.contains(dataset.department.as_str()) {
        found.unknown("部门", "department", &dataset.department);
    }
    if dataset.columns.is_empty() || dataset.columns.len() > COLUMNS_MAX {
        let count = dataset.columns.len();
        found.say(
            format!("有 {count} 列；应为 1 至 {COLUMNS_MAX} 列"),
            format!("found {count} columns, expected 1 to {COLUMNS_MAX}"),
        );
    }
    let mut names = BTreeSet::new();
    let mut headers = BTreeSet::new();
    for column in &dataset.columns {
        if !is_identifier(&column.name) {
            found.name(&column.name);
        }
        if !names.insert(column.name.as_str()) {
            found.say(format!("列 `{}` 重复", column.name), format!("column `{}` stands twice", column.name));
        }
        for header in std::iter::once(&column.title.zh).chain(&column.aliases) {
            if !headers.insert(header.as_str()) {
                found.say(format!("表头“{header}”指向两列"), format!("header \"{header}\" names two columns"));
            }
        }
        if let Some(table) = &column.codes
            && !tables.contains(table.as_str())
        {
            found.unknown("代码表", "code table", table);
        }
    }
    for column in &dataset.key {
        if !names.contains(column.as_str()) {
            found.unknown("主键列", "key column", column);
        }
    }
    check_source(dataset, found);
    let mut rules = BTreeSet::new();
    for rule in &dataset.rules {
        if !rules.insert(rule.id.as_str()) {
            found.say(format!("规则 `{}` 重复", rule.id), format!("rule `{}` stands twice", rule.id));
        }
        if let Some(owner) = &rule.owner
            && !departments.contains(owner.as_str())
        {
            found.unknown("部门", "department", owner);
        }
    }
    if let Some(publication) = &dataset.publication {
        check_publication(publication, found);
    }
}

fn check_source(dataset: &Dataset, found: &mut Found<'_>) {
    let source = &dataset.source;
    match source.format {
        Format::Csv | Format::Xlsx | Format::Jsonl | Format::Parquet => {
            if source.files.is_none() {
                found.say(
                    "缺少 source.files".to_owned(),
                    "found no source.files, expected a file name pattern".to_owned(),
                );
            }
        }
        Format::Postgres | Format::Mariadb => {
            if source.table.is_none() || source.connection.is_none() {
                found.say(
                    "数据库来源须有 source.connection 与 source.table".to_owned(),
                    "expected source.connection and source.table for a database".to_owned(),
                );
            }
        }
    }
    if let Some(pattern) = &source.files
        && (pattern.starts_with('/') || pattern.split('/').any(|part| part == ".."))
    {
        found.say(
            format!("文件模式 `{pattern}` 越出收件目录"),
            format!("file pattern `{pattern}` leaves the inbox, expected a relative one without `..`"),
        );
    }
}

fn check_publication(publication: &Publication, found: &mut Found<'_>) {
    let parts: Vec<&str> = publication.classification.split('/').collect();
    let digits = |part: &&str, width: usize| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = parts.len() == 4
        && digits(&parts[0], 1)
        && digits(&parts[1], 2)
        && digits(&parts[2], 3)
        && (1..=8).contains(&parts[3].len())
        && parts[3].bytes().all(|byte| byte.is_ascii_digit());
    if !fits {
        let code = &publication.classification;
        found.say(
            format!("分类 `{code}` 不合规定；应为 类1位/项2位/目3位/细目（发改高技〔2017〕1272号）"),
            format!("found classification `{code}`, expected 1, 2, 3 and up to 8 digits, e.g. 1/01/001/02"),
        );
    }
    let withheld = matches!(publication.sharing, Sharing::Withheld { .. });
    if !withheld && publication.methods.is_empty() {
        found.say(
            "共享方式为空（条例第二十二条）".to_owned(),
            "found no way of supply, expected service, exchange or file (art. 22)".to_owned(),
        );
    }
    if withheld && publication.methods.contains(&ShareMethod::Service) {
        found.say(
            "不予共享的目录不能提供服务接口".to_owned(),
            "a withheld entry cannot be supplied by service".to_owned(),
        );
    }
}

fn check_release(release: &Release, before: &[Release], found: &mut Found<'_>) {
    if !is_identifier(&release.id) {
        found.name(&release.id);
    }
    let what = release.releases.as_str();
    if let Some(other) = before.iter().find(|other| other.releases == release.releases) {
        found.say(
            format!("`{what}` 已由 `{}` 规定；一事只能有一条规则", other.id),
            format!("`{what}` is released by `{}` already, expected one rule for it", other.id),
        );
    }
    let count = release.requires.len();
    if !(1..=RELEASE_KINDS_MAX).contains(&count) {
        found.say(
            format!("requires 有 {count} 项，应为 1 至 {RELEASE_KINDS_MAX} 项"),
            format!("found {count} kinds in requires, expected 1 to {RELEASE_KINDS_MAX}"),
        );
    }
    let known = release.releases.evidence();
    for kind in release.requires.iter().chain(&release.unless) {
        if !known.contains(&kind.as_str()) {
            found.say(
                format!("没有登记种类 `{kind}`；与 {what} 有关的有 {}", known.join("、")),
                format!("found no kind of entry `{kind}`, expected one that tells of {what}: {}", known.join(", ")),
            );
        }
    }
    for kind in release.requires.iter().filter(|kind| release.unless.contains(kind)) {
        found.say(format!("`{kind}` 同时列为条件与撤销"), format!("found `{kind}` both in requires and in unless"));
    }
}

/// Titles are unique after blanks and punctuation are dropped (目录名称不重名).
fn check_titles(pack: &Pack, places: &Places, faults: &mut Vec<Fault>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for dataset in pack.datasets.iter().filter(|dataset| dataset.publication.is_some()) {
        let bare: String = dataset.title.zh.chars().filter(|character| character.is_alphanumeric()).collect();
        if let Some(other) = seen.insert(bare, &dataset.id) {
            let mut found = Found { kind: "dataset", id: &dataset.id, places, faults };
            found.say(
                format!("目录名称“{}”与 `{other}` 重名", dataset.title.zh),
                format!("title \"{}\" is that of `{other}` too", dataset.title.zh),
            );
        }
    }
}
