//! Bytes as what happens to a server whose clients speak TLS, some behind a proxy: records are cut,
//! merged, changed and forged; at any moment there is something to write, or an end. The server is
//! the real one over pairs of sockets, the clients are the TLS library's. The relay's invariants
//! hold after every turn; a client whose records nobody touched never meets an error; in the end a
//! newcomer is served, and nothing is left.
#![no_main]

mod certain;
#[path = "../../tests/stories/forger.rs"]
mod forger;
mod peer;

use arbitrary::Arbitrary;
use fanfare::relay::Limits;
use fanfare::server::Pretend;
use libfuzzer_sys::fuzz_target;
use peer::{Beginning, Deed, Peer, Setting, frame};
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;

#[derive(Debug, Arbitrary)]
enum Action<'a> {
    /// One of the clients does something.
    By {
        peer: bool,
        deed: Deed<'a>,
    },
    Turn,
    /// A member without TLS says something to all.
    Speak {
        length: u16,
    },
    /// It takes what it is to hear, or it will be slow.
    Listen,
    Pass {
        millis: u16,
    },
    Dismiss {
        number: u8,
    },
    Drain,
}

#[derive(Debug, Arbitrary)]
struct Story<'a> {
    beginnings: [Beginning; 2],
    actions: Vec<Action<'a>>,
}

struct World {
    server: Pretend,
    peers: [Peer; 2],
    /// A member without TLS.
    member: UnixStream,
    is_draining: bool,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    // A write to a stream that is closed is an error, and not the end of the process.
    let flag = std::sync::Arc::default();
    signal_hook::flag::register(signal_hook::consts::SIGPIPE, flag).expect("a signal");
    Setting::new()
});

fuzz_target!(|story: Story<'_>| {
    let setting = &*SETTING;
    certain::begin();
    let mut server = Pretend::new(Limits {
        connections_max: 8,
        rooms_max: 2,
        message_bytes_max: 40_000,
        room_log_bytes_max: 192 * 1024,
        log_quota_bytes: 256 * 1024,
        connection_quota_bytes: 256 * 1024,
        ..Limits::default()
    });
    let member = peer::arrive(&mut server);
    let peers = story.beginnings.map(|beginning| Peer::new(beginning, setting, &mut server));
    let mut world = World { server, peers, member, is_draining: false };
    for action in story.actions {
        world.act(action);
    }
    world.end();
});

impl World {
    fn act(&mut self, action: Action<'_>) {
        match action {
            Action::By { peer, deed } => self.peers[usize::from(peer)].act(deed, &mut self.server),
            Action::Turn => self.server.turn(),
            Action::Speak { length } => {
                peer::write(&mut self.member, &frame(usize::from(length)));
            }
            Action::Listen => drop(peer::read(&mut self.member)),
            Action::Pass { millis } => self.server.pass(u64::from(millis)),
            Action::Dismiss { number } => self.server.dismiss(usize::from(number % 4)),
            Action::Drain => {
                self.server.drain();
                self.is_draining = true;
            }
        }
    }

    fn end(mut self) {
        self.server.turn();
        if !self.is_draining {
            let mut newcomer = peer::arrive(&mut self.server);
            let answer = peer::read(&mut newcomer).0;
            assert!(answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
        }
        drop((self.peers, self.member));
        for _ in 0..100 {
            self.server.turn();
            if self.server.connections() == 0 {
                assert_eq!(self.server.held_bytes(), 0);
                return;
            }
            self.server.pass(1000);
        }
        panic!("{} connections are left", self.server.connections());
    }
}
