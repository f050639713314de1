//! One golden record: each value, where it came from, what lost and why; the records it was made of and what was
//! decided about them.

use jiff::{Timestamp, civil::Date};
use maud::{Markup, html};

use super::clear_form;
use crate::{
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, table},
};

/// What the page shows. Values are as they may be seen.
#[derive(Debug, Clone)]
pub struct RecordView {
    /// Registry.
    pub registry: String,
    /// Its title.
    pub title: Text,
    /// The entity's identifier.
    pub entity: String,
    /// Title of the key.
    pub key_title: Text,
    /// The key.
    pub key: String,
    /// Other numbers under which the entity was known.
    pub other_keys: Vec<String>,
    /// Living, deceased and the like.
    pub standing: Option<Text>,
    /// Whether the entity is protected: shown in clear to nobody here.
    pub is_protected: bool,
    /// Whether values are in clear now, and why.
    pub cleared_for: Option<String>,
    /// Whether this visitor may ask for it.
    pub may_clear: bool,
    /// Fields in their order.
    pub fields: Vec<GoldenField>,
    /// Records it was made of.
    pub records: Vec<RecordLine>,
    /// Decisions about it.
    pub decisions: Vec<DecisionLine>,
    /// Who saw it in clear, newest first; for its keeper.
    pub disclosures: Vec<DisclosureLine>,
}

/// Where a value came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Dataset.
    pub dataset: Text,
    /// Department.
    pub department: Text,
    /// The day of the record's last change, where its dataset tells it.
    pub changed_on: Option<Date>,
    /// Batch and row of the delivery.
    pub place: Option<(String, i64)>,
    /// When it arrived.
    pub arrived_at: Option<Timestamp>,
}

/// A field of the golden record.
#[derive(Debug, Clone)]
pub struct GoldenField {
    /// Title.
    pub title: Text,
    /// Name of the group that is taken together.
    pub group: Option<String>,
    /// The value; `None`: there is none.
    pub value: Option<String>,
    /// Whether something of it is hidden.
    pub is_masked: bool,
    /// Where it came from.
    pub from: Option<Origin>,
    /// Values that lost.
    pub losers: Vec<Loser>,
}

/// A value that lost.
#[derive(Debug, Clone)]
pub struct Loser {
    /// The value; masked values may read the same although they differ.
    pub value: String,
    /// Where it came from.
    pub from: Origin,
    /// Why it lost.
    pub reason: Text,
}

/// A record that the entity was made of.
#[derive(Debug, Clone)]
pub struct RecordLine {
    /// Where it is.
    pub from: Origin,
    /// How it came to the entity.
    pub joined_by: Text,
    /// Address of the pair's weights, where a model or a reviewer joined it.
    pub pair_href: Option<String>,
}

/// A decision.
#[derive(Debug, Clone)]
pub struct DecisionLine {
    /// What was decided.
    pub what: Text,
    /// Who decided.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The weights it was made by: field, how far the values agreed, bits.
    pub weights: Vec<(Text, Text, f64)>,
    /// The model that weighed: its digest, and the version of the candidates that keeps it.
    pub model: Option<(String, i64)>,
    /// Address of the pair's weights.
    pub pair_href: Option<String>,
}

