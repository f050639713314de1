//! One golden record: each field with the department it was taken from, masked by its sensitivity.

use maud::{Markup, html};

use crate::{
    language::Text,
    layout::{self, Frame},
};

/// What the page shows.
#[derive(Debug, Clone)]
pub struct RecordView {
    /// Title of the registry.
    pub registry: Text,
    /// The key, masked.
    pub key_masked: String,
    /// Fields in the registry's order.
    pub fields: Vec<FieldLine>,
    /// Number of the ledger entry that records this look; every look at a golden record is one.
    pub ledger_index: Option<u64>,
}

/// One field of the record.
#[derive(Debug, Clone)]
pub struct FieldLine {
    /// Title.
    pub title: Text,
    /// Value, masked; `None`: no department gave one.
    pub value: Option<String>,
    /// Dataset it was taken from.
    pub from: Option<Text>,
    /// Department that answers for it.
    pub authority: Text,
    /// Values of other departments that lost.
    pub conflicts: u64,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &RecordView) -> Markup {
    let words = frame.words;
    layout::page(
        frame,
        words.of("基础库记录", "Golden record"),
        &html! {
            div.wrap {
                header.pagehead {
                    h1 { (words.text(&view.registry)) }
                    p { span.code { (view.key_masked) } }
                }
                div.notice { p { (words.of("本页已脱敏，查看已记入账本。", "This page is masked, and this look is on the ledger."))
                    @if let Some(index) = view.ledger_index { " #" (words.count(index)) } } }
                section.section aria-labelledby="fields" {
                    h2 #fields { (words.of("一数一源", "One source per field")) }
                    div.scroll role="region" tabindex="0" aria-labelledby="fields" {
                        table {
                            thead { tr {
                                th scope="col" { (words.of("字段", "Field")) }
                                th scope="col" { (words.of("取值", "Value")) }
                                th scope="col" { (words.of("取自", "Taken from")) }
                                th scope="col" { (words.of("数源部门", "Authority")) }
                                th.num scope="col" { (words.of("不同意见", "Disagreeing")) }
                            } }
                            tbody { @for field in &view.fields { tr {
                                th scope="row" { (words.text(&field.title)) }
                                td { @match &field.value { Some(value) => (value), None => span.under { (words.of("无", "none")) } } }
                                td { @match &field.from { Some(from) => (words.text(from)), None => "–" } }
                                td { (words.text(&field.authority)) }
                                td.num { (words.count(field.conflicts)) }
                            } } }
                        }
                    }
                }
            }
        },
    )
}
