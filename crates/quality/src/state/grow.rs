//! A delivery joins what stands.

use std::{fs, path::Path};

use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    GroupWriter, RUNS_MAX, State, VERSION, Version,
    chunks::{Chunk, ChunkWriter},
    fingerprint,
    run::{KeptPart, Run, RunWriter, Skip},
    sweep, versions,
};
use crate::{
    checker::{Checker, Demand},
    error::QualityError,
    key_store::{KeyStore, Keys, PARTITIONS, Records, Scratch},
    outcome::{Baseline, Counts, Outcome},
    session::{Session, Share},
};

/// A batch of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its identifier.
    pub batch: String,
    /// Numbers that its rows have in the batch, as many as it has rows, in the order of the scan.
    pub places: RoaringBitmap,
}

/// How a delivery joins a table.
#[derive(Debug)]
pub struct Growth<'a> {
    /// Where the state is kept.
    pub folder: &'a Path,
    /// What stands; `None`: nothing yet.
    pub before: Option<&'a State>,
    /// Whether the delivery is the whole table.
    pub replaces: bool,
    /// Batches, in the order of the scan; their rows together are those of the scan.
    pub parts: &'a [Part],
    /// Every batch of the check, those without rows among them.
    pub judged: &'a [String],
    /// What they are judged by, in a form in which the owner can read it back; empty where nobody will.
    pub definition: &'a str,
}

/// What a delivery came to.
#[derive(Debug)]
pub struct Grown {
    /// The state with the delivery.
    pub state: State,
    /// Number of the delivery's first row.
    pub first_row: u64,
    /// The rows of the delivery, judged among all that stand. Rows are numbered as in the state.
    pub delivered: Outcome,
    /// By rule: rows of the delivery to which it does not apply.
    pub skipped: Vec<RoaringBitmap>,
    /// The table as a whole, without numbers of rows.
    pub whole: Outcome,
    /// The table before.
    pub before: Option<Baseline>,
    /// By rule: what the delivery changed of rows that stood before it.
    pub turned: Vec<Turned>,
}

/// Rows that stood before and stand still, whose verdict a delivery changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turned {
    /// Fail now.
    pub failing: RoaringBitmap,
    /// Pass now.
    pub passing: RoaringBitmap,
}

