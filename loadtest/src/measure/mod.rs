//! The measurements of a run, and its report.

mod faults;
mod interval;
mod latency;
mod machine;
mod process;
mod report;
mod stall;

pub(crate) use faults::Faults;
pub(crate) use interval::{Cost, Interval};
pub(crate) use latency::{Latencies, histogram, ns};
pub(crate) use machine::slab;
pub(crate) use process::{Server, pin, raise_open_files, thread_cpu};
pub(crate) use report::Report;
pub(crate) use stall::Stall;
