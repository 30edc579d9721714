//! Variables: misspelt names, and invalid values.

use super::file;
use super::load_error::LoadError;
use super::similar::most_like;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::{OsStr, OsString};

/// The prefix of our variables.
const PREFIX: &str = "FANFARE_";

/// Refuses a misspelt variable. Names that are too different are ignored: for a service called
/// `fanfare`, Kubernetes sets `FANFARE_PORT` and `FANFARE_TLS_PORT`.
pub(super) fn check(
    table: &Command,
    variables: impl Iterator<Item = OsString>,
) -> Result<(), String> {
    for variable in variables.filter_map(|name| name.into_string().ok()) {
        let Some(key) = variable.strip_prefix(PREFIX).map(str::to_lowercase) else { continue };
        let is_known = table.get_arguments().any(|arg| arg.get_env() == Some(variable.as_ref()));
        let is_foreign = key.split('_').any(|word| word == "port" || word == "service");
        if !is_known
            && !is_foreign
            && let keys = file::keys(table).map(|arg| arg.get_id().as_str())
            && let Some((like, edits)) = most_like(keys, &key)
            && edits * 3 <= key.len()
        {
            let like = like.to_uppercase();
            return Err(format!("there is no {variable}: did you mean {PREFIX}{like}?"));
        }
    }
    Ok(())
}

/// The error, naming the variable with the invalid value: clap names the flag, which was not given.
pub(super) fn named(error: clap::Error, table: &Command, arguments: &[OsString]) -> LoadError {
    if error.kind() == ErrorKind::InvalidUtf8 {
        return LoadError::Wrong(no_text(table, arguments));
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg).and_then(|arg| arg.split(' ').next());
    let has =
        |arg: &&clap::Arg| arg.get_long().is_some_and(|long| flag == Some(&format!("--{long}")));
    let arg = table.get_arguments().find(has);
    let (Some(flag), Some(arg), Some(value)) = (flag, arg, text(ContextKind::InvalidValue)) else {
        return error.into();
    };
    let is_given = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    match arg.get_env() {
        Some(variable) if !arguments.iter().any(is_given) => {
            let why = file::reason(&error, arg, value);
            LoadError::Wrong(format!("{}: {why}", variable.to_string_lossy()))
        }
        _ => error.into(),
    }
}

/// Which variable or argument is not UTF-8: clap says only that one of them is not.
fn no_text(table: &Command, arguments: &[OsString]) -> String {
    let variables = table.get_arguments().filter_map(|arg| arg.get_env());
    let is_none = |value: OsString| value.to_str().is_none();
    let wrong = |name: &&OsStr| std::env::var_os(name).is_some_and(is_none);
    match (variables.into_iter().find(wrong), arguments.iter().find(|one| one.to_str().is_none())) {
        (Some(name), _) => format!("{}: it is not UTF-8 text", name.to_string_lossy()),
        (None, Some(argument)) => {
            format!("the argument `{}` is not UTF-8 text", argument.to_string_lossy())
        }
        (None, None) => "an argument or a variable is not UTF-8 text".to_owned(),
    }
}
