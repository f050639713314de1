//! Which parts of a file can hold a value, by the bounds that its footer gives: row groups, and pages within them.

use arrow::array::{ArrayRef, BooleanArray};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection, RowSelector};
use parquet::errors::ParquetError;

use crate::beside::push_live;

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

    /// Rows of each row group.
    pub(crate) fn rows(&self) -> Vec<usize> {
        let groups = self.footer.metadata().row_groups();
        groups.iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(usize::MAX)).collect()
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

    /// The row groups and, within them, the pages for whose bounds `wanted` is true, without the rows at the places
    /// `hidden`.
    pub(crate) fn select(
        &self,
        hidden: &[u32],
        wanted: impl Fn(&ArrayRef, &ArrayRef) -> Result<BooleanArray, ArrowError>,
    ) -> Result<(Vec<usize>, RowSelection), ParquetError> {
        let keep = wanted(&self.lows, &self.highs)?;
        let mut selectors = Vec::new();
        let mut chosen = Vec::new();
        let mut first = 0;
        for (group, rows) in self.rows().into_iter().enumerate() {
            let mut at = first;
            first += rows;
            if !keep.value(group) {
                continue;
            }
            chosen.push(group);
            for page in self.pages(group, &wanted)? {
                if page.skip || hidden.is_empty() {
                    selectors.push(page);
                } else {
                    push_live(&mut selectors, hidden, at, page.row_count);
                }
                at += page.row_count;
            }
        }
        Ok((chosen, RowSelection::from(selectors)))
    }
}
