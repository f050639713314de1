//! Propose, train, score and group, with times: `measure_link [--one-to-one] [--threads N] A.parquet [B.parquet] OUT_PREFIX`.
#![expect(clippy::print_stdout, reason = "a measuring tool prints")]

use std::{error::Error, path::Path, time::Instant};

use yihe_linkage::{
    model::Renamed,
    propose::{pair_columns, propose},
    read::read,
    records::Records,
    run::{Options, run},
    write,
};

/// Seconds that the main thread ran: with one thread, what other work on the machine does not change.
fn on_processor() -> f64 {
    let read = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    read.split_whitespace().next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--one-to-one" => options.one_to_one = true,
            "--from" => options.pairs_from = Some(arguments.next().ok_or("--from P")?.parse()?),
            "--threads" => options.threads = arguments.next().ok_or("--threads N")?.parse()?,
            _ => files.push(argument),
        }
    }
    let out = files.pop().ok_or("OUT_PREFIX")?;
    let began = Instant::now();
    let lap = |what: &str, since: Instant| println!("{what:<10} {:.3} s", since.elapsed().as_secs_f64());
    let first = read(Path::new(&files[0]))?;
    let mut renamed = Vec::new();
    let records = match files.get(1) {
        None => Records::one(first),
        Some(second) => {
            let second = read(Path::new(second))?;
            let pairs = pair_columns(&first, &second);
            renamed = pairs
                .iter()
                .filter(|(a, b)| a != b)
                .map(|(a, b)| Renamed { column: a.clone(), second: b.clone() })
                .collect();
            Records::two(first, second, &pairs)?
        }
    };
    lap("read", began);
    let since = Instant::now();
    let proposal = propose(&records, renamed)?;
    lap("propose", since);
    for profile in &proposal.profiles {
        println!(
            "  {:<20} {:?} filled {:.2} distinct {}",
            profile.name, profile.meaning, profile.filled, profile.distinct
        );
    }
    for (name, why) in &proposal.left_out {
        println!("  left out {name}: {why}");
    }
    for (rule, cost) in proposal.model.blocking.iter().zip(&proposal.costs) {
        println!(
            "  {:<50} {:>10.0} pairs, largest {}, max {:?}",
            yihe_linkage::block::name(rule),
            cost.pairs,
            cost.largest,
            rule.block_max
        );
    }
    let since = Instant::now();
    let stage = std::sync::Mutex::new((None, Instant::now()));
    let outcome = run(&proposal.model, &records, &options, &|now, _, _| {
        if let Ok(mut stage) = stage.lock()
            && stage.0 != Some(now)
        {
            println!(
                "  {:?} after {:.3} s, {:.3} s of processor",
                now,
                stage.1.elapsed().as_secs_f64(),
                on_processor()
            );
            stage.0 = Some(now);
        }
    })?;
    lap("run", since);
    println!(
        "compared {} pairs, kept {}, prior {:.3e} kin {:.3e}",
        outcome.compared,
        outcome.pairs.len(),
        outcome.model.prior.unwrap_or(0.0),
        outcome.model.kin_prior.unwrap_or(0.0)
    );
    println!("moves {:?}", outcome.model.moves);
    for comparison in &outcome.model.comparisons {
        let levels: Vec<String> = comparison
            .levels
            .iter()
            .map(|level| {
                format!(
                    "{:?} {:.4}/{:.1e}/{:.4}",
                    level.when,
                    level.m.unwrap_or(0.0),
                    level.u.unwrap_or(0.0),
                    level.k.unwrap_or(0.0)
                )
            })
            .collect();
        println!("  {:<16} {}", comparison.column, levels.join("  "));
    }
    write::pairs(Path::new(&format!("{out}.pairs.parquet")), &records, &outcome)?;
    write::clusters(Path::new(&format!("{out}.clusters.parquet")), &records, &outcome)?;
    lap("total", began);
    Ok(())
}