/// Judges the rows of `sessions`, whose first row has the number [`State::next_row`] (0 when nothing stands or all is
/// replaced), among all that stands, and writes the state with them.
///
/// # Errors
/// Keys cannot be read or written, a state is damaged, or the parts are not the rows of the scan.
pub fn grow(checker: &Checker, sessions: Vec<Session<'_>>, growth: &Growth<'_>) -> Result<Grown, QualityError> {
    let Growth { folder, before, replaces, parts, judged, definition } = *growth;
    let failed = |source| QualityError::Io { doing: "create", path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    let stands = before.filter(|_| !replaces);
    let first_row = stands.map_or(0, State::next_row);
    let share = Share::together(checker, sessions);
    let promised: u64 = parts.iter().map(|part| part.places.len()).sum();
    if promised != share.rows {
        return Err(QualityError::Parts { found: promised, expected: share.rows });
    }
    let number = versions(folder)?.last().map_or(1, |last| last + 1);
    let name = format!("{number:08}.run");
    let mut joining = Joining {
        checker,
        stands,
        replaces,
        first_row,
        starts: part_starts(parts, first_row),
        dead_before: stands.map(State::dead).transpose()?.unwrap_or_default(),
        dead: RoaringBitmap::new(),
        run: RunWriter::create(&folder.join(&name))?,
        version: ChunkWriter::create(&folder.join(format!("{number:08}.{VERSION}")))?,
        groups: Vec::new(),
        delivered: share.counts,
        failed: share.failed,
        counts: vec![Counts::default(); checker.rules().len()],
        turned: vec![Turned::default(); checker.rules().len()],
    };
    joining.keys(share.identity, share.stores)?;
    let (counts, standing) = joining.figures(share.rows, &share.skipped)?;
    let Joining { dead_before, dead, mut run, mut version, groups, delivered, failed, turned, .. } = joining;

    run.directory.first_row = first_row;
    run.directory.end_row = first_row + share.rows;
    let mut next = first_row;
    for part in parts {
        let places = run.out.put_bitmap(&mut part.places.clone())?;
        let rows = part.places.len();
        run.directory.parts.push(KeptPart { batch: part.batch.clone(), first_row: next, rows, places });
        next += rows;
    }
    for rule in 0..checker.rules().len() {
        let is_unique = matches!(checker.compiled()[rule].demand, Demand::Unique(_));
        let chunk = if is_unique { Chunk::default() } else { put_rows(&mut run.out, &failed[rule] - &dead)? };
        run.directory.failed.push(chunk);
        let chunk = put_rows(&mut run.out, &share.skipped[rule] - &dead)?;
        run.directory.skipped.push(chunk);
    }
    run.close()?;

    let mut gathered = share.gathered;
    if let Some(state) = stands {
        for (gathered, before) in gathered.iter_mut().zip(&state.version.gathered) {
            gathered.merge(before);
        }
    }
    let mut dead_after = dead_before | dead;
    // Rows of the delivery itself that another of its batches replaced are in no run.
    dead_after.remove_range(u32::try_from(first_row).unwrap_or(u32::MAX)..);
    let old: &[Run] = stands.map_or(&[], |state| &state.runs);
    let runs = together(folder, (number, name), old, &mut dead_after)?;
    let dead = put_rows(&mut version, dead_after)?;
    let directory = Version {
        rules: fingerprint(checker),
        before: before.map(|state| state.number),
        judged: judged.to_vec(),
        definition: definition.to_owned(),
        next_row: first_row + share.rows,
        standing,
        counts: counts.clone(),
        gathered: gathered.clone(),
        runs,
        dead,
        groups,
    };
    version.close(&directory)?;
    let kept: Vec<u64> = [number].into_iter().chain(before.map(|state| state.number)).collect();
    let before_runs = before.map_or(&[] as &[Run], |state| &state.runs);
    let runs: Vec<&str> =
        directory.runs.iter().map(String::as_str).chain(before_runs.iter().map(|run| run.name.as_str())).collect();
    sweep(folder, &kept, &runs)?;
    let Some(state) = State::open(folder, checker, |_| false)? else {
        return Err(QualityError::Io {
            doing: "find a version in",
            path: folder.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        });
    };
    Ok(Grown {
        first_row,
        delivered: Outcome { rows: share.rows, counts: delivered, failed, gathered: gathered.clone() },
        skipped: share.skipped,
        whole: Outcome { rows: standing, counts, failed: Vec::new(), gathered },
        before: before.map(|state| state.baseline(checker)),
        turned,
        state,
    })
}

fn put_rows(out: &mut ChunkWriter, mut rows: RoaringBitmap) -> Result<Chunk, QualityError> {
    if rows.is_empty() { Ok(Chunk::default()) } else { out.put_bitmap(&mut rows) }
}

/// Number of the first row of each batch.
fn part_starts(parts: &[Part], first_row: u64) -> Vec<u64> {
    let lengths = parts.iter().map(|part| part.places.len());
    lengths.scan(first_row, |next, rows| Some(std::mem::replace(next, *next + rows))).collect()
}

/// A delivery while it joins.
struct Joining<'a> {
    checker: &'a Checker,
    stands: Option<&'a State>,
    replaces: bool,
    first_row: u64,
    starts: Vec<u64>,
    dead_before: RoaringBitmap,
    /// Rows that stand no longer because of this delivery, its own among them.
    dead: RoaringBitmap,
    run: RunWriter,
    version: ChunkWriter,
    groups: Vec<(Chunk, Chunk)>,
    /// Figures of the delivery's rows.
    delivered: Vec<Counts>,
    failed: Vec<RoaringBitmap>,
    /// Figures of uniqueness rules on the whole table.
    counts: Vec<Counts>,
    turned: Vec<Turned>,
}

