//! What the machine allows: open files, of which every connection is one, and memory.

use crate::config::Machine;
use crate::server::files;
use nix::sys::resource::{Resource, getrlimit};
use std::fs;
use std::io;
use std::path::Path;

/// Address space that glibc reserves for the heap of a second thread, the log's. It asks for twice
/// as much, to choose an aligned half; if that fails, the thread shares the first heap.
const SECOND_HEAP_BYTES: u64 = 64 * 1024 * 1024;

/// What the machine allows; the limit on open files is raised to the hard limit.
///
/// # Errors
/// When a limit cannot be read.
pub fn machine() -> io::Result<Machine> {
    Ok(Machine { connections_max: files::raise_limit()?, memory_bytes: memory_allowed()? })
}

/// The least of the machine's memory, its control groups' limits, and the limit on the address
/// space. A system without any of them has no bound.
fn memory_allowed() -> io::Result<usize> {
    let (address_space, _) = getrlimit(Resource::RLIMIT_AS)?;
    let address_space = without_second_heap(address_space);
    let all = fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_total(&text));
    let own = fs::read_to_string("/proc/self/cgroup").ok();
    let group = own.as_deref().and_then(|text| text.lines().last()?.strip_prefix("0::/"));
    let group = group.and_then(|group| group_memory(Path::new("/sys/fs/cgroup"), group));
    let least = [Some(address_space), all, group].into_iter().flatten().min();
    Ok(least.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX))
}

/// The usable part of a limit on the address space.
fn without_second_heap(address_space: u64) -> u64 {
    let is_taken = address_space >= 2 * SECOND_HEAP_BYTES;
    if is_taken { address_space - SECOND_HEAP_BYTES } else { address_space }
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn memory_total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The least `memory.max` of a control group and those that it is in.
fn group_memory(root: &Path, group: &str) -> Option<u64> {
    let group = root.join(group);
    let groups = group.ancestors().take_while(|path| path.starts_with(root));
    let bounds = groups.filter_map(|path| fs::read_to_string(path.join("memory.max")).ok());
    bounds.filter_map(|text| text.trim().parse().ok()).min() // "max" is no bound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_heap_is_subtracted_from_the_address_space() {
        let mib = |count: u64| count * 1024 * 1024;
        let left = [64, 127, 128, 1000].map(|limit| without_second_heap(mib(limit)));
        assert_eq!(left, [64, 127, 64, 936].map(mib));
    }

    #[test]
    fn memory_is_the_least_of_its_bounds() {
        assert_eq!(memory_total("MemFree: 1 kB\nMemTotal:   2048 kB\n"), Some(2048 * 1024));
        assert_eq!(memory_total(""), None);
        let root = tempfile::tempdir().expect("a directory");
        let inner = root.path().join("system.slice/fanfare.service");
        fs::create_dir_all(&inner).expect("a directory");
        let bound = |path: &Path, text| fs::write(path.join("memory.max"), text).expect("a file");
        bound(&inner, "max\n");
        assert_eq!(group_memory(root.path(), "system.slice/fanfare.service"), None);
        bound(root.path(), "1000\n");
        bound(&inner, "2000\n");
        assert_eq!(group_memory(root.path(), "system.slice/fanfare.service"), Some(1000));
    }
}
