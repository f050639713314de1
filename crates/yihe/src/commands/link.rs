//! `yihe link`

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Instant,
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use yihe_definitions::Language;
use yihe_linkage::{
    LinkageError,
    address::Divisions,
    block, document,
    explain::explain,
    hash::{Algorithm, Hasher, Hide, KEY_MAX, KEY_MIN, KINDS, kind_of},
    hide,
    labels::read_labels,
    model::{Model, Renamed},
    propose::{Proposal, pair_columns, propose},
    read,
    records::{Records, Table},
    run::{Options, Stage, run as link},
    write::{self, Names},
};

use yihe_vocabulary::{Clock, SystemClock};

use crate::{
    cli::{HashAlgorithm, Link, LinkHash, LinkRun},
    output::{Exit, Output, grouped},
};

/// Proposes, runs or explains.
pub fn run(command: Link, output: &Output) -> Result<Exit> {
    match command {
        Link::Propose { files, out, divisions } => propose_model(&files, out.as_deref(), divisions.as_deref(), output),
        Link::Run(run) => run_model(&run, output),
        Link::Hash(hash) => hash_columns(&hash, output),
        Link::Explain { model, files, left, right, divisions } => {
            explain_pair(&model, &files, (&left, &right), divisions.as_deref(), output)
        }
    }
}

fn said(output: &Output) -> impl Fn(LinkageError) -> anyhow::Error {
    let chinese = output.language == Language::Zh;
    move |error| if chinese { anyhow!(error.chinese()) } else { anyhow!(error) }
}

/// The tables, and the columns that are called differently in the second.
fn tables(files: &[PathBuf], model: Option<&Model>, output: &Output) -> Result<(Records, Vec<Renamed>)> {
    let failed = said(output);
    let first = read::read(&files[0]).map_err(&failed)?;
    let Some(second) = files.get(1) else { return Ok((Records::one(first), Vec::new())) };
    let second = read::read(second).map_err(&failed)?;
    let mut pairs = pair_columns(&first, &second);
    for renamed in model.iter().flat_map(|model| &model.renamed) {
        pairs.retain(|(left, right)| *left != renamed.column && *right != renamed.second);
        pairs.push((renamed.column.clone(), renamed.second.clone()));
    }
    let renamed = pairs
        .iter()
        .filter(|(left, right)| left != right)
        .map(|(left, right)| Renamed { column: left.clone(), second: right.clone() })
        .collect();
    Ok((Records::two(first, second, &pairs).map_err(&failed)?, renamed))
}

/// Divisions by which addresses are read, valid today.
fn read_divisions(path: Option<&Path>, output: &Output) -> Result<Option<Divisions>> {
    path.map(|path| Divisions::read(path, SystemClock.today()).map_err(said(output))).transpose()
}

fn proposed(records: &Records, renamed: Vec<Renamed>, output: &Output) -> Result<Proposal> {
    propose(records, renamed).map_err(said(output))
}

fn propose_model(files: &[PathBuf], out: Option<&Path>, divisions: Option<&Path>, output: &Output) -> Result<Exit> {
    let (mut records, renamed) = tables(files, None, output)?;
    records.divisions = read_divisions(divisions, output)?;
    let proposal = proposed(&records, renamed, output)?;
    let text = document::proposal(&proposal);
    match out {
        Some(path) => {
            document::save(path, &text).map_err(said(output))?;
            output.line(&format!("{} {}", output.say("已写出模型", "model written to"), path.display()));
        }
        None => output.line(text.trim_end()),
    }
    let rules: Vec<_> = proposal
        .model
        .blocking
        .iter()
        .zip(&proposal.costs)
        .map(|(rule, cost)| json!({ "rule": block::name(rule), "pairs": cost.pairs, "largest": cost.largest }))
        .collect();
    let left_out: Vec<_> =
        proposal.left_out.iter().map(|(column, reason)| json!({ "column": column, "reason": reason })).collect();
    output.object(&json!({ "rows": records.rows, "model": proposal.model, "blocking": rules, "left_out": left_out }));
    Ok(Exit::Done)
}

