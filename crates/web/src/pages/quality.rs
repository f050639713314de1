//! Quality of the city's data: a score that can be taken apart, from the city to the department to the dataset to
//! the rule to the row.

pub mod dataset;

use maud::{Markup, html};
use yihe_definitions::Dimension;

use crate::{
    chart::{self, Tone, bar},
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, table},
};

/// A score with its grade.
#[derive(Debug, Clone)]
pub struct ScoreView {
    /// `0.0..=100.0`; `None`: nothing was measured.
    pub value: Option<f64>,
    /// Grade in words.
    pub grade: Option<Text>,
    /// Whether the grade is one of the two lowest.
    pub is_low: bool,
    /// Measured dimensions in order: dimension, score, share of the whole.
    pub dimensions: Vec<(Dimension, f64, f64)>,
}

/// What the page of a city, a department or a county shows.
#[derive(Debug, Clone)]
pub struct BodyView {
    /// Whose score it is.
    pub title: Text,
    /// What kind of body.
    pub kind: Body,
    /// The score.
    pub score: ScoreView,
    /// Rows behind it.
    pub rows: u64,
    /// Open faults; `None` where they are not told apart (counties).
    pub open: Option<u64>,
    /// Open tickets.
    pub tickets: u64,
    /// What it is made of, worst first: departments of a city, datasets of a department or county.
    pub parts: Vec<PartLine>,
    /// Counties of the city.
    pub counties: Vec<PartLine>,
    /// Rules that most rows fail.
    pub worst: Vec<WorstLine>,
}

/// What kind of body a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// The whole city.
    City,
    /// A department: its datasets.
    Department,
    /// A county or zone: records that belong to it.
    County,
}

/// One part of a score.
#[derive(Debug, Clone)]
pub struct PartLine {
    /// Name.
    pub name: Text,
    /// Address.
    pub href: String,
    /// Score.
    pub score: ScoreView,
    /// Rows.
    pub rows: u64,
    /// Open faults.
    pub open: Option<u64>,
    /// Open tickets.
    pub tickets: Option<u64>,
}

/// A rule that many rows fail.
#[derive(Debug, Clone)]
pub struct WorstLine {
    /// Dataset.
    pub dataset: Text,
    /// Rule in words.
    pub rule: Text,
    /// Address of its rows.
    pub href: String,
    /// Rows that were judged.
    pub rows: u64,
    /// Rows that fail.
    pub failed: u64,
}

/// The page of a city, a department or a county.
#[must_use]
pub fn page(frame: &Frame, view: &BodyView) -> Markup {
    let words = frame.words;
    let name = view.title.get(words.0);
    let title = match view.kind {
        Body::City => words.of("数据质量", "Data quality").to_owned(),
        Body::Department | Body::County => format!("{}{name}", words.of("数据质量：", "Data quality: ")),
    };
    let above: &[(&str, Markup)] = match view.kind {
        Body::City => &[],
        Body::Department | Body::County => &[("/quality", html! { (words.of("数据质量", "Data quality")) })],
    };
    let parts = match view.kind {
        Body::City => words.of("各部门", "Departments"),
        Body::Department | Body::County => words.of("数据集", "Datasets"),
    };
    layout::page(
        frame,
        &title,
        &html! {
            div.wrap {
                header.pagehead {
                    @if !above.is_empty() { (layout::crumbs(words, above, &html! { (words.text(&view.title)) })) }
                    h1 { @match view.kind { Body::City => (words.of("数据质量", "Data quality")), _ => (words.text(&view.title)) } }
                    p { (lede(words, view.kind)) }
                }
                div.split.even {
                    section.card aria-labelledby="score" {
                        h2 #score { (words.of("得分", "Score")) }
                        (score_card(words, &view.score))
                        dl.stats {
                            div { dt { (words.of("数据行", "Rows")) } dd { (words.count(view.rows)) } }
                            @if let Some(open) = view.open { div { dt { (words.of("未更正问题", "Standing faults")) } dd { (words.count(open)) } } }
                            @if view.kind != Body::County { div { dt { (words.of("待办工单", "Open tickets")) } dd { (words.count(view.tickets)) } } }
                        }
                    }
                    section.card aria-labelledby="dimensions" {
                        h2 #dimensions { (words.of("六个维度", "Six dimensions")) }
                        (dimensions(words, &view.score))
                    }
                }
                section.section aria-labelledby="parts" {
                    h2 #parts { (parts) }
                    (part_table(words, "parts", &view.parts, parts))
                }
                @if view.kind == Body::City && !view.counties.is_empty() {
                    section.section aria-labelledby="counties" {
                        header {
                            h2 #counties { (words.of("各县区", "Counties and zones")) }
                            p { (words.of("按记录所属区划，取最近一次检查的数据。", "By the division a record belongs to, in the last check of each dataset.")) }
                        }
                        (part_table(words, "counties", &view.counties, words.of("县区", "County")))
                    }
                }
                section.section aria-labelledby="worst" {
                    h2 #worst { (words.of("问题最多的规则", "Rules that most rows fail")) }
                    (worst_table(words, &view.worst))
                }
            }
        },
    )
}

fn lede(words: Words, kind: Body) -> &'static str {
    match kind {
        Body::City => words.of(
            "每项指标都是“合格 ÷ 评价”（GB/T 36344-2018），可逐层点开，直到出错的那一行。",
            "Every measure is passed ÷ judged (GB/T 36344-2018) and opens down to the row at fault.",
        ),
        Body::Department => words.of(
            "本部门提供的各数据集。问题由源头更正，下一次检查复核。",
            "The datasets this department provides. The source corrects, the next check verifies.",
        ),
        Body::County => words.of(
            "属于本地的记录，来自各部门的数据集。",
            "Records that belong here, from the datasets of all departments.",
        ),
    }
}

