//! `yihe sql`: the tables `yihe.metrics`, `yihe.faults`, `yihe.tickets`, `yihe.notices`, those of the registries, and
//! each theme.

mod registries;

use std::sync::Arc;

use anyhow::Result;
use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
    util::display::array_value_to_string,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use yihe_definitions::{Dataset, Pack, ThemeForm};
use yihe_lake::{Limits, Offered, OfferedRows, QueryTable, TableName, Zone};
use yihe_quality::{
    fault_list::mask_of,
    figures::{Figures, KeptMetric, Standing},
};
use yihe_registries::theme::{theme_sources, theme_table, unprotected};
use yihe_store::{MetricRun, NoticeRow, TicketFilter, TicketRow};

use crate::{
    app::App,
    cli::Sql,
    output::{Exit, Output},
};

/// Checks, tickets and notices that are offered, the newest.
const ROWS_MAX: i64 = 100_000;

/// The command.
pub async fn run(app: &App, words: &Sql, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    let mut offered = vec![
        Offered { name: "metrics".to_owned(), rows: given(metrics(&runs(app).await?)) },
        faults(app, &pack)?,
        Offered { name: "tickets".to_owned(), rows: given(tickets(&all_tickets(app).await?)) },
        Offered { name: "notices".to_owned(), rows: given(notices(&all_notices(app).await?)) },
    ];
    // They are many and planned whole, so only for a question that speaks of them.
    if registries::NAMES.iter().any(|name| words.question.contains(name)) {
        offered.extend(registries::offered(app, &pack, &words.question).await?);
    }
    offered.extend(themes(app, &pack)?);
    let answer = app.lake.inspect(offered, &words.question, Limits::default()).await?;
    let names: Vec<&str> = answer.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for batch in &answer.batches {
        for row in 0..batch.num_rows() {
            let mut cells = Vec::with_capacity(names.len());
            let mut object = Map::new();
            for (name, column) in names.iter().zip(batch.columns()) {
                let text = array_value_to_string(column, row)?;
                object.insert((*name).to_owned(), value(column, row, &text));
                cells.push(text);
            }
            rows.push(cells);
            objects.push(Value::Object(object));
        }
    }
    output.table(&names, &rows);
    output.object(&json!({ "columns": names, "rows": objects }));
    Ok(Exit::Done)
}

/// Numbers as numbers, the rest as text.
fn value(column: &ArrayRef, row: usize, text: &str) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        kind if kind.is_integer() => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        kind if kind.is_floating() => text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from),
        DataType::Boolean => Value::from(text == "true"),
        _ => Value::from(text),
    }
}

/// One view over the histories of all datasets. What of keys and values is sensitive is hidden.
fn faults(app: &App, pack: &Pack) -> Result<Offered> {
    let mut tables = Vec::new();
    let mut selects = Vec::new();
    for dataset in &pack.datasets {
        let table = TableName::new(Zone::History, dataset.id.as_str())?;
        if !app.lake.exists(&table) {
            continue;
        }
        let alias = format!("h{}", tables.len());
        selects.push(format!(
            "SELECT '{}' AS dataset, '{}' AS department, rule, {} AS key, state, severity, columns, {} AS found, \
             _batch AS batch, _row AS row_number, first_seen_at, last_seen_at, opened_at, returned_at, ended_at, \
             times FROM {alias}",
            dataset.id,
            dataset.department,
            shown_key(dataset),
            shown_value(dataset),
        ));
        tables.push(QueryTable::newest(alias, table));
    }
    let rows = if selects.is_empty() {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let schema: SchemaRef =
            Arc::new(Schema::new(["dataset", "department", "rule", "key", "state", "severity"].map(text).to_vec()));
        OfferedRows::Given { schema, batches: Vec::new() }
    } else {
        OfferedRows::Query { sql: selects.join(" UNION ALL "), tables, given: Vec::new() }
    };
    Ok(Offered { name: "faults".to_owned(), rows })
}

/// Every theme as `theme_<id>`: of a table what was built, of a view what its sources say now. Sensitive values are
/// hidden, rows of protected people and themes that have nothing yet left out.
fn themes(app: &App, pack: &Pack) -> Result<Vec<Offered>> {
    let mut offered = Vec::new();
    for theme in &pack.themes {
        let table = theme_table(theme)?;
        let (from, tables) = match theme.form {
            ThemeForm::Table => ("theme".to_owned(), vec![QueryTable::newest("theme", table.clone())]),
            ThemeForm::View => {
                let sources = theme_sources(theme)?.into_iter();
                (format!("({})", theme.sql), sources.map(|(name, table)| QueryTable::newest(name, table)).collect())
            }
        };
        if tables.iter().any(|source| !app.lake.exists(&source.table)) {
            continue;
        }
        let shown = theme.columns.iter().map(|column| {
            let name = &column.name;
            match mask_of(column.sensitivity) {
                None => name.clone(),
                Some(_) => format!("CASE WHEN {name} IS NOT NULL THEN '***' END AS {name}"),
            }
        });
        let (condition, marked) = unprotected(&app.lake, theme, &pack.registries)?;
        let shown = shown.collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {shown} FROM (SELECT * FROM {from} WHERE {condition})");
        let tables = [tables, marked].concat();
        offered.push(Offered {
            name: table.name().to_owned(),
            rows: OfferedRows::Query { sql, tables, given: Vec::new() },
        });
    }
    Ok(offered)
}

