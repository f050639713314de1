//! Proof to take away: where something stands in the ledger, and the two files that prove it offline.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::language::{Text, Words};

/// One entry of the ledger about what a page shows.
#[derive(Debug, Clone)]
pub struct ProofLink {
    /// What happened.
    pub title: Text,
    /// When.
    pub at: Timestamp,
    /// Index of the leaf; `None` while the ledger has not taken it over.
    pub index: Option<u64>,
    /// Address of the item: entry, payload and salt, for those who may know them.
    pub item_href: String,
}

/// A card with a line for each entry.
#[must_use]
pub fn card(words: Words, links: &[ProofLink]) -> Markup {
    html! {
        section.card aria-labelledby="proof" {
            h2 #proof { (words.of("存证", "Proof")) }
            (list(words, links))
            p.note {
                (words.of("证明与条目一起交给查验者，", "Give both files to whoever checks; "))
                a href="/ledger" { (words.of("如何验证", "how to verify")) }
                (words.of("。", "."))
            }
        }
    }
}

/// The lines alone.
#[must_use]
pub fn list(words: Words, links: &[ProofLink]) -> Markup {
    html! {
        @if links.is_empty() { p { (words.of("还没有登记。", "Nothing has been entered yet.")) } }
        @else {
            ul.plain {
                @for link in links {
                    li {
                        (words.text(&link.title)) " · " (words.instant(link.at)) " · "
                        @match link.index {
                            Some(index) => {
                                (words.of("第 ", "entry ")) (words.count(index)) (words.of(" 号：", ": "))
                                a href={ "/ledger/proof/" (index) } download={ "entry-" (index) ".tlog-proof" } { (words.of("证明", "proof")) }
                                (words.of("、", ", "))
                                a href=(link.item_href) download={ "entry-" (index) ".json" } { (words.of("条目", "item")) }
                            }
                            None => (words.of("正在入账", "being entered")),
                        }
                    }
                }
            }
        }
    }
}
