//! One file per page. Each holds what the page shows (a view: plain values, no handles) and a pure function
//! from view to markup, so that a page is tested without a server.
//!
//! Handlers that fill the views from the rooms live beside the routes, in `serve/`.

pub mod apply;
pub mod catalogue;
pub mod docket;
pub mod entry;
pub mod grants;
pub mod home;
pub mod ledger;
pub mod login;
pub mod proof;
pub mod objection;
pub mod quality;
pub mod refusal;
pub mod registry;
pub mod request;
pub mod ticket;

mod clock;
pub use clock::{ClockView, Stop};
