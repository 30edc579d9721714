//! A parser's state between reads: a partial frame or message.

use super::frame::{self, CLIENT_HEADER_BYTES_MAX, Header, Opcode};
use super::message::Message;
use super::{Accepts, Event, Kind, Violation, mask};

/// The state when the bytes end inside of a frame or between fragments.
#[derive(Debug, Default)]
pub(super) struct Partial {
    header: [u8; CLIENT_HEADER_BYTES_MAX],
    header_bytes: usize,
    /// The frame whose payload is arriving, and how much of it has arrived.
    frame: Option<(Header, u64)>,
    message: Option<Message>,
    control: Vec<u8>,
    /// The message or the control frame was given, and can be freed.
    handed_out: Option<HandedOut>,
    /// When it began, by its owner's clock; 0 until it is noted.
    pub(super) since: u32,
}

#[derive(Debug, Clone, Copy)]
enum HandedOut {
    Message,
    Control,
}

impl Partial {
    pub(super) fn next(
        &mut self,
        bytes: &mut [u8],
        at: &mut usize,
        accepts: Accepts,
    ) -> Result<Option<Event<'_>>, Violation> {
        let (header, taken) = match self.frame {
            Some(frame) => frame,
            None => match self.header(&bytes[*at..], at, accepts)? {
                Some(header) => {
                    self.begin(&header, accepts)?;
                    (header, 0)
                }
                None => return Ok(None),
            },
        };
        let rest = header.payload_bytes - taken;
        let here = usize::try_from(rest).unwrap_or(usize::MAX).min(bytes.len() - *at);
        let piece = &mut bytes[*at..*at + here];
        *at += here;
        if header.opcode.is_control() {
            mask::unmask(piece, header.key, taken);
            self.control.extend_from_slice(piece);
        } else if let Some(message) = &mut self.message {
            message.push(piece, header.key, taken)?;
        }
        if (here as u64) < rest {
            self.frame = Some((header, taken + here as u64));
            return Ok(None);
        }
        self.frame = None;
        if header.opcode.is_control() {
            self.handed_out = Some(HandedOut::Control);
            return Event::of_control(header.opcode, &self.control).map(Some);
        }
        if header.fin {
            self.handed_out = Some(HandedOut::Message);
            let message = self.message.as_ref().expect("begun with its first frame");
            message.finish()?;
            return Ok(Some(match message.is_compressed {
                true => Event::Compressed(message.kind, message.bytes()),
                false => Event::Message(message.kind, message.bytes()),
            }));
        }
        Ok(Some(Event::Fragment))
    }

    /// Completes the header from `bytes`; `None` when more are needed.
    fn header(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        accepts: Accepts,
    ) -> Result<Option<Header>, Violation> {
        let had = self.header_bytes;
        let take = bytes.len().min(CLIENT_HEADER_BYTES_MAX - had);
        self.header[had..had + take].copy_from_slice(&bytes[..take]);
        let header = frame::decode(&self.header[..had + take], accepts.compressed)?;
        match header {
            Some(header) => {
                self.header_bytes = 0;
                *at += header.header_bytes - had;
            }
            None => {
                self.header_bytes = had + take;
                *at += take;
            }
        }
        Ok(header)
    }

    /// Judges a header by what came before it (section 5.4) and by the size limit.
    fn begin(&mut self, header: &Header, accepts: Accepts) -> Result<(), Violation> {
        let kind = match (header.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(Violation::NothingToContinue),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::MessageInterrupted),
            (Opcode::Text, None) => Some(Kind::Text),
            (Opcode::Binary, None) => Some(Kind::Binary),
            _ => None,
        };
        if !header.opcode.is_control() {
            let begun = self.message.as_ref();
            let had = begun.map_or(0, |message| message.bytes().len()) as u64;
            let is_compressed = begun.map_or(header.is_compressed, |begun| begun.is_compressed);
            if had + header.payload_bytes > accepts.payload_bytes_max(is_compressed) as u64 {
                return Err(Violation::MessageTooLong);
            }
        }
        if let Some(kind) = kind {
            self.message = Some(Message::new(kind, header.is_compressed));
        }
        Ok(())
    }

    pub(super) fn clear_handed_out(&mut self) {
        match self.handed_out.take() {
            Some(HandedOut::Message) => self.message = None,
            Some(HandedOut::Control) => self.control.clear(),
            None => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.header_bytes == 0 && self.frame.is_none() && self.message.is_none()
    }

    pub(super) fn held_bytes(&self) -> usize {
        let message = self.message.as_ref().map_or(0, Message::held_bytes);
        size_of::<Partial>() + self.control.capacity() + message
    }
}
