//! Taking a whole pack through the procedure, step by step, with the actors that each step needs.

use jiff::Timestamp;
use yihe_definitions::Pack;
use yihe_store::{Actor, Role};

use crate::{
    compile::{Compiled, EntryDraft},
    entry::EntryState,
    error::CatalogueError,
    procedure::{Catalogue, EntryStep},
};

/// Who acts for a department in a role, when a whole pack is taken through at once.
pub trait Cast {
    /// The actor for `role` in `department`.
    fn actor(&self, department: &str, role: Role) -> Actor;
}

impl<F: Fn(&str, Role) -> Actor> Cast for F {
    fn actor(&self, department: &str, role: Role) -> Actor {
        self(department, role)
    }
}

/// What became of a pack's entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishReport {
    /// Codes that were published now.
    pub published: Vec<String>,
    /// Entries that were published before and have not changed.
    pub unchanged: usize,
    /// Datasets and registries that the pack keeps internal.
    pub internal: usize,
}

impl Catalogue {
    /// Compiles, signs, reviews and publishes every entry of a pack: registries first, then themes, then datasets.
    /// Each step is the ordinary one, with its checks, docket and ledger entries. Doing it again
    /// publishes only what has changed; after a crash it goes on where it stopped.
    ///
    /// # Errors
    /// The first entry that cannot be taken through; those before it stay published.
    pub async fn publish_all(
        &self,
        pack: &Pack,
        cast: &impl Cast,
        at: Timestamp,
    ) -> Result<PublishReport, CatalogueError> {
        let mut report = PublishReport::default();
        let registries = pack.registries.iter().map(|registry| EntryDraft::of_registry(registry, &pack.departments));
        let themes = pack.themes.iter().map(|theme| EntryDraft::of_theme(theme, &pack.departments));
        let datasets = pack.datasets.iter().map(|dataset| EntryDraft::of_dataset(dataset, &pack.departments));
        for draft in registries.chain(themes).chain(datasets) {
            match draft? {
                None => report.internal += 1,
                Some(draft) => self.publish_one(&draft, cast, at, &mut report).await?,
            }
        }
        Ok(report)
    }

    async fn publish_one(
        &self,
        draft: &EntryDraft,
        cast: &impl Cast,
        at: Timestamp,
        report: &mut PublishReport,
    ) -> Result<(), CatalogueError> {
        let department = &draft.department.id;
        let officer = cast.actor(department, Role::Officer);
        let code = match self.compile(draft, &officer, at).await {
            Ok(Compiled::New(code) | Compiled::Changed(code) | Compiled::Unchanged(code)) => code.to_string(),
            // An earlier run stopped between signature and review: go on from there.
            Err(CatalogueError::WrongState { code, step: EntryStep::Compile, .. }) => code,
            Err(error) => return Err(error),
        };
        let mut state = self.find(&code).await?.map_or(EntryState::Draft, |entry| entry.state);
        if state == EntryState::Published {
            report.unchanged += 1;
            return Ok(());
        }
        while state != EntryState::Published {
            let (step, actor) = match state {
                EntryState::Draft | EntryState::Returned => (EntryStep::Submit, officer.clone()),
                EntryState::AwaitingSignature => (EntryStep::Sign, cast.actor(department, Role::Head)),
                EntryState::AwaitingReview => (EntryStep::Publish, cast.actor(self.authority(), Role::Reviewer)),
                EntryState::Published | EntryState::Withdrawn => break,
            };
            state = self.step(&code, step, None, "", &actor, at).await?.state;
        }
        report.published.push(code);
        Ok(())
    }
}
