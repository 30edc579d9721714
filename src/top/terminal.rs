//! The terminal: an alternate screen, single keys, and the old state at the end.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use nix::sys::termios::{tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The alternate screen, without the cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// To the top left; each line clears its rest, the last one the rest of the screen.
const HOME: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K\r\n";
const CLEAR_BELOW: &str = "\x1b[J";

/// Where blocks of lines go.
#[derive(Debug)]
pub(super) struct Terminal {
    /// The terminal's old settings, to be restored.
    before: Option<Termios>,
    is_screen: bool,
    has_ended: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes over a terminal; a pipe gets plain lines.
    pub(super) fn open() -> io::Result<Terminal> {
        let is_screen = io::stdout().is_terminal();
        let has_ended = Arc::new(AtomicBool::new(false));
        let mut terminal = Terminal { before: None, is_screen, has_ended };
        if !is_screen {
            return Ok(terminal);
        }
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&terminal.has_ended))?;
        }
        if io::stdin().is_terminal() {
            let before = tcgetattr(io::stdin())?;
            let mut keys = before.clone();
            keys.local_flags -= LocalFlags::ICANON | LocalFlags::ECHO;
            // A process stopped here would leave the terminal in this state.
            keys.control_chars[SpecialCharacterIndices::VSUSP as usize] = 0;
            tcsetattr(io::stdin(), SetArg::TCSANOW, &keys)?;
            terminal.before = Some(before);
        }
        io::stdout().write_all(ENTER.as_bytes())?;
        Ok(terminal)
    }

    /// Whether blocks are shown in one place.
    pub(super) fn is_screen(&self) -> bool {
        self.is_screen
    }

    /// Shows a block in place of the one before, or after it in a pipe.
    pub(super) fn show(&self, block: &str) -> io::Result<()> {
        let mut text = String::new();
        if self.is_screen {
            text.push_str(HOME);
            for line in block.lines() {
                text.push_str(line);
                text.push_str(END_OF_LINE);
            }
            text.push_str("q ends");
            text.push_str(CLEAR_BELOW);
        } else {
            text.push_str(block);
            text.push('\n');
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Waits; true when a key or a signal ends it.
    pub(super) fn wait(&self, pause: Duration) -> io::Result<bool> {
        let until = Instant::now() + pause;
        loop {
            if self.has_ended.load(Ordering::Relaxed) {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let stdin = io::stdin();
            let mut keys = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            let keys = if self.before.is_some() { &mut keys[..] } else { &mut [] };
            match poll(keys, timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => {
                    let mut bytes = [0; 64];
                    let count = io::stdin().lock().read(&mut bytes)?;
                    if count == 0 || bytes[..count].iter().any(|key| b"qQ\x03\x04".contains(key)) {
                        return Ok(true);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.is_screen {
            // The terminal may be gone: then there is nothing to restore.
            let _ = io::stdout().write_all(LEAVE.as_bytes());
            let _ = io::stdout().flush();
        }
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        }
    }
}
