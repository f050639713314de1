//! A build from what changed: the entities that changed records or decisions are about are derived again, from all
//! of their records, and nobody else's are read.
//!
//! Which entities: those that changed rows were and are of, and those that changed decisions named and name. Which
//! records: those the entities were made of, those that changed, those that changed decisions name, and those that bear
//! the hash of such an entity's number.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    error::ArrowError,
};
use foldhash::fast::RandomState;
use futures::StreamExt;
use serde_json::Map;
use yihe_lake::{Differing, Gone, LakeError, Param, QueryTable, Scan, TableName};

use crate::{
    build::{Build, BuildReport, FAULT_POINT_CHANGES, How, Why, asks_for_age, report},
    error::RegistryError,
    gather::{Newest, Numbers, Part, Splitter, columns_of},
    hashed::{Recognised, Seeker, bearers},
    key,
    links::{Links, Standing},
    record::{self, KeyColumns},
    resolve::{Resolved, resolve},
    sources::{conflicts_to_remove, source_lines},
    state::{self, Figures, State},
};

/// A share of all records, one in so many, from which everything is built from nothing.
const SHARE: u64 = 8;
/// Changed records that are always worked off from what changed.
const ALWAYS: u64 = 2_000;
/// Most changed records or decisions that are held in memory.
const MOST: u64 = 2_000_000;
/// Times that entities may lead to further ones; one is enough for every case that is known.
const ROUNDS: usize = 8;

/// A set of texts. There are hundreds of thousands of them, asked for again and again.
type Texts = HashSet<String, RandomState>;

/// Records by member: their business keys within this room.
type Wanted = Vec<Texts>;

/// What changed, and whom it is about.
#[derive(Default)]
struct Affected {
    /// Entities, by the key they had or have.
    keys: Texts,
    /// Records to read.
    records: Wanted,
    /// Records that may have been unlinked before.
    was_unlinked: HashSet<(usize, String)>,
    /// Hashes of changed records, by member.
    tokens: Vec<Option<HashSet<String>>>,
    /// Entities and the lines of their conflicts before.
    had: Vec<(String, String)>,
    changed_records: u64,
    changed_decisions: u64,
}

