//! The base registries: what each holds, who is the source of which field, and how far the departments agree.

pub mod agreement;
pub mod pair;
pub mod record;
pub mod review;
pub mod theme;
pub mod trial;

use jiff::Timestamp;
use maud::{Markup, html};
use yihe_registries::sight::Standing;

use crate::{
    chart::{Tone, bar},
    language::{Text, Words},
    layout::{self, Frame},
    pages::quality::{ScoreView, dimensions, score_card},
    table::{Head, table},
};

/// Longest key that can be searched for, in characters.
pub const KEY_CHARACTERS_MAX: usize = 120;

/// What the list shows.
#[derive(Debug, Clone)]
pub struct RegistriesView {
    /// Registries.
    pub registries: Vec<Figures>,
    /// Themes on their keys.
    pub themes: Vec<ThemeLine>,
}

/// What a registry holds.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Identifier in addresses.
    pub id: String,
    /// Title.
    pub title: Text,
    /// Department that runs it.
    pub department: Text,
    /// Golden records; `None`: not built yet.
    pub entities: Option<u64>,
    /// Records of the departments behind them.
    pub records: u64,
    /// Records that are of nobody known.
    pub unlinked: u64,
    /// Values that differ from the one kept.
    pub conflicts: u64,
    /// Pairs that wait for a person; `None`: none were looked for.
    pub doubtful: Option<u64>,
    /// Datasets that feed it.
    pub members: u64,
    /// End of the last build.
    pub built_at: Option<Timestamp>,
}

/// A theme that stands on the registries' keys.
#[derive(Debug, Clone)]
pub struct ThemeLine {
    /// Identifier in addresses.
    pub id: String,
    /// Title.
    pub title: Text,
    /// What it is about.
    pub about: Text,
    /// Department that answers for it.
    pub department: Text,
    /// Rows; `None`: not built.
    pub rows: Option<u64>,
}

/// What the page of one registry shows.
#[derive(Debug, Clone)]
pub struct RegistryView {
    /// Figures.
    pub figures: Figures,
    /// Title of its key.
    pub key: Text,
    /// How the visitor stands to it.
    pub standing: Standing,
    /// Fields in their order.
    pub fields: Vec<FieldLine>,
    /// Departments that feed it, the most trusted first.
    pub departments: Vec<DepartmentLine>,
    /// The quality of its golden records; not measured before they are counted.
    pub score: ScoreView,
    /// Whether the values behind the fields were counted; large registries are counted after the first visit.
    pub is_counted: bool,
    /// Said above the search: nothing was found, say.
    pub message: Option<Text>,
}

/// A field with its sources (一数一源).
#[derive(Debug, Clone)]
pub struct FieldLine {
    /// Name in the table.
    pub name: String,
    /// Title.
    pub title: Text,
    /// Standard by which values are written.
    pub standard: Option<String>,
    /// Title of the group whose fields are taken together.
    pub group: Option<String>,
    /// Golden records that have a value.
    pub filled: u64,
    /// Values that lost against the one kept.
    pub conflicts: u64,
    /// The datasets in the order in which they are believed, then those that only disagree.
    pub sources: Vec<SourceLine>,
}

/// A dataset that feeds a field.
#[derive(Debug, Clone)]
pub struct SourceLine {
    /// Dataset.
    pub dataset: Text,
    /// Department that provides it.
    pub department: Text,
    /// Place in the order, from 1; `None`: never believed, it only disagrees.
    pub rank: Option<usize>,
    /// Values taken from it.
    pub taken: u64,
}

/// A department's part in a registry.
#[derive(Debug, Clone)]
pub struct DepartmentLine {
    /// Department.
    pub name: Text,
    /// Fields of which it is the source.
    pub source_of: u64,
    /// Values taken from it.
    pub taken: u64,
    /// Its values that lost against another department's.
    pub lost: u64,
}

