//! Makes the parts of the live page ready to serve: as they are, with the feature `deflate` also
//! gzipped, and with entity tags.

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
    ("_/client.js", "text/javascript; charset=utf-8", "clients/js/fanfare.js"),
];

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names it"));
    let mut table = String::from("&[\n");
    for (number, (path, content_type, file)) in FILES.iter().enumerate() {
        println!("cargo::rerun-if-changed={file}");
        let source = root.join(file);
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
