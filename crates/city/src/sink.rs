//! The containers in which departments deliver.

mod csv;
mod database;
mod jsonl;
mod parquet;
mod xlsx;

use std::path::Path;

use yihe_definitions::{Dataset, Encoding, Format};

use crate::{
    CityError,
    fault::Fault,
    row::{DaySpelling, Row},
};

pub use database::Server;
pub use parquet::RowsFile;

/// Takes records one by one and ends as a file or a table.
pub trait Sink {
    /// Adds one record.
    ///
    /// # Errors
    /// The file or the server refuses it.
    fn add(&mut self, row: &Row, fault: Option<&Fault>) -> Result<(), CityError>;

    /// Writes what is left.
    ///
    /// # Errors
    /// The file or the server refuses it.
    fn finish(self: Box<Self>) -> Result<(), CityError>;
}

/// Opens the file at `path` in the dataset's format, with the delivered columns only.
///
/// # Errors
/// The file cannot be made.
pub fn file(
    path: &Path,
    dataset: &Dataset,
    delivered: &[usize],
    spelling: DaySpelling,
) -> Result<Box<dyn Sink>, CityError> {
    Ok(match dataset.source.format {
        Format::Csv | Format::Postgres | Format::Mariadb => {
            let encoding =
                if dataset.source.encoding == Encoding::Gb18030 { csv::Kind::Gb18030 } else { csv::Kind::Utf8WithMark };
            Box::new(csv::CsvFile::new(path, dataset, delivered, encoding, spelling)?)
        }
        Format::Jsonl => Box::new(jsonl::JsonLines::new(path, dataset, delivered, spelling)?),
        Format::Xlsx => Box::new(xlsx::Workbook::new(path, dataset, delivered, spelling)?),
        Format::Parquet => Box::new(parquet::ParquetFile::new(path, dataset, delivered)?),
    })
}

/// Now and then a clerk spells a day in another way than the department's system does.
fn spelling_of(row: &Row, usual: DaySpelling) -> DaySpelling {
    let ticket = row.spelling & 0xff;
    if ticket < 12 { DaySpelling::ALL[usize::try_from((row.spelling >> 8) % 5).expect("below 5")] } else { usual }
}
