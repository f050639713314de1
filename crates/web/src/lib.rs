//! The doors of Yihe over HTTP: pages, the JSON face, the ledger's files.
//!
//! Pages work without JavaScript, speak Chinese first and English on request, and load nothing from
//! elsewhere. This is the only crate that knows axum and maud.
//!
//! Deliberately absent: rules. Which step may follow which, which cell a grant covers, what a score is: the
//! rooms decide, the doors ask. No handler reads a table past `exchange`, and none logs a path, for keys of
//! records stand in paths.
//!
//! What takes longer than a request may is begun on the [`desk`] and looked at later.
//!
//! Reading order: [`routes`] → [`router`] → [`guard`] → [`visit`] → [`serve`] and [`api`] → [`pages`].
//!
//! # Recipe: a new page
//! 1. Write its view and template in `pages/<page>.rs`: plain values in, markup out, both languages.
//! 2. Add sample values in `tests/it/samples.rs`, look at it (`cargo run -p yihe-web --example preview`) in both
//!    languages, light and dark, 390 pixels wide; review its snapshots.
//! 3. Write the handler that fills the view in `serve/<page>.rs`.
//! 4. Add one line to the table in `routes.rs`; the refusal test and the API description follow from it.
//! 5. Add its address to the browser test, which demands no finding of axe.

pub mod desk;
pub mod form;
pub mod guard;
pub mod passphrase;
pub mod problem;
pub mod router;
pub mod routes;
pub mod session;
pub mod state;
pub mod throttle;
pub mod visit;
pub mod witness;

pub mod api;
pub mod serve;

pub mod assets;
pub mod chart;
pub mod language;
pub mod layout;
pub mod pages;
pub mod table;

pub use router::{router, serve as serve_on};
pub use state::{AppState, Settings};
