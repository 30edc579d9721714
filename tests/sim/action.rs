//! What can happen in a world, one thing at a time; and how a story writes it down.

use crate::law::{ROOMS, Terms, Token};
use crate::publisher::Post;
use crate::words::{Words, line, mark, pair};

/// The origin of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Socket,
    Address(u8),
    /// A proxy names this address as its client.
    Proxy(u8),
}

/// A socket that takes everything.
const WIDE: usize = 1 << 40;

/// A new client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub room: usize,
    pub from: From,
    /// Which of the offers of compression it makes.
    pub offer: usize,
    pub token: Option<Token>,
    /// How many bytes its socket takes at first.
    pub window: usize,
    /// It asks for this number of the newest messages.
    pub last: Option<usize>,
    /// It asks for an event stream.
    pub is_stream: bool,
    /// It offers `fanfare.v1`.
    pub has_v1: bool,
    /// Then it goes on behind the last message of this client.
    pub behind: Option<usize>,
    /// It does not answer pings and close frames.
    pub is_rude: bool,
    /// As the server does it: its request is read, and answered, at once.
    pub is_greeted: bool,
}

/// A message that a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub bytes: usize,
    pub fragments: usize,
    pub is_binary: bool,
    /// A ping follows each fragment but the last.
    pub has_pings: bool,
    /// It is compressed with this level, if that was agreed on.
    pub level: Option<u32>,
    /// How it is tagged, if the client speaks `fanfare.v1`.
    pub tag: usize,
}

/// One thing that happens. Clients are known by the order in which they came; an action
/// of one that is not there does not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Connect(Arrival),
    Send(usize, Content),
    /// A ping with so many bytes.
    Ping(usize, usize),
    /// The heartbeat's word.
    Word(usize),
    /// It breaks one of the rules.
    Break(usize, usize),
    /// It breaks one of the rules of compression.
    BreakPacked(usize, usize),
    Close(usize, u16),
    Garbage(usize),
    /// So many bytes that the client sent arrive; `None`: of each client.
    Deliver(Option<usize>, usize),
    /// Its socket takes so many bytes more.
    Read(Option<usize>, usize),
    /// A publisher by HTTP comes.
    Publisher,
    /// It sends a message.
    Post(usize, Post),
    /// So many bytes of it arrive.
    PostArrives(usize, usize),
    Turn,
    /// So many milliseconds pass, with all turns that the relay asks for.
    Pass(u64),
    /// They pass between two turns.
    Stall(u64),
    /// Its stream ends.
    End(usize),
    /// Its stream breaks.
    Reset(usize),
    /// The operator closes it.
    Dismiss(usize),
    /// A program makes it a member of one more room.
    Join(usize, usize),
    /// A program takes it out of a room.
    Leave(usize, usize),
    /// The operator lets a room forget what it keeps.
    Forget(usize),
    Drain,
    /// Whether later members receive JSON.
    Json(bool),
    /// The operator sets the rule of a room.
    Rule(usize, Terms),
}

impl Action {
    /// The one client that it is about.
    pub fn by(&self) -> Option<usize> {
        match *self {
            Action::Send(by, _) | Action::Ping(by, _) | Action::Word(by) | Action::Close(by, _) => {
                Some(by)
            }
            Action::Break(by, _) | Action::BreakPacked(by, _) | Action::Garbage(by) => Some(by),
            Action::End(by) | Action::Reset(by) | Action::Dismiss(by) => Some(by),
            Action::Join(by, _) | Action::Leave(by, _) => Some(by),
            Action::Deliver(who, _) | Action::Read(who, _) => who,
            Action::Publisher | Action::Post(..) | Action::PostArrives(..) => None,
            Action::Connect(_) | Action::Turn | Action::Pass(_) | Action::Stall(_) => None,
            Action::Drain | Action::Json(_) | Action::Rule(..) | Action::Forget(_) => None,
        }
    }

