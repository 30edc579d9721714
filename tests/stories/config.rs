//! One configuration out of file, environment and flags; and the same again while the relay runs.

use crate::relay::{Relay, program};
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

/// A directory with a configuration file.
struct File(TempDir);

impl File {
    fn new(text: &str) -> File {
        let file = File(tempfile::tempdir().expect("a directory"));
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("fanfare.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).expect("a file");
    }

    fn run(&self, task: &str, flags: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = program();
        command.arg(task).arg("--config").arg(self.path()).args(flags);
        command.envs(variables.iter().copied()).output().expect("the program ends")
    }

    /// A relay with an admin listener, as usual.
    fn start(&self) -> Relay {
        let mut command = program();
        command.args(["--admin", "127.0.0.1:0", "--config"]).arg(self.path());
        Relay::run(command)
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

#[test]
fn the_later_layer_wins_and_each_value_has_its_source() {
    let file = File::new("max_rooms = 5\nmax_message = 1000\nping_interval = 7\n");
    let variables = [("FANFARE_MAX_MESSAGE", "2000"), ("FANFARE_PING_INTERVAL", "8")];
    let output = file.run("print-config", &["--ping-interval", "9"], &variables);
    let printed = text(output.stdout);
    let line = |key: &str| {
        let line = printed.lines().find(|line| line.starts_with(key)).expect(key);
        let (setting, place) = line.split_once(" # ").expect("a place");
        (setting.trim().to_owned(), place.to_owned())
    };
    let path = file.path().display().to_string();
    assert_eq!(line("max_rooms"), ("max_rooms = 5".into(), format!("{path}:1:1")));
    assert_eq!(line("max_message"), ("max_message = 2000".into(), "FANFARE_MAX_MESSAGE".into()));
    assert_eq!(line("ping_interval"), ("ping_interval = 9".into(), "--ping-interval".into()));
    assert_eq!(line("echo"), ("echo = false".into(), "default".into()));
    assert_eq!(line("listen"), (r#"listen = ["127.0.0.1:2046"]"#.into(), "default".into()));
    // The output is a valid configuration.
    let again = text(File::new(&printed).run("print-config", &[], &[]).stdout);
    let settings = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" # ").next().unwrap_or("").trim().to_owned()).collect()
    };
    assert_eq!(settings(&again), settings(&printed));
}

#[test]
fn errors_name_their_place_and_end_with_exit_code_2() {
    let cases: [(&str, &[&str], &str); 5] = [
        ("echo = true\nmax_mesage = 1\n", &[], "fanfare.toml:2:1: there is no key `max_mesage`"),
        ("room_log = 100000\n", &[], "fanfare.toml:1:1: room_log: a room's log must hold four"),
        ("max_message = 400000000\n", &[], "fanfare.toml:1:1: room_log: a room's log must hold"),
        ("echo = true\n", &["--room-log", "1"], "--room-log: a room's log must hold four"),
        ("echo = \n", &[], "fanfare.toml:1:8: "),
    ];
    for (content, flags, why) in cases {
        let output = File::new(content).run("check-config", flags, &[]);
        let stderr = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{content}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(why), "{content}: {stderr}");
    }
    let slip = [("FANFARE_MAX_MESAGE", "1")];
    let output = File::new("").run("check-config", &[], &slip);
    let why = "there is no FANFARE_MAX_MESAGE: did you mean FANFARE_MAX_MESSAGE?";
    assert_eq!((output.status.code(), text(output.stderr).contains(why)), (Some(2), true));
    // Kubernetes sets these for a service of that name.
    let foreign = ["FANFARE_PORT", "FANFARE_TLS_PORT", "FANFARE_ROOM_PORT", "FANFARE_SERVICE_HOST"];
    let foreign = foreign.map(|name| (name, "tcp://10.0.0.1:80"));
    let output = File::new("").run("check-config", &[], &foreign);
    assert_eq!(output.status.code(), Some(0), "{}", text(output.stderr));
    let output = program().args(["--config", "/nowhere/fanfare.toml"]).output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(output.stderr).contains("cannot read /nowhere/fanfare.toml"));
    let output = File::new("echo = true\n").run("check-config", &[], &[]);
    assert_eq!(
        (output.status.code(), text(output.stdout)),
        (Some(0), "the configuration is valid\n".into())
    );
}

