//! Rows on their way into buckets: in memory while they are few, in spill files when they are many.
//!
//! A spill file holds one Arrow IPC stream per bucket, one after another, so that a thousand
//! buckets need one file handle and each bucket is read back in the order in which it came.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::error::LakeError;
use crate::lake::LakeOptions;
use crate::name::TableName;

/// Rows kept in memory before they are spilled, however small they are.
const MEMORY_ROWS: usize = 524_288;
/// Rows of one batch read back.
const BATCH_ROWS: usize = 16_384;

static NEXT_FOLDER: AtomicU64 = AtomicU64::new(0);

/// Collects rows by bucket.
pub(crate) struct Spill {
    table: TableName,
    schema: SchemaRef,
    buckets: usize,
    memory: usize,
    folder: PathBuf,
    waiting: Vec<RecordBatch>,
    waiting_buckets: Vec<Vec<u32>>,
    waiting_rows: usize,
    waiting_bytes: usize,
    runs: Vec<Run>,
}

/// One spill file.
struct Run {
    path: PathBuf,
    /// Where each bucket's stream begins and how long it is; length 0: none.
    segments: Vec<(u64, u64)>,
}

impl Spill {
    pub(crate) fn new(options: &LakeOptions, table: &TableName, schema: SchemaRef, buckets: u32) -> Self {
        let number = NEXT_FOLDER.fetch_add(1, Ordering::Relaxed);
        Self {
            table: table.clone(),
            schema,
            buckets: buckets as usize,
            memory: options.upsert_memory,
            folder: options.spill_dir.join(format!("{}-{}-{number}", table.zone(), table.name())),
            waiting: Vec::new(),
            waiting_buckets: Vec::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
            runs: Vec::new(),
        }
    }

    /// True when so much waits in memory that [`Self::flush`] should be called.
    pub(crate) const fn is_full(&self) -> bool {
        self.waiting_rows >= MEMORY_ROWS || self.waiting_bytes >= self.memory
    }

    /// Takes rows with their buckets.
    pub(crate) fn push(&mut self, batch: RecordBatch, buckets: Vec<u32>) {
        self.waiting_rows += batch.num_rows();
        self.waiting_bytes += batch.get_array_memory_size();
        self.waiting.push(batch);
        self.waiting_buckets.push(buckets);
    }

    /// Writes what waits to a spill file. Blocks.
    pub(crate) fn flush(&mut self) -> Result<(), LakeError> {
        if self.waiting_rows == 0 {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|source| LakeError::file("create", &self.folder, source))?;
        let path = self.folder.join(format!("{}.arrows", self.runs.len()));
        let segments = self.write_run(&path)?;
        self.runs.push(Run { path, segments });
        self.waiting.clear();
        self.waiting_buckets.clear();
        self.waiting_rows = 0;
        self.waiting_bytes = 0;
        Ok(())
    }

    fn write_run(&self, path: &Path) -> Result<Vec<(u64, u64)>, LakeError> {
        let file = File::create(path).map_err(|source| LakeError::file("write", path, source))?;
        let mut output = Counting { inner: BufWriter::with_capacity(1 << 18, file), written: 0 };
        let places = self.places();
        let sources: Vec<&RecordBatch> = self.waiting.iter().collect();
        let mut segments = Vec::with_capacity(self.buckets);
        for rows in places {
            let begin = output.written;
            if !rows.is_empty() {
                self.write_segment(&mut output, &sources, &rows).map_err(|source| self.spilled(path, source))?;
            }
            segments.push((begin, output.written - begin));
        }
        output.flush().map_err(|source| LakeError::file("write", path, source))?;
        Ok(segments)
    }

    fn write_segment(
        &self,
        output: &mut Counting,
        sources: &[&RecordBatch],
        rows: &[(usize, usize)],
    ) -> Result<(), ArrowError> {
        let mut writer = StreamWriter::try_new(output, &self.schema)?;
        for part in rows.chunks(BATCH_ROWS) {
            writer.write(&interleave_record_batch(sources, part)?)?;
        }
        writer.finish()
    }

