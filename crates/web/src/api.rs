//! The JSON face. Wire types live here; the rooms know none of them.

pub mod catalogue;
pub mod city;
pub mod health;
pub mod openapi;
pub mod share;
