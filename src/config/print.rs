//! The configuration and its table, written down: for people, for `man`, for the documents.

use super::load::{Key, command};
use super::{Config, rules};
use std::fmt::Write;
use std::io;

impl Config {
    /// Every key with its value as TOML, and where it came from as a comment.
    pub fn to_toml(&self) -> String {
        let lines: Vec<(String, String)> =
            self.keys.iter().map(|key| (line(key), self.place(&key.source))).collect();
        let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
        let mut text = String::new();
        for (line, place) in lines {
            writeln!(text, "{line:width$} # {place}").expect("writing to memory");
        }
        text.push_str(&rules::to_toml(&self.rooms));
        text
    }
}

fn line(key: &Key) -> String {
    let name = &key.name;
    // What is printed is shown around: a secret stays where it was.
    let hide = |value: &str| match value.split_once("base64:") {
        Some((id, _)) if name == "token_key" => format!("{id}base64:..."),
        _ => value.to_owned(),
    };
    let values: Vec<String> = key.values.iter().map(|value| toml_value(&hide(value))).collect();
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

/// The manual page, in roff.
///
/// # Errors
/// When `to` cannot be written.
pub fn write_man(to: &mut impl io::Write) -> io::Result<()> {
    clap_mangen::Man::new(command()).render(to)
}

/// Completions for a shell.
pub fn write_completions(shell: clap_complete::Shell, to: &mut impl io::Write) {
    clap_complete::generate(shell, &mut command(), "fanfare", to);
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let live = if reload::is_live(key) { "yes" } else { "restart" };
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

    /// The file of the package: every key with its help and its default, all of it as comments.
    fn file_of_defaults() -> String {
        let mut text = String::from(
            "# fanfare's configuration: every key, and its default. Take the # away from what you \
             change.\n# `fanfare check-config --config /etc/fanfare.toml` says whether it is \
             right;\n# `systemctl reload fanfare` puts it into effect, as far as no restart is \
             needed.\n",
        );
        for arg in file::keys(&Flags::command()) {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            text.push('\n');
            let mut line = String::from("#");
            for word in help.split_whitespace() {
                if line.len() + 1 + word.len() > 100 {
                    writeln!(text, "{line}").expect("writing to memory");
                    line.truncate(1);
                }
                line.push(' ');
                line.push_str(word);
            }
            writeln!(text, "{line}\n{}", setting(arg)).expect("writing to memory");
        }
        text + RULE
    }

    const RULE: &str = "
# What holds in some rooms only; docs/identity.md has all keys of such a rule. The first one whose
# pattern matches decides, and rules stand behind all other keys.
#[[room]]
#pattern = \"news/*\"
#publish = \"nobody\"
";

    /// The key with its default or, where that is none, with what it takes.
    fn setting(arg: &Arg) -> String {
        let name = arg.get_id().as_str();
        let is_list = matches!(arg.get_action(), ArgAction::Append);
        let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
        let values: Vec<String> = match arg.get_action() {
            ArgAction::SetTrue => vec!["false".to_owned()],
            _ => defaults.map(|value| toml_value(&value)).collect(),
        };
        match (&values[..], is_list) {
            ([], _) => {
                let takes = arg.get_value_names().unwrap_or_default().join(" ");
                format!("#{name} = {takes}")
            }
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
        // What stands there as a default is one, when its # is taken away; so is the rule.
        let is_set = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
        let (keys, rule) = text.split_once("#[[").expect("a rule");
        for line in keys.lines().filter(is_set).map(|line| &line[1..]) {
            let takes = line.split(" = ").nth(1).unwrap_or_default();
            if !takes.is_empty() && !takes.starts_with(|first: char| first.is_ascii_uppercase()) {
                file::read(line, &Flags::command()).expect(line);
            }
        }
        let rule = format!("[[{rule}").replace('#', "");
        assert_eq!(file::read(&rule, &Flags::command()).expect(&rule).rooms.len(), 1);
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
