//! The manual page: the table of flags, and the sections that a manual page has besides.

use super::flags::UNITS;
use super::task::command;
use clap_mangen::Man;
use roff::{Roff, bold, italic, roman};
use std::io::{self, Write};

/// Files that the program or its package uses.
const FILES: [(&str, &str); 3] = [
    ("/etc/fanfare.toml", "The configuration of the package's unit; --config names another file."),
    ("/run/fanfare", "The unit's folder for Unix sockets."),
    (
        "/usr/share/doc/fanfare",
        "The documents, and examples for nginx, Caddy, HAProxy and systemd.",
    ),
];

/// What each exit status means.
const EXIT_STATUS: [(&str, &str); 5] = [
    ("0", "All connections were closed in order after a signal; or a command succeeded."),
    ("1", "The relay could not start, or a system call that it needs failed."),
    ("2", "The flags, the environment or the file are not valid. Nothing was started."),
    ("3", "Some connections were still open after --drain-timeout, and were cut."),
    ("4", "A second signal ended the relay at once."),
];

const SIGNALS: [(&str, &str); 3] = [
    (
        "SIGTERM, SIGINT",
        "Drain: refuse new clients with 503, and close each connection with 1012 after its pending \
         output, spread over --drain. A second signal ends the relay at once.",
    ),
    (
        "SIGHUP",
        "Read the configuration and the certificates again. An invalid one changes nothing; the \
         log names the keys that need a restart.",
    ),
    ("SIGUSR1", "Write the counters to the log."),
];

const EXAMPLES: [(&str, &str); 8] = [
    ("fanfare", "A relay for this machine: ws://127.0.0.1:2046/, and a live page in a browser."),
    (
        "fanfare --listen :2046 --token-key /etc/fanfare/token.pem",
        "For clients with a token, at every address.",
    ),
    (
        "fanfare --listen 'unix:/run/fanfare.sock?mode=660' --trust-proxy unix",
        "Behind a proxy on the same machine.",
    ),
    (
        "fanfare --listen :443 --tls-cert fullchain.pem --tls-key privkey.pem",
        "With TLS; renewed certificates are loaded without a restart.",
    ),
    ("fanfare check-config --config /etc/fanfare.toml", "Check a configuration before a reload."),
    ("fanfare top --admin 127.0.0.1:2047", "Watch a running relay."),
    ("fanfare publish news hello", "Publish a message in the room `news` of the relay here."),
    (
        "fanfare listen news --url https://relay.example.org",
        "Print each message of that room of another relay, as it comes.",
    ),
];

/// The manual page, in roff.
///
/// # Errors
/// When `to` cannot be written.
pub fn write_man(to: &mut impl Write) -> io::Result<()> {
    let command = command();
    let man = Man::new(command.clone());
    man.render_title(to)?;
    man.render_name_section(to)?;
    to.write_all(synopsis().to_roff().as_bytes())?;
    man.render_description_section(to)?;
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    to.write_all(&with_subsections(&options))?;
    let mut more = Roff::new();
    let commands = command.get_subcommands().map(|one| {
        let about = one.get_about().map(ToString::to_string).unwrap_or_default();
        (format!("fanfare {}", one.get_name()), format!("{about}."))
    });
    list(&mut more, "COMMANDS", commands);
    more.control("SH", ["SIZES, TIMES AND ENVIRONMENT"]);
    for line in UNITS.split(".\n") {
        more.control("PP", []);
        more.text([roman(format!("{}.", line.trim_end_matches('.')))]);
    }
    list(&mut more, "FILES", FILES);
    list(&mut more, "EXIT STATUS", EXIT_STATUS);
    list(&mut more, "SIGNALS", SIGNALS);
    more.control("SH", ["EXAMPLES"]);
    for (line, what) in EXAMPLES {
        more.control("PP", []);
        more.text([roman(what)]);
        more.control("PP", []);
        more.control("RS", ["4"]);
        more.control("nf", []); // as it stands, for it is copied
        more.text([bold(line)]);
        more.control("fi", []);
        more.control("RE", []);
    }
    to.write_all(more.to_roff().as_bytes())
}

fn synopsis() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold("fanfare"), roman(" ["), italic("OPTION"), roman(" ...]")]);
    roff.control("br", []);
    let options = [roman(" ["), italic("OPTION"), roman(" ...]")];
    roff.text([[bold("fanfare"), roman(" "), italic("COMMAND")], options].concat());
    roff
}

/// A section whose entries have a name and a sentence.
fn list<N: AsRef<str>, S: AsRef<str>>(
    roff: &mut Roff,
    title: &str,
    entries: impl IntoIterator<Item = (N, S)>,
) {
    roff.control("SH", [title]);
    for (name, sentence) in entries {
        roff.control("TP", []);
        roff.text([bold(name.as_ref())]);
        roff.text([roman(sentence.as_ref())]);
    }
}

/// The options with their headings as parts of one section: a page's sections are others.
fn with_subsections(options: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(options);
    let lines = text.lines().map(|line| match line.strip_prefix(".SH ") {
        Some(heading) if heading != "OPTIONS" => format!(".SS {heading}\n"),
        _ => format!("{line}\n"),
    });
    lines.collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let mut page = Vec::new();
        write_man(&mut page).expect("writing to memory");
        String::from_utf8(page).expect("text")
    }

    #[test]
    fn the_page_has_the_sections_that_people_look_for() {
        let page = page();
        let sections: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(
            sections,
            [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "COMMANDS",
                "\"SIZES, TIMES AND ENVIRONMENT\"",
                "FILES",
                "\"EXIT STATUS\"",
                "SIGNALS",
                "EXAMPLES",
            ]
        );
    }

    #[test]
    fn each_flag_stands_in_the_part_of_its_heading() {
        let page = page();
        for flag in command().get_arguments() {
            let Some(heading) = flag.get_help_heading() else { continue };
            let part = page.split(&format!(".SS {}\n", heading.to_uppercase())).nth(1);
            let part = part.expect(heading).split(".S").next().unwrap_or_default();
            let name = flag.get_long().expect("a long name").replace('-', "\\-");
            assert!(part.contains(&format!("\\fB\\-\\-{name}\\fR")), "{name}: {part}");
        }
    }

    #[test]
    fn the_examples_are_right() {
        for (line, _) in EXAMPLES {
            let words = line.split(' ').map(|word| word.trim_matches('\''));
            command().try_get_matches_from(words).expect(line);
        }
    }
}
