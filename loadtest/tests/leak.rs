//! A server that does not release connections that have ended. Alone in its process: the server's
//! files and memory are this process's.

#[allow(dead_code, reason = "the other faults are for other tests")]
mod server;

use std::process::Command;

use serde_json::Value;
use server::Fault;

#[test]
fn a_leak_of_the_server_is_found() {
    let own = std::process::id();
    for (fault, code, complaint) in [
        (Fault::None, 0, Value::Null),
        (Fault::KeepFile, 1, "the server keeps files of connections that are gone".into()),
        (Fault::KeepMemory, 1, "the server's memory grows with every connection".into()),
    ] {
        let address = server::start(fault, 1_000_000);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-loadtest"));
        command.args(["churn", "-n", "2", "--rate", "100", "--duration", "0.4", "--json"]);
        command.args(["--release-timeout", "2", "--server-pid", &own.to_string()]);
        let output = command.arg(format!("ws://{address}/")).output().expect("the tool runs");
        let line: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{fault:?}: {line} {stderr}");
        assert_eq!(line["fault"], complaint, "{fault:?}: {line}");
    }
}
