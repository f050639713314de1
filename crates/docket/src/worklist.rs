//! What waits for me, until when.

use jiff::civil::Date;
use yihe_store::{Role, Store, WorklistFilter};

use crate::{
    error::DocketError,
    item::{Docket, Item},
    sweep::EscalationLevel,
};

/// Whose list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worklist<'a> {
    /// What waits for a role in a department.
    Own {
        /// Department.
        department: &'a str,
        /// Role.
        role: Role,
    },
    /// What waits for anybody in a department.
    Department(&'a str),
    /// What a department is late with: its head's list.
    Late(&'a str),
    /// What departments are so late with that it was escalated to the competent authority.
    Escalated,
    /// Everything that waits.
    All,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorklistPage {
    /// Items, the earliest last day first, so overdue ones lead; those without a last day at the end.
    pub items: Vec<Item>,
    /// Items on the whole list.
    pub total: i64,
    /// Items on the whole list whose last day has passed.
    pub overdue: i64,
}

impl Docket {
    /// A page of a list as it stands on `today`; `limit` is cut to [`yihe_store::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The store failed; the calendar lacks a year.
    pub async fn worklist(
        &self,
        store: &Store,
        list: Worklist<'_>,
        today: Date,
        offset: i64,
        limit: i64,
    ) -> Result<WorklistPage, DocketError> {
        let mut filter = WorklistFilter::default();
        match list {
            Worklist::Own { department, role } => {
                filter.department = Some(department.to_owned());
                filter.role = Some(role.as_str().to_owned());
            }
            Worklist::Department(department) => filter.department = Some(department.to_owned()),
            Worklist::Late(department) => {
                filter.department = Some(department.to_owned());
                filter.due_before = Some(today);
            }
            Worklist::Escalated => filter.escalation_min = EscalationLevel::Authority.number(),
            Worklist::All => {}
        }
        let read = |source| DocketError::Worklist { source: Box::new(source) };
        let rows = store.item_list_open(&filter, offset, limit).await.map_err(read)?;
        let total = store.item_count_open(&filter).await.map_err(read)?;
        let late = WorklistFilter { due_before: Some(today), ..filter };
        let overdue = store.item_count_open(&late).await.map_err(read)?;
        let items = rows.iter().map(|row| self.view(row, today)).collect::<Result<Vec<_>, _>>()?;
        Ok(WorklistPage { items, total, overdue })
    }

    /// The items about an object, newest first, open and closed.
    ///
    /// # Errors
    /// The store failed; the calendar lacks a year.
    pub async fn items_of(&self, store: &Store, subject: &str, today: Date) -> Result<Vec<Item>, DocketError> {
        let rows = store
            .item_list_by_subject(subject)
            .await
            .map_err(|source| DocketError::Worklist { source: Box::new(source) })?;
        rows.iter().map(|row| self.view(row, today)).collect()
    }
}
