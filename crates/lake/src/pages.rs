//! Which parts of a file can hold a value, by the bounds that its footer gives: row groups, and pages within them.

use arrow::array::{ArrayRef, BooleanArray};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection, RowSelector};
use parquet::errors::ParquetError;

/// The bounds of one column.
pub(crate) struct Bounds<'a> {
    footer: &'a ArrowReaderMetadata,
    converter: StatisticsConverter<'a>,
    /// Lowest and highest value of each row group; null where it is unknown.
    pub lows: ArrayRef,
    pub highs: ArrayRef,
}

impl<'a> Bounds<'a> {
    pub(crate) fn of(footer: &'a ArrowReaderMetadata, column: &'a str) -> Result<Self, ParquetError> {
        let converter = StatisticsConverter::try_new(column, footer.schema(), footer.parquet_schema())?;
        let groups = footer.metadata().row_groups();
        let (lows, highs) = (converter.row_group_mins(groups)?, converter.row_group_maxes(groups)?);
        Ok(Self { footer, converter, lows, highs })
    }

    /// The pages of a row group that are wanted: `wanted` gets their lowest and highest values and says which. The
    /// whole group where the file does not tell of pages.
    pub(crate) fn pages(
        &self,
        group: usize,
        wanted: impl FnOnce(&ArrayRef, &ArrayRef) -> Result<BooleanArray, ArrowError>,
    ) -> Result<Vec<RowSelector>, ParquetError> {
        let metadata = self.footer.metadata();
        let groups = metadata.row_groups();
        let count = |rows: Option<u64>| rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(usize::MAX);
        let whole = || vec![RowSelector::select(count(groups[group].num_rows().try_into().ok()))];
        let (Some(columns), Some(offsets)) = (metadata.column_index(), metadata.offset_index()) else {
            return Ok(whole());
        };
        let Some(rows) = self.converter.data_page_row_counts(offsets, groups, [&group])? else { return Ok(whole()) };
        let keep = wanted(
            &self.converter.data_page_mins(columns, offsets, [&group])?,
            &self.converter.data_page_maxes(columns, offsets, [&group])?,
        )?;
        let selector = |page: usize| {
            let rows = count(Some(rows.value(page)));
            if keep.value(page) { RowSelector::select(rows) } else { RowSelector::skip(rows) }
        };
        Ok((0..rows.len()).map(selector).collect())
    }

    /// The row groups and, within them, the pages for whose bounds `wanted` is true.
    pub(crate) fn select(
        &self,
        wanted: impl Fn(&ArrayRef, &ArrayRef) -> Result<BooleanArray, ArrowError>,
    ) -> Result<(Vec<usize>, RowSelection), ParquetError> {
        let keep = wanted(&self.lows, &self.highs)?;
        let mut selectors = Vec::new();
        let mut chosen = Vec::new();
        for group in (0..keep.len()).filter(|group| keep.value(*group)) {
            chosen.push(group);
            selectors.extend(self.pages(group, &wanted)?);
        }
        Ok((chosen, RowSelection::from(selectors)))
    }
}
