//! The home page: what the city's data came to, department by department, and what waits for whom.

use jiff::{Timestamp, civil::Date};
use maud::{Markup, html};

use super::ClockView;
use crate::{
    chart::{self, Tone, bar},
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, table},
};

/// What the home page shows.
#[derive(Debug, Clone)]
pub struct HomeView {
    /// Rows and batches from the first delivery on.
    pub intake: Intake,
    /// Base registries that were built.
    pub registries: Vec<RegistryLine>,
    /// Datasets declared, and of those how many stand in the published catalogue.
    pub datasets: u64,
    /// Entries in the published catalogue.
    pub entries: u64,
    /// Departments, most rows first.
    pub departments: Vec<DepartmentLine>,
    /// What was supplied.
    pub supply: Supply,
    /// The ledger.
    pub ledger: LedgerHead,
    /// Open items on the docket, most urgent first, at most a page.
    pub waiting: Vec<WaitingLine>,
    /// All open items on the docket.
    pub waiting_total: u64,
    /// Why they cannot be shown.
    pub waiting_fault: Option<Text>,
}

/// What came in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Intake {
    /// Batches that landed.
    pub batches: u64,
    /// Rows they held.
    pub rows_in: u64,
    /// Rows that fitted the declared schema.
    pub rows_accepted: u64,
    /// Rows kept aside with a reason.
    pub rows_quarantined: u64,
    /// Mean quality score of the checked datasets in `0.0..=1.0`; `None` before the first check.
    pub score: Option<f64>,
}

/// One base registry.
#[derive(Debug, Clone)]
pub struct RegistryLine {
    /// Title.
    pub title: Text,
    /// Golden records.
    pub records: u64,
    /// Departments' datasets that feed it.
    pub members: u64,
    /// Values that lost against the authority's and are kept as conflicts.
    pub conflicts: u64,
}

/// One department.
#[derive(Debug, Clone)]
pub struct DepartmentLine {
    /// Name.
    pub name: Text,
    /// Identifier, for the link to its entries.
    pub id: String,
    /// Datasets promised.
    pub promised: u64,
    /// Datasets of which at least one batch landed.
    pub delivered: u64,
    /// Rows accepted.
    pub rows: u64,
    /// Rows quarantined.
    pub quarantined: u64,
    /// Mean quality score in `0.0..=1.0`.
    pub score: Option<f64>,
    /// Last batch.
    pub last_at: Option<Timestamp>,
}

/// What was supplied.
#[derive(Debug, Clone, Default)]
pub struct Supply {
    /// Calls answered.
    pub calls: u64,
    /// Records in those answers.
    pub records: u64,
    /// Grants in force.
    pub grants: u64,
    /// Calls of the last days, oldest first.
    pub by_day: Vec<(Date, u64)>,
}

/// The head of the ledger.
#[derive(Debug, Clone, Default)]
pub struct LedgerHead {
    /// Entries.
    pub size: u64,
    /// Root hash, base64 as in the checkpoint.
    pub root: String,
    /// When the last checkpoint was signed.
    pub checkpoint_at: Option<Timestamp>,
}

/// One open item.
#[derive(Debug, Clone)]
pub struct WaitingLine {
    /// What it is about.
    pub title: Text,
    /// What is to be done now.
    pub task: Text,
    /// Address of the thing, when this visitor may open it.
    pub href: Option<String>,
    /// Who must act.
    pub who: Text,
    /// Until when; `None`: no term.
    pub clock: Option<ClockView>,
}

/// The home page.
#[must_use]
pub fn page(frame: &Frame, view: &HomeView) -> Markup {
    let words = frame.words;
    let title = words.of("首页", "Home");
    layout::page(
        frame,
        title,
        &html! {
            (hero(frame, view))
            div.wrap {
                (flow(words, view))
                div.section.split.even {
                    section aria-labelledby="registries" {
                        h2 #registries { (words.of("基础库", "Base registries")) }
                        div.stack { (registries(words, &view.registries)) }
                    }
                    section aria-labelledby="supply" {
                        h2 #supply { (words.of("共享与调用", "Sharing and calls")) }
                        (supply(words, &view.supply))
                    }
                }
                section.section aria-labelledby="waiting" {
                    header {
                        h2 #waiting { (words.of("谁在等谁", "Who waits for whom")) }
                        p { (words.many(view.waiting_total, "件未办结，按剩余工作日排列。", "open item, by working days left.", "open items, by working days left.")) }
                    }
                    @match &view.waiting_fault {
                        Some(fault) => div.notice.warn { p { (words.text(fault)) } },
                        None => (waiting(words, &view.waiting)),
                    }
                }
                section.section aria-labelledby="departments" {
                    header {
                        h2 #departments { (words.of("各部门供数情况", "Delivery by department")) }
                        p { (words.of(
                            "承诺多少、到了多少、退了多少。隔离的行原样保留，附原因退回提供部门。",
                            "What was promised, what came, what was held back. Quarantined rows are kept as sent, with the reason.",
                        )) }
                    }
                    (departments(words, &view.departments))
                }
                section.section aria-labelledby="ledger" {
                    h2 #ledger { (words.of("存证账本", "Ledger")) }
                    (ledger(words, &view.ledger))
                }
            }
        },
    )
}