/// The list.
#[must_use]
pub fn list(frame: &Frame, view: &RegistriesView) -> Markup {
    let words = frame.words;
    let title = words.of("基础库", "Base registries");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    h1 { (title) }
                    p { (words.of(
                        "一人一档、一企一档、一地一档；每个字段只认一个数源，落选的值连同出处一并留存。",
                        "One record per person, body and place. Each field has one source; values that lost are kept with where they came from.",
                    )) }
                }
                section.section aria-labelledby="registries" {
                    h2 #registries { (words.of("基础库", "Registries")) }
                    @if view.registries.is_empty() { p.empty { (words.of("数据包里还没有基础库定义。", "No pack defines a registry yet.")) } } @else { (figures_table(words, &view.registries)) }
                }
                @if !view.themes.is_empty() {
                    section.section aria-labelledby="themes" {
                        h2 #themes { (words.of("主题库", "Themes")) }
                        (themes_table(words, &view.themes))
                    }
                }
            }
        },
    )
}

fn figures_table(words: Words, lines: &[Figures]) -> Markup {
    let most = lines.iter().filter_map(|line| line.entities).max().unwrap_or(0);
    let heads = [
        Head::Text(words.of("基础库", "Registry")),
        Head::Number(words.of("实体", "Entities")),
        Head::Number(words.of("来源记录", "Records")),
        Head::Number(words.of("未归属记录", "Of nobody known")),
        Head::Number(words.of("冲突值", "Conflicts")),
        Head::Number(words.of("待核对", "Doubtful pairs")),
        Head::Text(words.of("最近建库", "Last built")),
    ];
    html! {
        (table("registries", &heads, &html! {
            @for line in lines {
                tr {
                    th scope="row" {
                        a href={ "/registries/" (line.id) } { (words.text(&line.title)) }
                        span.under { (words.text(&line.department)) " · " (words.many(line.members, "个来源", "source", "sources")) }
                    }
                    td.num { @match line.entities { Some(entities) => { (words.count(entities)) (bar(entities, most, Tone::Plain)) } None => "–" } }
                    td.num { (words.count(line.records)) }
                    td.num { (words.count(line.unlinked)) }
                    td.num { (words.count(line.conflicts)) }
                    td.num { @match line.doubtful { Some(doubtful) => a href={ "/registries/" (line.id) "/review" } { (words.count(doubtful)) }, None => "–" } }
                    td.nowrap { @match line.built_at { Some(at) => (words.instant(at)), None => (words.of("未建", "not built")) } }
                }
            }
        }))
    }
}

fn themes_table(words: Words, lines: &[ThemeLine]) -> Markup {
    let heads = [
        Head::Text(words.of("主题库", "Theme")),
        Head::Text(words.of("内容", "About")),
        Head::Number(words.of("行", "Rows")),
    ];
    html! {
        (table("themes", &heads, &html! {
            @for line in lines {
                tr {
                    th scope="row" { a href={ "/themes/" (line.id) } { (words.text(&line.title)) } span.under { (words.text(&line.department)) } }
                    td { (words.text(&line.about)) }
                    td.num { @match line.rows { Some(rows) => (words.count(rows)), None => "–" } }
                }
            }
        }))
    }
}

