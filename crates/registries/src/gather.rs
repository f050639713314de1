//! Members' records by entity: scanned once, given to their entity, spread over partitions by the entity's hash.
//!
//! A partition holds every record of its entities, so each is resolved alone and in bounded memory.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::BufWriter,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int32Builder, RecordBatch, StringArray, StringBuilder, UInt32Array, new_null_array,
    },
    compute::{cast, max, take, take_record_batch},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
    error::ArrowError,
    ipc::{reader::FileReader, writer::FileWriter},
};
use futures::StreamExt;
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};
use xxhash_rust::xxh3::xxh3_64;
use yihe_definitions::{Member, Registry};
use yihe_lake::{BatchStream, Lake, Scan, TableName, Writer};

use crate::{
    error::RegistryError,
    hashed::{self, HashedMember, Recognised, Seeker},
    identity::EntitySecret,
    key,
    links::Links,
    record::{self, KeyColumns},
    shape,
};

/// Rows of all members that one partition holds, about.
const PARTITION_ROWS: u64 = 1_000_000;
/// Most partitions, and so most open files.
const PARTITIONS_MAX: u64 = 1_024;
/// Rows scanned at a time: enough that a partition's share of them is worth a message of its own.
const SCAN_ROWS: usize = 65_536;
/// Bytes gathered before they are written to a partition's file.
const FILE_BUFFER: usize = 128 << 10;

/// Columns that stand before the fields in a gathered batch.
pub(crate) const LEADING: usize = 6;

/// What records are given to entities by.
pub(crate) struct Rules {
    pub registry: Registry,
    pub links: Links,
    pub secret: EntitySecret,
    /// Key columns of each member's checked table; none: the dataset has no key.
    pub keys: Vec<Vec<String>>,
    /// How each member's numbers were hashed, if they were.
    pub hashed: Vec<Option<HashedMember>>,
}

impl Rules {
    /// The members in the order in which they are read: hashes are recognised once all numbers are known.
    pub fn in_reading_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.registry.members.len()).collect();
        order.sort_by_key(|member| self.hashed.get(*member).is_some_and(Option::is_some));
        order
    }
}

/// Batch identifiers by number, and the numbers in the order of the identifiers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Batches {
    pub names: Vec<String>,
    /// For each number its place among the sorted identifiers.
    pub ranks: Vec<u32>,
}

/// How old the newest record of a member is, in the unit of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    /// Greatest `changed_on` of the member; `None` where there is none.
    pub at: Option<i64>,
    /// Units of a day.
    pub day: i64,
}

/// Records of some entities, a batch per member, and what their numbers mean.
pub(crate) struct Part {
    pub members: Vec<RecordBatch>,
    pub batches: Arc<Batches>,
    pub newest: Arc<Vec<Newest>>,
}

impl Part {
    /// The same records in `shares` parts, each entity's in one.
    pub fn shared_out(self, shares: usize) -> Result<Vec<Self>, ArrowError> {
        if shares == 1 {
            return Ok(vec![self]);
        }
        let mut parts: Vec<Vec<RecordBatch>> = vec![Vec::with_capacity(self.members.len()); shares];
        for batch in self.members {
            for (part, places) in parts.iter_mut().zip(places_by_key(&batch, shares)) {
                part.push(take_record_batch(&batch, &UInt32Array::from(places))?);
            }
        }
        let part = |members| Self { members, batches: Arc::clone(&self.batches), newest: Arc::clone(&self.newest) };
        Ok(parts.into_iter().map(part).collect())
    }
}

/// The rows of a gathered batch by the hash of their entity's key.
fn places_by_key(batch: &RecordBatch, parts: usize) -> Vec<Vec<u32>> {
    let keys = batch.column(0).as_string::<i32>();
    let mut places: Vec<Vec<u32>> = vec![Vec::new(); parts];
    for index in 0..keys.len() {
        let part = xxh3_64(keys.value(index).as_bytes()) % parts as u64;
        let part = usize::try_from(part).expect("smaller than the number of parts");
        places[part].push(u32::try_from(index).expect("a batch has fewer than 2^32 rows"));
    }
    places
}

/// Gathered records of one registry.
pub(crate) struct Gathered {
    /// Number of partitions.
    pub partitions: usize,
    /// Records gathered, and records of no known entity.
    pub records: u64,
    pub unlinked: u64,
    pub batches: Arc<Batches>,
    pub newest: Arc<Vec<Newest>>,
    folder: TempDir,
    schemas: Vec<SchemaRef>,
}

