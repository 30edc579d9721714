//! The container image: its files, its variables and its health check.

use crate::relay::{Relay, program};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

const DOCKERFILE: &str = include_str!("../../dist/Dockerfile");
const IGNORED: &str = include_str!("../../dist/Dockerfile.dockerignore");
const COMPOSE: &str = include_str!("../../dist/compose.yaml");

/// The arguments of each occurrence of an instruction.
fn instructions(name: &str) -> Vec<&'static str> {
    let of_name = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
    DOCKERFILE.lines().filter_map(of_name).collect()
}

#[test]
fn it_copies_only_files_that_exist_and_are_not_ignored() {
    let copied: BTreeSet<&str> = instructions("COPY")
        .into_iter()
        .filter(|copy| !copy.starts_with("--from"))
        .flat_map(|copy| copy.rsplit_once(' ').expect("sources and a place").0.split(' '))
        .collect();
    assert!(copied.len() > 5, "{copied:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in &copied {
        assert!(root.join(source).exists(), "{source} is copied and is not there");
    }
    let kept: BTreeSet<&str> = IGNORED.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert_eq!(kept, copied, "what is copied is what is not ignored");
}

#[test]
fn its_variables_are_valid() {
    let of_image = instructions("ENV").into_iter().map(|pair| pair.split_once('=').expect(pair));
    let of_compose = COMPOSE.lines().filter_map(|line| {
        let pair = line.trim_start().trim_start_matches("# ");
        pair.split_once(": ").filter(|(name, _)| name.starts_with("FANFARE_"))
    });
    let variables: Vec<(&str, &str)> = of_image.chain(of_compose).collect();
    assert!(variables.iter().any(|(name, _)| *name == "FANFARE_LISTEN"), "{variables:?}");
    assert!(variables.len() > 4, "{variables:?}");
    let mut command = program();
    let output = command.arg("print-config").envs(variables.iter().copied()).output();
    let output = output.expect("the program starts");
    let printed = String::from_utf8(output.stdout).expect("text");
    for (name, value) in variables {
        let told = printed.lines().find(|line| line.ends_with(&format!("# {name}")));
        assert!(told.is_some_and(|line| line.contains(value)), "{name}: {printed}");
    }
    // Flags after the image's name must not replace its places.
    assert!(instructions("CMD").is_empty());
}

fn health(place: &str) -> Output {
    program().args(["health", "--admin", place]).output().expect("the program starts")
}

#[test]
fn health_succeeds_while_the_relay_runs() {
    let check = instructions("HEALTHCHECK").pop().expect("one");
    assert!(check.ends_with(r#"CMD ["/fanfare", "health"]"#), "{check}");
    // An address of its own: when the relay has ended, no other test listens there.
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.46.1:0"]);
    let mut relay = Relay::run(command);
    let place = relay.admin_place();
    let output = health(&place);
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
    relay.signal(Signal::TERM);
    assert_eq!(relay.exit_code(), Some(0));
    let output = health(&place);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1));
    let why = format!("error: no answer from {place}: Connection refused: no relay answers");
    assert!(stderr.starts_with(&why), "{stderr}");
}

#[test]
fn health_fails_without_a_relay() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("bound").to_string();
    let other = std::thread::spawn(move || {
        for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "SSH-2.0-x\r\n"] {
            let (mut stream, _) = listener.accept().expect("somebody asks");
            let asked = BufReader::new(&stream).lines().map_while(Result::ok);
            assert_eq!(asked.take_while(|line| !line.is_empty()).count(), 3);
            stream.write_all(answer.as_bytes()).expect("it reads");
        }
    });
    for why in ["it answers 503 Service Unavailable", "it does not speak HTTP"] {
        let output = health(&place);
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(why), "{stderr}");
    }
    other.join().expect("two were answered");
}
