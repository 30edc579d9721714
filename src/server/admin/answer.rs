//! What the admin listener answers.

use super::request::Ask;
use crate::protocol::exposition::{self, Family, Value};
use crate::protocol::http::response::{self, JSON, TEXT};
use crate::protocol::http::{Problem, Status, Writer, path};
use crate::relay::{Cause, Command, ConnFacts, ConnId, Rejected, RoomOrder, Time};
use crate::server::Server;
use crate::server::cli;
use crate::server::process::Process;
use crate::server::stream::Stream;
use std::fmt::Write;

/// The fields of all answers: none may be cached.
const FIELDS: &str = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";

const GONE: Problem = Problem::new(Status::NOT_FOUND, "There is no such connection.");

const NO_SUCH_ROOM: Problem = Problem::new(Status::NOT_FOUND, "There is no such room.");
const NO_ROOM: Problem = Problem::new(
    Status::BAD_REQUEST,
    "No room can have this name: it has more than 255 bytes, or begins with _/.",
);

/// An answer, before it is bytes.
#[derive(Debug)]
pub(super) struct Answer {
    status: Status,
    content_type: &'static str,
    body: String,
}

impl Answer {
    fn new(content_type: &'static str, body: String) -> Answer {
        Answer { status: Status::OK, content_type, body }
    }
}

/// The bytes of an answer or of a problem.
pub(super) fn bytes(answer: &Result<Answer, Problem>, head_only: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    match answer {
        Ok(Answer { status, content_type, body }) => Writer::begin(*status, &mut bytes)
            .lines(FIELDS)
            .body(content_type, body.as_bytes(), head_only),
        Err(problem) => response::problem(FIELDS, problem, head_only, &mut bytes),
    }
    bytes
}

/// The status of either.
pub(super) fn status(answer: &Result<Answer, Problem>) -> Status {
    match answer {
        Ok(answer) => answer.status,
        Err(problem) => problem.status,
    }
}

impl Server {
    pub(super) fn reply(
        &mut self,
        ask: Ask,
        process: &mut Process,
        now: Time,
    ) -> Result<Answer, Problem> {
        Ok(match ask {
            Ask::Health => Answer::new(TEXT, "ok\n".to_owned()),
            Ask::Readiness => match self.unready(now) {
                None => Answer::new(TEXT, "ready\n".to_owned()),
                Some(why) => return Err(Problem::new(Status::SERVICE_UNAVAILABLE, why)),
            },
            Ask::Metrics => {
                let families = self.families(process, now);
                Answer::new(exposition::CONTENT_TYPE, exposition::text(&families))
            }
            Ask::Rooms { count, order } => Answer::new(JSON, self.rooms_json(count, order)),
            Ask::Connections { after, count } => {
                Answer::new(JSON, self.connections_json(after, count))
            }
            Ask::Connection(id) => Answer::new(JSON, self.connection_json(id).ok_or(GONE)? + "\n"),
            Ask::Dismiss(id) if self.relay.command(&Command::Disconnect(id), now).is_ok() => {
                Answer {
                    status: Status::ACCEPTED,
                    ..Answer::new(JSON, format!("{{\"id\":{},\"code\":1008}}\n", u64::from(id)))
                }
            }
            Ask::Dismiss(_) => return Err(GONE),
            Ask::Forget(name) => {
                let path = path::encode(&name);
                let forgotten = self.relay.command(&Command::Forget(name), now);
                let members = forgotten.map_err(|rejected| match rejected {
                    Rejected::Gone => NO_SUCH_ROOM,
                    _ => NO_ROOM,
                })?;
                Answer::new(JSON, format!("{{\"room\":\"{path}\",\"members\":{members}}}\n"))
            }
        })
    }

