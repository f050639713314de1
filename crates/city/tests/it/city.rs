//! Making small cities for tests.

use std::path::{Path, PathBuf};

use yihe_city::{CityOptions, CityReport, generate};
use yihe_definitions::Pack;

pub fn pack() -> Pack {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    Pack::read(&[packs.join("base"), packs.join("demo")]).unwrap()
}

pub fn options(out: &Path, scale: f64, seed: u64, threads: usize) -> CityOptions {
    CityOptions { scale, seed, out: out.to_owned(), postgres: None, mariadb: None, threads }
}

pub fn make(out: &Path, scale: f64, seed: u64, threads: usize) -> CityReport {
    generate(&pack(), &options(out, scale, seed, threads), &mut |_| {}).unwrap()
}

/// All files below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
