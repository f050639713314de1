//! What can go wrong with metadata, and what the reader is told.

use yihe_definitions::Language;

/// A failure of the metadata store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached or created.
    #[error("failed to open the metadata store at `{url}`")]
    Open {
        /// Address without its password.
        url: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The address names a database that is not supported.
    #[error("found the store address `{found}`, expected `sqlite:<path>` or `postgres://…`")]
    Address {
        /// The address without its password.
        found: String,
    },
    /// The database refused or broke off.
    #[error("failed to {action}")]
    Database {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// Somebody else changed the object first; reading it again and repeating is safe.
    #[error("`{object}` was changed by somebody else meanwhile: expected version {expected}")]
    Conflict {
        /// The object, `kind/id`.
        object: String,
        /// The version that was read.
        expected: i64,
    },
    /// The object is in another state than the step needs.
    #[error("`{object}` is not in the expected state: expected {expected}")]
    State {
        /// The object, `kind/id`.
        object: String,
        /// The state that the step needs.
        expected: &'static str,
    },
    /// An object with this identity exists already.
    #[error("`{object}` exists already")]
    Duplicate {
        /// The object, `kind/id`.
        object: String,
    },
    /// A cell holds what no version of this program writes.
    #[error("column `{column}` holds `{found}`, expected {expected}")]
    Corrupt {
        /// Column name.
        column: String,
        /// What was found, shortened.
        found: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// A list or text is longer than the store takes.
    #[error("found {found} {what}, at most {limit} are taken")]
    Bound {
        /// What was counted.
        what: &'static str,
        /// How many there were.
        found: usize,
        /// How many are taken.
        limit: usize,
    },
    /// The change cannot be told to the ledger, so it was not made.
    #[error("the change of `{object}` has no place in the ledger: {why}")]
    Unsealable {
        /// The object.
        object: String,
        /// What the ledger demands.
        why: String,
    },
    /// The account holds another of the three offices (三员分立).
    #[error("account `{account}` holds the office `{held}` and cannot also hold `{wanted}`")]
    Offices {
        /// Account identifier.
        account: String,
        /// The office it holds.
        held: String,
        /// The office that was to be given.
        wanted: String,
    },
    /// A migration was changed after it had been applied.
    #[error("migration {number} was applied with checksum `{found}`, this program has `{expected}`")]
    MigrationChanged {
        /// Migration number.
        number: i64,
        /// Checksum in the database.
        found: String,
        /// Checksum of the embedded text.
        expected: String,
    },
    /// The database was written by a later release.
    #[error("the database is at migration {found}, this program knows {known}; a later release is needed")]
    MigrationUnknown {
        /// Migration of the database.
        found: i64,
        /// Last migration of this program.
        known: i64,
    },
}

impl StoreError {
    /// The sentence a person reads.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        match language {
            Language::En => self.to_string(),
            Language::Zh => match self {
                Self::Open { url, .. } => format!("无法打开元数据库 `{url}`"),
                Self::Address { found } => format!("元数据库地址为 `{found}`，应为 `sqlite:<路径>` 或 `postgres://…`"),
                Self::Database { .. } => "元数据库未能完成操作，请稍后重试；原因见日志".to_owned(),
                Self::Conflict { object, .. } => format!("`{object}` 刚被他人修改，请刷新后重试"),
                Self::State { object, .. } => format!("`{object}` 当前状态不允许此操作，请刷新后查看"),
                Self::Duplicate { object } => format!("`{object}` 已经存在"),
                Self::Corrupt { column, found, .. } => {
                    format!("元数据列 `{column}` 的值 `{found}` 不符合预期，可能被直接改动")
                }
                Self::Bound { found, limit, .. } => format!("数量为 {found}，最多允许 {limit}"),
                Self::Unsealable { object, .. } => format!("`{object}` 的变更无法登记入账本，未予保存"),
                Self::Offices { account, held, wanted } => {
                    format!("账号 `{account}` 已任 `{held}` 管理员，不能兼任 `{wanted}` 管理员（三员分立）")
                }
                Self::MigrationChanged { number, .. } => format!("第 {number} 号数据库迁移与已执行的内容不一致"),
                Self::MigrationUnknown { found, known } => {
                    format!("元数据库版本为 {found}，本程序只认识到 {known}，请使用更新的程序")
                }
            },
        }
    }

    /// Whether reading again and repeating may succeed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

/// Wraps a database failure with what was being done.
pub(crate) fn failed(action: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { action, source }
}

/// Wraps a failed insert: a broken uniqueness rule means that `object` exists.
pub(crate) fn insert_failed(action: &'static str, object: String) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| {
        let duplicate = source.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
        if duplicate { StoreError::Duplicate { object } } else { StoreError::Database { action, source } }
    }
}
