//! The `grpc-timeout` header: up to eight digits and a unit.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Carries how long the caller will wait.
pub const GRPC_TIMEOUT_HEADER: HeaderName = HeaderName::from_static("grpc-timeout");

/// The gRPC specification's limit.
const DIGITS_MAX: usize = 8;
const VALUE_MAX: u128 = 99_999_999;

/// A `grpc-timeout` that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the header grpc-timeout is not 1 to 8 digits and one of the units H, M, S, m, u, n")]
pub struct InvalidTimeout;

/// Reads how long the caller will wait; `None` if it does not say.
pub fn parse_timeout(headers: &HeaderMap) -> Result<Option<Duration>, InvalidTimeout> {
    let Some(value) = headers.get(GRPC_TIMEOUT_HEADER) else { return Ok(None) };
    let (unit, digits) = value.as_bytes().split_last().ok_or(InvalidTimeout)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return Err(InvalidTimeout);
    }
    let amount = digits.iter().fold(0_u64, |amount, digit| amount * 10 + u64::from(digit - b'0'));
    let timeout = match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return Err(InvalidTimeout),
    };
    Ok(Some(timeout))
}

/// Writes how long we will wait, in the finest unit that has room for it, rounded down so that no hop believes to
/// have more time than its caller.
pub fn format_timeout(timeout: Duration) -> HeaderValue {
    let units = [(timeout.as_nanos(), b'n'), (timeout.as_micros(), b'u'), (timeout.as_millis(), b'm')];
    let (amount, unit) =
        units.into_iter().find(|(amount, _)| *amount <= VALUE_MAX).unwrap_or((u128::from(timeout.as_secs()), b'S'));
    let mut text = [0_u8; DIGITS_MAX + 1];
    text[DIGITS_MAX] = unit;
    let mut start = DIGITS_MAX;
    let mut rest = amount.min(VALUE_MAX);
    loop {
        start -= 1;
        text[start] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 || start == 0 {
            break;
        }
    }
    HeaderValue::from_bytes(&text[start..]).unwrap_or_else(|_| HeaderValue::from_static("0n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Duration>, InvalidTimeout> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT_HEADER, HeaderValue::from_str(text).unwrap());
        parse_timeout(&headers)
    }

    #[test]
    fn every_unit_is_read() {
        for (text, timeout) in [
            ("2H", Duration::from_hours(2)),
            ("3M", Duration::from_mins(3)),
            ("4S", Duration::from_secs(4)),
            ("5m", Duration::from_millis(5)),
            ("6u", Duration::from_micros(6)),
            ("7n", Duration::from_nanos(7)),
            ("99999999H", Duration::from_hours(99_999_999)),
        ] {
            assert_eq!(parse(text), Ok(Some(timeout)), "{text}");
        }
        assert_eq!(parse_timeout(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in ["", "S", "5", "5s", "-5S", "+5S", "5.5S", "123456789S", "5 S", "5SS"] {
            assert_eq!(parse(text), Err(InvalidTimeout), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back_and_never_as_more() {
        for timeout in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_millis(99),
            Duration::from_micros(100_001),
            Duration::new(29, 999_999_999),
            Duration::from_hours(24 * 365),
        ] {
            let text = format_timeout(timeout);
            let read = parse(text.to_str().unwrap()).unwrap().unwrap();
            assert!(read <= timeout, "{timeout:?} became {read:?}");
            assert!(timeout.abs_diff(read) <= timeout / 1000 + Duration::from_nanos(1), "{timeout:?} became {read:?}");
        }
    }
}
