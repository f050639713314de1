//! The procedure of art. 13 and 17: compiled, signed, reviewed, announced, and who may take which step.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use yihe_definitions::Text;
use yihe_docket::{Docket, Matter, Opening, Step, Term, TermDefect, TermLimit, Terms, WaitsFor};
use yihe_store::{Actor, ObjectKind, Role, Store, StoreError, Tx};

use crate::{
    document::{Body, published, working},
    entry::{Entry, EntryState},
    error::CatalogueError,
    search::{SearchWords, sharing_word},
};

/// Name of the procedure on the docket.
pub const PROCEDURE: &str = "catalogue_entry";

/// The department brings an entry up to date (art. 17).
pub const UPDATE: TermLimit =
    TermLimit { name: "catalogue.update", legal_days: 10, source: "政务数据共享条例第十七条" };

/// The competent authority reviews and announces (art. 17).
pub const REVIEW: TermLimit =
    TermLimit { name: "catalogue.review", legal_days: 2, source: "政务数据共享条例第十七条" };

/// Every term of this room.
pub const TERMS: [TermLimit; 2] = [UPDATE, REVIEW];

/// Most characters of a reason.
pub const REASON_CHARACTERS_MAX: usize = 500;

/// A step of the procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryStep {
    /// 编制
    Compile,
    /// 送部门审签
    Submit,
    /// 审签
    Sign,
    /// 审签退回
    Decline,
    /// 审核发布
    Publish,
    /// 审核退回
    Return,
    /// 停用
    Withdraw,
}

/// Whose desk a step belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// A role in the providing department.
    Provider(Role),
    /// A reviewer of the competent authority.
    Authority,
}

impl EntryStep {
    /// Every step after compiling.
    pub const ALL: [Self; 6] = [Self::Submit, Self::Sign, Self::Decline, Self::Publish, Self::Return, Self::Withdraw];

    /// Who may take it.
    #[must_use]
    pub fn seat(self) -> Seat {
        match self {
            Self::Compile | Self::Submit => Seat::Provider(Role::Officer),
            Self::Sign | Self::Decline => Seat::Provider(Role::Head),
            Self::Publish | Self::Return | Self::Withdraw => Seat::Authority,
        }
    }

    /// The states from which it may be taken.
    #[must_use]
    pub fn from(self) -> &'static [EntryState] {
        match self {
            Self::Compile => &[EntryState::Draft, EntryState::Returned, EntryState::Published, EntryState::Withdrawn],
            Self::Submit => &[EntryState::Draft, EntryState::Returned],
            Self::Sign | Self::Decline => &[EntryState::AwaitingSignature],
            Self::Publish | Self::Return => &[EntryState::AwaitingReview],
            Self::Withdraw => &[EntryState::Published],
        }
    }

    /// The state to which it leads.
    #[must_use]
    pub fn to(self) -> EntryState {
        match self {
            Self::Compile => EntryState::Draft,
            Self::Submit => EntryState::AwaitingSignature,
            Self::Sign => EntryState::AwaitingReview,
            Self::Publish => EntryState::Published,
            Self::Decline | Self::Return => EntryState::Returned,
            Self::Withdraw => EntryState::Withdrawn,
        }
    }

    /// What people read on the button.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Compile => Text::new("编制", "compile"),
            Self::Submit => Text::new("送部门审签", "submit for signature"),
            Self::Sign => Text::new("审签", "sign"),
            Self::Decline => Text::new("审签退回", "decline to sign"),
            Self::Publish => Text::new("审核发布", "approve and publish"),
            Self::Return => Text::new("审核退回", "return"),
            Self::Withdraw => Text::new("停用", "withdraw"),
        }
    }

    /// Whether it needs a reason.
    #[must_use]
    pub fn needs_reason(self) -> bool {
        match self {
            Self::Decline | Self::Return | Self::Withdraw => true,
            Self::Compile | Self::Submit | Self::Sign | Self::Publish => false,
        }
    }

    fn act(self) -> &'static str {
        match self {
            Self::Compile => "entry.compiled",
            Self::Submit => "entry.submitted",
            Self::Sign => "entry.signed",
            Self::Decline => "entry.declined",
            Self::Publish => "entry.published",
            Self::Return => "entry.returned",
            Self::Withdraw => "entry.withdrawn",
        }
    }
}

