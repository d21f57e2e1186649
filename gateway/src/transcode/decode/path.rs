//! Where in a message a value stands.

use std::fmt;

use super::super::scalar::{quoted, shortened};

/// Fields, list places and map keys from the request message inwards; printed as `task.labels["a"].tags[2]`.
#[derive(Debug, Default)]
pub(super) struct Path<'p>(Vec<Segment<'p>>);

#[derive(Debug)]
enum Segment<'p> {
    Field(&'p str),
    /// A name that the contract does not have, as the client wrote it.
    Unknown(String),
    Place(usize),
    Key(String),
}

impl<'p> Path<'p> {
    #[inline]
    pub(super) fn push_field(&mut self, name: &'p str) {
        self.0.push(Segment::Field(name));
    }

    pub(super) fn push_unknown(&mut self, name: &str) {
        self.0.push(Segment::Unknown(shortened(name).into_owned()));
    }

    #[inline]
    pub(super) fn push_place(&mut self, place: usize) {
        self.0.push(Segment::Place(place));
    }

    pub(super) fn push_key(&mut self, key: String) {
        self.0.push(Segment::Key(key));
    }

    #[inline]
    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.0.iter().enumerate() {
            let dot = if depth == 0 { "" } else { "." };
            match segment {
                Segment::Field(name) => write!(f, "{dot}{name}")?,
                Segment::Unknown(name) => write!(f, "{dot}{name}")?,
                Segment::Place(place) => write!(f, "[{place}]")?,
                Segment::Key(key) => write!(f, "[{}]", quoted(key))?,
            }
        }
        Ok(())
    }
}
