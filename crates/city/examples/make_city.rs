//! Makes a city and prints how fast: `make_city <scale> <seed> <threads> <folder>`.

use std::{path::Path, time::Instant};

use yihe_city::{CityOptions, generate};
use yihe_definitions::Pack;

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scale, seed, threads, out] = &arguments[..] else {
        return Err("expected <scale> <seed> <threads> <folder>".into());
    };
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    let pack = Pack::read(&[packs.join("base"), packs.join("demo")])?;
    let (seed, threads) = (seed.parse()?, threads.parse()?);
    let options = CityOptions {
        scale: scale.parse()?,
        seed,
        out: out.into(),
        postgres: std::env::var("CITY_POSTGRES").ok(),
        mariadb: None,
        threads,
    };
    let begin = Instant::now();
    let report = generate(&pack, &options, &mut |_| {})?;
    let seconds = begin.elapsed().as_secs_f64();
    println!("{} records, {} files, {seconds:.2} s", report.rows, report.files);
    for (dataset, truth) in &report.truth.datasets {
        println!("{dataset:32} {:>10} {:>8} {:>8}", truth.rows, truth.quarantined_rows(), truth.unusable_keys);
    }
    for (registry, truth) in &report.truth.registries {
        println!("{registry:32} {:>10} {:>8} {:?}", truth.entities, truth.conflict_values(), truth.unusable_keys);
    }
    Ok(())
}
