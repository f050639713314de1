//! `yihe collect`

use std::time::Instant;

use anyhow::{Result, bail};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use yihe_collect::{Delivery, Outcome, Received, deliveries};
use yihe_definitions::{Dataset, Pack};

use crate::{
    app::App,
    output::{Exit, Output, grouped, warn},
    sequence,
};

/// Datasets that are collected at the same time; files of one dataset come one after another.
const AT_ONCE: usize = 2;

/// What a run collected.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sums {
    /// Files and tables that landed now.
    pub landed: u64,
    /// Those that had landed before.
    pub known: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Rows of what landed now.
    pub rows_in: u64,
    /// Of these, in landing tables.
    pub accepted: u64,
    /// Of these, in quarantine.
    pub quarantined: u64,
}

/// The command.
pub async fn run(app: &App, wanted: &[String], output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    known(&pack, wanted)?;
    let began = Instant::now();
    let received = collect(app, &pack, wanted, output).await?;
    sequence::settle(app).await?;
    let sums = sums(&received);
    show(&pack, &received, output);
    output.object(&json!({
        "deliveries": received.iter().map(|one| as_json(one, output)).collect::<Vec<_>>(),
        "rows_in": sums.rows_in, "accepted": sums.accepted, "quarantined": sums.quarantined,
        "landed": sums.landed, "known": sums.known, "refused": sums.refused,
        "seconds": began.elapsed().as_secs_f64(),
    }));
    Ok(if sums.refused > 0 { Exit::Found } else { Exit::Done })
}

/// Refuses a name that no dataset has, so that a slip of the pen is not taken for 'nothing to do'.
pub fn known(pack: &Pack, wanted: &[String]) -> Result<()> {
    for name in wanted {
        if pack.dataset(name).is_none() {
            let known: Vec<&str> = pack.datasets.iter().map(|dataset| dataset.id.as_str()).collect();
            bail!("found no dataset `{name}`, expected one of: {}", known.join(", "));
        }
    }
    Ok(())
}

/// Collects what there is for the wanted datasets, all of them when none is named.
pub async fn collect(app: &App, pack: &Pack, wanted: &[String], output: &Output) -> Result<Vec<Received>> {
    let mut found = deliveries(pack, &app.inbox(), &app.config.connections)
        .map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
    found.retain(|delivery| wanted.is_empty() || wanted.contains(&delivery.dataset.id));
    let bar = output.bar(output.say("归集", "collecting"), found.len() as u64);
    let mut by_dataset: Vec<Vec<Delivery<'_>>> = Vec::new();
    for delivery in found {
        match by_dataset.last_mut() {
            Some(same) if same[0].dataset.id == delivery.dataset.id => same.push(delivery),
            _ => by_dataset.push(vec![delivery]),
        }
    }
    let collector = app.collector();
    let work = by_dataset.iter().map(|files| {
        let (collector, bar) = (collector.clone(), bar.clone());
        async move {
            let mut received = Vec::with_capacity(files.len());
            for delivery in files {
                let one = collector.receive(delivery).await.map_err(|error| {
                    let place = format!("{} · {}", delivery.dataset.id, delivery.origin.name());
                    anyhow::anyhow!("{place}: {}", error.message(output.language))
                })?;
                bar.inc(1);
                received.push(one);
            }
            anyhow::Ok(received)
        }
    });
    // In order of the pack, whichever finishes first.
    let received: Vec<Vec<Received>> = futures::stream::iter(work).buffered(AT_ONCE).try_collect().await?;
    bar.finish_and_clear();
    Ok(received.into_iter().flatten().collect())
}

/// Adds up what was collected.
pub fn sums(received: &[Received]) -> Sums {
    let mut sums = Sums::default();
    for one in received {
        match &one.outcome {
            Outcome::Landed { counts, .. } => {
                sums.landed += 1;
                sums.rows_in += counts.rows_in;
                sums.accepted += counts.accepted;
                sums.quarantined += counts.quarantined;
            }
            Outcome::Known { .. } => sums.known += 1,
            Outcome::Refused(_) => sums.refused += 1,
        }
    }
    sums
}

fn show(pack: &Pack, received: &[Received], output: &Output) {
    let rows: Vec<Vec<String>> = received.iter().map(|one| row(pack.dataset(&one.dataset), one, output)).collect();
    let headings = [
        output.say("数据集", "dataset"),
        output.say("文件", "file"),
        output.say("收到", "rows in"),
        output.say("落地", "accepted"),
        output.say("隔离", "quarantined"),
        output.say("说明", "remark"),
    ];
    if rows.is_empty() {
        output.line(output.say("收件目录中没有可归集的文件。", "there is nothing to collect in the inbox."));
    } else {
        output.table(&headings, &rows);
    }
    for one in received {
        if let Outcome::Refused(error) = &one.outcome {
            warn(&format!("{} {}: {}", output.say("拒收", "refused"), one.name, error.message(output.language)));
        }
    }
}

fn row(dataset: Option<&Dataset>, one: &Received, output: &Output) -> Vec<String> {
    let title = dataset.map_or(one.dataset.as_str(), |dataset| dataset.title.get(output.language)).to_owned();
    let (counts, remark) = match &one.outcome {
        Outcome::Landed { counts, withheld, .. } if withheld.is_empty() => (Some(counts), String::new()),
        Outcome::Landed { counts, withheld, .. } => {
            let columns: Vec<&str> = dataset
                .into_iter()
                .flat_map(|dataset| &dataset.columns)
                .filter(|column| withheld.contains(&column.name))
                .map(|column| column.title.get(output.language))
                .collect();
            (Some(counts), format!("{}{}", output.say("承诺未提供：", "promised, not delivered: "), columns.join("、")))
        }
        Outcome::Known { counts, .. } => (Some(counts), output.say("此前已收", "received before").to_owned()),
        Outcome::Refused(_) => (None, output.say("拒收，见下", "refused, see below").to_owned()),
    };
    let figure =
        |pick: fn(&yihe_collect::fit::Counts) -> u64| counts.map_or_else(String::new, |counts| grouped(pick(counts)));
    vec![
        title,
        one.name.clone(),
        figure(|counts| counts.rows_in),
        figure(|counts| counts.accepted),
        figure(|counts| counts.quarantined),
        remark,
    ]
}

fn as_json(one: &Received, output: &Output) -> Value {
    let mut value = json!({ "dataset": one.dataset, "name": one.name, "seconds": one.seconds });
    let more = match &one.outcome {
        Outcome::Landed { batch, counts, withheld } => json!({
            "outcome": "landed", "batch": batch, "rows_in": counts.rows_in, "accepted": counts.accepted,
            "quarantined": counts.quarantined, "withheld": withheld,
        }),
        Outcome::Known { batch, .. } => json!({ "outcome": "known", "batch": batch }),
        Outcome::Refused(error) => json!({ "outcome": "refused", "reason": error.message(output.language) }),
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}
