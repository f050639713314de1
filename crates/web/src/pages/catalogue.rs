//! The catalogue: search, filters with counts, a page of entries.

use jiff::civil::Date;
use maud::{Markup, html};

pub use yihe_catalogue::SharingKind;

use super::home::search_form;
use crate::{
    language::{Text, Words, capital},
    layout::{self, Frame},
};

/// Entries on one page.
pub const PAGE_SIZE: u64 = 20;
/// Pages that can be opened by number; what lies behind is found by narrowing the search.
pub const PAGE_MAX: u64 = 500;

/// What the catalogue page shows.
#[derive(Debug, Clone)]
pub struct CatalogueView {
    /// What was asked.
    pub asked: Asked,
    /// Filters that can be set, with how many of the hits each would leave.
    pub facets: Vec<Facet>,
    /// Entries of this page.
    pub hits: Vec<Hit>,
    /// Entries on all pages.
    pub total: u64,
}

/// A search with its filters, as the address carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Words, pinyin or initials.
    pub query: String,
    /// Filter name and value, in the order of [`Facet`]s; names are those of the address.
    pub filters: Vec<(String, String)>,
    /// Page, from 1.
    pub page: u64,
}

impl Asked {
    /// The address of this search with one filter set, changed or (`None`) dropped, from page 1.
    #[must_use]
    pub fn with(&self, name: &str, value: Option<&str>) -> String {
        let others = self
            .filters
            .iter()
            .filter(|(known, _)| known != name)
            .map(|(known, value)| (known.as_str(), value.as_str()));
        address(&self.query, others.chain(value.map(|value| (name, value))), 1)
    }

    /// The address of another page of the same search.
    #[must_use]
    pub fn at(&self, page: u64) -> String {
        address(&self.query, self.filters.iter().map(|(name, value)| (name.as_str(), value.as_str())), page)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.filters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn address<'a>(query: &str, filters: impl Iterator<Item = (&'a str, &'a str)>, page: u64) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    if !query.is_empty() {
        pairs.append_pair("q", query);
    }
    for (name, value) in filters {
        pairs.append_pair(name, value);
    }
    if page > 1 {
        pairs.append_pair("page", &page.to_string());
    }
    let pairs = pairs.finish();
    if pairs.is_empty() { "/catalogue".to_owned() } else { format!("/catalogue?{pairs}") }
}

/// One filter.
#[derive(Debug, Clone)]
pub struct Facet {
    /// Name in the address, e.g. `department`.
    pub name: &'static str,
    /// Title people read.
    pub title: Text,
    /// Values with the entries that each leaves, most first.
    pub values: Vec<FacetValue>,
}

/// One value of a filter.
#[derive(Debug, Clone)]
pub struct FacetValue {
    /// Value in the address.
    pub value: String,
    /// Title people read.
    pub title: Text,
    /// Entries it leaves; `None` when there are too many to count for every value.
    pub count: Option<u64>,
}

/// One entry in the list.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Resource code.
    pub code: String,
    /// Title.
    pub title: Text,
    /// Summary.
    pub summary: Option<Text>,
    /// Providing department.
    pub department: Text,
    /// Sharing attribute.
    pub sharing: SharingKind,
    /// Update cycle.
    pub update_cycle: Option<Text>,
    /// Columns.
    pub columns: u64,
    /// Day of publication.
    pub published_on: Option<Date>,
}

/// The mark of a sharing attribute.
#[must_use]
pub fn sharing_tag(words: Words, kind: SharingKind) -> Markup {
    let class = match kind {
        SharingKind::Unconditional => "tag good",
        SharingKind::Conditional => "tag warn",
        SharingKind::Withheld => "tag bad",
    };
    html! { span class=(class) { (words.text(&capital(kind.title()))) } }
}

/// Address of an entry's page. Resource codes hold a slash, which stays readable in the path.
#[must_use]
pub fn entry_href(code: &str) -> String {
    format!("/catalogue/{code}")
}

/// The catalogue page.
#[must_use]
pub fn page(frame: &Frame, view: &CatalogueView) -> Markup {
    let words = frame.words;
    let title = words.of("数据目录", "Catalogue");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    h1 { (title) }
                    (search_form(words, &view.asked.query))
                }
                div.split.narrow-first {
                    nav.facets aria-label=(words.of("筛选", "Filters")) {
                        @for facet in &view.facets { (facet_list(words, &view.asked, facet)) }
                    }
                    section aria-labelledby="results" {
                        h2.visually-hidden #results { (words.of("结果", "Results")) }
                        (chips(words, view))
                        p.result-line role="status" { (summary(words, view)) }
                        @if view.hits.is_empty() { (nothing(words, view)) } @else { ol.hits { @for hit in &view.hits { (line(words, hit)) } } }
                        (pager(words, view))
                    }
                }
            }
        },
    )
}

