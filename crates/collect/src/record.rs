//! One delivered record as text, in the order of the file's columns.

/// A record between the decoder and the fitter. Reused from record to record, so that reading a file
/// allocates nothing per row.
#[derive(Debug, Default)]
pub struct Record {
    /// 1-based line of the text file, row of the sheet, or number of the record where there are no lines.
    pub line: u64,
    text: String,
    cells: Vec<Option<(usize, usize)>>,
    /// What kept the decoder from reading the record; the fitter sends it to quarantine.
    pub defect: Option<RecordDefect>,
}

/// Why a single record cannot be read although the file can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDefect {
    /// Column header, where one is at fault.
    pub column: Option<String>,
    /// What was found.
    pub found: String,
    /// What was expected, in English and Chinese; see [`crate::quarantine::Reason`].
    pub reason: crate::quarantine::Reason,
}

impl Record {
    /// Empties the record for the next line.
    pub fn start(&mut self, line: u64) {
        self.line = line;
        self.text.clear();
        self.cells.clear();
        self.defect = None;
    }

    /// Appends a cell; an empty text is a missing value.
    pub fn push(&mut self, cell: &str) {
        let start = self.text.len();
        self.text.push_str(cell);
        self.cells.push((!cell.is_empty()).then_some((start, self.text.len())));
    }

    /// Sets the cell at `index`, filling up with missing values before it.
    pub fn set(&mut self, index: usize, cell: &str) {
        if self.cells.len() <= index {
            self.cells.resize(index + 1, None);
        }
        let start = self.text.len();
        self.text.push_str(cell);
        self.cells[index] = (!cell.is_empty()).then_some((start, self.text.len()));
    }

    /// Number of cells.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a record has cells; whether they say anything is `is_blank`")]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether every cell is missing or blank.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.defect.is_none() && (0..self.len()).all(|index| self.cell(index).is_none_or(|cell| cell.trim().is_empty()))
    }

    /// The cell at `index`; `None` when it is missing.
    #[must_use]
    pub fn cell(&self, index: usize) -> Option<&str> {
        let (start, end) = (*self.cells.get(index)?)?;
        Some(&self.text[start..end])
    }

    /// The whole record as one JSON array, cut at `bytes_max`, for the quarantine.
    #[must_use]
    pub fn raw(&self, bytes_max: usize) -> String {
        let cells: Vec<Option<&str>> = (0..self.len()).map(|index| self.cell(index)).collect();
        let mut raw = serde_json::to_string(&cells).expect("strings always serialise");
        if raw.len() > bytes_max {
            let cut = (0..=bytes_max).rev().find(|&at| raw.is_char_boundary(at)).unwrap_or(0);
            raw.truncate(cut);
            raw.push('…');
        }
        raw
    }
}