fn is_sensitive(dataset: &Dataset, column: &str) -> bool {
    dataset.columns.iter().any(|known| known.name == column && mask_of(known.sensitivity).is_some())
}

fn shown_key(dataset: &Dataset) -> &'static str {
    if dataset.key.iter().any(|column| is_sensitive(dataset, column)) { "'***'" } else { "key" }
}

/// Values of rules that look at a sensitive column are hidden.
fn shown_value(dataset: &Dataset) -> String {
    let hidden: Vec<String> = dataset
        .rules
        .iter()
        .filter(|rule| rule.columns().iter().any(|column| is_sensitive(dataset, column)))
        .map(|rule| format!("'{}'", rule.id.replace('\'', "''")))
        .collect();
    // A rule that is no longer one, or a free predicate: which columns it looked at stands in the row.
    let columns: Vec<String> = dataset
        .columns
        .iter()
        .filter(|column| mask_of(column.sensitivity).is_some())
        .map(|column| format!("columns LIKE '%{}%'", column.name))
        .collect();
    let mut conditions = columns;
    if !hidden.is_empty() {
        conditions.push(format!("rule IN ({})", hidden.join(", ")));
    }
    if conditions.is_empty() {
        return "found".to_owned();
    }
    format!("CASE WHEN found IS NOT NULL AND ({}) THEN '***' ELSE found END", conditions.join(" OR "))
}

async fn runs(app: &App) -> Result<Vec<MetricRun>> {
    let mut all = Vec::new();
    loop {
        let offset = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let part = app.store.metric_run_list(None, offset, yihe_store::PAGE_ROWS_MAX).await?;
        if part.is_empty() || offset >= ROWS_MAX {
            return Ok(all);
        }
        all.extend(part);
    }
}

async fn all_tickets(app: &App) -> Result<Vec<TicketRow>> {
    let mut all = Vec::new();
    loop {
        let offset = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let part = app.store.ticket_list(&TicketFilter::default(), offset, yihe_store::PAGE_ROWS_MAX).await?;
        if part.is_empty() || offset >= ROWS_MAX {
            return Ok(all);
        }
        all.extend(part);
    }
}

async fn all_notices(app: &App) -> Result<Vec<NoticeRow>> {
    let mut all = Vec::new();
    loop {
        let offset = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let part = app.store.notice_list(None, None, offset, yihe_store::PAGE_ROWS_MAX).await?;
        if part.is_empty() || offset >= ROWS_MAX {
            return Ok(all);
        }
        all.extend(part);
    }
}

/// Columns in order.
#[derive(Default)]
struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    fn add(mut self, name: &str, array: ArrayRef) -> Self {
        self.fields.push(Field::new(name, array.data_type().clone(), true));
        self.arrays.push(array);
        self
    }

    fn text<'a>(self, name: &str, cells: impl Iterator<Item = Option<&'a str>>) -> Self {
        self.add(name, Arc::new(cells.collect::<StringArray>()))
    }

    fn whole(self, name: &str, cells: impl Iterator<Item = i64>) -> Self {
        self.add(name, Arc::new(cells.map(Some).collect::<Int64Array>()))
    }

    fn real(self, name: &str, cells: impl Iterator<Item = f64>) -> Self {
        self.add(name, Arc::new(cells.map(Some).collect::<Float64Array>()))
    }

    fn instant(self, name: &str, cells: impl Iterator<Item = Option<Timestamp>>) -> Self {
        let micros: TimestampMicrosecondArray = cells.map(|at| at.map(Timestamp::as_microsecond)).collect();
        self.add(name, Arc::new(micros.with_timezone("UTC")))
    }
}

