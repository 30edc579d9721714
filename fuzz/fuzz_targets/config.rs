//! Any text as a configuration file, and its lines as numbers and places: never a panic, and what
//! is wrong has a place inside of the text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err((line, column)) = fanfare::config::judge(text) {
        // The end of the text is a place as well.
        assert!((1..=text.matches('\n').count() + 1).contains(&line), "line {line}");
        let length = text.split('\n').nth(line - 1).map_or(0, |line| line.chars().count());
        assert!((1..=length + 1).contains(&column), "column {column} of {length}");
    }
});