impl fmt::Display for EntryStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.title();
        formatter.write_str(title.get(yihe_definitions::Language::En))
    }
}

/// The catalogue of one city.
#[derive(Debug, Clone)]
pub struct Catalogue {
    store: Store,
    docket: Docket,
    authority: String,
    terms: Terms,
}

impl Catalogue {
    /// The catalogue in `store`, reviewed by the department `authority` (主管部门). `city_terms` may
    /// shorten [`TERMS`].
    ///
    /// # Errors
    /// Every unknown term and every term beyond the law.
    pub fn new(
        store: Store,
        docket: Docket,
        authority: impl Into<String>,
        city_terms: &BTreeMap<String, u32>,
    ) -> Result<Self, Vec<TermDefect>> {
        let terms = Terms::new(&TERMS, city_terms)?;
        Ok(Self { store, docket, authority: authority.into(), terms })
    }

    /// The department that reviews.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The entry as its provider works on it, in whatever state.
    ///
    /// # Errors
    /// The store failed or the stored entry cannot be read.
    pub async fn find(&self, code: &str) -> Result<Option<Entry>, CatalogueError> {
        let row = self.store.entry_find(code).await.map_err(failed("find a catalogue entry"))?;
        row.as_ref().map(working).transpose()
    }

    /// The entry as it was last announced; `None` when it is not in the catalogue.
    ///
    /// # Errors
    /// The store failed or the stored entry cannot be read.
    pub async fn find_published(&self, code: &str) -> Result<Option<Entry>, CatalogueError> {
        let row = self.store.entry_find(code).await.map_err(failed("find a catalogue entry"))?;
        Ok(row.as_ref().map(published).transpose()?.flatten())
    }

    /// The entry of a dataset or registry as it was last announced.
    ///
    /// # Errors
    /// The store failed or the stored entry cannot be read.
    pub async fn find_published_by_source(
        &self,
        source: &crate::entry::EntrySource,
    ) -> Result<Option<Entry>, CatalogueError> {
        let row = self
            .store
            .entry_find_by_source(source.kind(), source.id())
            .await
            .map_err(failed("find a catalogue entry"))?;
        Ok(row.as_ref().map(published).transpose()?.flatten())
    }

