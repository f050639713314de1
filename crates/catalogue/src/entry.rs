//! A catalogue entry.

use jiff::Timestamp;
use yihe_definitions::{ColumnType, OpenAttribute, Sensitivity, ShareMethod, Sharing, Text, UpdateCycle};
use yihe_vocabulary::{Classification, ResourceCode};

/// An entry (目录条目): the 13 core elements of 1272号 and what art. 13 demands beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// 信息资源代码. Given when the entry is first compiled; never changes and is never used again.
    pub code: ResourceCode,
    /// The dataset or registry it describes.
    pub source: EntrySource,
    /// 信息资源分类
    pub classification: Classification,
    /// 信息资源名称
    pub title: Text,
    /// 信息资源提供方: identifier of the department.
    pub department: String,
    /// Its official name.
    pub department_name: Text,
    /// 信息资源提供方代码: unified social credit code.
    pub department_code: String,
    /// 信息资源摘要
    pub summary: Text,
    /// 信息资源格式
    pub format: Format,
    /// 信息项信息, in the promised order.
    pub items: Vec<EntryItem>,
    /// Names of the items that identify a record; the key of a look-up.
    pub key: Vec<String>,
    /// 共享属性 (art. 14 and 15).
    pub sharing: Sharing,
    /// 共享方式 (art. 22); none when withheld.
    pub methods: Vec<ShareMethod>,
    /// 开放属性
    pub open: OpenAttribute,
    /// 更新周期
    pub update_cycle: UpdateCycle,
    /// 数据分类分级 (art. 13).
    pub grade: Text,
    /// Both assessments of art. 13 were made and allow filing.
    pub secrecy_assessed: bool,
    /// The personal-information impact assessment (PIPL, art. 55).
    pub privacy_assessed: bool,
    /// 关联资源代码
    pub related: Vec<ResourceCode>,
    /// Where the working draft stands.
    pub state: EntryState,
    /// Why it was returned or withdrawn.
    pub reason: Option<String>,
    /// 发布日期; `None` while it is not announced.
    pub published_at: Option<Timestamp>,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Grows with every change; a change names the version that was read.
    pub version: i64,
}

/// What an entry describes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntrySource {
    /// A department's dataset: its checked table.
    Dataset(String),
    /// A base registry, or a theme by the name of its table: its table in the zone of the registries.
    Registry(String),
}

impl EntrySource {
    /// `dataset` or `registry`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dataset(_) => "dataset",
            Self::Registry(_) => "registry",
        }
    }

    /// Identifier within the kind.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Dataset(id) | Self::Registry(id) => id,
        }
    }
}

/// One item (信息项).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryItem {
    /// Column name in tables and the API.
    pub name: String,
    /// Title people read.
    pub title: Text,
    /// Value type.
    pub column_type: ColumnType,
    /// How sensitive a value is; decides the mask under which it is shared.
    pub sensitivity: Sensitivity,
    /// Code table whose codes the values are.
    pub codes: Option<String>,
}

/// 信息资源格式, by main kind (1272号).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 电子文件
    File,
    /// 电子表格
    Spreadsheet,
    /// 数据库
    Database,
}

impl Format {
    /// The word in the stored form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Spreadsheet => "spreadsheet",
            Self::Database => "database",
        }
    }
}

/// Where an entry's working draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// 草稿
    Draft,
    /// 待部门审签
    AwaitingSignature,
    /// 待审核
    AwaitingReview,
    /// 已发布
    Published,
    /// 退回
    Returned,
    /// 停用
    Withdrawn,
}

impl EntryState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Draft, Self::AwaitingSignature, Self::AwaitingReview, Self::Published, Self::Returned, Self::Withdrawn];

    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::AwaitingSignature => "awaiting_signature",
            Self::AwaitingReview => "awaiting_review",
            Self::Published => "published",
            Self::Returned => "returned",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What people read.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Draft => Text::new("草稿", "draft"),
            Self::AwaitingSignature => Text::new("待部门审签", "awaiting the head's signature"),
            Self::AwaitingReview => Text::new("待审核", "awaiting review"),
            Self::Published => Text::new("已发布", "published"),
            Self::Returned => Text::new("已退回", "returned"),
            Self::Withdrawn => Text::new("已停用", "withdrawn"),
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
