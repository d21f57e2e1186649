// The client of `/ws`: any RPC, many at once, over one WebSocket that is opened when it is needed and again when it is
// lost. What goes over it is declared in proto/focusflow/mesh/v1/socket.proto and told in docs/WEBSOCKET.md.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ClientFrameSchema, ServerFrameSchema, type ServerFrame } from "../gen/focusflow/mesh/v1/socket_pb.js";
import { CallError, Code } from "./error.js";
import { Backoff, Queue, abortable } from "./waiting.js";

const SUBPROTOCOL = "focusflow.v1+proto";
/** What either side may send of a call before it is told of more room. */
const INITIAL_CREDIT = 8;

type ClientFrameInit = MessageInitShape<typeof ClientFrameSchema>;
type Kind = DescMethod["methodKind"];
type Method<K extends Kind, I extends DescMessage, O extends DescMessage> = DescMethod & {
  methodKind: K;
  input: I;
  output: O;
};

export interface SocketOptions {
  /** Such as `wss://focusflow.example.org/ws`. */
  url: string;
  /** Asked for when a socket is opened and before the token expires; empty: nobody's. */
  token: () => string | Promise<string>;
  /** For platforms without a global `WebSocket`. */
  WebSocket?: typeof WebSocket;
  backoff?: Backoff;
}

export interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  metadata?: Record<string, string>;
  onHeaders?: (headers: Record<string, string>) => void;
  onTrailers?: (trailers: Record<string, string>) => void;
}

export class MeshSocket {
  #connection: Promise<Connection> | undefined;
  readonly #backoff: Backoff;
  #isClosed = false;

