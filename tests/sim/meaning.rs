//! What the relay was given means something: the model is told of it when the relay has heard it.

use crate::client::Meaning;
use crate::world::World;

impl World {
    /// Tells the model what the delivered bytes meant; the relay took `published` messages of them.
    pub fn understand(&mut self, number: usize, mut published: usize, was_upgraded: bool) {
        let unheard = self.peers[number].id.and_then(|id| self.relay.backlog_bytes(id));
        let heard = self.peers[number].client.delivered - unheard.unwrap_or_default() as u64;
        while let Some((end, meaning)) = self.peers[number].client.meanings.front() {
            let is_message = matches!(meaning, Meaning::Message(_, payload) if payload != b"ping");
            if *end > heard || (is_message && published == 0 && unheard.is_some()) {
                break; // the message waits until its speaker has heard what it is owed
            }
            let meaning = self.peers[number].client.meanings.pop_front().expect("there is one").1;
            let shadow = &self.model.shadows[number];
            let is_member = shadow.room.is_some() && !shadow.is_mute;
            let may_speak = self.model.may_speak(number);
            match meaning {
                // A refused client (too many rooms) never becomes a member.
                Meaning::Join(room) if was_upgraded => {
                    let ticket = &self.model.shadows[number].ticket;
                    assert!(self.model.law.may_join(&room, ticket), "{room}: {ticket:?}");
                    self.model.join(number, &room, self.limits.encoding);
                }
                Meaning::Join(_) => {}
                Meaning::Message(true, payload) if payload == b"ping" => {}
                Meaning::Message(false, _) if self.model.shadows[number].is_json => {
                    self.mute(number, 1003);
                }
                // If it was told so already, `published` says that it was not heard.
                Meaning::Message(..) if is_member && !may_speak => self.mute(number, 4403),
                Meaning::Message(kind, payload) if is_member && published > 0 => {
                    published -= 1;
                    self.model.publish(number, &(kind, payload));
                }
                // The relay has failed or closed it and hears nothing more; its bytes will tell.
                Meaning::Message(..) => self.model.shadows[number].is_mute = true,
                Meaning::Ping(payload) if is_member => {
                    self.model.shadows[number].pings.push(payload);
                }
                // It failed with this among what waited: that is not heard any more.
                Meaning::Close(_) if self.is_failing(number) => {
                    self.model.shadows[number].is_mute = true;
                }
                Meaning::Close(code) if is_member => {
                    self.model.shadows[number].close_codes.push(code);
                    self.model.leave(number);
                }
                Meaning::Close(_) => {}
                Meaning::Bad(code) => self.mute(number, code),
                Meaning::Garbage => self.mute(number, 1002), // its first bit is reserved
                Meaning::Ping(_) | Meaning::Pong => {}
            }
        }
        assert_eq!(published, 0, "the relay published what nobody said");
    }

    fn is_failing(&self, number: usize) -> bool {
        let facts = self.peers[number].id.and_then(|id| self.relay.connection(id));
        facts.is_some_and(|facts| facts.state == "failing")
    }

    pub fn mute(&mut self, number: usize, code: u16) {
        let shadow = &mut self.model.shadows[number];
        if shadow.room.is_some() && !shadow.is_mute {
            shadow.close_codes.push(code);
            shadow.is_mute = true;
        }
    }
}
