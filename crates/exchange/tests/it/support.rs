//! An exchange on a fresh store of either database and a fresh lake, with one announced entry.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, StringArray},
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use jiff::{Timestamp, civil::date};
use tempfile::TempDir;
use yihe_catalogue::{Catalogue, EntryDraft, EntryItem, EntrySource, EntryStep, Format};
use yihe_definitions::{
    ColumnType, Department, OpenAttribute, Publication, Sensitivity, ShareMethod, Sharing, Text, UpdateCycle,
};
use yihe_docket::Docket;
use yihe_exchange::{
    Action, Answer, Application, Consent, Exchange, Grant, Refusal, Request, RequestState, RequestStep, Seat, Unmasking,
};
use yihe_lake::{CommitKey, Lake, LakeOptions, Layout, TableName, Zone};
use yihe_store::{Actor, Role, SeededIdentity, Store};
use yihe_test_support::postgres::Postgres;
use yihe_vocabulary::{WorkingCalendar, WorkingYear};

pub const AUTHORITY: &str = "dsj";
pub const REQUESTER: &str = "minzheng";
pub const PROVIDER: &str = "gongan";
pub const ENTRY: &str = "10100102/000001";
pub const CITIZEN: &str = "371302198503154218";
pub const PROTECTED_CITIZEN: &str = "371302198503154226";

pub struct Fixture {
    pub store: Store,
    pub docket: Docket,
    pub exchange: Exchange,
    pub address: String,
    _folders: Vec<TempDir>,
}

impl Fixture {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite://{}", folder.path().join("yihe.sqlite").display());
        Self::new(address, vec![folder], conditional()).await
    }

    pub async fn postgres() -> Self {
        let address = Postgres::shared().await.database().await;
        Self::new(address, Vec::new(), conditional()).await
    }

    pub async fn shared_as(sharing: Sharing) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite://{}", folder.path().join("yihe.sqlite").display());
        Self::new(address, vec![folder], sharing).await
    }

    async fn new(address: String, mut folders: Vec<TempDir>, sharing: Sharing) -> Self {
        let store = Store::open(&address, SeededIdentity::new(7)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path()).await;
        folders.push(folder);
        let year = WorkingYear {
            year: 2025,
            holidays: (1..=8).map(|day| date(2025, 10, day)).collect(),
            makeup_days: vec![date(2025, 9, 28), date(2025, 10, 11)],
        };
        let docket = Docket::new(Arc::new(WorkingCalendar::new([year]).unwrap()));
        let none = BTreeMap::new();
        let catalogue = Catalogue::new(store.clone(), docket.clone(), AUTHORITY, &none).unwrap();
        announce(&catalogue, sharing).await;
        let exchange = Exchange::new(store.clone(), docket.clone(), catalogue, lake, &none).unwrap();
        Self { store, docket, exchange, address, _folders: folders }
    }

    /// Runs SQL past the store, as somebody with the database's password would.
    pub async fn behind_its_back(&self, sql: &'static str) {
        let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&self.address).await.unwrap();
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    pub async fn draft(&self) -> Request {
        self.draft_of(application()).await
    }

    async fn draft_of(&self, application: Application) -> Request {
        let officer = actor(REQUESTER, Role::Officer);
        self.exchange.draft(ENTRY, application, &officer, morning(9, 25)).await.unwrap()
    }

    pub async fn step(&self, id: &str, action: &Action, at: Timestamp) -> Request {
        self.exchange.step(id, action, None, &seated(action.step()), at).await.unwrap()
    }

    /// Takes a new request to `state` by the ordinary steps, all on 26 September.
    pub async fn request_in(&self, state: RequestState) -> Request {
        self.request_of(application(), state).await
    }

    async fn request_of(&self, application: Application, state: RequestState) -> Request {
        let mut request = self.draft_of(application.clone()).await;
        let way: &[RequestStep] = match state {
            RequestState::Draft => &[],
            RequestState::AwaitingSignature => &[RequestStep::Submit],
            RequestState::AwaitingCheck => &[RequestStep::Submit, RequestStep::Sign],
            RequestState::Incomplete => &[RequestStep::Submit, RequestStep::Sign, RequestStep::Notify],
            RequestState::AwaitingAnswer => &[RequestStep::Submit, RequestStep::Sign, RequestStep::Forward],
            RequestState::AwaitingCountersignature | RequestState::Refused => {
                &[RequestStep::Submit, RequestStep::Sign, RequestStep::Forward, RequestStep::Answer]
            }
            RequestState::Consented => &[
                RequestStep::Submit,
                RequestStep::Sign,
                RequestStep::Forward,
                RequestStep::Answer,
                RequestStep::Countersign,
            ],
            RequestState::Supplied => &[
                RequestStep::Submit,
                RequestStep::Sign,
                RequestStep::Forward,
                RequestStep::Answer,
                RequestStep::Countersign,
                RequestStep::Supply,
            ],
            RequestState::Withdrawn => &[RequestStep::Withdraw],
        };
        for step in way {
            let mut action = match sample(*step) {
                Action::Answer(_) => Action::Answer(Answer::Consent(Consent::to_all(&application))),
                other => other,
            };
            if state == RequestState::Refused && *step == RequestStep::Answer {
                action = Action::Answer(refusal());
            }
            request = self.step(&request.id, &action, morning(9, 26)).await;
        }
        if state == RequestState::Refused {
            request = self.step(&request.id, &Action::Countersign, morning(9, 26)).await;
        }
        assert_eq!(request.state, state);
        request
    }

    /// An active grant and a token for it.
    pub async fn grant(&self) -> (Grant, String) {
        self.grant_of(application()).await
    }

    /// An active grant of what an application asks for, and a token for it.
    pub async fn grant_of(&self, application: Application) -> (Grant, String) {
        let request = self.request_of(application, RequestState::Supplied).await;
        let officer = actor(REQUESTER, Role::Officer);
        let grant = self.exchange.grant_of_request(&request.id, &officer).await.unwrap().unwrap();
        let (token, _) = self.exchange.token_issue(&grant.id, "低保系统", &officer, morning(9, 26)).await.unwrap();
        (grant, token)
    }
}

