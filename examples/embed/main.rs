//! A program with a relay inside: it keeps a number that all members of a room move.
//!
//! Members of the room `counter` send `+` or `-`; the program subscribes to that room, keeps the
//! number and publishes it. Lines that are typed are published too, and the end of the input lets
//! the relay go down.

use fanfare::{Capacity, CommandError, Handle, Message, Outcome, Server, Subscription};
use std::error::Error;
use std::io::BufRead;
use std::thread;

const ROOM: &str = "counter";

fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2046".to_owned());
    let server = Server::builder().listen(&place).build()?;
    println!("open http://{}/{ROOM} and say + or -", server.doors()[0].place);
    println!("what you type here is said to all; Ctrl+D ends it");
    let outcome = serve(server, std::io::stdin().lock())?;
    println!("{outcome:?}");
    Ok(())
}

/// Runs the server until there is no more input.
fn serve(server: Server, input: impl BufRead) -> Result<Outcome, Box<dyn Error>> {
    let relay = server.handle();
    let room = relay.subscribe(ROOM, Capacity::default())?;
    let running = thread::spawn(move || server.run());
    let counting = thread::spawn({
        let relay = relay.clone();
        move || count(&room, &relay)
    });
    for line in input.lines() {
        relay.publish(ROOM, line?)?;
    }
    relay.drain()?;
    let outcome = running.join().expect("the server does not panic")?;
    counting.join().expect("the counter does not panic");
    Ok(outcome)
}

/// Keeps the number until the server ends.
fn count(room: &Subscription, relay: &Handle) {
    let mut number: i64 = 0;
    for delivery in room.iter() {
        let step = match &*delivery.message {
            _ if delivery.from.is_none() => continue, // this program said it
            Message::Text(text) if **text == *"+" => 1,
            Message::Text(text) if **text == *"-" => -1,
            _ => continue,
        };
        number = number.saturating_add(step);
        // A number for which there is no room is followed by a newer one.
        if let Err(CommandError::Ended) = relay.publish(ROOM, number.to_string()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare::Limits;
    use std::io::{BufReader, Write};
    use std::net::TcpStream;
    use tungstenite::WebSocket;
    use tungstenite::stream::MaybeTlsStream;

    type Client = WebSocket<MaybeTlsStream<TcpStream>>;

    fn hear(client: &mut Client) -> String {
        client.read().expect("a message").to_string()
    }

    #[test]
    fn members_move_the_number_and_all_of_them_hear_it() {
        let limits = Limits { connections_max: 10, drain_ms: 0, ..Limits::default() };
        let server = Server::builder().listen("127.0.0.1:0").limits(limits).build();
        let server = server.expect("a server");
        let url = format!("ws://{}/{ROOM}", server.doors()[0].place);
        let (input, mut typed) = std::io::pipe().expect("a pipe");
        let running = thread::spawn(move || {
            serve(server, BufReader::new(input)).map_err(|error| error.to_string())
        });
        let join = || tungstenite::connect(&url).expect("an upgrade").0;
        let [mut ann, mut bob] = [join(), join()];
        ann.send("+".into()).expect("it reads");
        assert_eq!(hear(&mut bob), "+");
        for member in [&mut ann, &mut bob] {
            assert_eq!(hear(member), "1");
        }
        ann.send("something else".into()).expect("it reads");
        ann.send("-".into()).expect("it reads");
        for word in ["something else", "-", "0"] {
            assert_eq!(hear(&mut bob), word);
        }
        assert_eq!(hear(&mut ann), "0");
        writeln!(typed, "that was all").expect("it reads");
        drop(typed);
        for member in [&mut ann, &mut bob] {
            assert_eq!(hear(member), "that was all");
            while member.read().is_ok() {}
        }
        assert_eq!(running.join().expect("no panic"), Ok(Outcome::Drained));
    }
}
