//! What can go wrong in the catalogue, and what the reader is told.

use yihe_definitions::{Language, Text};
use yihe_docket::DocketError;
use yihe_store::{Role, StoreError};
use yihe_vocabulary::ResourceCodeDefect;

use crate::{entry::EntryState, procedure::EntryStep, validate::EntryFault};

/// A failure of the catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// No entry has this code, or the caller may not know of it.
    #[error("no catalogue entry has the code `{code}`")]
    NotFound {
        /// Resource code.
        code: String,
    },
    /// The step belongs to another role or department.
    #[error("the step {step} on `{code}` needs the role {role} in the department `{department}`")]
    NotAllowed {
        /// Resource code.
        code: String,
        /// What was tried.
        step: EntryStep,
        /// Role that may.
        role: Role,
        /// Department that may.
        department: String,
    },
    /// The step does not follow from where the entry stands.
    #[error("the step {step} cannot be taken on `{code}`, which is {}", .state.as_str())]
    WrongState {
        /// Resource code.
        code: String,
        /// What was tried.
        step: EntryStep,
        /// Where the entry stands.
        state: EntryState,
    },
    /// The entry does not say what the law demands; every fault is listed.
    #[error("the entry `{title}` has {} fault(s), the first: {}", .faults.len(), .faults[0].text().get(Language::En))]
    Faults {
        /// Title of the entry.
        title: String,
        /// All faults.
        faults: Vec<EntryFault>,
    },
    /// Returning and withdrawing need a reason.
    #[error("the step {step} on `{code}` needs a reason of 1 to {limit} characters, found {found}")]
    Reason {
        /// Resource code.
        code: String,
        /// What was tried.
        step: EntryStep,
        /// Characters found.
        found: usize,
        /// Most characters.
        limit: usize,
    },
    /// A department that no definition names.
    #[error("found the department `{department}` for `{source_id}`, expected one of the pack's departments")]
    UnknownDepartment {
        /// Department identifier.
        department: String,
        /// Dataset or registry.
        source_id: String,
    },
    /// The classification is none.
    #[error("the classification of `{title}` cannot be read")]
    Classification {
        /// Title of the entry.
        title: String,
        /// What is wrong with it.
        source: ResourceCodeDefect,
    },
    /// The sequence numbers of a classification are used up.
    #[error("the classification `{classification}` has no sequence number left, {limit} were given")]
    Serials {
        /// Digits of the classification.
        classification: String,
        /// The bound.
        limit: u32,
    },
    /// A search that is longer than is taken.
    #[error("found a search of {found} characters, at most {limit} are taken")]
    SearchLength {
        /// Characters found.
        found: usize,
        /// Most characters.
        limit: usize,
    },
    /// The stored entry cannot be read.
    #[error("the stored entry `{code}` has an unreadable {element}")]
    Corrupt {
        /// Resource code.
        code: String,
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
    #[error("failed to put `{code}` on the docket")]
    Docket {
        /// Resource code.
        code: String,
        /// What the docket said.
        source: Box<DocketError>,
    },
}

impl CatalogueError {
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
            Self::NotFound { .. }
            | Self::NotAllowed { .. }
            | Self::WrongState { .. }
            | Self::Faults { .. }
            | Self::Reason { .. }
            | Self::UnknownDepartment { .. }
            | Self::Classification { .. }
            | Self::Serials { .. }
            | Self::SearchLength { .. }
            | Self::Corrupt { .. } => false,
        }
    }

    fn text(&self) -> Text {
        let zh = match self {
            Self::NotFound { code } => format!("目录中没有代码为 {code} 的条目"),
            Self::NotAllowed { step, role, department, .. } => {
                format!("“{}”须由部门 {department} 的{}办理", step.title().zh, role.titles().0)
            }
            Self::WrongState { step, state, .. } => {
                format!("条目当前为“{}”，不能“{}”", state.title().zh, step.title().zh)
            }
            Self::Faults { title, faults } => {
                let list: Vec<String> = faults.iter().map(|fault| fault.text().zh).collect();
                format!("条目《{title}》有 {} 处不符合规定：{}", list.len(), list.join("；"))
            }
            Self::Reason { step, limit, found, .. } => {
                format!("“{}”须说明理由，1 至 {limit} 字，现为 {found} 字", step.title().zh)
            }
            Self::UnknownDepartment { department, source_id } => {
                format!("{source_id} 的提供单位 {department} 不在已导入的部门之中")
            }
            Self::Classification { title, .. } => {
                format!("条目《{title}》的分类无法识别，应为 类/项/目/细目，例如 1/01/001/02")
            }
            Self::Serials { classification, limit } => format!("分类 {classification} 的 {limit} 个顺序号已用完"),
            Self::SearchLength { found, limit } => format!("检索词共 {found} 字，最多 {limit} 字"),
            Self::Corrupt { code, element } => format!("条目 {code} 的 {element} 无法读取，可能被直接改动"),
            Self::Store { source, .. } => source.message(Language::Zh),
            Self::Docket { source, .. } => source.message(Language::Zh),
        };
        let en = match self {
            Self::Store { source, .. } => source.message(Language::En),
            Self::Docket { source, .. } => source.message(Language::En),
            Self::Faults { title, faults } => {
                let list: Vec<String> = faults.iter().map(|fault| fault.text().get(Language::En).to_owned()).collect();
                format!("the entry `{title}` has {} fault(s): {}", list.len(), list.join("; "))
            }
            other => other.to_string(),
        };
        Text::new(zh, en)
    }
}
