//! Tells HTTP/2 from HTTP/1.1 by a connection's first bytes, and gives the bytes back.
//!
//! hyper-util can do this too, but waits for the bytes without a limit: a peer that connects and says nothing would
//! hold its connection for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A stream whose first bytes have been looked at.
#[derive(Debug)]
pub(super) struct Sniffed<S> {
    seen: [u8; PREFACE.len()],
    start: usize,
    end: usize,
    stream: S,
}

/// Reads as much as it takes to know the protocol; `None` if the peer closes before.
pub(super) async fn sniff<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Option<(Protocol, Sniffed<S>)>> {
    let mut seen = [0; PREFACE.len()];
    let mut end = 0;
    let protocol = loop {
        let read = stream.read(&mut seen[end..]).await?;
        if read == 0 {
            return Ok(None);
        }
        end += read;
        if seen[..end] != PREFACE[..end] {
            break Protocol::Http1;
        }
        if end == PREFACE.len() {
            break Protocol::Http2;
        }
    };
    Ok(Some((protocol, Sniffed { seen, start: 0, end, stream })))
}

impl<S> Sniffed<S> {
    /// A stream whose protocol is known without looking.
    pub(super) fn unread(stream: S) -> Self {
        Self { seen: [0; PREFACE.len()], start: 0, end: 0, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sniffed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.start < self.end {
            let length = buffer.remaining().min(self.end - self.start);
            buffer.put_slice(&self.seen[self.start..self.start + length]);
            self.start += length;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sniffed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn sniff_pieces(pieces: &[&[u8]]) -> Option<(Protocol, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(64);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let sender = tokio::spawn(async move {
            for piece in pieces {
                client.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let (protocol, mut stream) = sniff(server).await.unwrap()?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        sender.await.unwrap();
        Some((protocol, all))
    }

    #[tokio::test]
    async fn the_preface_means_http_2_also_in_pieces_and_is_given_back() {
        let (protocol, all) = sniff_pieces(&[&PREFACE[..5], &PREFACE[5..], b"frames"]).await.unwrap();
        assert_eq!(protocol, Protocol::Http2);
        assert_eq!(all, [PREFACE.as_slice(), b"frames"].concat());
    }

    #[tokio::test]
    async fn anything_else_means_http_1_from_the_first_byte_that_differs() {
        let (protocol, all) = sniff_pieces(&[b"P", b"OST / HTTP/1.1\r\n"]).await.unwrap();
        assert_eq!((protocol, all.as_slice()), (Protocol::Http1, b"POST / HTTP/1.1\r\n".as_slice()));
    }

    #[tokio::test]
    async fn a_peer_that_leaves_early_is_no_connection() {
        assert_eq!(sniff_pieces(&[b"PRI"]).await, None);
    }
}