#[test]
fn errors_before_the_log_starts_are_printed() {
    let full = fs::File::options().write(true).open("/dev/full").expect("it opens");
    let output = program().arg("check-config").stdout(full).output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(output.stderr);
    assert!(stderr.starts_with("error: No space left on device"), "{stderr}");
}

#[test]
fn no_message_has_words_of_the_programming_language() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("bytes.toml"), b"echo = true # \xff").expect("space");
    let cases: [(&[&str], &str); 12] = [
        (&["--config", "/nowhere/fanfare.toml"], "fanfare.toml: No such file or directory"),
        (&["--config", &path("")], "Is a directory"),
        (&["--config", &path("bytes.toml")], "bytes.toml: it is no text in UTF-8"),
        (&["--token-key", "/nowhere/key"], "there is no such file (No such file or directory)"),
        (&["--tls-cert", "/nowhere/a", "--tls-key", "/nowhere/b"], "a: it cannot be read: No such"),
        (&["--tls-cert", &path(""), "--tls-key", &path("")], "it cannot be read: Is a directory"),
        (&["--listen", "127.0.0.1:0?cert=/nowhere/a&key=/nowhere/b"], "/nowhere/a: it cannot be"),
        (&["--listen", "192.0.2.1:2046"], "this machine has no such address"),
        (&["--listen", "unix:/nowhere/x.sock"], "the folder does not exist"),
        (&["--listen", "[fe80::1%nowhere]:2046"], "there is no interface `nowhere`"),
        (
            &["--admin", "unix:/nowhere/x.sock", "--listen", "127.0.0.1:0"],
            "the folder does not exist",
        ),
        (&["top", "--admin", "unix:/nowhere/x.sock"], "name its admin listener with --admin"),
    ];
    for (flags, what) in cases {
        let output = program().args(flags).output().expect("it ends");
        let stderr = text(output.stderr);
        assert!(stderr.contains(what), "{flags:?}: {stderr}");
        for word in ["os error", "u32", "usize", "expected a sequence", "stream did not"] {
            assert!(!stderr.contains(word), "{flags:?}: {stderr}");
        }
    }
}

