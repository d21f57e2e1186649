//! Where in a request a value stands.

use std::fmt;

/// A field, a list's place or a map's key, and what it is in; kept on the stack, as it is read only when something is
/// wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Segment<'a> {
    Field(&'a str),
    Place(usize),
    Key(Key<'a>),
}

/// A map's key as text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key<'a> {
    Text(&'a [u8]),
    Number(u64),
}

impl<'a> Path<'a> {
    /// A field of the message at `parent`, or of the request itself.
    pub(super) fn field(parent: Option<&'a Path<'a>>, name: &'a str) -> Self {
        Self { parent, segment: Segment::Field(name) }
    }

    /// An item of the list at this path.
    pub(super) fn place(&'a self, place: usize) -> Self {
        Self { parent: Some(self), segment: Segment::Place(place) }
    }

    /// An entry of the map at this path.
    pub(super) fn key(&'a self, key: Key<'a>) -> Self {
        Self { parent: Some(self), segment: Segment::Key(key) }
    }
}

/// Printed as `task.labels["a"].tags[2]`.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.segment {
            Segment::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Segment::Field(name) => f.write_str(name),
            Segment::Place(place) => write!(f, "[{place}]"),
            Segment::Key(Key::Text(text)) => write!(f, "[\"{}\"]", String::from_utf8_lossy(text)),
            Segment::Key(Key::Number(number)) => write!(f, "[{number}]"),
        }
    }
}
