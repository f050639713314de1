//! Which column of the file is which column of the dataset.

use yihe_definitions::Dataset;

use crate::error::CollectError;

/// The columns of one file, matched to those of the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// For each dataset column its place in the file; `None` when the file does not have it.
    pub places: Vec<Option<usize>>,
    /// Number of columns of the file.
    pub width: usize,
}

impl Headers {
    /// Matches a header line: a header is the column's title, its name or one of its aliases; blanks,
    /// line breaks and full-width brackets do not matter.
    ///
    /// # Errors
    /// A header that names no column, or one that stands twice; nothing of such a file is landed, because
    /// dropping a column that a department sent would lose data silently. A required column that is absent.
    pub fn matched(dataset: &Dataset, headers: &[String], line: u64) -> Result<Self, CollectError> {
        let mut places = vec![None; dataset.columns.len()];
        let mut width = headers.len();
        // Spreadsheets often end in empty formatted columns.
        while width > 0 && bare(&headers[width - 1]).is_empty() {
            width -= 1;
        }
        for (place, header) in headers.iter().take(width).enumerate() {
            let Some(index) = column_of(dataset, header) else {
                return Err(CollectError::UnknownColumn {
                    line,
                    position: place + 1,
                    found: header.clone(),
                    expected: titles(dataset),
                });
            };
            if places[index].is_some() {
                return Err(CollectError::ColumnTwice { line, position: place + 1, found: header.clone() });
            }
            places[index] = Some(place);
        }
        for (column, place) in dataset.columns.iter().zip(&places) {
            if column.required && place.is_none() {
                return Err(CollectError::RequiredColumnAbsent { line, column: column.title.zh.clone() });
            }
        }
        Ok(Self { places, width })
    }

    /// How many of `headers` name a column of the dataset; finds the header line of a spreadsheet.
    #[must_use]
    pub fn score(dataset: &Dataset, headers: &[String]) -> usize {
        headers.iter().filter(|header| column_of(dataset, header).is_some()).count()
    }

    /// Columns that were promised and are not in the file.
    #[must_use]
    pub fn withheld<'a>(&self, dataset: &'a Dataset) -> Vec<&'a str> {
        let columns = dataset.columns.iter().zip(&self.places);
        columns.filter(|(_, place)| place.is_none()).map(|(column, _)| column.name.as_str()).collect()
    }
}

/// Index of the dataset column that a header names.
#[must_use]
pub fn column_of(dataset: &Dataset, header: &str) -> Option<usize> {
    let header = bare(header);
    if header.is_empty() {
        return None;
    }
    dataset.columns.iter().position(|column| {
        let english = column.title.en.iter();
        let names = std::iter::once(&column.title.zh)
            .chain(english)
            .chain(std::iter::once(&column.name))
            .chain(&column.aliases);
        names.into_iter().any(|name| bare(name) == header)
    })
}

fn titles(dataset: &Dataset) -> String {
    dataset.columns.iter().map(|column| column.title.zh.as_str()).collect::<Vec<_>>().join("、")
}

fn bare(header: &str) -> String {
    let dropped = |character: &char| !character.is_whitespace() && *character != '\u{feff}';
    header
        .chars()
        .filter(dropped)
        .map(|character| match character {
            '（' => '(',
            '）' => ')',
            '／' => '/',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}