/// Columns of a member's gathered batch: the entity's key; changed on (days or microseconds, null when unknown);
/// number of the batch; row; business key (null: as the entity's key); decision that gave the record to the entity;
/// then the member's fields in the order of the registry.
pub(crate) fn member_schema(registry: &Registry, member: &Member) -> SchemaRef {
    let mut fields = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("changed", DataType::Int64, true),
        Field::new("batch", DataType::Int32, false),
        Field::new("row", DataType::Int64, false),
        Field::new("record", DataType::Utf8, true),
        Field::new("by", DataType::Utf8, true),
    ];
    for field in registry.fields.iter().filter(|field| member.fields.contains_key(&field.name)) {
        fields.push(Field::new(&field.name, shape::data_type(field.column_type), true));
    }
    Arc::new(Schema::new(fields))
}

/// Scans every member's checked table. Records of no known entity go to `unlinked`, where somebody wants them.
pub(crate) async fn gather(
    lake: &Lake,
    rules: &Arc<Rules>,
    tables: &[(TableName, Option<i64>)],
    mut unlinked: Option<&mut Writer>,
) -> Result<Gathered, RegistryError> {
    let registry = &rules.registry;
    let lake_failed = |action| move |source| RegistryError::Lake { action, registry: registry.id.clone(), source };
    let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
    let stopped = |detail: String| RegistryError::Stopped { registry: registry.id.clone(), detail };
    let mut rows = 0;
    for (table, version) in tables {
        if version.is_some() {
            rows += lake.count(table, *version).await.map_err(lake_failed("count rows"))?;
        }
    }
    let partitions = usize::try_from(rows.div_ceil(PARTITION_ROWS).clamp(1, PARTITIONS_MAX)).unwrap_or(1);
    let folder = tempfile::Builder::new()
        .prefix("registry-")
        .tempdir_in(&lake.options().spill_dir)
        .map_err(|error| spool_failed(ArrowError::from(error)))?;
    let schemas: Vec<SchemaRef> = registry.members.iter().map(|member| member_schema(registry, member)).collect();
    let numbers = Arc::new(Numbers::default());
    let mut newest = vec![Newest { at: None, day: 1 }; registry.members.len()];
    let seeker = if rules.hashed.iter().any(Option::is_some) {
        Some(Arc::new(Seeker::new(rules, hashed::delivered(lake, rules, tables).await?)))
    } else {
        None
    };
    let mut gathered = Gathered {
        partitions,
        records: 0,
        unlinked: 0,
        batches: Arc::default(),
        newest: Arc::default(),
        folder,
        schemas,
    };
    for index in rules.in_reading_order() {
        let (table, version) = &tables[index];
        let is_hashed = rules.hashed.get(index).is_some_and(Option::is_some);
        let recognised = seeker.as_ref().filter(|_| is_hashed).map(|seeker| Arc::new(seeker.finish()));
        let spool = Arc::new(gathered.spool(index).map_err(spool_failed)?);
        let mut latest = Newest { at: None, day: 1 };
        if version.is_some() {
            let scan = Scan {
                version: *version,
                columns: Some(columns_of(registry, &registry.members[index], &rules.keys[index])),
                batch_size: Some(SCAN_ROWS),
                ..Scan::default()
            };
            let streams = lake.scan_parallel(table, scan).await.map_err(lake_failed("read a member"))?;
            let (sender, mut lost) = mpsc::channel(4);
            let mut drains = JoinSet::new();
            for stream in streams {
                let splitter = Splitter::new(Arc::clone(rules), index, Arc::clone(&numbers));
                let splitter = splitter.recognising(recognised.clone());
                let seeker = seeker.clone().filter(|_| !is_hashed);
                drains.spawn(drain(stream, splitter, Arc::clone(&spool), sender.clone(), seeker));
            }
            drop(sender);
            while let Some(batch) = lost.recv().await {
                if let Some(unlinked) = &mut unlinked {
                    unlinked.write(batch).await.map_err(lake_failed("write unlinked records"))?;
                }
            }
            while let Some(done) = drains.join_next().await {
                let done = done.map_err(|error| stopped(error.to_string()))?;
                let done = done.map_err(|error| error.about(registry))?;
                gathered.records += done.linked;
                gathered.unlinked += done.unlinked;
                latest = Newest { at: latest.at.max(done.newest.at), day: done.newest.day.max(latest.day) };
            }
        }
        newest[index] = latest;
        let spool = Arc::into_inner(spool).ok_or_else(|| stopped("a spool file is still in use".to_owned()))?;
        spool.finish().map_err(spool_failed)?;
    }
    gathered.batches = Arc::new(numbers.finish());
    gathered.newest = Arc::new(newest);
    Ok(gathered)
}

