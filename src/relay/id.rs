//! Which connection is meant.

/// A connection, and which use of its slot: a late event never meets a newer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// The slot.
    pub index: u32,
    /// The use of the slot, never 0; it wraps after four thousand million connections.
    pub generation: u32,
}

impl From<ConnId> for u64 {
    fn from(id: ConnId) -> u64 {
        u64::from(id.generation) << 32 | u64::from(id.index)
    }
}

impl From<u64> for ConnId {
    fn from(number: u64) -> ConnId {
        ConnId { index: number as u32, generation: (number >> 32) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let id = ConnId { index: 7, generation: u32::MAX };
        assert_eq!(ConnId::from(u64::from(id)), id);
    }
}
