//! The demonstration city: a generator of departments' extracts that knows the truth about them.
//!
//! At scale 1 it makes a prefecture-level city of 11 million people with 614 million records in the datasets of
//! `packs/demo`: names, numbers and addresses as they are in China, delivered as departments deliver (CSV in
//! GB 18030 and in UTF-8 with a mark, workbooks with title lines, JSON lines, Parquet, tables of database
//! servers), with the faults they make ([`truth`] lists what must become of each).
//!
//! Every record follows from the seed, its dataset and its number alone ([counter-based
//! draws](https://doi.org/10.1145/2063384.2063405)), so files are made in any order on any thread, nothing is
//! kept in memory, and the truth about an entity is worked out without reading a file back.
//!
//! Deliberately absent: real persons and bodies (names and numbers are drawn; only the divisions are real), a
//! clock (the city is that of 1 November 2026), and any use of the platform's own reading and checking code.
//!
//! Reading order: [`generate()`] → `plan` (how large each dataset is) → `world` (who lives there) → `columns`
//! (what stands in each column) → `fault` (what goes wrong, with the rates) → `table` → `sink` → [`truth`].
//!
//! # Speed
//! 0.8 million records per second and core with every format and the truth included, 71 MB of memory at scale 0.01;
//! how that was measured stands in `README.md` beside the manifest.
//!
//! # Recipe: a new dataset in the demonstration
//! 1. Describe it in `packs/demo/datasets/<theme>.yaml`.
//! 2. Add a line to the plans in `plan.rs`: whom its records are about, and how many there are at scale 1.
//! 3. Teach `columns.rs` each column name that it does not know. The same name of the same person shows the
//!    same value in every dataset.
//! 4. Rules bring their own faults (`fault.rs`); a new kind of rule needs one there.
//! 5. `cargo test -p yihe-city`: tests walk the pack and read every file back.

mod error;
mod generate;

mod columns;
mod fault;
mod names;
mod plan;
mod random;
mod row;
mod table;
mod words;
mod world;

mod gb18030;
mod sink;

pub mod truth;

pub use error::CityError;
pub use generate::{
    CityOptions, CityReport, DEFAULT_SCALE, Progress, SCALE_MAX, SCALE_MIN, THREADS_MAX, expected_rows, generate,
};
pub use plan::RECORDS;
pub use truth::{DatasetTruth, FileTruth, RegistryTruth, Truth};
