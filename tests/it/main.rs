//! The program as a whole: against the demonstration city's truth, killed at every point, fed with broken files.

mod truth;
mod main_line;
