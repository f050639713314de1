//! A docket on a fresh store of either database, with the calendar of 2025.

use std::sync::Arc;

use jiff::{Timestamp, civil::date};
use tempfile::TempDir;
use yihe_definitions::Text;
use yihe_docket::{Docket, Matter, Opening, Step, Term, WaitsFor};
use yihe_store::{Actor, Role, SeededIdentity, Store};
use yihe_test_support::postgres::Postgres;
use yihe_vocabulary::{WorkingCalendar, WorkingYear};

pub const PROCEDURE: &str = "share_request";
pub const SUBJECT: &str = "urn:yihe:request:r1";
pub const MATTER: Matter<'static> = Matter { procedure: PROCEDURE, subject: SUBJECT };

pub struct Fixture {
    pub store: Store,
    pub docket: Docket,
    _folder: Option<TempDir>,
}

impl Fixture {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_file(&folder.path().join("yihe.sqlite"), SeededIdentity::new(7)).await.unwrap();
        Self { store, docket: docket(), _folder: Some(folder) }
    }

    pub async fn postgres() -> Self {
        let address = Postgres::shared().await.database().await;
        let store = Store::open(&address, SeededIdentity::new(7)).await.unwrap();
        Self { store, docket: docket(), _folder: None }
    }

    pub async fn open(&self, term: Term, at: Timestamp) {
        let opening = Opening {
            procedure: PROCEDURE,
            subject: SUBJECT.to_owned(),
            title: Text::new("共享申请", "share request"),
            step: Step { state: "awaiting_answer", waits_for: waits_for(), term },
        };
        let mut tx = self.store.begin().await.unwrap();
        self.docket.open(&mut tx, &opening, &actor(), at).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// National Day and Mid-Autumn of 2025: off from 1 to 8 October, worked on 28 September and 11 October.
fn docket() -> Docket {
    let year = WorkingYear {
        year: 2025,
        holidays: (1..=8).map(|day| date(2025, 10, day)).collect(),
        makeup_days: vec![date(2025, 9, 28), date(2025, 10, 11)],
    };
    Docket::new(Arc::new(WorkingCalendar::new([year]).unwrap()))
}

/// The same calendar and that of 2026: off from 1 to 3 January, worked on Sunday the 4th.
pub fn announced_2026() -> Docket {
    let year = |year, holidays, makeup_days| WorkingYear { year, holidays, makeup_days };
    let off_2025 = (1..=8).map(|day| date(2025, 10, day)).collect();
    let off_2026 = (1..=3).map(|day| date(2026, 1, day)).collect();
    let years = [
        year(2025, off_2025, vec![date(2025, 9, 28), date(2025, 10, 11)]),
        year(2026, off_2026, vec![date(2026, 1, 4)]),
    ];
    Docket::new(Arc::new(WorkingCalendar::new(years).unwrap()))
}

pub fn waits_for() -> WaitsFor {
    WaitsFor { department: "gongan".to_owned(), role: Role::Officer }
}

pub fn actor() -> Actor {
    Actor { account: "account-1".to_owned(), department: "dsj".to_owned(), roles: vec![Role::Reviewer] }
}

/// Ten in the morning in China.
pub fn morning(month: i8, day: i8) -> Timestamp {
    format!("2025-{month:02}-{day:02}T02:00:00Z").parse().unwrap()
}

/// Makes a test of each listed suite for each database.
macro_rules! on_both {
    ($($suite:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $suite() {
                super::$suite(crate::support::Fixture::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $suite() {
                super::$suite(crate::support::Fixture::postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both;
