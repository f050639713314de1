//! A small city behind real doors: a store and a lake in a temporary folder, the demonstration pack, published
//! entries, a few batches, a ledger, an account per role.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use arrow::{
    array::{ArrayRef, Decimal128Array, Int64Array, StringArray},
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use jiff::Timestamp;
use tempfile::TempDir;
use yihe_catalogue::{Catalogue, Search};
use yihe_definitions::{Pack, Text};
use yihe_docket::Docket;
use yihe_exchange::Exchange;
use yihe_lake::{CommitKey, Lake, LakeOptions, Layout, TableName, Zone};
use yihe_ledger::{
    entry::PendingEntry,
    keys::{KeySeeds, LogKeys},
    ledger::Ledger,
    seal::{Event, Salt, seal},
};
use yihe_quality::{tickets::Tickets, walk::Walk};
use yihe_registries::{Builder, EntitySecret, HashKeys};
use yihe_store::{Account, Actor, BatchBegun, BatchLanding, NewBatch, Role, SeededIdentity, Store};
use yihe_vocabulary::{FixedClock, WorkingCalendar, working_days::WorkingYear};
use yihe_web::{
    AppState, Settings,
    desk::Desk,
    passphrase, router,
    session::Transport,
    throttle::{Patience, Throttle},
};

/// The department whose data are asked for, the one that asks, and the one that reviews.
pub const PROVIDER: &str = "minzheng";
pub const REQUESTER: &str = "ziran";
pub const AUTHORITY: &str = "dashuju";
/// The requester's own dataset, of which some rows are at fault.
pub const PARCELS: &str = "land_parcels";
/// The passphrase of every account.
pub const PASSPHRASE: &str = "沂水长流-2026";
/// A Friday; the year after is announced, so that terms can be counted over the turn.
pub const NOW: &str = "2026-03-06T02:00:00Z";

/// A running house. Ends with the test.
pub struct House {
    pub state: Arc<AppState>,
    pub address: SocketAddr,
    folder: TempDir,
}

impl House {
    /// Builds the city and opens the doors on a free port.
    pub async fn open() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let clock = Arc::new(FixedClock::new(now()));
        let pack = Pack::read(&[packs().join("base"), packs().join("demo")]).expect("the demonstration pack reads");
        let store =
            Store::open_file(&folder.path().join("store/yihe.sqlite"), SeededIdentity::new(7)).await.expect("a store");
        let lake =
            Lake::open(&folder.path().join("lake"), LakeOptions::new(folder.path().join("spill"))).expect("a lake");
        let docket = Docket::new(Arc::new(calendar(&pack)));
        let terms = BTreeMap::new();
        let catalogue = Catalogue::new(store.clone(), docket.clone(), AUTHORITY, &terms).expect("the law's terms");
        catalogue.publish_all(&pack, &cast, now()).await.expect("the pack is published");
        let exchange = Exchange::new(store.clone(), docket.clone(), catalogue.clone(), lake.clone(), &terms)
            .expect("the law's terms");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let tickets =
            Tickets::new(store.clone(), lake.clone(), docket.clone(), AUTHORITY, &terms).expect("the law's terms");
        let state = Arc::new(AppState {
            tickets,
            desk: Desk::new(builder(&lake, &store, &clock)),
            log: Some(ledger(folder.path(), &store).await),
            lake,
            catalogue,
            exchange,
            docket,
            clock,
            pack: RwLock::new(Arc::new(pack)),
            throttle: Throttle::new(Patience::default()),
            settings: Settings {
                city: Text::new("临沂市", "Linyi"),
                address: format!("http://{address}"),
                transport: Transport::Plain,
                policy: None,
            },
            store,
        });
        let house = Self { state, address, folder };
        house.receive_batches().await;
        house.check_marriages().await;
        house.check_parcels(&[("371302001", "XX", 900), ("371302002", "07", 0), ("371302003", "07", 700)]).await;
        house.open_accounts().await;
        let router = router(house.state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        house
    }

