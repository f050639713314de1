//! What can go wrong while a registry is built.

use yihe_definitions::Language;
use yihe_lake::LakeError;
use yihe_linkage::LinkageError;
use yihe_store::StoreError;

/// Why a registry was not built. The registry that stood before still stands.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The lake failed.
    #[error("failed to {action} for registry `{registry}`")]
    Lake {
        /// What was tried.
        action: &'static str,
        /// Registry.
        registry: String,
        /// Cause.
        source: LakeError,
    },
    /// The store failed.
    #[error("failed to record the build of registry `{registry}`")]
    Store {
        /// Registry.
        registry: String,
        /// Cause.
        source: StoreError,
    },
    /// Intermediate rows could not be written or read.
    #[error("failed to spool rows of registry `{registry}`")]
    Spool {
        /// Registry.
        registry: String,
        /// Cause.
        source: arrow::error::ArrowError,
    },
    /// Somebody else builds the same registry.
    #[error("registry `{registry}` is being built by {holder}; wait for it, its lease ends by itself")]
    Busy {
        /// Registry.
        registry: String,
        /// Who holds the build.
        holder: String,
    },
    /// A worker ended before its time.
    #[error("a worker building registry `{registry}` stopped: {detail}")]
    Stopped {
        /// Registry.
        registry: String,
        /// What is known.
        detail: String,
    },
    /// A definition to be tried has other members or fields than the one in force.
    #[error("a trial of registry `{registry}` may change authorities and groups, found other members or fields")]
    OtherShape {
        /// Registry.
        registry: String,
    },
    /// More golden records than one machine links at once.
    #[error("registry `{registry}` has {entities} records, expected at most {most} to look for candidates")]
    TooLarge {
        /// Registry.
        registry: String,
        /// Golden records.
        entities: u64,
        /// Bound.
        most: u64,
    },
    /// Records without a key could not be linked.
    #[error("failed to link records of registry `{registry}` that have no usable key")]
    Linkage {
        /// Registry.
        registry: String,
        /// Cause.
        source: LinkageError,
    },
}

impl RegistryError {
    /// The sentence people read.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        if language == Language::En {
            return self.to_string();
        }
        match self {
            Self::Lake { registry, source, .. } => {
                format!("建库“{registry}”时数据湖出错：{source}。原有基础库不受影响。")
            }
            Self::Store { registry, source } => format!("登记“{registry}”的建库结果失败：{source}。"),
            Self::Spool { registry, source } => format!("建库“{registry}”时暂存失败：{source}。请检查磁盘空间。"),
            Self::Busy { registry, holder } => {
                format!("基础库“{registry}”正由 {holder} 建设，请稍候；其租约到期会自动释放。")
            }
            Self::OtherShape { registry } => {
                format!("基础库“{registry}”的预演只能改变数源与成组，来源与字段须与现行定义一致。")
            }
            Self::TooLarge { registry, entities, most } => {
                format!("基础库“{registry}”有 {entities} 条记录，查找候选至多 {most} 条。")
            }
            Self::Linkage { registry, source } => {
                format!("基础库“{registry}”的无主键记录无法关联：{}。", source.chinese())
            }
            Self::Stopped { registry, detail } => format!("建库“{registry}”的工作线程中断：{detail}。请重新运行。"),
        }
    }
}
