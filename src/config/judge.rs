//! What the fuzzer asks of the configuration.

use super::file::Content;
use super::{Flags, file, number, rules};
use crate::listen::{Door, doors_together};
use clap::CommandFactory;

/// Reads `text` as a configuration file, and each of its lines as a number and a place; gives the
/// line and column of what is wrong with the file.
///
/// # Errors
/// When something is wrong.
pub fn judge(text: &str) -> Result<(), (usize, usize)> {
    let mut doors = Vec::new();
    for line in text.lines() {
        // None of them may fail but in words.
        let _ = (number::size(line), number::time(line), number::count(line));
        if let Ok(door) = line.parse::<Door>() {
            assert_eq!(door.to_string().parse(), Ok(door.clone()), "a place means what it says");
            doors.push(door);
        }
    }
    let _ = doors_together(&doors, false);
    let Content { rooms, .. } = file::read(text, &Flags::command())
        .map_err(|fault| (fault.place.line, fault.place.column))?;
    let printed = file::read(&rules::to_toml(&rooms), &Flags::command()).expect("what we wrote");
    assert_eq!(printed.rooms, rooms, "rules mean what they say");
    rules::idle(&rooms, &vec![String::new(); rooms.len()]);
    Ok(())
}
