//! The ledger: how large it is, what was signed, and how anybody checks it without trusting this server.

use jiff::Timestamp;
use maud::{Markup, html};

use super::home::LedgerHead;
use crate::{
    language::{Text, Words},
    layout::{self, Frame},
};

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
    /// Who else has seen the log.
    pub witnesses: Vec<WitnessLine>,
    /// The last nightly verification; `None` before the first.
    pub round: Option<Round>,
}

/// A witness of the policy.
#[derive(Debug, Clone)]
pub struct WitnessLine {
    /// Its name in the policy.
    pub name: String,
    /// Its verifier key.
    pub key: String,
    /// Entries that the checkpoint covers which it cosigned last; `None` when it has not.
    pub size: Option<u64>,
    /// When it did.
    pub at: Option<Timestamp>,
}

/// One verification of the whole log and the database.
#[derive(Debug, Clone)]
pub struct Round {
    /// How it ended.
    pub state: RoundState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Entries read.
    pub entries: u64,
    /// Rows compared.
    pub rows: u64,
    /// Changes found.
    pub faults_total: u64,
    /// Stretches of time without an entry.
    pub silences_total: u64,
    /// What was found, by name; empty for visitors who are not signed in.
    pub findings: Vec<Text>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How a verification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundState {
    /// It has not ended.
    Running,
    /// Everything is what was entered.
    Clean,
    /// Something was changed, or the log was silent.
    Alarm,
    /// It could not be done.
    Failed,
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
                                p.note { a href="/ledger/policy" { (words.of("信任策略", "Policy")) } " · " a href="/ledger/verifier-keys" { (words.of("原文", "As served")) } }
                                p.note { (words.of("请从另一渠道核对公钥，再用它核对检查点。", "Compare them by another channel before you trust a checkpoint.")) }
                            }
                        }
                        (round(words, view.round.as_ref()))
                        section.card aria-labelledby="verify" {
                            h2 #verify { (words.of("如何验证", "How to verify")) }
                            ol {
                                li { (words.of("在数据文件夹旁边运行：", "Beside the data folder, run: ")) pre tabindex="0" aria-label=(words.of("验证命令", "Command")) { "yihe ledger verify --data ./yihe-data" } }
                                li { (words.of("只验一份证明，不需要服务器：", "One proof, without any server: ")) pre tabindex="0" aria-label=(words.of("验证证明的命令", "Command for a proof")) { "yihe ledger verify --policy policy.txt item.tlog-proof item.json" } }
                                li { (words.of("退出码 0：全部成立；1：逐条列出不成立之处。", "Exit code 0: all proven; 1: what is not, by name.")) }
                                li { (words.of("也可以只凭公开文件：取 ", "Or from public files alone: take ")) code { "/ledger/checkpoint" }
                                    (words.of(" 和 ", " and ")) code { "/ledger/tile/…" } (words.of("，用任何 tlog-tiles 工具核对。", " and use any tlog-tiles tool.")) }
                            }
                        }
                    }
                    aside.stack aria-label=(words.of("账本现状", "State of the ledger")) {
                        (witnesses(words, &view.witnesses))
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

fn witnesses(words: Words, lines: &[WitnessLine]) -> Markup {
    html! {
        section.card aria-labelledby="witnesses" {
            h2 #witnesses { (words.of("见证方", "Witnesses")) }
            @if lines.is_empty() {
                p { (words.of("还没有见证方：配置 policy 后，省级、县区、审计可各自会签。", "None yet: with a policy, province, counties and audit office cosign each for itself.")) }
            } @else {
                dl.facts {
                    @for line in lines {
                        dt title=(line.key) { (line.name) }
                        dd {
                            @match line.size {
                                Some(size) => { (words.of("已会签至第 ", "cosigned up to entry ")) (words.count(size)) (words.of(" 条", "")) }
                                None => (words.of("尚未会签当前检查点", "has not cosigned the witnessed checkpoint")),
                            }
                            @if let Some(at) = line.at { " · " (words.instant(at)) }
                        }
                    }
                }
                p.note { a href="/ledger/witnessed/checkpoint" { (words.of("已会签的检查点", "Cosigned checkpoint")) } }
            }
        }
    }
}

fn round(words: Words, round: Option<&Round>) -> Markup {
    html! {
        section.card aria-labelledby="round" {
            h2 #round { (words.of("每夜核验", "Nightly verification")) }
            @match round {
                None => p { (words.of("还没有核验过。", "It has not run yet.")) },
                Some(round) => {
                    @let (class, text) = match round.state {
                        RoundState::Running => ("tag river", words.of("正在核验", "under way")),
                        RoundState::Clean => ("tag good", words.of("全部证实", "all is proven")),
                        RoundState::Alarm => ("tag bad", words.of("告警", "alarm")),
                        RoundState::Failed => ("tag warn", words.of("未能完成", "could not be done")),
                    };
                    p { span class=(class) { (text) } " " (words.instant(round.ended_at.unwrap_or(round.started_at))) }
                    dl.facts {
                        dt { (words.of("重算条目", "Entries recomputed")) } dd.num { (words.count(round.entries)) }
                        dt { (words.of("比对数据库行", "Rows compared")) } dd.num { (words.count(round.rows)) }
                        dt { (words.of("被改动", "Changed")) } dd.num { (words.count(round.faults_total)) }
                        dt { (words.of("沉默", "Silences")) } dd.num { (words.count(round.silences_total)) }
                    }
                    @if let Some(error) = &round.error { p.notice.warn { (error) } }
                    @if !round.findings.is_empty() { ul { @for finding in &round.findings { li { (words.text(finding)) } } } }
                }
            }
        }
    }
}
