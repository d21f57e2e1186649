//! The protobuf wire format, as little of it as transcoding needs.

/// How a record's payload is delimited; the low three bits of its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireType {
    /// One varint.
    Varint,
    /// Eight bytes, little endian.
    Fixed64,
    /// A length as varint, then that many bytes.
    Length,
    /// Four bytes, little endian.
    Fixed32,
}

/// A record's payload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Payload<'a> {
    /// A varint's value.
    Varint(u64),
    /// A fixed value of eight bytes.
    Fixed64(u64),
    /// What a length prefix delimits.
    Length(&'a [u8]),
    /// A fixed value of four bytes.
    Fixed32(u32),
}

/// The bytes are not protobuf, or use groups, which no `proto3` contract declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads records, or bare values, from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next record's field number and payload; `None` at the end.
    #[inline]
    pub(crate) fn record(&mut self) -> Result<Option<(u32, Payload<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Malformed);
        }
        let wire_type = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Length,
            5 => WireType::Fixed32,
            _ => return Err(Malformed),
        };
        Ok(Some((number, self.payload(wire_type)?)))
    }

    /// One value of the given wire type, without a tag: an element of a packed list.
    #[inline]
    pub(crate) fn payload(&mut self, wire_type: WireType) -> Result<Payload<'a>, Malformed> {
        Ok(match wire_type {
            WireType::Varint => Payload::Varint(self.varint()?),
            WireType::Fixed64 => Payload::Fixed64(u64::from_le_bytes(self.array()?)),
            WireType::Fixed32 => Payload::Fixed32(u32::from_le_bytes(self.array()?)),
            WireType::Length => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                let (payload, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                Payload::Length(payload)
            }
        })
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (index, &byte) in self.0.iter().enumerate().take(10) {
            // Bits beyond the 64th are dropped, as every protobuf implementation does.
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }
}

impl WireType {
    const fn bits(self) -> u32 {
        match self {
            Self::Varint => 0,
            Self::Fixed64 => 1,
            Self::Length => 2,
            Self::Fixed32 => 5,
        }
    }
}

/// Appends a varint.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Appends a record's tag.
#[inline]
pub(super) fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    put_varint(out, u64::from(number << 3 | wire_type.bits()));
}

/// Appends a length-delimited record.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u32, payload: &[u8]) {
    put_tag(out, number, WireType::Length);
    put_varint(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

/// Starts a length-delimited record whose length is not known yet. Hand the result to [`close`].
#[inline]
pub(super) fn open(out: &mut Vec<u8>, number: u32) -> usize {
    put_tag(out, number, WireType::Length);
    // Most lengths fit one byte; `close` makes room for those that do not.
    out.push(0);
    out.len()
}

/// Writes the length of what was appended since [`open`].
#[inline]
pub(super) fn close(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = low_byte(length as u64);
        return;
    }
    let mut prefix = Vec::with_capacity(5);
    put_varint(&mut prefix, length as u64);
    out.splice(start - 1..start, prefix);
}

#[inline]
const fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_are_closed_in_place() {
        for length in [0, 1, 127, 128, 300, 20_000] {
            let mut out = vec![0xff];
            let start = open(&mut out, 3);
            out.resize(start + length, b'x');
            close(&mut out, start);
            let mut reader = Reader(&out[1..]);
            let expected = vec![b'x'; length];
            assert_eq!(reader.record(), Ok(Some((3, Payload::Length(&expected)))));
            assert_eq!(reader.record(), Ok(None));
        }
    }

    #[test]
    fn broken_records_are_refused() {
        for bytes in
            [&[0x08][..], &[0x00, 0x01], &[0x0a, 0x05, b'x'], &[0x0b], &[0x0d, 1, 2, 3], &[0x08; 1], &[0x80; 11]]
        {
            assert_eq!(Reader(bytes).record(), Err(Malformed), "{bytes:?}");
        }
    }
}
