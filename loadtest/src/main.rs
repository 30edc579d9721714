//! `fanfare-loadtest`: measures a WebSocket broadcast server, and checks every delivery.
//!
//! `commands` has a file for each kind of work. They stand on `load` (rooms, members, messages and
//! the check of deliveries), which stands on `client` (connections), and on `measure` (processor
//! time, memory, latencies, the report).

mod client;
mod commands;
mod error;
mod interrupt;
mod load;
mod measure;
mod progress;
mod run;
mod values;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commands::run(&commands::Options::parse()).unwrap_or_else(|error| {
        eprintln!("fanfare-loadtest: {error}");
        ExitCode::from(2)
    })
}
