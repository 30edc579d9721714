//! A server that `compare` starts, measures and ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use clap::Args;

use crate::client::Deflate;
use crate::error::{Doing, Error, usage};
use crate::measure::pin;

const WS: &str = include_str!("../../../peers/ws.mjs");
const BUN: &str = include_str!("../../../peers/bun.js");

/// Where the programs of servers are, and where the results go.
#[derive(Args)]
pub(crate) struct Places {
    /// fanfare's binary; the one beside this program otherwise.
    #[arg(long, value_name = "FILE")]
    fanfare: Option<PathBuf>,
    /// A folder with `node_modules/ws`.
    #[arg(long, value_name = "DIR", default_value = "tests/interop")]
    node_dir: PathBuf,
    /// Where the lines, the table and the plots go.
    #[arg(long, value_name = "DIR", default_value = "target/compare")]
    pub(crate) out: PathBuf,
}

/// How to start a server that prints `listens on ADDR:PORT`.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// Further ones, with which it keeps messages, where that is known.
    history: &'static [&'static str],
    folder: Option<PathBuf>,
    /// What its clients offer.
    pub(crate) deflate: Option<Deflate>,
}

/// A server that runs; it ends with this value.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    /// Kept open: a server may print more.
    _output: BufReader<ChildStdout>,
}

impl Peer {
    /// Finds a server by name, which may end in -alone or -context: then it compresses so. The
    /// error says what is missing.
    pub(crate) fn find(name: &str, places: &Places) -> Result<Self, Error> {
        let own = std::env::current_exe().doing("find this program")?;
        let (name, command) = match name.split_once('=') {
            Some((name, command)) => (name, Some(command)),
            None => (name, None),
        };
        let (server, deflate) = match name.rsplit_once('-') {
            Some((server, "alone")) => (server, Some(Deflate::Alone)),
            Some((server, "context")) => (server, Some(Deflate::Context)),
            _ => (name, None),
        };
        let mut folder = None;
        let (program, arguments) = match (command, server) {
            (Some(command), _) => ("sh".into(), vec!["-c".into(), format!("exec {command}")]),
            (None, "fanfare") => {
                let beside = || own.with_file_name("fanfare");
                let program = places.fanfare.clone().unwrap_or_else(beside);
                let Ok(program) = fs::canonicalize(&program) else {
                    return usage(format!("no {}: cargo build --release", program.display()));
                };
                let mut arguments = vec!["--listen", "127.0.0.1:0", "--log-level", "warn"];
                arguments.extend(deflate.map(|_| "--deflate"));
                (program, arguments.into_iter().map(str::to_owned).collect())
            }
            (None, "ws") => {
                if !works("node") || !places.node_dir.join("node_modules/ws").is_dir() {
                    return usage(format!("no node, or no ws in {}", places.node_dir.display()));
                }
                folder = Some(places.node_dir.clone());
                let mode = if deflate.is_some() { "deflate" } else { "plain" };
                ("node".into(), vec![script(&places.out, "ws.mjs", WS)?, mode.into()])
            }
            (None, "floor" | "bun" | "tokio-tungstenite") if deflate.is_some() => {
                return usage(format!("{server} does not compress here"));
            }
            (None, "floor") => (own, vec!["floor".into()]),
            (None, "bun") if !works("bun") => return usage("no bun"),
            (None, "bun") => ("bun".into(), vec![script(&places.out, "bun.js", BUN)?]),
            (None, "tokio-tungstenite") => (example(&own, name)?, Vec::new()),
            _ => return usage(format!("no server is known by the name {name}; NAME=COMMAND?")),
        };
        let history: &[&str] = match (command, server) {
            (None, "fanfare") => &["--history-messages", "1000"],
            (None, "floor") => &["--history"],
            _ => &[],
        };
        Ok(Self { name: name.to_owned(), program, arguments, history, folder, deflate })
    }

    /// Starts it, on one core if there is more than one; with `history` it keeps messages, if it
    /// can.
    pub(crate) fn start(&self, core: Option<usize>, history: bool) -> Result<Running, Error> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdout(Stdio::piped()).stdin(Stdio::null());
        if history {
            command.args(self.history);
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        // A child begins on the cores of its parent.
        core.map_or(Ok(()), |core| pin(&[core]))?;
        let mut child = command.spawn().doing("start a server")?;
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut running = Running { child, address: String::new(), _output: output };
        let mut line = String::new();
        while running._output.read_line(&mut line).doing("read where a server listens")? > 0 {
            if let Some((_, rest)) = line.split_once("listens on ") {
                let is_address = |char: &char| char.is_ascii_digit() || ".:".contains(*char);
                running.address = rest.chars().take_while(is_address).collect();
                return Ok(running);
            }
            line.clear();
        }
        usage(format!("{} does not say where it listens", self.name))
    }
}

impl Running {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn works(program: &str) -> bool {
    let mut command = Command::new(program);
    let silent = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// Writes a peer's program to a file, and gives the path of that.
fn script(out: &Path, name: &str, text: &str) -> Result<String, Error> {
    let path = out.join(name);
    fs::write(&path, text).doing("write a peer's program")?;
    let path = fs::canonicalize(&path).doing("find a peer's program")?;
    Ok(path.display().to_string())
}

/// Builds an example of this package, if it is not there.
fn example(own: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = own.with_file_name("examples").join(name);
    if !path.is_file() {
        let target = own.ancestors().nth(2).unwrap_or(own);
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--quiet", "-p", "fanfare-loadtest", "--example", name]);
        cargo.arg("--target-dir").arg(target);
        let built = cargo.status().is_ok_and(|status| status.success());
        if !built || !path.is_file() {
            return usage(format!("{name} cannot be built: run this where fanfare's source is"));
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_a_server_compresses() {
        let [node_dir, out] = ["tests/interop", "target/compare"].map(PathBuf::from);
        let places = Places { fanfare: None, node_dir, out };
        for (name, expected) in [
            ("floor", ("floor", None)),
            ("x=serve --fast", ("x", None)),
            ("x-alone=serve -a=b", ("x-alone", Some(Deflate::Alone))),
            ("a-b-context=serve", ("a-b-context", Some(Deflate::Context))),
        ] {
            let peer = Peer::find(name, &places).expect(name);
            assert_eq!((peer.name.as_str(), peer.deflate), expected);
        }
        let peer = Peer::find("x-alone=serve -a=b", &places).expect("a command");
        assert_eq!(peer.arguments, ["-c", "exec serve -a=b"]);
        for (name, why) in [("floor-alone", "does not compress"), ("x-alone", "no server")] {
            let complaint = Peer::find(name, &places).expect_err(name).to_string();
            assert!(complaint.contains(why), "{complaint}");
        }
    }
}
