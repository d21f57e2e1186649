//! Why the edge closes a socket, as RFC 6455 (section 7.4) has it said: a code, and a sentence that begins with a reason
//! for programs.

use std::borrow::Cow;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The longest sentence that fits a close frame beside its code, in bytes.
const REASON_BYTES_MAX: usize = 123;

/// What a socket is closed with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Close {
    code: u16,
    reason: String,
}

impl Close {
    fn new(code: u16, reason: &str, sentence: &str) -> Self {
        let mut reason = format!("{reason}: {sentence}");
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        Self { code, reason }
    }

    /// 1001: the process is being stopped; another one answers.
    pub(super) fn going_away() -> Self {
        Self::new(1001, "DRAINING", "the server is shutting down; connect again")
    }

    /// 1002: what was said does not make sense here.
    pub(super) fn protocol(sentence: &str) -> Self {
        Self::new(1002, "PROTOCOL_ERROR", sentence)
    }

    /// 1003: text on a binary socket, or the other way round.
    pub(super) fn wrong_type(expected: &str) -> Self {
        Self::new(1003, "WRONG_MESSAGE_TYPE", &format!("expected {expected} messages"))
    }

    /// 1007: a message that is no frame.
    pub(super) fn malformed(problem: &str) -> Self {
        Self::new(1007, "MALFORMED_FRAME", problem)
    }

    /// 1009: a message that is larger than any frame may be.
    fn too_large() -> Self {
        Self::new(1009, "FRAME_TOO_LARGE", "the message is larger than a frame may be")
    }

    /// 4408: nothing came for too long.
    pub(super) fn too_late(reason: &str, sentence: &str) -> Self {
        Self::new(4408, reason, sentence)
    }

    /// 4401, 4403, 4429, 4500: the token is not good enough, and the status said why.
    pub(super) fn refused(status: &Status) -> Self {
        let code = match status.code() {
            Code::Unauthenticated => 4401,
            Code::PermissionDenied => 4403,
            Code::ResourceExhausted => 4429,
            _ => 4500,
        };
        let reason = status.get_details_error_info().map_or(Cow::Borrowed("REFUSED"), |info| info.reason.into());
        Self::new(code, &reason, status.message())
    }

    /// What a failure of the socket itself is answered with; `None` if nobody is there to hear it.
    pub(super) fn of_error(error: &Error) -> Option<Self> {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(Self::too_large()),
            Error::Protocol(problem) => Some(Self::protocol(&problem.to_string())),
            Error::Utf8(_) => Some(Self::malformed("text is not UTF-8")),
            _ => None,
        }
    }
}

impl From<Close> for CloseFrame {
    fn from(close: Close) -> Self {
        Self { code: CloseCode::from(close.code), reason: close.reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_its_frame_and_stays_text() {
        let close = Close::malformed(&"ä".repeat(200));
        assert_eq!(close.reason.len(), REASON_BYTES_MAX);
        assert!(close.reason.starts_with("MALFORMED_FRAME: ä"));
    }
}