    /// For each bucket, the places of its waiting rows, in order of arrival.
    fn places(&self) -> Vec<Vec<(usize, usize)>> {
        let mut places = vec![Vec::new(); self.buckets];
        for (batch, buckets) in self.waiting_buckets.iter().enumerate() {
            for (row, bucket) in buckets.iter().enumerate() {
                places[*bucket as usize].push((batch, row));
            }
        }
        places
    }

    fn spilled(&self, path: &Path, source: ArrowError) -> LakeError {
        match source {
            ArrowError::IoError(_, source) => LakeError::file("spill to", path, source),
            source => LakeError::Arrow { action: "spill", table: self.table.clone(), source },
        }
    }

    /// Ends collecting: what waits stays in memory when nothing was spilled, else joins the rest.
    pub(crate) fn finish(mut self) -> Result<Buckets, LakeError> {
        if !self.runs.is_empty() {
            self.flush()?;
        }
        let places = self.places();
        let occupied = (0..self.buckets)
            .filter(|bucket| !places[*bucket].is_empty() || self.runs.iter().any(|run| run.segments[*bucket].1 > 0))
            .filter_map(|bucket| u32::try_from(bucket).ok())
            .collect();
        Ok(Buckets { spill: self, places, occupied })
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if !self.runs.is_empty() {
            // The folder is emptied when the lake opens, should this fail.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// All rows, by bucket, to be read back from several threads.
pub(crate) struct Buckets {
    spill: Spill,
    places: Vec<Vec<(usize, usize)>>,
    /// Buckets that have rows, ascending.
    pub occupied: Vec<u32>,
}

impl Buckets {
    /// One bucket's rows in order of arrival. Blocks.
    pub(crate) fn read(&self, bucket: u32) -> Result<Vec<RecordBatch>, LakeError> {
        let mut found = Vec::new();
        for run in &self.spill.runs {
            let (begin, length) = run.segments[bucket as usize];
            if length == 0 {
                continue;
            }
            read_segment(&run.path, begin, length, &mut found)
                .map_err(|source| self.spill.spilled(&run.path, source))?;
        }
        let rows = &self.places[bucket as usize];
        if !rows.is_empty() {
            let sources: Vec<&RecordBatch> = self.spill.waiting.iter().collect();
            for part in rows.chunks(BATCH_ROWS) {
                let batch = interleave_record_batch(&sources, part)
                    .map_err(|source| self.spill.spilled(Path::new(""), source))?;
                found.push(batch);
            }
        }
        Ok(found)
    }

    /// The schema of every batch read back.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.spill.schema)
    }
}

fn read_segment(path: &Path, begin: u64, length: u64, found: &mut Vec<RecordBatch>) -> Result<(), ArrowError> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(begin))?;
    let reader = StreamReader::try_new(BufReader::new(file.take(length)), None)?;
    for batch in reader {
        found.push(batch?);
    }
    Ok(())
}

struct Counting {
    inner: BufWriter<File>,
    written: u64,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    #[test]
    fn a_bucket_reads_back_its_rows_in_order_of_arrival_spilled_or_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let table = TableName::new(crate::Zone::Checked, "t").expect("a valid name");
        for flush_every in [usize::MAX, 3] {
            let options = LakeOptions::new(folder.path());
            let mut spill = Spill::new(&options, &table, Arc::clone(&schema), 4);
            for part in 0..10_i64 {
                let numbers: Vec<i64> = (part * 100..(part + 1) * 100).collect();
                let buckets = numbers.iter().map(|n| u32::try_from(n % 3).expect("small")).collect();
                let batch =
                    RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(numbers))]).expect("fits");
                spill.push(batch, buckets);
                if usize::try_from(part).expect("small") % flush_every == flush_every - 1 {
                    spill.flush().expect("spills");
                }
            }
            let buckets = spill.finish().expect("finishes");
            assert_eq!(buckets.occupied, [0, 1, 2]);
            for bucket in 0..3_u32 {
                let read: Vec<i64> = buckets
                    .read(bucket)
                    .expect("reads")
                    .iter()
                    .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
                    .collect();
                let expected: Vec<i64> = (0..1000).filter(|n| n % 3 == i64::from(bucket)).collect();
                assert_eq!(read, expected);
            }
        }
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0, "nothing is left");
    }
}
