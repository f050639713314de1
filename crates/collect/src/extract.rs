//! Tables of foreign databases, spooled as text to a Parquet file and then received like any other file.
//!
//! The spool makes a table repeatable: its bytes have a digest, so a crash after it resumes the same
//! batch, and a table that has not changed since is recognised. Values are read as text, so that they
//! pass the same door as a CSV's.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use futures::TryStreamExt;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row};
use yihe_definitions::Format;

use crate::error::CollectError;

/// Rows of one record batch of the spool.
const ROWS: usize = 16_384;
/// Most columns of a foreign table.
const COLUMNS_MAX: usize = 512;

/// Reads a foreign table into a Parquet file below `spool` and returns its path.
///
/// # Errors
/// The database refused; the spool cannot be written.
pub async fn spool(
    connection: &str,
    url: &str,
    table: &str,
    format: Format,
    spool: &Path,
) -> Result<PathBuf, CollectError> {
    let name: String = format!("{connection}-{table}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect();
    let path = spool.join(format!("{name}.parquet"));
    let source = Foreign { connection, url, table };
    std::fs::create_dir_all(spool).map_err(|source| spool_error(&path, source))?;
    match format {
        Format::Mariadb => source.mariadb(&path).await?,
        Format::Postgres | Format::Csv | Format::Xlsx | Format::Jsonl | Format::Parquet => {
            source.postgres(&path).await?;
        }
    }
    Ok(path)
}

struct Foreign<'a> {
    connection: &'a str,
    url: &'a str,
    table: &'a str,
}

impl Foreign<'_> {
    fn failed(&self, source: sqlx::Error) -> CollectError {
        CollectError::Database { connection: self.connection.to_owned(), table: self.table.to_owned(), source }
    }

    fn parts(&self, default_schema: &str) -> (String, String) {
        match self.table.split_once('.') {
            Some((schema, table)) => (schema.to_owned(), table.to_owned()),
            None => (default_schema.to_owned(), self.table.to_owned()),
        }
    }

    async fn postgres(&self, path: &Path) -> Result<(), CollectError> {
        let failed = |source| self.failed(source);
        let mut connection = PgConnection::connect(self.url).await.map_err(failed)?;
        let (schema, table) = self.parts("public");
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position",
        )
        .bind(&schema)
        .bind(&table)
        .fetch_all(&mut connection)
        .await
        .map_err(failed)?;
        self.bounded(&columns)?;
        let list = columns.iter().map(|name| format!("{}::text", quoted(name, '"'))).collect::<Vec<_>>().join(", ");
        // Identifiers cannot be bound; they come from the database's own catalogue and are quoted.
        let sql = format!("SELECT {list} FROM {}.{}", quoted(&schema, '"'), quoted(&table, '"'));
        let mut writer = SpoolWriter::create(path, &columns)?;
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut connection);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            for index in 0..columns.len() {
                writer.push(index, row.try_get::<Option<&str>, _>(index).map_err(failed)?);
            }
            writer.end_row()?;
        }
        writer.finish()
    }

    async fn mariadb(&self, path: &Path) -> Result<(), CollectError> {
        let failed = |source| self.failed(source);
        let mut connection = MySqlConnection::connect(self.url).await.map_err(failed)?;
        let database: Option<String> =
            sqlx::query_scalar("SELECT DATABASE()").fetch_one(&mut connection).await.map_err(failed)?;
        let (schema, table) = self.parts(database.as_deref().unwrap_or_default());
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT CAST(column_name AS CHAR) FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
        )
        .bind(&schema)
        .bind(&table)
        .fetch_all(&mut connection)
        .await
        .map_err(failed)?;
        self.bounded(&columns)?;
        let list =
            columns.iter().map(|name| format!("CAST({} AS CHAR)", quoted(name, '`'))).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {list} FROM {}.{}", quoted(&schema, '`'), quoted(&table, '`'));
        let mut writer = SpoolWriter::create(path, &columns)?;
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut connection);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            for index in 0..columns.len() {
                writer.push(index, row.try_get::<Option<&str>, _>(index).map_err(failed)?);
            }
            writer.end_row()?;
        }
        writer.finish()
    }

    fn bounded(&self, columns: &[String]) -> Result<(), CollectError> {
        if columns.is_empty() {
            return Err(self.failed(sqlx::Error::RowNotFound));
        }
        if columns.len() > COLUMNS_MAX {
            return Err(CollectError::TooManyFields { line: 1, limit: COLUMNS_MAX });
        }
        Ok(())
    }
}

fn quoted(name: &str, quote: char) -> String {
    let doubled = name.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

fn spool_error(path: &Path, source: std::io::Error) -> CollectError {
    if source.kind() == std::io::ErrorKind::StorageFull {
        return CollectError::DiskFull;
    }
    CollectError::Read {
        path: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        source,
    }
}

/// Writes rows of text; visible under its name only when whole.
struct SpoolWriter {
    schema: SchemaRef,
    builders: Vec<StringBuilder>,
    rows: usize,
    writer: ArrowWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl SpoolWriter {
    fn create(path: &Path, columns: &[String]) -> Result<Self, CollectError> {
        let schema = Arc::new(Schema::new(
            columns.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>(),
        ));
        let temporary = path.with_extension("part");
        let file = File::create(&temporary).map_err(|source| spool_error(path, source))?;
        // No creation time or writer name: the same rows give the same bytes, hence the same batch.
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
            .map_err(|error| spool_error(path, std::io::Error::other(error)))?;
        let builders = columns.iter().map(|_| StringBuilder::new()).collect();
        Ok(Self { schema, builders, rows: 0, writer, temporary, path: path.to_path_buf() })
    }

    fn push(&mut self, column: usize, value: Option<&str>) {
        self.builders[column].append_option(value);
    }

    fn end_row(&mut self) -> Result<(), CollectError> {
        self.rows += 1;
        if self.rows >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), CollectError> {
        self.rows = 0;
        let columns: Vec<ArrayRef> =
            self.builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).expect("the builders follow the schema");
        self.writer.write(&batch).map_err(|error| spool_error(&self.path, std::io::Error::other(error)))
    }

    fn finish(mut self) -> Result<(), CollectError> {
        self.flush()?;
        let path = self.path.clone();
        let file = self.writer.into_inner().map_err(|error| spool_error(&path, std::io::Error::other(error)))?;
        file.sync_all().map_err(|source| spool_error(&path, source))?;
        std::fs::rename(&self.temporary, &path).map_err(|source| spool_error(&path, source))
    }
}
