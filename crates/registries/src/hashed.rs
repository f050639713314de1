//! Members that deliver keyed hashes of numbers in place of the numbers, for departments that may not show them.
//!
//! A hash is what `yihe link hash` writes: `<algorithm>.<kind>.<hex>`, the HMAC of the number in the form in which it is
//! compared, under a key that the department and this platform share. Nothing is read from a hash: it is recognised, as
//! that of a number which other members deliver in clear, or which is merged into one of theirs. A hash of nobody known is
//! a record of no known entity, until somebody delivers the number.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    error::ArrowError,
};
use futures::StreamExt;
use yihe_definitions::{EntityKind, HashAlgorithm, Registry};
use yihe_lake::{Lake, LakeError, Scan, TableName};
use yihe_linkage::{
    hash::{Algorithm, Hasher, Hide},
    model::Reads,
};

use crate::{
    build::Builder, error::RegistryError, gather::Rules, identity::is_entity_id, key, record::KeyColumns, shape,
};

type ReadKey = dyn Fn(&str) -> io::Result<Vec<u8>> + Send + Sync;

/// Finds the keys under which departments hash, by the names that definitions give them. `Debug` shows none.
#[derive(Clone)]
pub struct HashKeys(Arc<ReadKey>);

impl std::fmt::Debug for HashKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HashKeys(***)")
    }
}

impl HashKeys {
    /// Keys that `read` finds by their names.
    pub fn new(read: impl Fn(&str) -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Keys in the files `<name>.key` of a folder.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self::new(move |name| std::fs::read(folder.join(format!("{name}.key"))))
    }
}

/// How a member's numbers were hashed.
#[derive(Clone)]
pub(crate) struct HashedMember {
    algorithm: Algorithm,
    key: Arc<[u8]>,
    reads: Reads,
}

impl HashedMember {
    fn hasher(&self) -> Option<Hasher> {
        Hasher::new(self.algorithm, &self.key).ok()
    }

    fn token(&self, hasher: &mut Hasher, number: &str) -> Option<String> {
        if is_entity_id(number) { None } else { hasher.token(number, Hide::Equal(self.reads)) }
    }

    /// The hash of a number.
    pub fn token_of(&self, number: &str) -> Option<String> {
        self.token(&mut self.hasher()?, number)
    }

    /// A delivered hash in its one spelling; the bare digits of one are those of this member's algorithm and kind.
    pub fn read(&self, text: &str) -> Option<String> {
        let text = text.trim().to_ascii_lowercase();
        let kind = if self.reads == Reads::CreditCode { "credit_code" } else { "citizen_id" };
        let beginning = format!("{}.{kind}.", self.algorithm.name());
        let digits = text.strip_prefix(&beginning).unwrap_or(&text);
        let is_hash = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| format!("{beginning}{digits}"))
    }

    /// The hash that a row of the member bears, row by row.
    pub fn delivered(
        &self,
        member: &yihe_definitions::MemberKey,
        batch: &RecordBatch,
    ) -> Result<Vec<Option<String>>, ArrowError> {
        let found = key::delivered(member, batch)?;
        Ok((0..found.len()).map(|row| found.is_valid(row).then(|| self.read(found.value(row))).flatten()).collect())
    }
}

/// Hashes and the numbers they are of, for each member that delivers hashes.
pub(crate) type Recognised = Vec<Option<HashMap<String, String>>>;

