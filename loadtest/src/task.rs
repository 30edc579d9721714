//! What `compare` has done by each server: the loads, and the figures that count.

use crate::options::Compare;

/// One kind of work: its title, how it is called, and the figures that count.
pub(crate) struct Task {
    title: &'static str,
    full: &'static str,
    quick: &'static str,
    pub(crate) figures: &'static [Figure],
}

/// A field of a run's line, and what a table calls it.
pub(crate) struct Figure {
    pub(crate) field: &'static str,
    pub(crate) unit: &'static str,
    /// How many of the unit one of the field is.
    pub(crate) scale: f64,
}

/// A figure as it stands in the line.
const fn figure(field: &'static str, unit: &'static str) -> Figure {
    Figure { field, unit, scale: 1.0 }
}

const CONNECTION: &[Figure] = &[
    figure("us_per_handshake", "µs CPU per handshake"),
    figure("resident_per_connection", "resident bytes per connection"),
];
const CPU: Figure = figure("ns_per_delivery", "ns CPU per delivery");
const DELIVERY: &[Figure] = &[CPU];
const COMPRESSED: &[Figure] = &[
    CPU,
    figure("wire_bytes_per_delivery", "bytes on the wire per delivery"),
    Figure { field: "resident_after", unit: "MB resident", scale: 1e-6 },
];

/// What servers are compared by.
const TASKS: &[Task] = &[
    Task {
        title: "connect",
        full: "connect -n 15000 --hold 0",
        quick: "connect -n 300 --hold 0",
        figures: CONNECTION,
    },
    Task {
        title: "one in flight, 100 members",
        full: "fanout -n 100 --secs 2",
        quick: "fanout -n 20 --secs 0.1 --warmup 0.05",
        figures: DELIVERY,
    },
    Task {
        title: "one in flight, 1,000 members",
        full: "fanout -n 1000 --secs 3",
        quick: "",
        figures: DELIVERY,
    },
    Task {
        title: "one in flight, 10,000 members",
        full: "fanout -n 10000 --secs 4",
        quick: "",
        figures: DELIVERY,
    },
    Task {
        title: "8 in flight, 1,000 members",
        full: "fanout -n 1000 --window 8 --secs 3",
        quick: "fanout -n 50 --window 8 --secs 0.1 --warmup 0.05",
        figures: DELIVERY,
    },
    Task {
        title: "64 in flight, 1,000 members",
        full: "fanout -n 1000 --window 64 --secs 3",
        quick: "",
        figures: DELIVERY,
    },
    Task {
        title: "16 publishers, 16 in flight each, 1,000 members",
        full: "fanout -n 1000 -p 16 --window 16 --secs 3",
        quick: "",
        figures: DELIVERY,
    },
    Task {
        title: "chat of 32",
        full: "chat -n 32 --secs 3",
        quick: "chat -n 8 --secs 0.1 --warmup 0.05",
        figures: DELIVERY,
    },
    Task {
        title: "50 messages a second, 1,000 members",
        full: "pace -n 1000 --rate 50 --secs 4",
        quick: "pace -n 20 --rate 100 --secs 0.2 --warmup 0.05",
        figures: &[
            figure("each_us_p50", "µs to a recipient, median"),
            figure("last_us_p99", "µs to the last recipient, p99"),
        ],
    },
    Task {
        title: "inbound, texts of 64 KiB, ASCII",
        full: "inbound --secs 2",
        quick: "inbound --secs 0.1 --warmup 0.05",
        figures: &[figure("ns_per_byte", "ns CPU per byte")],
    },
    Task {
        title: "inbound, texts of 64 KiB, Chinese",
        full: "inbound --chinese --secs 2",
        quick: "",
        figures: &[figure("ns_per_byte", "ns CPU per byte")],
    },
    Task {
        title: "inbound, texts of 125 B",
        full: "inbound --size 125 --secs 2",
        quick: "",
        figures: &[figure("ns_per_message", "ns CPU per message")],
    },
];

/// What ways to compress are compared by. The messages are counted, not timed: every server hears
/// the same, and a slow one has as much in its context as a quick one when the measuring begins. A
/// server may look only once a second who can share a context (fanfare does), hence the hold.
const COMPRESSION: &[Task] = &[
    Task {
        title: "connect",
        full: "connect -n 15000 --hold 0",
        quick: "connect -n 300 --hold 0",
        figures: CONNECTION,
    },
    Task {
        title: "ticker, one in flight, 1,000 members",
        full: "fanout -n 1000 --corpus ticker --hold 2 --warmup-messages 128 --messages 256",
        quick: "fanout -n 20 --corpus ticker --messages 64 --warmup 0",
        figures: COMPRESSED,
    },
    Task {
        title: "ticker, one in flight, 10,000 members",
        full: "fanout -n 10000 --corpus ticker --hold 2 --warmup-messages 64 --messages 32",
        quick: "",
        figures: COMPRESSED,
    },
    Task {
        title: "ticker, 64 in flight, 1,000 members",
        full: "fanout -n 1000 -w 64 --corpus ticker --hold 2 --warmup-messages 128 --messages 512",
        quick: "fanout -n 20 -w 64 --corpus ticker --messages 64 --warmup 0",
        figures: COMPRESSED,
    },
    Task {
        title: "chat, one in flight, 1,000 members",
        full: "fanout -n 1000 --corpus chat --hold 2 --warmup-messages 128 --messages 256",
        quick: "fanout -n 20 --corpus chat --messages 64 --warmup 0",
        figures: COMPRESSED,
    },
    Task {
        title: "chat, one in flight, 10,000 members",
        full: "fanout -n 10000 --corpus chat --hold 2 --warmup-messages 64 --messages 32",
        quick: "",
        figures: COMPRESSED,
    },
    Task {
        title: "dashboard, one in flight, 1,000 members",
        full: "fanout -n 1000 --corpus dashboard --hold 2 --warmup-messages 16 --messages 64",
        quick: "fanout -n 20 --corpus dashboard --messages 64 --warmup 0",
        figures: COMPRESSED,
    },
    Task {
        title: "dashboard, one in flight, 10,000 members",
        full: "fanout -n 10000 --corpus dashboard --hold 2 --warmup-messages 16 --messages 16",
        quick: "",
        figures: COMPRESSED,
    },
];

impl Task {
    /// What is asked for.
    pub(crate) fn wanted(options: &Compare) -> Vec<&'static Self> {
        let all = if options.compression { COMPRESSION } else { TASKS };
        let named = |task: &&Self| {
            options.only.is_empty() || options.only.iter().any(|part| task.title.contains(part))
        };
        all.iter().filter(named).filter(|task| !task.words(options).is_empty()).collect()
    }

    /// The load generator's arguments.
    pub(crate) fn words(&self, options: &Compare) -> &'static str {
        if options.quick { self.quick } else { self.full }
    }

    /// What the table says of it.
    pub(crate) fn name(&self, options: &Compare) -> &'static str {
        if options.quick { self.quick } else { self.title }
    }
}
