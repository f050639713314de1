//! What people read of the catalogue: the search's answer, the sharing list, the tally by department.

use std::collections::BTreeMap;

use jiff::Timestamp;
use yihe_definitions::Text;
use yihe_store::EntryFilter;

use crate::{
    document::{Body, corrupt},
    entry::EntryState,
    error::CatalogueError,
    procedure::{Catalogue, failed},
    search::{Search, SharingKind, words_of},
};

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Resource code.
    pub code: String,
    /// Title.
    pub title: Text,
    /// Summary.
    pub summary: Text,
    /// Providing department.
    pub department: String,
    /// Its official name.
    pub department_name: Text,
    /// Sharing attribute.
    pub sharing: SharingKind,
    /// Number of items.
    pub items: usize,
    /// Where the working draft stands.
    pub state: EntryState,
    /// When it was announced.
    pub published_at: Option<Timestamp>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPage {
    /// Entries.
    pub entries: Vec<Listed>,
    /// Entries on the whole list.
    pub total: i64,
}

/// Entries of one department by sharing attribute: a line of the sharing list (共享清单).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SharingTally {
    /// 无条件共享
    pub unconditional: i64,
    /// 有条件共享
    pub conditional: i64,
    /// 不予共享
    pub withheld: i64,
}

impl SharingTally {
    /// All three.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.unconditional + self.conditional + self.withheld
    }
}

impl Catalogue {
    /// Announced entries that have every word, in title, summary, department or items, in Chinese,
    /// pinyin or initials. Those with the first word in the title come first, then by code.
    ///
    /// # Errors
    /// The search is longer than is taken; the store failed.
    pub async fn search(&self, search: &Search, offset: i64, limit: i64) -> Result<ListedPage, CatalogueError> {
        let filter = EntryFilter {
            published: true,
            state: None,
            department: search.department.clone(),
            sharing: search.sharing.map(|kind| kind.as_str().to_owned()),
            words: words_of(&search.words)?,
        };
        self.page(&filter, true, offset, limit).await
    }

    /// A department's entries in a state, announced or not; `None`: in every state.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list_of(
        &self,
        department: &str,
        state: Option<EntryState>,
        offset: i64,
        limit: i64,
    ) -> Result<ListedPage, CatalogueError> {
        let filter = EntryFilter {
            state: state.map(|state| state.as_str().to_owned()),
            department: Some(department.to_owned()),
            ..EntryFilter::default()
        };
        self.page(&filter, false, offset, limit).await
    }

    /// The sharing list (共享清单) in numbers: announced entries by department and sharing attribute.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sharing_tally(&self) -> Result<BTreeMap<String, SharingTally>, CatalogueError> {
        let mut tallies: BTreeMap<String, SharingTally> = BTreeMap::new();
        for row in self.store().entry_tally().await.map_err(failed("tally the catalogue"))? {
            let Some(kind) = SharingKind::parse(&row.sharing) else {
                return Err(CatalogueError::Corrupt { code: row.department, element: "sharing" });
            };
            let tally = tallies.entry(row.department).or_default();
            match kind {
                SharingKind::Unconditional => tally.unconditional += row.entries,
                SharingKind::Conditional => tally.conditional += row.entries,
                SharingKind::Withheld => tally.withheld += row.entries,
            }
        }
        Ok(tallies)
    }

    async fn page(
        &self,
        filter: &EntryFilter,
        announced: bool,
        offset: i64,
        limit: i64,
    ) -> Result<ListedPage, CatalogueError> {
        let rows = self.store().entry_list(filter, offset, limit).await.map_err(failed("list the catalogue"))?;
        let total = self.store().entry_count(filter).await.map_err(failed("count the catalogue"))?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let body = Body::read(&row)?;
            let document = if announced { body.published.unwrap_or(body.draft) } else { body.draft };
            entries.push(Listed {
                sharing: crate::search::sharing_word(&document.sharing),
                state: EntryState::parse(&row.state).ok_or_else(|| corrupt(&row, "state"))?,
                code: row.code,
                title: document.title,
                summary: document.summary,
                department: document.department,
                department_name: document.department_name,
                items: document.items.len(),
                published_at: row.published_at,
            });
        }
        Ok(ListedPage { entries, total })
    }
}