/// The number, its grade, and a bar.
pub(crate) fn score_card(words: Words, score: &ScoreView) -> Markup {
    html! {
        p.score {
            @match score.value {
                Some(value) => { span.big { (points(value)) } " " (grade_tag(words, score)) }
                None => span.under { (words.of("尚未检查。", "Not checked yet.")) },
            }
        }
    }
}

/// The grade as a tag.
pub(crate) fn grade_tag(words: Words, score: &ScoreView) -> Markup {
    let class = if score.is_low { "tag bad" } else { "tag good" };
    html! { @if let Some(grade) = &score.grade { span class=(class) { (words.text(grade)) } } }
}

/// A score with two decimals; never rounds up to 100 what is less.
#[must_use]
pub fn points(value: f64) -> String {
    format!("{:.2}", (value.clamp(0.0, 100.0) * 100.0).floor() / 100.0)
}

/// The six dimensions of GB/T 36344-2018, in its order.
const DIMENSIONS: [Dimension; 6] = [
    Dimension::Conformity,
    Dimension::Completeness,
    Dimension::Accuracy,
    Dimension::Consistency,
    Dimension::Timeliness,
    Dimension::Accessibility,
];

/// All six dimensions; one that no rule measured says so.
pub(crate) fn dimensions(words: Words, score: &ScoreView) -> Markup {
    html! {
        (table("dimensions", &[
            Head::Text(words.of("维度", "Dimension")),
            Head::Number(words.of("得分", "Score")),
            Head::Number(words.of("权重", "Weight")),
        ], &html! {
            @for dimension in DIMENSIONS {
                tr {
                    th scope="row" { (words.text(&dimension_title(dimension))) }
                    @match score.dimensions.iter().find(|(known, ..)| *known == dimension) {
                        Some((_, value, share)) => {
                            td.num { (points(*value)) (hundredth_bar(*value)) }
                            td.num { (words.percent(*share)) }
                        }
                        None => {
                            td class="num under" { (words.of("尚无规则", "no rule yet")) }
                            td.num { "–" }
                        }
                    }
                }
            }
        }))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length of 0 to 10000")]
fn hundredth_bar(value: f64) -> Markup {
    let tone = if value < 95.0 { Tone::Warn } else { Tone::Plain };
    bar((value.clamp(0.0, 100.0) * 100.0) as u64, 10_000, tone)
}

fn part_table(words: Words, id: &str, lines: &[PartLine], heading: &str) -> Markup {
    if lines.is_empty() {
        return html! { p.empty { (words.of("还没有检查过的数据。运行 ", "Nothing was checked yet. Run ")) code { "yihe check" } (words.of("。", ".")) } };
    }
    let faults = lines.iter().any(|line| line.open.is_some());
    let tickets = lines.iter().any(|line| line.tickets.is_some());
    let mut heads = vec![
        Head::Text(heading),
        Head::Number(words.of("得分", "Score")),
        Head::Text(words.of("等级", "Grade")),
        Head::Number(words.of("数据行", "Rows")),
    ];
    if faults {
        heads.push(Head::Number(words.of("未更正", "Standing")));
    }
    if tickets {
        heads.push(Head::Number(words.of("待办工单", "Open tickets")));
    }
    html! {
        (table(id, &heads, &html! {
            @for line in lines {
                tr {
                    th scope="row" { a href=(line.href) { (words.text(&line.name)) } }
                    td.num { @match line.score.value { Some(value) => { (points(value)) (hundredth_bar(value)) } None => "–" } }
                    td.nowrap { (grade_tag(words, &line.score)) }
                    td.num { (words.count(line.rows)) }
                    @if faults { td.num { @match line.open { Some(open) => (words.count(open)), None => "–" } } }
                    @if tickets { td.num { @match line.tickets { Some(open) => (words.count(open)), None => "–" } } }
                }
            }
        }))
    }
}

fn worst_table(words: Words, lines: &[WorstLine]) -> Markup {
    if lines.is_empty() {
        return html! { p.empty { (words.of("没有未更正的问题。", "No fault stands.")) } };
    }
    html! {
        (table("worst", &[
            Head::Text(words.of("数据集", "Dataset")),
            Head::Text(words.of("规则", "Rule")),
            Head::Number(words.of("未更正 / 评价", "Standing / judged")),
        ], &html! {
            @for line in lines {
                tr {
                    td { (words.text(&line.dataset)) }
                    th scope="row" { a href=(line.href) { (words.text(&line.rule)) } }
                    td.num { (words.count(line.failed)) " / " (words.count(line.rows)) (bar(line.failed, line.rows, Tone::Warn)) }
                }
            }
        }))
    }
}

/// A dimension in words (GB/T 36344-2018).
#[must_use]
pub fn dimension_title(dimension: Dimension) -> Text {
    match dimension {
        Dimension::Conformity => Text::new("规范性", "conformity"),
        Dimension::Completeness => Text::new("完整性", "completeness"),
        Dimension::Accuracy => Text::new("准确性", "accuracy"),
        Dimension::Consistency => Text::new("一致性", "consistency"),
        Dimension::Timeliness => Text::new("时效性", "timeliness"),
        Dimension::Accessibility => Text::new("可访问性", "accessibility"),
    }
}

/// The score over time, with its table.
pub(crate) fn trend(words: Words, points: &[(jiff::Timestamp, f64)]) -> Markup {
    chart::trend(words, words.of("历次得分", "Score by check"), words.of("得分", "Score"), points)
}
