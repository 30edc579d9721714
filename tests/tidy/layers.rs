//! Which layer may import which, and what the layers without I/O must not use.

use crate::source::{Source, closed, word};
use crate::{Fault, fault};

/// The layers, and those that each may import from besides itself.
const LAYERS: [(&str, &[&str]); 9] = [
    ("plain", &[]),
    ("listen", &[]),
    ("protocol", &[]),
    ("auth", &["protocol"]),
    ("relay", &["auth", "protocol"]),
    ("config", &["relay", "listen", "auth", "protocol", "plain"]),
    ("server", &["relay", "config", "listen", "auth", "protocol", "plain"]),
    ("shell", &["config", "protocol", "plain"]),
    ("top", &["config", "listen", "protocol", "plain"]),
];

/// Folders of a layer, and what they must not import: HTTP knows no WebSocket.
const FOLDERS: [(&str, &str); 1] = [("src/protocol/http/", "crate::protocol::ws")];

/// What the program itself imports.
const PROGRAM: (&str, &[&str]) = ("main", &["config", "listen", "plain", "server", "shell", "top"]);

/// The layers without I/O, clocks, threads and randomness: the same calls give the same answers.
const PURE: [&str; 3] = ["protocol", "auth", "relay"];

/// What they may not name: parts of the standard library.
const IMPURE_PARTS: [&str; 6] = ["net", "fs", "thread", "env", "process", "os"];

/// Of `net`, addresses are plain values.
const PURE_NET: [&str; 4] = ["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr"];

/// The same: names, wherever they come from. Hash maps have a random state.
const IMPURE_NAMES: [&str; 12] = [
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RandomState",
    "print",
    "println",
    "eprint",
    "eprintln",
    "stdout",
    "stderr",
    "tracing",
];

pub(crate) fn faults(source: &Source) -> Vec<Fault> {
    let Some((layer, below)) = layer_of(&source.path) else { return Vec::new() };
    let mut faults = Vec::new();
    for (at, path) in paths(&source.code) {
        let line = source.line(at);
        let parts: Vec<&str> = path.split("::").collect();
        if let Some(other) = imported(source, &parts)
            && other != layer
            && !below.contains(&other)
        {
            faults.push(fault(line, format!("`{layer}` must not import from `{other}`")));
        }
        for (_, apart) in FOLDERS.iter().filter(|(folder, _)| source.path.starts_with(folder)) {
            if parts.starts_with(&apart.split("::").collect::<Vec<_>>()) {
                faults.push(fault(line, format!("`{apart}` is not for this folder")));
            }
        }
        if parts.starts_with(&["super", "super"]) {
            faults.push(fault(line, "`super::super`: name the path from `crate` on"));
        }
        if parts == ["crate", "self"] || parts.starts_with(&["crate", "*"]) {
            faults.push(fault(line, "name the layer that is imported from"));
        }
        let is_std = ["std", "core", "alloc"].contains(&parts[0]);
        let is_value = parts.get(2).is_some_and(|name| PURE_NET.contains(name));
        let impure_part = is_std
            && parts.get(1).is_some_and(|part| IMPURE_PARTS.contains(part))
            && !(parts[1] == "net" && is_value);
        let impure_name = parts.iter().any(|part| IMPURE_NAMES.contains(part));
        if PURE.contains(&layer) && (impure_part || impure_name) {
            faults.push(fault(line, format!("`{path}`: `{layer}` is told everything")));
        }
    }
    faults
}

fn layer_of(path: &str) -> Option<(&'static str, &'static [&'static str])> {
    let path = path.strip_prefix("src/")?;
    let layer = path.split(['/', '.']).next()?;
    LAYERS.into_iter().chain([PROGRAM]).find(|(name, _)| *name == layer)
}

/// The layer that a path leads to.
fn imported<'a>(source: &Source, parts: &[&'a str]) -> Option<&'a str> {
    let is_root = match parts[0] {
        "crate" | "fanfare" => true,
        // In the file of the layer itself, `super` is the crate.
        "super" => source.path.matches('/').count() == 2 && source.path.ends_with("/mod.rs"),
        _ => false,
    };
    let part = *parts.get(1).filter(|_| is_root)?;
    LAYERS.iter().any(|(name, _)| *name == part).then_some(part)
}

/// All paths in `code`, groups in braces written out, and where they stand.
pub(crate) fn paths(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let name = word(&code[at..]);
        if name.is_empty() {
            at += code[at..].chars().next().map_or(1, char::len_utf8);
        } else {
            at = walk(code, at, "", &mut paths);
        }
    }
    paths
}

