//! Responses over HTTP/2 whose client keeps its window shut.
//!
//! Such a client answers pings, and its connection is never blocked: only the stream stands still, with its answer in
//! memory and perhaps a service behind it that waits. hyper shows neither windows nor streams, but it polls a body again
//! only once what the body gave has gone, so a body that has given something and is not asked for more says that the
//! client takes nothing. [`Streams`] looks at that after each time that it polls a stream, in the same thread.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

/// The largest piece that is given to HTTP/2 at once, which is its usual frame. What was given is not looked after any
/// more once the window has had room for a byte of it.
const PIECE_BYTES_MAX: usize = 16 * 1024;

thread_local! {
    static SEEN: Cell<Seen> = const { Cell::new(Seen::Nothing) };
}

/// What was seen of a body while its stream was polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It was not asked for anything.
    Nothing,
    /// It has given something last.
    Given,
    /// It has nothing to give now.
    Waiting,
}

/// Runs the streams of an HTTP/2 connection, and cuts those whose client takes nothing for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    pub(super) stall_timeout: Duration,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        tokio::spawn(Watched { stream, timeout: self.stall_timeout, patience: None });
    }
}

pin_project! {
    /// A stream that ends, and is reset by that, when its client takes nothing for a while.
    struct Watched<F> {
        #[pin]
        stream: F,
        timeout: Duration,
        // There is one only while the client takes nothing.
        patience: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        SEEN.set(Seen::Nothing);
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match SEEN.get() {
            Seen::Nothing => {}
            Seen::Given => match this.patience {
                Some(patience) => patience.as_mut().reset(Instant::now() + *this.timeout),
                None => *this.patience = Some(Box::pin(sleep(*this.timeout))),
            },
            Seen::Waiting => *this.patience = None,
        }
        let Some(patience) = this.patience else { return Poll::Pending };
        ready!(patience.as_mut().poll(cx));
        metrics::counter!("server_streams_cut_total", "reason" => "stalled").increment(1);
        Poll::Ready(())
    }
}

pin_project! {
    /// A response body that shows whether it is asked for more.
    pub(super) struct Delivered<B> {
        #[pin]
        body: B,
        // What is left of data that is given piece by piece.
        rest: Bytes,
        in_pieces: bool,
    }
}

pin_project! {
    /// A response on its way from the service.
    pub(super) struct Answering<F> {
        #[pin]
        answer: F,
        version: Version,
    }
}

impl<F> Answering<F> {
    /// The answer to a request of this version.
    pub(super) fn new(answer: F, version: Version) -> Self {
        Self { answer, version }
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Delivered<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.answer.poll(cx).map_ok(|response| response.map(|body| Delivered::new(body, *this.version)))
    }
}

impl<B> Delivered<B> {
    fn new(body: B, version: Version) -> Self {
        Self { body, rest: Bytes::new(), in_pieces: version == Version::HTTP_2 }
    }
}

impl<B: Body<Data = Bytes>> Body for Delivered<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = if this.rest.is_empty() {
            this.body.poll_frame(cx)
        } else {
            Poll::Ready(Some(Ok(Frame::data(std::mem::take(this.rest)))))
        };
        SEEN.set(if matches!(frame, Poll::Ready(Some(Ok(_)))) { Seen::Given } else { Seen::Waiting });
        frame.map_ok(|frame| if *this.in_pieces { piece_of(frame, this.rest) } else { frame })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

/// The beginning of a frame; what is left of it goes to `rest`.
fn piece_of(frame: Frame<Bytes>, rest: &mut Bytes) -> Frame<Bytes> {
    frame.map_data(|mut data| {
        if data.len() > PIECE_BYTES_MAX {
            *rest = data.split_off(PIECE_BYTES_MAX);
        }
        data
    })
}
