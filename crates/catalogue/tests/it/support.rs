//! A catalogue on a fresh store of either database, with the calendar of 2025.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{Timestamp, civil::date};
use tempfile::TempDir;
use yihe_catalogue::{Catalogue, Entry, EntryDraft, EntryItem, EntrySource, EntryState, EntryStep, Format};
use yihe_definitions::{
    ColumnType, Department, OpenAttribute, Publication, Sensitivity, ShareMethod, Sharing, Text, UpdateCycle,
};
use yihe_docket::Docket;
use yihe_store::{Actor, Role, SeededIdentity, Store};
use yihe_test_support::postgres::Postgres;
use yihe_vocabulary::{WorkingCalendar, WorkingYear};

pub const AUTHORITY: &str = "dsj";

pub struct Fixture {
    pub store: Store,
    pub docket: Docket,
    pub catalogue: Catalogue,
    _folder: Option<TempDir>,
}

impl Fixture {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_file(&folder.path().join("yihe.sqlite"), SeededIdentity::new(7)).await.unwrap();
        Self::new(store, Some(folder))
    }

    pub async fn postgres() -> Self {
        let address = Postgres::shared().await.database().await;
        Self::new(Store::open(&address, SeededIdentity::new(7)).await.unwrap(), None)
    }

    fn new(store: Store, folder: Option<TempDir>) -> Self {
        let year = WorkingYear {
            year: 2025,
            holidays: (1..=8).map(|day| date(2025, 10, day)).collect(),
            makeup_days: vec![date(2025, 9, 28), date(2025, 10, 11)],
        };
        let docket = Docket::new(Arc::new(WorkingCalendar::new([year]).unwrap()));
        let catalogue = Catalogue::new(store.clone(), docket.clone(), AUTHORITY, &BTreeMap::new()).unwrap();
        Self { store, docket, catalogue, _folder: folder }
    }

    pub async fn compile(&self, draft: &EntryDraft) -> String {
        let officer = actor("gongan", Role::Officer);
        self.catalogue.compile(draft, &officer, morning(9, 26)).await.unwrap().code().to_string()
    }

    pub async fn step(&self, code: &str, step: EntryStep, at: Timestamp) -> Entry {
        let reason = if step.needs_reason() { "理由" } else { "" };
        self.catalogue.step(code, step, None, reason, &seated(step), at).await.unwrap()
    }

    /// Takes a new entry to `state` by the ordinary steps.
    pub async fn entry_in(&self, state: EntryState, draft: &EntryDraft) -> String {
        let code = self.compile(draft).await;
        let steps: &[EntryStep] = match state {
            EntryState::Draft => &[],
            EntryState::AwaitingSignature => &[EntryStep::Submit],
            EntryState::AwaitingReview => &[EntryStep::Submit, EntryStep::Sign],
            EntryState::Published => &[EntryStep::Submit, EntryStep::Sign, EntryStep::Publish],
            EntryState::Returned => &[EntryStep::Submit, EntryStep::Decline],
            EntryState::Withdrawn => &[EntryStep::Submit, EntryStep::Sign, EntryStep::Publish, EntryStep::Withdraw],
        };
        for step in steps {
            self.step(&code, *step, morning(9, 26)).await;
        }
        code
    }
}

/// The actor to whom a step belongs, for entries of `gongan`.
pub fn seated(step: EntryStep) -> Actor {
    match step.seat() {
        yihe_catalogue::Seat::Provider(role) => actor("gongan", role),
        yihe_catalogue::Seat::Authority => actor(AUTHORITY, Role::Reviewer),
    }
}

pub fn actor(department: &str, role: Role) -> Actor {
    Actor { account: format!("{department}-{role}"), department: department.to_owned(), roles: vec![role] }
}

/// Ten in the morning in China.
pub fn morning(month: i8, day: i8) -> Timestamp {
    format!("2025-{month:02}-{day:02}T02:00:00Z").parse().unwrap()
}

pub fn draft(source: &str, title: &str) -> EntryDraft {
    let item = |name: &str, title: &str, sensitivity| EntryItem {
        name: name.to_owned(),
        title: Text { zh: title.to_owned(), en: None },
        column_type: ColumnType::Text,
        sensitivity,
        codes: None,
    };
    EntryDraft {
        source: EntrySource::Dataset(source.to_owned()),
        title: Text { zh: title.to_owned(), en: None },
        department: Department {
            id: "gongan".to_owned(),
            name: Text::new("市公安局", "Municipal Public Security Bureau"),
            credit_code: "113713000430010034".to_owned(),
            division: None,
            sharing_office: None,
        },
        summary: Text { zh: "户籍登记信息".to_owned(), en: None },
        format: Format::Database,
        items: vec![
            item("citizen_id", "公民身份号码", Sensitivity::CitizenId),
            item("name", "姓名", Sensitivity::Name),
        ],
        key: vec!["citizen_id".to_owned()],
        update_cycle: UpdateCycle::Daily,
        publication: Publication {
            classification: "1/01/001/02".to_owned(),
            sharing: Sharing::Conditional {
                scope: Text::new("民政部门", "civil affairs"),
                purpose: Text::new("社会救助", "social assistance"),
            },
            methods: vec![ShareMethod::Service],
            open: OpenAttribute::Closed,
            grade: Text::new("一般", "general"),
            secrecy_assessed: true,
            privacy_assessed: true,
        },
    }
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
