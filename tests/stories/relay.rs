//! The real relay as a child process: started with flags, controlled by signals, ended with the
//! story.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, PipeReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest wait, which only a broken relay reaches.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running relay; it is killed when the story is over, however that ends.
#[derive(Debug)]
pub(crate) struct Relay {
    child: Child,
    /// The first line of its standard output.
    pub(crate) welcome: String,
    pub(crate) log: Arc<Log>,
    reads_log: bool,
}

/// What the relay wrote to standard error.
#[derive(Debug, Default)]
pub(crate) struct Log {
    state: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Log {
    /// The lines so far, and whether they are all.
    fn lock(&self) -> MutexGuard<'_, (Vec<String>, bool)> {
        // A failed wait panics under the lock, and has changed nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut (Vec<String>, bool))) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `seen` gives a value for the lines so far.
    pub(crate) fn wait<T>(&self, what: &str, seen: impl Fn(&[String], bool) -> Option<T>) -> T {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, |(lines, ended)| {
                seen(lines, *ended).is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let (lines, ended) = &*state;
        seen(lines, *ended).unwrap_or_else(|| panic!("waited for {what} in vain: {lines:#?}"))
    }

    /// The lines so far that contain `part`.
    pub(crate) fn lines_with(&self, part: &str) -> Vec<String> {
        self.lock().0.iter().filter(|line| line.contains(part)).cloned().collect()
    }
}

/// The relay's program, without variables of our environment that would configure it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FANFARE_") {
            command.env_remove(name);
        }
    }
    // Many relays run at once: only a story about it has an admin listener.
    command.env("FANFARE_ADMIN", "none");
    command
}

impl Relay {
    /// A relay on a port of its own, with these flags.
    pub(crate) fn start(flags: &[&str]) -> Relay {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0"]).args(flags);
        Relay::run(command)
    }

    /// A relay by `command`; it is running when this returns.
    pub(crate) fn run(command: Command) -> Relay {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        Relay::run_into(command, writer, Some(reader))
    }

    /// The same, whose standard error is `stderr`; its lines are read from `log`, if that is given.
    pub(crate) fn run_into(
        mut command: Command,
        stderr: impl Into<Stdio>,
        log: Option<PipeReader>,
    ) -> Relay {
        command.args(["--log-format", "json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the program starts");
        drop(command); // it holds our end of standard error
        let stdout = child.stdout.take().expect("piped");
        let mut relay =
            Relay { child, welcome: String::new(), log: Arc::default(), reads_log: false };
        if let Some(log) = log {
            relay.read_log(log);
        }
        BufReader::new(stdout).read_line(&mut relay.welcome).expect("a line of text");
        if !relay.welcome.ends_with('\n') {
            panic!("exit code {:?}: {:#?}", relay.exit_code(), relay.log.lines_with(""));
        }
        relay
    }

    /// Reads the lines of its log from now on.
    pub(crate) fn read_log(&mut self, from: PipeReader) {
        self.reads_log = true;
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                log.change(|(lines, _)| lines.push(line));
            }
            log.change(|(_, ended)| *ended = true);
        });
    }

    /// Where it listens on TCP, as its first line says.
    pub(crate) fn address(&self) -> SocketAddr {
        let place = self.welcome.split_once("connect to ws").expect("a place to try").1;
        let place = place.split_once("://").expect("a URL").1;
        place.split('/').next().and_then(|place| place.parse().ok()).expect("an address")
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Waits for its end; gives its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end: {:#?}", self.log.lines_with(""));
            std::thread::sleep(Duration::from_millis(10));
        };
        if self.reads_log {
            self.log.wait("all of the log", |_, ended| ended.then_some(()));
        }
        status.code()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
