//! A server that `compare` starts, measures and ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::error::{Doing, Error, usage};
use crate::offer::Offer;
use crate::options::Compare;
use crate::process;

const WS: &str = include_str!("../peers/ws.mjs");
const BUN: &str = include_str!("../peers/bun.js");

/// How to start a server that prints `listens on ADDR:PORT`.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    folder: Option<PathBuf>,
    /// What its clients offer.
    pub(crate) offer: Option<Offer>,
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
    pub(crate) fn find(name: &str, options: &Compare) -> Result<Self, Error> {
        let own = std::env::current_exe().doing("find this program")?;
        let (name, command) = match name.split_once('=') {
            Some((name, command)) => (name, Some(command)),
            None => (name, None),
        };
        let (server, offer) = match name.rsplit_once('-') {
            Some((server, "alone")) => (server, Some(Offer::Alone)),
            Some((server, "context")) => (server, Some(Offer::Context)),
            _ => (name, None),
        };
        let peer = |program: PathBuf, arguments: &[&str]| Self {
            name: name.to_owned(),
            program,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            folder: None,
            offer,
        };
        if let Some(command) = command {
            return Ok(peer("sh".into(), &["-c", &format!("exec {command}")]));
        }
        match server {
            "fanfare" => {
                let beside = own.with_file_name("fanfare");
                let program = options.fanfare.clone().unwrap_or(beside);
                let found = fs::canonicalize(&program);
                let Ok(program) = found else {
                    return usage(format!("no {}: cargo build --release", program.display()));
                };
                let mut peer = peer(program, &["--listen", "127.0.0.1:0", "--log-level", "warn"]);
                peer.arguments.extend(offer.map(|_| "--deflate".to_owned()));
                Ok(peer)
            }
            "ws" => {
                let folder = options.node_dir.clone();
                if !works("node") || !folder.join("node_modules/ws").is_dir() {
                    return usage(format!("no node, or no ws in {}", folder.display()));
                }
                let script = script(&options.out, "ws.mjs", WS)?;
                let mode = if offer.is_some() { "deflate" } else { "plain" };
                Ok(Self { folder: Some(folder), ..peer("node".into(), &[&script, mode]) })
            }
            "floor" | "bun" | "tokio-tungstenite" if offer.is_some() => {
                usage(format!("{server} does not compress here"))
            }
            "floor" => Ok(peer(own, &["floor"])),
            "bun" if !works("bun") => usage("no bun"),
            "bun" => Ok(peer("bun".into(), &[&script(&options.out, "bun.js", BUN)?])),
            "tokio-tungstenite" => Ok(peer(example(&own, name)?, &[])),
            _ => usage(format!("no server is known by the name {name}; NAME=COMMAND?")),
        }
    }

    /// Starts it, on one core if there is more than one.
    pub(crate) fn start(&self, core: Option<usize>) -> Result<Running, Error> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdout(Stdio::piped()).stdin(Stdio::null());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        // A child begins on the cores of its parent.
        core.map_or(Ok(()), |core| process::pin(&[core]))?;
        let mut child = command.spawn().doing("start a server")?;
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        while output.read_line(&mut line).doing("read where a server listens")? > 0 {
            if let Some((_, rest)) = line.split_once("listens on ") {
                let address: String =
                    rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
                return Ok(Running { child, address, _output: output });
            }
            line.clear();
        }
        let _already_gone = child.kill();
        let _status = child.wait();
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

/// Puts a peer's program where it can be run.
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
    use crate::options::{Options, Work};
    use clap::Parser;

    fn options(words: &[&str]) -> Compare {
        let words = [&["fanfare-loadtest", "compare"], words].concat();
        match Options::parse_from(words).work {
            Work::Compare(options) => options,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn a_name_says_how_its_clients_want_to_be_served() {
        let options = options(&[]);
        for (name, expected) in [
            ("floor", ("floor", None)),
            ("x=serve --fast", ("x", None)),
            ("x-alone=serve -a=b", ("x-alone", Some(Offer::Alone))),
            ("a-b-context=serve", ("a-b-context", Some(Offer::Context))),
        ] {
            let peer = Peer::find(name, &options).expect(name);
            assert_eq!((peer.name.as_str(), peer.offer), expected);
        }
        let peer = Peer::find("x-alone=serve -a=b", &options).expect("a command");
        assert_eq!(peer.arguments, ["-c", "exec serve -a=b"]);
        for (name, why) in [("floor-alone", "does not compress"), ("x-alone", "no server")] {
            let complaint = Peer::find(name, &options).expect_err(name).to_string();
            assert!(complaint.contains(why), "{complaint}");
        }
    }

    #[test]
    fn compression_has_its_own_servers() {
        assert_eq!(options(&[]).servers[0], "floor");
        let servers = options(&["--compression"]).servers;
        assert_eq!((servers.len(), servers[2].as_str()), (6, "fanfare-context"));
        assert_eq!(options(&["--compression", "--servers", "ws-alone"]).servers, ["ws-alone"]);
    }
}
