//! The command line and the environment, and the program's first output.

use crate::client::{Client, dial, request};
use crate::relay::{Relay, program};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Runs the program to its end; gives its exit code and what it wrote to standard error.
fn run(flags: &[&str]) -> (Option<i32>, String) {
    let output = program().args(flags).output().expect("the program starts");
    assert_eq!(output.stdout, b"", "nothing that looks like a start");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn the_first_line_says_where_to_connect() {
    let relay = Relay::start(&["--max-connections", "7"]);
    let address = relay.address();
    assert_ne!(address.port(), 0);
    let expected = format!(
        "fanfare {} listens on {address} for up to 7 connections: \
         connect to ws://{address}/, or open http://{address}/ in a browser\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(relay.welcome, expected);
    Client::greet(dial(address), request("/").as_bytes()).close();
}

#[test]
fn impossible_flags_are_refused_with_exit_code_2_and_the_reason() {
    let cases: [(&[&str], &str); 39] = [
        (&["--room-log", "100000"], "a room's log must hold four of the largest messages: 262184"),
        (&["--room-log", "262183"], "262184 bytes"),
        (&["--json", "--room-log", "1000000"], "a room's log must hold four"),
        (&["--max-message", "400000000"], "a room's log must hold four"),
        (&["--max-message", "99999999999"], "a message may have at most 536870912 bytes"),
        (&["--max-message=-1"], "--max-message"),
        (&["--max-connections", "1000000000000"], "the limit on open files allows"),
        (&["--max-connections", "0"], "--max-connections: must not be 0"),
        (&["--max-rooms", "0"], "--max-rooms: must not be 0"),
        (&["--ping-interval", "0"], "--ping-interval: must not be 0"),
        (&["--handshake-timeout", "0"], "--handshake-timeout: must not be 0"),
        (&["--close-timeout", "0"], "--close-timeout: must not be 0"),
        (&["--listen", "localhost"], "expected ADDR:PORT"),
        (&["--listen", "unix:"], "needs a path"),
        (&["--slow-consumer", "drop"], "[possible values: close, skip]"),
        (&["--heartbeat", "ping"], "expected IN=OUT"),
        (&["--byte-rate", "1000", "--message-timeout", "10"], "6554 bytes a second"),
        (&["--trust-proxy", "10.0.0.0/40"], "expected ADDR or ADDR/BITS"),
        (&["--connection-quota", "1000"], "must hold the largest message"),
        (&["--drain", "11"], "connections cannot be closed over a longer time"),
        (&["--max-per-address", "many"], "--max-per-address"),
        (&["--allow-origin", "example"], "expected an origin without a path"),
        (&["--token-key", "/nowhere/key"], "--token-key: there is no such file"),
        (&["--token-key", "base64:"], "--token-key: it is empty"),
        (&["--token-cookie", "jwt"], "may connect with --allow-origin"),
        (&["--token-cookie", "jwt", "--allow-origin", "*"], "* in --allow-origin accepts pages"),
        (
            &["--token-cookie", "jwt", "--allow-origin", "https://example.org,null"],
            "--allow-origin: a browser sends a cookie along for every page that connects, and null",
        ),
        (&["--token-cookie", "a=b"], "one word"),
        (&["--speed", "9"], "--speed"),
        (&["--max-message", "64 kilo"], "a size is a number of bytes, as in 65536, 64KB (64,000)"),
        (&["--max-message=-1"], "a size is a number of bytes"),
        (&["--max-message", "99999999TB"], "at most 18446744073709551615 bytes"),
        (
            &["--ping-interval", "soon"],
            "a time is a number of seconds or has a unit, as in 30, 30s",
        ),
        (&["--ping-interval", "0s"], "--ping-interval: must not be 0"),
        (&["--drain", "200y"], "a time is a number of seconds or has a unit"),
        (&["--drain", "40000d"], "a time is at most 100 years"),
        (&["--token-leeway", "2.5s"], "expected whole seconds"),
        (&["--deflate-level", "10"], "expected a whole number from 1 to 9"),
        (&["--max-rooms", "ten"], "expected a whole number, as in 1000"),
    ];
    for (flags, reason) in cases {
        let (code, stderr) = run(flags);
        assert_eq!(code, Some(2), "{flags:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{flags:?}: {stderr}");
        assert!(stderr.contains(reason), "{flags:?}: {stderr}");
    }
}

#[test]
fn an_address_in_use_ends_with_exit_code_1() {
    let relay = Relay::start(&[]);
    let (code, stderr) = run(&["--listen", &relay.address().to_string()]);
    assert_eq!(code, Some(1), "{stderr}");
    let reason = format!("cannot listen on {}: Address already in use", relay.address());
    assert!(stderr.contains(&reason) && stderr.contains("`ss -ltnp` names it"), "{stderr}");
    assert!(!stderr.contains("os error"), "{stderr}");
}

#[test]
fn errors_in_the_environment_name_the_variable() {
    for (variable, value, reason) in [
        ("FANFARE_MAX_MESSAGE", "64 kilo", "`64 kilo` is not valid: a size is a number of bytes"),
        ("FANFARE_DRAIN", "", "`` is not valid: a time is a number of seconds or has a unit"),
        ("FANFARE_LISTEN", "here", "`here` is not valid: expected ADDR:PORT"),
        ("FANFARE_ECHO", "maybe", "`maybe` is not valid: expected 1, true, yes or on; or 0,"),
        ("FANFARE_SLOW_CONSUMER", "drop", "`drop` is not valid: expected close or skip"),
        ("FANFARE_DRAIN", "11", "connections cannot be closed over a longer time"),
        ("FANFARE_CONFIG", "/nowhere/x", "cannot read /nowhere/x: No such file or directory"),
    ] {
        let output = program().env(variable, value).output().expect("the program starts");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with(&format!("error: {variable}: {reason}")), "{stderr}");
    }
    let mut command = program();
    let output = command.env("FANFARE_DRAIN", "5").args(["--drain", "x"]).output();
    let stderr = String::from_utf8(output.expect("the program starts").stderr).expect("text");
    assert!(stderr.contains("invalid value 'x' for '--drain <TIME>'"), "{stderr}");
}

#[test]
fn arguments_that_are_not_utf8_are_named() {
    let no_text = OsStr::from_bytes(b"\xff");
    let mut command = program();
    let output = command.arg("check-config").env("FANFARE_TOKEN_AUDIENCE", no_text).output();
    let stderr = String::from_utf8(output.expect("it starts").stderr).expect("text");
    assert_eq!(stderr, "error: FANFARE_TOKEN_AUDIENCE: it is not UTF-8 text\n");
    let output = program().arg("--token-audience").arg(no_text).output().expect("it starts");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!((output.status.code(), stderr.contains("is not UTF-8 text")), (Some(2), true));
}

#[test]
fn an_invalid_variable_does_not_affect_other_commands() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "max_message = 1000\n").expect("space");
    let with = |arguments: &[&str]| {
        let mut command = program();
        command.env("FANFARE_DRAIN", "soon").args(arguments).output().expect("it starts")
    };
    let output = with(&["check-config", "--config", &file.path().display().to_string()]);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.starts_with("error: FANFARE_DRAIN: `soon` is not valid"), "{stderr}");
    for command in [&["man"][..], &["completions", "bash"], &["--help"], &["top", "--help"]] {
        assert_eq!(with(command).status.code(), Some(0), "{command:?}");
    }
    let output = with(&["health", "--admin", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn places_that_exclude_each_other_are_refused() {
    for (one, other, reason) in [
        ("127.0.0.1:2046", "127.0.0.1:2046", "--listen: 127.0.0.1:2046 is there twice"),
        ("[::]:2046", "127.0.0.1:2046", "[::]:2046 hears IPv4 too, unless 0.0.0.0 with its port"),
        (":2046", "localhost:2046", ":2046 and localhost:2046 have an address in common"),
    ] {
        let (code, stderr) = run(&["check-config", "--listen", one, "--listen", other]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
    }
}

#[test]
fn the_environment_configures_and_a_flag_overrides_it() {
    let mut command = program();
    command.env("FANFARE_LISTEN", "127.0.0.1:0,127.0.0.1:0").env("FANFARE_ECHO", "true");
    command.env("FANFARE_MAX_CONNECTIONS", "5").args(["--max-connections", "6"]);
    let relay = Relay::run(command);
    assert!(relay.welcome.contains(" for up to 6 connections"), "{}", relay.welcome);
    let [one, two] = relay.addresses()[..] else { panic!("{}", relay.welcome) };
    assert_ne!(one, two);
    let greet = |address| Client::greet(dial(address), request("/").as_bytes());
    let [mut one, mut two] = [greet(one), greet(two)];
    one.send_text("heard by me as well");
    assert_eq!(one.hear_text(), "heard by me as well");
    assert_eq!(two.hear_text(), "heard by me as well");
}

#[test]
fn a_switch_in_the_environment_is_set_by_1_and_not_by_0() {
    for (value, echoes) in [("1", true), ("true", true), ("0", false), ("false", false)] {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0"]).env("FANFARE_ECHO", value);
        let relay = Relay::run(command);
        let [mut one, mut two] = relay.connect_all("/");
        one.send_text("hello");
        assert_eq!(two.hear_text(), "hello");
        if echoes {
            assert_eq!(one.hear_text(), "hello", "{value}");
        }
        one.hear_nothing();
    }
}

#[test]
fn help_and_version_end_with_exit_code_0() {
    for (flag, part) in [("--help", "FANFARE_ROOM_LOG"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = program().arg(flag).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains(part));
    }
}
