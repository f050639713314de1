//! Definitions: every version of every document of the applied packs.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;

use crate::{
    actor::Act,
    error::{StoreError, failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, micros},
    store::Store,
    tx::Tx,
};

/// Most documents in one pack.
pub const PACK_DOCUMENTS_MAX: usize = 10_000;

/// A document as it is to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionDraft {
    /// Kind of document, e.g. `dataset`.
    pub kind: String,
    /// Identifier within the kind.
    pub name: String,
    /// The document as JSON.
    pub body: String,
}

/// One version of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// `kind/name/version`.
    pub id: String,
    /// Kind of document, e.g. `dataset`.
    pub kind: String,
    /// Identifier within the kind.
    pub name: String,
    /// Counts from 1 within `kind` and `name`.
    pub version: i64,
    /// SHA-256 of `body`, lower-case hexadecimal.
    pub sha256: String,
    /// The document as JSON.
    pub body: String,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Account that applied it.
    pub applied_by: String,
    /// When a later version took over or the document left the pack.
    pub retired_at: Option<Timestamp>,
}

/// A pack as it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackVersion {
    /// Counts from 1.
    pub version: i64,
    /// SHA-256 over the sorted documents' digests.
    pub sha256: String,
    /// Number of documents.
    pub documents: i64,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Account that applied it.
    pub applied_by: String,
}

/// What applying a pack changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackApplied {
    /// Version of the pack that is now in force.
    pub version: i64,
    /// Documents that are new or have a new version.
    pub changed: usize,
    /// Documents that stayed as they were.
    pub unchanged: usize,
    /// Documents that are no longer in the pack.
    pub retired: usize,
}

impl Store {
    /// The version of a document that is in force.
    ///
    /// # Errors
    /// The database failed.
    pub async fn definition_find(&self, kind: &str, name: &str) -> Result<Option<Definition>, StoreError> {
        sqlx::query("SELECT * FROM definition WHERE kind = $1 AND name = $2 AND retired_at IS NULL")
            .bind(kind)
            .bind(name)
            .one(&self.readers, "find a definition", read)
            .await
    }

    /// The documents of a kind that are in force, by name. A pack has at most [`PACK_DOCUMENTS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn definition_list(&self, kind: &str) -> Result<Vec<Definition>, StoreError> {
        sqlx::query("SELECT * FROM definition WHERE kind = $1 AND retired_at IS NULL ORDER BY name")
            .bind(kind)
            .all(&self.readers, "list definitions", read)
            .await
    }

    /// The pack that is in force; `None` before the first was applied.
    ///
    /// # Errors
    /// The database failed.
    pub async fn pack_find(&self) -> Result<Option<PackVersion>, StoreError> {
        sqlx::query("SELECT * FROM pack ORDER BY version DESC LIMIT 1")
            .one(&self.readers, "find the applied pack", read_pack)
            .await
    }
}

impl Tx {
    /// Puts a pack in force: changed documents get a new version, documents no longer there retire.
    /// Applying the same pack twice changes nothing.
    ///
    /// # Errors
    /// More than [`PACK_DOCUMENTS_MAX`] documents; the same document twice; the database failed.
    pub async fn pack_apply(&mut self, drafts: &[DefinitionDraft], act: &Act<'_>) -> Result<PackApplied, StoreError> {
        if drafts.len() > PACK_DOCUMENTS_MAX {
            return Err(StoreError::Bound { what: "documents", found: drafts.len(), limit: PACK_DOCUMENTS_MAX });
        }
        let mut in_force = std::collections::BTreeMap::new();
        for row in sqlx::query("SELECT id, kind, name, version, sha256 FROM definition WHERE retired_at IS NULL")
            .fetch_all(self.connection())
            .await
            .map_err(failed("list definitions"))?
        {
            let key = (row.text("kind")?, row.text("name")?);
            in_force.insert(key, (row.text("id")?, row.whole("version")?, row.text("sha256")?));
        }
        let mut applied = PackApplied::default();
        let mut seen = std::collections::BTreeMap::new();
        for draft in drafts {
            let sha256 = hex::encode(Sha256::digest(draft.body.as_bytes()));
            let key = (draft.kind.clone(), draft.name.clone());
            let known = in_force.remove(&key);
            if seen.insert(key, sha256.clone()).is_some() {
                let object = ObjectKind::Definition.name(&format!("{}/{}", draft.kind, draft.name));
                return Err(StoreError::Duplicate { object });
            }
            match known {
                Some((_, _, before)) if before == sha256 => applied.unchanged += 1,
                Some((id, _, _)) => {
                    self.definition_retire(&id, act).await?;
                    self.definition_insert(draft, &sha256, act).await?;
                    applied.changed += 1;
                }
                None => {
                    self.definition_insert(draft, &sha256, act).await?;
                    applied.changed += 1;
                }
            }
        }
        for (id, _, _) in in_force.into_values() {
            self.definition_retire(&id, act).await?;
            applied.retired += 1;
        }
        applied.version = self.pack_put(&seen, applied.changed + applied.retired > 0, act).await?;
        Ok(applied)
    }

