//! Makes the parts of the live page ready to serve: as they are, the client's modules as one file,
//! with the feature `deflate` also gzipped, and with entity tags.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where it is served, its type, and where it comes from.
const FILES: [(&str, &str, &str); 6] = [
    ("_/room.css", "text/css; charset=utf-8", "web/room.css"),
    ("_/room.js", "text/javascript; charset=utf-8", "web/room.js"),
    ("_/plot.js", "text/javascript; charset=utf-8", "web/plot.js"),
    ("_/words.js", "text/javascript; charset=utf-8", "web/words.js"),
    ("_/icon.svg", "image/svg+xml", "web/icon.svg"),
    ("_/client.js", "text/javascript; charset=utf-8", CLIENT),
];

/// The entry of the client, whose modules are joined.
const CLIENT: &str = "clients/js/fanfare.js";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names it"));
    let mut table = String::from("&[\n");
    for (number, (path, content_type, file)) in FILES.iter().enumerate() {
        let mut source = root.join(file);
        if *file == CLIENT {
            let text = client(&source);
            source = out.join("client.js");
            fs::write(&source, text).expect("cargo's own folder");
        } else {
            println!("cargo::rerun-if-changed={file}");
        }
        let bytes = fs::read(&source).unwrap_or_else(|cause| panic!("{file}: {cause}"));
        let gzip = gzipped(&bytes, &out.join(format!("{number}.gz")));
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        writeln!(
            table,
            "(b{path:?}, Asset {{ content_type: {content_type:?}, etag: \"\\\"{:016x}\\\"\", \
             bytes: include_bytes!({source:?}), gzip: {gzip} }}),",
            hasher.finish()
        )
        .expect("writing to memory");
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table).expect("cargo's own folder");
}

/// The client as one module. `clients/js/build.js` does the same, and says what it relies on.
fn client(entry: &Path) -> String {
    let mut seen = Vec::new();
    let mut text = String::new();
    let names = joined(entry, &mut seen, &mut text);
    writeln!(text, "export {{ {} }};", names.join(", ")).expect("writing to memory");
    text
}

/// Appends the lines of a module behind those that it needs, each module once, without comments and
/// indentation. Gives the names that it hands on from others.
fn joined(module: &Path, seen: &mut Vec<PathBuf>, text: &mut String) -> Vec<String> {
    let mut names = Vec::new();
    if seen.iter().any(|one| one == module) {
        return names;
    }
    seen.push(module.to_owned());
    println!("cargo::rerun-if-changed={}", module.display());
    let source =
        fs::read_to_string(module).unwrap_or_else(|cause| panic!("{}: {cause}", module.display()));
    for line in source.lines() {
        let needed = line.strip_suffix("';").and_then(|line| line.rsplit_once(" from './"));
        if let Some((what, path)) = needed {
            let folder = module.parent().expect("a file is in a folder");
            joined(&folder.join(path), seen, text);
            names.extend(what.strip_prefix("export { ").map(|what| what.replace(" }", "")));
            continue;
        }
        let code = line.split(" // ").next().unwrap_or_default();
        let code = code.strip_prefix("export ").unwrap_or(code).trim_start();
        if !["//", "/*", "*"].iter().any(|comment| code.starts_with(comment)) && !code.is_empty() {
            writeln!(text, "{code}").expect("writing to memory");
        }
    }
    names
}

/// Writes a file gzipped to a path; gives what stands for it in code.
#[cfg(feature = "deflate")]
fn gzipped(bytes: &[u8], to: &Path) -> String {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).expect("writing to memory");
    fs::write(to, packed.finish().expect("writing to memory")).expect("cargo's own folder");
    format!("Some(include_bytes!({to:?}))")
}

#[cfg(not(feature = "deflate"))]
fn gzipped(_: &[u8], _: &Path) -> String {
    "None".to_owned()
}
