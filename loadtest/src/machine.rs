//! What a figure was measured on.

use std::fs;

use serde_json::{Value, json};

/// The machine: processor, cores, memory and kernel.
pub(crate) fn describe() -> Value {
    let processor = line("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = line("/proc/meminfo", "MemTotal").unwrap_or_default();
    json!({
        "processor": processor,
        "cores": cores,
        "memory": memory,
        "system": format!("{} {}", std::env::consts::OS, kernel.trim()),
    })
}

/// The rest of the first line that begins with `name`, behind its colon.
fn line(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
