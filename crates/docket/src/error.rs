//! What can go wrong on the docket, and what the reader is told.

use yihe_definitions::Language;
use yihe_store::StoreError;
use yihe_vocabulary::working_days::CalendarError;

/// A failure of the docket.
#[derive(Debug, thiserror::Error)]
pub enum DocketError {
    /// The store failed, or somebody else was quicker.
    #[error("failed to {action} the docket item of `{subject}`")]
    Store {
        /// What was being done.
        action: &'static str,
        /// The object the item is about.
        subject: String,
        /// What the store said.
        source: Box<StoreError>,
    },
    /// A list could not be read.
    #[error("failed to read the worklist")]
    Worklist {
        /// What the store said.
        source: Box<StoreError>,
    },
    /// The working-day calendar cannot answer: an alarm for the administrator.
    #[error("the term of `{subject}` cannot be counted")]
    Calendar {
        /// The object the item is about.
        subject: String,
        /// Which year is missing.
        source: CalendarError,
    },
    /// Nothing waits in this procedure.
    #[error("`{subject}` has no open item in the procedure `{procedure}`")]
    NotOpen {
        /// Procedure.
        procedure: String,
        /// The object.
        subject: String,
    },
    /// The clock stands still already.
    #[error("the clock of `{subject}` stands still already")]
    AlreadyStopped {
        /// The object.
        subject: String,
    },
    /// The clock runs.
    #[error("the clock of `{subject}` is running, expected it to stand still")]
    NotStopped {
        /// The object.
        subject: String,
    },
    /// No term runs that could be stopped or extended.
    #[error("no term runs for `{subject}`")]
    Untimed {
        /// The object.
        subject: String,
    },
    /// Longer than the law allows.
    #[error("found an extension by {found} working days for `{subject}`, at most {limit} are left")]
    Extension {
        /// The object.
        subject: String,
        /// Working days asked for.
        found: u32,
        /// Working days that may still be given.
        limit: u32,
    },
    /// The clock was stopped too often.
    #[error("the clock of `{subject}` was stopped {limit} times, the most allowed")]
    Stops {
        /// The object.
        subject: String,
        /// The bound.
        limit: usize,
    },
    /// The row's clock cannot be read.
    #[error("the clock of `{subject}` holds `{found}`, expected a list of stops")]
    Corrupt {
        /// The object.
        subject: String,
        /// What was found.
        found: String,
    },
}

impl DocketError {
    /// The sentence a person reads.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        match (language, self) {
            (_, Self::Store { source, .. } | Self::Worklist { source }) => source.message(language),
            (Language::En, _) => self.to_string(),
            (Language::Zh, Self::Calendar { source: CalendarError::MissingYear { year }, .. }) => {
                format!("工作日历缺少 {year} 年的安排，无法计算期限；请管理员导入国务院办公厅当年的放假通知")
            }
            (Language::Zh, Self::Calendar { source: CalendarError::TooLong { found }, .. }) => {
                format!("期限 {found} 个工作日超出可计算的范围")
            }
            (Language::Zh, Self::NotOpen { .. }) => "该事项当前没有待办，可能已被他人办理".to_owned(),
            (Language::Zh, Self::AlreadyStopped { .. }) => "该事项的计时已经中止".to_owned(),
            (Language::Zh, Self::NotStopped { .. }) => "该事项的计时并未中止".to_owned(),
            (Language::Zh, Self::Untimed { .. }) => "该事项当前没有法定期限在计时".to_owned(),
            (Language::Zh, Self::Extension { found, limit, .. }) => {
                format!("申请延长 {found} 个工作日，最多还可延长 {limit} 个工作日")
            }
            (Language::Zh, Self::Stops { limit, .. }) => format!("计时已中止 {limit} 次，不能再次中止"),
            (Language::Zh, Self::Corrupt { .. }) => "待办事项的计时数据不符合预期，可能被直接改动".to_owned(),
        }
    }

    /// Whether somebody else was quicker: reading again and repeating may succeed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Store { source, .. } if source.is_conflict())
    }
}
