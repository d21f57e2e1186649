//! W3C trace context: `traceparent` and `tracestate`.

use http::{HeaderMap, HeaderValue};

use super::{TRACEPARENT_HEADER, TRACESTATE_HEADER};

/// `VERSION-TRACE_ID-PARENT_ID-FLAGS` of version 00.
const TRACEPARENT_BYTES: usize = 55;

/// The W3C specification asks to carry at least this much.
const TRACESTATE_BYTES_MAX: usize = 512;

/// A place in a distributed trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Names the trace; never zero.
    pub trace_id: u128,
    /// Names this hop; never zero.
    pub span_id: u64,
    /// The hop before; `None` where the trace begins.
    pub parent_id: Option<u64>,
    /// Bit 0: the caller records the trace.
    pub flags: u8,
    /// What tracing systems add, carried on as it came.
    pub state: Option<HeaderValue>,
}

impl Trace {
    /// Where a trace begins.
    pub fn root() -> Self {
        Self { trace_id: not_zero(), span_id: not_zero(), parent_id: None, flags: 0, state: None }
    }

    /// The next hop of the trace in the headers, or where a new one begins if they have none that can be read.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let parent = headers.get(TRACEPARENT_HEADER).and_then(|value| parse(value.as_bytes()));
        let Some((trace_id, parent_id, flags)) = parent else { return Self::root() };
        // Several headers are legal; joining them is rare enough to leave the trace without its state instead.
        let mut states = headers.get_all(TRACESTATE_HEADER).iter();
        let state = match (states.next(), states.next()) {
            (Some(state), None) if state.len() <= TRACESTATE_BYTES_MAX => Some(state.clone()),
            _ => None,
        };
        Self { trace_id, span_id: not_zero(), parent_id: Some(parent_id), flags, state }
    }

    /// The value of `traceparent` that names this hop as the parent of the next.
    pub fn to_header(&self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut text[3..35], self.trace_id);
        write_hex(&mut text[36..52], u128::from(self.span_id));
        write_hex(&mut text[53..55], u128::from(self.flags));
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

trait Random: Sized + PartialEq + Default {
    fn random() -> Self;
}

impl Random for u128 {
    fn random() -> Self {
        rand::random()
    }
}

impl Random for u64 {
    fn random() -> Self {
        rand::random()
    }
}

/// Zero means "invalid" to readers of trace and span ids.
fn not_zero<T: Random>() -> T {
    loop {
        let id = T::random();
        if id != T::default() {
            return id;
        }
    }
}

fn parse(text: &[u8]) -> Option<(u128, u64, u8)> {
    let version = hex(text.get(0..2)?)?;
    // A later version may append fields; version ff is forbidden and 00 has exactly these.
    let complete = match version {
        0 => text.len() == TRACEPARENT_BYTES,
        0xff => false,
        _ => text.len() == TRACEPARENT_BYTES || text.get(TRACEPARENT_BYTES) == Some(&b'-'),
    };
    let dashes = [2, 35, 52].into_iter().all(|position| text.get(position) == Some(&b'-'));
    if !complete || !dashes {
        return None;
    }
    let trace_id = hex(&text[3..35])?;
    let parent_id = u64::try_from(hex(&text[36..52])?).ok()?;
    let flags = u8::try_from(hex(&text[53..55])?).ok()?;
    (trace_id != 0 && parent_id != 0).then_some((trace_id, parent_id, flags))
}

/// Lower-case hexadecimal only, as the specification asks.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

fn write_hex(target: &mut [u8], mut value: u128) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for place in target.iter_mut().rev() {
        *place = DIGITS[(value & 0xf) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(traceparent: &str, tracestate: &[&str]) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT_HEADER, HeaderValue::from_str(traceparent).unwrap());
        for state in tracestate {
            headers.append(TRACESTATE_HEADER, HeaderValue::from_str(state).unwrap());
        }
        Trace::from_headers(&headers)
    }

    #[test]
    fn a_hop_keeps_the_trace_and_gets_a_span_of_its_own() {
        let trace = read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &["vendor=1"]);
        assert_eq!(trace.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(trace.parent_id, Some(0x00f0_67aa_0ba9_02b7));
        assert_ne!(trace.span_id, 0x00f0_67aa_0ba9_02b7);
        assert_eq!(trace.state.as_ref().unwrap(), "vendor=1");
        let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", trace.span_id);
        assert_eq!(trace.to_header(), expected.as_str());
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let trace = read("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", &[]);
        assert_eq!(trace.parent_id, Some(0x00f0_67aa_0ba9_02b7));
    }

    #[test]
    fn what_cannot_be_read_begins_a_new_trace() {
        for malformed in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00x4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(read(malformed, &[]).parent_id, None, "{malformed:?}");
        }
    }

    #[test]
    fn an_oversized_state_is_dropped_and_the_trace_kept() {
        let trace = read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &[&"x".repeat(513)]);
        assert_eq!(trace.state, None);
        assert!(trace.parent_id.is_some());
    }
}