impl Joining<'_> {
    /// Goes through the keys: first the business key, which says what stands, then those of the rules.
    fn keys(&mut self, identity: Vec<KeyStore>, mut stores: Vec<Vec<KeyStore>>) -> Result<(), QualityError> {
        let rules = stores.len();
        let shared = self.checker.identity_rule();
        self.groups = vec![(Chunk::default(), Chunk::default()); rules];
        let mut identity = match shared {
            Some(rule) => std::mem::take(&mut stores[rule]),
            None => identity,
        };
        let mut keys = Keys::default();
        let mut scratch = Scratch::default();
        if identity.is_empty() {
            self.run.directory.families.push(Chunk::default());
        } else {
            let mut groups = GroupWriter::begin(&self.version);
            for partition in 0..PARTITIONS {
                take(&mut identity, partition, &mut keys)?;
                self.supersede(partition, &keys, &mut scratch)?;
                keys.retain(|row| !self.dead.contains(row));
                if let Some(rule) = shared {
                    self.judge(rule, partition, &keys, &mut scratch, &mut groups)?;
                }
                self.run.partition(&keys)?;
            }
            self.run.family()?;
            if let Some(rule) = shared {
                self.groups[rule] = groups.end(&mut self.version)?;
            }
        }
        for (rule, mut stores) in stores.into_iter().enumerate() {
            if shared == Some(rule) || stores.is_empty() {
                self.run.directory.families.push(Chunk::default());
                continue;
            }
            let mut groups = GroupWriter::begin(&self.version);
            for partition in 0..PARTITIONS {
                take(&mut stores, partition, &mut keys)?;
                if !self.dead.is_empty() {
                    keys.retain(|row| !self.dead.contains(row));
                }
                self.judge(rule, partition, &keys, &mut scratch, &mut groups)?;
                self.run.partition(&keys)?;
            }
            self.run.family()?;
            self.groups[rule] = groups.end(&mut self.version)?;
        }
        Ok(())
    }

    /// Which rows stand no longer because of the business keys of a partition.
    fn supersede(&mut self, partition: usize, keys: &Keys, scratch: &mut Scratch) -> Result<(), QualityError> {
        if self.starts.len() > 1 && !self.replaces {
            scratch.index(keys);
            let part = |row: u32| self.starts.partition_point(|start| *start <= u64::from(row));
            let mut last: std::collections::HashMap<u32, usize> = std::collections::HashMap::new();
            scratch.each_again(keys, |row, first| {
                let last = last.entry(first).or_default();
                *last = (*last).max(part(row));
            });
            let mut dead = Vec::new();
            scratch.each_again(keys, |row, first| {
                if last.get(&first).is_some_and(|last| part(row) < *last) {
                    dead.push(row);
                }
            });
            self.dead.extend(dead);
        }
        let mut older = Keys::default();
        let all = Skip { number: &|_| false, longer: &|_| false };
        for run in self.stands.map_or(&[] as &[Run], |state| &state.runs) {
            run.probe((0, partition), keys, &all, &mut older)?;
        }
        let rows = older.rows.iter().copied().chain(older.records().map(|(_, row, _)| row));
        let rows: Vec<u32> = rows.filter(|row| !self.dead_before.contains(*row)).collect();
        self.dead.extend(rows);
        Ok(())
    }

    /// Finds the rows of a partition that share a key, among those of the delivery and all that stand.
    fn judge(
        &mut self,
        rule: usize,
        partition: usize,
        keys: &Keys,
        scratch: &mut Scratch,
        groups: &mut GroupWriter,
    ) -> Result<(), QualityError> {
        scratch.index(keys);
        let mut table = Keys::default();
        let mut fresh = 0;
        let mut known = RoaringBitmap::new();
        if let Some(state) = self.stands {
            // Who shared a key before, and stands.
            state.group(rule, partition, &mut table)?;
            table.retain(|row| !self.dead.contains(row));
            known.extend(table.rows.iter().copied());
            known.extend(table.records().map(|(_, row, _)| row));
            fresh += scratch.seek(keys, &table, |_, _, _| Ok(()))?;
            // Who stood alone and does not any more.
            let mut older = Keys::default();
            if self.checker.identity_rule() != Some(rule) {
                let skip = Skip {
                    number: &|position| scratch.is_older(position),
                    longer: &|position| scratch.is_longer_older(position),
                };
                for run in &state.runs {
                    run.probe((1 + rule, partition), keys, &skip, &mut older)?;
                }
            }
            older.retain(|row| !self.dead_before.contains(row) && !self.dead.contains(row) && !known.contains(row));
            let turned = &mut self.turned[rule].failing;
            fresh += scratch.seek(keys, &older, |row, number, key| {
                turned.insert(row);
                put(&mut table, row, number, key);
                Ok(())
            })?;
        }
        let failed = &mut self.failed[rule];
        let surplus = scratch.report(keys, |row, number, key| {
            failed.insert(row);
            put(&mut table, row, number, key);
            Ok(())
        })?;
        *self.delivered[rule].surplus.get_or_insert(0) += surplus + fresh;
        let (kept, alone, distinct) = grouped(&table);
        for row in alone {
            self.turned[rule].passing.insert(row);
        }
        let count = kept.len() as u64;
        self.counts[rule].failed += count;
        *self.counts[rule].surplus.get_or_insert(0) += count - distinct;
        groups.partition(&mut self.version, &kept)
    }

    /// Figures of the whole table, and how many rows stand.
    fn figures(&mut self, rows: u64, skipped: &[RoaringBitmap]) -> Result<(Vec<Counts>, u64), QualityError> {
        let rules = self.checker.rules().len();
        for rule in 0..rules {
            if matches!(self.checker.compiled()[rule].demand, Demand::Unique(_)) {
                self.delivered[rule].failed = self.failed[rule].len();
            }
        }
        let mut sum = Sum {
            evaluated: self.delivered.iter().map(|counts| counts.evaluated).collect(),
            failed: self.failed.iter().map(RoaringBitmap::len).collect(),
            standing: rows,
        };
        let mut own = self.dead.clone();
        // Rows are numbered with 32 bits.
        own.remove_range(..u32::try_from(self.first_row).unwrap_or(u32::MAX));
        sum.leave(&own, &self.failed, skipped);
        if let Some(state) = self.stands {
            sum.standing += state.version.standing;
            for (rule, before) in state.version.counts.iter().enumerate() {
                sum.evaluated[rule] += before.evaluated;
                sum.failed[rule] += before.failed;
            }
            for run in &state.runs {
                let mut gone = self.dead.clone();
                gone.remove_range(..u32::try_from(run.directory.first_row).unwrap_or(u32::MAX));
                gone.remove_range(u32::try_from(run.directory.end_row).unwrap_or(u32::MAX)..);
                if !gone.is_empty() {
                    let bitmaps = |of: &[Chunk]| {
                        let bitmaps = (0..rules).map(|rule| run.bitmap(of, rule));
                        bitmaps.collect::<Result<Vec<RoaringBitmap>, QualityError>>()
                    };
                    sum.leave(&gone, &bitmaps(&run.directory.failed)?, &bitmaps(&run.directory.skipped)?);
                }
            }
        }
        let Sum { evaluated, failed, standing } = sum;
        let counts = (0..rules).map(|rule| match &self.checker.compiled()[rule].demand {
            Demand::Unique(_) => Counts {
                evaluated: evaluated[rule],
                failed: self.counts[rule].failed,
                surplus: Some(self.counts[rule].surplus.unwrap_or(0)),
            },
            Demand::Row(_) => Counts { evaluated: evaluated[rule], failed: failed[rule], surplus: None },
            Demand::Table(_) => Counts::default(),
        });
        Ok((counts.collect(), standing))
    }
}

