//! Processes from outside: the processor time, memory and files that they use.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::error::{Doing, Error};

/// The processes of the server under test; all figures are their sums.
#[derive(Default)]
pub(crate) struct Server {
    processes: Vec<Process>,
}

struct Process {
    pid: i32,
    clock: ClockId,
}

/// Bytes of memory, as the kernel counts them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident, of any kind (`VmRSS`).
    pub(crate) resident: u64,
    /// The most that was ever resident (`VmHWM`).
    pub(crate) high_water: u64,
    /// Resident, shared pages divided among the processes that share them (`Pss`).
    pub(crate) proportional: u64,
    /// Resident and of this process alone (`smaps_rollup`), counted page by page.
    pub(crate) private: u64,
}

impl Server {
    /// Finds the processes. Without any, there are no figures of the server.
    pub(crate) fn new(pids: &[i32]) -> Result<Self, Error> {
        let find = |&pid: &i32| {
            // The clock's number contains the pid: an invalid pid could name another process.
            fs::metadata(format!("/proc/{pid}/stat")).doing("find the server process")?;
            let clock = clock_getcpuclockid(Pid::from_raw(pid)).doing("find the server process")?;
            Ok(Process { pid, clock })
        };
        Ok(Self { processes: pids.iter().map(find).collect::<Result<_, Error>>()? })
    }

    /// Whether there are figures of the server.
    pub(crate) fn is_known(&self) -> bool {
        !self.processes.is_empty()
    }

    /// Processor time so far, user and kernel, of all threads, those that ended included. Exact
    /// even while the process runs, which the `schedstat` file of the same counter is not.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        let read = |process: &Process| {
            let time = process.clock.now().doing("read the server's clock (has it ended?)")?;
            Ok(Duration::from(time))
        };
        self.processes.iter().map(read).sum()
    }

    /// Memory now, if anything is known.
    pub(crate) fn memory(&self) -> Result<Option<Memory>, Error> {
        let mut sum = Memory::default();
        for process in &self.processes {
            let status = process.read("status")?;
            let rollup = process.read("smaps_rollup")?;
            sum.resident += field(&status, "VmRSS:");
            sum.high_water += field(&status, "VmHWM:");
            sum.proportional += field(&rollup, "Pss:");
            sum.private += field(&rollup, "Private_Clean:") + field(&rollup, "Private_Dirty:");
        }
        Ok(self.is_known().then_some(sum))
    }

    /// Resident memory now; cheaper than `memory`.
    pub(crate) fn resident(&self) -> Result<u64, Error> {
        self.processes.iter().map(|process| Ok(field(&process.read("status")?, "VmRSS:"))).sum()
    }

    /// Open files.
    pub(crate) fn open_files(&self) -> Result<u64, Error> {
        let count = |process: &Process| {
            let folder = format!("/proc/{}/fd", process.pid);
            Ok(fs::read_dir(folder).doing("count the server's files")?.count() as u64)
        };
        self.processes.iter().map(count).sum()
    }
}

impl Process {
    fn read(&self, name: &str) -> Result<String, Error> {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid)).doing("read the server's memory")
    }
}

/// Processor time of this client, all of its threads.
pub(super) fn own_cpu() -> Result<Duration, Error> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now().doing("read the client's clock")?.into())
}

/// Processor time of this thread.
pub(crate) fn thread_cpu() -> Result<Duration, Error> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now().doing("read a thread's clock")?.into())
}

/// Pins this thread, and those that it starts, to some cores.
pub(crate) fn pin(cores: &[usize]) -> Result<(), Error> {
    let mut set = nix::sched::CpuSet::new();
    for core in cores {
        set.set(*core).doing("pin the client")?;
    }
    nix::sched::sched_setaffinity(Pid::from_raw(0), &set).doing("pin the client")
}

/// Raises the limit on open files to the hard limit; gives that.
pub(crate) fn raise_open_files() -> Result<u64, Error> {
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

    #[test]
    fn several_processes_are_summed() {
        let own = std::process::id() as i32;
        let one = Server::new(&[own]).expect("this process");
        let two = Server::new(&[own, own]).expect("this process twice");
        assert!(one.memory().unwrap().expect("it is known").proportional > 0);
        assert!(one.open_files().unwrap() >= 3);
        assert!(two.resident().unwrap() > one.resident().unwrap());
        assert!(Server::new(&[i32::MAX]).is_err());
        assert!(!Server::new(&[]).unwrap().is_known());
    }
}
