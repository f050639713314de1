//! Members' records by entity: scanned once, keys normalised, spread over partitions by the key's hash.
//!
//! A partition holds every record of its entities, so each is resolved alone and in bounded memory.

use std::{fs::File, io::BufWriter, path::PathBuf, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StringBuilder, UInt32Array},
    compute::{cast, take_record_batch},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
    error::ArrowError,
    ipc::{reader::FileReader, writer::FileWriter},
};
use futures::StreamExt;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;
use yihe_definitions::{Member, Registry};
use yihe_lake::{Lake, Scan, TableName, Writer};

use crate::{error::RegistryError, key, shape};

/// Rows of all members that one partition holds, about.
const PARTITION_ROWS: u64 = 1_000_000;
/// Most partitions, and so most open files per member.
const PARTITIONS_MAX: u64 = 1_024;

/// Columns that stand before the fields in a gathered batch.
pub(crate) const LEADING: usize = 4;

/// Gathered records of one registry.
pub(crate) struct Gathered {
    /// Number of partitions.
    pub partitions: usize,
    /// Records gathered, and records without a usable key.
    pub records: u64,
    pub unlinked: u64,
    folder: TempDir,
    schemas: Vec<SchemaRef>,
}

/// Columns of a member's gathered batch: key, changed on (days or microseconds, null when unknown), batch, row,
/// then the member's fields in the order of the registry.
pub(crate) fn member_schema(registry: &Registry, member: &Member) -> SchemaRef {
    let mut fields = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("changed", DataType::Int64, true),
        Field::new("batch", DataType::Utf8, false),
        Field::new("row", DataType::Int64, false),
    ];
    for field in registry.fields.iter().filter(|field| member.fields.contains_key(&field.name)) {
        fields.push(Field::new(&field.name, shape::data_type(field.column_type), true));
    }
    Arc::new(Schema::new(fields))
}

/// Scans every member's checked table. Records without a usable key go to `unlinked`, where somebody wants them.
pub(crate) async fn gather(
    lake: &Lake,
    registry: &Registry,
    tables: &[(TableName, Option<i64>)],
    mut unlinked: Option<&mut Writer>,
) -> Result<Gathered, RegistryError> {
    let lake_failed = |action| move |source| RegistryError::Lake { action, registry: registry.id.clone(), source };
    let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
    let mut rows = 0;
    for (table, version) in tables {
        if lake.exists(table) {
            rows += lake.count(table, *version).await.map_err(lake_failed("count rows"))?;
        }
    }
    let partitions = usize::try_from(rows.div_ceil(PARTITION_ROWS).clamp(1, PARTITIONS_MAX)).unwrap_or(1);
    let folder = tempfile::Builder::new()
        .prefix("registry-")
        .tempdir_in(&lake.options().spill_dir)
        .map_err(|error| spool_failed(ArrowError::from(error)))?;
    let schemas: Vec<SchemaRef> = registry.members.iter().map(|member| member_schema(registry, member)).collect();
    let mut gathered = Gathered { partitions, records: 0, unlinked: 0, folder, schemas };
    for (index, (member, (table, version))) in registry.members.iter().zip(tables).enumerate() {
        let mut spool = gathered.spool(index).map_err(spool_failed)?;
        if lake.exists(table) {
            let scan = Scan {
                version: *version,
                columns: Some(columns_of(registry, member)),
                batch_size: Some(16_384),
                ..Scan::default()
            };
            let mut stream = lake.scan(table, scan).await.map_err(lake_failed("read a member"))?;
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(lake_failed("read a member"))?;
                let split = split(registry, member, &batch, &gathered.schemas[index]).map_err(spool_failed)?;
                gathered.records += split.linked.num_rows() as u64;
                gathered.unlinked += split.unlinked.num_rows() as u64;
                spool.write(&split.linked).map_err(spool_failed)?;
                if let Some(unlinked) = &mut unlinked {
                    unlinked.write(split.unlinked).await.map_err(lake_failed("write unlinked records"))?;
                }
            }
        }
        spool.finish().map_err(spool_failed)?;
    }
    Ok(gathered)
}

/// The columns to read of a member: key, change day, place, fields. Each once.
pub(crate) fn columns_of(registry: &Registry, member: &Member) -> Vec<String> {
    let mut columns = vec!["_batch".to_owned(), "_row".to_owned()];
    let fields = registry.fields.iter().filter_map(|field| member.fields.get(&field.name));
    for column in member.key.columns().iter().chain(&member.changed_on).chain(fields) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    columns
}