/// What one stream came to.
struct Drained {
    linked: u64,
    unlinked: u64,
    newest: Newest,
}

/// Why a stream was not drained.
enum DrainError {
    Lake(yihe_lake::LakeError),
    Spool(ArrowError),
}

impl DrainError {
    fn about(self, registry: &Registry) -> RegistryError {
        let registry = registry.id.clone();
        match self {
            Self::Lake(source) => RegistryError::Lake { action: "read a member", registry, source },
            Self::Spool(source) => RegistryError::Spool { registry, source },
        }
    }
}

async fn drain(
    mut stream: BatchStream,
    mut splitter: Splitter,
    spool: Arc<Spool>,
    lost: mpsc::Sender<RecordBatch>,
    seeker: Option<Arc<Seeker>>,
) -> Result<Drained, DrainError> {
    let mut drained = Drained { linked: 0, unlinked: 0, newest: Newest { at: None, day: 1 } };
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(DrainError::Lake)?;
        let split = splitter.split(&batch).map_err(DrainError::Spool)?;
        if let Some(seeker) = &seeker {
            seeker.note(split.linked.column(0));
        }
        drained.linked += split.linked.num_rows() as u64;
        drained.unlinked += split.unlinked.num_rows() as u64;
        drained.newest =
            Newest { at: drained.newest.at.max(split.newest.at), day: drained.newest.day.max(split.newest.day) };
        spool.write(&split.linked).map_err(DrainError::Spool)?;
        if split.unlinked.num_rows() > 0 && lost.send(split.unlinked).await.is_err() {
            // Whoever wants them failed, and says why.
            break;
        }
    }
    Ok(drained)
}

/// The columns to read of a member: place, business key, entity's key, change day, fields. Each once.
pub(crate) fn columns_of(registry: &Registry, member: &Member, business_key: &[String]) -> Vec<String> {
    let mut columns = vec!["_batch".to_owned(), "_row".to_owned()];
    let fields = registry.fields.iter().filter_map(|field| member.fields.get(&field.name));
    let key = member.key.columns().iter();
    for column in business_key.iter().chain(key).chain(&member.changed_on).chain(fields) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    columns
}

/// Batch identifiers as numbers, in the order in which threads met them.
#[derive(Default)]
pub(crate) struct Numbers(Mutex<HashMap<String, i32>>);

impl Numbers {
    fn of(&self, name: &str) -> i32 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = i32::try_from(known.len()).unwrap_or(i32::MAX);
        *known.entry(name.to_owned()).or_insert(next)
    }

    pub fn finish(&self) -> Batches {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = vec![String::new(); known.len()];
        for (name, number) in known.iter() {
            if let Some(place) = usize::try_from(*number).ok().and_then(|at| names.get_mut(at)) {
                place.clone_from(name);
            }
        }
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|a, b| names[*a].cmp(&names[*b]));
        let mut ranks = vec![0; names.len()];
        for (rank, at) in (0_u32..).zip(order) {
            ranks[at] = rank;
        }
        Batches { names, ranks }
    }
}

pub(crate) struct Split {
    pub linked: RecordBatch,
    pub unlinked: RecordBatch,
    pub newest: Newest,
}

/// Gives a member's records to their entities.
pub(crate) struct Splitter {
    rules: Arc<Rules>,
    member: usize,
    schema: SchemaRef,
    numbers: Arc<Numbers>,
    met: HashMap<String, i32>,
    /// Records that are known to be of one entity, with the decision that gave them to it.
    given: Option<(String, HashMap<String, Option<String>>)>,
    /// Numbers of hashes, by member.
    recognised: Option<Arc<Recognised>>,
}

