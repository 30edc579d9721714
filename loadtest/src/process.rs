//! The server under test as a process: what it has used of the processor and of memory.

use std::{fs, time::Duration};

use nix::{
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};

use crate::error::{Doing, Error};

/// A process that is watched from outside.
pub(crate) struct Process {
    pid: i32,
    clock: ClockId,
}

/// Bytes of memory, as the kernel counts them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident, of any kind (`VmRSS`).
    pub(crate) resident: u64,
    /// The most that was ever resident (`VmHWM`).
    pub(crate) peak: u64,
    /// Resident and of this process alone (`smaps_rollup`), counted page by page.
    pub(crate) private: u64,
}

impl Process {
    /// Finds the process; its clock is the one of all its threads, those that ended included.
    pub(crate) fn new(pid: i32) -> Result<Self, Error> {
        let clock = clock_getcpuclockid(Pid::from_raw(pid)).doing("find the server process")?;
        Ok(Self { pid, clock })
    }

    /// Processor time so far, user and kernel. Exact even while the process runs, which the
    /// `schedstat` file of the same counter is not.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        Ok(self.clock.now().doing("read the server's clock (has it ended?)")?.into())
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> Result<Memory, Error> {
        let status = self.read("status")?;
        let rollup = self.read("smaps_rollup")?;
        Ok(Memory {
            resident: field(&status, "VmRSS:"),
            peak: field(&status, "VmHWM:"),
            private: field(&rollup, "Private_Clean:") + field(&rollup, "Private_Dirty:"),
        })
    }

    /// Resident memory now; cheaper than `memory`.
    pub(crate) fn resident(&self) -> Result<u64, Error> {
        Ok(field(&self.read("status")?, "VmRSS:"))
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid)).doing("read the server's memory")
    }
}

/// Processor time of this client itself.
pub(crate) fn own_cpu() -> Result<Duration, Error> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now().doing("read the client's clock")?.into())
}

/// Pins this thread to one core.
pub(crate) fn pin(core: usize) -> Result<(), Error> {
    let mut set = nix::sched::CpuSet::new();
    set.set(core).doing("pin the client")?;
    nix::sched::sched_setaffinity(Pid::from_raw(0), &set).doing("pin the client")
}

/// Raises the limit of open files to what is allowed, and says how many that is.
pub(crate) fn raise_files() -> Result<u64, Error> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).doing("read the limit of files")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).doing("raise the limit of files")?;
    Ok(hard)
}

/// The bytes of a `Name:   123 kB` line; 0 if there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_and_scaled() {
        assert_eq!(field("VmHWM:\t 12 kB\nVmRSS:\t  7 kB\n", "VmRSS:"), 7 * 1024);
        assert_eq!(field("", "VmRSS:"), 0);
    }
}
