//! The generator as its users meet it: whole cities in temporary folders, read back by plain readers.

mod city;
mod determinism;
mod reader;
mod recount;
