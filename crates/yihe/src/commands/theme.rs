//! `yihe theme build|list|show`

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};
use arrow::util::display::array_value_to_string;
use serde_json::{Map, Value, json};
use yihe_definitions::{Pack, Sensitivity, Theme as Definition, ThemeForm, ThemeSource};
use yihe_registries::theme::{ThemeReport, theme_table};

use crate::{
    app::App,
    cli::Theme,
    output::{Exit, Output, grouped},
    sequence,
};

/// Most rows that are shown.
const ROWS_MAX: usize = 1_000;

/// The command.
pub async fn run(app: &App, theme: Theme, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    match theme {
        Theme::Build { themes } => {
            let reports = build(app, &pack, &themes, output).await?;
            sequence::settle(app).await?;
            built(&pack, &reports, output);
            Ok(Exit::Done)
        }
        Theme::List => list(app, &pack, output).await,
        Theme::Show { theme, rows } => show(app, &pack, defined(&pack, &theme)?, rows, output).await,
    }
}

/// Builds the tables of the wanted themes, of all when none is named. Views have none.
pub async fn build(app: &App, pack: &Pack, wanted: &[String], output: &Output) -> Result<Vec<ThemeReport>> {
    for name in wanted {
        if defined(pack, name)?.form == ThemeForm::View {
            bail!("theme `{name}` is a view and needs no building (视图主题库不需建设)");
        }
    }
    let builder = app.builder();
    let mut reports = Vec::new();
    let tables = pack.themes.iter().filter(|theme| theme.form == ThemeForm::Table);
    for theme in tables.filter(|theme| wanted.is_empty() || wanted.contains(&theme.id)) {
        let progress =
            output.progress(&format!("{} {}", output.say("建主题库", "building"), theme.title.get(output.language)));
        let report = builder.theme(theme).await.map_err(|error| anyhow!(error.message(output.language)))?;
        progress.finish_and_clear();
        reports.push(report);
    }
    Ok(reports)
}

fn defined<'a>(pack: &'a Pack, name: &str) -> Result<&'a Definition> {
    let Some(theme) = pack.theme(name) else {
        let known: Vec<&str> = pack.themes.iter().map(|theme| theme.id.as_str()).collect();
        bail!("found no theme `{name}`, expected one of: {} (没有这个主题库)", known.join(", "));
    };
    Ok(theme)
}

fn built(pack: &Pack, reports: &[ThemeReport], output: &Output) {
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let title = pack.theme(&report.theme).map_or("", |theme| theme.title.get(output.language));
            vec![
                title.to_owned(),
                grouped(report.rows),
                completeness(report),
                if report.unchanged { output.say("无变化", "unchanged").to_owned() } else { String::new() },
            ]
        })
        .collect();
    let headings = [
        output.say("主题库", "theme"),
        output.say("行数", "rows"),
        output.say("完整率", "completeness"),
        output.say("说明", "remark"),
    ];
    output.table(&headings, &rows);
    let objects: Vec<Value> = reports
        .iter()
        .map(|report| {
            json!({
                "theme": report.theme, "rows": report.rows, "filled": report.filled, "version": report.version,
                "unchanged": report.unchanged,
            })
        })
        .collect();
    output.object(&json!({ "themes": objects }));
}

/// Values there are of those that could be (GB/T 36344, completeness of elements), as a percentage.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn completeness(report: &ThemeReport) -> String {
    let places = report.rows * report.filled.len() as u64;
    if places == 0 {
        return "—".to_owned();
    }
    format!("{:.1} %", 100.0 * report.filled.values().sum::<u64>() as f64 / places as f64)
}

async fn list(app: &App, pack: &Pack, output: &Output) -> Result<Exit> {
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for theme in &pack.themes {
        let keys: Vec<String> = theme.keys.keys().map(|key| key.title().get(output.language).to_owned()).collect();
        let departments = departments(pack, theme);
        let table = theme_table(theme)?;
        let count = match theme.form {
            ThemeForm::Table if app.lake.exists(&table) => Some(app.lake.count(&table, None).await?),
            ThemeForm::Table | ThemeForm::View => None,
        };
        let form = match theme.form {
            ThemeForm::Table => output.say("表", "table"),
            ThemeForm::View => output.say("视图", "view"),
        };
        rows.push(vec![
            theme.id.clone(),
            theme.title.get(output.language).to_owned(),
            form.to_owned(),
            keys.join(output.say("、", ", ")),
            departments.len().to_string(),
            count.map_or_else(|| "—".to_owned(), grouped),
        ]);
        objects.push(json!({
            "theme": theme.id, "title": theme.title, "form": theme.form, "keys": theme.keys,
            "departments": departments, "sources": theme.sources, "rows": count,
        }));
    }
    let headings = [
        output.say("标识", "id"),
        output.say("主题库", "theme"),
        output.say("形式", "form"),
        output.say("主题键", "keys"),
        output.say("部门", "departments"),
        output.say("行数", "rows"),
    ];
    output.table(&headings, &rows);
    output.object(&json!({ "themes": objects }));
    Ok(Exit::Done)
}

/// The departments whose data a theme joins.
fn departments<'a>(pack: &'a Pack, theme: &'a Definition) -> BTreeSet<&'a str> {
    let of = |id: &str| pack.dataset(id).map(|dataset| dataset.department.as_str());
    let mut found = BTreeSet::new();
    for (_, source) in theme.tables() {
        match source {
            ThemeSource::Dataset(id) => found.extend(of(id)),
            ThemeSource::Registry(id) => {
                let members = pack.registry(id).map(|registry| registry.members.as_slice()).unwrap_or_default();
                found.extend(members.iter().filter_map(|member| of(&member.dataset)));
            }
        }
    }
    found
}

async fn show(app: &App, pack: &Pack, theme: &Definition, rows: usize, output: &Output) -> Result<Exit> {
    if rows > ROWS_MAX {
        bail!("found --rows {rows}, expected at most {ROWS_MAX} (至多显示 {ROWS_MAX} 行)");
    }
    let batches = app.builder().theme_rows(theme, &pack.registries, rows).await;
    let batches = batches.map_err(|error| anyhow!(error.message(output.language)))?;
    let mut lines = Vec::new();
    let mut objects = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let mut line = Vec::new();
            let mut object = Map::new();
            for (column, values) in theme.columns.iter().zip(batch.columns()) {
                let text = if values.is_null(row) {
                    None
                } else if column.sensitivity == Sensitivity::Plain {
                    Some(array_value_to_string(values, row)?)
                } else {
                    Some("***".to_owned())
                };
                object.insert(column.name.clone(), text.clone().map_or(Value::Null, Value::from));
                line.push(text.unwrap_or_default());
            }
            lines.push(line);
            objects.push(Value::Object(object));
        }
    }
    let headings: Vec<&str> = theme.columns.iter().map(|column| column.title.get(output.language)).collect();
    output.table(&headings, &lines);
    output.object(&json!({ "theme": theme.id, "columns": theme.columns, "rows": objects }));
    Ok(Exit::Done)
}
