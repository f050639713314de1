//! What can go wrong in the exchange, and what the reader is told.

use arrow::error::ArrowError;
use jiff::civil::Date;
use yihe_catalogue::CatalogueError;
use yihe_definitions::{Language, Text};
use yihe_docket::DocketError;
use yihe_lake::LakeError;
use yihe_ledger::error::LedgerError;
use yihe_store::{Role, StoreError};

use crate::{
    application::ApplicationFault, grant::GrantState, oversight::GrantStep, procedure::RequestStep,
    request::RequestState, supply::Refused,
};

/// A failure of the exchange.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No request has this identifier, or the caller may not know of it.
    #[error("there is no share request `{request}`")]
    NotFound {
        /// Request.
        request: String,
    },
    /// No grant has this identifier, or the caller may not know of it.
    #[error("there is no grant `{grant}`")]
    GrantNotFound {
        /// Grant.
        grant: String,
    },
    /// No announced entry has this code.
    #[error("no announced catalogue entry has the code `{entry}`")]
    EntryNotFound {
        /// Resource code.
        entry: String,
    },
    /// A department asks for its own data.
    #[error("the entry `{entry}` is the department's own, expected another's")]
    OwnData {
        /// Resource code.
        entry: String,
    },
    /// The step belongs to another role or department.
    #[error("the step `{}` needs the role {role} in the department `{department}`", .step.get(Language::En))]
    NotAllowed {
        /// What was tried.
        step: Text,
        /// Role that may.
        role: Role,
        /// Department that may.
        department: String,
    },
    /// The step does not follow from where the request stands.
    #[error("the step `{step}` cannot be taken on the request `{request}`, which is {}", .state.as_str())]
    WrongState {
        /// Request.
        request: String,
        /// What was tried.
        step: RequestStep,
        /// Where it stands.
        state: RequestState,
    },
    /// The step does not follow from where the grant stands.
    #[error("the step `{step}` cannot be taken on the grant `{grant}`, which is {}", .state.as_str())]
    GrantState {
        /// Grant.
        grant: String,
        /// What was tried.
        step: GrantStep,
        /// Where it stands.
        state: GrantState,
    },
    /// The grant cannot be used now.
    #[error("the grant `{grant}` is {} or past its last day, expected one in force", .state.as_str())]
    GrantNotActive {
        /// Grant.
        grant: String,
        /// Where it stands.
        state: GrantState,
    },
    /// The application does not say what the law demands; every fault is listed.
    #[error("the application has {} fault(s), the first: {}", .faults.len(), .faults[0].text().get(Language::En))]
    Faults {
        /// All faults.
        faults: Vec<ApplicationFault>,
    },
    /// A statement is missing or too long.
    #[error("found a {what} of {found} characters, expected 1 to {limit}")]
    Statement {
        /// Which statement.
        what: &'static str,
        /// Characters found.
        found: usize,
        /// Most characters.
        limit: usize,
    },
    /// A second notice (art. 21 allows one).
    #[error("the one notice on the request `{request}` was sent on {sent_on}; a second is not allowed (art. 21)")]
    SecondNotice {
        /// Request.
        request: String,
        /// Day of the first.
        sent_on: Date,
    },
    /// A notice without anything missing, or with too much.
    #[error("found {found} missing things in the notice, expected 1 to {limit}")]
    Missing {
        /// Things found.
        found: usize,
        /// Most things.
        limit: usize,
    },
    /// An extension that the law does not allow: of a one-day term, for the second time, or too long.
    #[error(
        "found an extension by {found} days for the request `{request}`, expected one of 1 to {limit} working days, once, for data shared on conditions"
    )]
    Extension {
        /// Request.
        request: String,
        /// Working days asked for.
        found: u32,
        /// Most working days.
        limit: u32,
    },
    /// No extension waits for consent.
    #[error("no extension of the request `{request}` waits for consent")]
    NoExtension {
        /// Request.
        request: String,
    },
    /// The answer grants more than was applied for.
    #[error("the answer to the request `{request}` grants more {what} than were applied for")]
    BeyondApplication {
        /// Request.
        request: String,
        /// What is beyond.
        what: &'static str,
    },
    /// A rule demands entries that the ledger does not hold yet.
    #[error("the supply cannot begin: the ledger does not hold {} yet", .missing.join(", "))]
    NotProven {
        /// Kinds of entries that are missing.
        missing: Vec<String>,
    },
    /// What a rule demands was entered, and undone since.
    #[error("the supply cannot begin: entry {index} (`{kind}`) came after what it would rest on")]
    Undone {
        /// Kind of the entry that undid it.
        kind: String,
        /// Its index.
        index: u64,
    },
    /// The ledger could not be read.
    #[error("failed to look for proof in the ledger")]
    Ledger {
        /// What the ledger said.
        source: Box<LedgerError>,
    },
    /// A call that is not answered.
    #[error("the call is refused: {}", .why.text().get(Language::En))]
    Refused {
        /// Why.
        why: Refused,
    },
    /// The stored object cannot be read.
    #[error("the stored {object} has an unreadable {element}")]
    Corrupt {
        /// Kind and identifier.
        object: String,
        /// Which part.
        element: &'static str,
    },
    /// The store failed, or somebody else was quicker.
    #[error("failed to {action}")]
    Store {
        /// What was being done.
        action: &'static str,
        /// What the store said.
        source: StoreError,
    },
    /// The docket failed.
    #[error("failed to put the request `{request}` on the docket")]
    Docket {
        /// Request.
        request: String,
        /// What the docket said.
        source: Box<DocketError>,
    },
    /// The catalogue failed.
    #[error("failed to read the catalogue entry `{entry}`")]
    Catalogue {
        /// Resource code.
        entry: String,
        /// What the catalogue said.
        source: Box<CatalogueError>,
    },
    /// What was read could not be cut to the grant; nothing was answered.
    #[error("failed to cut an answer to the grant `{grant}`")]
    Answer {
        /// Grant.
        grant: String,
        /// What the columns said.
        source: ArrowError,
    },
    /// The lake failed; nothing was answered.
    #[error("failed to read under the grant `{grant}`")]
    Lake {
        /// Grant.
        grant: String,
        /// What the lake said.
        source: Box<LakeError>,
    },
}