    /// Why new clients should not be sent here, if so.
    fn unready(&self, now: Time) -> Option<&'static str> {
        if self.relay.is_draining() {
            Some("draining")
        } else if self.accept_again.is_some_and(|again| now < again) {
            Some("no descriptor is free")
        } else {
            None
        }
    }

    fn families(&self, process: &mut Process, now: Time) -> Vec<Family> {
        let is_ready = self.unready(now).is_none();
        let mut families = self.relay.families();
        families.push(Family::gauge(
            "fanfare_ready",
            "Whether /readyz answers 200.",
            is_ready.into(),
        ));
        families.push(self.turn_times.family(
            "fanfare_turn_seconds",
            "Time of the loop's turns, from the poller's return to the next sleep.",
        ));
        families.push(
            self.flush_times
                .family("fanfare_fanout_seconds", "Time of the writes, of turns that had any."),
        );
        families.extend(self.file_families());
        families.extend(self.subscribers.families());
        families.push(Family::counter(
            "fanfare_faults_total",
            "Faults of fanfare's own, each of which ended one connection.",
            self.faults,
        ));
        families.extend(cli::log_family());
        let build = Family::gauge("fanfare_build_info", "The version that runs; always 1.", 1);
        families.push(build.by("version", vec![(env!("CARGO_PKG_VERSION"), 1)]));
        families.extend(process.families(self.relay.connections()));
        families
    }

    /// Metrics about files that were read.
    fn file_families(&self) -> [Family; 5] {
        let of = |family: Family, value: Option<u64>| match value {
            Some(value) => Family { value: Value::Whole(value), ..family },
            None => family.by("", Vec::new()), // there is no value
        };
        let gauge = |name, help| Family::gauge(name, help, 0);
        let certificates = self.certificates.condition();
        [
            of(
                gauge(
                    "fanfare_config_last_reload_successful",
                    "Whether the configuration was valid when it was last read.",
                ),
                Some(self.config_is_good.into()),
            ),
            of(
                gauge(
                    "fanfare_config_last_reload_success_timestamp_seconds",
                    "When the configuration was valid when it was last read.",
                ),
                Some(self.config_read_s),
            ),
            of(
                gauge(
                    "fanfare_certificates_last_reload_successful",
                    "Whether all certificates were valid when they were last read.",
                ),
                certificates.map(|condition| condition.is_good.into()),
            ),
            of(
                gauge(
                    "fanfare_certificates_last_reload_success_timestamp_seconds",
                    "When all certificates were valid when they were last read.",
                ),
                certificates.map(|condition| condition.read_s),
            ),
            of(
                gauge(
                    "fanfare_certificate_expiry_timestamp_seconds",
                    "When the first of the certificates expires.",
                ),
                certificates.and_then(|condition| condition.expiry_s),
            ),
        ]
    }

    fn rooms_json(&self, count: usize, order: RoomOrder) -> String {
        let mut json = format!("{{\"count\":{},\"rooms\":[", self.relay.rooms());
        for (number, room) in self.relay.top_rooms(count, order).iter().enumerate() {
            let before = if number == 0 { "\n" } else { ",\n" };
            let (path, members, bytes) = (path::encode(room.name), room.members, room.log_bytes);
            let messages = room.history_messages;
            push(
                &mut json,
                format_args!(
                    "{before}{{\"room\":\"{path}\",\"members\":{members},\
                     \"log_bytes\":{bytes},\"history_messages\":{messages}}}"
                ),
            );
        }
        json.push_str("\n]}\n");
        json
    }

    fn connections_json(&self, after: Option<ConnId>, count: usize) -> String {
        let mut json = format!("{{\"count\":{},\"connections\":[", self.relay.connections());
        let mut ids = self.relay.connections_after(after, count + 1);
        let is_more = ids.len() > count;
        ids.truncate(count);
        for (number, id) in ids.iter().enumerate() {
            json.push_str(if number == 0 { "\n" } else { ",\n" });
            json.push_str(&self.connection_json(*id).unwrap_or_default());
        }
        let last = ids.last().filter(|_| is_more);
        let after = last.map_or("null".to_owned(), |id| u64::from(*id).to_string());
        push(&mut json, format_args!("\n],\"after\":{after}}}\n"));
        json
    }

    fn connection_json(&self, id: ConnId) -> Option<String> {
        let facts = self.relay.connection(id)?;
        let address = self.streams.get(id).and_then(Stream::peer);
        let address = address.or_else(|| self.relay.peer(id).map(|peer| peer.to_string()));
        let address = address.map_or("null".to_owned(), |address| format!("\"{address}\""));
        let client = facts.client.map_or("null".to_owned(), |client| format!("\"{client}\""));
        let room =
            facts.room.map_or("null".to_owned(), |name| format!("\"{}\"", path::encode(name)));
        let user = serde_json::Value::from(facts.user);
        let cause = facts.cause.map(Cause::name);
        let cause = cause.map_or("null".to_owned(), |name| format!("\"{name}\""));
        let ConnFacts { state, waited_s, behind_bytes, private_bytes, partial_bytes, .. } = facts;
        let public_id = facts.public_id;
        let ConnFacts { is_blocked, is_paused, is_pinged, .. } = facts;
        let id = u64::from(id);
        Some(format!(
            "{{\"id\":{id},\"public_id\":\"{public_id}\",\"address\":{address},\
             \"client\":{client},\"room\":{room},\
             \"user\":{user},\"state\":\"{state}\",\
             \"reason\":{cause},\"silent_seconds\":{waited_s},\"behind_bytes\":{behind_bytes},\
             \"private_bytes\":{private_bytes},\"partial_bytes\":{partial_bytes},\
             \"blocked\":{is_blocked},\"paused\":{is_paused},\"pinged\":{is_pinged}}}"
        ))
    }
}

fn push(to: &mut String, text: std::fmt::Arguments<'_>) {
    to.write_fmt(text).expect("writing to memory");
}
