//! The configuration and its table as text: TOML, completions, the documents' tables.

use super::key::{Key, TOKEN_KEY};
use super::task::command;
use super::{Config, rules};
use std::fmt::Write;
use std::io;

impl Config {
    /// Every key with its value as TOML, and its source as a comment; below `token_key`, a comment
    /// for each key that verifies tokens.
    pub fn to_toml(&self, token_keys: &[String]) -> String {
        let lines: Vec<(String, String)> =
            self.keys.iter().map(|key| (line(key), self.place(&key.source))).collect();
        let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
        let mut text = String::new();
        for (key, (line, place)) in self.keys.iter().zip(lines) {
            writeln!(text, "{line:width$} # {place}").expect("writing to memory");
            for told in token_keys.iter().filter(|_| key.name == TOKEN_KEY) {
                writeln!(text, "# {told}").expect("writing to memory");
            }
        }
        text.push_str(&rules::to_toml(&self.rooms));
        text
    }
}

fn line(key: &Key) -> String {
    let name = &key.name;
    let values: Vec<String> = key.shown().map(|value| toml_value(&value)).collect();
    match (&values[..], key.is_list) {
        ([], _) => format!("# {name} ="),
        (values, true) => format!("{name} = [{}]", values.join(", ")),
        ([value, ..], false) => format!("{name} = {value}"),
    }
}

fn toml_value(value: &str) -> String {
    let is_bare = value.parse::<u64>().is_ok() || value == "true" || value == "false";
    if is_bare { value.to_owned() } else { toml::Value::from(value).to_string() }
}