/// A sample of each step's action.
pub fn sample(step: RequestStep) -> Action {
    let reason = || "理由".to_owned();
    match step {
        RequestStep::Submit => Action::Submit,
        RequestStep::Sign => Action::Sign,
        RequestStep::DeclineToSign => Action::DeclineToSign { reason: reason() },
        RequestStep::Notify => Action::Notify { missing: vec!["缺少使用依据原文".to_owned()] },
        RequestStep::Forward => Action::Forward,
        RequestStep::AskExtension => Action::AskExtension { days: 5, reason: reason() },
        RequestStep::ConsentExtension => Action::ConsentExtension,
        RequestStep::Answer => Action::Answer(Answer::Consent(Consent::to_all(&application()))),
        RequestStep::Countersign => Action::Countersign,
        RequestStep::SendBack => Action::SendBack { reason: reason() },
        RequestStep::Supply => Action::Supply,
        RequestStep::Withdraw => Action::Withdraw { reason: reason() },
    }
}

pub fn refusal() -> Answer {
    Answer::Refusal(Refusal {
        reasons: "超出职责范围".to_owned(),
        legal_basis: "政务数据共享条例第二十五条".to_owned(),
    })
}

/// The actor to whom a step belongs.
pub fn seated(step: RequestStep) -> Actor {
    match step.seat() {
        Seat::Requester(role) => actor(REQUESTER, role),
        Seat::Authority => actor(AUTHORITY, Role::Reviewer),
        Seat::Provider(role) => actor(PROVIDER, role),
    }
}

pub fn actor(department: &str, role: Role) -> Actor {
    Actor { account: format!("{department}-{role}"), department: department.to_owned(), roles: vec![role] }
}

/// Ten in the morning in China.
pub fn morning(month: i8, day: i8) -> Timestamp {
    format!("2025-{month:02}-{day:02}T02:00:00Z").parse().unwrap()
}

/// Name and division of one's clients, the name in clear; only people of 兰山区.
pub fn application() -> Application {
    Application {
        basis: "社会救助暂行办法第十一条".to_owned(),
        scenario: "最低生活保障审核".to_owned(),
        scope: "市、县两级社会救助经办人员".to_owned(),
        method: ShareMethod::Service,
        until: date(2025, 12, 31),
        purpose: "低保审核".to_owned(),
        columns: ["citizen_id", "name", "mobile", "household_division"].map(str::to_owned).to_vec(),
        rows: vec![yihe_exchange::Condition {
            column: "household_division".to_owned(),
            values: vec!["371302".to_owned()],
        }],
        unmasked: vec![Unmasking { column: "name".to_owned(), reason: "须核对申请人姓名".to_owned() }],
        calls_per_day: 3,
    }
}

