//! Reading cells: `TEXT` and `BIGINT` are the only column types, so that one SQL text serves both databases.

use jiff::{Timestamp, civil::Date};
use sqlx::{
    Any, Executor, Row as _,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use crate::error::{StoreError, failed};

/// Typed access to the cells of a row; a cell of another type is reported with its column.
pub(crate) trait Cells {
    fn text(&self, column: &str) -> Result<String, StoreError>;
    fn text_opt(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn whole(&self, column: &str) -> Result<i64, StoreError>;
    fn whole_opt(&self, column: &str) -> Result<Option<i64>, StoreError>;

    fn instant(&self, column: &str) -> Result<Timestamp, StoreError> {
        read_instant(column, self.whole(column)?)
    }

    fn instant_opt(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        self.whole_opt(column)?.map(|micros| read_instant(column, micros)).transpose()
    }

    fn day(&self, column: &str) -> Result<Date, StoreError> {
        read_day(column, &self.text(column)?)
    }

    fn day_opt(&self, column: &str) -> Result<Option<Date>, StoreError> {
        self.text_opt(column)?.map(|text| read_day(column, &text)).transpose()
    }
}

impl Cells for AnyRow {
    fn text(&self, column: &str) -> Result<String, StoreError> {
        self.try_get(column).map_err(|source| unreadable(column, &source, "text"))
    }

    fn text_opt(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.try_get(column).map_err(|source| unreadable(column, &source, "text or nothing"))
    }

    fn whole(&self, column: &str) -> Result<i64, StoreError> {
        self.try_get(column).map_err(|source| unreadable(column, &source, "a whole number"))
    }

    fn whole_opt(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.try_get(column).map_err(|source| unreadable(column, &source, "a whole number or nothing"))
    }
}

/// Runs a query and reads its rows; `action` is a verb phrase for errors.
pub(crate) trait Fetch<'q>: Sized {
    /// The row, if there is one.
    async fn one<'c, T>(
        self,
        from: impl Executor<'c, Database = Any>,
        action: &'static str,
        read: fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError>;

    /// Every row. The query bounds them.
    async fn all<'c, T>(
        self,
        from: impl Executor<'c, Database = Any>,
        action: &'static str,
        read: fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError>;
}

impl<'q> Fetch<'q> for Query<'q, Any, AnyArguments> {
    async fn one<'c, T>(
        self,
        from: impl Executor<'c, Database = Any>,
        action: &'static str,
        read: fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let row = self.fetch_optional(from).await.map_err(failed(action))?;
        row.as_ref().map(read).transpose()
    }

    async fn all<'c, T>(
        self,
        from: impl Executor<'c, Database = Any>,
        action: &'static str,
        read: fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.fetch_all(from).await.map_err(failed(action))?.iter().map(read).collect()
    }
}

/// Instants are kept as microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn read_instant(column: &str, micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| StoreError::Corrupt {
        column: column.to_owned(),
        found: micros.to_string(),
        expected: "microseconds since 1970 within the years -9999 to 9999",
    })
}

fn read_day(column: &str, text: &str) -> Result<Date, StoreError> {
    text.parse().map_err(|_| corrupt(column, text, "a day written YYYY-MM-DD"))
}

fn unreadable(column: &str, source: &sqlx::Error, expected: &'static str) -> StoreError {
    corrupt(column, &source.to_string(), expected)
}

/// Names the cell that cannot be read. The value is shortened, for it may be anything.
pub(crate) fn corrupt(column: &str, found: &str, expected: &'static str) -> StoreError {
    StoreError::Corrupt { column: column.to_owned(), found: found.chars().take(80).collect(), expected }
}