impl Splitter {
    pub fn new(rules: Arc<Rules>, member: usize, numbers: Arc<Numbers>) -> Self {
        let schema = member_schema(&rules.registry, &rules.registry.members[member]);
        Self { rules, member, schema, numbers, met: HashMap::new(), given: None, recognised: None }
    }

    /// Takes records for those of an entity, and nothing else, whatever their keys say.
    pub fn given(mut self, key: &str, records: HashMap<String, Option<String>>) -> Self {
        self.given = Some((key.to_owned(), records));
        self
    }

    /// Takes the hashes of the member for those of these numbers; any other is of nobody.
    pub fn recognising(mut self, recognised: Option<Arc<Recognised>>) -> Self {
        self.recognised = recognised;
        self
    }

    fn number(&mut self, name: &str) -> i32 {
        if let Some(number) = self.met.get(name) {
            return *number;
        }
        let number = self.numbers.of(name);
        self.met.insert(name.to_owned(), number);
        number
    }

    /// Splits rows of the member, read with [`columns_of`].
    pub fn split(&mut self, batch: &RecordBatch) -> Result<Split, ArrowError> {
        let rules = Arc::clone(&self.rules);
        let (registry, member) = (&rules.registry, &rules.registry.members[self.member]);
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")))
        };
        let found = key::delivered(&member.key, batch)?;
        let batches = cast(column("_batch")?, &DataType::Utf8)?;
        let batches = batches.as_string::<i32>();
        let rows = cast(column("_row")?, &DataType::Int64)?;
        let business = KeyColumns::new(&rules.keys[self.member], batch)?;
        let decided = rules.links.about_records(self.member);
        let given = self.given.clone();
        let hashes = match rules.hashed.get(self.member).and_then(Option::as_ref) {
            Some(how) => Some(how.delivered(&member.key, batch)?),
            None => None,
        };
        let known = self.recognised.clone();
        let known = known.as_ref().and_then(|known| known.get(self.member)).and_then(Option::as_ref);

        let count = batch.num_rows();
        let mut keys = StringBuilder::with_capacity(count, count * 18);
        let mut records = StringBuilder::with_capacity(count, 0);
        let mut by = StringBuilder::with_capacity(count, 0);
        let mut numbers = Int32Builder::with_capacity(count);
        let mut linked = Vec::with_capacity(count);
        let mut unlinked = Vec::new();
        let mut lost_records = StringBuilder::new();
        let mut text = String::new();
        let mut last: Option<(String, i32)> = None;
        for index in 0..count {
            let place = u32::try_from(index).expect("a batch has fewer than 2^32 rows");
            let own = match &hashes {
                Some(hashes) => {
                    let number = hashes[index].as_ref().zip(known).and_then(|(token, known)| known.get(token));
                    number.map(|number| Cow::Borrowed(number.as_str()))
                }
                None => found.is_valid(index).then(|| key::usable(registry.entity, found.value(index))).flatten(),
            };
            business.write(index, &mut text);
            let assigned = if let Some((key, records)) = &given {
                records.get(&text).map(|by| (key.as_str(), by.as_deref()))
            } else if decided {
                rules.links.assign(self.member, &text, own.as_deref()).map(|assigned| (assigned.key, assigned.by))
            } else {
                own.as_deref().map(|own| (rules.links.root(own), None))
            };
            let Some((key, decision)) = assigned else {
                unlinked.push(place);
                lost_records.append_value(record::spell(&text));
                continue;
            };
            keys.append_value(key);
            records.append_option((text != key).then_some(text.as_str()));
            by.append_option(decision);
            let name = batches.value(index);
            let number = match &last {
                Some((same, number)) if same == name => *number,
                _ => {
                    let number = self.number(name);
                    last = Some((name.to_owned(), number));
                    number
                }
            };
            numbers.append_value(number);
            linked.push(place);
        }
        let pick = |array: &dyn Array, places: &UInt32Array| take(array, places, None);
        let linked = UInt32Array::from(linked);
        let (changed, newest) = match &member.changed_on {
            Some(name) => changed_on(column(name)?)?,
            None => (new_null_array(&DataType::Int64, count), Newest { at: None, day: 1 }),
        };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(keys.finish()),
            pick(&changed, &linked)?,
            Arc::new(numbers.finish()),
            pick(&rows, &linked)?,
            Arc::new(records.finish()),
            Arc::new(by.finish()),
        ];
        for field in &registry.fields {
            if let Some(name) = member.fields.get(&field.name) {
                let values = cast(column(name)?, &shape::data_type(field.column_type))?;
                columns.push(trimmed(pick(&values, &linked)?));
            }
        }
        let places = UInt32Array::from(unlinked);
        let dataset = StringArray::from_iter_values(std::iter::repeat_n(&member.dataset, places.len()));
        let lost: Vec<ArrayRef> = vec![
            Arc::new(dataset),
            Arc::new(lost_records.finish()),
            pick(batches, &places)?,
            pick(&rows, &places)?,
            pick(&found, &places)?,
        ];
        Ok(Split {
            linked: RecordBatch::try_new(Arc::clone(&self.schema), columns)?,
            unlinked: RecordBatch::try_new(shape::unlinked_schema(), lost)?,
            newest,
        })
    }
}

