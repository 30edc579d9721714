//! Files of keys: each form is recognised or refused by name, and a token forged from a public
//! key's bytes is never accepted.

use crate::client::request;
use crate::relay::{Relay, program};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use rustix::process::Signal;
use std::fs;
use std::process::Output;
use tempfile::TempDir;

fn kept(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))).expect("kept")
}

/// A token signed with these bytes as a secret, which everyone that knows them can make.
fn forged(secret: &[u8]) -> String {
    let parts = [r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"root"}"#];
    let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A folder with a file of these bytes, and the file's path.
fn file(bytes: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    fs::write(&path, bytes).expect("space");
    (folder, path.display().to_string())
}

fn check(keys: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = program();
    command.arg("check-config").envs(variables.iter().copied());
    for key in keys {
        command.args(["--token-key", key]);
    }
    command.output().expect("the program ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The base64 of a PEM file.
fn body(pem: &[u8]) -> String {
    let text = text(pem);
    text.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_token_forged_from_a_public_key_is_refused_in_any_form() {
    let (rsa, p256) = (kept("rsa.pem"), kept("p256.pem"));
    let jwk = text(&kept("rfc7515-a2.jwk"));
    let attributes = b"Bag Attributes\n    localKeyID: 01 02 03\nKey Attributes: <No Attributes>\n";
    for (what, bytes, token, is) in [
        ("PEM", rsa.clone(), "rsa.token", "RS256 public key"),
        ("behind a mark", [b"\xef\xbb\xbf", &rsa[..]].concat(), "rsa.token", "RS256 public key"),
        ("behind text", [attributes, &rsa[..]].concat(), "rsa.token", "RS256 public key"),
        ("DER", kept("p256.der"), "p256.token", "ES256 public key"),
        ("without lines", body(&p256).into_bytes(), "p256.token", "ES256 public key"),
        ("a JWK", jwk.clone().into_bytes(), "rfc7515-a2.token", "RS256 public key"),
        ("a list", format!("[{jwk}]").into_bytes(), "rfc7515-a2.token", "RS256 public key"),
        ("a set", format!("{{\"keys\":[{jwk}]}}").into_bytes(), "rfc7515-a2.token", "RS256"),
    ] {
        let (_folder, path) = file(&bytes);
        // The tokens of the RFC ended in 2011.
        let relay = Relay::start(&["--token-key", &path, "--token-leeway", "2000000000"]);
        relay.log.wait(what, |lines, _| {
            let mut told = lines.iter().filter(|line| line.contains("token key: "));
            told.next().map(|line| assert!(line.contains(is), "{what}: {line}"))
        });
        for secret in [&bytes[..], bytes.trim_ascii()] {
            let request = request(&format!("/?token={}", forged(secret)));
            assert_eq!(relay.ask(request.as_bytes()).status, 401, "{what}");
        }
        relay.connect(&format!("/news/x?token={}", text(&kept(token)).trim())).close();
        // It is refused also when it is marked as a secret.
        let output = check(&[&format!("secret:{path}")], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{what}: {stderr}");
        assert!(stderr.contains("this is said to be a secret, and is"), "{what}: {stderr}");
        let encoded = format!("base64:{}", STANDARD.encode(&bytes));
        assert_eq!(check(&[&encoded], &[]).status.code(), Some(2), "{what}");
    }
}

#[test]
fn other_files_are_refused_by_name_with_what_to_do() {
    let rsa = kept("rsa.pem");
    let ssh = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCxHG3VMacLSOGziYIuHTcQ ann@example.org\n";
    let ed25519 = ssh.replace("ssh-rsa AAAAB3NzaC1yc2E", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5");
    let utf16: Vec<u8> = text(&rsa).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let private = text(&kept("rfc7515-a2.jwk")).replace("\"n\"", "\"d\":\"AQ\",\"n\"");
    for (bytes, said) in [
        (ssh.as_bytes(), "ssh-keygen -e -m PKCS8 -f FILE"),
        (ed25519.as_bytes(), "openssl genpkey -algorithm ed25519"),
        (b"https://example.org/.well-known/jwks.json\n", "the relay fetches nothing"),
        (&kept("certificate.pem"), "openssl x509 -in FILE -pubkey -noout"),
        (&kept("certificate.der"), "openssl x509 -in FILE -pubkey -noout"),
        (block("PRIVATE KEY").as_bytes(), "openssl pkey -in FILE -pubout"),
        (private.as_bytes(), "openssl pkey -in FILE -pubout"),
        (block("PGP PUBLIC KEY BLOCK").as_bytes(), "is a PGP PUBLIC KEY BLOCK"),
        (&kept("p384.pem"), "not one of RSA, P-256"),
        (&kept("p256-compressed.pem"), "-ec_conv_form uncompressed"),
        (&kept("rsa-1024.pem"), "1024 bits"),
        (&utf16, "save it as UTF-8"),
        (&rsa[..200], "END line is missing"),
        (STANDARD.encode(&rsa).as_bytes(), "base64 -d"),
        (b"{\"keys\":[]}", "no keys in it"),
        (&kept("rsa.token"), "this is a token"),
        (b"\n", "it is empty"),
        (b"a secret that nobody said is one, and long enough", "say so: secret:PATH"),
        (b"base64:YSBzZWNyZXQgdGhhdCBub2JvZHkgc2FpZCBpcyBvbmU", "say so: secret:PATH"),
    ] {
        let (_folder, path) = file(bytes);
        let output = check(&[&path], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}: {stderr}");
        assert!(stderr.contains(&format!("--token-key: {path}: ")), "{said}: {stderr}");
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}

#[test]
fn keys_are_shown_by_kind_and_secrets_are_not_shown() {
    let secret = "hunter2 hunter2 hunter2 hunter2!";
    let (_folder, path) = file(format!("{secret}\n").as_bytes());
    let short = format!("kid=a:base64:{}", STANDARD.encode("hunter2"));
    let keys = [&format!("secret:{path}"), &short[..]];
    let output = check(&keys, &[]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(
        stdout,
        format!(
            "token key: secret:{path}: HS256 secret of 32 bytes\n\
             token key: kid=a:base64:...: HS256 secret of 7 bytes, kid a\n\
             the configuration is valid\n"
        )
    );
    let weak = "warning: kid=a:base64:...: HS256 secret of 7 bytes, kid a: a holder of a";
    assert!(stderr.starts_with(weak) && stderr.lines().count() == 1, "{stderr}");
    let mut relay = Relay::start(&["--token-key", keys[0], "--token-key", keys[1]]);
    relay.connect(&format!("/?token={}", forged(secret.as_bytes()))).close();
    relay.signal(Signal::HUP);
    relay.log.wait("the same again", |lines, _| {
        let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
        (count("token key: ") == 4 && count("can guess a secret") == 2).then_some(())
    });
    relay.signal(Signal::TERM);
    relay.exit_code();
    assert_eq!(relay.log.lines_with("can guess a secret")[0].matches("\"WARN\"").count(), 1);
    for secret in ["hunter2", &STANDARD.encode("hunter2"), &STANDARD.encode(secret)] {
        assert_eq!(relay.log.lines_with(secret), [""; 0]);
    }
}

#[test]
fn no_error_repeats_what_may_be_a_secret() {
    let variable = |value: &'static str| [("FANFARE_TOKEN_KEY", value)];
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("fanfare.toml");
    let written = |text: &str| {
        fs::write(&config, text).expect("space");
        let mut command = program();
        command.args(["check-config", "--config"]).arg(&config);
        command.output().expect("the program ends")
    };
    let elsewhere = |argument: &str| program().arg(argument).output().expect("it ends");
    let outputs = [
        check(&[], &variable("hunter2")),
        check(&[], &variable("/hunter2,base64:hunter2!,kid=hunter2")),
        check(&["secret:hunter2"], &[]),
        check(&["kid=a:hunter2"], &[]),
        check(&[], &variable("-----BEGIN hunter2")),
        written("token_key = \"hunter2\"\n"),
        written("token_key = [\"base64:hunter2!\"]\n"),
        written("token_key = { secret = \"hunter2\" }\n"),
        written("token_key = hunter2\n"),
        written("token_keys = \"hunter2\"\n"),
        written("token_key: hunter2\n"),
        written("tokenkey = hunter2\n"),
        written("max_message = \"base64:hunter2\"\n"),
        elsewhere("base64:hunter2"),
        elsewhere("--max-message=kid=a:base64:hunter2"),
        elsewhere("--token-keys=base64:hunter2"),
    ];
    for output in outputs {
        let told = text(&[output.stdout, output.stderr].concat());
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.starts_with("error: ") && !told.contains("hunter2"), "{told}");
    }
    let output = check(&["/x", "hunter2"], &[]);
    assert!(text(&output.stderr).contains("--token-key: value 1 of 2: there is no such file"));
}
