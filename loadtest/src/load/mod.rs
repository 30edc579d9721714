//! Load: rooms full of members on one loop or several, what they publish, and the check of every
//! delivery.
//!
//! A `Plan` describes one room. `Rooms` connects the members of all rooms and divides them among
//! loops; a `Worker` is one loop in a thread of its own. All loops share a room's `Flight`:
//! the messages in flight. `Deliveries` are those to one loop's members of a room, and `Recipients`
//! finds the right ones for whatever arrives at a loop.

mod corpus;
mod deliveries;
mod flight;
mod pace;
mod payload;
mod plan;
mod ramp;
mod recipients;
mod rooms;
mod visitor;
mod visitors;
mod work;
mod worker;

pub(crate) use corpus::Corpus;
pub(crate) use deliveries::{Deliveries, Received};
pub(crate) use flight::Flight;
pub(crate) use pace::Pace;
pub(crate) use payload::STAMP_BYTES;
pub(crate) use plan::Plan;
pub(crate) use ramp::{Ramp, close_all, connect, connect_hearing};
pub(crate) use recipients::Role;
pub(crate) use visitor::Stay;
pub(crate) use visitors::{Flow, Visitors};
pub(crate) use work::Work;
pub(crate) use worker::{Background, Until, Worker};
