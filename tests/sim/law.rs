//! The house's law, and what clients come with: rules of rooms and tokens, written a second time.

use crate::words::{Words, line, mark, pair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare::auth::keyfile;
use fanfare::relay::{Access, Hear, Publish, Rule};
use ring::hmac;

const SECRET: &[u8] = b"the secret of the simulation, long enough";

/// The wall clock's second when the simulation's own clock began.
pub const BEGIN_UNIX_S: u64 = 1_800_000_000;

/// By how much clocks may differ here.
const LEEWAY_S: u64 = 3;

/// The rooms: as clients ask for them, and as a rule's pattern names them.
pub const ROOMS: [(&str, &str); 12] = [
    ("", ""),
    ("news", "n*s"),
    ("%E4%BD%A0", "你"),
    ("fourth", "fourth"),
    ("a/b", "a/b"),
    ("6", "6"),
    ("7", "7"),
    ("8", "8"),
    ("9", "9"),
    ("10", "10"),
    ("11", "11"),
    ("12", "12"),
];

/// The name of a room: its path, decoded.
pub fn name(room: usize) -> &'static str {
    let (path, pattern) = ROOMS[room];
    if path.contains('%') { pattern } else { path }
}

/// The claims of a client's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub subscribes: bool,
    pub publishes: bool,
    /// Seconds from when it is shown to its end.
    pub ends_s: Option<i64>,
    pub is_forged: bool,
}

impl Token {
    /// As one word of a story.
    pub fn text(&self) -> String {
        let ends = self.ends_s.map_or("-".to_owned(), |ends_s| ends_s.to_string());
        let marks = [(self.subscribes, "s"), (self.publishes, "p"), (self.is_forged, "f")];
        let marks = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark);
        format!("{ends}{}", marks.collect::<String>())
    }

    pub fn read(word: &str) -> Token {
        let end = word.find(|char: char| char.is_ascii_lowercase()).unwrap_or(word.len());
        let (ends, marks) = word.split_at(end);
        Token {
            subscribes: marks.contains('s'),
            publishes: marks.contains('p'),
            is_forged: marks.contains('f'),
            ends_s: (ends != "-").then(|| ends.parse().expect("seconds, or -")),
        }
    }

    /// Shown at this second of the wall clock.
    pub fn show(&self, now_s: u64) -> Ticket {
        let exp = self.ends_s.map(|ends_s| now_s.saturating_add_signed(ends_s));
        let all = |yes| if yes { "[\"*\"]" } else { "[\"nowhere\"]" };
        let end = exp.map_or(String::new(), |exp| format!(",\"exp\":{exp}"));
        let claims =
            format!("{{\"hear\":{},\"speak\":{}{end}}}", all(self.subscribes), all(self.publishes));
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let secret = if self.is_forged { b"another secret" } else { SECRET };
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        Ticket {
            text: Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))),
            is_forged: self.is_forged,
            subscribes: self.subscribes,
            publishes: self.publishes && self.subscribes,
            ends: exp.map(|exp| exp + LEEWAY_S),
        }
    }
}

/// What a client shows at the door.
#[derive(Debug, Clone, Default)]
pub struct Ticket {
    pub text: Option<String>,
    is_forged: bool,
    subscribes: bool,
    publishes: bool,
    /// When it is over, by the wall clock.
    ends: Option<u64>,
}

/// A rule's settings for one room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    pub publish: Option<Publish>,
    pub is_open: bool,
    pub echo: Option<bool>,
    pub deflate: Option<bool>,
    pub members_max: Option<u32>,
    pub message_bytes_max: Option<usize>,
}

const PUBLISHERS: [(Publish, &str); 3] =
    [(Publish::Anyone, "anyone"), (Publish::Tokens, "tokens"), (Publish::Nobody, "nobody")];

impl Terms {
    /// As words of a story, after the room.
    pub fn text(&self, begin: String) -> String {
        let publish = PUBLISHERS.iter().find(|(publish, _)| Some(*publish) == self.publish);
        line(
            begin,
            [
                pair("publish", publish.map(|(_, word)| *word)),
                pair("echo", self.echo),
                pair("deflate", self.deflate),
                pair("members", self.members_max),
                pair("message", self.message_bytes_max),
                mark("open", self.is_open),
            ],
        )
    }

    pub fn read(mut words: Words<'_>) -> Terms {
        let publish: Option<String> = words.key("publish");
        let publish = publish.map(|word| {
            let known = PUBLISHERS.iter().find(|(_, name)| *name == word);
            known.unwrap_or_else(|| panic!("{word} is no publisher")).0
        });
        let terms = Terms {
            publish,
            is_open: words.mark("open"),
            echo: words.key("echo"),
            deflate: words.key("deflate"),
            members_max: words.key("members"),
            message_bytes_max: words.key("message"),
        };
        words.end();
        terms
    }
}

