//! The program as its users run it.

mod reference;
mod report;
mod screen;
mod sessions;
