//! Rows by the value of a column that is not the key, without planning: filters of every file, then one row group.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, RecordBatch, Scalar, StringArray};
use arrow::compute::cast;
use arrow::compute::kernels::cmp;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;

use crate::beside::push_live;
use crate::error::LakeError;
use crate::lake::{Lake, locked};
use crate::lookup::rows_where;
use crate::name::TableName;
use crate::write::blocking;

/// Memory for filters, in bytes: of about thirty million rows.
const FILTER_BYTES: usize = 64 << 20;

impl Lake {
    /// The rows whose text column `column` is `text`. Trusted.
    ///
    /// In a table that says so ([`crate::Layout::found_by`]) only the row groups are read whose filter may have met
    /// the text: a hundredth of a second in ten million rows. Others are read column by column.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::NoColumn`], [`LakeError::Parquet`], [`LakeError::File`].
    pub async fn find(&self, table: &TableName, column: &str, text: &str) -> Result<Vec<RecordBatch>, LakeError> {
        let table = self.table(table, None).await?;
        if table.schema.field_with_name(column).is_err() {
            return Err(LakeError::NoColumn { table: table.name.clone(), column: column.to_owned() });
        }
        let (lake, column, text) = (self.clone(), column.to_owned(), text.to_owned());
        blocking(move || {
            let mut found = Vec::new();
            for file in &table.files {
                let path = table.folder.join(&file.path);
                let footer = lake.inner.footers.get(&path)?;
                let failed = |source| LakeError::parquet("read", &path, source);
                // A file that is older than the column has nothing there.
                let place = footer.parquet_schema().columns().iter().position(|known| known.name() == column);
                let Some(place) = place else { continue };
                let filters = lake.inner.filters.get(&path, &footer, place).map_err(failed)?;
                let mut first = 0;
                let mut groups = Vec::new();
                let mut selectors = Vec::new();
                for (group, filter) in filters.iter().enumerate() {
                    let rows = footer.metadata().row_group(group).num_rows();
                    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                    if filter.as_ref().is_none_or(|filter| filter.check(text.as_str())) {
                        groups.push(group);
                        push_live(&mut selectors, &file.hidden, first, rows);
                    }
                    first += rows;
                }
                let sought = Scalar::new(StringArray::from(vec![text.clone()]));
                let is_sought = move |batch: RecordBatch| {
                    cmp::eq(cast(batch.column(0), &DataType::Utf8)?.as_string::<i32>(), &sought)
                };
                let chosen = (groups, RowSelection::from(selectors));
                let rows = rows_where(&path, &footer, chosen, &[&column], &table.schema, is_sought);
                found.extend(rows.map_err(failed)?);
            }
            Ok(found)
        })
        .await?
    }
}

/// For each row group the filter of one column; `None` where the file has none.
type Filters = Arc<Vec<Option<Sbbf>>>;

/// Filters of files looked into lately, bounded in bytes.
#[derive(Default)]
pub(crate) struct FilterCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    filters: HashMap<(PathBuf, usize), Filters>,
    bytes: usize,
}

impl FilterCache {
    /// The filters of a column, by its place in the file, which never changes.
    fn get(&self, path: &Path, footer: &ArrowReaderMetadata, place: usize) -> Result<Filters, ParquetError> {
        let name = (path.to_owned(), place);
        if let Some(known) = locked(&self.0).filters.get(&name) {
            return Ok(Arc::clone(known));
        }
        let groups = footer.metadata().row_groups();
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(path)?, footer.clone());
        let filters: Vec<Option<Sbbf>> = (0..groups.len())
            .map(|group| builder.get_row_group_column_bloom_filter(group, place))
            .collect::<Result<_, _>>()?;
        let length = |group: usize| groups[group].column(place).bloom_filter_length().unwrap_or_default();
        let bytes: usize = (0..groups.len()).map(|group| usize::try_from(length(group)).unwrap_or_default()).sum();
        let filters = Arc::new(filters);
        let mut kept = locked(&self.0);
        if kept.bytes + bytes > FILTER_BYTES {
            // A table is written anew now and then, and its old files' filters go with all others'.
            *kept = Kept::default();
        }
        if bytes <= FILTER_BYTES && kept.filters.insert(name, Arc::clone(&filters)).is_none() {
            kept.bytes += bytes;
        }
        Ok(filters)
    }
}
