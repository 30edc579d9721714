//! Runs the load generator's binary.

use std::net::SocketAddr;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs it with these words.
pub fn tool(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-loadtest"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(words.split_whitespace()).output().expect("the tool runs")
}

/// Runs it against a server; gives its exit code, its line and its errors.
pub fn run(words: &str, address: SocketAddr) -> (i32, Value, String) {
    let output = tool(&format!("{words} --stall 2 --json ws://{address}/"));
    let line = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let code = output.status.code().expect("an exit code");
    (code, line, String::from_utf8_lossy(&output.stderr).into_owned())
}
