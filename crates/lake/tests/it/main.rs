//! The lake against real folders and files.

mod crash;
mod growing;
mod maintenance;
mod property;
mod rights;
mod slt;
mod support;
mod writing;
