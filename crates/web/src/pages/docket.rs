//! The docket: everything that waits for somebody, most urgent first; mine before the others'.

use maud::{Markup, html};

use super::ClockView;
use crate::{
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, table},
};

/// Items on one page.
pub const PAGE_SIZE: usize = 50;

/// What the page shows.
#[derive(Debug, Clone)]
pub struct DocketView {
    /// Items that wait for the visitor's department or the visitor.
    pub mine: Vec<Item>,
    /// Open items that this visitor has part in and that wait for others.
    pub others: Vec<Item>,
}

/// One item.
#[derive(Debug, Clone)]
pub struct Item {
    /// What is to be done, e.g. 答复共享申请.
    pub task: Text,
    /// What it is about.
    pub subject: Text,
    /// Address of the thing.
    pub href: String,
    /// Who must act.
    pub who: Text,
    /// Until when.
    pub clock: Option<ClockView>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &DocketView) -> Markup {
    let words = frame.words;
    let title = words.of("待办", "Docket");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    h1 { (title) }
                    p { (words.of("时限按法定工作日计算，调休日照常计。", "Terms are counted in working days; make-up days count.")) }
                }
                section aria-labelledby="mine" {
                    h2 #mine { (words.of("等我办的", "Waiting for me")) " · " (words.count(view.mine.len() as u64)) }
                    (items(words, "mine", &view.mine, words.of("没有等您办理的事项。", "Nothing waits for you.")))
                }
                section.section aria-labelledby="others" {
                    h2 #others { (words.of("我在等的", "I wait for")) " · " (words.count(view.others.len() as u64)) }
                    (items(words, "others", &view.others, words.of("您没有在等别人的事项。", "You wait for nobody.")))
                }
            }
        },
    )
}

fn items(words: Words, id: &str, items: &[Item], nothing: &str) -> Markup {
    if items.is_empty() {
        return html! { p.empty { (nothing) } };
    }
    html! {
        (table(id, &[
            Head::Text(words.of("事项", "Task")),
            Head::Text(words.of("内容", "About")),
            Head::Text(words.of("等谁办", "Waits for")),
            Head::Text(words.of("时限", "Clock")),
        ], &html! {
            @for item in items {
                tr {
                    th.nowrap scope="row" { a href=(item.href) { (words.text(&item.task)) } }
                    td { (words.text(&item.subject)) }
                    td { (words.text(&item.who)) }
                    td.nowrap { @match &item.clock { Some(clock) => (clock.short(words)), None => "–" } }
                }
            }
        }))
    }
}