fn run_model(arguments: &LinkRun, output: &Output) -> Result<Exit> {
    let began = Instant::now();
    let failed = said(output);
    let known = arguments.model.as_deref().map(Model::read).transpose().map_err(&failed)?;
    let (mut records, renamed) = tables(&arguments.files, known.as_ref(), output)?;
    records.divisions = read_divisions(arguments.divisions.as_deref(), output)?;
    if arguments.one_to_one && !records.is_link() {
        bail!(output.say("--one-to-one 需要两个文件", "--one-to-one needs two files").to_owned());
    }
    let mut model = match known {
        Some(model) => model,
        None => proposed(&records, renamed, output)?.model,
    };
    if let Some(threshold) = arguments.threshold {
        model.threshold = threshold;
    }
    let labels = match &arguments.labels {
        None => Vec::new(),
        Some(path) => {
            let read = read_labels(path, &Names::new(&model, &records), &records).map_err(&failed)?;
            if read.unknown > 0 {
                let what =
                    output.say("行判定所指的记录不在表中，未用", "labels name records that are not there; not used");
                output.line(&format!("{} {what}", grouped(read.unknown as u64)));
            }
            read.labels
        }
    };
    let options = Options {
        labels,
        threads: arguments.threads,
        one_to_one: arguments.one_to_one,
        pairs_from: arguments.pairs_from,
        train_again: arguments.train,
    };
    let outcome = {
        let bar = Mutex::new((None, output.progress("")));
        link(&model, &records, &options, &|stage, done, total| {
            if let Ok(mut bar) = bar.lock() {
                if bar.0 != Some(stage) {
                    bar.1.finish_and_clear();
                    let name = stage_name(stage, output);
                    *bar = (Some(stage), if total > 0 { output.bar(name, total) } else { output.progress(name) });
                }
                if total > 0 {
                    bar.1.set_position(done);
                }
            }
        })
        .map_err(&failed)?
    };
    if let Some(path) = &arguments.pairs {
        write::pairs(path, &records, &outcome).map_err(&failed)?;
    }
    if let Some(path) = &arguments.clusters {
        write::clusters(path, &records, &outcome).map_err(&failed)?;
    }
    if let Some(path) = &arguments.save_model {
        document::save(path, &document::model(&outcome.model)).map_err(&failed)?;
    }
    let groups = outcome.clusters.iter().enumerate().filter(|(row, lowest)| *row as u32 == **lowest).count();
    let seconds = began.elapsed().as_secs_f64();
    let rows = vec![
        vec![output.say("记录", "records").to_owned(), grouped(records.rows as u64)],
        vec![output.say("比较对数", "pairs compared").to_owned(), grouped(outcome.compared)],
        vec![output.say("写出对数", "pairs found").to_owned(), grouped(outcome.pairs.len() as u64)],
        vec![output.say("归并后", "after grouping").to_owned(), grouped(groups as u64)],
        vec![output.say("秒", "seconds").to_owned(), format!("{seconds:.2}")],
    ];
    output.table(&[output.say("项目", "what"), output.say("数", "number")], &rows);
    output.object(&json!({
        "rows": records.rows, "compared": outcome.compared, "pairs": outcome.pairs.len(), "clusters": groups,
        "prior": outcome.model.prior, "threshold": outcome.model.threshold, "seconds": seconds,
    }));
    Ok(Exit::Done)
}

fn stage_name(stage: Stage, output: &Output) -> &str {
    match stage {
        Stage::Block => output.say("分块", "blocking"),
        Stage::Train => output.say("训练", "training"),
        Stage::Score => output.say("打分", "scoring"),
        Stage::Cluster => output.say("归并", "grouping"),
    }
}

