//! The JSON face. Wire types live here; the rooms know none of them.

#![expect(clippy::missing_errors_doc, reason = "handlers refuse with a `Problem`, which says itself what happened")]

pub mod catalogue;
pub mod city;
pub mod health;
pub mod openapi;
pub mod quality;
pub mod registry;
pub mod share;
