//! The machine of a measurement.

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

/// Bytes of the kernel's slab: sockets, files and their like, of all processes.
pub(crate) fn slab() -> u64 {
    let size = line("/proc/meminfo", "Slab").unwrap_or_default();
    size.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0) * 1_024
}

/// The rest of the first line that begins with `name`, after its colon.
fn line(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
