//! A queue of lines with a bound in bytes, and the way out of it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::warn;

/// Bytes that may wait: some 5,000 lines, so that a short pause of the reader loses none.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// More bytes for errors and for the number of dropped lines: they are few, and come last.
const RESERVE_BYTES: usize = 64 * 1024;

/// A longer line is dropped: the longest one quotes a request to the admin listener, and texts of
/// clients are cut before.
const LINE_BYTES_MAX: usize = RESERVE_BYTES;

/// Bytes written at a time: a pipe writes so many without mixing in other processes' lines
/// (`PIPE_BUF` of pipe(7)).
const WRITE_BYTES_MAX: usize = 4096;

/// The target of the line that says how many lines were dropped.
pub(super) const DROPPED: &str = "fanfare::log::dropped";

/// Where lines go.
pub(super) trait Sink {
    /// Writes some of `bytes`, and may wait for a reader.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until something can be written.
    fn wait(&mut self);
}

/// Lines that wait to be written.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// A line waits.
    filled: Condvar,
    /// All lines are written.
    emptied: Condvar,
}

#[derive(Debug)]
struct State {
    lines: VecDeque<u8>,
    /// The writing thread has a piece that is not written yet.
    is_writing: bool,
    /// The writing thread waits for lines.
    is_idle: bool,
    /// Lines dropped since the start, and those not reported yet.
    dropped: u64,
    dropped_untold: u64,
}

impl State {
    fn drop_lines(&mut self, lines: u64) {
        self.dropped += lines;
        self.dropped_untold += lines;
    }
}

impl Queue {
    pub(super) const fn new() -> Queue {
        let state = State {
            lines: VecDeque::new(),
            is_writing: false,
            is_idle: false,
            dropped: 0,
            dropped_untold: 0,
        };
        Queue { state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic under the lock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lines were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Appends a line, or drops it when the queue is full. A line break inside of it is written as
    /// `\n`, so that no text can forge a line.
    pub(super) fn push(&self, line: &[u8], is_urgent: bool) {
        let waiting_bytes_max = WAITING_BYTES_MAX + if is_urgent { RESERVE_BYTES } else { 0 };
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let breaks = text.iter().filter(|byte| is_break(**byte)).count();
        let bytes = text.len() + breaks + 1;
        let mut state = self.lock();
        if bytes > LINE_BYTES_MAX
            || state.lines.len() + bytes > waiting_bytes_max
            || state.lines.try_reserve(bytes).is_err()
        {
            return state.drop_lines(1);
        }
        if breaks == 0 {
            state.lines.extend(text);
        } else {
            for byte in text {
                match byte {
                    b'\n' => state.lines.extend(b"\\n"),
                    b'\r' => state.lines.extend(b"\\r"),
                    byte => state.lines.push_back(*byte),
                }
            }
        }
        state.lines.push_back(b'\n');
        if std::mem::take(&mut state.is_idle) {
            self.filled.notify_one();
        }
    }

    /// Waits for lines, and takes as many as fit into one write, or a piece of a longer one.
    fn take(&self, piece: &mut Vec<u8>) {
        let mut state = self.lock();
        state.is_writing = false;
        if state.lines.is_empty() {
            if state.lines.capacity() > LINE_BYTES_MAX {
                state.lines = VecDeque::new(); // frees the memory of a busy time
            }
            self.emptied.notify_all();
        }
        while state.lines.is_empty() {
            state.is_idle = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        state.is_writing = true;
        piece.clear();
        let (front, back) = state.lines.as_slices();
        piece.extend(front.iter().chain(back).take(WRITE_BYTES_MAX));
        if let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') {
            piece.truncate(end + 1);
        }
        state.lines.drain(..piece.len());
    }

    /// Writes lines as they come, for ever.
    pub(super) fn write_to(&self, sink: &mut impl Sink) {
        let mut piece = Vec::with_capacity(WRITE_BYTES_MAX);
        loop {
            self.take(&mut piece);
            if self.write_piece(&piece, sink) {
                self.tell_dropped();
            }
        }
    }

    /// Writes a whole piece, or drops the rest at an error; true when all was written.
    fn write_piece(&self, piece: &[u8], sink: &mut impl Sink) -> bool {
        let mut rest = piece;
        while !rest.is_empty() {
            match sink.write(rest) {
                Ok(bytes) => rest = &rest[bytes..],
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    // Another process that shares it has made it non-blocking.
                    io::ErrorKind::WouldBlock => sink.wait(),
                    // Its reader was closed, or the disk is full; that may change.
                    _ => {
                        let lines = rest.iter().filter(|byte| **byte == b'\n').count();
                        self.lock().drop_lines(lines as u64);
                        return false;
                    }
                },
            }
        }
        true
    }

    fn tell_dropped(&self) {
        let mut state = self.lock();
        // If the queue is too full even for that, the line comes later.
        let has_room = state.lines.len() + WRITE_BYTES_MAX <= WAITING_BYTES_MAX + RESERVE_BYTES;
        let lines = if has_room { std::mem::take(&mut state.dropped_untold) } else { 0 };
        drop(state); // the line comes back to this queue
        if lines > 0 {
            warn!(target: DROPPED, lines, "log lines were dropped: standard error was not read");
        }
    }

    /// Waits until all is written, but not longer than this.
    pub(super) fn flush(&self, most: Duration) {
        let has_lines = |state: &mut State| !state.lines.is_empty() || state.is_writing;
        let _ = self.emptied.wait_timeout_while(self.lock(), most, has_lines);
    }
}

fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::thread;

