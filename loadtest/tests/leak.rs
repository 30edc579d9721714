//! A server that keeps the files of connections that are gone. Alone in its process: the server's
//! files are this process's.

#[allow(dead_code, reason = "the other faults are for other tests")]
mod server;

use std::process::Command;

use serde_json::Value;
use server::Fault;

#[test]
fn files_that_are_kept_are_found_out() {
    let own = std::process::id();
    for (fault, expected) in [(Fault::None, 0), (Fault::Leak, 1)] {
        let address = server::start(fault, 1_000_000);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-loadtest"));
        command.args(["churn", "-n", "2", "--rate", "100", "--duration", "0.4", "--json"]);
        command.args(["--release-timeout", "2", "--server-pid", &own.to_string()]);
        let output = command.arg(format!("ws://{address}/")).output().expect("the tool runs");
        let line: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{fault:?}: {line} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
