//! Percent-encoding, as paths and query strings have it.

use std::borrow::Cow;

/// Decodes everything; `None` if an escape is broken or the result is not UTF-8.
pub(super) fn decode_all(text: &str) -> Option<Cow<'_, str>> {
    decode(text, |_| true)
}

/// Decodes everything but `%2F`, which in a value of several segments is no separator and must stay apart from one.
pub(super) fn decode_keeping_slashes(text: &str) -> Option<Cow<'_, str>> {
    decode(text, |byte| byte != b'/')
}

/// Decodes a name or value of a query string, where `+` is a space.
pub(super) fn decode_query(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return decode_all(&spaced).map(|decoded| Cow::Owned(decoded.into_owned()));
    }
    decode_all(text)
}

fn decode(text: &str, is_decoded: impl Fn(u8) -> bool) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (escape, tail) = tail.split_first_chunk::<2>()?;
        rest = tail;
        let decoded = hex_digit(escape[0])? << 4 | hex_digit(escape[1])?;
        if is_decoded(decoded) {
            out.push(decoded);
        } else {
            out.push(b'%');
            out.extend_from_slice(escape);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode_all("a%20b%2Fc%2525").unwrap(), "a b/c%25");
        assert_eq!(decode_all("%C3%A9").unwrap(), "é");
        assert_eq!(decode_keeping_slashes("a%20b%2Fc%2fd").unwrap(), "a b%2Fc%2fd");
        assert_eq!(decode_query("a+b%2Bc").unwrap(), "a b+c");
        assert_eq!(decode_all("a+b").unwrap(), "a+b");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%2", "%zz", "a%f", "%ff", "%+1"] {
            assert_eq!(decode_all(text), None, "{text}");
        }
    }
}