/// One registry.
#[must_use]
pub fn page(frame: &Frame, view: &RegistryView) -> Markup {
    let words = frame.words;
    let figures = &view.figures;
    layout::page(
        frame,
        figures.title.get(words.0),
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[("/registries", html! { (words.of("基础库", "Base registries")) })], &html! { (words.text(&figures.title)) }))
                    h1 { (words.text(&figures.title)) }
                    p { (words.text(&figures.department)) @if let Some(at) = figures.built_at { " · " (words.of("最近建库 ", "last built ")) (words.instant(at)) } }
                }
                @if let Some(message) = &view.message { div.notice.warn role="status" { p { (words.text(message)) } } }
                div.split.even {
                    section.card aria-labelledby="figures" {
                        h2 #figures { (words.of("规模", "What it holds")) }
                        dl.stats {
                            (stat(words, words.of("实体", "Entities"), figures.entities))
                            (stat(words, words.of("来源记录", "Records"), Some(figures.records)))
                            (stat(words, words.of("未归属记录", "Of nobody known"), Some(figures.unlinked)))
                            (stat(words, words.of("冲突值", "Conflicts"), Some(figures.conflicts)))
                            (stat(words, words.of("待核对", "Doubtful pairs"), figures.doubtful))
                        }
                    }
                    section.card aria-labelledby="search" {
                        h2 #search { (words.of("查一条记录", "Find a record")) }
                        (search(frame, view))
                    }
                }
                section.section aria-labelledby="quality" {
                    header {
                        h2 #quality { (words.of("数据质量", "Quality")) }
                        p { (words.of(
                            "完整性看字段有无值，一致性看各部门的值是否相同；其余维度取自各来源数据集最近的检查，按行数加权。",
                            "Completeness: fields with a value. Consistency: values on which departments agree. The other dimensions are those of the datasets that feed it, as last checked, weighted by rows.",
                        )) }
                    }
                    (score_split(words, &view.score))
                }
                section.section aria-labelledby="fields" {
                    header {
                        h2 #fields { (words.of("一数一源", "One source for each field")) }
                        p { (words.of(
                            "每个字段按次序采信：第一个有值的数据集就是来源；标“只作比对”的从不采信。",
                            "Each field is taken from the first dataset in its order that has a value. “Only compared” is never believed.",
                        )) }
                        @if !view.is_counted { p.note role="status" { (words.of("各来源的占比正在统计，稍后刷新即可看到。", "The shares are being counted; reload in a while.")) } }
                    }
                    (fields_table(words, view))
                }
                section.section aria-labelledby="departments" {
                    h2 #departments { (words.of("各部门", "Departments")) }
                    (departments_table(words, view))
                }
            }
        },
    )
}

