//! Catalogue entries as rows. What an entry means, and which step may follow which, is `catalogue`'s.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    actor::Act,
    error::{StoreError, failed, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// A catalogue entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Resource code (1272号): classification, slash, serial number.
    pub code: String,
    /// 类/项/目/细目 without separators.
    pub classification: String,
    /// 顺序号 within the classification, from 1; never used again.
    pub serial: i64,
    /// `dataset` or `registry`.
    pub source_kind: String,
    /// The dataset or registry described.
    pub source: String,
    /// Providing department.
    pub department: String,
    /// Chinese title.
    pub title_zh: String,
    /// English title; empty when there is none.
    pub title_en: String,
    /// Title without blanks and punctuation; unique.
    pub title_key: String,
    /// `unconditional`, `conditional` or `withheld`.
    pub sharing: String,
    /// State of the procedure.
    pub state: String,
    /// The whole entry as JSON.
    pub body: String,
    /// Normalised words to search.
    pub search_text: String,
    /// The same in pinyin, without blanks.
    pub search_pinyin: String,
    /// First letters of the pinyin.
    pub search_initials: String,
    /// When it was first compiled.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// When it was last published.
    pub published_at: Option<Timestamp>,
    /// Grows with every change.
    pub version: i64,
}

/// What a list of entries is narrowed to. Empty fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Only entries that are announced.
    pub published: bool,
    /// State of the procedure.
    pub state: Option<String>,
    /// Providing department.
    pub department: Option<String>,
    /// Sharing attribute.
    pub sharing: Option<String>,
    /// Normalised words; every one of them must occur.
    pub words: Vec<EntryWord>,
}

/// A search word in the forms under which it may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryWord {
    /// Looked for in the text.
    pub text: String,
    /// Looked for in pinyin and initials too: it consists of ASCII letters.
    pub latin: bool,
}

/// Most words of one search.
pub const SEARCH_WORDS_MAX: usize = 8;

impl Store {
    /// An entry.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entry_find(&self, code: &str) -> Result<Option<EntryRow>, StoreError> {
        sqlx::query("SELECT * FROM entry WHERE code = $1")
            .bind(code)
            .one(&self.readers, "find a catalogue entry", read)
            .await
    }

    /// The entry that describes a dataset or registry.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entry_find_by_source(&self, kind: &str, source: &str) -> Result<Option<EntryRow>, StoreError> {
        sqlx::query("SELECT * FROM entry WHERE source_kind = $1 AND source = $2")
            .bind(kind)
            .bind(source)
            .one(&self.readers, "find a catalogue entry by its source", read)
            .await
    }

    /// Entries, those whose title holds the first word first, then by code; from `offset` on.
    ///
    /// # Errors
    /// More than [`SEARCH_WORDS_MAX`] words; the database failed.
    pub async fn entry_list(&self, filter: &EntryFilter, offset: i64, limit: i64) -> Result<Vec<EntryRow>, StoreError> {
        let (condition, arguments) = condition(filter)?;
        let first = filter.words.first().map_or_else(|| "%".to_owned(), |word| pattern(&word.text));
        let next = arguments.len() + 1;
        let sql = format!(
            "SELECT * FROM entry WHERE {condition} \
             ORDER BY CASE WHEN title_key LIKE ${next} ESCAPE '\\' THEN 0 ELSE 1 END, code LIMIT ${} OFFSET ${}",
            next + 1,
            next + 2,
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for argument in arguments {
            query = query.bind(argument);
        }
        let rows = query
            .bind(first)
            .bind(page(limit))
            .bind(offset.max(0))
            .fetch_all(&self.readers)
            .await
            .map_err(failed("list catalogue entries"))?;
        rows.iter().map(read).collect()
    }

    /// How many entries `filter` leaves.
    ///
    /// # Errors
    /// More than [`SEARCH_WORDS_MAX`] words; the database failed.
    pub async fn entry_count(&self, filter: &EntryFilter) -> Result<i64, StoreError> {
        let (condition, arguments) = condition(filter)?;
        let mut query =
            sqlx::query(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) AS entries FROM entry WHERE {condition}")));
        for argument in arguments {
            query = query.bind(argument);
        }
        query.fetch_one(&self.readers).await.map_err(failed("count catalogue entries"))?.whole("entries")
    }

    /// Number of announced entries by department and sharing attribute.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entry_tally(&self) -> Result<Vec<EntryTally>, StoreError> {
        let rows = sqlx::query(
            "SELECT department, sharing, COUNT(*) AS entries FROM entry WHERE published_at IS NOT NULL \
             GROUP BY department, sharing ORDER BY department, sharing",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(failed("tally catalogue entries"))?;
        rows.iter()
            .map(|row| {
                Ok(EntryTally {
                    department: row.text("department")?,
                    sharing: row.text("sharing")?,
                    entries: row.whole("entries")?,
                })
            })
            .collect()
    }
}

/// Number of announced entries that agree in two things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryTally {
    /// Providing department.
    pub department: String,
    /// Sharing attribute.
    pub sharing: String,
    /// How many.
    pub entries: i64,
}