fn given(columns: Columns) -> OfferedRows {
    let schema: SchemaRef = Arc::new(Schema::new(columns.fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.arrays).expect("columns are of one length");
    OfferedRows::Given { schema, batches: vec![batch] }
}

/// One row for each rule of each check.
fn metrics(runs: &[MetricRun]) -> Columns {
    let figures: Vec<(&MetricRun, Figures)> = runs.iter().map(|run| (run, Figures::read(run))).collect();
    let lines: Vec<_> =
        figures.iter().flat_map(|(run, figures)| figures.metrics.iter().map(move |metric| (*run, metric))).collect();
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let dimensions: Vec<String> =
        lines.iter().map(|(_, metric)| format!("{:?}", metric.dimension).to_lowercase()).collect();
    let severities: Vec<String> =
        lines.iter().map(|(_, metric)| format!("{:?}", metric.severity).to_lowercase()).collect();
    Columns::default()
        .text("dataset", lines.iter().map(|(run, _)| Some(run.dataset.as_str())))
        .text("run", lines.iter().map(|(run, _)| Some(run.run.as_str())))
        .instant("measured_at", lines.iter().map(|(run, _)| Some(run.measured_at)))
        .whole("rows_checked", lines.iter().map(|(run, _)| run.rows_checked))
        .whole("rows_standing", lines.iter().map(|(run, _)| run.rows_standing))
        .text("rule", lines.iter().map(|(_, metric)| Some(metric.id.as_str())))
        .text("kind", lines.iter().map(|(_, metric)| Some(metric.kind.as_str())))
        .text("dimension", dimensions.iter().map(|word| Some(word.as_str())))
        .text("severity", severities.iter().map(|word| Some(word.as_str())))
        .whole("evaluated", lines.iter().map(|(_, metric)| whole(metric.evaluated)))
        .whole("failed", lines.iter().map(|(_, metric)| whole(metric.failed)))
        .add("standing_evaluated", standing(&lines, |standing| standing.evaluated))
        .add("standing_failed", standing(&lines, |standing| standing.failed))
        .add("value", Arc::new(lines.iter().map(|(_, metric)| metric.value).collect::<Float64Array>()))
        .whole("faults_new", lines.iter().map(|(_, metric)| whole(metric.tally.new)))
        .whole("faults_reopened", lines.iter().map(|(_, metric)| whole(metric.tally.reopened)))
        .whole("faults_corrected", lines.iter().map(|(_, metric)| whole(metric.tally.corrected)))
        .whole("faults_gone", lines.iter().map(|(_, metric)| whole(metric.tally.gone)))
        .whole("faults_open", lines.iter().map(|(_, metric)| whole(metric.tally.open)))
}

/// A count of the whole table after a check; NULL for checks of releases that did not keep it.
fn standing(lines: &[(&MetricRun, &KeptMetric)], of: impl Fn(&Standing) -> u64) -> ArrayRef {
    let count = |metric: &KeptMetric| metric.standing.as_ref().map(&of);
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Arc::new(lines.iter().map(|(_, metric)| count(metric).map(whole)).collect::<Int64Array>())
}

/// Without the keys of the records that objections are about, and without what was said.
fn tickets(rows: &[TicketRow]) -> Columns {
    Columns::default()
        .text("id", rows.iter().map(|row| Some(row.id.as_str())))
        .text("kind", rows.iter().map(|row| Some(row.kind.as_str())))
        .text("dataset", rows.iter().map(|row| Some(row.dataset.as_str())))
        .text("rule", rows.iter().map(|row| Some(row.rule.as_str())))
        .text("severity", rows.iter().map(|row| Some(row.severity.as_str())))
        .text("department", rows.iter().map(|row| Some(row.department.as_str())))
        .text("entry", rows.iter().map(|row| Some(row.entry.as_str())))
        .text("field", rows.iter().map(|row| Some(row.field.as_str())))
        .text("raised_by", rows.iter().map(|row| Some(row.raised_by.as_str())))
        .text("state", rows.iter().map(|row| Some(row.state.as_str())))
        .text("reason", rows.iter().map(|row| row.reason.as_deref()))
        .whole("times", rows.iter().map(|row| row.times))
        .whole("rows_open", rows.iter().map(|row| row.rows_open))
        .whole("rows_seen", rows.iter().map(|row| row.rows_seen))
        .instant("opened_at", rows.iter().map(|row| Some(row.opened_at)))
        .instant("changed_at", rows.iter().map(|row| Some(row.changed_at)))
        .instant("closed_at", rows.iter().map(|row| row.closed_at))
}

fn notices(rows: &[NoticeRow]) -> Columns {
    Columns::default()
        .text("id", rows.iter().map(|row| Some(row.id.as_str())))
        .text("ticket", rows.iter().map(|row| Some(row.ticket.as_str())))
        .text("department", rows.iter().map(|row| Some(row.department.as_str())))
        .text("outcome", rows.iter().map(|row| Some(row.outcome.as_str())))
        .whole("supplies", rows.iter().map(|row| row.supplies))
        .instant("told_at", rows.iter().map(|row| Some(row.told_at)))
        .instant("acknowledged_at", rows.iter().map(|row| row.acknowledged_at))
}