/// The search form of the catalogue, also on the catalogue's own page.
#[must_use]
pub fn search_form(words: Words, query: &str) -> Markup {
    html! {
        form.search role="search" action="/catalogue" method="get" {
            label.visually-hidden for="q" { (words.of("搜索数据目录", "Search the catalogue")) }
            input #q type="search" name="q" value=(query) maxlength="100" autocomplete="off"
                placeholder=(words.of("名称、部门、字段、拼音或首字母", "Title, department, column, pinyin or initials"));
            button.button type="submit" { (words.of("搜索", "Search")) }
        }
    }
}

fn hero(frame: &Frame, view: &HomeView) -> Markup {
    let words = frame.words;
    html! {
        div.hero {
            svg.river viewBox="0 0 1200 104" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                path.river-a d="M0 40C150 10 260 10 400 40s260 36 400 4 260-36 400-4" {}
                path.river-b d="M0 62C150 32 260 32 400 62s260 36 400 4 260-36 400-4" {}
                path.river-c d="M0 84C150 54 260 54 400 84s260 36 400 4 260-36 400-4" {}
            }
            div.wrap {
                h1 { (words.text(&frame.city)) (words.of("的数据，一处看清", ": the city's data in one place")) }
                p.lede {
                    @match words.0 {
                        yihe_definitions::Language::Zh => {
                            (words.count(view.departments.iter().filter(|line| line.delivered > 0).count() as u64)) " 个部门供数，"
                            (words.count(view.entries)) " 项资源在目录，每一次共享都可查证。"
                        }
                        yihe_definitions::Language::En => {
                            (words.count(view.departments.iter().filter(|line| line.delivered > 0).count() as u64)) " departments deliver, "
                            (words.count(view.entries)) " resources are catalogued, and every supply can be proven."
                        }
                    }
                }
                (search_form(words, ""))
                p.hint { (words.of("例：输入 ", "Try ")) a href="/catalogue?q=lsq" { code { "lsq" } } (words.of(" 可找到兰山区", " for Lanshan District")) }
            }
        }
    }
}

fn flow(words: Words, view: &HomeView) -> Markup {
    let stage = |title: &str, number: u64, unit: &str, under: String| {
        html! { li { span.stage { (title) } span.big { (words.count(number)) " " small.unit { (unit) } } span.under { (under) } } }
    };
    let records: u64 = view.registries.iter().map(|registry| registry.records).sum();
    let intake = view.intake;
    html! {
        h2.visually-hidden { (words.of("全市数据一览", "The city's data at a glance")) }
        ol.flow {
            (stage(words.of("归集", "Collected"), intake.rows_in, words.of("行", "rows"),
                format!("{}{}{}", words.many(intake.batches, "批，", "batch, ", "batches, "), words.count(view.datasets), words.of(" 个数据集", " datasets"))))
            (stage(words.of("接收", "Accepted"), intake.rows_accepted, words.of("行", "rows"),
                match intake.score {
                    Some(score) => format!("{} {} · {} {}", words.of("隔离", "quarantined"), words.count(intake.rows_quarantined), words.of("质量", "quality"), words.percent(score)),
                    None => format!("{} {}", words.of("隔离", "quarantined"), words.count(intake.rows_quarantined)),
                }))
            (stage(words.of("基础库", "Registries"), records, words.of("条", "records"),
                words.many(view.registries.len() as u64, "个基础库", "base registry", "base registries")))
            (stage(words.of("共享", "Shared"), view.supply.records, words.of("条", "records"),
                format!("{}{}", words.many(view.supply.calls, "次调用，", "call, ", "calls, "), words.many(view.supply.grants, "项授权", "grant", "grants"))))
            (stage(words.of("存证", "Proven"), view.ledger.size, words.of("条", "entries"),
                words.of("人人可离线验证", "anyone can verify offline").to_owned()))
        }
    }
}

