//! Integration tests of the doors.

mod samples;
mod pages;