/// The score beside its dimensions.
fn score_split(words: Words, score: &ScoreView) -> Markup {
    html! {
        div.split.even {
            div.card { h3 { (words.of("得分", "Score")) } (score_card(words, score)) }
            div.card { h3 #dimensions { (words.of("六个维度", "Six dimensions")) } (dimensions(words, score)) }
        }
    }
}

fn stat(words: Words, title: &str, number: Option<u64>) -> Markup {
    html! { div { dt { (title) } dd { @match number { Some(number) => (words.count(number)), None => "–" } } } }
}

fn search(frame: &Frame, view: &RegistryView) -> Markup {
    let words = frame.words;
    let id = &view.figures.id;
    match (&frame.visitor, view.standing) {
        (Some(visitor), Standing::Provider | Standing::Keeper) => html! {
            form.act method="post" action={ "/registries/" (id) "/search" } {
                (layout::form_token(&visitor.form_token))
                div.field {
                    label for="key" { (words.text(&view.key)) }
                    input #key name="key" type="text" autocomplete="off" spellcheck="false" required maxlength=(KEY_CHARACTERS_MAX);
                    p.hint { (words.of("号码不会出现在地址和日志里；个人信息默认脱敏。", "The number appears in no address and no log; personal data are masked.")) }
                }
                p.actions { button.button type="submit" { (words.of("查找", "Find")) } }
            }
            @if view.standing == Standing::Keeper {
                ul.links {
                    li { a href={ "/registries/" (id) "/review" } { (words.of("核对疑似同一的记录", "Judge doubtful pairs")) } }
                    li { a href={ "/registries/" (id) "/review/agreement" } { (words.of("核对人之间的一致程度", "Agreement between reviewers")) } }
                    li { a href={ "/registries/" (id) "/what-if" } { (words.of("数源变更预演", "Try another order of authority")) } }
                }
            }
        },
        (None, _) => html! {
            p { (words.of("查询记录需要登录，且本单位须是它的管理或数源单位；其他单位凭授权使用。", "Sign in to look a record up; your department must run or feed this registry. Others use a grant.")) }
            p.actions { a.button.quiet href={ "/login?next=/registries/" (id) } { (words.of("登录", "Sign in")) } }
        },
        (Some(_), Standing::Stranger) => html! {
            p { (words.of("本单位既不管理也不供给这个库，请从数据目录申请共享。", "Your department neither runs nor feeds this registry; ask for a share in the catalogue.")) }
        },
    }
}

fn fields_table(words: Words, view: &RegistryView) -> Markup {
    let heads = [
        Head::Text(words.of("字段", "Field")),
        Head::Text(words.of("采信次序与占比", "Order of belief, and shares")),
        Head::Number(words.of("有值", "With a value")),
        Head::Number(words.of("冲突值", "Conflicts")),
    ];
    let entities = view.figures.entities.unwrap_or(0);
    html! {
        (table("fields", &heads, &html! {
            @for field in &view.fields {
                tr {
                    th scope="row" {
                        (words.text(&field.title))
                        span.under { span.code { (field.name) } @if let Some(standard) = &field.standard { " · " (standard) } @if let Some(group) = &field.group { " · " (words.of("成组：", "group ")) span.code { (group) } } }
                    }
                    td {
                        ol.sources {
                            @for source in &field.sources {
                                li {
                                    @match source.rank {
                                        Some(1) => span.tag.river { (words.of("数源", "source")) },
                                        Some(rank) => span.tag { (rank) },
                                        None => span.tag.warn { (words.of("只作比对", "only compared")) },
                                    }
                                    span { (words.text(&source.department)) span.under { (words.text(&source.dataset)) } }
                                    @if source.rank.is_some() && view.is_counted { span.share { (words.percent(ratio(source.taken, field.filled))) } }
                                }
                            }
                        }
                    }
                    td.num { @if view.is_counted { (words.percent(ratio(field.filled, entities))) (bar(field.filled, entities, Tone::Plain)) } @else { "–" } }
                    td.num { @if view.is_counted { (words.count(field.conflicts)) } @else { "–" } }
                }
            }
        }))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is shown with two decimals; 2^53 values are beyond any city")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn departments_table(words: Words, view: &RegistryView) -> Markup {
    let heads = [
        Head::Text(words.of("部门", "Department")),
        Head::Number(words.of("作为数源的字段", "Source of fields")),
        Head::Number(words.of("被采信的值", "Values taken")),
        Head::Number(words.of("落选的值", "Values that lost")),
    ];
    html! {
        (table("departments", &heads, &html! {
            @for line in &view.departments {
                tr {
                    th scope="row" { (words.text(&line.name)) }
                    td.num { (words.count(line.source_of)) }
                    @if view.is_counted {
                        td.num { (words.count(line.taken)) }
                        td.num { (words.count(line.lost)) (bar(line.lost, line.lost + line.taken, Tone::Warn)) }
                    } @else { td.num { "–" } td.num { "–" } }
                }
            }
        }))
    }
}

/// The way back from a page below a registry.
#[must_use]
pub fn above(words: Words, id: &str, title: &Text) -> [(String, Markup); 2] {
    [
        ("/registries".to_owned(), html! { (words.of("基础库", "Base registries")) }),
        (format!("/registries/{id}"), words.text(title)),
    ]
}

/// Crumbs of a page below a registry.
#[must_use]
pub fn crumbs(words: Words, id: &str, title: &Text, here: &Markup) -> Markup {
    let above = above(words, id, title);
    let above: Vec<(&str, Markup)> = above.iter().map(|(href, title)| (href.as_str(), title.clone())).collect();
    layout::crumbs(words, &above, here)
}

/// A form that asks to see a record in clear, with the reason that is recorded.
#[must_use]
pub fn clear_form(frame: &Frame, action: &str, what: &str) -> Markup {
    let words = frame.words;
    html! {
        form.act method="post" action=(action) {
            @if let Some(visitor) = &frame.visitor { (layout::form_token(&visitor.form_token)) }
            p.note { (what) }
            div.field {
                label for="reason" { (words.of("理由（必填，记入账本）", "Reason (required; goes to the ledger)")) }
                input #reason name="reason" type="text" required minlength=(yihe_registries::sight::REASON_CHARACTERS_MIN) maxlength=(yihe_registries::sight::REASON_CHARACTERS_MAX) autocomplete="off";
            }
            p.actions { button.button.quiet type="submit" { (words.of("明文查看", "Show in clear")) } }
        }
    }
}