/// What `registry` says of a member's hashes, with the keys.
///
/// # Errors
/// [`RegistryError::HashKey`]: a key that is not there, or is too short.
pub(crate) fn hashed_members(keys: &HashKeys, registry: &Registry) -> Result<Vec<Option<HashedMember>>, RegistryError> {
    let read = |member: &yihe_definitions::Member| {
        let Some(hashed) = &member.hashed else { return Ok(None) };
        let failed = |source| RegistryError::HashKey {
            registry: registry.id.clone(),
            dataset: member.dataset.clone(),
            key: hashed.key.clone(),
            source,
        };
        let key = (keys.0)(&hashed.key).map_err(failed)?;
        let algorithm = match hashed.algorithm {
            HashAlgorithm::Sm3 => Algorithm::Sm3,
            HashAlgorithm::Sha256 => Algorithm::Sha256,
        };
        let reads = if registry.entity == EntityKind::Organisation { Reads::CreditCode } else { Reads::CitizenId };
        if let Err(found) = Hasher::new(algorithm, &key) {
            let expected = yihe_linkage::hash::KEY_MIN;
            let reason = format!("found {found} bytes, expected {expected} or more (应至少 {expected} 字节)");
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        Ok(Some(HashedMember { algorithm, key: key.into(), reads }))
    };
    registry.members.iter().map(read).collect()
}

/// What tells one key from another and nothing more: part of the hash of a number that is nobody's.
pub(crate) fn marks(members: &[Option<HashedMember>]) -> Vec<String> {
    let mark = |member: &HashedMember| {
        let nobody = if member.reads == Reads::CreditCode { "91350100M000100Y43" } else { "11010519491231002X" };
        member.token_of(nobody).unwrap_or_default().chars().rev().take(16).collect()
    };
    members.iter().flatten().map(mark).collect()
}

/// Looks for the numbers of wanted hashes among the entities that pass by.
pub(crate) struct Seeker {
    wanted: Vec<Option<(HashedMember, HashSet<String>)>>,
    /// Keys merged into an entity, by the entity.
    merged: HashMap<String, Vec<String>>,
    found: Mutex<Recognised>,
}

impl Seeker {
    /// For hashes of each member.
    pub fn new(rules: &Rules, wanted: Vec<Option<HashSet<String>>>) -> Self {
        let mut merged: HashMap<String, Vec<String>> = HashMap::new();
        for (key, root, _) in rules.links.merged() {
            merged.entry(root.to_owned()).or_default().push(key.to_owned());
        }
        let found = wanted.iter().map(|tokens| tokens.as_ref().map(|_| HashMap::new())).collect();
        let wanted = rules.hashed.iter().zip(wanted).map(|(member, tokens)| member.clone().zip(tokens)).collect();
        Self { wanted, merged, found: Mutex::new(found) }
    }

    /// Entities of records that were delivered in clear.
    pub fn note(&self, keys: &ArrayRef) {
        let keys = keys.as_string::<i32>();
        for (member, wanted) in self.wanted.iter().enumerate() {
            let Some((how, tokens)) = wanted else { continue };
            let Some(mut hasher) = how.hasher() else { continue };
            let mut last = "";
            for key in keys.iter().flatten() {
                if key == last || tokens.is_empty() {
                    continue;
                }
                last = key;
                let others = self.merged.get(key).map_or(&[][..], Vec::as_slice);
                for number in std::iter::once(key).chain(others.iter().map(String::as_str)) {
                    if let Some(token) = how.token(&mut hasher, number).filter(|token| tokens.contains(token)) {
                        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(Some(found)) = found.get_mut(member) {
                            found.insert(token, number.to_owned());
                        }
                    }
                }
            }
        }
    }

    /// What was found.
    pub fn finish(&self) -> Recognised {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The hashes that members deliver at these versions.
pub(crate) async fn delivered(
    lake: &Lake,
    rules: &Rules,
    tables: &[(TableName, Option<i64>)],
) -> Result<Vec<Option<HashSet<String>>>, RegistryError> {
    let registry = &rules.registry;
    let failed =
        |source: LakeError| RegistryError::Lake { action: "read a member", registry: registry.id.clone(), source };
    let mut all = Vec::with_capacity(tables.len());
    for ((member, how), (table, version)) in registry.members.iter().zip(&rules.hashed).zip(tables) {
        let Some(how) = how else {
            all.push(None);
            continue;
        };
        let mut tokens = HashSet::new();
        if version.is_some() {
            let scan = Scan { version: *version, columns: Some(member.key.columns().to_vec()), ..Scan::default() };
            let mut stream = lake.scan(table, scan).await.map_err(failed)?;
            while let Some(batch) = stream.next().await {
                let found = how.delivered(&member.key, &batch.map_err(failed)?);
                let found = found.map_err(|source| RegistryError::Spool { registry: registry.id.clone(), source })?;
                tokens.extend(found.into_iter().flatten());
            }
        }
        all.push(Some(tokens));
    }
    Ok(all)
}

/// Business keys, within this room, of a member's records that bear one of `tokens`.
pub(crate) async fn bearers(
    lake: &Lake,
    rules: &Rules,
    (table, version): &(TableName, Option<i64>),
    member: usize,
    tokens: &HashSet<String>,
) -> Result<Vec<String>, RegistryError> {
    let registry = &rules.registry;
    let failed =
        |source: LakeError| RegistryError::Lake { action: "read a member", registry: registry.id.clone(), source };
    let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
    let Some(how) = rules.hashed.get(member).and_then(Option::as_ref) else { return Ok(Vec::new()) };
    if version.is_none() || tokens.is_empty() {
        return Ok(Vec::new());
    }
    let mut columns = rules.keys[member].clone();
    for column in registry.members[member].key.columns() {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    let mut stream = lake
        .scan(table, Scan { version: *version, columns: Some(columns), ..Scan::default() })
        .await
        .map_err(failed)?;
    let mut found = Vec::new();
    let mut text = String::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed)?;
        let business = KeyColumns::new(&rules.keys[member], &batch).map_err(spool_failed)?;
        let borne = how.delivered(&registry.members[member].key, &batch).map_err(spool_failed)?;
        for (row, token) in borne.iter().enumerate() {
            if token.as_ref().is_some_and(|token| tokens.contains(token)) {
                business.write(row, &mut text);
                found.push(text.clone());
            }
        }
    }
    Ok(found)
}

/// How many of a member's hashes are of a known number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedCount {
    /// Dataset.
    pub dataset: String,
    /// Its records.
    pub records: u64,
    /// Those that are of a known entity.
    pub recognised: u64,
}

impl HashedCount {
    /// Whether there are records and none is recognised: the key is another than the department's, or nobody else delivered
    /// yet.
    #[must_use]
    pub const fn is_alarming(&self) -> bool {
        self.records > 0 && self.recognised == 0
    }
}

impl Builder {
    /// How many hashes of each member that delivers them were recognised by the last build.
    pub(crate) async fn hashed_counts(&self, registry: &Registry) -> Result<Vec<HashedCount>, RegistryError> {
        let failed =
            |source: LakeError| RegistryError::Lake { action: "count rows", registry: registry.id.clone(), source };
        let unlinked = shape::unlinked_table(registry).map_err(failed)?;
        let mut counts = Vec::new();
        let inputs = self.inputs(registry).await.map_err(failed)?;
        for (member, (table, version)) in registry.members.iter().zip(&inputs) {
            if member.hashed.is_none() || version.is_none() {
                continue;
            }
            let records = self.lake.count(table, *version).await.map_err(failed)?;
            let lost = self.unlinked_of(registry, &unlinked, &member.dataset).await?.len() as u64;
            counts.push(HashedCount {
                dataset: member.dataset.clone(),
                records,
                recognised: records.saturating_sub(lost),
            });
        }
        Ok(counts)
    }

    /// Business keys, as spelled outside, of a dataset's records of nobody known.
    pub(crate) async fn unlinked_of(
        &self,
        registry: &Registry,
        unlinked: &TableName,
        dataset: &str,
    ) -> Result<HashSet<String>, RegistryError> {
        let failed = |source: LakeError| RegistryError::Lake {
            action: "read unlinked records",
            registry: registry.id.clone(),
            source,
        };
        let mut found = HashSet::new();
        if !self.lake.exists(unlinked) {
            return Ok(found);
        }
        let scan = Scan {
            columns: Some(vec!["record_key".to_owned()]),
            filter_sql: Some(format!("dataset = '{}'", dataset.replace('\'', "''"))),
            ..Scan::default()
        };
        let mut stream = self.lake.scan(unlinked, scan).await.map_err(failed)?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            found.extend(batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_link_hash_writes_it_or_bare() {
        let member = HashedMember {
            algorithm: Algorithm::Sm3,
            key: b"sixteen bytes or more".to_vec().into(),
            reads: Reads::CitizenId,
        };
        let token = member.token_of("11010519491231002X").unwrap();
        assert!(token.starts_with("sm3.citizen_id."), "{token}");
        let bare = token.rsplit('.').next().unwrap().to_ascii_uppercase();
        assert_eq!(member.read(&format!(" {bare} ")).as_ref(), Some(&token));
        assert_eq!(member.read(&token).as_ref(), Some(&token));
        assert_eq!(member.read("sha256.citizen_id.00"), None);
        assert_eq!(member.token_of("110105491231002").as_ref(), Some(&token), "15 digits are the same number");
        assert_eq!(member.token_of("E3em1vs89mx7j6hj9h39mwnfpr2"), None);
    }
}