    async fn definition_insert(
        &mut self,
        draft: &DefinitionDraft,
        sha256: &str,
        act: &Act<'_>,
    ) -> Result<(), StoreError> {
        // A document that left the pack and comes back goes on counting.
        let row = sqlx::query("SELECT MAX(version) AS version FROM definition WHERE kind = $1 AND name = $2")
            .bind(&draft.kind)
            .bind(&draft.name)
            .fetch_one(self.connection())
            .await
            .map_err(failed("find a definition's last version"))?;
        let version = row.whole_opt("version")?.unwrap_or(0) + 1;
        let id = format!("{}/{}/{version}", draft.kind, draft.name);
        sqlx::query(
            "INSERT INTO definition (id, kind, name, version, sha256, body, applied_at, applied_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&id)
        .bind(&draft.kind)
        .bind(&draft.name)
        .bind(version)
        .bind(sha256)
        .bind(&draft.body)
        .bind(micros(act.at))
        .bind(act.actor)
        .execute(self.connection())
        .await
        .map_err(failed("insert a definition"))?;
        self.record(ObjectKind::Definition, &id, act).await
    }

    async fn definition_retire(&mut self, id: &str, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query("UPDATE definition SET retired_at = $1 WHERE id = $2")
            .bind(micros(act.at))
            .bind(id)
            .execute(self.connection())
            .await
            .map_err(failed("retire a definition"))?;
        self.record(ObjectKind::Definition, id, &Act { kind: "definition.retired", ..*act }).await
    }

    async fn pack_put(
        &mut self,
        documents: &std::collections::BTreeMap<(String, String), String>,
        changed: bool,
        act: &Act<'_>,
    ) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT MAX(version) AS version FROM pack")
            .fetch_one(self.connection())
            .await
            .map_err(failed("find the applied pack"))?;
        let last = row.whole_opt("version")?.unwrap_or(0);
        if !changed && last > 0 {
            return Ok(last);
        }
        let mut digest = Sha256::new();
        for ((kind, name), sha256) in documents {
            digest.update(format!("{kind}/{name} {sha256}\n"));
        }
        sqlx::query(
            "INSERT INTO pack (version, sha256, documents, applied_at, applied_by) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(last + 1)
        .bind(hex::encode(digest.finalize()))
        .bind(i64::try_from(documents.len()).expect("a pack has at most 10,000 documents"))
        .bind(micros(act.at))
        .bind(act.actor)
        .execute(self.connection())
        .await
        .map_err(failed("record the applied pack"))?;
        Ok(last + 1)
    }
}

fn read(row: &AnyRow) -> Result<Definition, StoreError> {
    Ok(Definition {
        id: row.text("id")?,
        kind: row.text("kind")?,
        name: row.text("name")?,
        version: row.whole("version")?,
        sha256: row.text("sha256")?,
        body: row.text("body")?,
        applied_at: row.instant("applied_at")?,
        applied_by: row.text("applied_by")?,
        retired_at: row.instant_opt("retired_at")?,
    })
}

fn read_pack(row: &AnyRow) -> Result<PackVersion, StoreError> {
    Ok(PackVersion {
        version: row.whole("version")?,
        sha256: row.text("sha256")?,
        documents: row.whole("documents")?,
        applied_at: row.instant("applied_at")?,
        applied_by: row.text("applied_by")?,
    })
}
