//! A share request: the application, the notice, the answer, and where it stands.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use yihe_definitions::Text;
use yihe_store::RequestRow;

use crate::{
    application::{Application, Condition},
    error::ExchangeError,
    release::Released,
};

/// A share request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Identifier.
    pub id: String,
    /// Code of the catalogue entry.
    pub entry: String,
    /// Requesting department.
    pub requester: String,
    /// Providing department.
    pub provider: String,
    /// Where it stands.
    pub state: RequestState,
    /// What is applied for.
    pub application: Application,
    /// Whether the entry was conditional when the request was drafted: decides the term of the answer.
    pub conditional: bool,
    /// The one notice of what is missing (art. 21).
    pub notice: Option<Notice>,
    /// The extension of the answer's term (art. 21).
    pub extension: Option<Extension>,
    /// The provider's answer, proposed or signed.
    pub answer: Option<Answer>,
    /// Why it was last sent back or withdrawn.
    pub reason: Option<String>,
    /// The entries of the ledger on which its supply rests, when a rule demands them.
    pub release: Option<Released>,
    /// Account that drafted it.
    pub created_by: String,
    /// When it was drafted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Grows with every change; a change names the version that was read.
    pub version: i64,
}

/// The one notice (art. 21): it lists everything missing, and no second one may follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Everything that is missing.
    pub missing: Vec<String>,
    /// Day of the notice.
    pub sent_on: Date,
    /// Day on which the completed request came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_on: Option<Date>,
}

/// An extension of the answer's term (art. 21): asked for once by the provider, given by the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Working days.
    pub days: u32,
    /// Why.
    pub reason: String,
    /// Whether the authority has consented.
    pub consented: bool,
}

/// The provider's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// 同意
    Consent(Consent),
    /// 不同意
    Refusal(Refusal),
}

/// What is granted: never more than was applied for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Items granted.
    pub columns: Vec<String>,
    /// Rows granted: the application's conditions and these.
    #[serde(default)]
    pub rows: Vec<Condition>,
    /// Items granted without their mask.
    #[serde(default)]
    pub unmasked: Vec<String>,
    /// Last day.
    pub until: Date,
    /// Calls per day.
    pub calls_per_day: i64,
}

impl Consent {
    /// Everything that was applied for.
    #[must_use]
    pub fn to_all(application: &Application) -> Self {
        Self {
            columns: application.columns.clone(),
            rows: Vec::new(),
            unmasked: application.unmasked.iter().map(|unmasking| unmasking.column.clone()).collect(),
            until: application.until,
            calls_per_day: application.calls_per_day,
        }
    }
}

/// A refusal cannot be expressed without reasons and a legal basis (art. 21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// 理由
    pub reasons: String,
    /// 依据
    pub legal_basis: String,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestState {
    /// 草稿
    Draft,
    /// 待申请部门审签
    AwaitingSignature,
    /// 待主管部门审查
    AwaitingCheck,
    /// 待补正
    Incomplete,
    /// 待提供部门答复
    AwaitingAnswer,
    /// 待提供部门审签
    AwaitingCountersignature,
    /// 已同意，待提供
    Consented,
    /// 已提供
    Supplied,
    /// 不同意
    Refused,
    /// 已撤回
    Withdrawn,
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Draft,
        Self::AwaitingSignature,
        Self::AwaitingCheck,
        Self::Incomplete,
        Self::AwaitingAnswer,
        Self::AwaitingCountersignature,
        Self::Consented,
        Self::Supplied,
        Self::Refused,
        Self::Withdrawn,
    ];

    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::AwaitingSignature => "awaiting_signature",
            Self::AwaitingCheck => "awaiting_check",
            Self::Incomplete => "incomplete",
            Self::AwaitingAnswer => "awaiting_answer",
            Self::AwaitingCountersignature => "awaiting_countersignature",
            Self::Consented => "consented",
            Self::Supplied => "supplied",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What people read.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Draft => Text::new("草稿", "draft"),
            Self::AwaitingSignature => Text::new("待申请部门审签", "awaiting the requester's signature"),
            Self::AwaitingCheck => Text::new("待主管部门审查", "awaiting the authority's check"),
            Self::Incomplete => Text::new("待补正", "to be completed"),
            Self::AwaitingAnswer => Text::new("待提供部门答复", "awaiting the provider's answer"),
            Self::AwaitingCountersignature => Text::new("待提供部门审签", "awaiting the provider's signature"),
            Self::Consented => Text::new("已同意，待提供", "consented, to be supplied"),
            Self::Supplied => Text::new("已提供", "supplied"),
            Self::Refused => Text::new("不同意", "refused"),
            Self::Withdrawn => Text::new("已撤回", "withdrawn"),
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// The body of a request's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    application: Application,
    conditional: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice: Option<Notice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extension: Option<Extension>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<Released>,
}

impl Request {
    pub(crate) fn read(row: RequestRow) -> Result<Self, ExchangeError> {
        let corrupt = |element| ExchangeError::Corrupt { object: format!("request {}", row.id), element };
        let body: Body = serde_json::from_str(&row.body).map_err(|_| corrupt("body"))?;
        let state = RequestState::parse(&row.state).ok_or_else(|| corrupt("state"))?;
        Ok(Self {
            state,
            application: body.application,
            conditional: body.conditional,
            notice: body.notice,
            extension: body.extension,
            answer: body.answer,
            reason: body.reason,
            release: body.release,
            id: row.id,
            entry: row.entry,
            requester: row.requester,
            provider: row.provider,
            created_by: row.created_by,
            created_at: row.created_at,
            changed_at: row.changed_at,
            version: row.version,
        })
    }

    pub(crate) fn row(&self) -> RequestRow {
        let body = Body {
            application: self.application.clone(),
            conditional: self.conditional,
            notice: self.notice.clone(),
            extension: self.extension.clone(),
            answer: self.answer.clone(),
            reason: self.reason.clone(),
            release: self.release.clone(),
        };
        RequestRow {
            id: self.id.clone(),
            entry: self.entry.clone(),
            requester: self.requester.clone(),
            provider: self.provider.clone(),
            state: self.state.as_str().to_owned(),
            body: serde_json::to_string(&body).expect("texts, lists and days are always JSON"),
            created_by: self.created_by.clone(),
            created_at: self.created_at,
            changed_at: self.changed_at,
            version: self.version,
        }
    }
}
