//! The room as its users meet it: tables in, pairs and groups out.

mod accuracy;
mod laws;
mod people;
mod reference;
mod refusals;
