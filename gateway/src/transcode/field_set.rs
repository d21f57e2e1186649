//! A small set of field places.

/// Which of a message's fields, or oneofs, were seen. The first 64 cost no allocation.
#[derive(Debug, Default)]
pub(super) struct FieldSet {
    first: u64,
    rest: Vec<u64>,
}

impl FieldSet {
    /// Adds a place; `false` if it was there.
    #[inline]
    pub(super) fn insert(&mut self, place: usize) -> bool {
        let word = if place < 64 { &mut self.first } else { self.word(place / 64 - 1) };
        let bit = 1 << (place % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn word(&mut self, index: usize) -> &mut u64 {
        if index >= self.rest.len() {
            self.rest.resize(index + 1, 0);
        }
        &mut self.rest[index]
    }
}

#[cfg(test)]
mod tests {
    use super::FieldSet;

    #[test]
    fn a_place_is_new_once() {
        let mut set = FieldSet::default();
        for place in [0, 63, 64, 127, 128, 500] {
            assert!(set.insert(place), "{place}");
            assert!(!set.insert(place), "{place}");
        }
        assert!(set.insert(1));
    }
}
