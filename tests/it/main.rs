//! The program as a whole: against the demonstration city's truth, killed at every point, fed with broken files,
//! on a full disk, and at every door.

mod bad_input;
mod conflicts;
mod crash;
mod embargo;
mod foreign_tables;
mod full_disk;
mod hashed;
mod ledger;
mod linking;
mod main_line;
mod own_file;
mod program;
mod protection;
mod quality_loop;
mod registries;
mod serving;
mod standing;
mod themes;
mod truth;