/// Completions for a shell.
pub fn write_completions(shell: clap_complete::Shell, to: &mut impl io::Write) {
    clap_complete::generate(shell, &mut command(), "fanfare", to);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::openings::NOT_TO_NONE;
    use crate::config::{Flags, file, reload};
    use clap::{Arg, ArgAction, CommandFactory};
    use std::fs;

    const BEGIN: &str = "<!-- keys -->\n";
    const END: &str = "<!-- end of keys -->";

    /// The table of all keys in Markdown, for `docs/operating.md`.
    fn keys_in_markdown() -> String {
        let mut text = String::from("| key | default | live | what it does |\n|---|---|---|---|\n");
        for arg in file::keys(&Flags::command()) {
            let key = arg.get_id().as_str();
            let live = match reload::is_live(key) {
                true if NOT_TO_NONE.iter().any(|(one, _)| *one == key) => "yes; to none: restart",
                true => "yes",
                false => "restart",
            };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let (help, default) = default_of(arg, &help);
            let help = help.replace('|', "\\|");
            writeln!(text, "| `{key}` | {default} | {live} | {help} |").expect("writing to memory");
        }
        text
    }

    /// The help without its default, and the default.
    fn default_of(arg: &Arg, help: &str) -> (String, String) {
        let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((help, default)) = flat.split_once(" [default: ") {
            return (help.to_owned(), default.trim_end_matches(']').to_owned());
        }
        let values: Vec<String> = arg
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let default = match (&values[..], arg.get_action()) {
            (_, ArgAction::SetTrue) => "`false`".to_owned(),
            ([], _) => "none".to_owned(),
            (values, _) => format!("`{}`", values.join(", ")),
        };
        (flat, default)
    }

    const HEAD: &str = "\
## fanfare's configuration: every key with its default or, where there is none, an example.
## Remove the # from the lines that you change. SIZE is a number of bytes or has
## a unit: \"64KiB\" is 65536, \"64KB\" 64000. TIME is a number of seconds or has one: 30, \"2.5s\".
## `fanfare check-config --config /etc/fanfare.toml` says whether it is valid;
## `systemctl reload fanfare` puts it into effect, as far as no restart is needed.
";

    /// The file of the package: every key with its help and its default, all of it as comments.
    /// What is said to people has a # more, so that any line without its first # is TOML.
    fn file_of_defaults() -> String {
        let mut text = String::from(HEAD);
        for arg in file::keys(&Flags::command()) {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            text.push('\n');
            let mut line = String::from("##");
            for word in help.split_whitespace() {
                if line.len() + 1 + word.len() > 100 {
                    writeln!(text, "{line}").expect("writing to memory");
                    line.truncate(2);
                }
                line.push(' ');
                line.push_str(word);
            }
            writeln!(text, "{line}\n{}", setting(arg)).expect("writing to memory");
        }
        text + RULE
    }

    const RULE: &str = "
## Rules for some rooms only; docs/identity.md has all keys of a rule. The first rule whose pattern
## matches applies. Long rules read better as tables, each below a line [[room]] of its own, after
## all other keys.
#room = [{ pattern = \"news/*\", publish = \"nobody\" }]
";

    /// What a key without a default may be.
    fn example(name: &str) -> &'static str {
        match name {
            "tls_cert" => r#"["/etc/fanfare/fullchain.pem"]"#,
            "tls_key" => r#"["/etc/fanfare/privkey.pem"]"#,
            "admin" => r#""127.0.0.1:2047""#,
            "heartbeat" => r#""ping=pong""#,
            "log_quota" => r#""128MiB""#,
            "connection_quota" | "history_quota" => r#""64MiB""#,
            "max_connections" => "500",
            "max_members" => "100",
            "trust_proxy" => r#"["127.0.0.1"]"#,
            "allow_origin" => r#"["https://example.org"]"#,
            "token_key" => r#"["/etc/fanfare/token.pem"]"#,
            "token_audience" => r#""chat.example.org""#,
            "token_cookie" => r#""jwt""#,
            _ => panic!("{name} has no default: give it an example for dist/fanfare.toml here"),
        }
    }

    /// The key with its default or, where that is none, with an example.
    fn setting(arg: &Arg) -> String {
        let name = arg.get_id().as_str();
        let is_list = matches!(arg.get_action(), ArgAction::Append);
        let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
        let values: Vec<String> = match arg.get_action() {
            ArgAction::SetTrue => vec!["false".to_owned()],
            _ => defaults.map(|value| toml_value(&value)).collect(),
        };
        match (&values[..], is_list) {
            ([], _) => format!("#{name} = {}", example(name)),
            (values, true) => format!("#{name} = [{}]", values.join(", ")),
            ([value, ..], false) => format!("#{name} = {value}"),
        }
    }

    #[test]
    fn the_package_has_every_key_and_its_defaults_are_right() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/fanfare.toml");
        let expected = file_of_defaults();
        if std::env::var_os("FANFARE_WRITE").is_some() {
            return fs::write(path, expected).expect("the file is ours");
        }
        let text = fs::read_to_string(path).expect("the file");
        assert!(text == expected, "dist/fanfare.toml: FANFARE_WRITE=1 cargo test --lib package");
        let content = file::read(&text, &Flags::command()).expect("all comments");
        assert!(content.entries.is_empty() && content.rooms.is_empty());
        // Any line may lose its #, each block, and all of them: what is there then is set.
        let without = |is_meant: &dyn Fn(usize) -> bool| {
            let line = |(number, line): (usize, &str)| match is_meant(number) {
                true => format!("{}\n", line.strip_prefix('#').unwrap_or(line)),
                false => format!("{line}\n"),
            };
            let changed: String = text.lines().enumerate().map(line).collect();
            let content = file::read(&changed, &Flags::command()).expect(&changed);
            content.entries.len() + content.rooms.len()
        };
        let (mut block, mut settings) = (0..0, 0);
        for (number, line) in text.lines().enumerate() {
            let is_setting = line.starts_with('#') && !line.starts_with("##");
            settings += usize::from(is_setting);
            assert_eq!(without(&|one| one == number), usize::from(is_setting), "{line}");
            if line.is_empty() {
                assert!(without(&|one| block.contains(&one)) <= 1);
                block = number + 1..number + 1;
            } else {
                block.end = number + 1;
            }
        }
        assert_eq!(without(&|_| true), settings);
        assert_eq!(settings, file::keys(&Flags::command()).count() + 1);
    }

    /// With FANFARE_WRITE=1 the table in the document is written anew.
    #[test]
    fn the_document_has_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
        let text = fs::read_to_string(path).expect("the document");
        let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
        let (table, after) = rest.split_once(END).expect("where it ends");
        let expected = keys_in_markdown();
        if std::env::var_os("FANFARE_WRITE").is_some() {
            let text = format!("{before}{BEGIN}{expected}{END}{after}");
            return fs::write(path, text).expect("the document is ours");
        }
        assert!(table == expected, "docs/operating.md: FANFARE_WRITE=1 cargo test --lib document");
    }
}
