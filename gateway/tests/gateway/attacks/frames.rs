//! HTTP/2 frame by frame, as no well-behaved client sends them.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Longer than any attack goes on against a server that minds itself, on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a server did about a flood.
#[derive(Debug)]
pub(crate) struct Cut {
    /// How many bytes it took before.
    pub(crate) sent: usize,
    /// What it said, if it was heard.
    pub(crate) reason: Option<u32>,
}

pub(crate) fn preface() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The head of a GET, in static entries and literals only.
fn head(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(0x01, "edge"), (0x04, path)] {
        block.extend([name, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    block
}

pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head(path))
}

/// A request and its end, at once.
pub(crate) fn get_and_reset(stream: u32, path: &str) -> Vec<u8> {
    [get(stream, path), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
}

/// A request, and a window beyond what windows can be, for which its stream must be reset.
pub(crate) fn get_and_be_reset(stream: u32, path: &str) -> Vec<u8> {
    [get(stream, path), frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes())].concat()
}

/// Headers that do not end.
pub(crate) fn endless_headers(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM, stream, &head("/health"))
}

pub(crate) fn continuation(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(CONTINUATION, 0, stream, block)
}

/// A literal header of a name and a value.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0x10, u8::try_from(name.len()).unwrap()];
    block.extend(name.as_bytes());
    block.push(u8::try_from(value.len()).unwrap());
    block.extend(value.as_bytes());
    block
}

pub(crate) fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[7; 8])
}

pub(crate) fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])
}

pub(crate) fn empty_data(stream: u32) -> Vec<u8> {
    frame(DATA, 0, stream, &[])
}

/// Sends `opening`, then what `more` gives for each number from 0, until the server takes no more, and reads what it says
/// meanwhile.
pub(crate) async fn flood<S>(stream: S, opening: Vec<u8>, mut more: impl FnMut(u32) -> Vec<u8>) -> Cut
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        let _closed = reader.read_to_end(&mut heard).await;
        heard
    });
    let flooding = async {
        let mut sent = 0;
        let mut piece = [preface(), opening].concat();
        for number in 0.. {
            if writer.write_all(&piece).await.is_err() {
                break;
            }
            sent += piece.len();
            piece = more(number);
        }
        sent
    };
    let sent = tokio::time::timeout(PATIENCE, flooding).await.expect("the flood is cut");
    let heard = tokio::time::timeout(PATIENCE, heard).await.expect("the connection is closed").unwrap();
    Cut { sent, reason: goaway(&heard) }
}

/// The reason of the last GOAWAY in what a server said.
pub(crate) fn goaway(mut bytes: &[u8]) -> Option<u32> {
    let mut reason = None;
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        if head[3] == GOAWAY {
            reason = Some(u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]));
        }
        bytes = rest;
    }
    reason
}