fn summary(words: Words, view: &CatalogueView) -> String {
    let found = words.many(view.total, "项资源", "resource", "resources");
    match (view.asked.query.as_str(), words.0) {
        ("", yihe_definitions::Language::Zh) => format!("共 {found}"),
        ("", yihe_definitions::Language::En) => found,
        (query, yihe_definitions::Language::Zh) => format!("找到 {found}，关键词：{query}"),
        (query, yihe_definitions::Language::En) => format!("{found} for “{query}”"),
    }
}

fn facet_list(words: Words, asked: &Asked, facet: &Facet) -> Markup {
    const SHOWN: usize = 8;
    let chosen = asked.value(facet.name);
    let item = |value: &FacetValue| {
        let is_chosen = chosen == Some(value.value.as_str());
        let href = asked.with(facet.name, (!is_chosen).then_some(value.value.as_str()));
        html! { li { a href=(href) aria-current=[is_chosen.then_some("true")] { span { (words.text(&value.title)) } @if let Some(count) = value.count { span.n { (words.count(count)) } } } } }
    };
    let (first, rest) = facet.values.split_at(facet.values.len().min(SHOWN));
    html! {
        @if !facet.values.is_empty() {
            section {
                h2 { (words.text(&facet.title)) }
                ul { @for value in first { (item(value)) } }
                @if !rest.is_empty() {
                    details open[rest.iter().any(|value| chosen == Some(value.value.as_str()))] {
                        summary { (words.of("其余 ", "")) (words.count(rest.len() as u64)) (words.of(" 个", " more")) }
                        ul { @for value in rest { (item(value)) } }
                    }
                }
            }
        }
    }
}

fn chips(words: Words, view: &CatalogueView) -> Markup {
    html! {
        @if !view.asked.filters.is_empty() {
            ul.chips aria-label=(words.of("已选筛选", "Chosen filters")) {
                @for (name, value) in &view.asked.filters {
                    @let title = view.facets.iter().filter(|facet| facet.name == name).flat_map(|facet| &facet.values).find(|known| &known.value == value);
                    li { a href=(view.asked.with(name, None)) {
                        @match title { Some(known) => (words.text(&known.title)), None => (value) }
                        span aria-hidden="true" { "×" }
                        span.visually-hidden { (words.of("（取消）", "(remove)")) }
                    } }
                }
            }
        }
    }
}

fn line(words: Words, hit: &Hit) -> Markup {
    html! {
        li {
            h3 { a href=(entry_href(&hit.code)) { (words.text(&hit.title)) } }
            @if let Some(summary) = &hit.summary { p { (words.text(summary)) } }
            div.meta {
                (sharing_tag(words, hit.sharing))
                span { (words.text(&hit.department)) }
                span { (words.many(hit.columns, "个信息项", "column", "columns")) }
                @if let Some(cycle) = &hit.update_cycle { span { (words.of("更新：", "Updated: ")) (words.text(cycle)) } }
                span.code { (hit.code) }
            }
        }
    }
}

fn nothing(words: Words, view: &CatalogueView) -> Markup {
    html! {
        div.empty {
            p { (words.of("没有符合条件的资源。", "Nothing matches.")) }
            @if view.asked != Asked::default() {
                p { (words.of("可以少写几个字、用拼音首字母，或", "Use fewer words or pinyin initials, or ")) a href="/catalogue" { (words.of("查看全部", "see everything")) } (words.of("。", ".")) }
            }
        }
    }
}

fn pager(words: Words, view: &CatalogueView) -> Markup {
    let pages = view.total.div_ceil(PAGE_SIZE).clamp(1, PAGE_MAX);
    let page = view.asked.page.clamp(1, pages);
    html! {
        @if pages > 1 {
            nav.pager aria-label=(words.of("翻页", "Pages")) {
                @if page > 1 { a.button.quiet rel="prev" href=(view.asked.at(page - 1)) { (words.of("上一页", "Previous")) } } @else { span {} }
                span.num { (words.of("第 ", "Page ")) (words.count(page)) (words.of(" 页，共 ", " of ")) (words.count(pages)) (words.of(" 页", "")) }
                @if page < pages { a.button.quiet rel="next" href=(view.asked.at(page + 1)) { (words.of("下一页", "Next")) } } @else { span {} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_keeps_the_query_and_the_other_filters_and_returns_to_the_first_page() {
        let asked = Asked {
            query: "兰山 区".into(),
            filters: vec![("department".into(), "gongan".into()), ("sharing".into(), "conditional".into())],
            page: 7,
        };
        assert_eq!(
            asked.with("sharing", Some("withheld")),
            "/catalogue?q=%E5%85%B0%E5%B1%B1+%E5%8C%BA&department=gongan&sharing=withheld"
        );
        assert_eq!(asked.with("department", None), "/catalogue?q=%E5%85%B0%E5%B1%B1+%E5%8C%BA&sharing=conditional");
        assert!(asked.at(8).ends_with("&page=8"));
        assert_eq!(Asked::default().with("department", None), "/catalogue");
    }
}
