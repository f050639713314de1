//! The form with which a user objects to what it was supplied with (校核; 政务数据共享条例, art. 26).

use jiff::Timestamp;
use maud::{Markup, html};

use super::ticket::SAID_MAX;
use crate::{
    language::Text,
    layout::{self, Frame},
};

/// What the page shows.
#[derive(Debug, Clone, Default)]
pub struct ObjectionView {
    /// Receipt of the supply; empty: it is asked for first.
    pub receipt: String,
    /// The supply, when the receipt is one of the visitor's department.
    pub supply: Option<SupplyFacts>,
}

/// The supply objected to. Its values are not shown: who objects has them.
#[derive(Debug, Clone)]
pub struct SupplyFacts {
    /// Title of the entry.
    pub entry: Text,
    /// Case in which it was used.
    pub case_number: String,
    /// When.
    pub at: Timestamp,
    /// Fields that were supplied: name and title.
    pub fields: Vec<(String, Text)>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &ObjectionView) -> Markup {
    let words = frame.words;
    let title = words.of("提出校核", "Object to a record");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[("/tickets", html! { (words.of("工单", "Tickets")) })], &html! { (title) }))
                    h1 { (title) }
                    p { (words.of("收到的数据不实或不全时提出；提供部门 10 个工作日内核实、更正并答复（条例第二十六条）。",
                        "When what you received is wrong or incomplete. The provider verifies, corrects and answers within 10 working days (art. 26).")) }
                }
                @match &view.supply {
                    None => form.card method="get" action="/objections/new" {
                        @if !view.receipt.is_empty() { div.notice.bad role="alert" { p { (words.of("本部门没有这个回执的使用记录。", "Your department has no use record with this receipt.")) } } }
                        div.field {
                            label for="receipt" { (words.of("供给回执", "Receipt of the supply")) }
                            span.under #receipt-hint { (words.of("随数据返回，见响应头 X-Yihe-Receipt；不需要填写个人号码。", "It came with the data, in the header X-Yihe-Receipt; no person's number is needed.")) }
                            input #receipt type="text" name="receipt" required maxlength="64" value=(view.receipt) aria-describedby="receipt-hint";
                        }
                        p.actions { button.button type="submit" { (words.of("下一步", "Next")) } }
                    },
                    Some(supply) => form.card method="post" action="/objections" {
                        @if let Some(visitor) = &frame.visitor { (layout::form_token(&visitor.form_token)) }
                        input type="hidden" name="receipt" value=(view.receipt);
                        dl.facts {
                            dt { (words.of("资源", "Resource")) } dd { (words.text(&supply.entry)) }
                            dt { (words.of("办件编号", "Case")) } dd { (supply.case_number) }
                            dt { (words.of("供给时间", "Supplied")) } dd { (words.instant(supply.at)) }
                            dt { (words.of("回执", "Receipt")) } dd.code { (view.receipt) }
                        }
                        div.field {
                            label for="field" { (words.of("哪一项有误", "Which field is wrong")) }
                            select #field name="field" {
                                option value="" { (words.of("整条记录", "The record as a whole")) }
                                @for (name, title) in &supply.fields { option value=(name) { (words.text(title)) } }
                            }
                        }
                        div.field {
                            label for="said" { (words.of("哪里不对，应当是什么，依据什么", "What is wrong, what it should be, and how you know")) }
                            textarea #said name="said" rows="4" maxlength=(SAID_MAX) required {}
                        }
                        p.actions { button.button type="submit" { (words.of("提出校核", "Raise the objection")) } a href="/tickets" { (words.of("取消", "Cancel")) } }
                    },
                }
            }
        },
    )
}
