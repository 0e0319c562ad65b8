//! The program as its users run it.

mod report;
mod sessions;
