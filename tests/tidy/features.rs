//! A feature of the crate is a module that is there or not: no file has lines for some features.

use crate::source::{Source, closed, is_word, word};
use crate::{Fault, fault};

pub(crate) fn faults(source: &Source) -> Vec<Fault> {
    let code = &source.code;
    let mut faults = Vec::new();
    for (at, _) in code.match_indices("cfg").filter(|_| source.path.starts_with("src/")) {
        let behind = at + word(&code[at..]).len();
        let open = behind + usize::from(code[behind..].starts_with('!'));
        if code[..at].ends_with(is_word) || !code[open..].starts_with('(') {
            continue;
        }
        let end = closed(code, open);
        let chooses_module = code[end..].strip_prefix(']').is_some_and(begins_module);
        if names_feature(&source.text[open..end]) && !chooses_module {
            let why = "a feature chooses modules (`mod`, `use`), not lines of them";
            faults.push(fault(source.line(at), why));
        }
    }
    faults
}

/// Whether a condition is about features of the crate, not of the processor.
fn names_feature(condition: &str) -> bool {
    let mut found = condition.match_indices("feature");
    found.any(|(at, name)| {
        let is_whole = word(&condition[at..]) == name;
        is_whole && !condition[..at].ends_with(is_word)
    })
}

/// Whether `code` begins, behind other attributes, with a module or the names of one.
fn begins_module(code: &str) -> bool {
    let mut rest = code.trim_start();
    while rest.starts_with("#[") {
        rest = rest[closed(rest, 1)..].trim_start();
    }
    let item = match rest.strip_prefix("pub") {
        Some(inside) if inside.starts_with('(') => &inside[closed(inside, 0)..],
        Some(item) => item,
        None => rest,
    };
    ["mod", "use"].contains(&word(item.trim_start()))
}

#[cfg(test)]
mod tests {
    use crate::{assert_fault, planted};

    #[test]
    fn a_feature_chooses_modules_and_nothing_else() {
        let scattered = [
            "#[cfg(feature = \"tls\")] const A: u8 = 1;",
            "#[cfg(not(feature = \"tls\"))] use_it();",
            "fn a() -> bool { cfg!(feature = \"tls\") }",
            "struct A { #[cfg(any(test, feature = \"tls\"))] b: u8 }",
            "#[cfg_attr(feature = \"tls\", derive(Debug))] struct A;",
        ];
        for text in scattered {
            assert_fault("src/server/a.rs", text, "a feature chooses modules");
            assert_eq!(planted("tests/a.rs", text), [], "{text}");
        }
        let sound = [
            "#[cfg(feature = \"tls\")]\nmod tls;",
            "#[cfg(not(feature = \"tls\"))]\n#[path = \"no_tls.rs\"]\npub(crate) mod tls;",
            "#[cfg(feature = \"cli\")]\n#[doc(hidden)] // flags\npub mod config;",
            "#[cfg(feature = \"cli\")]\npub use cli::Log;",
            "#[cfg(target_feature = \"crt-static\")]\nconst A: u8 = 1;",
            "#[cfg(test)]\nfn a() {}\n// cfg(feature = \"tls\")",
        ];
        for text in sound {
            assert_eq!(planted("src/server/a.rs", text), [], "{text}");
        }
    }
}