    /// The same with one thing more as usual, for each that is not.
    pub fn plainer(&self) -> Vec<Action> {
        let mut plainer = match self {
            Action::Connect(arrival) => {
                let all = arrival.plainer().into_iter();
                all.map(Action::Connect).collect()
            }
            Action::Send(by, content) => {
                let all = content.plainer().into_iter();
                all.map(|content| Action::Send(*by, content)).collect()
            }
            Action::Deliver(Some(_), bytes) => vec![Action::Deliver(None, *bytes)],
            Action::Read(Some(_), bytes) => vec![Action::Read(None, *bytes)],
            _ => Vec::new(),
        };
        plainer.retain(|one| one != self);
        plainer
    }

    /// As a line of a story.
    pub fn text(&self) -> String {
        match self {
            Action::Connect(arrival) => arrival.text(),
            Action::Send(by, content) => content.text(*by),
            Action::Ping(by, bytes) => format!("ping {by} {bytes}"),
            Action::Word(by) => format!("word {by}"),
            Action::Break(by, which) => format!("break {by} {which}"),
            Action::BreakPacked(by, which) => format!("break-packed {by} {which}"),
            Action::Close(by, code) => format!("close {by} {code}"),
            Action::Garbage(by) => format!("garbage {by}"),
            Action::Deliver(who, bytes) => format!("deliver {} {bytes}", everyone(*who)),
            Action::Read(who, bytes) => format!("read {} {bytes}", everyone(*who)),
            Action::Publisher => "publisher".to_owned(),
            Action::Post(by, post) => line(
                format!("post {by} /{} {}", ROOMS[post.room].0, post.bytes),
                [
                    pair("except", post.except),
                    mark("binary", post.is_binary),
                    mark("chunked", post.is_chunked),
                ],
            ),
            Action::PostArrives(by, bytes) => format!("post-arrives {by} {bytes}"),
            Action::Turn => "turn".to_owned(),
            Action::Pass(millis) => format!("pass {millis}"),
            Action::Stall(millis) => format!("stall {millis}"),
            Action::End(who) => format!("end {who}"),
            Action::Reset(who) => format!("reset {who}"),
            Action::Dismiss(who) => format!("dismiss {who}"),
            Action::Join(by, room) => format!("join {by} /{}", ROOMS[*room].0),
            Action::Leave(by, room) => format!("leave {by} /{}", ROOMS[*room].0),
            Action::Forget(room) => format!("forget /{}", ROOMS[*room].0),
            Action::Drain => "drain".to_owned(),
            Action::Json(is_on) => format!("json {is_on}"),
            Action::Rule(room, terms) => terms.text(format!("rule /{}", ROOMS[*room].0)),
        }
    }

    /// Reads a line, of which the first word is `verb`.
    pub fn read(verb: &str, mut words: Words<'_>) -> Action {
        let action = match verb {
            "connect" => return Action::Connect(Arrival::read(words)),
            "send" => return Content::read(words),
            "rule" => return Action::Rule(room(words.next()), Terms::read(words)),
            "ping" => Action::Ping(words.value(), words.value()),
            "word" => Action::Word(words.value()),
            "break" => Action::Break(words.value(), words.value()),
            "break-packed" => Action::BreakPacked(words.value(), words.value()),
            "close" => Action::Close(words.value(), words.value()),
            "garbage" => Action::Garbage(words.value()),
            "deliver" => Action::Deliver(who(&mut words), words.value()),
            "read" => Action::Read(who(&mut words), words.value()),
            "publisher" => Action::Publisher,
            "post" => {
                let by = words.value();
                let (room, bytes) = (room(words.next()), words.value());
                let except = words.key("except");
                let (is_binary, is_chunked) = (words.mark("binary"), words.mark("chunked"));
                Action::Post(by, Post { room, bytes, is_binary, is_chunked, except })
            }
            "post-arrives" => Action::PostArrives(words.value(), words.value()),
            "turn" => Action::Turn,
            "pass" => Action::Pass(words.value()),
            "stall" => Action::Stall(words.value()),
            "end" => Action::End(words.value()),
            "reset" => Action::Reset(words.value()),
            "dismiss" => Action::Dismiss(words.value()),
            "join" => Action::Join(words.value(), room(words.next())),
            "leave" => Action::Leave(words.value(), room(words.next())),
            "forget" => Action::Forget(room(words.next())),
            "drain" => Action::Drain,
            "json" => Action::Json(words.value()),
            _ => panic!("nothing is called {verb}"),
        };
        words.end();
        action
    }
}