  constructor(private readonly options: SocketOptions) {
    this.#backoff = options.backoff ?? new Backoff();
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: Method<"unary", I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    return only(this.#exchange(method, [request], options));
  }

  serverStreaming<I extends DescMessage, O extends DescMessage>(
    method: Method<"server_streaming", I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void> {
    return this.#exchange(method, [request], options);
  }

  clientStreaming<I extends DescMessage, O extends DescMessage>(
    method: Method<"client_streaming", I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    return only(this.#exchange(method, requests, options));
  }

  bidiStreaming<I extends DescMessage, O extends DescMessage>(
    method: Method<"bidi_streaming", I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void> {
    return this.#exchange(method, requests, options);
  }

  /** Ends all calls and opens no further socket. */
  close(): void {
    this.#isClosed = true;
    void this.#connection?.then((connection) => connection.close(), () => undefined);
  }

  async *#exchange<I extends DescMessage, O extends DescMessage>(
    method: Method<Kind, I, O>,
    requests: [MessageInitShape<I>] | AsyncIterable<MessageInitShape<I>>,
    options: CallOptions,
  ): AsyncGenerator<MessageShape<O>, void> {
    const limit = limitOf(options);
    const connection = await abortable(this.#connected(), limit).catch((error: unknown) => {
      throw limit?.aborted ? reasonOf(limit) : error;
    });
    const encode = (request: MessageInitShape<I>) => toBinary(method.input, create(method.input, request));
    const call = connection.begin({
      begin: { method: `${method.parent.typeName}/${method.name}`, ...wishes(options) },
      ...(Array.isArray(requests) ? { message: encode(requests[0]) } : {}),
    });
    const abort = () => call.fail(reasonOf(limit));
    limit?.addEventListener("abort", abort);
    if (!Array.isArray(requests)) void call.sendAll(requests, encode);
    try {
      for (;;) {
        const frame = await call.frames.next();
        if (Object.keys(frame.headers).length > 0) options.onHeaders?.(frame.headers);
        if (frame.message !== undefined) {
          call.consumed();
          yield fromBinary(method.output, frame.message);
        }
        if (frame.end) {
          const { status, trailers } = frame.end;
          options.onTrailers?.(trailers);
          if (status?.code) throw new CallError(status.code, status.message, status.details, trailers);
          return;
        }
      }
    } finally {
      limit?.removeEventListener("abort", abort);
      call.finish();
    }
  }

  #connected(): Promise<Connection> {
    if (this.#isClosed) throw new CallError(Code.Canceled, "the socket was closed");
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  async #connect(): Promise<Connection> {
    try {
      await this.#backoff.wait();
      const connection = await Connection.open(this.options, () => (this.#connection = undefined));
      this.#backoff.reset();
      return connection;
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }
}

/** One open WebSocket. */
class Connection {
  readonly #calls = new Map<number, Call>();
  #lastCallId = 0;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  readonly #ready = new Queue<void>();

  private constructor(
    private readonly socket: WebSocket,
    private readonly options: SocketOptions,
    private readonly onLost: () => void,
  ) {
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#take(fromBinary(ServerFrameSchema, new Uint8Array(data as ArrayBuffer)));
    socket.onclose = ({ code, reason }) => this.#lost(code, reason);
    socket.onopen = () => void this.#authenticate();
  }

  /** Opens a socket; it is there when the server has accepted the token. */
  static async open(options: SocketOptions, onLost: () => void): Promise<Connection> {
    const socket = new (options.WebSocket ?? WebSocket)(options.url, SUBPROTOCOL);
    const connection = new Connection(socket, options, onLost);
    await connection.#ready.next();
    return connection;
  }

  begin(frame: ClientFrameInit): Call {
    const callId = ++this.#lastCallId;
    const send = (more: ClientFrameInit) => this.send({ callId, ...more });
    const call = new Call(send, () => this.#calls.delete(callId));
    this.#calls.set(callId, call);
    send(frame);
    return call;
  }

  send(frame: ClientFrameInit): void {
    if (this.socket.readyState === 1) this.socket.send(toBinary(ClientFrameSchema, create(ClientFrameSchema, frame)));
  }

  close(): void {
    this.socket.close(1000);
  }

  /** Says whose socket it is, and again before that expires. */
  async #authenticate(): Promise<void> {
    try {
      this.send({ authenticate: { token: await this.options.token() } });
    } catch (error) {
      this.#ready.fail(error);
      this.close();
    }
  }

  #take(frame: ServerFrame): void {
    if (frame.callId !== 0) return this.#calls.get(frame.callId)?.take(frame);
    if (frame.ready) {
      this.#ready.put();
      const { tokenSeconds } = frame.ready;
      if (tokenSeconds > 0) this.#renewal = setTimeout(() => void this.#authenticate(), tokenSeconds * 800);
    }
    const status = frame.end?.status;
    if (status) this.#ready.fail(new CallError(status.code, status.message, status.details));
  }

  #lost(code: number, reason: string): void {
    clearTimeout(this.#renewal);
    this.onLost();
    const error = new CallError(Code.Unavailable, `the socket was closed: ${code} ${reason}`.trim());
    this.#ready.fail(error);
    for (const call of this.#calls.values()) call.lose(error);
  }
}

/** One call on a connection. */
class Call {
  readonly frames = new Queue<ServerFrame>();
  readonly #room = new Queue<void>(INITIAL_CREDIT);
  #consumed = 0;
  #hasEnded = false;

  constructor(
    private readonly send: (frame: ClientFrameInit) => void,
    private readonly forget: () => void,
  ) {}

  take(frame: ServerFrame): void {
    for (let granted = frame.credit; granted > 0; granted--) this.#room.put();
    this.#hasEnded ||= frame.end !== undefined;
    this.frames.put(frame);
  }

  /** Tells the server of room as messages are consumed, half of what it began with at a time. */
  consumed(): void {
    this.#consumed = (this.#consumed + 1) % (INITIAL_CREDIT / 2);
    if (this.#consumed === 0 && !this.#hasEnded) this.send({ credit: INITIAL_CREDIT / 2 });
  }

  async sendAll<T>(requests: AsyncIterable<T>, encode: (request: T) => Uint8Array): Promise<void> {
    try {
      for await (const request of requests) {
        await this.#room.next();
        if (this.#hasEnded) return;
        this.send({ message: encode(request) });
      }
      this.send({ end: true });
    } catch (error) {
      this.fail(error);
    }
  }

  /** Ends the call from this side. */
  fail(error: unknown): void {
    this.finish();
    this.frames.fail(error);
  }

  /** The connection is gone. */
  lose(error: unknown): void {
    this.#hasEnded = true;
    this.fail(error);
  }

  finish(): void {
    if (!this.#hasEnded) this.send({ cancel: true });
    this.#hasEnded = true;
    this.#room.put();
    this.forget();
  }
}

async function only<T>(messages: AsyncGenerator<T, void>): Promise<T> {
  let found: { message: T } | undefined;
  for await (const message of messages) found = { message };
  if (!found) throw new CallError(Code.Internal, "the server answered without a message");
  return found.message;
}

function wishes({ metadata, timeoutMs }: CallOptions) {
  return { metadata: metadata ?? {}, timeoutMs: Math.ceil(timeoutMs ?? 0) };
}

/** What ends a call from this side: its signal, or its time, which also runs while there is no connection. */
function limitOf({ signal, timeoutMs }: CallOptions): AbortSignal | undefined {
  const limits = [signal, timeoutMs ? AbortSignal.timeout(timeoutMs) : undefined].filter((limit) => limit !== undefined);
  return limits.length > 0 ? AbortSignal.any(limits) : undefined;
}

function reasonOf(limit: AbortSignal | undefined): CallError {
  const isTimeout = (limit?.reason as { name?: string } | undefined)?.name === "TimeoutError";
  return isTimeout
    ? new CallError(Code.DeadlineExceeded, "the call's deadline passed")
    : new CallError(Code.Canceled, "the call was cancelled");
}
