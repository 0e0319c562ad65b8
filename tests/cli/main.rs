//! The program as its users run it.

mod gate;
mod given;
mod reference;
mod report;
mod screen;
mod sessions;
