//! Openings that a reload refuses, and those that it warns of.

use crate::client::request;
use crate::relay::{Relay, program};
use crate::token::{key, token};
use rustix::process::Signal;
use std::fs;
use tempfile::TempDir;

const PLACE: &str = "listen = [\"127.0.0.1:0\"]\n";

/// A relay with a file that can be written anew.
struct Reloaded {
    folder: TempDir,
    relay: Relay,
}

impl Reloaded {
    fn start(text: &str) -> Reloaded {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fanfare.toml");
        fs::write(&path, format!("{PLACE}{text}")).expect("space");
        let mut command = program();
        command.arg("--config").arg(path);
        Reloaded { relay: Relay::run(command), folder }
    }

    /// Writes the file anew, and waits for so many lines with `part` in the log.
    fn reload(&self, text: &str, part: &str, count: usize) {
        let path = self.folder.path().join("fanfare.toml");
        fs::write(path, format!("{PLACE}{text}")).expect("space");
        self.relay.signal(Signal::HUP);
        self.relay.log.wait(part, |lines, _| {
            let told = lines.iter().filter(|line| line.contains(part)).count();
            (told == count).then_some(())
        });
    }

    fn warnings(&self, part: &str) -> usize {
        warnings(&self.relay.log.lines_with(part), part)
    }

    /// Waits for one warning of each of these.
    fn wait_for_warnings(&self, parts: &[&str]) {
        self.relay.log.wait("warnings", |lines, _| {
            parts.iter().all(|part| warnings(lines, part) == 1).then_some(())
        });
    }

    fn status(&self, path: &str, fields: &str) -> u16 {
        let request = request(path).replace("\r\n\r\n", &format!("\r\n{fields}\r\n"));
        self.relay.ask(request.as_bytes()).status
    }
}

/// The number of warnings with this text.
fn warnings(lines: &[String], part: &str) -> usize {
    let is_it = |line: &&String| line.contains("\"level\":\"WARN\"") && line.contains(part);
    lines.iter().filter(is_it).count()
}

#[test]
fn a_file_without_its_keys_changes_nothing() {
    let keys = format!("token_key = [{:?}]\n", key());
    let file = Reloaded::start(&keys);
    let mut member = file.relay.connect(&format!("/room?token={}", token("{}")));
    for (number, lost) in (1..).zip(["", "echo = true\n", "max_message = 10\n"]) {
        file.reload(lost, "token_key is gone", number);
        assert_eq!(file.status("/room", ""), 401, "{lost}");
    }
    assert_eq!(file.warnings("this needs a restart; the configuration is not changed"), 3);
    assert!(file.relay.log.lines_with("configuration read again").is_empty());
    // Nothing else of these files is used.
    member.send_text("longer than ten bytes, and not heard by its sender");
    member.hear_nothing();
    file.reload(&format!("{keys}echo = true\n"), "configuration read again", 1);
    member.send_text("heard");
    assert_eq!(member.hear_text(), "heard");
    assert_eq!(file.status("/room", ""), 401);
}

#[test]
fn a_file_without_its_origins_changes_nothing() {
    let evil = "Origin: https://evil.example\r\n";
    let list = "allow_origin = [\"https://example.org\"]\nrequire_origin = true\n";
    let file = Reloaded::start(list);
    file.reload("require_origin = true\n", "allow_origin is gone", 1);
    file.reload("", "allow_origin is gone", 2);
    assert_eq!((file.status("/", evil), file.status("/", "")), (403, 403));
    assert_eq!(file.warnings("allow_origin is gone"), 2);
    // A list with `*` accepts all, with a warning.
    file.reload("allow_origin = [\"*\"]\n", "configuration read again", 1);
    file.wait_for_warnings(&["pages of all origins now", "require_origin is off now"]);
    file.relay.connect("/").close();
}

#[test]
fn openings_by_a_reload_are_warnings() {
    let keys = format!("token_key = [{:?}]\n", key());
    let rule = "[[room]]\npattern = \"archive/*\"\npublish = \"nobody\"\n";
    let file = Reloaded::start(&format!("{keys}message_rate = 5\n{rule}"));
    file.reload(&keys, "configuration read again", 1);
    let expected = [
        "message_rate has no bound any more",
        "rooms like /archive/* accept messages with a token now",
    ];
    file.wait_for_warnings(&expected);
    file.reload(&format!("{keys}{rule}"), "configuration read again", 2);
    assert!(expected.iter().all(|part| file.warnings(part) == 1), "closing is no opening");
}

#[test]
fn warnings_of_the_start_are_repeated_after_each_reload() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanfare.toml");
    fs::write(&path, "echo = true\n").expect("space");
    let mut command = program();
    command.args(["--listen", "0.0.0.0:0", "--admin", "0.0.0.0:0", "--config"]).arg(path);
    let relay = Relay::run(command);
    for times in 1..4 {
        for part in ["without --token-key", "all that reach this --admin"] {
            relay.log.wait(part, |lines, _| {
                let told = lines.iter().filter(|line| line.contains(part)).count();
                (told == times).then_some(())
            });
        }
        relay.signal(Signal::HUP);
    }
}
