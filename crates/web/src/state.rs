//! What the handlers work with. The program assembles it (`yihe serve`), tests assemble a small one.

use std::sync::{Arc, PoisonError, RwLock};

use yihe_catalogue::Catalogue;
use yihe_definitions::{Pack, Text};
use yihe_docket::Docket;
use yihe_exchange::Exchange;
use yihe_lake::Lake;
use yihe_ledger::view::LogView;
use yihe_quality::tickets::Tickets;
use yihe_store::{Account, Store, WorklistFilter};
use yihe_vocabulary::Clock;

use crate::{desk::Desk, problem::Problem, session::Transport, throttle::Throttle};

/// Everything behind the doors.
#[derive(Debug)]
pub struct AppState {
    /// Metadata.
    pub store: Store,
    /// Tables.
    pub lake: Lake,
    /// The catalogue.
    pub catalogue: Catalogue,
    /// Requests, grants, supply.
    pub exchange: Exchange,
    /// Faults returned to departments, objections, notices.
    pub tickets: Tickets,
    /// What waits for whom; counts by the city's calendar.
    pub docket: Docket,
    /// The ledger as a folder of static files; `None` until its keys were made.
    pub log: Option<LogView>,
    /// The present instant.
    pub clock: Arc<dyn Clock>,
    /// What the city decided, as applied. Read by [`AppState::pack`].
    pub pack: RwLock<Arc<Pack>>,
    /// Long work on registries.
    pub desk: Desk,
    /// Wrong sign-ins.
    pub throttle: Throttle,
    /// Names and switches.
    pub settings: Settings,
}

/// What the configuration says about the doors.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the city.
    pub city: Text,
    /// How this server is reached, without a slash at the end, e.g. `http://127.0.0.1:8080`.
    pub address: String,
    /// Whether cookies demand TLS.
    pub transport: Transport,
    /// Whom readers of the ledger believe (C2SP `tlog-policy`), as it is handed out with proofs.
    pub policy: Option<String>,
}

impl AppState {
    /// The pack as it is now. A newer one may be applied while an answer is written; the answer keeps its own.
    #[must_use]
    pub fn pack(&self) -> Arc<Pack> {
        Arc::clone(&self.pack.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows a newer pack from the next request on.
    pub fn replace_pack(&self, pack: Pack) {
        *self.pack.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pack);
    }

    /// Open items that wait for an account's roles in its department.
    ///
    /// # Errors
    /// The store failed.
    pub async fn waiting_for(&self, account: &Account) -> Result<u64, Problem> {
        let mut waiting = 0;
        for role in &account.roles {
            let filter = WorklistFilter {
                department: Some(account.department.clone()),
                role: Some(role.as_str().to_owned()),
                ..WorklistFilter::default()
            };
            waiting += count(self.store.item_count_open(&filter).await.map_err(|error| Problem::internal(&error))?);
        }
        Ok(waiting)
    }
}

/// A number of the store, which never counts below nothing.
#[must_use]
pub fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The name of a department; its identifier when the pack no longer knows it.
#[must_use]
pub fn department_name(pack: &Pack, id: &str) -> Text {
    pack.department(id)
        .map_or_else(|| Text { zh: id.to_owned(), en: Some(id.to_owned()) }, |department| department.name.clone())
}
