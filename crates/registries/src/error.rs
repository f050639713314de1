//! What can go wrong while a registry is built.

use yihe_definitions::Language;
use yihe_lake::LakeError;
use yihe_linkage::LinkageError;
use yihe_store::StoreError;

use crate::decide::Undecidable;

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
    /// A table that a theme reads, or the theme's own, is not there yet.
    #[error(
        "`{table}` of theme `{theme}` does not exist yet; collect, check and build what it is made of, then build it"
    )]
    NoSource {
        /// Theme.
        theme: String,
        /// Table.
        table: String,
    },
    /// A theme's query gives other columns than it declares.
    #[error("the query of theme `{theme}` gives the columns {found}, expected those declared: {expected}")]
    ThemeColumns {
        /// Theme.
        theme: String,
        /// Columns of the query.
        found: String,
        /// Columns declared.
        expected: String,
    },
    /// A value of a theme is not of the declared type, or a part of a key is missing.
    #[error("the query of theme `{theme}` gives a value that does not fit column `{column}`")]
    ThemeValue {
        /// Theme.
        theme: String,
        /// Column.
        column: String,
        /// Cause.
        source: arrow::error::ArrowError,
    },
    /// Two rows of a theme have one key.
    #[error("two rows of theme `{theme}` have the same {key}, expected one row for each")]
    ThemeKey {
        /// Theme.
        theme: String,
        /// Columns of the key.
        key: String,
    },
    /// A theme has more rows than one may have.
    #[error("theme `{theme}` has more than {most} rows")]
    ThemeTooLarge {
        /// Theme.
        theme: String,
        /// Bound.
        most: u64,
    },
    /// A key that cannot be one of the registry's.
    #[error("found a key that does not add up, expected one of registry `{registry}`")]
    Key {
        /// Registry.
        registry: String,
    },
    /// No such entity.
    #[error("registry `{registry}` has no such entity")]
    NoEntity {
        /// Registry.
        registry: String,
    },
    /// No such record.
    #[error("registry `{registry}` has no such record in dataset `{dataset}`, expected its business key")]
    NoRecord {
        /// Registry.
        registry: String,
        /// Dataset.
        dataset: String,
    },
    /// No decision of this identifier stands.
    #[error("no decision `{id}` stands in registry `{registry}`")]
    NoDecision {
        /// Registry.
        registry: String,
        /// Identifier.
        id: String,
    },
    /// A decision that stands says otherwise.
    #[error("decision `{id}` ({kind}) of {on} by {decided_by} stands against it; revoke that one first")]
    Contradicts {
        /// Registry.
        registry: String,
        /// The decision that stands.
        id: String,
        /// Its kind.
        kind: String,
        /// Who made it.
        decided_by: String,
        /// The day.
        on: String,
    },
    /// What is to be decided makes no sense.
    #[error("cannot be decided in registry `{registry}`: {}", why.words().1)]
    Undecidable {
        /// Registry.
        registry: String,
        /// Why.
        why: Undecidable,
    },
    /// A reason is missing or too long.
    #[error("found a reason of {found} characters, expected 1 to {most}")]
    Reason {
        /// Registry.
        registry: String,
        /// Characters found.
        found: usize,
        /// Bound.
        most: usize,
    },
    /// Nothing can be explained before the likely entities were looked for.
    #[error("registry `{registry}` has no list of candidates yet; run `yihe registry candidates {registry}`")]
    NoCandidates {
        /// Registry.
        registry: String,
    },
    /// The key under which a member hashes its numbers cannot be used.
    #[error("cannot use the key `{key}` under which dataset `{dataset}` of registry `{registry}` hashes its numbers")]
    HashKey {
        /// Registry.
        registry: String,
        /// Dataset.
        dataset: String,
        /// Name of the key.
        key: String,
        /// Cause; it tells nothing of the key.
        source: std::io::Error,
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
            return match self {
                Self::HashKey { source, .. } => format!("{self}: {source}"),
                _ => self.to_string(),
            };
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
            Self::NoSource { theme, table } => {
                format!("主题库“{theme}”的表 {table} 尚不存在；请先归集、检查并建好其来源，再建主题库。")
            }
            Self::ThemeColumns { theme, found, expected } => {
                format!("主题库“{theme}”的查询给出的列为 {found}，应为所声明的 {expected}。")
            }
            Self::ThemeValue { theme, column, source } => {
                format!("主题库“{theme}”的查询有与列 {column} 不符的值：{source}。")
            }
            Self::ThemeKey { theme, key } => {
                format!("主题库“{theme}”有两行的 {key} 相同；每个主键只应有一行，请在查询中汇总。")
            }
            Self::ThemeTooLarge { theme, most } => format!("主题库“{theme}”超过 {most} 行。"),
            Self::OtherShape { registry } => {
                format!("基础库“{registry}”的预演只能改变数源与成组，来源与字段须与现行定义一致。")
            }
            Self::TooLarge { registry, entities, most } => {
                format!("基础库“{registry}”有 {entities} 条记录，查找候选至多 {most} 条。")
            }
            Self::Linkage { registry, source } => {
                format!("基础库“{registry}”的无主键记录无法关联：{}。", source.chinese())
            }
            Self::HashKey { registry, dataset, key, source } => {
                format!("基础库“{registry}”的来源“{dataset}”以密钥 `{key}` 杂凑号码，该密钥不能用：{source}。")
            }
            Self::Key { registry } => format!("主键校验不符，应为基础库“{registry}”的主键。"),
            Self::NoEntity { registry } => format!("基础库“{registry}”中没有该实体。"),
            Self::NoRecord { registry, dataset } => {
                format!("基础库“{registry}”的来源“{dataset}”中没有该记录，应填业务主键。")
            }
            Self::NoDecision { registry, id } => format!("基础库“{registry}”中没有生效的认定 `{id}`。"),
            Self::Contradicts { id, kind, decided_by, on, .. } => {
                let kind = match kind.as_str() {
                    "join" => "并入",
                    "merge" => "合并",
                    "split" => "拆分",
                    _ => "不得关联",
                };
                format!("与 {on} {decided_by} 作出的认定 `{id}`（{kind}）相抵触，请先撤销该认定。")
            }
            Self::Undecidable { why, .. } => format!("无法认定：{}。", why.words().0),
            Self::Reason { found, most, .. } => format!("理由为 {found} 字，应为 1 至 {most} 字。"),
            Self::NoCandidates { registry } => {
                format!("基础库“{registry}”尚未查找候选，请先运行 `yihe registry candidates {registry}`。")
            }
            Self::Stopped { registry, detail } => format!("建库“{registry}”的工作线程中断：{detail}。请重新运行。"),
        }
    }
}