impl ExchangeError {
    /// The sentence a person reads.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        self.text().get(language).to_owned()
    }

    /// Whether somebody else was quicker: reading again and repeating may succeed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Store { source, .. } => source.is_conflict(),
            Self::Docket { source, .. } => source.is_conflict(),
            Self::Catalogue { source, .. } => source.is_conflict(),
            _ => false,
        }
    }

    fn text(&self) -> Text {
        let zh = match self {
            Self::NotFound { .. } => "没有这份共享申请".to_owned(),
            Self::GrantNotFound { .. } => "没有这项授权".to_owned(),
            Self::EntryNotFound { entry } => format!("目录中没有已发布的条目 {entry}"),
            Self::OwnData { .. } => "这是本部门提供的数据，无需申请共享".to_owned(),
            Self::NotAllowed { step, role, department } => {
                format!("“{}”须由部门 {department} 的{}办理", step.zh, role.titles().0)
            }
            Self::WrongState { step, state, .. } => {
                format!("申请当前为“{}”，不能“{}”", state.title().zh, step.title().zh)
            }
            Self::GrantState { step, state, .. } => {
                format!("授权当前为“{}”，不能“{}”", state.title().zh, step.title().zh)
            }
            Self::GrantNotActive { state, .. } => {
                format!("授权当前为“{}”或者已过使用时限", state.title().zh)
            }
            Self::Faults { faults } => {
                let list: Vec<String> = faults.iter().map(|fault| fault.text().zh).collect();
                format!("申请有 {} 处须补充或更正：{}", list.len(), list.join("；"))
            }
            Self::Statement { found, limit, .. } => format!("说明应为 1 至 {limit} 字，现为 {found} 字"),
            Self::SecondNotice { sent_on, .. } => {
                format!("已于 {sent_on} 一次性告知补正，不得再次告知（条例第二十一条）")
            }
            Self::Missing { found, limit } => format!("补正事项应为 1 至 {limit} 项，现为 {found} 项"),
            Self::Extension { found, limit, .. } => format!(
                "申请延期 {found} 个工作日不符合规定：仅有条件共享的答复可延期一次，最多 {limit} 个工作日（条例第二十一条）"
            ),
            Self::NoExtension { .. } => "没有待同意的延期申请".to_owned(),
            Self::BeyondApplication { .. } => "答复超出了申请的范围".to_owned(),
            Self::NotProven { missing } => {
                format!("账本中还没有 {}，不能开通供数；登记通常在一秒内完成，请稍后再试", missing.join("、"))
            }
            Self::Undone { kind, index } => format!("第 {index} 号登记（{kind}）已在其后撤销，不能开通供数"),
            Self::Ledger { .. } => "读取账本失败，未作任何改动；原因见日志".to_owned(),
            Self::Refused { why } => why.text().zh,
            Self::Corrupt { .. } => "存储的内容无法读取，可能被直接改动".to_owned(),
            Self::Store { source, .. } => source.message(Language::Zh),
            Self::Docket { source, .. } => source.message(Language::Zh),
            Self::Catalogue { source, .. } => source.message(Language::Zh),
            Self::Lake { .. } | Self::Answer { .. } => "读取数据失败，未提供任何内容；原因见日志".to_owned(),
        };
        let en = match self {
            Self::Faults { faults } => {
                let list: Vec<String> = faults.iter().map(|fault| fault.text().get(Language::En).to_owned()).collect();
                format!("the application has {} fault(s): {}", list.len(), list.join("; "))
            }
            Self::Store { source, .. } => source.message(Language::En),
            Self::Docket { source, .. } => source.message(Language::En),
            Self::Catalogue { source, .. } => source.message(Language::En),
            other => other.to_string(),
        };
        Text::new(zh, en)
    }
}
