//! Supplying a record: authenticate, hold the call against its grant, read under the grant's rights,
//! write the use record, and only then answer (art. 22, 25, 26 and 29). The records of an interface become
//! one leaf of the ledger each minute, in which every call can be proven (`yihe_store::calls`).

use std::fmt;

use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use yihe_definitions::{ShareMethod, Text};
use yihe_store::UsageRow;
use yihe_vocabulary::clock::local_day;

use crate::{
    error::ExchangeError,
    grant::{Grant, GrantState},
    procedure::{Exchange, failed},
};

/// Longest case number, in characters.
pub const CASE_NUMBER_CHARACTERS_MAX: usize = 64;
/// Longest part of a key, in bytes.
pub const KEY_PART_BYTES_MAX: usize = 256;

/// The door through which a call comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A look-up by key over HTTP.
    Rest,
}

impl Door {
    /// The word in the use record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
        }
    }
}

/// A call for one record.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The access token.
    pub token: &'a str,
    /// Code of the catalogue entry, or the identifier of its dataset or registry.
    pub resource: &'a str,
    /// The record's key, part by part.
    pub key: &'a [&'a str],
    /// What it is used for; must be the grant's purpose. `None` takes the grant's.
    pub purpose: Option<&'a str>,
    /// The case in which it is used.
    pub case_number: &'a str,
    /// The door.
    pub door: Door,
}

/// Without the token and the key, so that no log line can hold them.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("resource", &self.resource)
            .field("door", &self.door)
            .finish_non_exhaustive()
    }
}

/// An answer. Its use record is committed before anybody sees it.
#[derive(Debug, Clone)]
pub struct Supplied {
    /// Identifier of the use record: the caller's receipt.
    pub receipt: String,
    /// The grant under which it was supplied.
    pub grant: String,
    /// Code of the catalogue entry.
    pub entry: String,
    /// Granted columns, filtered and masked; no batch when there is no such record within the grant.
    pub batches: Vec<RecordBatch>,
    /// Rows in `batches`.
    pub rows: usize,
    /// Version of the table that was read.
    pub table_version: i64,
}

/// Why a call was not answered. Nothing was read, or nothing of what was read left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The token is unknown, ended or revoked: the caller learns no more than that.
    Token,
    /// The token is good for another resource. Whether this one exists is not told.
    Resource,
    /// The grant is not, or no longer, in force.
    NotInForce {
        /// Where it stands.
        state: GrantState,
    },
    /// The grant's days have not begun or are over.
    OutOfTerm,
    /// The grant is for another way of supply.
    Method,
    /// Another purpose than the grant's (art. 25).
    Purpose,
    /// No case number, or one that is too long.
    CaseNumber {
        /// Characters found.
        found: usize,
    },
    /// The key has another number of parts, or a part is too long.
    Key {
        /// Parts expected.
        expected: usize,
    },
    /// The calls of the day are used up.
    Quota {
        /// Calls per day.
        calls_per_day: i64,
    },
}

impl Refused {
    /// What the caller reads.
    #[must_use]
    pub fn text(&self) -> Text {
        match self {
            Self::Token => Text::new("访问令牌无效", "the access token is not valid"),
            Self::Resource => Text::new("没有此资源", "there is no such resource"),
            Self::NotInForce { state } => Text::new(
                format!("授权当前为“{}”，不能调用", state.title().zh),
                format!("the grant is {} and cannot be used", state.as_str()),
            ),
            Self::OutOfTerm => Text::new("不在授权的使用时限之内", "today lies outside the grant's term"),
            Self::Method => {
                Text::new("授权的共享方式不是服务接口", "the grant is for another way of supply than the interface")
            }
            Self::Purpose => {
                Text::new("用途与授权不一致（条例第二十五条）", "the purpose is not the one that was granted (art. 25)")
            }
            Self::CaseNumber { found } => Text::new(
                format!("须提供 1 至 {CASE_NUMBER_CHARACTERS_MAX} 字的办件编号，现为 {found} 字"),
                format!("a case number of 1 to {CASE_NUMBER_CHARACTERS_MAX} characters is needed, found {found}"),
            ),
            Self::Key { expected } => Text::new(
                format!("主键应有 {expected} 部分，每部分最多 {KEY_PART_BYTES_MAX} 字节"),
                format!("the key has {expected} part(s) of at most {KEY_PART_BYTES_MAX} bytes each"),
            ),
            Self::Quota { calls_per_day } => Text::new(
                format!("今日 {calls_per_day} 次调用额度已用完"),
                format!("today's {calls_per_day} calls are used up"),
            ),
        }
    }
}

