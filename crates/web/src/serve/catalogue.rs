//! Fills the catalogue's page: what was asked, what was found, what the filters would leave.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::{Query, State};
use serde::Deserialize;
use yihe_catalogue::{CatalogueError, Listed, ListedPage, Search, SharingKind};
use yihe_definitions::Pack;
use yihe_vocabulary::clock::local_day;

use super::{Answer, html, internal};
use crate::{
    language::{Language, Text, capital},
    layout::Part,
    pages::catalogue::{self, Asked, CatalogueView, Facet, FacetValue, Hit, PAGE_MAX, PAGE_SIZE},
    problem::{Kind, Problem},
    state::{AppState, count, department_name},
    visit::Visit,
};

/// Hits that are looked at to count what each filter leaves. Above it the filters stand without numbers.
const COUNTED_MAX: i64 = yihe_store::PAGE_ROWS_MAX;

/// The address's query.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asking {
    #[serde(default)]
    q: String,
    department: Option<String>,
    sharing: Option<String>,
    page: Option<u64>,
}

impl Asking {
    /// The search it stands for.
    ///
    /// # Errors
    /// A sharing attribute that the law does not know.
    pub fn search(&self) -> Result<Search, Problem> {
        let sharing = match self.sharing.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(SharingKind::parse(text).ok_or_else(|| {
                Problem::saying(
                    Kind::Malformed,
                    "共享类型只能是 unconditional、conditional 或 withheld。",
                    "The sharing attribute is unconditional, conditional or withheld.",
                )
            })?),
        };
        Ok(Search { words: self.q.clone(), department: self.department.clone().filter(|id| !id.is_empty()), sharing })
    }

    /// The page, within what can be opened.
    #[must_use]
    pub fn page(&self) -> u64 {
        self.page.unwrap_or(1).clamp(1, PAGE_MAX)
    }
}

/// `GET /catalogue`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Query(asking): Query<Asking>) -> Answer {
    let frame = visit.frame(&state, Part::Catalogue).await?;
    let search = asking.search()?;
    let page = found(&state, &search, asking.page()).await?;
    let mut filters = Vec::new();
    if let Some(kind) = search.sharing {
        filters.push(("sharing".to_owned(), kind.as_str().to_owned()));
    }
    if let Some(department) = &search.department {
        filters.push(("department".to_owned(), department.clone()));
    }
    let view = CatalogueView {
        facets: facets(&state, &search).await?,
        hits: hits(&state, &page.entries).await?,
        total: count(page.total),
        asked: Asked { page: asking.page(), query: search.words, filters },
    };
    Ok(html(catalogue::page(&frame, &view)))
}

/// One page of a search.
///
/// # Errors
/// A search longer than is taken; the store failed.
pub async fn found(state: &AppState, search: &Search, page: u64) -> Result<ListedPage, Problem> {
    let size = i64::try_from(PAGE_SIZE).unwrap_or(i64::MAX);
    let offset = i64::try_from((page - 1) * PAGE_SIZE).unwrap_or(i64::MAX);
    state.catalogue.search(search, offset, size).await.map_err(refused)
}

/// A failure of the catalogue as its reader is told.
#[must_use]
pub fn refused(error: CatalogueError) -> Problem {
    match &error {
        CatalogueError::SearchLength { .. } => Problem {
            kind: Kind::Unprocessable,
            said: Some(Text::new(error.message(Language::Zh), error.message(Language::En))),
            retry_after_seconds: None,
            cause: None,
        },
        _ => internal(error),
    }
}

async fn hits(state: &AppState, listed: &[Listed]) -> Result<Vec<Hit>, Problem> {
    let mut hits = Vec::with_capacity(listed.len());
    for line in listed {
        let entry = state.catalogue.find_published(&line.code).await.map_err(refused)?;
        hits.push(Hit {
            code: line.code.clone(),
            title: line.title.clone(),
            summary: Some(line.summary.clone()),
            department: line.department_name.clone(),
            sharing: line.sharing,
            update_cycle: entry.map(|entry| super::entry::cycle(entry.update_cycle)),
            columns: line.items as u64,
            published_on: line.published_at.map(local_day),
        });
    }
    Ok(hits)
}

/// What each value of each filter would leave, the other filter kept.
async fn facets(state: &AppState, search: &Search) -> Result<Vec<Facet>, Problem> {
    let pack = state.pack();
    let by_sharing = tally(state, &Search { sharing: None, ..search.clone() }).await?;
    let by_department = tally(state, &Search { department: None, ..search.clone() }).await?;
    let sharing = SharingKind::ALL
        .into_iter()
        .map(|kind| FacetValue {
            value: kind.as_str().to_owned(),
            title: capital(kind.title()),
            count: by_sharing.as_ref().map(|hits| hits.iter().filter(|hit| hit.sharing == kind).count() as u64),
        })
        .filter(|value| value.count != Some(0) || search.sharing.is_some_and(|kind| kind.as_str() == value.value))
        .collect();
    Ok(vec![
        Facet { name: "sharing", title: Text::new("共享类型", "Sharing"), values: sharing },
        Facet {
            name: "department",
            title: Text::new("提供部门", "Department"),
            values: departments(&pack, search, by_department.as_deref()),
        },
    ])
}

fn departments(pack: &Pack, search: &Search, hits: Option<&[Listed]>) -> Vec<FacetValue> {
    let Some(hits) = hits else {
        return pack
            .departments
            .iter()
            .map(|department| FacetValue { value: department.id.clone(), title: department.name.clone(), count: None })
            .collect();
    };
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for hit in hits {
        *counted.entry(&hit.department).or_default() += 1;
    }
    if let Some(chosen) = &search.department {
        counted.entry(chosen).or_default();
    }
    let mut values: Vec<FacetValue> = counted
        .into_iter()
        .map(|(id, count)| FacetValue { value: id.to_owned(), title: department_name(pack, id), count: Some(count) })
        .collect();
    values.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
    values
}

/// Every hit of a search; `None` when there are more than are counted.
async fn tally(state: &AppState, search: &Search) -> Result<Option<Vec<Listed>>, Problem> {
    let page = state.catalogue.search(search, 0, COUNTED_MAX).await.map_err(refused)?;
    Ok((page.total <= COUNTED_MAX).then_some(page.entries))
}
