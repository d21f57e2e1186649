//! How little memory a socket takes while nothing happens.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// What is set aside for reading. A frame that is longer gets room of its own, which goes with it.
const READ_BUFFER_BYTES: usize = 1024;

/// What is gathered before it is sent on.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// Longer messages are written in pieces of this size: the library keeps room for the longest piece ever written.
const PIECE_BYTES_MAX: usize = 8 * 1024;

/// What a frame may have beside its message, in bytes: names, metadata.
const FRAME_HEAD_BYTES_MAX: usize = 64 * 1024;

pub(super) fn config(message_bytes_max: usize) -> WebSocketConfig {
    let frame_bytes_max = Some(message_bytes_max.saturating_add(FRAME_HEAD_BYTES_MAX));
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(4 * (WRITE_BUFFER_BYTES + PIECE_BYTES_MAX))
        .max_message_size(frame_bytes_max)
        .max_frame_size(frame_bytes_max)
}

/// A message in pieces.
pub(super) fn pieces(mut message: Bytes, data: Data) -> impl Iterator<Item = Message> {
    let mut opcode = Some(OpCode::Data(data));
    std::iter::from_fn(move || {
        let current = opcode?;
        let piece = message.split_to(message.len().min(PIECE_BYTES_MAX));
        let is_last = message.is_empty();
        opcode = (!is_last).then_some(OpCode::Data(Data::Continue));
        Some(Message::Frame(Frame::message(piece, current, is_last)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_and_a_short_one_is_not() {
        let cut = |length: usize| -> Vec<(OpCode, bool, usize)> {
            let message = Bytes::from(vec![0; length]);
            let frame = |piece| match piece {
                Message::Frame(frame) => (frame.header().opcode, frame.header().is_final, frame.payload().len()),
                other => panic!("{other:?}"),
            };
            pieces(message, Data::Text).map(frame).collect()
        };
        let (first, more) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
        assert_eq!(cut(0), [(first, true, 0)]);
        assert_eq!(cut(PIECE_BYTES_MAX), [(first, true, PIECE_BYTES_MAX)]);
        assert_eq!(
            cut(2 * PIECE_BYTES_MAX + 1),
            [(first, false, PIECE_BYTES_MAX), (more, false, PIECE_BYTES_MAX), (more, true, 1)]
        );
    }
}
