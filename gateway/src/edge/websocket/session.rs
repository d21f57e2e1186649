//! A socket from its first frame to its end: one task, which reads frames and writes what its calls answer.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use focusflow_mesh::policy::Auth;
use focusflow_mesh::refusal::{Reason, Refusal, resource_exhausted};
use focusflow_proto::mesh::v1::{Begin, ClientFrame, Ready};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;
use tonic::{Code, Status};

use super::call::{Call, Output};
use super::close::Close;
use super::credit::Credit;
use super::frame::{Encoding, Outgoing};
use super::person::Token;
use super::requests::{self, Requests, Room};
use super::sockets::Slot;
use super::{metadata, wire};
use crate::auth::TokenError;
use crate::config::WebSocketLimits;
use crate::edge::Inner;
use crate::edge::access_log::SocketLine;
use crate::edge::grpc::unknown_method;
use crate::limits::Caller;
use crate::refusal::invalid_request;

/// Frames of calls that wait for the socket. Behind them the calls wait, with a message each.
const OUTPUTS_MAX: usize = 16;

/// How long the peer may take to answer that the socket is closed.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// When to try a call again where too many are under way.
const CALL_RETRY: Duration = Duration::from_secs(1);

/// An open socket.
pub(super) struct Session<S> {
    inner: Arc<Inner>,
    socket: WebSocketStream<S>,
    encoding: Encoding,
    client: Client,
    limits: WebSocketLimits,
    /// `None` before the first frame.
    token: Option<Token>,
    calls: HashMap<u32, Running>,
    tasks: JoinSet<u32>,
    last_call_id: u32,
    room: Room,
    output: mpsc::Sender<Output>,
    outputs: mpsc::Receiver<Output>,
    opened: Instant,
    /// When something came from the client.
    heard: Instant,
    is_pinged: bool,
    is_draining: bool,
}

/// Who is at the other end, and what is counted of them.
pub(super) struct Client {
    pub(super) slot: Slot,
    pub(super) caller: Caller,
    pub(super) line: SocketLine,
}

/// A call under way.
struct Running {
    task: AbortHandle,
    credit: Arc<Credit>,
    /// `None`: the request has ended.
    requests: Option<requests::Sender>,
    needs_token: bool,
}

/// Why a socket ends.
enum Ending {
    /// The edge ends it.
    Closed(Close),
    /// The client has closed it, or is not there any more.
    Gone,
}

/// What a socket waits for.
enum Event {
    Output(Output),
    CallEnded(Result<u32, JoinError>),
    Heard(Option<Result<Message, Error>>),
    Draining,
    Alarm,
}

