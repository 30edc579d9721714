//! Metrics of this process, under the names that all of Prometheus' libraries use.

use crate::protocol::exposition::Family;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::time::{SystemTime, UNIX_EPOCH};

/// Connections beyond which open files are not counted one by one, as kernels before 6.2 need it:
/// that would delay all clients.
const COUNTED_MAX: usize = 4096;

/// Files of the kernel that are read again and again.
#[derive(Debug)]
pub(super) struct Process {
    /// Kept open, so that it can be read when no descriptor is free.
    status: Option<File>,
    start_s: f64,
}

impl Process {
    pub(super) fn new() -> Process {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Process {
            status: File::open("/proc/self/status").ok(),
            start_s: since.unwrap_or_default().as_millis() as f64 / 1e3,
        }
    }

    /// A spare descriptor, to be closed when there is no other.
    pub(super) fn spare(&self) -> Option<File> {
        self.status.as_ref().and_then(|file| file.try_clone().ok())
    }

    /// The families, without those that this system does not have.
    pub(super) fn families(&mut self, connections: usize) -> Vec<Family> {
        let row = Family::gauge;
        let mut families = vec![
            row("process_start_time_seconds", "When it began, in seconds since 1970.", 0)
                .decimal(self.start_s),
        ];
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let seconds =
                |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            let cpu_s = seconds(usage.user_time()) + seconds(usage.system_time());
            let help = "Processor time used, in seconds.";
            families.push(Family::counter("process_cpu_seconds_total", help, 0).decimal(cpu_s));
        }
        let status = self.status_text().unwrap_or_default();
        let sizes = [
            ("VmRSS:", "process_resident_memory_bytes", "Resident memory."),
            ("VmSize:", "process_virtual_memory_bytes", "Address space in use."),
        ];
        for (field, name, help) in sizes {
            families.extend(kib(&status, field).map(|kib| row(name, help, kib * 1024)));
        }
        let open = open_files(connections);
        families.extend(open.map(|open| row("process_open_fds", "Open descriptors.", open)));
        if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            families.push(row("process_max_fds", "Descriptors that may be open.", soft));
        }
        families
    }

    fn status_text(&mut self) -> Option<String> {
        let file = self.status.as_mut()?;
        file.rewind().ok()?;
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Some(text)
    }
}

/// A size from `/proc/self/status`, in KiB.
fn kib(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files(connections: usize) -> Option<u64> {
    let folder = "/proc/self/fd";
    match fs::metadata(folder).ok()?.len() {
        0 if connections > COUNTED_MAX => None,
        0 => Some(fs::read_dir(folder).ok()?.count() as u64 - 1), // one is the folder itself
        known => Some(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::exposition;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_has_its_metrics() {
        let text = exposition::text(&Process::new().families(0));
        let number = |name: &str| -> f64 {
            let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
            lines.find_map(|rest| rest.strip_prefix(' ')?.parse().ok()).expect(name)
        };
        assert!(number("process_resident_memory_bytes") > 1e6);
        assert!(number("process_virtual_memory_bytes") > number("process_resident_memory_bytes"));
        assert!(number("process_open_fds") >= 4.0);
        assert!(number("process_max_fds") >= number("process_open_fds"));
        assert!(number("process_start_time_seconds") > 1.7e9);
        assert!(number("process_cpu_seconds_total") >= 0.0);
    }
}
