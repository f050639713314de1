//! A theme: what it joins, from whom, how full its columns are, and how good it is.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{score_split, stat};
use crate::{
    chart::{Tone, bar},
    language::{Text, Words},
    layout::{self, Frame},
    pages::quality::ScoreView,
    table::{Head, table},
};

/// What the page of a theme shows.
#[derive(Debug, Clone)]
pub struct ThemeView {
    /// Title.
    pub title: Text,
    /// What it is good for.
    pub about: Text,
    /// Department that answers for it.
    pub department: Text,
    /// Whether it is worked out when it is read, and kept nowhere.
    pub is_view: bool,
    /// By what it joins: the kind and the column.
    pub keys: Vec<(Text, String)>,
    /// The tables it reads.
    pub sources: Vec<SourceTable>,
    /// Columns in their order.
    pub columns: Vec<ColumnLine>,
    /// Rows; `None`: not built, or a view.
    pub rows: Option<u64>,
    /// End of the last build that was done.
    pub built_at: Option<Timestamp>,
    /// Its quality.
    pub score: ScoreView,
    /// Its query.
    pub sql: String,
    /// Address of its catalogue entry, where it has one.
    pub entry_href: Option<String>,
}

/// A table that a theme reads.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// Name in the query.
    pub alias: String,
    /// Title.
    pub title: Text,
    /// Department that provides or runs it.
    pub department: Text,
    /// Address of its page.
    pub href: String,
    /// Whether it is a base registry.
    pub is_registry: bool,
}

/// A column of a theme.
#[derive(Debug, Clone)]
pub struct ColumnLine {
    /// Name in the table.
    pub name: String,
    /// Title.
    pub title: Text,
    /// Type, as definitions write it.
    pub column_type: String,
    /// Whether its values are sensitive and shown in part only.
    pub is_sensitive: bool,
    /// Rows that have a value; `None`: not counted.
    pub filled: Option<u64>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &ThemeView) -> Markup {
    let words = frame.words;
    layout::page(
        frame,
        view.title.get(words.0),
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[("/registries", html! { (words.of("基础库", "Base registries")) })], &html! { (words.text(&view.title)) }))
                    h1 { (words.text(&view.title)) }
                    p { (words.text(&view.about)) }
                    p {
                        (words.text(&view.department))
                        @if let Some(at) = view.built_at { " · " (words.of("最近建库 ", "last built ")) (words.instant(at)) }
                        @if let Some(href) = &view.entry_href { " · " a href=(href) { (words.of("在数据目录中", "in the catalogue")) } }
                    }
                }
                @if view.is_view {
                    div.notice { p { (words.of("这是视图：读取时现算，不另存数据。", "A view: worked out when it is read, kept nowhere.")) } }
                } @else if view.rows.is_none() {
                    div.notice.warn { p { (words.of("尚未建库：运行 yihe theme build。", "Not built yet: run yihe theme build.")) } }
                }
                div.split.even {
                    section.card aria-labelledby="figures" {
                        h2 #figures { (words.of("规模", "What it holds")) }
                        dl.stats {
                            (stat(words, words.of("行", "Rows"), view.rows))
                            (stat(words, words.of("列", "Columns"), Some(view.columns.len() as u64)))
                            (stat(words, words.of("来源表", "Tables read"), Some(view.sources.len() as u64)))
                        }
                    }
                    section.card aria-labelledby="keys" {
                        h2 #keys { (words.of("主题键", "What it joins by")) }
                        dl.facts { @for (kind, column) in &view.keys { dt { (words.text(kind)) } dd { span.code { (column) } } } }
                    }
                }
                section.section aria-labelledby="quality" {
                    header {
                        h2 #quality { (words.of("数据质量", "Quality")) }
                        p { (words.of(
                            "完整性看本表各列有无值；其余维度取自来源数据集最近的检查，按行数加权。",
                            "Completeness: columns of this table with a value. The other dimensions are those of the datasets it reads, as last checked, weighted by rows.",
                        )) }
                    }
                    (score_split(words, &view.score))
                }
                section.section aria-labelledby="columns" {
                    h2 #columns { (words.of("信息项", "Columns")) }
                    (columns_table(words, view))
                }
                section.section aria-labelledby="sources" {
                    h2 #sources { (words.of("来源", "Sources")) }
                    (sources_table(words, view))
                    details { summary { (words.of("查询语句", "The query")) } pre.code tabindex="0" { (view.sql) } }
                }
            }
        },
    )
}

fn columns_table(words: Words, view: &ThemeView) -> Markup {
    let heads = [
        Head::Text(words.of("信息项", "Column")),
        Head::Text(words.of("类型", "Type")),
        Head::Number(words.of("有值", "With a value")),
        Head::Text(words.of("完整率", "Completeness")),
    ];
    let rows = view.rows.unwrap_or(0);
    html! {
        (table("columns", &heads, &html! {
            @for column in &view.columns {
                tr {
                    th scope="row" {
                        (words.text(&column.title)) @if column.is_sensitive { " " span.tag.warn { (words.of("敏感", "sensitive")) } }
                        span.under { span.code { (column.name) } }
                    }
                    td.nowrap { span.code { (column.column_type) } }
                    td.num { @match column.filled { Some(filled) => (words.count(filled)), None => "–" } }
                    td { @match column.filled { Some(filled) => (bar(filled, rows, Tone::Plain)), None => "–" } }
                }
            }
        }))
    }
}

fn sources_table(words: Words, view: &ThemeView) -> Markup {
    let heads = [
        Head::Text(words.of("查询中的名称", "Name in the query")),
        Head::Text(words.of("来源表", "Table")),
        Head::Text(words.of("部门", "Department")),
    ];
    html! {
        (table("sources", &heads, &html! {
            @for source in &view.sources {
                tr {
                    td { span.code { (source.alias) } }
                    th scope="row" {
                        a href=(source.href) { (words.text(&source.title)) }
                        @if source.is_registry { " " span.tag.river { (words.of("基础库", "registry")) } }
                    }
                    td { (words.text(&source.department)) }
                }
            }
        }))
    }
}
