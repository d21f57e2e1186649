//! JSON's scalars.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Appends whatever serde makes of a value.
#[inline]
pub(super) fn write_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Writing a plain value to memory has nothing that could fail.
    serde_json::to_writer(out, value).unwrap_or_default();
}

/// Appends a string in quotes, escaped.
#[inline]
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        write_json(out, text);
    }
}

/// Appends an integer of 64 bits, which JSON's readers would round if it were not a string.
pub(super) fn write_quoted_integer(out: &mut Vec<u8>, value: impl Serialize) {
    out.push(b'"');
    write_json(out, &value);
    out.push(b'"');
}

pub(super) fn write_double(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() { write_json(out, &value) } else { write_non_finite(out, value) }
}

pub(super) fn write_float(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() { write_json(out, &value) } else { write_non_finite(out, value.into()) }
}

pub(super) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

fn write_non_finite(out: &mut Vec<u8>, value: f64) {
    let text: &[u8] = if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    };
    out.extend_from_slice(text);
}
