//! The lake against real folders and files.

mod support;
mod writing;
