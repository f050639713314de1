//! What people and scripts read: tables or one JSON object on standard output, progress on standard error.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use yihe_definitions::Language;

use crate::{
    cli::{Common, Lang},
    config::ConfigFaults,
};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Done,
    /// It was done, and something was refused, at fault or not proven.
    Found,
    /// Wrong usage or configuration.
    Usage,
    /// It could not be done.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Found => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Failed => Self::from(3),
        }
    }
}

/// The way out.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON object instead of tables.
    pub json: bool,
    /// Language of sentences and headings.
    pub language: Language,
}

impl Output {
    /// As the command line says.
    pub fn new(common: &Common) -> Self {
        let language = match common.lang {
            Lang::Zh => Language::Zh,
            Lang::En => Language::En,
        };
        Self { json: common.json, language }
    }

    /// The wording in the reader's language.
    pub fn say<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    /// A line for people; nothing with `--json`.
    pub fn line(&self, text: &str) {
        if !self.json {
            write(text);
        }
    }

    /// The one JSON object; nothing without `--json`.
    pub fn object(&self, value: &Value) {
        if self.json {
            write(&value.to_string());
        }
    }

    /// A table for people; nothing with `--json`. Columns in which every cell is a number stand right.
    pub fn table(&self, headings: &[&str], rows: &[Vec<String>]) {
        if !self.json {
            write(&drawn(headings, rows));
        }
    }

    /// A spinner that says what is being done; silent where nobody watches.
    pub fn progress(&self, text: &str) -> ProgressBar {
        if !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is written above");
        bar.set_style(style);
        bar.set_message(text.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// A bar over a known number of things.
    pub fn bar(&self, text: &str, length: u64) -> ProgressBar {
        if !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(length);
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}").expect("the template is written above");
        bar.set_style(style);
        bar.set_message(text.to_owned());
        bar
    }

    /// What is wrong with the configuration.
    pub fn config_fault(&self, faults: &ConfigFaults) -> ExitCode {
        if self.json {
            write(&json!({ "error": "configuration", "faults": faults.0 }).to_string());
        }
        warn(self.say("配置有误：", "the configuration is at fault:"));
        for fault in &faults.0 {
            warn(&format!("  {fault}"));
        }
        Exit::Usage.into()
    }

    /// Why a command could not do its work.
    pub fn failure(&self, error: &anyhow::Error) -> ExitCode {
        let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        if self.json {
            write(&json!({ "error": causes.first(), "causes": causes.get(1..) }).to_string());
        }
        warn(&format!("{}{}", self.say("未能完成：", "could not be done: "), causes.join(": ")));
        Exit::Failed.into()
    }
}

/// A line on standard error.
pub fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A line on standard output. A reader who has gone away is no fault of the work done.
fn write(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn drawn(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| width(heading)).collect();
    for row in rows {
        for (cell, widest) in row.iter().zip(&mut widths) {
            *widest = (*widest).max(width(cell));
        }
    }
    let is_number = |cell: &String| {
        !cell.is_empty()
            && cell.chars().all(|c| c.is_ascii_digit() || ",.%+-× ".contains(c) || c == 's' || "MiB/".contains(c))
    };
    let right: Vec<bool> =
        (0..headings.len()).map(|column| rows.iter().filter_map(|row| row.get(column)).all(is_number)).collect();
    let mut text = String::new();
    let mut line = |cells: &[&str]| {
        for (column, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[column].saturating_sub(width(cell)));
            if right[column] {
                text.push_str(&pad);
                text.push_str(cell);
            } else {
                text.push_str(cell);
                text.push_str(&pad);
            }
            text.push_str("  ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    line(headings);
    for row in rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text.truncate(text.trim_end().len());
    text
}

/// Columns a text takes on a terminal: Chinese characters and full-width forms take two.
fn width(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe4f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x20000..=0x3fffd);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// A whole number with thousands separated.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_chinese_counts_double() {
        let rows = vec![vec!["归集".to_owned(), "1,234".to_owned()], vec!["check".to_owned(), "5".to_owned()]];
        assert_eq!(drawn(&["步骤", "rows"], &rows), "步骤    rows\n归集   1,234\ncheck      5");
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