impl Tx {
    /// An entry as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entry_find(&mut self, code: &str) -> Result<Option<EntryRow>, StoreError> {
        sqlx::query("SELECT * FROM entry WHERE code = $1")
            .bind(code)
            .one(self.connection(), "find a catalogue entry", read)
            .await
    }

    /// The entry of a source as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entry_find_by_source(&mut self, kind: &str, source: &str) -> Result<Option<EntryRow>, StoreError> {
        sqlx::query("SELECT * FROM entry WHERE source_kind = $1 AND source = $2")
            .bind(kind)
            .bind(source)
            .one(self.connection(), "find a catalogue entry by its source", read)
            .await
    }

    /// The code of the entry with this title key, if there is one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entry_code_by_title(&mut self, title_key: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT code FROM entry WHERE title_key = $1")
            .bind(title_key)
            .fetch_optional(self.connection())
            .await
            .map_err(failed("find a catalogue entry by its title"))?;
        row.map(|row| row.text("code")).transpose()
    }

    /// The next free serial number in a classification. Two transactions that draw the same one
    /// collide on insert: the later answers [`StoreError::Duplicate`] and is repeated.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entry_next_serial(&mut self, classification: &str) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT MAX(serial) AS serial FROM entry WHERE classification = $1")
            .bind(classification)
            .fetch_one(self.connection())
            .await
            .map_err(failed("find the last serial number"))?;
        Ok(row.whole_opt("serial")?.unwrap_or(0) + 1)
    }

    /// Inserts an entry at version 1.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when code, title or source are taken; the database failed.
    pub async fn entry_insert(&mut self, entry: &EntryRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO entry (code, classification, serial, source_kind, source, department, title_zh, title_en, \
             title_key, sharing, state, body, search_text, search_pinyin, search_initials, created_at, changed_at, \
             published_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 1)",
        )
        .bind(&entry.code)
        .bind(&entry.classification)
        .bind(entry.serial)
        .bind(&entry.source_kind)
        .bind(&entry.source)
        .bind(&entry.department)
        .bind(&entry.title_zh)
        .bind(&entry.title_en)
        .bind(&entry.title_key)
        .bind(&entry.sharing)
        .bind(&entry.state)
        .bind(&entry.body)
        .bind(&entry.search_text)
        .bind(&entry.search_pinyin)
        .bind(&entry.search_initials)
        .bind(micros(act.at))
        .bind(micros(act.at))
        .bind(entry.published_at.map(micros))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a catalogue entry", ObjectKind::Entry.name(&entry.code)))?;
        self.record(ObjectKind::Entry, &entry.code, act).await
    }

    /// Replaces an entry if it is still at `entry.version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile; the database failed.
    pub async fn entry_update(&mut self, entry: &EntryRow, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE entry SET title_zh = $1, title_en = $2, title_key = $3, sharing = $4, state = $5, body = $6, \
             search_text = $7, search_pinyin = $8, search_initials = $9, changed_at = $10, published_at = $11, \
             version = version + 1 WHERE code = $12 AND version = $13",
        )
        .bind(&entry.title_zh)
        .bind(&entry.title_en)
        .bind(&entry.title_key)
        .bind(&entry.sharing)
        .bind(&entry.state)
        .bind(&entry.body)
        .bind(&entry.search_text)
        .bind(&entry.search_pinyin)
        .bind(&entry.search_initials)
        .bind(micros(act.at))
        .bind(entry.published_at.map(micros))
        .bind(&entry.code)
        .bind(entry.version)
        .execute(self.connection())
        .await
        .map_err(insert_failed("update a catalogue entry", ObjectKind::Entry.name(&entry.code)))?;
        self.record_change(&result, ObjectKind::Entry, &entry.code, entry.version, act).await
    }
}

/// The `WHERE` clause, made of our own words only; everything of the caller's is an argument.
fn condition(filter: &EntryFilter) -> Result<(String, Vec<String>), StoreError> {
    if filter.words.len() > SEARCH_WORDS_MAX {
        return Err(StoreError::Bound { what: "search words", found: filter.words.len(), limit: SEARCH_WORDS_MAX });
    }
    let mut clauses = vec!["1 = 1".to_owned()];
    let mut arguments = Vec::new();
    if filter.published {
        clauses.push("published_at IS NOT NULL".to_owned());
    }
    let fields = [("state", &filter.state), ("department", &filter.department), ("sharing", &filter.sharing)];
    for (column, wanted) in fields {
        if let Some(wanted) = wanted {
            arguments.push(wanted.clone());
            clauses.push(format!("{column} = ${}", arguments.len()));
        }
    }
    for word in &filter.words {
        arguments.push(pattern(&word.text));
        let place = arguments.len();
        let like = |column: &str| format!("{column} LIKE ${place} ESCAPE '\\'");
        clauses.push(if word.latin {
            format!("({} OR {} OR {})", like("search_text"), like("search_pinyin"), like("search_initials"))
        } else {
            like("search_text")
        });
    }
    Ok((clauses.join(" AND "), arguments))
}

fn pattern(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

fn read(row: &AnyRow) -> Result<EntryRow, StoreError> {
    Ok(EntryRow {
        code: row.text("code")?,
        classification: row.text("classification")?,
        serial: row.whole("serial")?,
        source_kind: row.text("source_kind")?,
        source: row.text("source")?,
        department: row.text("department")?,
        title_zh: row.text("title_zh")?,
        title_en: row.text("title_en")?,
        title_key: row.text("title_key")?,
        sharing: row.text("sharing")?,
        state: row.text("state")?,
        body: row.text("body")?,
        search_text: row.text("search_text")?,
        search_pinyin: row.text("search_pinyin")?,
        search_initials: row.text("search_initials")?,
        created_at: row.instant("created_at")?,
        changed_at: row.instant("changed_at")?,
        published_at: row.instant_opt("published_at")?,
        version: row.whole("version")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_the_reader_are_taken_literally() {
        assert_eq!(pattern("50%_a\\b"), "%50\\%\\_a\\\\b%");
    }

    #[test]
    fn too_many_words_are_refused_with_the_bound() {
        let words = vec![EntryWord { text: "a".to_owned(), latin: true }; SEARCH_WORDS_MAX + 1];
        let refused = condition(&EntryFilter { words, ..EntryFilter::default() });
        assert!(matches!(refused, Err(StoreError::Bound { limit: SEARCH_WORDS_MAX, .. })));
    }
}
