//! A fresh store on either database.

use jiff::Timestamp;
use tempfile::TempDir;
use yihe_store::{Act, EntryRow, SeededIdentity, Store};
use yihe_test_support::postgres::Postgres;

/// A fresh store, and its address so that a test can go behind its back.
pub struct Fixture {
    pub store: Store,
    pub address: String,
    _folder: Option<TempDir>,
}

impl Fixture {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A folder name that an address must not misread.
        let address = format!("sqlite:{}", folder.path().join("沂河 50%25?#/yihe.sqlite").display());
        let store = Store::open(&address, SeededIdentity::new(7)).await.unwrap();
        Self { store, address, _folder: Some(folder) }
    }

    pub async fn postgres() -> Self {
        let address = Postgres::shared().await.database().await;
        let store = Store::open(&address, SeededIdentity::new(7)).await.unwrap();
        Self { store, address, _folder: None }
    }

    /// Runs SQL past the store, as somebody with the database's password would.
    pub async fn behind_its_back(&self, sql: &str) {
        let url = match self.address.strip_prefix("sqlite:") {
            None => self.address.clone(),
            Some(path) => {
                let mut url = url::Url::parse("sqlite:///").unwrap();
                url.set_path(&path.replace('%', "%25"));
                url.to_string()
            }
        };
        let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&pool).await.unwrap();
        pool.close().await;
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

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_759_000_000 + second).unwrap()
}

pub fn act(kind: &'static str, second: i64) -> Act<'static> {
    Act { kind, actor: "account-1", org: "gongan", at: at(second) }
}

pub fn entry(code: &str, title: &str) -> EntryRow {
    let serial = code.split_once('/').unwrap().1.parse().unwrap();
    EntryRow {
        code: code.to_owned(),
        classification: code.split_once('/').unwrap().0.to_owned(),
        serial,
        source_kind: "dataset".to_owned(),
        source: format!("source_{}", code.replace('/', "_")),
        department: "gongan".to_owned(),
        title_zh: title.to_owned(),
        title_en: String::new(),
        title_key: title.to_owned(),
        sharing: "conditional".to_owned(),
        state: "draft".to_owned(),
        body: "{}".to_owned(),
        search_text: title.to_owned(),
        search_pinyin: "lanshanqu".to_owned(),
        search_initials: "lsq".to_owned(),
        created_at: at(0),
        changed_at: at(0),
        published_at: None,
        version: 1,
    }
}
