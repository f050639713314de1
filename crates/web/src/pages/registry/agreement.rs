//! How far reviewers agree: the share of equal answers and Cohen's kappa, and the pairs they dispute.

use maud::{Markup, html};

use super::pair::{Verdict, verdict_title};
use crate::{
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, table},
};

/// What the page shows.
#[derive(Debug, Clone)]
pub struct AgreementView {
    /// Registry.
    pub registry: String,
    /// Its title.
    pub title: Text,
    /// Answers in all.
    pub answers: u64,
    /// Answers of two reviewers on one pair that were compared; those who could not tell are left out.
    pub shared: u64,
    /// Share of equal answers among those of two reviewers; `None`: none were shared.
    pub share: Option<f64>,
    /// Cohen's kappa over the same answers; `None` where chance alone explains everything.
    pub kappa: Option<f64>,
    /// Reviewers, by name.
    pub reviewers: Vec<ReviewerLine>,
    /// Pairs on which they differ.
    pub disputed: Vec<DisputedLine>,
}

/// One reviewer.
#[derive(Debug, Clone)]
pub struct ReviewerLine {
    /// Account.
    pub name: String,
    /// Answers: same, different, unsure.
    pub counts: [u64; 3],
    /// Median of seconds per pair.
    pub seconds: u64,
}

/// A pair on which reviewers differ.
#[derive(Debug, Clone)]
pub struct DisputedLine {
    /// Name in addresses; `None`: its record is no longer listed.
    pub pair: Option<String>,
    /// Dataset.
    pub dataset: Text,
    /// The record's key as it may be seen.
    pub record_key: String,
    /// The entity's.
    pub entity_key: String,
    /// Who said what.
    pub answers: Vec<(String, Verdict)>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &AgreementView) -> Markup {
    let words = frame.words;
    let title = words.of("核对人之间的一致程度", "Agreement between reviewers");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    (super::crumbs(words, &view.registry, &view.title, &html! { (title) }))
                    h1 { (title) }
                    p { (words.of("两人答过同一对的，答案相同的占多少；κ 再扣除碰巧相同的部分，1 为完全一致，0 为等同碰运气。", "Of pairs that two answered, how many answers are equal; kappa takes off what chance explains: 1 is full agreement, 0 is chance.")) }
                }
                section.card aria-labelledby="figures" {
                    h2 #figures { (words.of("概况", "In figures")) }
                    dl.stats {
                        div { dt { (words.of("回答", "Answers")) } dd { (words.count(view.answers)) } }
                        div { dt { (words.of("可比的两人回答", "Answers of two that compare")) } dd { (words.count(view.shared)) } }
                        div { dt { (words.of("相同的占比", "Equal answers")) } dd { @match view.share { Some(share) => (words.percent(share)), None => "–" } } }
                        div { dt { (words.of("科恩 κ", "Cohen's kappa")) } dd { @match view.kappa { Some(kappa) => (format!("{kappa:.2}")), None => "–" } small { (words.text(&strength(view.kappa))) } } }
                    }
                }
                section.section aria-labelledby="reviewers" {
                    h2 #reviewers { (words.of("各人", "Reviewers")) }
                    @if view.reviewers.is_empty() { p.empty { (words.of("还没有人答过。", "Nobody answered yet.")) } } @else { (reviewers(words, &view.reviewers)) }
                }
                section.section aria-labelledby="disputed" {
                    h2 #disputed { (words.of("有分歧的对", "Disputed pairs")) }
                    @if view.disputed.is_empty() { p.empty { (words.of("没有分歧。", "There is no dispute.")) } } @else { (disputed(words, view)) }
                }
            }
        },
    )
}

/// What a kappa is commonly taken for (Landis & Koch 1977).
#[must_use]
pub fn strength(kappa: Option<f64>) -> Text {
    match kappa {
        None => Text::new("尚无法衡量", "cannot be measured yet"),
        Some(kappa) if kappa > 0.8 => Text::new("几乎完全一致", "almost perfect"),
        Some(kappa) if kappa > 0.6 => Text::new("高度一致", "substantial"),
        Some(kappa) if kappa > 0.4 => Text::new("中等一致", "moderate"),
        Some(kappa) if kappa > 0.2 => Text::new("一致程度一般", "fair"),
        Some(_) => Text::new("几乎等于碰运气", "little more than chance"),
    }
}

fn reviewers(words: Words, lines: &[ReviewerLine]) -> Markup {
    html! {
        (table("reviewers", &[
            Head::Text(words.of("核对人", "Reviewer")),
            Head::Number(words.of("同一个", "Same")),
            Head::Number(words.of("不是", "Different")),
            Head::Number(words.of("拿不准", "Unsure")),
            Head::Number(words.of("每对用时中位数（秒）", "Median seconds per pair")),
        ], &html! {
            @for line in lines {
                tr {
                    th.code scope="row" { (line.name) }
                    @for count in line.counts { td.num { (words.count(count)) } }
                    td.num { (words.count(line.seconds)) }
                }
            }
        }))
    }
}

fn disputed(words: Words, view: &AgreementView) -> Markup {
    html! {
        (table("disputed", &[
            Head::Text(words.of("记录", "Record")),
            Head::Text(words.of("库中实体", "Entity")),
            Head::Text(words.of("各人的回答", "Answers")),
        ], &html! {
            @for line in &view.disputed {
                tr {
                    th scope="row" {
                        @match &line.pair { Some(pair) => a.code href={ "/registries/" (view.registry) "/pairs/" (pair) } { (line.record_key) }, None => span.code { (line.record_key) } }
                        span.under { (words.text(&line.dataset)) }
                    }
                    td.code { (line.entity_key) }
                    td { ul.plain { @for (who, verdict) in &line.answers { li { span.code { (who) } " " span.tag { (words.text(&verdict_title(*verdict))) } } } } }
                }
            }
        }))
    }
}