/// Which keys there are, and the rules of rooms.
pub struct Law {
    pub has_keys: bool,
    /// Where no rule says more.
    pub echo: bool,
    pub deflate: bool,
    pub message_bytes_max: usize,
    /// Members that join now receive JSON.
    pub is_json: bool,
    terms: [Option<Terms>; ROOMS.len()],
}

impl Law {
    pub fn new(has_keys: bool, echo: bool, deflate: bool, message_bytes_max: usize) -> Law {
        let is_json = false;
        Law { has_keys, echo, deflate, message_bytes_max, is_json, terms: Default::default() }
    }

    /// Another rule for a room, from now on.
    pub fn set(&mut self, room: usize, terms: &Terms) {
        self.terms[room] = Some(terms.clone()).filter(|terms| *terms != Terms::default());
    }

    pub fn rules(&self) -> Vec<Rule> {
        let rule = |(terms, (_, pattern)): (&Option<Terms>, &(&str, &str))| {
            let terms = terms.as_ref()?;
            let mut rule = Rule::new(pattern);
            (rule.echo, rule.deflate) = (terms.echo, terms.deflate);
            // Without keys there are no tokens.
            let publish = terms.publish.filter(|one| self.has_keys || *one != Publish::Tokens);
            rule.publish = publish;
            rule.hear = terms.is_open.then_some(Hear::Anyone);
            rule.members_max = terms.members_max;
            rule.message_bytes_max =
                terms.message_bytes_max.map(|most| most.min(self.message_bytes_max));
            Some(rule)
        };
        self.terms.iter().zip(&ROOMS).filter_map(rule).collect()
    }

    pub fn access(&self) -> Access {
        let mut access = Access::default();
        if self.has_keys {
            access.trust.keys = vec![keyfile::secret(SECRET).expect("a secret")];
        }
        access.trust.leeway_s = LEEWAY_S as u32;
        access
    }

    fn terms(&self, room: usize) -> Option<&Terms> {
        self.terms[room].as_ref()
    }

    pub fn echoes(&self, room: usize) -> bool {
        self.terms(room).and_then(|terms| terms.echo).unwrap_or(self.echo)
    }

    /// Whether a client that asks for it when it joins the room subscribes compressed messages.
    pub fn deflates(&self, room: usize) -> bool {
        self.terms(room).and_then(|terms| terms.deflate).unwrap_or(self.deflate)
    }

    /// The most members of the room.
    pub fn members_max(&self, room: usize) -> usize {
        let most = self.terms(room).and_then(|terms| terms.members_max);
        most.map_or(usize::MAX, |most| most as usize)
    }

    /// The longest message that is taken in the room.
    pub fn message_bytes_max(&self, room: usize) -> usize {
        let most = self.terms(room).and_then(|terms| terms.message_bytes_max);
        most.map_or(self.message_bytes_max, |most| most.min(self.message_bytes_max))
    }

    pub fn may_publish(&self, room: usize, ticket: &Ticket) -> bool {
        let publish = self.terms(room).and_then(|terms| terms.publish);
        match publish.filter(|one| self.has_keys || *one != Publish::Tokens) {
            Some(Publish::Nobody) => false,
            Some(Publish::Anyone) => true,
            _ => !self.has_keys || (ticket.publishes && !ticket.is_forged),
        }
    }

    /// With which status a client is refused that shows this ticket now, if it is.
    pub fn refuses(&self, room: usize, ticket: &Ticket, now_s: u64) -> Option<u16> {
        if !self.has_keys {
            return None;
        }
        if ticket.text.is_some() && (ticket.is_forged || self.has_ended(ticket, now_s)) {
            return Some(401);
        }
        let is_open = self.terms(room).is_some_and(|terms| terms.is_open);
        match (is_open || ticket.subscribes, &ticket.text) {
            (true, _) => None,
            (false, None) => Some(401),
            (false, Some(_)) => Some(403),
        }
    }

    /// With which status a message by HTTP without a token is refused, if it is.
    pub fn refuses_post(&self, room: usize) -> Option<u16> {
        let ticket = Ticket::default();
        let publish = self.terms(room).and_then(|terms| terms.publish);
        match (self.refuses(room, &ticket, 0), self.may_publish(room, &ticket)) {
            (Some(status), _) => Some(status),
            (None, true) => None,
            (None, false) if publish == Some(Publish::Nobody) => Some(403),
            (None, false) => Some(401),
        }
    }

    /// Whether the ticket is over, if the law looks at tickets.
    pub fn has_ended(&self, ticket: &Ticket, now_s: u64) -> bool {
        self.has_keys && ticket.ends.is_some_and(|ends| ends <= now_s)
    }
}
