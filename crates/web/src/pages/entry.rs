//! An entry of the catalogue: its thirteen core fields, its columns, how good it is, where it came from,
//! how that is proven, and how to ask for it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::catalogue::{SharingKind, sharing_tag};
use crate::{
    chart::{Tone, bar},
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, table},
};

/// What the page shows.
#[derive(Debug, Clone)]
pub struct EntryView {
    /// Resource code.
    pub code: String,
    /// Title.
    pub title: Text,
    /// Summary.
    pub summary: Option<Text>,
    /// Sharing attribute, and what it is bound to.
    pub sharing: SharingKind,
    /// Conditions, or reason and legal basis; title and wording.
    pub terms: Vec<(Text, Text)>,
    /// The core fields in the order of 发改高技〔2017〕1272号; title and wording.
    pub core: Vec<(Text, Text)>,
    /// Columns in the promised order.
    pub columns: Vec<ColumnLine>,
    /// Latest value of each quality metric.
    pub metrics: Vec<MetricLine>,
    /// Last batches, newest first.
    pub batches: Vec<BatchLine>,
    /// All batches.
    pub batches_total: u64,
    /// Where the publication stands in the ledger.
    pub proof: Option<ProofLine>,
    /// Whether a share request may be made for it.
    pub requestable: bool,
}

/// One column.
#[derive(Debug, Clone)]
pub struct ColumnLine {
    /// Identifier.
    pub name: String,
    /// Title.
    pub title: Text,
    /// Type as packs write it.
    pub column_type: String,
    /// Part of the key.
    pub is_key: bool,
    /// How sensitive it is; `None`: shown as it is.
    pub sensitivity: Option<Text>,
    /// Code table.
    pub codes: Option<Text>,
}

/// One quality metric.
#[derive(Debug, Clone)]
pub struct MetricLine {
    /// What is demanded.
    pub rule: Text,
    /// Dimension of GB/T 36344-2018.
    pub dimension: Text,
    /// Rows that pass.
    pub passed: u64,
    /// Rows that were looked at.
    pub rows: u64,
}

/// One batch.
#[derive(Debug, Clone)]
pub struct BatchLine {
    /// Identifier.
    pub id: String,
    /// When it landed.
    pub landed_at: Timestamp,
    /// Rows in it.
    pub rows_in: u64,
    /// Rows accepted.
    pub accepted: u64,
    /// Rows quarantined.
    pub quarantined: u64,
}

/// Where something stands in the ledger.
#[derive(Debug, Clone)]
pub struct ProofLine {
    /// Index of the leaf, from 0.
    pub index: u64,
    /// Identifier of the entry.
    pub id: String,
    /// When it was published.
    pub at: Timestamp,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &EntryView) -> Markup {
    let words = frame.words;
    layout::page(
        frame,
        view.title.get(words.0),
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[("/catalogue", html! { (words.of("数据目录", "Catalogue")) })], &html! { (words.text(&view.title)) }))
                    h1 { (words.text(&view.title)) }
                    @if let Some(summary) = &view.summary { p { (words.text(summary)) } }
                    ul.tags { li { (sharing_tag(words, view.sharing)) } li { span.tag.code { (view.code) } } }
                }
                div.split {
                    div.stack {
                        section.card aria-labelledby="core" {
                            h2 #core { (words.of("核心元数据", "Core metadata")) }
                            dl.facts { @for (title, value) in &view.core { dt { (words.text(title)) } dd { (words.text(value)) } } }
                        }
                        section aria-labelledby="columns" {
                            h2 #columns { (words.of("信息项", "Columns")) " · " (words.count(view.columns.len() as u64)) }
                            (columns(words, &view.columns))
                        }
                        section aria-labelledby="quality" {
                            h2 #quality { (words.of("质量", "Quality")) }
                            (metrics(words, &view.metrics))
                        }
                        section aria-labelledby="batches" {
                            h2 #batches { (words.of("来历", "Provenance")) }
                            (batches(words, view))
                        }
                    }
                    aside.stack aria-label=(words.of("申请与存证", "Requesting and proof")) {
                        (how_to_request(words, view))
                        (proof(words, view))
                    }
                }
            }
        },
    )
}

fn how_to_request(words: Words, view: &EntryView) -> Markup {
    html! {
        section.card {
            h2 { (words.of("如何申请", "How to request")) }
            div.stack {
                @match view.sharing {
                    SharingKind::Unconditional => p { (words.of("无条件共享：提供部门应在 1 个工作日内答复，答复后 20 个工作日内供数。",
                        "Unconditional: the provider answers within 1 working day and supplies within 20 after that.")) },
                    SharingKind::Conditional => p { (words.of("有条件共享：提供部门应在 10 个工作日内答复，答复后 20 个工作日内供数。",
                        "On conditions: the provider answers within 10 working days and supplies within 20 after that.")) },
                    SharingKind::Withheld => p { (words.of("不予共享：依据如下。", "Not shared, on the ground below.")) },
                }
                @if !view.terms.is_empty() {
                    dl.facts { @for (title, value) in &view.terms { dt { (words.text(title)) } dd { (words.text(value)) } } }
                }
                @if view.requestable {
                    p { a.button href=(request_href(&view.code)) { (words.of("申请共享", "Request a share")) } }
                }
                p.under { (words.of("依据：政务数据共享条例 第十四、十五、二十一、二十二条", "Source: 政务数据共享条例, art. 14, 15, 21, 22")) }
            }
        }
    }
}