impl Exchange {
    /// Answers a call for one record. Whatever fails, nothing leaves: a call is answered only after its
    /// use record is committed, and every committed record is entered in the ledger with its interval.
    ///
    /// # Errors
    /// [`ExchangeError::Refused`] with the reason; the lake or the store failed.
    pub async fn supply(&self, call: &Call<'_>, at: Timestamp) -> Result<Supplied, ExchangeError> {
        let found = self.store.token_find(call.token).await.map_err(failed("find an access token"))?;
        let token = found
            .filter(|token| token.revoked_at.is_none() && at < token.expires_at)
            .ok_or(ExchangeError::Refused { why: Refused::Token })?;
        let id = token.grant_id.as_deref().unwrap_or_default();
        let row = self.store.grant_find(id).await.map_err(failed("find a grant"))?;
        let grant = row
            .map(Grant::read)
            .transpose()?
            .filter(|grant| grant.grantee == token.department)
            .ok_or(ExchangeError::Refused { why: Refused::Token })?;
        check(call, &grant, at)?;

        let identifying = self.identifying(&grant).await?;
        let rights = grant.lookup_rights(&identifying)?;
        let unread = |source| ExchangeError::Lake { grant: grant.id.clone(), source: Box::new(source) };
        let table_version = self.lake.version(&rights.table).await.map_err(unread)?;
        let rights = yihe_lake::Rights { version: Some(table_version), ..rights };
        let answer = self.lake.lookup_granted(&rights, call.key).await.map_err(unread)?;
        let batches = self.without_protected(&grant, &identifying, answer.batches).await?;
        let batches = grant.cover(&identifying, batches)?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();

        let usage = UsageRow {
            id: self.store.new_id(at),
            grant_id: grant.id.clone(),
            entry: grant.entry.clone(),
            grantee: grant.grantee.clone(),
            token: token.id.clone(),
            door: call.door.as_str().to_owned(),
            purpose: grant.purpose.clone(),
            case_number: call.case_number.trim().to_owned(),
            looked_up: serde_json::to_string(call.key).expect("texts are always JSON"),
            columns: serde_json::to_string(&grant.columns).expect("texts are always JSON"),
            row_count: i64::try_from(rows).expect("an answer has at most a thousand rows"),
            table_version,
            at,
        };
        self.record_use(&grant, &usage, at).await?;
        Ok(Supplied { receipt: usage.id, grant: grant.id, entry: grant.entry, batches, rows, table_version })
    }

    /// Counts the call and writes its use record, unless the grant was suspended or used up meanwhile.
    async fn record_use(&self, grant: &Grant, usage: &UsageRow, at: Timestamp) -> Result<(), ExchangeError> {
        let mut tx = self.store.begin().await.map_err(failed("record a use"))?;
        let row = tx.grant_find(&grant.id).await.map_err(failed("find a grant"))?;
        let state = row.map(Grant::read).transpose()?.map_or(GrantState::Terminated, |grant| grant.state);
        if state != GrantState::Active {
            return Err(ExchangeError::Refused { why: Refused::NotInForce { state } });
        }
        let counted =
            tx.grant_count_call(&grant.id, local_day(at), grant.calls_per_day).await.map_err(failed("count a call"))?;
        if !counted {
            let why = Refused::Quota { calls_per_day: grant.calls_per_day };
            return Err(ExchangeError::Refused { why });
        }
        tx.usage_insert(usage).await.map_err(failed("record a use"))?;
        tx.commit().await.map_err(failed("record a use"))
    }
}

fn check(call: &Call<'_>, grant: &Grant, at: Timestamp) -> Result<(), ExchangeError> {
    let why = if call.resource != grant.entry && call.resource != grant.source.id() {
        Refused::Resource
    } else if grant.state != GrantState::Active {
        Refused::NotInForce { state: grant.state }
    } else if !(grant.valid_from..=grant.valid_until).contains(&local_day(at)) {
        Refused::OutOfTerm
    } else if grant.method != ShareMethod::Service {
        Refused::Method
    } else if call.purpose.is_some_and(|purpose| purpose.trim() != grant.purpose) {
        Refused::Purpose
    } else if !(1..=CASE_NUMBER_CHARACTERS_MAX).contains(&call.case_number.trim().chars().count()) {
        Refused::CaseNumber { found: call.case_number.trim().chars().count() }
    } else if call.key.len() != grant.key.len() || call.key.iter().any(|part| part.len() > KEY_PART_BYTES_MAX) {
        Refused::Key { expected: grant.key.len() }
    } else {
        return Ok(());
    };
    Err(ExchangeError::Refused { why })
}
