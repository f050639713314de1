//! What can go wrong with a delivery, told to the department in its language.

use yihe_definitions::Language;

/// Why a delivery was not landed. A refused file stays where it is and nothing of it is landed.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The file cannot be opened or read.
    #[error("failed to read {path}")]
    Read {
        /// File name below the inbox.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The bytes are not of the declared encoding.
    #[error("line {line}: bytes {bytes} are not {expected}")]
    Encoding {
        /// 1-based line.
        line: u64,
        /// The bytes, in hexadecimal.
        bytes: String,
        /// The encoding.
        expected: &'static str,
    },
    /// The file is in another encoding than declared.
    #[error("the file is {found}, the dataset declares {expected}")]
    OtherEncoding {
        /// What it is.
        found: &'static str,
        /// What was declared.
        expected: &'static str,
    },
    /// A record is longer than the bound.
    #[error("line {line}: found a record of more than {limit} bytes, expected a line break or a closing quote before")]
    RecordTooLong {
        /// 1-based line where it begins.
        line: u64,
        /// The bound in bytes.
        limit: usize,
    },
    /// A record has more fields than the bound.
    #[error("line {line}: found more than {limit} fields")]
    TooManyFields {
        /// 1-based line.
        line: u64,
        /// The bound.
        limit: usize,
    },
    /// The file has no header line.
    #[error("found no header line, expected one with {expected}")]
    NoHeader {
        /// Titles of the dataset's columns.
        expected: String,
    },
    /// A header names no column of the dataset.
    #[error("line {line}, column {position}: found header \"{found}\", expected one of: {expected}")]
    UnknownColumn {
        /// 1-based line of the header.
        line: u64,
        /// 1-based position.
        position: usize,
        /// The header.
        found: String,
        /// Titles of the dataset's columns.
        expected: String,
    },
    /// A header stands twice.
    #[error("line {line}, column {position}: header \"{found}\" stands twice")]
    ColumnTwice {
        /// 1-based line of the header.
        line: u64,
        /// 1-based position of the second.
        position: usize,
        /// The header.
        found: String,
    },
    /// A column without which no row fits is not in the file.
    #[error("line {line}: found no column \"{column}\", which is required")]
    RequiredColumnAbsent {
        /// 1-based line of the header.
        line: u64,
        /// Title of the column.
        column: String,
    },
    /// The workbook is not one, or is damaged.
    #[error("the workbook cannot be read: {detail}")]
    Workbook {
        /// What the reader says.
        detail: String,
    },
    /// Unpacked, the workbook passes the bound.
    #[error("the workbook unpacks to more than {limit} bytes (part {part})")]
    WorkbookTooLarge {
        /// Part of the package.
        part: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// The sheet is not there.
    #[error("found no sheet \"{sheet}\", the workbook has: {present}")]
    NoSheet {
        /// The sheet.
        sheet: String,
        /// The sheets that are there.
        present: String,
    },
    /// The Parquet file is not one, or is cut short.
    #[error("the Parquet file cannot be read: {detail}")]
    Parquet {
        /// What the reader says.
        detail: String,
    },
    /// A connection that a dataset names is not configured.
    #[error("dataset `{dataset}` reads from connection `{connection}`, which the configuration does not name")]
    NoConnection {
        /// Dataset.
        dataset: String,
        /// Connection.
        connection: String,
    },
    /// A foreign database failed.
    #[error("failed to read table {table} of connection `{connection}`")]
    Database {
        /// Connection.
        connection: String,
        /// Table.
        table: String,
        /// Cause.
        source: sqlx::Error,
    },
    /// The disk is full.
    #[error("the disk is full; nothing of this delivery was landed")]
    DiskFull,
    /// The lake refused.
    #[error("failed to land the batch")]
    Lake(#[source] yihe_lake::LakeError),
    /// The metadata store refused.
    #[error("failed to record the batch")]
    Store(#[source] yihe_store::StoreError),
    /// A worker of ours ended before its time.
    #[error("the reader of the file stopped: {detail}")]
    Stopped {
        /// What is known.
        detail: String,
    },
}

impl CollectError {
    /// The sentence that the department reads: what happened, where, what was expected, what to do.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        if language == Language::En {
            return format!("{self}. {}", self.advice_en());
        }
        match self {
            Self::Read { path, source } => {
                format!("无法读取文件 {path}：{source}。请检查文件是否存在、是否有读取权限。")
            }
            Self::Encoding { line, bytes, expected } => {
                format!("第 {line} 行：字节 {bytes} 不是 {expected} 编码。请以 UTF-8 或 GB18030 重新导出。")
            }
            Self::OtherEncoding { found, expected } => {
                format!("文件实为 {found} 编码，数据集登记为 {expected}。请更正登记（source.encoding）或重新导出。")
            }
            Self::RecordTooLong { line, limit } => {
                format!("第 {line} 行：一条记录超过 {limit} 字节仍未结束；应在此前换行或闭合引号。请检查该行的引号。")
            }
            Self::TooManyFields { line, limit } => format!("第 {line} 行：超过 {limit} 个字段。请检查分隔符。"),
            Self::NoHeader { expected } => format!("没有找到表头；应含：{expected}。"),
            Self::UnknownColumn { line, position, found, expected } => format!(
                "第 {line} 行第 {position} 列：表头“{found}”不在登记的列中；应为：{expected}。请更正表头，或先在数据集中登记该列。"
            ),
            Self::ColumnTwice { line, position, found } => format!("第 {line} 行第 {position} 列：表头“{found}”重复。"),
            Self::RequiredColumnAbsent { line, column } => {
                format!("第 {line} 行：缺少必填列“{column}”。请补齐后重新报送。")
            }
            Self::Workbook { detail } => format!("工作簿无法读取：{detail}。请用表格软件重新另存为 xlsx。"),
            Self::WorkbookTooLarge { part, limit } => {
                format!("工作簿解压后超过 {limit} 字节（{part}）。请分成多个文件，或改用 CSV、Parquet 报送。")
            }
            Self::NoSheet { sheet, present } => format!("没有工作表“{sheet}”；现有：{present}。"),
            Self::Parquet { detail } => format!("Parquet 文件无法读取：{detail}。文件可能未传完，请重新报送。"),
            Self::NoConnection { dataset, connection } => {
                format!("数据集 {dataset} 的连接“{connection}”没有配置。请在配置文件的 connections 中写明。")
            }
            Self::Database { connection, table, source } => {
                format!("读取连接“{connection}”的表 {table} 失败：{source}。")
            }
            Self::DiskFull => "磁盘已满，本批没有落地任何数据。请清出空间后重新运行，已收批次不受影响。".to_owned(),
            Self::Lake(source) => format!("写入数据湖失败：{source}。"),
            Self::Store(source) => format!("登记批次失败：{source}。"),
            Self::Stopped { detail } => format!("读取中断：{detail}。请重新运行，已收批次不会重复。"),
        }
    }

    fn advice_en(&self) -> &'static str {
        match self {
            Self::Encoding { .. } => "Export the file again in UTF-8 or GB18030.",
            Self::OtherEncoding { .. } => "Correct source.encoding of the dataset, or export again.",
            Self::RecordTooLong { .. } => "Check the quotes of that line.",
            Self::TooManyFields { .. } => "Check the separator.",
            Self::UnknownColumn { .. } => "Correct the header, or register the column with the dataset first.",
            Self::RequiredColumnAbsent { .. } => "Add the column and send the file again.",
            Self::Workbook { .. } => "Save it again as xlsx.",
            Self::WorkbookTooLarge { .. } => "Split the file, or deliver CSV or Parquet.",
            Self::Parquet { .. } => "The file may be incomplete; send it again.",
            Self::NoConnection { .. } => "Name it under connections in the configuration file.",
            Self::DiskFull => "Free some space and run again; batches already received are safe.",
            Self::Read { .. } | Self::NoHeader { .. } | Self::ColumnTwice { .. } | Self::NoSheet { .. } => {
                "Mend the file and send it again."
            }
            Self::Database { .. } | Self::Lake(_) | Self::Store(_) | Self::Stopped { .. } => {
                "Run again; batches already received are not doubled."
            }
        }
    }
}
