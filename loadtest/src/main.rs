//! `fanfare-loadtest`: measures a WebSocket broadcast server, and checks every delivery.
//!
//! One thread, one poller. `member` is a connection and `crowd` all of them; `volley` is the
//! closed loop of publishers and `ledger` checks what arrives. Each kind of work has a file:
//! `connect`, `fanout` (and chat), `inbound`, `slow`.

mod connect;
mod crowd;
mod error;
mod fanout;
mod frame;
mod inbound;
mod ledger;
mod member;
mod options;
mod payload;
mod process;
mod report;
mod slow;
mod span;
mod upgrade;
mod url;
mod volley;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::crowd::Target;
use crate::error::Error;
use crate::options::{Options, Work};
use crate::process::Process;
use crate::report::Report;

fn main() -> ExitCode {
    match run(&Options::parse().work) {
        Ok(report) => {
            println!("{}", report.line());
            if report.good { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("fanfare-loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(work: &Work) -> Result<Report, Error> {
    let common = work.common();
    if !common.url.server.ip().is_loopback() && !common.i_own_this_host {
        return Err(Error::Usage(
            "load on somebody else's machine is an attack: other hosts than this one need \
             --i-own-this-host",
        ));
    }
    process::raise_files()?;
    if let Some(core) = common.pin {
        process::pin(core)?;
    }
    let server = Process::new(common.server_pid)?;
    let target = Target { server: common.url.server, path: common.url.path.clone() };
    match work {
        Work::Connect(options) => connect::run(options, &target, &server),
        Work::Fanout(options) => fanout::run(options, &target, &server),
        Work::Chat(options) => fanout::chat(options, &target, &server),
        Work::Inbound(options) => inbound::run(options, &target, &server),
        Work::Slow(options) => slow::run(options, &target, &server),
    }
}