/// Somebody saw it in clear.
#[derive(Debug, Clone)]
pub struct DisclosureLine {
    /// When.
    pub at: Timestamp,
    /// Department.
    pub department: Text,
    /// Account.
    pub account: String,
    /// Why.
    pub reason: String,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &RecordView) -> Markup {
    let words = frame.words;
    let title = format!("{}{}", view.title.get(words.0), words.of("：记录", ": a record"));
    layout::page(
        frame,
        &title,
        &html! {
            div.wrap {
                header.pagehead {
                    (super::crumbs(words, &view.registry, &view.title, &html! { (words.of("记录", "Record")) }))
                    h1 { (words.text(&view.key_title)) " " span.code { (view.key) } }
                    ul.tags {
                        @if let Some(standing) = &view.standing { li { span.tag { (words.text(standing)) } } }
                        @if view.is_protected { li { span.tag.bad { (words.of("受保护人员", "protected")) } } }
                        li { span.tag.code { (view.entity) } }
                    }
                }
                @if let Some(reason) = &view.cleared_for {
                    div.notice.bad role="status" {
                        h2 { (words.of("正在明文显示", "Shown in clear")) }
                        p { (words.of("已记入账本。理由：", "This is on the ledger. Reason: ")) span lang="zh-Hans" { (reason) } }
                    }
                }
                div.split {
                    div.stack {
                        section aria-labelledby="fields" {
                            h2 #fields { (words.of("各字段的值与来源", "Values and where they came from")) }
                            (fields_table(words, view))
                        }
                        section aria-labelledby="records" {
                            h2 #records { (words.of("由这些记录组成", "Made of these records")) }
                            (records_table(words, view))
                        }
                    }
                    aside.stack aria-label=(words.of("身份与办理", "Identity and acting")) {
                        @if !view.other_keys.is_empty() {
                            section.card {
                                h2 { (words.of("曾用号码", "Other numbers")) }
                                ul.plain { @for key in &view.other_keys { li.code { (key) } } }
                            }
                        }
                        section.card aria-labelledby="clear" {
                            h2 #clear { (words.of("脱敏", "Masking")) }
                            @if view.is_protected {
                                p { (words.of("受保护人员在任何页面都不显示明文；确需使用的，凭授权经接口取得。", "A protected person is shown in clear on no page; whoever is entitled uses a grant.")) }
                            } @else if view.cleared_for.is_some() {
                                p { a href={ "/registries/" (view.registry) "/records/" (view.entity) } { (words.of("恢复脱敏", "Mask again")) } }
                            } @else if view.may_clear {
                                (clear_form(frame, &format!("/registries/{}/records/{}/clear", view.registry, view.entity),
                                    words.of("个人信息已脱敏。因工作确需查看的，请写明理由；查看一次，入账一次。", "Personal data are masked. Say why you need to see them; each time is an entry of the ledger.")))
                            } @else {
                                p { (words.of("个人信息已脱敏；只有管理单位可以说明理由后查看明文。", "Personal data are masked; only the department that runs the registry may see them, for a reason.")) }
                            }
                        }
                        section.card aria-labelledby="decisions" {
                            h2 #decisions { (words.of("归并决定", "Decisions")) }
                            (decisions(words, &view.decisions))
                        }
                        @if !view.disclosures.is_empty() {
                            section.card aria-labelledby="disclosures" {
                                h2 #disclosures { (words.of("明文查看记录", "Who saw it in clear")) }
                                ol.steps {
                                    @for line in &view.disclosures {
                                        li.done { p { (words.text(&line.department)) " · " span.code { (line.account) } } p.when { (words.instant(line.at)) } p lang="zh-Hans" { (line.reason) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

fn fields_table(words: Words, view: &RecordView) -> Markup {
    let heads = [
        Head::Text(words.of("字段", "Field")),
        Head::Text(words.of("值", "Value")),
        Head::Text(words.of("来源", "Taken from")),
        Head::Text(words.of("落选的值", "What lost, and why")),
    ];
    html! {
        (table("fields", &heads, &html! {
            @for field in &view.fields {
                tr {
                    th scope="row" { (words.text(&field.title)) @if let Some(group) = &field.group { span.under { (words.of("成组：", "group ")) span.code { (group) } } } }
                    td { @match &field.value { Some(value) => { span lang="zh-Hans" { (value) } @if field.is_masked { span.under { (words.of("已脱敏", "masked")) } } } None => "–" } }
                    td { @match &field.from { Some(from) => (origin(words, from)), None => "–" } }
                    td {
                        @if field.losers.is_empty() { "–" } @else {
                            ul.losers { @for loser in &field.losers {
                                li { span lang="zh-Hans" { (loser.value) } span.under { (words.text(&loser.reason)) } (origin(words, &loser.from)) }
                            } }
                        }
                    }
                }
            }
        }))
    }
}

/// Where a value came from, in a cell.
pub(crate) fn origin(words: Words, from: &Origin) -> Markup {
    html! {
        span.origin {
            (words.text(&from.department))
            span.under { (words.text(&from.dataset)) }
            @if let Some(day) = from.changed_on { span.under { (words.of("变更于 ", "changed ")) (words.day(day)) } }
            @if let Some(at) = from.arrived_at { span.under { (words.of("到达于 ", "arrived ")) (words.instant(at)) } }
            @if let Some((batch, row)) = &from.place { span.under { (words.of("批次 ", "batch ")) span.code { (batch) } (words.of(" 第 ", ", row ")) (row) (words.of(" 行", "")) } }
        }
    }
}

fn records_table(words: Words, view: &RecordView) -> Markup {
    let heads = [Head::Text(words.of("来源", "Record")), Head::Text(words.of("如何归入", "How it came here"))];
    html! {
        (table("records", &heads, &html! {
            @for line in &view.records {
                tr {
                    td { (origin(words, &line.from)) }
                    td { (words.text(&line.joined_by)) @if let Some(href) = &line.pair_href { span.under { a href=(href) { (words.of("看判断依据", "See the weights")) } } } }
                }
            }
        }))
    }
}

fn decisions(words: Words, lines: &[DecisionLine]) -> Markup {
    if lines.is_empty() {
        return html! { p { (words.of("没有人工或模型的决定；记录都凭自己的号码归入。", "Nobody decided anything; the records bear their own number.")) } };
    }
    html! {
        ol.steps {
            @for line in lines {
                li.done {
                    h3 { (words.text(&line.what)) @if let Some(at) = line.revoked_at { " " span.tag.warn { (words.of("已撤销 ", "revoked ")) (words.instant(at)) } } }
                    p.when { span.code { (line.who) } " · " (words.instant(line.at)) }
                    p lang="zh-Hans" { (line.reason) }
                    @if let Some((model, version)) = &line.model {
                        details {
                            summary { (words.of("作出决定时的依据", "What it was decided by")) }
                            p.when { (words.of("模型 ", "model ")) span.code { (model) } (words.of("，候选清单版本 ", ", version of the candidates ")) (version) }
                            ul { @for (field, level, weight) in &line.weights { li { (words.text(field)) (words.of("：", ": ")) (words.text(level)) " " span.code { (format!("{weight:+.1}")) } } } }
                        }
                    }
                    @if let Some(href) = &line.pair_href { p { a href=(href) { (words.of("看判断依据", "See the weights")) } } }
                }
            }
        }
    }
}