/// Text without outer blanks; what is blank altogether is no value. Other types stay as they are.
fn trimmed(array: ArrayRef) -> ArrayRef {
    let Some(texts) = array.as_string_opt::<i32>() else { return array };
    let clean = |text: &str| text.trim().len() == text.len() && !text.is_empty();
    if texts.iter().flatten().all(clean) {
        return array;
    }
    let trim = |text: Option<&str>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    Arc::new(texts.iter().map(trim).collect::<StringArray>())
}

/// Days and instants as numbers that order as they do, and the newest of them.
pub(crate) fn changed_on(array: &ArrayRef) -> Result<(ArrayRef, Newest), ArrowError> {
    let (numbers, day) = match array.data_type() {
        DataType::Date32 => (cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?, 1),
        DataType::Timestamp(_, _) => (cast(array, &DataType::Int64)?, 86_400_000_000),
        _ => (cast(array, &DataType::Int64)?, 1),
    };
    let at = max(numbers.as_primitive::<Int64Type>());
    Ok((numbers, Newest { at, day }))
}

impl Gathered {
    fn path(&self, member: usize, partition: usize) -> PathBuf {
        self.folder.path().join(format!("{member}-{partition}.arrow"))
    }

    fn spool(&self, member: usize) -> Result<Spool, ArrowError> {
        let files = (0..self.partitions)
            .map(|partition| {
                let file = BufWriter::with_capacity(FILE_BUFFER, File::create(self.path(member, partition))?);
                Ok(Mutex::new(FileWriter::try_new(file, &self.schemas[member])?))
            })
            .collect::<Result<Vec<_>, ArrowError>>()?;
        Ok(Spool { files })
    }

    /// Every record of one partition, a batch per member, in the order of the members.
    pub fn partition(&self, partition: usize) -> Result<Part, ArrowError> {
        let mut members = Vec::with_capacity(self.schemas.len());
        for (member, schema) in self.schemas.iter().enumerate() {
            let reader = FileReader::try_new_buffered(File::open(self.path(member, partition))?, None)?;
            let batches = reader.collect::<Result<Vec<_>, _>>()?;
            members.push(arrow::compute::concat_batches(schema, &batches)?);
        }
        Ok(Part { members, batches: Arc::clone(&self.batches), newest: Arc::clone(&self.newest) })
    }

    /// Forgets a partition that was resolved: its files are the bulk of what a build needs of the disk.
    pub fn forget(&self, partition: usize) {
        for member in 0..self.schemas.len() {
            // The folder goes with the build, should this fail.
            let _ = std::fs::remove_file(self.path(member, partition));
        }
    }
}

struct Spool {
    files: Vec<Mutex<FileWriter<BufWriter<File>>>>,
}

impl Spool {
    fn write(&self, batch: &RecordBatch) -> Result<(), ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let to = |file: &Mutex<FileWriter<BufWriter<File>>>, batch: &RecordBatch| {
            file.lock().unwrap_or_else(PoisonError::into_inner).write(batch)
        };
        if let [only] = self.files.as_slice() {
            return to(only, batch);
        }
        for (file, places) in self.files.iter().zip(places_by_key(batch, self.files.len())) {
            if !places.is_empty() {
                to(file, &take_record_batch(batch, &UInt32Array::from(places))?)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ArrowError> {
        for file in self.files {
            file.into_inner().unwrap_or_else(PoisonError::into_inner).finish()?;
        }
        Ok(())
    }
}