/// Figures of a table from which rows leave.
struct Sum {
    evaluated: Vec<u64>,
    failed: Vec<u64>,
    standing: u64,
}

impl Sum {
    fn leave(&mut self, gone: &RoaringBitmap, failing: &[RoaringBitmap], skipped: &[RoaringBitmap]) {
        for (evaluated, skipped) in self.evaluated.iter_mut().zip(skipped) {
            // Rules on the whole table judge no row.
            *evaluated = evaluated.saturating_sub(gone.len() - gone.intersection_len(skipped));
        }
        for (failed, failing) in self.failed.iter_mut().zip(failing) {
            *failed = failed.saturating_sub(gone.intersection_len(failing));
        }
        self.standing = self.standing.saturating_sub(gone.len());
    }
}

fn take(stores: &mut [KeyStore], partition: usize, keys: &mut Keys) -> Result<(), QualityError> {
    keys.clear();
    stores.iter_mut().try_for_each(|store| store.take(partition, keys))
}

fn put(keys: &mut Keys, row: u32, number: Option<u64>, key: &[u8]) {
    match number {
        Some(number) => {
            keys.numbers.push(number);
            keys.rows.push(row);
        }
        None => keys.put_record(xxh3_64(key), row, key),
    }
}

/// Parts rows that share a key from those that have it alone. Answers the former, the rows of the latter, and how many
/// keys are shared.
fn grouped(table: &Keys) -> (Keys, Vec<u32>, u64) {
    let (mut kept, mut alone, mut distinct) = (Keys::default(), Vec::new(), 0);
    let mut short: Vec<(u64, u32)> = table.numbers.iter().copied().zip(table.rows.iter().copied()).collect();
    short.sort_unstable();
    for group in short.chunk_by(|first, second| first.0 == second.0) {
        if let [(_, row)] = group {
            alone.push(*row);
            continue;
        }
        distinct += 1;
        for (number, row) in group {
            kept.numbers.push(*number);
            kept.rows.push(*row);
        }
    }
    let mut longer: Vec<(&[u8], u32, u64)> =
        (Records::new(&table.longer)).map(|(hash, row, key)| (key, row, hash)).collect();
    longer.sort_unstable();
    for group in longer.chunk_by(|first, second| first.0 == second.0) {
        if let [(_, row, _)] = group {
            alone.push(*row);
            continue;
        }
        distinct += 1;
        for (key, row, hash) in group {
            kept.put_record(*hash, *row, key);
        }
    }
    (kept, alone, distinct)
}