fn hash_columns(arguments: &LinkHash, output: &Output) -> Result<Exit> {
    let failed = said(output);
    let size = std::fs::metadata(&arguments.key_file)
        .with_context(|| {
            format!("{} `{}`", output.say("无法读取密钥", "cannot read the key"), arguments.key_file.display())
        })?
        .len();
    let bad_length = |found: u64| {
        let what = output.say("字节的密钥，应为", "bytes of key, expected");
        anyhow!("`{}`: {found} {what} {KEY_MIN}–{KEY_MAX}", arguments.key_file.display())
    };
    if size > KEY_MAX as u64 + 2 {
        return Err(bad_length(size));
    }
    let key = std::fs::read(&arguments.key_file)?;
    let algorithm = match arguments.algorithm {
        HashAlgorithm::Sm3 => Algorithm::Sm3,
        HashAlgorithm::Sha256 => Algorithm::Sha256,
    };
    let mut hasher = Hasher::new(algorithm, &key).map_err(|found| bad_length(found as u64))?;
    let mut columns: Vec<(String, Hide)> = Vec::new();
    let mut seen: Option<Table> = None;
    for written in &arguments.columns {
        let kind =
            written.rsplit_once('=').map(|(column, kind)| (column, KINDS.iter().find(|(name, _)| *name == kind)));
        if let Some((column, kind)) = kind {
            let Some((_, reads)) = kind else {
                let kinds = KINDS.map(|(name, _)| name).join(", ");
                bail!("`{written}`: {} {kinds}", output.say("没有这个种类，应为", "no such kind, expected one of"));
            };
            columns.push((column.to_owned(), Hide::Equal(*reads)));
            continue;
        }
        if seen.is_none() {
            seen = Some(read::read(&arguments.file).map_err(&failed)?);
        }
        let known = seen.as_ref().and_then(|table| table.columns.iter().find(|column| column.name == *written));
        // A column that is not there is refused by name below.
        columns.push((written.clone(), Hide::Equal(known.map_or(KINDS[0].1, kind_of))));
    }
    columns.extend(arguments.alike.iter().map(|column| (column.clone(), Hide::Alike)));
    let hidden = hide::file(&arguments.file, &arguments.out, &mut hasher, &columns, arguments.only).map_err(&failed)?;
    let kind = |hide: Hide| match hide {
        Hide::Equal(reads) => KINDS.iter().find(|(_, known)| *known == reads).map_or("text", |(name, _)| name),
        Hide::Alike => "alike",
    };
    let rows: Vec<Vec<String>> = hidden
        .iter()
        .map(|one| vec![one.column.clone(), kind(one.hide).to_owned(), grouped(one.tokens), grouped(one.without)])
        .collect();
    let headings = [
        output.say("列", "column"),
        output.say("种类", "kind"),
        output.say("有杂凑值", "hashed"),
        output.say("空或不合规", "empty or not readable"),
    ];
    output.table(&headings, &rows);
    let columns: Vec<_> = hidden
        .iter()
        .map(
            |one| json!({ "column": one.column, "kind": kind(one.hide), "hashed": one.tokens, "without": one.without }),
        )
        .collect();
    output.object(&json!({ "algorithm": algorithm.name(), "columns": columns }));
    Ok(Exit::Done)
}

fn explain_pair(
    model: &Path,
    files: &[PathBuf],
    (left, right): (&str, &str),
    divisions: Option<&Path>,
    output: &Output,
) -> Result<Exit> {
    let failed = said(output);
    let model = Model::read(model).map_err(&failed)?;
    let (mut records, _) = tables(files, Some(&model), output)?;
    records.divisions = read_divisions(divisions, output)?;
    let names = Names::new(&model, &records);
    let find = |id: &str, last: bool| {
        // Of two tables, the first record is looked up in the first and the second in the second.
        let rows = match (records.is_link(), last) {
            (true, false) => 0..records.first,
            (true, true) => records.first..records.rows,
            (false, _) => 0..records.rows,
        };
        rows.map(|row| row as u32)
            .find(|&row| names.id(row) == id)
            .ok_or_else(|| anyhow!("{} `{id}`", output.say("没有这条记录：", "no record is called")))
    };
    let waterfall = explain(&model, &records, find(left, false)?, find(right, true)?).map_err(&failed)?;
    let bits = |value: f64| format!("{value:+.2}");
    let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let mut rows = vec![vec![
        output.say("先验", "prior").to_owned(),
        String::new(),
        String::new(),
        String::new(),
        bits(waterfall.prior),
    ]];
    for step in &waterfall.steps {
        rows.push(vec![
            step.column.clone(),
            cell(&step.left),
            cell(&step.right),
            step.level.clone(),
            bits(step.weight),
        ]);
    }
    if waterfall.moved.abs() > 0.005 {
        let name = output.say("一并变更（如搬迁）", "changed together, as in a move");
        rows.push(vec![name.to_owned(), String::new(), String::new(), String::new(), bits(waterfall.moved)]);
    }
    if waterfall.kin < 0.0 {
        let name = output.say("可能是相关而非同一", "related rather than the same");
        rows.push(vec![name.to_owned(), String::new(), String::new(), String::new(), bits(waterfall.kin)]);
    }
    let headings = [
        output.say("列", "column"),
        output.say("左", "left"),
        output.say("右", "right"),
        output.say("级别", "level"),
        output.say("比特", "bits"),
    ];
    output.table(&headings, &rows);
    output.line(&format!(
        "{} {:.6}",
        output.say("同一的概率", "probability that they are the same"),
        waterfall.probability
    ));
    let steps: Vec<_> = waterfall
        .steps
        .iter()
        .map(|step| {
            json!({
                "column": step.column, "left": step.left, "right": step.right, "level": step.level,
                "weight": step.weight, "rarity": step.rarity,
            })
        })
        .collect();
    output.object(&json!({
        "prior": waterfall.prior, "steps": steps, "moved": waterfall.moved, "kin": waterfall.kin, "probability": waterfall.probability,
    }));
    Ok(Exit::Done)
}
