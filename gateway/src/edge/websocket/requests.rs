//! Messages of requests, between the socket that reads them and the call that passes them on.

use std::sync::Arc;

use bytes::Bytes;
use focusflow_mesh::refusal::resource_exhausted;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::Status;

use super::credit;
use crate::refusal::too_large;

/// The memory that a socket has for messages which no service has taken yet.
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    message_bytes_max: usize,
}

/// A message in the socket's encoding, with its place in the socket's [`Room`].
pub(super) struct Piece {
    pub(super) message: Bytes,
    _place: OwnedSemaphorePermit,
}

/// The messages of one request.
pub(super) enum Requests {
    One(Piece),
    /// As many wait as the client may send ahead.
    Stream(mpsc::Receiver<Piece>),
}

/// Where a socket puts the messages of a stream; dropping it ends the stream.
pub(super) struct Sender(mpsc::Sender<Piece>);

impl Room {
    pub(super) fn new(bytes_max: u32, message_bytes_max: usize) -> Self {
        Self { bytes: Arc::new(Semaphore::new(bytes_max as usize)), bytes_max, message_bytes_max }
    }

    /// Finds a place for a message.
    pub(super) fn place(&self, message: Bytes) -> Result<Piece, Status> {
        if message.len() > self.message_bytes_max {
            return Err(too_large(self.message_bytes_max));
        }
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.bytes).try_acquire_many_owned(length).map_err(|_| {
            let message = format!("more than {} bytes of this socket's requests wait", self.bytes_max);
            resource_exhausted("WEBSOCKET_BUFFER_BYTES_MAX", message, None)
        })?;
        Ok(Piece { message, _place: place })
    }
}

/// A stream of requests with room for what the client may send ahead.
pub(super) fn stream() -> (Sender, Requests) {
    let (sender, receiver) = mpsc::channel(credit::INITIAL as usize);
    (Sender(sender), Requests::Stream(receiver))
}

impl Sender {
    /// Puts a message in line; refused if the client had no credit for it.
    pub(super) fn put(&self, piece: Piece) -> Result<(), Status> {
        match self.0.try_send(piece) {
            // A call that has ended takes nothing more, and its end is on the way.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                let message = format!("more than {} messages were sent without credit", credit::INITIAL);
                Err(resource_exhausted("CREDIT_EXCEEDED", message, None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::StatusExt;

    fn reason(status: &Status) -> String {
        status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
    }

    #[test]
    fn what_waits_is_bounded_by_bytes_and_by_messages() {
        let room = Room::new(10, 8);
        let first = room.place(Bytes::from_static(b"12345678")).ok().unwrap();
        assert_eq!(reason(&room.place(Bytes::from_static(b"123")).err().unwrap()), "WEBSOCKET_BUFFER_BYTES_MAX");
        assert_eq!(reason(&room.place(Bytes::from_static(b"123456789")).err().unwrap()), "BODY_TOO_LARGE");
        drop(first);

        let (sender, _requests) = stream();
        let piece = || room.place(Bytes::new()).ok().unwrap();
        for _ in 0..credit::INITIAL {
            sender.put(piece()).unwrap();
        }
        assert_eq!(reason(&sender.put(piece()).unwrap_err()), "CREDIT_EXCEEDED");
    }
}