#[test]
fn the_manual_and_completions_know_every_flag() {
    let written = |arguments: &[&str]| {
        let output = program().args(arguments).output().expect("it ends");
        assert_eq!(output.status.code(), Some(0));
        text(output.stdout)
    };
    assert!(written(&["man"]).contains("max\\-message"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(written(&["completions", shell]).contains("max-message"), "{shell}");
    }
    assert!(written(&["check-config", "--help"]).contains("--max-message"));
}

#[test]
fn sizes_and_times_have_units_wherever_they_are_set() {
    let file = File::new(
        "listen = [\"127.0.0.1:0\"]\n\
         max_message = \"1KB\"\nroom_log = \"1MiB\"\ndrain = 2.5\nclose_timeout = \"500ms\"\n\
         [[room]]\npattern = \"small\"\nmax_message = \"0.1KB\"\nbyte_rate = \"1MB\"\n",
    );
    let variables = [("FANFARE_MESSAGE_TIMEOUT", "2.5s"), ("FANFARE_LOG_QUOTA", "2MiB")];
    let output = file.run("print-config", &["--ping-interval", "5m"], &variables);
    let printed = text(output.stdout);
    for line in [
        "max_message = \"1KB\"",
        "room_log = \"1MiB\"",
        "drain = \"2.5\"",
        "close_timeout = \"500ms\"",
        "message_timeout = \"2.5s\"",
        "log_quota = \"2MiB\"",
        "ping_interval = \"5m\"",
        "drain_timeout = \"10s\"",
    ] {
        assert!(printed.lines().any(|printed| printed.starts_with(line)), "{line}: {printed}");
    }
    assert!(printed.ends_with("max_message = \"0.1KB\"\nbyte_rate = \"1MB\"\n"), "{printed}");
    assert_eq!(File::new(&printed).run("check-config", &[], &[]).status.code(), Some(0));
    let relay = file.start();
    let longest = |room: &str, most: usize| {
        let [mut one, mut two] = relay.connect_all(room);
        one.send_text(&"x".repeat(most));
        assert_eq!(two.hear_text().len(), most);
        one.send_text(&"x".repeat(most + 1));
        assert_eq!(one.hear_close(), Some(1009), "{room}");
    };
    longest("/", 1_000);
    longest("/small", 100);
}

#[test]
fn a_rule_that_never_applies_is_warned_of() {
    let shadowed =
        "[[room]]\npattern = \"news/*\"\n[[room]]\npattern = \"news/flash\"\necho = true\n";
    let why = ":4:11: the rule for \"news/flash\" never applies: the rule for \"news/*\" (";
    let output = File::new(shadowed).run("check-config", &[], &[]);
    let stderr = text(output.stderr);
    assert_eq!(output.status.code(), Some(0), "it is right, though hardly meant: {stderr}");
    assert!(stderr.starts_with("warning: ") && stderr.contains(why), "{stderr}");
    let file = File::new(&format!("listen = [\"127.0.0.1:0\"]\n{shadowed}"));
    let relay = file.start();
    let lines = relay.log.wait("the warning", |lines, _| {
        let lines: Vec<&String> =
            lines.iter().filter(|line| line.contains("never applies")).collect();
        (!lines.is_empty()).then_some(lines.len())
    });
    assert_eq!(lines, 1);
    file.write("listen = [\"127.0.0.1:0\"]\n[[room]]\npattern = \"_/x\"\n");
    relay.signal(Signal::HUP);
    wait_for(&relay, "these paths are the relay's own");
}

/// Files and keys that a line of the packaged file needs.
const LACKS: [(&str, &str); 4] = [
    ("tls_cert", "certificates need as many keys"),
    ("tls_key", "certificates need as many keys"),
    ("token_key", "there is no such file"),
    ("token_cookie", "--allow-origin"),
];

#[test]
fn each_line_of_the_packaged_file_is_a_valid_configuration() {
    let packaged = include_str!("../../dist/fanfare.toml");
    let lines = packaged.lines().filter_map(|line| line.strip_prefix('#'));
    let settings: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    assert!(settings.len() > 40, "{settings:?}");
    for setting in settings {
        let output = File::new(setting).run("check-config", &[], &[]);
        let stderr = text(output.stderr);
        let key = setting.split(' ').next().unwrap_or_default();
        match LACKS.iter().find(|(lacking, _)| *lacking == key) {
            Some((_, what)) => assert!(stderr.contains(what), "{setting}: {stderr}"),
            None => {
                assert_eq!((output.status.code(), stderr), (Some(0), String::new()), "{setting}")
            }
        }
    }
}

const BEFORE: &str = "listen = [\"127.0.0.1:0\"]\nmax_message = 1000\n";

/// Waits until the log has so many lines with `part`.
fn wait_for(relay: &Relay, part: &str) {
    relay.log.wait(part, |lines, _| lines.iter().any(|line| line.contains(part)).then_some(()));
}

#[test]
fn sighup_changes_live_keys_also_for_connected_members() {
    let file = File::new(BEFORE);
    let relay = file.start();
    let [mut one, mut two] = relay.connect_all("/");
    one.send_text(&"x".repeat(1000));
    assert_eq!(two.hear_text().len(), 1000);
    file.write("listen = [\"127.0.0.1:1\"]\nmax_message = 2000\nlog_level = \"debug\"\n");
    relay.signal(Signal::HUP);
    wait_for(&relay, "these keys change only with a restart");
    assert_eq!(relay.log.lines_with("\"changed\":\"max_message, log_level\"").len(), 1);
    assert_eq!(relay.log.lines_with("\"keys\":\"listen\"").len(), 1);
    one.send_text(&"x".repeat(2000));
    assert_eq!(two.hear_text().len(), 2000);
    let mut three = relay.connect("/");
    three.send_text("hello");
    assert_eq!(one.hear_text(), "hello");
    wait_for(&relay, "DEBUG");
    one.send_text(&"x".repeat(2001));
    assert_eq!(one.hear_close(), Some(1009));
}

#[test]
fn an_invalid_file_changes_nothing() {
    let file = File::new(BEFORE);
    let relay = file.start();
    let [mut one, mut two] = relay.connect_all("/");
    for bad in ["max_message = 2000\nspeed = 1\n", "max_message = 400000000\n"] {
        file.write(bad);
        relay.signal(Signal::HUP);
        wait_for(&relay, if bad.contains("speed") { "no key `speed`" } else { "room_log" });
        one.send_text(&"x".repeat(1000));
        assert_eq!(two.hear_text().len(), 1000);
    }
    assert!(relay.log.lines_with("configuration read again").is_empty());
    one.send_text(&"x".repeat(1001));
    assert_eq!(one.hear_close(), Some(1009));
}