fn conditional() -> Sharing {
    Sharing::Conditional {
        scope: Text::new("民政部门", "civil affairs"),
        purpose: Text::new("社会救助", "social assistance"),
    }
}

async fn announce(catalogue: &Catalogue, sharing: Sharing) {
    let item = |name: &str, sensitivity| EntryItem {
        name: name.to_owned(),
        title: Text { zh: format!("项{name}"), en: None },
        column_type: ColumnType::Text,
        sensitivity,
        codes: None,
    };
    let draft = EntryDraft {
        source: EntrySource::Registry("population".to_owned()),
        title: Text::new("人口基础库", "Population registry"),
        department: Department {
            id: PROVIDER.to_owned(),
            name: Text::new("市公安局", "Municipal Public Security Bureau"),
            credit_code: "113713000430010034".to_owned(),
            division: None,
            sharing_office: None,
        },
        summary: Text::new("人口基础信息", "basic data of the population"),
        format: Format::Database,
        items: vec![
            item("citizen_id", Sensitivity::CitizenId),
            item("name", Sensitivity::Name),
            item("mobile", Sensitivity::Phone),
            item("household_division", Sensitivity::Plain),
            item("household_address", Sensitivity::Address),
        ],
        key: vec!["citizen_id".to_owned()],
        update_cycle: UpdateCycle::Daily,
        publication: Publication {
            classification: "1/01/001/02".to_owned(),
            methods: if matches!(sharing, Sharing::Withheld { .. }) {
                Vec::new()
            } else {
                vec![ShareMethod::Service, ShareMethod::File]
            },
            sharing,
            open: OpenAttribute::Closed,
            grade: Text::new("一般", "general"),
            secrecy_assessed: true,
            privacy_assessed: true,
        },
    };
    let at = morning(9, 24);
    let code = catalogue.compile(&draft, &actor(PROVIDER, Role::Officer), at).await.unwrap().code().to_string();
    assert_eq!(code, ENTRY);
    let steps = [
        (EntryStep::Submit, actor(PROVIDER, Role::Officer)),
        (EntryStep::Sign, actor(PROVIDER, Role::Head)),
        (EntryStep::Publish, actor(AUTHORITY, Role::Reviewer)),
    ];
    for (step, actor) in steps {
        catalogue.step(&code, step, None, "", &actor, at).await.unwrap();
    }
}

/// A golden table of three people: two of 兰山区, the second protected, and one of 河东区.
async fn lake(folder: &std::path::Path) -> Lake {
    let lake = Lake::open(&folder.join("lake"), LakeOptions::new(folder.join("spill"))).unwrap();
    let columns = ["citizen_id", "name", "mobile", "household_division", "household_address"];
    let mut fields: Vec<Field> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    fields.push(Field::new("_protected", DataType::Boolean, true));
    let schema = Arc::new(Schema::new(fields));
    let table = TableName::new(Zone::Registry, "population").unwrap();
    lake.create(&table, schema.clone(), Layout::keyed(["citizen_id"], 2)).await.unwrap();
    let rows = [
        [CITIZEN, PROTECTED_CITIZEN, "371312199001011234"],
        ["王小明", "赵六", "李四"],
        ["13805391234", "13805394321", "13905395678"],
        ["371302", "371302", "371312"],
        ["兰山区金雀山街道12号", "兰山区银雀山街道1号", "河东区九曲街道3号"],
    ];
    let mut columns: Vec<ArrayRef> =
        rows.iter().map(|values| Arc::new(StringArray::from(values.to_vec())) as ArrayRef).collect();
    columns.push(Arc::new(BooleanArray::from(vec![Some(false), Some(true), None])));
    let batch = RecordBatch::try_new(schema, columns).unwrap();
    let mut writer = lake.upserter(&table, CommitKey::new("test-1").unwrap(), &[]).await.unwrap();
    writer.write(batch).await.unwrap();
    writer.commit(serde_json::Map::new()).await.unwrap();
    lake
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