struct Split {
    linked: RecordBatch,
    unlinked: RecordBatch,
}

fn split(registry: &Registry, member: &Member, batch: &RecordBatch, schema: &SchemaRef) -> Result<Split, ArrowError> {
    let column =
        |name: &str| batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")));
    let text = |array: &ArrayRef| cast(array, &DataType::Utf8);
    let found = key::delivered(&member.key, batch)?;
    let batches = text(column("_batch")?)?;
    let rows = cast(column("_row")?, &DataType::Int64)?;

    let mut keys = StringBuilder::with_capacity(found.len(), found.len() * 18);
    let mut linked = Vec::with_capacity(found.len());
    let mut unlinked = Vec::new();
    for index in 0..found.len() {
        let place = u32::try_from(index).expect("a batch has fewer than 2^32 rows");
        match found.is_valid(index).then(|| key::usable(registry.entity, found.value(index))).flatten() {
            Some(key) => {
                keys.append_value(key);
                linked.push(place);
            }
            None => unlinked.push(place),
        }
    }
    let pick = |array: &ArrayRef, places: &UInt32Array| arrow::compute::take(array, places, None);
    let linked = UInt32Array::from(linked);
    let changed: ArrayRef = match &member.changed_on {
        Some(name) => cast(&cast_to_number(column(name)?)?, &DataType::Int64)?,
        None => arrow::array::new_null_array(&DataType::Int64, batch.num_rows()),
    };
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(keys.finish()), pick(&changed, &linked)?, pick(&batches, &linked)?, pick(&rows, &linked)?];
    for field in &registry.fields {
        if let Some(name) = member.fields.get(&field.name) {
            let values = cast(column(name)?, &shape::data_type(field.column_type))?;
            columns.push(trimmed(pick(&values, &linked)?));
        }
    }
    let places = UInt32Array::from(unlinked);
    let dataset: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&member.dataset, places.len())));
    let found: ArrayRef = Arc::new(found);
    let lost = vec![dataset, pick(&batches, &places)?, pick(&rows, &places)?, pick(&found, &places)?];
    Ok(Split {
        linked: RecordBatch::try_new(Arc::clone(schema), columns)?,
        unlinked: RecordBatch::try_new(shape::unlinked_schema(), lost)?,
    })
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

/// Dates and instants as numbers that order as they do.
fn cast_to_number(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Date32 => cast(array, &DataType::Int32),
        _ => cast(array, &DataType::Int64),
    }
}

impl Gathered {
    fn path(&self, member: usize, partition: usize) -> PathBuf {
        self.folder.path().join(format!("{member}-{partition}.arrow"))
    }

    fn spool(&self, member: usize) -> Result<Spool, ArrowError> {
        let files = (0..self.partitions)
            .map(|partition| {
                let file = File::create(self.path(member, partition))?;
                FileWriter::try_new(BufWriter::new(file), &self.schemas[member])
            })
            .collect::<Result<Vec<_>, ArrowError>>()?;
        Ok(Spool { files })
    }

    /// Every record of one partition, a batch per member, in the order of the members.
    pub fn partition(&self, partition: usize) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut members = Vec::with_capacity(self.schemas.len());
        for (member, schema) in self.schemas.iter().enumerate() {
            let reader = FileReader::try_new_buffered(File::open(self.path(member, partition))?, None)?;
            let batches = reader.collect::<Result<Vec<_>, _>>()?;
            members.push(arrow::compute::concat_batches(schema, &batches)?);
        }
        Ok(members)
    }
}

struct Spool {
    files: Vec<FileWriter<BufWriter<File>>>,
}

impl Spool {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if let [only] = self.files.as_mut_slice() {
            return only.write(batch);
        }
        let keys = batch.column(0).as_string::<i32>();
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); self.files.len()];
        for index in 0..keys.len() {
            let partition = xxh3_64(keys.value(index).as_bytes()) % self.files.len() as u64;
            let partition = usize::try_from(partition).expect("smaller than the number of files");
            places[partition].push(u32::try_from(index).expect("a batch has fewer than 2^32 rows"));
        }
        for (file, places) in self.files.iter_mut().zip(places) {
            if !places.is_empty() {
                file.write(&take_record_batch(batch, &UInt32Array::from(places))?)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ArrowError> {
        for mut file in self.files {
            file.finish()?;
        }
        Ok(())
    }
}

/// When a record was last changed; records without a day are the oldest.
pub(crate) fn changed(batch: &RecordBatch) -> &Int64Array {
    batch.column(1).as_primitive::<Int64Type>()
}
