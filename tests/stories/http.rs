//! Plain HTTP: a request in, the whole answer out.

use crate::client::dial;
use crate::relay::Relay;
use std::io::{Read, Write};
use std::net::Shutdown;

/// An answer, read to the end of the connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads an answer until the relay ends the connection, and checks its form.
    pub(crate) fn read(mut stream: impl Read) -> Answer {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer and an end in order");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of the header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The length that it announces.
    pub(crate) fn length(&self) -> usize {
        self.header("content-length").and_then(|text| text.parse().ok()).expect("a length")
    }
}

impl Relay {
    /// Sends `request` and reads the answer.
    pub(crate) fn ask(&self, request: &[u8]) -> Answer {
        let mut stream = dial(self.address());
        stream.write_all(request).expect("the relay reads");
        let answer = Answer::read(stream);
        assert!(answer.header("connection").is_some_and(|value| value.contains("close")));
        answer
    }

    /// The same, but our side ends right after the request.
    pub(crate) fn ask_and_shut(&self, request: &[u8]) -> Answer {
        let mut stream = dial(self.address());
        stream.write_all(request).expect("the relay reads");
        stream.shutdown(Shutdown::Write).expect("still connected");
        Answer::read(stream)
    }
}