    /// An address of the house.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Signs in and returns the session cookie with the form token that goes with it.
    pub async fn sign_in(&self, login: &str) -> Session {
        let client = client();
        let form = client.get(self.url("/login")).send().await.expect("the form");
        let visit = cookie(&form, "yihe_visit").expect("a visit cookie");
        let token = form_token(&form.text().await.expect("a page"));
        let answer = client
            .post(self.url("/login"))
            .header("cookie", format!("yihe_visit={visit}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(&[("name", login), ("passphrase", PASSPHRASE), ("form_token", &token)]))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 303, "{login} signs in");
        let cookie = cookie(&answer, "yihe_session").expect("a session cookie");
        Session { form_token: yihe_web::session::form_token(&cookie), cookie: format!("yihe_session={cookie}") }
    }

    /// Sends a form of a session and returns the answer.
    pub async fn send(&self, session: &Session, path: &str, fields: &[(&str, &str)]) -> reqwest::Response {
        let mut all = vec![("form_token", session.form_token.as_str())];
        all.extend_from_slice(fields);
        client()
            .post(self.url(path))
            .header("cookie", &session.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(&all))
            .send()
            .await
            .expect("an answer")
    }

    /// A page as a session sees it.
    pub async fn read(&self, session: &Session, path: &str) -> String {
        let answer = client().get(self.url(path)).header("cookie", &session.cookie).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.expect("a page")
    }

    /// The resource code of the marriage register.
    pub async fn marriages(&self) -> String {
        let search = Search { words: "婚姻登记".into(), ..Search::default() };
        let found = self.state.catalogue.search(&search, 0, 1).await.expect("a search");
        found.entries[0].code.clone()
    }

    /// A request for the marriage register as its officer sends it; returns its address.
    pub async fn apply(&self, officer: &Session) -> String {
        let answer = self
            .send(
                officer,
                "/requests",
                &[
                    ("entry", &self.marriages().await),
                    ("basis", "《不动产登记暂行条例》第十六条"),
                    ("scenario", "不动产转移登记，核验夫妻共有"),
                    ("scope", "不动产登记窗口工作人员"),
                    ("purpose", "不动产转移登记"),
                    ("method", "service"),
                    ("until_on", "2026-12-31"),
                    ("calls_per_day", "3"),
                    ("columns", "citizen_id"),
                    ("columns", "name"),
                    ("columns", "marital_status"),
                ],
            )
            .await;
        assert_eq!(answer.status(), 303, "{}", answer.text().await.unwrap_or_default());
        answer.headers()["location"].to_str().expect("text").to_owned()
    }

    /// Does what the sequencer does: closes the interval of calls and enters what waits.
    pub async fn enter_what_waits(&self) {
        let actor = cast(AUTHORITY, Role::Officer);
        self.state.store.calls_close(&actor.act("calls.supplied", now())).await.expect("closed");
        ledger(self.folder.path(), &self.state.store).await;
    }

    /// A session of an officer who has no part in anything.
    pub async fn stranger(&self) -> Session {
        self.open_account("qixiang", Role::Officer).await;
        self.sign_in(&login("qixiang", Role::Officer)).await
    }

    async fn receive_batches(&self) {
        let pack = self.state.pack();
        for (number, dataset) in (1..).zip(pack.datasets.iter().take(9)) {
            let mut tx = self.state.store.begin().await.expect("a transaction");
            let actor = cast(&dataset.department, Role::Officer);
            let act = actor.act("batch.received", now());
            let key = format!("{}-1", dataset.id);
            let new = NewBatch { dataset: &dataset.id, idempotency_key: &key, file_name: "extract.csv", sha256: "00" };
            let BatchBegun::Started(batch) = tx.batch_begin(&new, &act).await.expect("a new batch") else {
                panic!("the batch is new")
            };
            let landing = BatchLanding { rows_accepted: 1_000 * number, rows_quarantined: 3, landing_version: Some(1) };
            tx.batch_land(&batch.id, &landing, &actor.act("batch.landed", now())).await.expect("it lands");
            tx.commit().await.expect("committed");
        }
    }

    /// Two people's marriages in the checked table, as a check leaves them.
    async fn check_marriages(&self) {
        let names =
            ["citizen_id", "name", "sex", "marital_status", "spouse_name", "spouse_id", "registered_on", "changed_on"];
        let rows = [
            ["371302198704020016", "王建国", "1", "20", "李秀英", "371302198805060025", "2015-05-20", "2015-05-20"],
            ["371302199001010010", "张伟", "1", "10", "", "", "", ""],
        ];
        let cells = |row: [&str; 8]| {
            let filled = names.into_iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            filled.map(|(name, cell)| (name, cell.to_owned())).collect()
        };
        self.checked("marriage_registrations", rows.map(cells).to_vec()).await;
    }

    /// A delivery of land parcels (code, use, area in square metres) of the requester's own, checked.
    pub async fn check_parcels(&self, parcels: &[(&str, &str, i128)]) {
        let pack = self.state.pack();
        let dataset = pack.dataset(PARCELS).expect("the dataset");
        let actor = Actor { department: AUTHORITY.to_owned(), ..Actor::system() };
        let landing = TableName::new(Zone::Landing, PARCELS).expect("a table's name");
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let schema = Arc::new(Schema::new(vec![
            Field::new("_batch", DataType::Utf8, false),
            Field::new("_row", DataType::Int64, false),
            text("parcel_code"),
            text("division_code"),
            text("land_use"),
            Field::new("area_m2", DataType::Decimal128(14, 2), true),
            text("location"),
            text("right_type"),
        ]));
        self.state.lake.create(&landing, schema.clone(), Layout::rows()).await.expect("a table");
        let mut tx = self.state.store.begin().await.expect("a transaction");
        let key = format!("{parcels:?}");
        let new = NewBatch { dataset: PARCELS, idempotency_key: &key, file_name: "parcels.parquet", sha256: "00" };
        let BatchBegun::Started(begun) = tx.batch_begin(&new, &actor.act("batch.received", now())).await.expect("new")
        else {
            panic!("the batch is new")
        };
        let rows = i64::try_from(parcels.len()).expect("few");
        let landed = BatchLanding { rows_accepted: rows, rows_quarantined: 0, landing_version: Some(1) };
        tx.batch_land(&begun.id, &landed, &actor.act("batch.landed", now())).await.expect("it lands");
        tx.commit().await.expect("committed");
        let texts = |of: &dyn Fn(&(&str, &str, i128)) -> String| -> ArrayRef {
            Arc::new(parcels.iter().map(|parcel| Some(of(parcel))).collect::<StringArray>())
        };
        let areas: Decimal128Array = parcels.iter().map(|(_, _, area)| Some(area * 100)).collect();
        let columns: Vec<ArrayRef> = vec![
            texts(&|_| begun.id.clone()),
            Arc::new((1..=rows).map(Some).collect::<Int64Array>()),
            texts(&|(code, _, _)| (*code).to_owned()),
            texts(&|_| "371302".to_owned()),
            texts(&|(_, land_use, _)| (*land_use).to_owned()),
            Arc::new(areas.with_precision_and_scale(14, 2).expect("it fits")),
            texts(&|_| "沂蒙路北段".to_owned()),
            texts(&|_| "国有建设用地使用权".to_owned()),
        ];
        let batch = RecordBatch::try_new(schema, columns).expect("rows");
        let key = CommitKey::new(format!("test:{}", begun.id)).expect("a commit key");
        let mut writer = self.state.lake.appender(&landing, key).await.expect("a writer");
        writer.write(batch).await.expect("written");
        writer.commit(serde_json::Map::new()).await.expect("committed");
        let walk = Walk {
            lake: self.state.lake.clone(),
            store: self.state.store.clone(),
            clock: self.state.clock.clone(),
            tickets: self.state.tickets.clone(),
            actor,
            holder: "test".to_owned(),
            faults: Arc::new(|_| {}),
        };
        walk.check(&pack, dataset).await.expect("the rules fit");
    }

    async fn open_accounts(&self) {
        for (department, role) in [
            (REQUESTER, Role::Officer),
            (REQUESTER, Role::Head),
            (PROVIDER, Role::Officer),
            (PROVIDER, Role::Head),
            (AUTHORITY, Role::Reviewer),
        ] {
            self.open_account(department, role).await;
        }
    }

    pub async fn open_account(&self, department: &str, role: Role) {
        let account = Account {
            id: cast(department, role).account,
            login: login(department, role),
            name: login(department, role),
            department: department.to_owned(),
            password_hash: passphrase::hash(PASSPHRASE, &[7; 16]).expect("a hash"),
            roles: vec![role],
            office: None,
            created_at: now(),
            disabled_at: None,
        };
        let mut tx = self.state.store.begin().await.expect("a transaction");
        tx.account_insert(&account, "system").await.expect("an account");
        tx.commit().await.expect("committed");
    }
}

/// A client that keeps no cookies and follows no redirect: tests look at the headers themselves.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

/// A signed-in visitor.
pub struct Session {
    pub cookie: String,
    pub form_token: String,
}

/// The login of the account that holds a role in a department.
pub fn login(department: &str, role: Role) -> String {
    format!("{department}-{}", role.as_str())
}

/// Who acts for a department in a role.
pub fn cast(department: &str, role: Role) -> Actor {
    Actor { account: format!("account-{department}-{role}"), department: department.to_owned(), roles: vec![role] }
}

/// The value of a cookie that an answer sets.
pub fn cookie(answer: &reqwest::Response, name: &str) -> Option<String> {
    answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok()?.strip_prefix(name)?.strip_prefix('='))
        .map(|rest| rest.split(';').next().unwrap_or_default().to_owned())
        .next()
}

/// The token in a page's first form.
pub fn form_token(page: &str) -> String {
    let at = page.find(r#"name="form_token" value=""#).expect("a form") + r#"name="form_token" value=""#.len();
    page[at..].split('"').next().expect("a value").to_owned()
}

/// A form's body.
pub fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// What resolves registries.
fn builder(lake: &Lake, store: &Store, clock: &Arc<FixedClock>) -> Builder {
    Builder {
        hash_keys: HashKeys::in_folder("keys".into()),
        lake: lake.clone(),
        store: store.clone(),
        secret: EntitySecret::new(&[3; 32]),
        clock: clock.clone(),
        actor: Actor { department: AUTHORITY.to_owned(), ..Actor::system() },
        holder: "test".to_owned(),
        faults: Arc::new(|_| {}),
    }
}

fn now() -> Timestamp {
    NOW.parse().expect("an instant")
}

fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs")
}

fn calendar(pack: &Pack) -> WorkingCalendar {
    let days = |days: &[String]| days.iter().map(|day| day.parse().expect("a day")).collect();
    let years = pack.calendars.iter().map(|year| WorkingYear {
        year: year.year,
        holidays: days(&year.holidays),
        makeup_days: days(&year.makeup_days),
    });
    WorkingCalendar::new(years).expect("the announcements agree")
}

/// Everything that stands in the outbox so far, sealed.
async fn ledger(folder: &Path, store: &Store) -> yihe_ledger::view::LogView {
    let dir = folder.join("ledger");
    let seeds = KeySeeds { ed25519: [1; 32], sm2: [2; 32] };
    let keys = LogKeys::read_or_create(&dir.join("keys"), "yihe.example/linyi", &seeds).expect("keys");
    let mut ledger = Ledger::open(&dir, keys).expect("a ledger");
    let pending = store.outbox_list_pending(1_000).await.expect("the outbox");
    let entries: Vec<PendingEntry> = pending
        .iter()
        .map(|row| {
            let payload = yihe_store::ledger::sealed_payload(row);
            let event = Event {
                id: &row.entry_id,
                kind: &row.kind,
                at: row.at,
                actor: &row.actor,
                org: &row.org,
                object: &row.object,
                salt_id: &row.entry_id,
            };
            seal(&event, &payload, &Salt(row.salt.expect("nothing was destroyed"))).expect("sealed")
        })
        .collect();
    let leaves = ledger.append_batch(&entries).expect("appended");
    let leaves: Vec<(String, u64)> = pending.iter().map(|row| row.entry_id.clone()).zip(leaves).collect();
    let mut tx = store.begin().await.expect("a transaction");
    tx.outbox_acknowledge(&leaves).await.expect("acknowledged");
    tx.commit().await.expect("committed");
    ledger.view().clone()
}
