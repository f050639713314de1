//! Tables in a department's own PostgreSQL or MariaDB server.

use sqlx::{
    AssertSqlSafe, MySql, MySqlPool, PgPool, Postgres, QueryBuilder,
    mysql::MySqlPoolOptions,
    pool::PoolConnection,
    postgres::{PgCopyIn, PgPoolCopyExt as _, PgPoolOptions},
};
use tokio::runtime::Runtime;
use yihe_definitions::{ColumnType, Dataset};

use crate::{CityError, fault::Fault, row::Row};

use super::{Sink, csv::push_quoted};

const BLOCK: usize = 1 << 20;
/// Rows in one `INSERT`.
const INSERT_ROWS: usize = 500;

/// Which server, with its address. The address may hold a password and is never printed.
#[derive(Clone, Copy)]
pub enum Server<'a> {
    Postgres(&'a str),
    Mariadb(&'a str),
}

impl Server<'_> {
    /// Makes the dataset's table anew and opens it for records.
    ///
    /// # Errors
    /// The server refuses.
    pub fn open(self, dataset: &Dataset, delivered: &[usize]) -> Result<Box<dyn Sink>, CityError> {
        let table = dataset.source.table.as_deref().unwrap_or(&dataset.id);
        let is_name = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte))
        };
        if !is_name(table) || !dataset.columns.iter().all(|column| is_name(&column.name)) {
            return Err(CityError::Column { dataset: dataset.id.clone(), column: table.to_owned() });
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| CityError::Write { path: table.into(), source })?;
        let failed = |source| CityError::Database { table: table.to_owned(), source };
        let columns: Vec<String> = delivered
            .iter()
            .map(|column| (&dataset.columns[*column].name, dataset.columns[*column].column_type))
            .map(|(name, kind)| format!("{name} {}", self.kind(kind)))
            .collect();
        let create = format!("CREATE TABLE {table} ({})", columns.join(", "));
        let drop = format!("DROP TABLE IF EXISTS {table}");
        match self {
            Self::Postgres(url) => {
                let opened = runtime.block_on(async {
                    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
                    sqlx::query(AssertSqlSafe(drop)).execute(&pool).await?;
                    sqlx::query(AssertSqlSafe(create)).execute(&pool).await?;
                    let copy = pool.copy_in_raw(&format!("COPY {table} FROM STDIN WITH (FORMAT csv)")).await?;
                    Ok((pool, copy))
                });
                let (pool, copy) = opened.map_err(failed)?;
                Ok(Box::new(PostgresTable {
                    table: table.to_owned(),
                    delivered: delivered.to_vec(),
                    text: String::new(),
                    cell: String::new(),
                    copy,
                    pool,
                    runtime,
                }))
            }
            Self::Mariadb(url) => {
                let opened = runtime.block_on(async {
                    let pool = Box::pin(MySqlPoolOptions::new().max_connections(1).connect(url)).await?;
                    sqlx::query(AssertSqlSafe(drop)).execute(&pool).await?;
                    sqlx::query(AssertSqlSafe(create)).execute(&pool).await?;
                    Ok(pool)
                });
                let pool = opened.map_err(failed)?;
                let (table, delivered) = (table.to_owned(), delivered.to_vec());
                Ok(Box::new(MariadbTable { table, delivered, waiting: Vec::new(), pool, runtime }))
            }
        }
    }

    fn kind(self, column: ColumnType) -> String {
        match (self, column) {
            (Self::Postgres(_), ColumnType::Text) => "text".to_owned(),
            (Self::Mariadb(_), ColumnType::Text) => "varchar(255)".to_owned(),
            (_, ColumnType::Integer) => "bigint".to_owned(),
            (_, ColumnType::Decimal { precision, scale }) => format!("decimal({precision},{scale})"),
            (_, ColumnType::Float) => "double precision".to_owned(),
            (_, ColumnType::Boolean) => "boolean".to_owned(),
            (_, ColumnType::Date) => "date".to_owned(),
            (Self::Postgres(_), ColumnType::Timestamp) => "timestamp".to_owned(),
            (Self::Mariadb(_), ColumnType::Timestamp) => "datetime".to_owned(),
        }
    }
}

struct PostgresTable {
    table: String,
    delivered: Vec<usize>,
    text: String,
    cell: String,
    copy: PgCopyIn<PoolConnection<Postgres>>,
    pool: PgPool,
    runtime: Runtime,
}

impl PostgresTable {
    fn flush(&mut self) -> Result<(), CityError> {
        let sent = self.runtime.block_on(async { self.copy.send(self.text.as_bytes()).await.map(|_| ()) });
        self.text.clear();
        sent.map_err(|source| CityError::Database { table: self.table.clone(), source })
    }
}

impl Sink for PostgresTable {
    fn add(&mut self, row: &Row, _: Option<&Fault>) -> Result<(), CityError> {
        for (place, column) in self.delivered.iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            self.cell.clear();
            raw(row, *column, &mut self.cell);
            push_quoted(&mut self.text, &self.cell);
        }
        self.text.push('\n');
        if self.text.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<(), CityError> {
        self.flush()?;
        let Self { table, copy, pool, runtime, .. } = *self;
        let finished = runtime.block_on(async {
            copy.finish().await?;
            pool.close().await;
            Ok(())
        });
        finished.map_err(|source| CityError::Database { table, source })
    }
}

struct MariadbTable {
    table: String,
    delivered: Vec<usize>,
    waiting: Vec<Vec<Option<String>>>,
    pool: MySqlPool,
    runtime: Runtime,
}

impl MariadbTable {
    fn flush(&mut self) -> Result<(), CityError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut insert: QueryBuilder<MySql> = QueryBuilder::new(format!("INSERT INTO {} ", self.table));
        insert.push_values(self.waiting.drain(..), |mut values, record| {
            for cell in record {
                values.push_bind(cell);
            }
        });
        let sent = self.runtime.block_on(insert.build().execute(&self.pool)).map(|_| ());
        sent.map_err(|source| CityError::Database { table: self.table.clone(), source })
    }
}

impl Sink for MariadbTable {
    fn add(&mut self, row: &Row, _: Option<&Fault>) -> Result<(), CityError> {
        let record = self.delivered.iter().map(|column| {
            let mut cell = String::new();
            raw(row, *column, &mut cell);
            (!row.is_missing(*column)).then_some(cell)
        });
        self.waiting.push(record.collect());
        if self.waiting.len() == INSERT_ROWS { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<(), CityError> {
        self.flush()?;
        self.runtime.block_on(self.pool.close());
        Ok(())
    }
}

/// The value in SQL's own spelling; text as it stands, blanks included.
fn raw(row: &Row, column: usize, into: &mut String) {
    match row.cells[column] {
        crate::row::Cell::Text { .. } => into.push_str(row.str(column)),
        _ => row.canonical(column, into),
    }
}