fn everyone(who: Option<usize>) -> String {
    who.map_or("all".to_owned(), |who| who.to_string())
}

fn who(words: &mut Words<'_>) -> Option<usize> {
    let all = words.mark("all");
    (!all).then(|| words.value())
}

fn room(word: &str) -> usize {
    let is_it = |(path, _): &(&str, &str)| word.strip_prefix('/') == Some(path);
    ROOMS.iter().position(is_it).unwrap_or_else(|| panic!("there is no room {word}"))
}

impl Arrival {
    /// Whether it speaks `fanfare.v1`.
    pub fn is_v1(&self) -> bool {
        self.has_v1 && !self.is_stream
    }

    fn plainer(&self) -> [Arrival; 11] {
        let like = || self.clone();
        [
            Arrival { room: 0, ..like() },
            Arrival { from: From::Socket, ..like() },
            Arrival { offer: 0, ..like() },
            Arrival { token: None, ..like() },
            Arrival { last: None, ..like() },
            Arrival { is_stream: false, ..like() },
            Arrival { has_v1: false, ..like() },
            Arrival { behind: None, ..like() },
            Arrival { window: WIDE, ..like() },
            Arrival { is_rude: false, ..like() },
            Arrival { is_greeted: true, ..like() },
        ]
    }

    fn text(&self) -> String {
        let from = match self.from {
            From::Socket => None,
            From::Address(last) => Some(format!("address{last}")),
            From::Proxy(last) => Some(format!("proxy{last}")),
        };
        line(
            format!("connect /{}", ROOMS[self.room].0),
            [
                pair("window", (self.window < WIDE).then_some(self.window)),
                pair("from", from),
                pair("offer", (self.offer > 0).then_some(self.offer)),
                pair("token", self.token.as_ref().map(Token::text)),
                pair("last", self.last),
                pair("behind", self.behind),
                mark("stream", self.is_stream),
                mark("v1", self.has_v1),
                mark("rude", self.is_rude),
                mark("greeted", self.is_greeted),
            ],
        )
    }

    fn read(mut words: Words<'_>) -> Arrival {
        let room = room(words.next());
        let from: Option<String> = words.key("from");
        let last = |text: &str| text.parse().expect("the last number of an address");
        let from = from.map_or(From::Socket, |from| {
            match (from.strip_prefix("address"), from.strip_prefix("proxy")) {
                (Some(text), _) => From::Address(last(text)),
                (None, Some(text)) => From::Proxy(last(text)),
                (None, None) => panic!("nobody comes from {from}"),
            }
        });
        let token: Option<String> = words.key("token");
        let arrival = Arrival {
            room,
            from,
            offer: words.key("offer").unwrap_or_default(),
            token: token.as_deref().map(Token::read),
            window: words.key("window").unwrap_or(WIDE),
            last: words.key("last"),
            behind: words.key("behind"),
            is_stream: words.mark("stream"),
            has_v1: words.mark("v1"),
            is_rude: words.mark("rude"),
            is_greeted: words.mark("greeted"),
        };
        words.end();
        arrival
    }
}

impl Content {
    fn plainer(&self) -> [Content; 6] {
        let like = || self.clone();
        [
            Content { bytes: self.bytes.min(30), ..like() },
            Content { fragments: 1, ..like() },
            Content { is_binary: false, ..like() },
            Content { has_pings: false, ..like() },
            Content { level: None, ..like() },
            Content { tag: 0, ..like() },
        ]
    }

    fn text(&self, by: usize) -> String {
        line(
            format!("send {by} {}", self.bytes),
            [
                pair("fragments", (self.fragments > 1).then_some(self.fragments)),
                pair("level", self.level),
                pair("tag", (self.tag > 0).then_some(self.tag)),
                mark("binary", self.is_binary),
                mark("pings", self.has_pings),
            ],
        )
    }

    fn read(mut words: Words<'_>) -> Action {
        let by = words.value();
        let content = Content {
            bytes: words.value(),
            fragments: words.key("fragments").unwrap_or(1),
            level: words.key("level"),
            tag: words.key("tag").unwrap_or_default(),
            is_binary: words.mark("binary"),
            has_pings: words.mark("pings"),
        };
        words.end();
        Action::Send(by, content)
    }
}