/// Address of the form that asks for an entry.
#[must_use]
pub fn request_href(code: &str) -> String {
    let pairs = url::form_urlencoded::Serializer::new(String::new()).append_pair("entry", code).finish();
    format!("/requests/new?{pairs}")
}

fn proof(words: Words, view: &EntryView) -> Markup {
    html! {
        section.card {
            h2 { (words.of("存证", "Proof")) }
            @match &view.proof {
                Some(proof) => {
                    dl.facts {
                        dt { (words.of("账本序号", "Ledger entry")) } dd.num { (words.count(proof.index)) }
                        dt { (words.of("条目标识", "Identifier")) } dd.hash { (proof.id) }
                        dt { (words.of("入账时间", "Entered")) } dd { (words.instant(proof.at)) }
                    }
                    p.note { a href={ "/ledger/proof/" (proof.index) } { (words.of("下载证明", "Download the proof")) } " · " a href={ "/ledger/items/" (proof.id) } { (words.of("下载条目", "Download the item")) } " · " a href="/ledger" { (words.of("如何验证", "How to verify")) } }
                }
                None => p { (words.of("尚未入账。", "Not on the ledger yet.")) },
            }
        }
    }
}

fn columns(words: Words, lines: &[ColumnLine]) -> Markup {
    html! {
        (table("columns", &[
            Head::Text(words.of("名称", "Title")),
            Head::Text(words.of("标识", "Name")),
            Head::Text(words.of("类型", "Type")),
            Head::Text(words.of("敏感度", "Sensitivity")),
            Head::Text(words.of("代码表", "Codes")),
        ], &html! {
            @for line in lines {
                tr {
                    th scope="row" { (words.text(&line.title)) @if line.is_key { " " span.tag.river { (words.of("主键", "key")) } } }
                    td.code { (line.name) }
                    td.code.nowrap { (line.column_type) }
                    td { @match &line.sensitivity { Some(text) => span.tag.warn { (words.text(text)) }, None => (words.of("一般", "plain")) } }
                    td { @match &line.codes { Some(codes) => (words.text(codes)), None => "–" } }
                }
            }
        }))
    }
}

fn metrics(words: Words, lines: &[MetricLine]) -> Markup {
    if lines.is_empty() {
        return html! { p.empty { (words.of("尚未检查。", "Not checked yet.")) } };
    }
    html! {
        (table("quality", &[
            Head::Text(words.of("规则", "Rule")),
            Head::Text(words.of("维度", "Dimension")),
            Head::Number(words.of("通过 / 检查", "Passed / looked at")),
            Head::Number(words.of("得分", "Score")),
        ], &html! {
            @for line in lines {
                tr {
                    th scope="row" { (words.text(&line.rule)) }
                    td.nowrap { (words.text(&line.dimension)) }
                    td.num { (words.count(line.passed)) " / " (words.count(line.rows))
                        (bar(line.passed, line.rows, if line.passed < line.rows { Tone::Warn } else { Tone::Plain })) }
                    td.num { @if line.rows == 0 { "–" } @else { (words.percent(ratio(line.passed, line.rows))) } }
                }
            }
        }))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a score is shown with two decimals; 2^53 rows are beyond any city")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn batches(words: Words, view: &EntryView) -> Markup {
    if view.batches.is_empty() {
        return html! { p.empty { (words.of("还没有一批数据到达。", "No batch has arrived yet.")) } };
    }
    html! {
        div.scroll role="group" tabindex="0" aria-labelledby="batches" {
            table {
                caption { (words.of("共 ", "")) (words.many(view.batches_total, "批，最近的在前", "batch", "batches, newest first")) }
                thead {
                    tr {
                        th scope="col" { (words.of("批次", "Batch")) }
                        th scope="col" { (words.of("到达", "Landed")) }
                        th.num scope="col" { (words.of("行数", "Rows")) }
                        th.num scope="col" { (words.of("接收", "Accepted")) }
                        th.num scope="col" { (words.of("隔离", "Quarantined")) }
                    }
                }
                tbody {
                    @for batch in &view.batches {
                        tr {
                            th.code scope="row" { (batch.id) }
                            td.nowrap { (words.instant(batch.landed_at)) }
                            td.num { (words.count(batch.rows_in)) }
                            td.num { (words.count(batch.accepted)) }
                            td.num { (words.count(batch.quarantined)) }
                        }
                    }
                }
            }
        }
    }
}