impl From<Close> for Ending {
    fn from(close: Close) -> Self {
        Self::Closed(close)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(inner: Arc<Inner>, socket: WebSocketStream<S>, encoding: Encoding, client: Client) -> Self {
        let limits = inner.sockets.limits();
        let (output, outputs) = mpsc::channel(OUTPUTS_MAX);
        let now = Instant::now();
        Self {
            room: Room::new(limits.buffer_bytes_max, inner.limits.body_bytes_max),
            inner,
            socket,
            encoding,
            client,
            limits,
            token: None,
            calls: HashMap::new(),
            tasks: JoinSet::new(),
            last_call_id: 0,
            output,
            outputs,
            opened: now,
            heard: now,
            is_pinged: false,
            is_draining: false,
        }
    }

    /// Serves the socket until it ends.
    pub(super) async fn run(self) {
        let drain = self.inner.drain.clone();
        tokio::select! {
            () = drain.forced() => {}
            () = self.serve() => {}
        }
    }

    async fn serve(mut self) {
        let ending = self.exchange().await;
        self.tasks.abort_all();
        let Self { mut socket, .. } = self;
        // A socket that is dropped with something unread is reset, and what it was closed with may be lost.
        let goodbye = async {
            if let Ending::Closed(close) = ending {
                // Nobody is there to hear it if it fails.
                let _gone = socket.send(Message::Close(Some(close.into()))).await;
            }
            while let Some(Ok(_)) = socket.next().await {}
        };
        let _in_time = timeout(GOODBYE_TIMEOUT, goodbye).await;
    }

    async fn exchange(&mut self) -> Ending {
        let drain = self.inner.drain.clone();
        let mut draining = pin!(drain.draining());
        loop {
            let alarm = self.next_alarm();
            let event = tokio::select! {
                Some(output) = self.outputs.recv() => Event::Output(output),
                Some(ended) = self.tasks.join_next() => Event::CallEnded(ended),
                heard = self.socket.next() => Event::Heard(heard),
                () = &mut draining, if !self.is_draining => Event::Draining,
                () = sleep_until(alarm) => Event::Alarm,
            };
            if let Err(ending) = self.on(event).await {
                return ending;
            }
            if self.is_draining && self.calls.is_empty() {
                return Close::going_away().into();
            }
        }
    }

    async fn on(&mut self, event: Event) -> Result<(), Ending> {
        match event {
            Event::Output(output) => self.pass_on(output).await,
            Event::CallEnded(ended) => self.call_ended(ended).await,
            Event::Heard(heard) => self.on_heard(heard).await,
            Event::Alarm => self.on_alarm().await,
            Event::Draining => {
                self.is_draining = true;
                Ok(())
            }
        }
    }

    async fn on_heard(&mut self, heard: Option<Result<Message, Error>>) -> Result<(), Ending> {
        let message = match heard {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Close::of_error(&error).map_or(Ending::Gone, Ending::Closed)),
            None => return Err(Ending::Gone),
        };
        self.heard = Instant::now();
        self.is_pinged = false;
        match message {
            message @ (Message::Text(_) | Message::Binary(_)) => {
                let frame = self.encoding.read(message)?;
                self.on_frame(frame).await
            }
            Message::Close(_) => Err(Ending::Gone),
            // The library answers pings by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn on_frame(&mut self, frame: ClientFrame) -> Result<(), Ending> {
        if let Some(authenticate) = frame.authenticate {
            return self.authenticate(&authenticate.token).await;
        }
        if self.token.is_none() {
            return Err(Close::refused(&TokenError::Missing.into()).into());
        }
        let call_id = frame.call_id;
        let outcome = match frame.begin {
            _ if call_id == 0 => return Err(Close::protocol("calls are numbered from 1 on").into()),
            Some(_) if call_id <= self.last_call_id => {
                let last = self.last_call_id;
                return Err(Close::protocol(&format!("call {call_id} begins after call {last}")).into());
            }
            Some(begin) => {
                self.last_call_id = call_id;
                self.begin(call_id, begin, frame.message, frame.end, frame.credit)
            }
            None if call_id > self.last_call_id => {
                return Err(Close::protocol(&format!("call {call_id} has not begun")).into());
            }
            None => self.go_on(call_id, frame.message, frame.end, frame.cancel, frame.credit),
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(status) => self.end_call(call_id, status).await,
        }
    }

    /// The first frame of a socket, or a renewal.
    async fn authenticate(&mut self, token: &str) -> Result<(), Ending> {
        let checked = Token::check(&self.inner, token, self.limits.token_timeout, &self.client.caller).await;
        match checked.and_then(|token| self.take_token(token)) {
            Ok(ready) => self.say(Outgoing { ready: Some(ready), ..Outgoing::default() }).await,
            Err(status) => {
                let close = Close::refused(&status);
                let is_guessing = status.code() == Code::ResourceExhausted;
                self.say(Outgoing::refusal(0, status)).await?;
                // A renewal that fails leaves the token that is there.
                if self.token.is_none() || is_guessing { Err(close.into()) } else { Ok(()) }
            }
        }
    }

    fn take_token(&mut self, token: Token) -> Result<Ready, Status> {
        if let Some(current) = &self.token {
            current.check_successor(&token)?;
        }
        let is_known = self.token.as_ref().is_some_and(|current| current.user_id.is_some());
        if let (Some(user_id), false) = (token.user_id, is_known) {
            self.client.slot.belongs_to(user_id)?;
        }
        let ready = Ready {
            token_seconds: token.seconds(),
            calls_max: u32::try_from(self.limits.calls_max).unwrap_or(u32::MAX),
            message_bytes_max: u32::try_from(self.inner.limits.body_bytes_max).unwrap_or(u32::MAX),
        };
        self.token = Some(token);
        Ok(ready)
    }

    fn begin(
        &mut self,
        call_id: u32,
        begin: Begin,
        message: Option<Bytes>,
        has_ended: bool,
        credit: u32,
    ) -> Result<(), Status> {
        if self.is_draining {
            return Err(Refusal::new(Reason::Draining, "the server is shutting down").retry_after(CALL_RETRY).into());
        }
        if self.calls.len() >= self.limits.calls_max {
            let message = format!("{} calls of this socket are under way", self.limits.calls_max);
            return Err(resource_exhausted("WEBSOCKET_CALLS_MAX", message, Some(CALL_RETRY)));
        }
        let path = format!("/{}", begin.method.trim_start_matches('/'));
        let rpc = self.inner.contract.rpc(&path).cloned().ok_or_else(|| unknown_method(&path))?;
        let authorization = self.token.as_ref().and_then(|token| token.authorization.as_ref());
        let headers = metadata::to_headers(begin.metadata, begin.timeout_ms, authorization)?;
        let (requests, sender) = self.requests(rpc.policy.client_streaming, message, has_ended)?;
        let needs_token = rpc.policy.auth == Auth::User;
        let room = Arc::new(Credit::new());
        room.add(credit);
        let call = Call {
            inner: Arc::clone(&self.inner),
            id: call_id,
            rpc,
            encoding: self.encoding,
            credit: Arc::clone(&room),
            output: self.output.clone(),
            caller: self.client.caller.clone(),
        };
        self.client.line.count_call();
        let task = self.tasks.spawn(call.run(headers, requests));
        self.calls.insert(call_id, Running { task, credit: room, requests: sender, needs_token });
        Ok(())
    }

    /// The messages of a request, and where further ones go.
    fn requests(
        &self,
        is_stream: bool,
        message: Option<Bytes>,
        has_ended: bool,
    ) -> Result<(Requests, Option<requests::Sender>), Status> {
        let piece = message.map(|message| self.room.place(message)).transpose()?;
        if !is_stream {
            let missing = || invalid_request(String::new(), "the frame that begins the call has no message".to_owned());
            return Ok((Requests::One(piece.ok_or_else(missing)?), None));
        }
        let (sender, requests) = requests::stream();
        if let Some(piece) = piece {
            sender.put(piece)?;
        }
        Ok((requests, (!has_ended).then_some(sender)))
    }

    /// A later frame of a call. If the call has ended meanwhile, there is nothing to be done.
    fn go_on(
        &mut self,
        call_id: u32,
        message: Option<Bytes>,
        has_ended: bool,
        is_cancelled: bool,
        credit: u32,
    ) -> Result<(), Status> {
        let Some(call) = self.calls.get_mut(&call_id) else { return Ok(()) };
        call.credit.add(credit);
        if let Some(message) = message {
            let sender = call.requests.as_ref().ok_or_else(|| {
                invalid_request(String::new(), "a message came after the end of the request".to_owned())
            })?;
            sender.put(self.room.place(message)?)?;
        }
        if has_ended {
            call.requests = None;
        }
        if is_cancelled {
            self.drop_call(call_id);
        }
        Ok(())
    }

    async fn on_alarm(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        if self.token.is_none() && now >= self.opened + self.limits.token_timeout {
            return Err(Close::too_late("TOKEN_TIMEOUT", "no token came in time").into());
        }
        if now >= self.heard + self.limits.idle_timeout {
            return Err(Close::too_late("IDLE_TIMEOUT", "nothing came for too long, not even pongs").into());
        }
        if self.token.as_ref().and_then(|token| token.expires).is_some_and(|expires| now >= expires) {
            self.token_expired().await?;
        }
        if !self.is_pinged && now >= self.heard + self.limits.idle_timeout / 2 {
            self.is_pinged = true;
            self.write(Message::Ping(Bytes::new())).await?;
            self.flush().await?;
        }
        Ok(())
    }

    fn next_alarm(&self) -> Instant {
        let silence = if self.is_pinged { self.limits.idle_timeout } else { self.limits.idle_timeout / 2 };
        let of_token = match &self.token {
            None => Some(self.opened + self.limits.token_timeout),
            Some(token) => token.expires,
        };
        let silent = self.heard + silence;
        of_token.map_or(silent, |of_token| of_token.min(silent))
    }

    /// Ends the calls that need the token. It stays, so that later calls are told that it has expired.
    async fn token_expired(&mut self) -> Result<(), Ending> {
        if let Some(token) = &mut self.token {
            token.expires = None;
        }
        let needing = self.calls.iter().filter(|(_, call)| call.needs_token).map(|(call_id, _)| *call_id);
        for call_id in needing.collect::<Vec<_>>() {
            self.end_call(call_id, TokenError::Expired.into()).await?;
        }
        Ok(())
    }

    async fn end_call(&mut self, call_id: u32, status: Status) -> Result<(), Ending> {
        self.drop_call(call_id);
        self.say(Outgoing::refusal(call_id, status)).await
    }

    fn drop_call(&mut self, call_id: u32) {
        if let Some(call) = self.calls.remove(&call_id) {
            call.task.abort();
        }
    }

    async fn call_ended(&mut self, ended: Result<u32, JoinError>) -> Result<(), Ending> {
        // What the call said last may still be among them, and is not passed on without the call.
        while let Ok(output) = self.outputs.try_recv() {
            self.pass_on(output).await?;
        }
        match ended {
            Ok(call_id) => drop(self.calls.remove(&call_id)),
            Err(error) if error.is_panic() => {
                let broken = self.calls.iter().find(|(_, call)| call.task.id() == error.id()).map(|(id, _)| *id);
                if let Some(call_id) = broken {
                    self.end_call(call_id, Status::internal("the call failed; the log says why")).await?;
                }
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Writes what a call says, and what else is there already, unless the call was ended meanwhile.
    async fn pass_on(&mut self, output: Output) -> Result<(), Ending> {
        let mut next = Some(output);
        while let Some(Output { call_id, frame }) = next {
            if self.calls.contains_key(&call_id) {
                self.write_frame(frame).await?;
            }
            next = self.outputs.try_recv().ok();
        }
        self.flush().await
    }

    async fn say(&mut self, frame: Outgoing) -> Result<(), Ending> {
        let frame = self.encoding.write(frame, self.inner.contract.transcoder());
        self.write_frame(frame).await?;
        self.flush().await
    }

    async fn write_frame(&mut self, frame: Bytes) -> Result<(), Ending> {
        for piece in wire::pieces(frame, self.encoding.data()) {
            self.write(piece).await?;
        }
        Ok(())
    }

    /// A client that takes nothing for as long as it may be silent is gone.
    async fn write(&mut self, message: Message) -> Result<(), Ending> {
        let fed = timeout(self.limits.idle_timeout, self.socket.feed(message)).await;
        fed.ok().and_then(Result::ok).ok_or(Ending::Gone)
    }

    async fn flush(&mut self) -> Result<(), Ending> {
        let flushed = timeout(self.limits.idle_timeout, self.socket.flush()).await;
        flushed.ok().and_then(Result::ok).ok_or(Ending::Gone)
    }
}