    /// A sink whose writes wait for a reader, or fail.
    struct Pipe(SyncSender<Vec<u8>>, Vec<io::ErrorKind>);

    impl Sink for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(kind) = self.1.pop() {
                return Err(kind.into());
            }
            let bytes = &bytes[..bytes.len().min(3000)]; // a short write now and then
            self.0.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn wait(&mut self) {}
    }

    /// A queue that lives on, and what its thread writes; errors come in front, the last one first.
    fn start(errors: &[io::ErrorKind]) -> (&'static Queue, Receiver<Vec<u8>>) {
        let queue: &'static Queue = Box::leak(Box::new(Queue::new()));
        let (to, from) = sync_channel(0);
        let mut pipe = Pipe(to, errors.to_vec());
        thread::spawn(move || queue.write_to(&mut pipe));
        (queue, from)
    }

    fn push(queue: &Queue, line: &str) {
        queue.push(format!("{line}\n").as_bytes(), false);
    }

    /// Reads until this line comes.
    fn read_until(from: &Receiver<Vec<u8>>, last: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(&format!("{last}\n")) {
            text += std::str::from_utf8(&from.recv().expect("a piece")).expect("text");
        }
        text
    }

    #[test]
    fn a_blocked_queue_keeps_its_bound_and_its_order() {
        let (queue, from) = start(&[]);
        let line = |number: usize| format!("{number:06} {}", "x".repeat(number % 5000));
        let pushed = 2000;
        for number in 0..pushed {
            push(queue, &line(number));
            assert!(queue.lock().lines.len() <= WAITING_BYTES_MAX);
        }
        let dropped = queue.dropped() as usize;
        assert!(dropped > 0 && dropped < pushed, "{dropped}");
        queue.push(b"an error\n", true);
        let text = read_until(&from, "an error");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), pushed - dropped + 1);
        let numbers = lines.iter().filter_map(|line| line.split(' ').next()?.parse().ok());
        let numbers: Vec<usize> = numbers.collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        assert!(numbers.iter().zip(&lines).all(|(number, text)| *text == line(*number)));
    }

    #[test]
    fn the_end_waits_for_the_last_lines_with_a_bound() {
        let (queue, from) = start(&[]);
        queue.flush(Duration::from_secs(3600)); // returns at once: no line waits
        push(queue, "one");
        queue.flush(Duration::from_millis(1)); // returns after its bound: the reader is blocked
        let reader = thread::spawn(move || read_until(&from, "two"));
        push(queue, "two");
        queue.flush(Duration::from_secs(3600));
        assert_eq!(reader.join().expect("it reads"), "one\ntwo\n");
    }

    #[test]
    fn a_failed_write_is_counted_and_later_lines_are_written() {
        use io::ErrorKind::{BrokenPipe, Interrupted, StorageFull, WouldBlock};
        let (queue, from) = start(&[Interrupted, WouldBlock, StorageFull, BrokenPipe]);
        for _ in 0..2 {
            push(queue, "lost");
            queue.flush(Duration::from_secs(3600));
        }
        push(queue, "written");
        assert_eq!(read_until(&from, "written"), "written\n");
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn a_text_with_line_breaks_is_one_line() {
        let (queue, from) = start(&[]);
        push(queue, "one\nWARN forged\r");
        push(queue, &"x".repeat(LINE_BYTES_MAX));
        push(queue, &"y".repeat(WRITE_BYTES_MAX * 3));
        push(queue, "last");
        let text = read_until(&from, "last");
        let long = "y".repeat(WRITE_BYTES_MAX * 3);
        assert_eq!(text, format!("one\\nWARN forged\\r\n{long}\nlast\n"));
        assert_eq!(queue.dropped(), 1);
    }
}