/// Takes the path that begins at `at` behind `prefix`; gives where it ends.
fn walk(code: &str, at: usize, prefix: &str, to: &mut Vec<(usize, String)>) -> usize {
    let mut path = prefix.to_owned();
    let mut end = at;
    loop {
        let rest = &code[end..];
        if rest.starts_with('{') && !path.is_empty() {
            let close = closed(code, end);
            let mut inner = end + 1;
            while inner < close - 1 {
                inner = match code[inner..].chars().next() {
                    Some(char) if char.is_whitespace() || char == ',' => inner + char.len_utf8(),
                    _ => walk(code, inner, &path, to).max(inner + 1),
                };
            }
            return close;
        }
        let name = if rest.starts_with('*') { "*" } else { word(rest) };
        if !path.is_empty() && !name.is_empty() {
            path.push_str("::");
        }
        path.push_str(name);
        end += name.len();
        match code[end..].strip_prefix("::") {
            Some(behind) if !name.is_empty() && !behind.starts_with('<') => end += 2,
            _ => break,
        }
    }
    to.push((at, path));
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_fault, planted};

    #[test]
    fn groups_are_written_out() {
        let code = "use a::{b, c::{self, d as e, f::*}};\nlet g = h::<i>(j::k(l));";
        let found: Vec<String> = paths(code).into_iter().map(|(_, path)| path).collect();
        for path in ["a::b", "a::c::self", "a::c::d", "a::c::f::*", "h", "i", "j::k", "l"] {
            assert!(found.iter().any(|other| other == path), "{path} in {found:?}");
        }
    }

    #[test]
    fn imports_run_downwards_only() {
        let cases = [
            ("protocol", "use crate::relay::Relay;", "relay"),
            ("protocol", "fn a() { crate::server::b() }", "server"),
            ("protocol", "use crate::{protocol::Kind, config::{Flags}};", "config"),
            ("protocol", "use crate::auth::token;", "auth"),
            ("auth", "use crate::relay::Relay;", "relay"),
            ("relay", "use crate::{\nserver::Server};", "server"),
            ("relay", "pub(in crate::config) fn a() {}", "config"),
            ("config", "use crate::server;", "server"),
            ("protocol", "#[cfg(test)]\nmod tests { use crate::relay::a; }", "relay"),
        ];
        for (layer, text, other) in cases {
            let faults = planted(&format!("src/{layer}/a.rs"), text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert_eq!(faults[0].1, format!("`{layer}` must not import from `{other}`"));
        }
        assert_fault("src/main.rs", "use fanfare::relay::Relay;", "`main` must not");
        assert_fault("src/relay/mod.rs", "use super::server::Server;", "`relay` must not");
        assert_fault("src/relay/mod.rs", "use crate::*;", "name the layer");
        assert_fault("src/relay/a.rs", "use crate::{self as c};", "name the layer");
        assert_fault("src/relay/a.rs", "use super::super::server::Server;", "super::super");
        let apart = "use crate::protocol::{ws::{Kind, Event}};";
        assert_eq!(planted("src/protocol/http/a.rs", apart).len(), 2, "one for each name");
        assert_eq!(planted("src/protocol/ws/a.rs", "use crate::protocol::http::Refusal;"), []);
        let sound = [
            ("src/protocol/a.rs", "use crate::protocol::b; use super::c; // crate::relay"),
            ("src/relay/a.rs", "use crate::protocol::{Kind, Event};\nuse super::server_of;"),
            ("src/config/a.rs", "use crate::{relay::Limits, protocol::Kind};"),
            ("src/server/a.rs", "use crate::relay::a;\nuse crate::config::b;\nuse std::net::c;"),
            ("src/main.rs", "use fanfare::{config::Flags, server::Server};"),
            ("tests/a.rs", "use fanfare::relay::Relay;\nuse std::thread;"),
        ];
        for (path, text) in sound {
            assert_eq!(planted(path, text), [], "{path}: {text}");
        }
    }

    #[test]
    fn the_core_uses_no_clock_file_or_socket() {
        let impure = [
            "use std::net::TcpStream;",
            "use std::{fmt, fs};",
            "fn a() { std::thread::spawn(b); }",
            "fn a() { std::env::var(b); }",
            "use std::time::{Duration, Instant};",
            "fn a(b: SystemTime) {}",
            "use std::collections::{BTreeMap, HashMap};",
            "type A = std::collections::hash_map::RandomState;",
            "fn a() { println!(\"b\"); }",
            "fn a() { eprintln!(\"b\"); }",
            "fn a() { tracing::info!(\"b\"); }",
        ];
        for layer in PURE {
            for text in impure {
                assert_fault(&format!("src/{layer}/a.rs"), text, "is told everything");
                assert_eq!(planted("src/server/a.rs", text), [], "{text}");
            }
            let sound =
                "use std::collections::BTreeMap; // no HashMap\nconst A: &str = \"println\";";
            assert_eq!(planted(&format!("src/{layer}/a.rs"), sound), []);
        }
    }
}
