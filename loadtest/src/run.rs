//! A run: the server, how to connect to it, and when to stop waiting.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::client::{Deflate, Sources, Target, Tls, Url};
use crate::error::{Error, usage};
use crate::interrupt::Interrupt;
use crate::measure::{Report, Server, pin, raise_open_files};
use crate::values::{count, time, word};

/// For each loop, files that are no connection: the standard streams, a poller, a timer, clocks.
const FILES_OWN: u64 = 64;

/// The options of every kind of load.
#[derive(Args)]
pub(crate) struct Common {
    /// The room, as in ws://127.0.0.1:2046/news, or wss:// for TLS.
    #[arg(value_name = "URL")]
    pub(crate) url: Url,
    /// For wss://: trust these certificates, a PEM file, and what they signed.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// For wss://: trust any certificate.
    #[arg(long, conflicts_with = "cacert")]
    insecure: bool,
    /// Ask the server to compress (permessage-deflate); every delivery is inflated and checked.
    /// Members send uncompressed messages, as RFC 7692 allows.
    #[arg(long, value_name = "HOW")]
    pub(crate) deflate: Option<Deflate>,
    /// A process of the server, to measure its processor time and memory; several are summed.
    #[arg(long, value_name = "PID", value_parser = count::<i32>)]
    server_pid: Vec<i32>,
    /// Addresses to connect from, as in 127.0.0.2-9: each has 28,000 ports or so.
    #[arg(long, value_name = "ADDRESSES")]
    source: Option<Sources>,
    /// Loops, each in a thread of its own, that share the members among them.
    #[arg(long, default_value = "1", value_parser = count::<usize>)]
    threads: usize,
    /// Run on these cores only.
    #[arg(long, value_name = "CORE", value_delimiter = ',', value_parser = count::<usize>)]
    pin: Vec<usize>,
    /// End the run with an error after so long without progress.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = time)]
    stall: Duration,
    /// Print one line of JSON, with machine, version and arguments.
    #[arg(long)]
    pub(crate) json: bool,
    /// Allow a server that is not on this machine.
    #[arg(long)]
    i_own_this_host: bool,
}

/// A run of the program.
pub(crate) struct Run {
    pub(crate) server: Server,
    pub(crate) target: Target,
    pub(crate) threads: usize,
    pub(crate) interrupt: Interrupt,
    /// The longest time without progress.
    pub(crate) stall: Duration,
    /// Whether progress is shown to people.
    pub(crate) has_bars: bool,
    open_files_max: u64,
}

impl Run {
    /// Checks the options of all commands.
    pub(crate) fn new(common: &Common, interrupt: &Interrupt) -> Result<Self, Error> {
        if !common.url.server.ip().is_loopback() && !common.i_own_this_host {
            return usage(
                "load on another's machine is an attack: other hosts than this one need \
                 --i-own-this-host",
            );
        }
        if common.threads == 0 || common.threads > 64 {
            return usage("from 1 to 64 threads");
        }
        if !common.pin.is_empty() {
            pin(&common.pin)?;
        }
        Ok(Self {
            server: Server::new(&common.server_pid)?,
            target: Target {
                url: common.url.clone(),
                tls: common.tls()?,
                deflate: common.deflate,
                sources: common.source.clone(),
            },
            threads: common.threads,
            interrupt: interrupt.clone(),
            stall: common.stall,
            has_bars: !common.json && std::io::stderr().is_terminal(),
            open_files_max: raise_open_files()?,
        })
    }

    /// An empty report on one kind of work.
    pub(crate) fn report(&self, work: &str) -> Report {
        let mut report = Report::new(work);
        if let Some(deflate) = self.target.deflate {
            report.put("deflate", word(deflate));
        }
        report
    }

    /// The path of the URL.
    pub(crate) fn path(&self) -> &str {
        &self.target.url.path
    }

    /// Refuses more threads than one.
    pub(crate) fn check_one_thread(&self, why: &str) -> Result<(), Error> {
        if self.threads > 1 { usage(why) } else { Ok(()) }
    }

    /// Whether so many connections can be open at a time.
    pub(crate) fn check_files(&self, connections: usize) -> Result<(), Error> {
        let most = self.open_files_max.saturating_sub(FILES_OWN * self.threads as u64);
        if connections as u64 <= most {
            return Ok(());
        }
        usage(format!(
            "{connections} connections are more than the {most} that this process may have with \
             its {} open files: raise the limit (ulimit -Hn, as root), or run several of this \
             program beside each other",
            self.open_files_max
        ))
    }
}

impl Common {
    /// The settings for `wss://`; only certificates that an option names are trusted.
    fn tls(&self) -> Result<Option<Tls>, Error> {
        match (self.url.secure, self.cacert.as_deref(), self.insecure) {
            (true, None, false) => usage(
                "which certificate is trusted? wss:// needs --cacert FILE, with the server's \
                 certificate or one that signed it, or --insecure",
            ),
            (true, file, _) => Tls::new(self.url.name(), file).map(Some),
            (false, None, false) => Ok(None),
            (false, ..) => usage("--cacert and --insecure are for wss://"),
        }
    }
}