    /// Takes a step on the entry as it stands at `version` (the one the actor saw; `None`: whichever).
    /// `reason` is needed where [`EntryStep::needs_reason`] says so and kept otherwise too.
    ///
    /// # Errors
    /// The entry is unknown; the step is another's or does not follow; a reason is missing; somebody
    /// else was quicker; the calendar lacks a year; the store failed. Then nothing was changed.
    pub async fn step(
        &self,
        code: &str,
        step: EntryStep,
        version: Option<i64>,
        reason: &str,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Entry, CatalogueError> {
        let mut tx = self.store.begin().await.map_err(failed("take a step on a catalogue entry"))?;
        let found = tx.entry_find(code).await.map_err(failed("find a catalogue entry"))?;
        let Some(mut row) = found else { return Err(CatalogueError::NotFound { code: code.to_owned() }) };
        if let Some(expected) = version.filter(|version| *version != row.version) {
            let source = StoreError::Conflict { object: ObjectKind::Entry.name(code), expected };
            return Err(CatalogueError::Store { action: "take a step on a catalogue entry", source });
        }
        let entry = working(&row)?;
        self.check(&entry, step, reason, actor)?;

        let mut body = Body::read(&row)?;
        body.reason = Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        match step {
            EntryStep::Publish => {
                let words = SearchWords::of(&body.draft);
                row.search_text = words.text;
                row.search_pinyin = words.pinyin;
                row.search_initials = words.initials;
                sharing_word(&body.draft.sharing).as_str().clone_into(&mut row.sharing);
                row.published_at = Some(at);
                body.published = Some(body.draft.clone());
            }
            EntryStep::Withdraw => {
                row.published_at = None;
                body.published = None;
            }
            EntryStep::Compile | EntryStep::Submit | EntryStep::Sign | EntryStep::Decline | EntryStep::Return => {}
        }
        row.body = body.to_json();
        step.to().as_str().clone_into(&mut row.state);
        tx.entry_update(&row, &actor.act(step.act(), at)).await.map_err(failed("take a step on a catalogue entry"))?;
        self.put_on_docket(&mut tx, &entry, step, actor, at).await?;
        tx.commit().await.map_err(failed("take a step on a catalogue entry"))?;
        row.version += 1;
        row.changed_at = at;
        working(&row)
    }

    fn check(&self, entry: &Entry, step: EntryStep, reason: &str, actor: &Actor) -> Result<(), CatalogueError> {
        let code = entry.code.to_string();
        let (role, department) = match step.seat() {
            Seat::Provider(role) => (role, entry.department.as_str()),
            Seat::Authority => (Role::Reviewer, self.authority.as_str()),
        };
        if !actor.is(role, department) {
            return Err(CatalogueError::NotAllowed { code, step, role, department: department.to_owned() });
        }
        if !step.from().contains(&entry.state) {
            return Err(CatalogueError::WrongState { code, step, state: entry.state });
        }
        let found = reason.trim().chars().count();
        if found > REASON_CHARACTERS_MAX || (step.needs_reason() && found == 0) {
            return Err(CatalogueError::Reason { code, step, found, limit: REASON_CHARACTERS_MAX });
        }
        Ok(())
    }

    async fn put_on_docket(
        &self,
        tx: &mut Tx,
        entry: &Entry,
        step: EntryStep,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<(), CatalogueError> {
        let code = entry.code.to_string();
        let subject = ObjectKind::Entry.name(&code);
        let matter = Matter { procedure: PROCEDURE, subject: &subject };
        let waits = |department: &str, role, term: &TermLimit| Step {
            state: step.to().as_str(),
            waits_for: WaitsFor { department: department.to_owned(), role },
            term: Term::WorkingDays(self.terms.days(term)),
        };
        let done = match step {
            EntryStep::Compile | EntryStep::Withdraw => Ok(()),
            EntryStep::Submit => {
                let next = waits(&entry.department, Role::Head, &UPDATE);
                if entry.state == EntryState::Returned {
                    self.docket.advance(tx, matter, &next, step.act(), actor, at).await
                } else {
                    let title = Text::new(
                        format!("目录条目《{}》", entry.title.zh),
                        format!("catalogue entry: {}", entry.title.get(yihe_definitions::Language::En)),
                    );
                    let opening = Opening { procedure: PROCEDURE, subject: subject.clone(), title, step: next };
                    self.docket.open(tx, &opening, actor, at).await
                }
            }
            EntryStep::Sign => {
                let next = waits(&self.authority, Role::Reviewer, &REVIEW);
                self.docket.advance(tx, matter, &next, step.act(), actor, at).await
            }
            EntryStep::Decline | EntryStep::Return => {
                let next = waits(&entry.department, Role::Officer, &UPDATE);
                self.docket.advance(tx, matter, &next, step.act(), actor, at).await
            }
            EntryStep::Publish => self.docket.close(tx, matter, step.act(), actor, at).await,
        };
        done.map_err(|source| CatalogueError::Docket { code, source: Box::new(source) })
    }
}

pub(crate) fn failed(action: &'static str) -> impl FnOnce(StoreError) -> CatalogueError {
    move |source| CatalogueError::Store { action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_leads_back_to_where_it_began() {
        for step in EntryStep::ALL {
            assert!(!step.from().contains(&step.to()), "{step}");
        }
    }

    #[test]
    fn every_state_but_the_end_has_a_way_on() {
        for state in EntryState::ALL {
            let onward = [EntryStep::Compile].iter().chain(&EntryStep::ALL).any(|step| step.from().contains(&state));
            assert!(onward, "{state:?} is a dead end");
        }
    }
}
