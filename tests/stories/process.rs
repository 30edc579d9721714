//! What the kernel knows of the relay's process.

use crate::relay::Relay;
use std::fs;

impl Relay {
    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.pid().as_raw_nonzero())
    }

    /// The most resident memory that it has had, in KiB.
    pub(crate) fn resident_kib_max(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// Its address space, in bytes.
    pub(crate) fn address_space_bytes(&self) -> u64 {
        self.status_kib("VmSize:") * 1024
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("a running process");
        let line = status.lines().find(|line| line.starts_with(name)).expect("in status");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    /// The processor time that it has used, in hundredths of a second.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(self.proc("stat")).expect("a running process");
        let (_, fields) = stat.rsplit_once(')').expect("behind the name");
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|ticks| ticks.parse::<u64>().ok());
        ticks().zip(ticks()).map(|(user, system)| user + system).expect("two numbers")
    }

    /// The smallest descriptor that is free; there may be larger ones that our own parents left us.
    pub(crate) fn descriptor_next(&self) -> u64 {
        let files = fs::read_dir(self.proc("fd")).expect("our own child");
        let name = |file: std::io::Result<fs::DirEntry>| file.ok()?.file_name().into_string().ok();
        let used: Vec<u64> = files.filter_map(|file| name(file)?.parse().ok()).collect();
        (0..).find(|number| !used.contains(number)).expect("a limit below infinity")
    }
}
