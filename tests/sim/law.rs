//! The house's law, and what clients come with: rules of rooms and tokens, written a second time.

use crate::random::Random;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare::auth::keyfile;
use fanfare::relay::{Access, Hear, Publish, Rule};
use ring::hmac;

const SECRET: &[u8] = b"the secret of the simulation, long enough";

/// What the wall clock said when the simulation's own clock began.
pub const BEGIN_UNIX_S: u64 = 1_800_000_000;

/// By how much clocks may differ here.
const LEEWAY_S: u32 = 3;

/// The rooms that have rules, as clients ask for them and as their patterns are written.
const RULED: [(&str, &str); 3] = [("", ""), ("news", "n*s"), ("%E4%BD%A0", "你")];

/// What a client shows at the door.
#[derive(Debug, Clone, Default)]
pub struct Ticket {
    pub token: Option<String>,
    is_believed: bool,
    hears: bool,
    speaks: bool,
    /// When it has to go, by the wall clock.
    pub ends: Option<u64>,
}

impl Ticket {
    fn draw(random: &mut Random, now_s: u64) -> Ticket {
        let (hears, speaks) = (!random.one_in(6), !random.one_in(4));
        let exp = match random.between(0, 4) {
            0 => Some(now_s + random.between(1, 40) as u64),
            1 if random.one_in(3) => Some(now_s - 100),
            _ => None,
        };
        let is_forged = random.one_in(8);
        if random.one_in(5) {
            return Ticket::default();
        }
        let all = |yes| if yes { "[\"*\"]" } else { "[\"nowhere\"]" };
        let end = exp.map_or(String::new(), |exp| format!(",\"exp\":{exp}"));
        let claims = format!("{{\"hear\":{},\"speak\":{}{end}}}", all(hears), all(speaks));
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let secret = if is_forged { b"another secret" } else { SECRET };
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        let ends = exp.map(|exp| exp + u64::from(LEEWAY_S));
        Ticket {
            token: Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))),
            is_believed: !is_forged && ends.is_none_or(|ends| now_s < ends),
            hears,
            speaks: speaks && hears,
            ends,
        }
    }
}

/// The rules of one room.
#[derive(Debug, Clone)]
struct Terms {
    room: &'static str,
    pattern: &'static str,
    publish: Option<Publish>,
    hear: Option<Hear>,
    echo: Option<bool>,
    deflate: Option<bool>,
    members_max: Option<u32>,
    message_bytes_max: Option<usize>,
}

/// Which keys there are, and the rules of rooms.
#[derive(Default)]
pub struct Law {
    /// It decides in its own name, so that a world without law is not another one for it.
    random: Option<Random>,
    has_keys: bool,
    /// Where no rule says more.
    pub echo: bool,
    pub deflate: bool,
    terms: Vec<Terms>,
}

impl Law {
    pub fn new(seed: u64) -> Law {
        let mut random = Random::new(!seed);
        if random.one_in(2) {
            return Law::default();
        }
        Law { has_keys: random.one_in(2), random: Some(random), ..Law::default() }
    }

    /// What the next client shows; `now_s` is the wall clock's.
    pub fn draw_ticket(&mut self, now_s: u64) -> Ticket {
        self.random.as_mut().map_or_else(Ticket::default, |random| Ticket::draw(random, now_s))
    }

    /// When somebody has to go, if the law looks at tickets.
    pub fn ends(&self, ticket: &Ticket) -> Option<u64> {
        ticket.ends.filter(|_| self.has_keys)
    }

    pub fn access(&self) -> Access {
        let mut access = Access::default();
        if self.has_keys {
            access.trust.keys = vec![keyfile::secret(SECRET).expect("a secret")];
        }
        access.trust.leeway_s = LEEWAY_S;
        access
    }

    /// Other rules from now on, now and then.
    pub fn turn(&mut self, message_bytes_max: usize) -> Option<Vec<Rule>> {
        let random = self.random.as_mut()?;
        if !random.one_in(40) {
            return None;
        }
        self.terms.clear();
        for (room, pattern) in RULED {
            if random.one_in(3) {
                continue;
            }
            let publish = [Publish::Anyone, Publish::Anyone, Publish::Nobody, Publish::Tokens];
            let least = message_bytes_max / 2;
            let some = |random: &mut Random| random.one_in(3);
            self.terms.push(Terms {
                room,
                pattern,
                publish: some(random)
                    .then(|| *random.pick(&publish[..3 + usize::from(self.has_keys)])),
                hear: some(random).then_some(Hear::Anyone),
                echo: some(random).then(|| random.one_in(2)),
                deflate: some(random).then(|| random.one_in(2)),
                members_max: some(random).then(|| random.between(1, 6) as u32),
                message_bytes_max: some(random)
                    .then(|| random.between(least, message_bytes_max + 1)),
            });
        }
        let rule = |terms: &Terms| {
            let mut rule = Rule::new(terms.pattern);
            (rule.publish, rule.hear, rule.echo) = (terms.publish, terms.hear, terms.echo);
            (rule.members_max, rule.deflate) = (terms.members_max, terms.deflate);
            rule.message_bytes_max = terms.message_bytes_max;
            rule
        };
        Some(self.terms.iter().map(rule).collect())
    }

    fn terms(&self, room: &str) -> Option<&Terms> {
        self.terms.iter().find(|terms| terms.room == room)
    }

    pub fn echoes(&self, room: &str) -> bool {
        self.terms(room).and_then(|terms| terms.echo).unwrap_or(self.echo)
    }

    /// Whether who asks for it when it joins the room hears compressed messages.
    pub fn deflates(&self, room: &str) -> bool {
        self.terms(room).and_then(|terms| terms.deflate).unwrap_or(self.deflate)
    }

    pub fn may_speak(&self, room: &str, ticket: &Ticket) -> bool {
        let else_ = if self.has_keys { Publish::Tokens } else { Publish::Anyone };
        match self.terms(room).and_then(|terms| terms.publish).unwrap_or(else_) {
            Publish::Anyone => true,
            Publish::Tokens => ticket.speaks && ticket.is_believed,
            Publish::Nobody => false,
        }
    }

    /// Whether the room may be joined with this ticket; it may have ended since it was drawn.
    pub fn may_join(&self, room: &str, ticket: &Ticket) -> bool {
        if !self.has_keys {
            return true;
        }
        if ticket.token.is_some() && !ticket.is_believed {
            return false;
        }
        let is_open = self.terms(room).is_some_and(|terms| terms.hear == Some(Hear::Anyone));
        is_open || ticket.hears
    }
}