impl Build<'_> {
    /// Builds from what changed since `known`, or says why everything must be built.
    pub(crate) async fn increment(&self, known: &State) -> Result<Result<BuildReport, Why>, RegistryError> {
        if let Err(why) = self.may_increment(known).await? {
            return Ok(Err(why));
        }
        let then = self.then(known, &self.tables.decisions);
        let decided = match state::decisions_at(self.lake(), &self.tables.decisions, then).await {
            Ok(decided) => decided,
            Err(LakeError::File { .. } | LakeError::NoVersion { .. }) => return Ok(Err(Why::Vacuumed)),
            Err(error) => return Err(self.failed("read decisions")(error)),
        };
        let before = Links::new(self.registry(), &self.rules.secret, &decided);
        let tokens = self.rules.hashed.iter().map(|how| how.as_ref().map(|_| HashSet::new())).collect();
        let mut affected =
            Affected { records: vec![Texts::default(); self.inputs.len()], tokens, ..Affected::default() };
        if let Err(why) = self.rows_that_changed(known, &before, &mut affected).await? {
            return Ok(Err(why));
        }
        if let Err(why) = self.decisions_that_changed(&decided, &before, &mut affected).await? {
            return Ok(Err(why));
        }
        self.entities_of_hashes(known, &before, &mut affected).await?;
        let Some((part, unlinked)) = self.records_of(known, &mut affected).await? else {
            return Ok(Err(Why::TooMuch));
        };
        self.fault(FAULT_POINT_CHANGES);
        let resolved = self.resolve_all(part).await?;
        self.write_changes(known, affected, resolved, unlinked).await.map(Ok)
    }

    /// The version of one of the other tables at the last build.
    fn then(&self, known: &State, table: &TableName) -> i64 {
        known.tables.get(&table.to_string()).copied().unwrap_or(0)
    }

    async fn may_increment(&self, known: &State) -> Result<Result<(), Why>, RegistryError> {
        if known.definition != self.state.definition {
            return Ok(Err(Why::Definition));
        }
        let present = |version: &Option<i64>| version.is_some();
        if known.inputs.len() != self.inputs.len()
            || known.inputs.iter().zip(&self.inputs).any(|(then, (_, now))| present(then) != present(now))
        {
            return Ok(Err(Why::Members));
        }
        if self.inputs.iter().zip(&self.rules.keys).any(|((_, version), key)| version.is_some() && key.is_empty()) {
            return Ok(Err(Why::NoKey));
        }
        for table in self.tables.others() {
            if !self.lake().exists(table) {
                return Ok(Err(Why::BrokeOff));
            }
            // Written by no later build than the last one, or by this one before it was killed.
            let then = self.then(known, table);
            let now = self.lake().version(table).await.map_err(self.failed("read versions"))?;
            if now == then {
                continue;
            }
            let mark = state::last_mark(self.lake(), table).await.map_err(self.failed("look for an earlier build"))?;
            if !mark.is_some_and(|(mark, at)| at <= then || mark == self.state.commit) {
                return Ok(Err(Why::BrokeOff));
            }
        }
        if asks_for_age(self.registry()) && self.newest_now().await? != known.newest {
            return Ok(Err(Why::Age));
        }
        Ok(Ok(()))
    }

    /// The greatest `changed_on` of each member.
    async fn newest_now(&self) -> Result<Vec<Option<i64>>, RegistryError> {
        let mut newest = Vec::with_capacity(self.inputs.len());
        for (member, (table, version)) in self.registry().members.iter().zip(&self.inputs) {
            let (Some(column), Some(_)) = (&member.changed_on, version) else {
                newest.push(None);
                continue;
            };
            let sql = format!("SELECT MAX(\"{column}\") AS newest FROM member");
            let tables = [QueryTable { alias: "member".to_owned(), table: table.clone(), version: *version }];
            let none: Vec<(String, Param)> = Vec::new();
            let mut stream = self.lake().query(&sql, &tables, none).await.map_err(self.failed("read a member"))?;
            let mut found = None;
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(self.failed("read a member"))?;
                let (_, at) = crate::gather::changed_on(batch.column(0)).map_err(self.spool_failed())?;
                found = at.at;
            }
            newest.push(found);
        }
        Ok(newest)
    }

    /// How many records may change before everything is built.
    async fn bound(&self) -> Result<u64, RegistryError> {
        let mut rows = 0;
        for (table, version) in &self.inputs {
            if version.is_some() {
                rows += self.lake().count(table, *version).await.map_err(self.failed("count rows"))?;
            }
        }
        Ok((rows / SHARE).clamp(ALWAYS, MOST))
    }

    /// Entities of rows that came, went or changed.
    async fn rows_that_changed(
        &self,
        known: &State,
        before: &Links,
        affected: &mut Affected,
    ) -> Result<Result<(), Why>, RegistryError> {
        let bound = self.bound().await?;
        for (index, (table, now)) in self.inputs.iter().enumerate() {
            let (Some(now), Some(then)) = (*now, known.inputs[index]) else { continue };
            if now == then {
                continue;
            }
            // A delivered row never changes, so its place tells whether it is the same.
            let member = &self.registry().members[index];
            let mut columns = vec!["_batch".to_owned(), "_row".to_owned()];
            for column in self.rules.keys[index].iter().chain(member.key.columns()) {
                if !columns.contains(column) {
                    columns.push(column.clone());
                }
            }
            // Where a record's business key tells of whom it is, the old form is of whom the new one was.
            let says_whose = member.key.columns().iter().all(|column| self.rules.keys[index].contains(column));
            let gone = if says_whose { Gone::Unreplaced } else { Gone::All };
            let differing = match self.lake().differing(table, (then, now), &columns, gone, bound).await {
                Ok(differing) => differing,
                Err(LakeError::File { .. } | LakeError::NoVersion { .. } | LakeError::NoColumn { .. }) => {
                    return Ok(Err(Why::Vacuumed));
                }
                Err(error) => return Err(self.failed("compare versions of a member")(error)),
            };
            let Some(Differing { gone, came, replaced }) = differing else { return Ok(Err(Why::TooMuch)) };
            affected.changed_records += replaced;
            for batch in gone.iter().chain(&came) {
                affected.changed_records += batch.num_rows() as u64;
                self.note(index, batch, &self.rules.links, affected).map_err(self.spool_failed())?;
                if known.decisions != self.state.decisions {
                    self.note(index, batch, before, affected).map_err(self.spool_failed())?;
                }
            }
            if affected.changed_records > 2 * bound {
                return Ok(Err(Why::TooMuch));
            }
        }
        Ok(Ok(()))
    }

    /// Notes records, and the entities they are of by `links`.
    fn note(
        &self,
        member: usize,
        batch: &RecordBatch,
        links: &Links,
        affected: &mut Affected,
    ) -> Result<(), ArrowError> {
        let business = KeyColumns::new(&self.rules.keys[member], batch)?;
        let found = key::delivered(&self.registry().members[member].key, batch)?;
        let mut text = String::new();
        if let Some(how) = &self.rules.hashed[member] {
            let tokens = how.delivered(&self.registry().members[member].key, batch)?;
            for (row, token) in tokens.into_iter().enumerate() {
                business.write(row, &mut text);
                // Whose it was and is follows from the numbers that are known; see `entities_of_hashes`.
                if let Some(tokens) = &mut affected.tokens[member] {
                    tokens.extend(token);
                }
                if let Some(assigned) = links.assign(member, &text, None) {
                    affected.keys.insert(assigned.key.to_owned());
                }
                if let Some((from, to)) = links.split_of(member, &text) {
                    affected.keys.extend([links.root(from), links.root(to)].map(str::to_owned));
                }
                affected.was_unlinked.insert((member, text.clone()));
                affected.records[member].insert(text.clone());
            }
            return Ok(());
        }
        for row in 0..batch.num_rows() {
            business.write(row, &mut text);
            let own = found.is_valid(row).then(|| key::usable(self.registry().entity, found.value(row))).flatten();
            match links.assign(member, &text, own.as_deref()) {
                Some(assigned) if affected.keys.contains(assigned.key) => {}
                Some(assigned) => {
                    affected.keys.insert(assigned.key.to_owned());
                }
                None => {
                    affected.was_unlinked.insert((member, text.clone()));
                }
            }
            if !affected.records[member].contains(&text) {
                affected.records[member].insert(text.clone());
            }
        }
        Ok(())
    }

    /// Entities that decisions are about which were made or revoked.
    async fn decisions_that_changed(
        &self,
        decided: &[Standing],
        before: &Links,
        affected: &mut Affected,
    ) -> Result<Result<(), Why>, RegistryError> {
        let (old, new): (BTreeSet<&Standing>, BTreeSet<&Standing>) =
            (decided.iter().collect(), self.standing.iter().collect());
        let mut named: Wanted = vec![Texts::default(); self.inputs.len()];
        for one in old.symmetric_difference(&new) {
            affected.changed_decisions += 1;
            let keys = [&one.entity_key, &one.other_key];
            for key in keys.into_iter().filter(|key| !key.is_empty()) {
                affected.keys.insert(before.root(key).to_owned());
                affected.keys.insert(self.rules.links.root(key).to_owned());
            }
            let member = self.registry().members.iter().position(|member| member.dataset == one.dataset);
            if let Some(member) = member {
                named[member].insert(record::read(&one.record_key));
            }
        }
        if affected.changed_decisions > self.bound().await? {
            return Ok(Err(Why::TooMuch));
        }
        for (member, records) in named.into_iter().enumerate() {
            if records.is_empty() || self.inputs[member].1.is_none() {
                continue;
            }
            let (table, version) = &self.inputs[member];
            let columns = columns_of(self.registry(), &self.registry().members[member], &self.rules.keys[member]);
            let batches = self.lake().pick(table, *version, &columns, records).await;
            for batch in batches.map_err(self.failed("read records"))? {
                self.note(member, &batch, before, affected).map_err(self.spool_failed())?;
                self.note(member, &batch, &self.rules.links, affected).map_err(self.spool_failed())?;
            }
        }
        Ok(Ok(()))
    }

    /// Entities whose numbers changed records bear the hashes of: those there were, those there are, and those merged into
    /// either.
    async fn entities_of_hashes(
        &self,
        known: &State,
        before: &Links,
        affected: &mut Affected,
    ) -> Result<(), RegistryError> {
        if affected.tokens.iter().flatten().all(HashSet::is_empty) {
            return Ok(());
        }
        let seeker = Seeker::new(&self.rules, affected.tokens.clone());
        let version = self.then(known, &self.tables.sources);
        let scan = Scan { version: Some(version), columns: Some(vec!["key".to_owned()]), ..Scan::default() };
        let mut stream = self.lake().scan(&self.tables.sources, scan).await.map_err(self.failed("read sources"))?;
        while let Some(batch) = stream.next().await {
            seeker.note(batch.map_err(self.failed("read sources"))?.column(0));
        }
        let others = before.merged().chain(self.rules.links.merged()).map(|(key, _, _)| key.to_owned());
        let others: Vec<String> = others.chain(affected.keys.iter().cloned()).collect();
        let others: ArrayRef = Arc::new(StringArray::from_iter_values(others));
        seeker.note(&others);
        for number in seeker.finish().into_iter().flatten().flat_map(HashMap::into_values) {
            affected.keys.insert(before.root(&number).to_owned());
            affected.keys.insert(self.rules.links.root(&number).to_owned());
        }
        Ok(())
    }

    /// Numbers by which an entity may be named: its own, and those merged into it.
    fn numbers_of(&self, keys: &Texts) -> Vec<String> {
        let merged = self.rules.links.merged().filter(|(_, root, _)| keys.contains(*root));
        keys.iter().cloned().chain(merged.map(|(key, _, _)| key.to_owned())).collect()
    }

    /// Adds the records that bear the hash of a number of one of these entities.
    async fn hashed_records_of(&self, keys: &[String], affected: &mut Affected) -> Result<(), RegistryError> {
        if self.rules.hashed.iter().all(Option::is_none) {
            return Ok(());
        }
        let keys: Texts = keys.iter().cloned().collect();
        for (member, how) in self.rules.hashed.iter().enumerate() {
            let Some(how) = how else { continue };
            let tokens = self.numbers_of(&keys).iter().filter_map(|number| how.token_of(number)).collect();
            let found = bearers(self.lake(), &self.rules, &self.inputs[member], member, &tokens).await?;
            for record in found {
                affected.was_unlinked.insert((member, record.clone()));
                affected.records[member].insert(record);
            }
        }
        Ok(())
    }

    /// Every record of the affected entities as they are now, and those of nobody. `None`: too many.
    async fn records_of(
        &self,
        known: &State,
        affected: &mut Affected,
    ) -> Result<Option<(Part, Vec<RecordBatch>)>, RegistryError> {
        let mut asked = Texts::default();
        for _ in 0..ROUNDS {
            let fresh: Vec<String> = affected.keys.difference(&asked).cloned().collect();
            if fresh.is_empty() {
                break;
            }
            let version = self.then(known, &self.tables.sources);
            let columns = ["key".to_owned(), "records".to_owned(), "lost".to_owned()];
            let found = self.lake().pick(&self.tables.sources, Some(version), &columns, fresh.clone()).await;
            self.hashed_records_of(&fresh, affected).await?;
            asked.extend(fresh);
            for batch in found.map_err(self.failed("read sources"))? {
                let (keys, losses) = (batch.column(0).as_string::<i32>(), batch.column(2).as_string::<i32>());
                let had = keys.iter().zip(losses).filter_map(|(key, lost)| Some((key?.to_owned(), lost?.to_owned())));
                affected.had.extend(had);
                let lines = batch.column(1).as_string::<i32>();
                for line in keys.iter().flatten().zip(lines.iter().flatten()).flat_map(source_lines) {
                    let member = self.registry().members.iter().position(|member| member.dataset == line.dataset);
                    if let Some(member) = member {
                        let records = &mut affected.records[member];
                        if !records.contains(line.record.as_ref()) {
                            records.insert(line.record.into_owned());
                        }
                    }
                }
            }
            if affected.records.iter().map(|records| records.len() as u64).sum::<u64>() > 4 * MOST {
                return Ok(None);
            }
            let (part, unlinked, more) = self.read(affected).await?;
            affected.keys.extend(more);
            for batch in &part.members {
                for key in batch.column(0).as_string::<i32>().iter().flatten() {
                    if !affected.keys.contains(key) {
                        affected.keys.insert(key.to_owned());
                    }
                }
            }
            if affected.keys.len() == asked.len() {
                return Ok(Some((part, unlinked)));
            }
        }
        if affected.keys.is_empty() {
            // Records of nobody came or went.
            let (part, unlinked, _) = self.read(affected).await?;
            return Ok(Some((part, unlinked)));
        }
        Ok(None)
    }

    /// Reads records and gives them to their entities. Last come entities that must be read too, before it can be said
    /// whether the hash of a record that was split off is that of a known number.
    async fn read(&self, affected: &Affected) -> Result<(Part, Vec<RecordBatch>, Vec<String>), RegistryError> {
        let wanted = &affected.records;
        let numbers = Arc::new(Numbers::default());
        let mut members: Vec<Option<RecordBatch>> = vec![None; wanted.len()];
        let mut newest = vec![Newest { at: None, day: 1 }; wanted.len()];
        let mut unlinked = Vec::new();
        let mut more = Vec::new();
        let mut clear: HashSet<String> = HashSet::new();
        for index in self.rules.in_reading_order() {
            let records = &wanted[index];
            let recognised = self.recognised(affected, index, &clear, &mut more);
            let member = &self.registry().members[index];
            let schema = crate::gather::member_schema(self.registry(), member);
            let mut linked = Vec::new();
            let mut day = 1;
            let (table, version) = &self.inputs[index];
            if version.is_some() && !records.is_empty() {
                let columns = columns_of(self.registry(), member, &self.rules.keys[index]);
                let batches = self.lake().pick(table, *version, &columns, records.iter().cloned()).await;
                let splitter = Splitter::new(Arc::clone(&self.rules), index, Arc::clone(&numbers));
                let mut splitter = splitter.recognising(recognised);
                for batch in batches.map_err(self.failed("read records"))? {
                    let split = splitter.split(&batch).map_err(self.spool_failed())?;
                    day = split.newest.day.max(day);
                    linked.push(split.linked);
                    if split.unlinked.num_rows() > 0 {
                        unlinked.push(split.unlinked);
                    }
                }
            }
            let linked = arrow::compute::concat_batches(&schema, &linked).map_err(self.spool_failed())?;
            if self.rules.hashed.iter().any(Option::is_some) && self.rules.hashed[index].is_none() {
                clear.extend(linked.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
            }
            members[index] = Some(linked);
            newest[index] = Newest { at: None, day };
        }
        let members = members.into_iter().flatten().collect();
        // May only be built from changes when these are as they were.
        if asks_for_age(self.registry()) {
            for (newest, at) in newest.iter_mut().zip(self.newest_now().await?) {
                newest.at = at;
            }
        }
        Ok((Part { members, batches: Arc::new(numbers.finish()), newest: Arc::new(newest) }, unlinked, more))
    }

    /// The hashes that a member's records may bear, where it delivers hashes: of numbers whose entity somebody delivers in
    /// clear. Entities of which that is not known yet go to `more`.
    fn recognised(
        &self,
        affected: &Affected,
        member: usize,
        clear: &HashSet<String>,
        more: &mut Vec<String>,
    ) -> Option<Arc<Recognised>> {
        let how = self.rules.hashed[member].as_ref()?;
        let links = &self.rules.links;
        let split = affected.records[member].iter().filter_map(|record| links.split_of(member, record));
        let split: Vec<String> = split.map(|(from, _)| from.to_owned()).collect();
        let unread = split.iter().map(|number| links.root(number)).filter(|root| !affected.keys.contains(*root));
        more.extend(unread.map(str::to_owned));
        let numbers = self.numbers_of(&affected.keys).into_iter().chain(split);
        let known = numbers
            .filter(|number| clear.contains(links.root(number)))
            .filter_map(|number| Some((how.token_of(&number)?, number)))
            .collect();
        let mut recognised: Recognised = vec![None; self.rules.hashed.len()];
        recognised[member] = Some(known);
        Some(Arc::new(recognised))
    }

    /// Resolves the records of all affected entities, on all threads.
    async fn resolve_all(&self, part: Part) -> Result<Vec<Resolved>, RegistryError> {
        let stopped = |detail: String| RegistryError::Stopped { registry: self.registry().id.clone(), detail };
        let shares = part.shared_out(self.lake().options().threads.max(1)).map_err(self.spool_failed())?;
        let mut tasks = Vec::with_capacity(shares.len());
        for share in shares {
            let rules = Arc::clone(&self.rules);
            tasks.push(tokio::task::spawn_blocking(move || resolve(&rules, &share)));
        }
        let mut resolved = Vec::with_capacity(tasks.len());
        for task in tasks {
            let done = task.await.map_err(|error| stopped(error.to_string()))?;
            resolved.push(done.map_err(self.spool_failed())?);
        }
        Ok(resolved)
    }

    /// Puts and removes what came out. The golden table is the last.
    async fn write_changes(
        &self,
        known: &State,
        affected: Affected,
        resolved: Vec<Resolved>,
        unlinked: Vec<RecordBatch>,
    ) -> Result<BuildReport, RegistryError> {
        let entities = affected.keys.len() as u64;
        let (records, decisions) = (affected.changed_records, affected.changed_decisions);
        let lost = self.unlinked_to_remove(&affected.was_unlinked, &unlinked).map_err(self.spool_failed())?;
        self.put(&self.tables.unlinked, lost, unlinked, state::mark(&self.state.commit)).await?;
        self.fault("build.after_unlinked");

        let now: Vec<&RecordBatch> = resolved.iter().map(|part| &part.sources).collect();
        let settled = conflicts_to_remove(&affected.had, &now).map_err(self.spool_failed())?;
        let conflicts: Vec<RecordBatch> = resolved.iter().map(|part| part.conflicts.clone()).collect();
        self.put(&self.tables.conflicts, settled, conflicts, state::mark(&self.state.commit)).await?;
        self.fault("build.after_conflicts");

        let there: HashSet<&str, RandomState> =
            resolved.iter().flat_map(|part| part.golden.column(0).as_string::<i32>().iter().flatten()).collect();
        let mut gone: Vec<&str> = affected.keys.iter().map(String::as_str).filter(|key| !there.contains(key)).collect();
        gone.sort_unstable();
        let key_rows = |name: &str| -> Result<Option<RecordBatch>, ArrowError> {
            let keys: ArrayRef = Arc::new(StringArray::from_iter_values(&gone));
            (!gone.is_empty()).then(|| RecordBatch::try_from_iter([(name, keys)])).transpose()
        };
        let no_sources = key_rows("key").map_err(self.spool_failed())?;
        let no_golden = key_rows(&self.registry().key).map_err(self.spool_failed())?;
        let sources: Vec<RecordBatch> = resolved.iter().map(|part| part.sources.clone()).collect();
        self.put(&self.tables.sources, no_sources, sources, state::mark(&self.state.commit)).await?;
        self.fault("build.after_sources");
        if self.state.decisions != known.decisions {
            self.write_decisions().await?;
        }

        let lake = self.lake();
        let count = |table: TableName| async move { lake.count(&table, None).await };
        let mut state = self.state.clone();
        state.newest.clone_from(&known.newest);
        state.tables = self.versions().await?;
        let unlinked_now = count(self.tables.unlinked.clone()).await.map_err(self.failed("count rows"))?;
        let mut rows = 0;
        for (table, version) in &self.inputs {
            if version.is_some() {
                rows += lake.count(table, *version).await.map_err(self.failed("count rows"))?;
            }
        }
        let conflicts_now = count(self.tables.conflicts.clone()).await.map_err(self.failed("count rows"))?;
        let mut figures =
            Figures { records: rows - unlinked_now, unlinked: unlinked_now, entities: 0, conflicts: conflicts_now };
        let golden: Vec<RecordBatch> = resolved.iter().map(|part| part.golden.clone()).collect();
        let version = self.put(&self.tables.golden, no_golden, golden, state.meta(&figures)).await?;
        self.fault("build.after_golden");
        figures.entities = count(self.tables.golden.clone()).await.map_err(self.failed("count rows"))?;
        Ok(report(self.registry(), figures, version, How::Changes { records, decisions, entities }))
    }

    /// Removes rows by key and puts rows, in one commit. A table of which nothing changes keeps its version, but for the
    /// golden one, whose commit tells that all is done.
    async fn put(
        &self,
        table: &TableName,
        gone: Option<RecordBatch>,
        rows: Vec<RecordBatch>,
        meta: Map<String, serde_json::Value>,
    ) -> Result<i64, RegistryError> {
        let lake = self.lake();
        let changes = gone.iter().chain(&rows).any(|batch| batch.num_rows() > 0);
        if !changes && *table != self.tables.golden {
            return lake.version(table).await.map_err(self.failed("read versions"));
        }
        let mut writer = lake.grower(table, self.key()?, &[]).await.map_err(self.failed("write rows"))?;
        if let Some(gone) = gone {
            writer.remove(gone).await.map_err(self.failed("write rows"))?;
        }
        for batch in rows {
            writer.write(batch).await.map_err(self.failed("write rows"))?;
        }
        Ok(writer.commit(meta).await.map_err(self.failed("write rows"))?.version)
    }

    /// Keys of rows of the unlinked table that may be there and must not be.
    fn unlinked_to_remove(
        &self,
        was: &HashSet<(usize, String)>,
        now: &[RecordBatch],
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let mut still: HashSet<(&str, &str)> = HashSet::new();
        for batch in now {
            let (datasets, records) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            still.extend(datasets.iter().flatten().zip(records.iter().flatten()));
        }
        let mut gone: Vec<(&str, String)> = was
            .iter()
            .map(|(member, text)| (self.registry().members[*member].dataset.as_str(), record::spell(text)))
            .filter(|(dataset, text)| !still.contains(&(*dataset, text.as_str())))
            .collect();
        gone.sort();
        if gone.is_empty() {
            return Ok(None);
        }
        let datasets: ArrayRef = Arc::new(StringArray::from_iter_values(gone.iter().map(|(dataset, _)| dataset)));
        let records: ArrayRef = Arc::new(StringArray::from_iter_values(gone.iter().map(|(_, record)| record)));
        RecordBatch::try_from_iter([("dataset", datasets), ("record_key", records)]).map(Some)
    }
}