fn departments(words: Words, lines: &[DepartmentLine]) -> Markup {
    if lines.is_empty() {
        return html! { p.empty { (words.of("还没有部门。先运行 ", "No departments yet. Run ")) code { "yihe pack apply" } (words.of("。", " first.")) } };
    }
    let most = lines.iter().map(|line| line.rows + line.quarantined).max().unwrap_or(0);
    html! {
        (table("departments", &[
            Head::Text(words.of("部门", "Department")),
            Head::Number(words.of("已供 / 承诺", "Delivered / promised")),
            Head::Number(words.of("接收行数", "Rows accepted")),
            Head::Number(words.of("隔离", "Quarantined")),
            Head::Number(words.of("质量得分", "Quality")),
            Head::Text(words.of("最近一批", "Last batch")),
        ], &html! {
            @for line in lines {
                tr {
                    th scope="row" { a href={ "/catalogue?department=" (line.id) } { (words.text(&line.name)) } }
                    td.num { (words.count(line.delivered)) " / " (words.count(line.promised)) (bar(line.delivered, line.promised, tone(line))) }
                    td.num { (words.count(line.rows)) (bar(line.rows, most, Tone::Plain)) }
                    td.num { (words.count(line.quarantined)) }
                    td.num { @match line.score { Some(score) => (words.percent(score)), None => "–" } }
                    td.nowrap { @match line.last_at { Some(at) => (words.instant(at)), None => (words.of("未供数", "nothing yet")) } }
                }
            }
        }))
    }
}

/// A department that owes a dataset stands out.
fn tone(line: &DepartmentLine) -> Tone {
    if line.delivered < line.promised { Tone::Warn } else { Tone::Plain }
}

fn registries(words: Words, lines: &[RegistryLine]) -> Markup {
    if lines.is_empty() {
        return html! { p.empty { (words.of("还没有建成的基础库。", "No registry has been built yet.")) } };
    }
    let most = lines.iter().map(|line| line.records).max().unwrap_or(0);
    html! {
        (table("registries", &[
            Head::Text(words.of("基础库", "Registry")),
            Head::Number(words.of("记录", "Records")),
            Head::Number(words.of("数据来源", "Sources")),
            Head::Number(words.of("冲突值", "Conflicts")),
        ], &html! {
            @for line in lines {
                tr {
                    th scope="row" { (words.text(&line.title)) (bar(line.records, most, Tone::Plain)) }
                    td.num { (words.count(line.records)) }
                    td.num { (words.count(line.members)) }
                    td.num { (words.count(line.conflicts)) }
                }
            }
        }))
    }
}

fn supply(words: Words, supply: &Supply) -> Markup {
    html! {
        dl.stats {
            div { dt { (words.of("共享调用", "Calls")) } dd { (words.count(supply.calls)) } }
            div { dt { (words.of("共享记录", "Records supplied")) } dd { (words.count(supply.records)) } }
            div { dt { (words.of("有效授权", "Grants in force")) } dd { (words.count(supply.grants)) } }
        }
        (chart::by_day(words, words.of("每日共享调用次数", "Calls per day"), words.of("次数", "Calls"), &supply.by_day))
    }
}

fn waiting(words: Words, lines: &[WaitingLine]) -> Markup {
    if lines.is_empty() {
        return html! { p.empty { (words.of("没有等待办理的事项。", "Nothing waits for anybody.")) } };
    }
    html! {
        (table("waiting", &[
            Head::Text(words.of("事项", "What")),
            Head::Text(words.of("等谁办", "Waits for")),
            Head::Text(words.of("时限", "Clock")),
        ], &html! {
            @for line in lines {
                tr {
                    th scope="row" { @match &line.href { Some(href) => a href=(href) { (words.text(&line.title)) }, None => (words.text(&line.title)) } span.under { (words.text(&line.task)) } }
                    td { (words.text(&line.who)) }
                    td.nowrap { @match &line.clock { Some(clock) => (clock.short(words)), None => "–" } }
                }
            }
        }))
    }
}

fn ledger(words: Words, head: &LedgerHead) -> Markup {
    html! {
        div.card {
            dl.facts {
                dt { (words.of("条目数", "Entries")) } dd.num { (words.count(head.size)) }
                dt { (words.of("树根 (SHA-256)", "Root (SHA-256)")) } dd.hash { @if head.root.is_empty() { "–" } @else { (head.root) } }
                dt { (words.of("最近检查点", "Last checkpoint")) }
                dd { @match head.checkpoint_at { Some(at) => (words.instant(at)), None => (words.of("尚无", "none yet")) } }
            }
            p.note { (words.of("任何人都可以离线验证：", "Anyone can check it offline: ")) a href="/ledger" { (words.of("查看检查点与验证方法", "checkpoint and how to verify")) } }
        }
    }
}
