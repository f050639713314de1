//! The doors of Yihe over HTTP.

pub mod language;
pub mod assets;
pub mod chart;
pub mod problem;
pub mod layout;
pub mod pages;
