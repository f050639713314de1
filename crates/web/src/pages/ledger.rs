//! The ledger: how large it is, what was signed, and how anybody checks it without trusting this server.

use maud::{Markup, html};

use super::home::LedgerHead;
use crate::layout::{self, Frame};

/// What the page shows.
#[derive(Debug, Clone)]
pub struct LedgerView {
    /// Size, root, time.
    pub head: LedgerHead,
    /// The signed checkpoint as it is served; `None` before the first.
    pub checkpoint: Option<String>,
    /// The keys that verify it, one verifier key line each, the current ones first.
    pub verifier_keys: Option<String>,
    /// Root of the SM3 tree, hexadecimal; `None` when it is not kept.
    pub sm3_root: Option<String>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &LedgerView) -> Markup {
    let words = frame.words;
    let title = words.of("存证账本", "Ledger");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    h1 { (title) }
                    p { (words.of(
                        "每一批数据、每次发布、每份申请与答复、每次供数，都是账本里的一条。改动任何一个字节，都能查出改了哪里。",
                        "Every batch, publication, request, answer and supply is an entry. Change any byte, and the place is named.",
                    )) }
                }
                div.split {
                    div.stack {
                        section.card aria-labelledby="checkpoint" {
                            h2 #checkpoint { (words.of("检查点", "Checkpoint")) }
                            @match &view.checkpoint {
                                Some(text) => pre tabindex="0" aria-labelledby="checkpoint" { (text) },
                                None => p { (words.of("还没有签过检查点。", "No checkpoint has been signed yet.")) },
                            }
                            p.note { a href="/ledger/checkpoint" { (words.of("原文", "As served")) } }
                        }
                        @if let Some(keys) = &view.verifier_keys {
                            section.card aria-labelledby="keys" {
                                h2 #keys { (words.of("验证公钥", "Verifier keys")) }
                                pre tabindex="0" aria-labelledby="keys" { (keys) }
                                p.note { (words.of("请从另一渠道核对公钥，再用它核对检查点。", "Compare them by another channel before you trust a checkpoint.")) }
                            }
                        }
                        section.card aria-labelledby="verify" {
                            h2 #verify { (words.of("如何验证", "How to verify")) }
                            ol {
                                li { (words.of("在数据文件夹旁边运行：", "Beside the data folder, run: ")) pre tabindex="0" aria-label=(words.of("验证命令", "Command")) { "yihe ledger verify --data ./yihe-data" } }
                                li { (words.of("退出码 0：全部成立；1：逐条列出不成立之处。", "Exit code 0: all proven; 1: what is not, by name.")) }
                                li { (words.of("也可以只凭公开文件：取 ", "Or from public files alone: take ")) code { "/ledger/checkpoint" }
                                    (words.of(" 和 ", " and ")) code { "/ledger/tile/…" } (words.of("，用任何 tlog-tiles 工具核对。", " and use any tlog-tiles tool.")) }
                            }
                        }
                    }
                    aside.stack aria-label=(words.of("账本现状", "State of the ledger")) {
                        section.card {
                            h2 { (words.of("现状", "Now")) }
                            dl.stats {
                                div { dt { (words.of("条目", "Entries")) } dd { (words.count(view.head.size)) } }
                            }
                            dl.facts {
                                dt { (words.of("树根 (SHA-256)", "Root (SHA-256)")) } dd.hash { @if view.head.root.is_empty() { "–" } @else { (view.head.root) } }
                                @if let Some(root) = &view.sm3_root { dt { (words.of("树根 (SM3)", "Root (SM3)")) } dd.hash { (root) } }
                                dt { (words.of("最近检查点", "Last checkpoint")) } dd { @match view.head.checkpoint_at { Some(at) => (words.instant(at)), None => "–" } }
                            }
                        }
                    }
                }
            }
        },
    )
}