/// Writes the youngest runs together where they have grown to half of the one before them. Answers the names of all
/// runs; rows that no run holds any more leave `dead`.
fn together(
    folder: &Path,
    (number, name): (u64, String),
    old: &[Run],
    dead: &mut RoaringBitmap,
) -> Result<Vec<String>, QualityError> {
    let fresh = Run::open(folder, &name)?;
    let all: Vec<&Run> = old.iter().chain([&fresh]).collect();
    let mut from = all.len() - 1;
    let mut rows = fresh.rows();
    while from > 0 && (all[from - 1].rows() < 2 * rows || from >= RUNS_MAX) {
        from -= 1;
        rows += all[from].rows();
    }
    let mut names: Vec<String> = all[..from].iter().map(|run| run.name.clone()).collect();
    if from + 1 == all.len() {
        names.push(name);
        return Ok(names);
    }
    let merged = format!("{number:08}.together");
    let mut writer = RunWriter::create(&folder.join(&merged))?;
    writer.directory.first_row = all[from].directory.first_row;
    writer.directory.end_row = fresh.directory.end_row;
    for run in &all[from..] {
        for part in &run.directory.parts {
            let places = writer.out.put(&run.file.whole(part.places)?)?;
            writer.directory.parts.push(KeptPart { places, ..part.clone() });
        }
    }
    for rule in 0..fresh.directory.failed.len() {
        let (mut failing, mut skipped) = (RoaringBitmap::new(), RoaringBitmap::new());
        for run in &all[from..] {
            failing |= run.bitmap(&run.directory.failed, rule)?;
            skipped |= run.bitmap(&run.directory.skipped, rule)?;
        }
        let chunk = put_rows(&mut writer.out, failing - &*dead)?;
        writer.directory.failed.push(chunk);
        let chunk = put_rows(&mut writer.out, skipped - &*dead)?;
        writer.directory.skipped.push(chunk);
    }
    let mut keys = Keys::default();
    for family in 0..fresh.directory.families.len() {
        if fresh.directory.families[family].bytes == 0 {
            writer.directory.families.push(Chunk::default());
            continue;
        }
        for partition in 0..PARTITIONS {
            keys.clear();
            for run in &all[from..] {
                run.load(family, partition, &mut keys)?;
            }
            keys.retain(|row| !dead.contains(row));
            writer.partition(&keys)?;
        }
        writer.family()?;
    }
    // Rows are numbered with 32 bits.
    dead.remove_range(u32::try_from(writer.directory.first_row).unwrap_or(u32::MAX)..);
    writer.close()?;
    names.push(merged);
    Ok(names)
}
