//! A workbook is a ZIP file, and a ZIP file can be a bomb. It is unpacked once into nothing, with a bound,
//! before the spreadsheet reader may unpack it into memory. Sizes that the file itself states are not believed.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use crate::{decode::read_error, error::CollectError};

/// Most bytes that a workbook may unpack to: over a million rows of twenty columns stay below.
pub(super) const UNPACKED_BYTES_MAX: u64 = 1 << 30;
/// Most parts of the package.
const PARTS_MAX: usize = 10_000;

pub(super) fn check(path: &Path) -> Result<(), CollectError> {
    let file = File::open(path).map_err(read_error(path))?;
    let damaged = |error: zip::result::ZipError| CollectError::Workbook { detail: error.to_string() };
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    if archive.len() > PARTS_MAX {
        return Err(CollectError::Workbook { detail: format!("more than {PARTS_MAX} parts") });
    }
    let mut left = UNPACKED_BYTES_MAX;
    let mut buffer = vec![0; 256 << 10];
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(damaged)?;
        let name = part.name().map_err(damaged)?.into_owned();
        loop {
            let read = part.read(&mut buffer).map_err(|error| CollectError::Workbook { detail: error.to_string() })?;
            if read == 0 {
                break;
            }
            left = left
                .checked_sub(read as u64)
                .ok_or_else(|| CollectError::WorkbookTooLarge { part: name.clone(), limit: UNPACKED_BYTES_MAX })?;
        }
    }
    Ok(())
}
