//! The rows at fault as a workbook, for offices that correct with a spreadsheet beside them.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::header,
    response::IntoResponse,
};
use rust_xlsxwriter::{Color, Format, Workbook, XlsxError};
use yihe_definitions::Dataset;
use yihe_quality::{
    fault_list::{self, ShownRow, Sight},
    messages,
};

use super::{
    super::{Answer, internal},
    dataset::{Wanted, sight, state_title},
};
use crate::{language::Words, pages::quality::dataset::RowSight, problem::Kind, state::AppState, visit::Visit};

/// Most rows of one workbook; what is beyond is said in its last line.
pub const WORKBOOK_ROWS_MAX: usize = 20_000;
/// Rows read at a time.
const PART: usize = 1_000;
/// Columns before those of the dataset.
const OWN_COLUMNS: u16 = 4;

/// `GET /quality/datasets/{id}/faults.xlsx`
pub async fn download(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let pack = state.pack();
    let Some(known) = pack.dataset(&id) else { return Err(Kind::NotFound.into()) };
    let sight = match sight(visit.account.as_deref(), known) {
        RowSight::Nothing => return Err(Kind::Forbidden.into()),
        RowSight::Masked => Sight::Masked,
        RowSight::Clear => Sight::Clear,
    };
    let (_, filter) = wanted.read()?;
    let mut rows = Vec::new();
    let mut has_more = false;
    loop {
        let left = (WORKBOOK_ROWS_MAX + 1 - rows.len()).min(PART);
        let found = fault_list::list(&state.lake, &known.id, &filter, rows.len(), left).await.map_err(internal)?;
        let done = found.len() < left;
        rows.extend(fault_list::rows(&state.lake, known, found, sight).await.map_err(internal)?);
        if rows.len() > WORKBOOK_ROWS_MAX {
            rows.truncate(WORKBOOK_ROWS_MAX);
            has_more = true;
            break;
        }
        if done {
            break;
        }
    }
    let bytes = workbook(visit.words, known, &rows, has_more).map_err(internal)?;
    let name = format!("attachment; filename=\"{}-faults.xlsx\"", known.id);
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response())
}

fn workbook(words: Words, known: &Dataset, rows: &[ShownRow], has_more: bool) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let bold = Format::new().set_bold();
    let bad = Format::new().set_background_color(Color::RGB(0x00FA_E9E5)).set_font_color(Color::RGB(0x00A8_281F));
    let sheet = workbook.add_worksheet();
    sheet.set_name(words.of("问题清单", "faults"))?;
    sheet.set_freeze_panes(1, 0)?;
    let own = [
        words.of("规则", "rule"),
        words.of("发现的值", "found"),
        words.of("状态", "state"),
        words.of("首次发现", "first seen"),
    ];
    for (at, heading) in (0_u16..).zip(own) {
        sheet.write_string_with_format(0, at, heading, &bold)?;
        sheet.set_column_width(at, 22)?;
    }
    for (at, column) in (OWN_COLUMNS..).zip(&known.columns) {
        sheet.write_string_with_format(0, at, column.title.get(words.0), &bold)?;
        sheet.set_column_width(at, 18)?;
    }
    for (line, row) in (1_u32..).zip(rows) {
        let record = &row.fault.record;
        sheet.write_string(line, 0, messages::rule_title(known, &record.rule).get(words.0))?;
        sheet.write_string_with_format(line, 1, record.found.as_deref().unwrap_or_default(), &bad)?;
        sheet.write_string(line, 2, state_title(record.state).get(words.0))?;
        let at = jiff::Timestamp::from_microsecond(record.first_seen_at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        sheet.write_string(line, 3, words.instant_text(at))?;
        for (at, cell) in (OWN_COLUMNS..).zip(&row.cells) {
            let value = cell.value.as_deref().unwrap_or_default();
            if cell.is_bad {
                sheet.write_string_with_format(line, at, value, &bad)?;
            } else {
                sheet.write_string(line, at, value)?;
            }
        }
    }
    if has_more {
        let line = u32::try_from(rows.len() + 1).unwrap_or(u32::MAX);
        let said = match words.0 {
            yihe_definitions::Language::Zh => format!("一个工作簿最多 {WORKBOOK_ROWS_MAX} 行，其余请按规则分别下载。"),
            yihe_definitions::Language::En => {
                format!("A workbook holds at most {WORKBOOK_ROWS_MAX} rows; download the others rule by rule.")
            }
        };
        sheet.write_string_with_format(line, 0, said, &bold)?;
    }
    workbook.save_to_buffer()
}
