//! The work list of doubtful pairs, the least certain first.

use maud::{Markup, html};

use super::pair::{Step, Verdict, verdict_title};
use crate::{
    language::Text,
    layout::{self, Frame},
    table::{Head, table},
};

/// Pairs on one page.
pub const PAGE_SIZE: usize = 20;

/// What the page shows.
#[derive(Debug, Clone)]
pub struct ReviewView {
    /// Registry.
    pub registry: String,
    /// Its title.
    pub title: Text,
    /// Pairs.
    pub pairs: Vec<PairLine>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Whether candidates were ever looked for.
    pub is_searched: bool,
    /// Said at the top.
    pub said: Option<Text>,
}

/// One pair.
#[derive(Debug, Clone)]
pub struct PairLine {
    /// Name in addresses.
    pub pair: String,
    /// Department and dataset of the record.
    pub department: Text,
    /// See `department`.
    pub dataset: Text,
    /// Keys as they may be seen.
    pub record_key: String,
    /// See `record_key`.
    pub entity_key: String,
    /// Probability that they are the same.
    pub probability: f64,
    /// Fields that do not agree, with how far.
    pub differences: Vec<Step>,
    /// Answers of reviewers so far.
    pub answers: Vec<Verdict>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &ReviewView) -> Markup {
    let words = frame.words;
    let title = words.of("核对疑似同一的记录", "Judge doubtful pairs");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    (super::crumbs(words, &view.registry, &view.title, &html! { (words.of("核对", "Judging")) }))
                    h1 { (title) }
                    p { (words.of("没有可用号码的记录，模型给出可能的归属；库中疑似同一的两个实体也在其中。最拿不准的排在前面。您的回答既是决定，也是模型的教材。", "Records without a usable number, with what the model takes them for, and entities that are likely one, the least certain first. Your answers decide, and teach the model.")) }
                }
                @if let Some(said) = &view.said { div.notice role="status" { p { (words.text(said)) } } }
                @if view.pairs.is_empty() {
                    p.empty {
                        @if view.is_searched { (words.of("没有等您核对的了。", "Nothing waits for you.")) }
                        @else { (words.of("还没有查找过候选。运行 ", "Candidates were not looked for yet. Run ")) code { "yihe registry candidates " (view.registry) } (words.of("。", ".")) }
                    }
                } @else {
                    p.actions { a.button href={ "/registries/" (view.registry) "/pairs/" (view.pairs[0].pair) } { (words.of("从第一对开始", "Begin with the first")) } a href={ "/registries/" (view.registry) "/review/agreement" } { (words.of("核对人之间的一致程度", "Agreement between reviewers")) } }
                    section.section aria-labelledby="pairs" {
                        h2 #pairs { (words.of("清单", "The list")) }
                        (table("pairs", &[
                            Head::Text(words.of("记录", "Record")),
                            Head::Text(words.of("库中实体", "Entity")),
                            Head::Number(words.of("同一的概率", "Probability")),
                            Head::Text(words.of("不一致之处", "Where they differ")),
                            Head::Text(words.of("已有回答", "Answers")),
                        ], &html! {
                            @for line in &view.pairs {
                                tr {
                                    th scope="row" { a href={ "/registries/" (view.registry) "/pairs/" (line.pair) } { span.code { (line.record_key) } } span.under { (words.text(&line.department)) " · " (words.text(&line.dataset)) } }
                                    td.code { (line.entity_key) }
                                    td.num { (words.percent(line.probability)) }
                                    td { @if line.differences.is_empty() { "–" } @else { ul.plain { @for step in &line.differences { li { (words.text(&step.field)) "：" (words.text(&step.level)) } } } } }
                                    td { @if line.answers.is_empty() { "–" } @for answer in &line.answers { span.tag { (words.text(&verdict_title(*answer))) } " " } }
                                }
                            }
                        }))
                        nav.pager aria-label=(words.of("翻页", "Pages")) {
                            @if let Some(next) = &view.next { a href={ "/registries/" (view.registry) "/review?after=" (next) } rel="next" { (words.of("下一页", "Next")) } }
                        }
                    }
                }
            }
        },
    )
}
