//! The streams of all connections, and their readiness.

use super::layer::Layer;
use super::stream::Stream;
use crate::relay::ConnId;
use std::collections::TryReserveError;

/// A connection's stream and its readiness.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) stream: Stream,
    generation: u32,
    /// It stands in the list of those to be read.
    pub(super) is_listed: bool,
    /// The relay has paused reading it.
    pub(super) is_paused: bool,
    /// The peer wrote its last byte: after a short read the end is still to be read.
    pub(super) has_ended: bool,
    /// It has a layer.
    pub(super) is_layered: bool,
}

// With the relay's 64 bytes and 4 in the room's list this keeps the budget of 100. Debug builds of
// the poller's library have another field in each socket; tests have streams of their own.
#[cfg(not(any(debug_assertions, test)))]
const _: () = assert!(size_of::<Option<Entry>>() <= 16);

/// All streams, beside the relay's connections and under the same indexes.
#[derive(Debug, Default)]
pub(super) struct Streams {
    entries: Vec<Option<Entry>>,
    /// Under the same indexes, up to the last one that has a layer.
    layers: Vec<Option<Box<Layer>>>,
}

impl Streams {
    /// Adds a stream; without memory it is dropped.
    pub(super) fn insert(
        &mut self,
        id: ConnId,
        stream: Stream,
        layer: Option<Box<Layer>>,
    ) -> Result<(), TryReserveError> {
        let index = id.index as usize;
        make_place(&mut self.entries, index)?;
        if layer.is_some() {
            make_place(&mut self.layers, index)?;
        }
        let generation = id.generation;
        let entry = Entry {
            stream,
            generation,
            is_listed: false,
            is_paused: false,
            has_ended: false,
            is_layered: layer.is_some(),
        };
        self.entries[index] = Some(entry);
        if layer.is_some() {
            self.layers[index] = layer;
        }
        Ok(())
    }

    /// The entry and its layer, if it has one.
    pub(super) fn layered(&mut self, id: ConnId) -> Option<(&mut Entry, &mut Layer)> {
        let entry = self.entries.get_mut(id.index as usize)?.as_mut()?;
        if entry.generation != id.generation || !entry.is_layered {
            return None;
        }
        let layer = self.layers.get_mut(id.index as usize)?.as_mut()?;
        Some((entry, layer))
    }

    /// Removes the layer.
    pub(super) fn drop_layer(&mut self, id: ConnId) {
        if let Some(entry) = self.entry(id) {
            entry.is_layered = false;
            self.layers[id.index as usize] = None;
        }
    }

    /// The stream, if the connection is still there.
    pub(super) fn get(&self, id: ConnId) -> Option<&Stream> {
        let entry = self.entries.get(id.index as usize)?.as_ref()?;
        (entry.generation == id.generation).then_some(&entry.stream)
    }

    /// The entry, if the connection is still there.
    pub(super) fn entry(&mut self, id: ConnId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.index as usize)?.as_mut()?;
        (entry.generation == id.generation).then_some(entry)
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Stream> {
        if self.entry(id)?.is_layered {
            self.layers[id.index as usize] = None;
        }
        self.entries[id.index as usize].take().map(|entry| entry.stream)
    }
}

/// Extends a list up to this place.
fn make_place<T>(list: &mut Vec<Option<T>>, index: usize) -> Result<(), TryReserveError> {
    if index >= list.len() {
        list.try_reserve(index + 1 - list.len())?;
        list.resize_with(index + 1, || None);
    }
    Ok(())
}
