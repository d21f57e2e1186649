// The clients of others, and ours, behind one face: what a check asks for, each of them does in its own way.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { GrpcWebClientBase, MethodDescriptor, MethodType, type RpcError } from "grpc-web";
import { StatusSchema } from "../../src/gen/focusflow/mesh/v1/socket_pb.js";
import { CallError } from "../../src/mesh/error.js";
import { MeshSocket } from "../../src/mesh/socket.js";

export interface Options {
  token: string;
  timeoutMs?: number;
  signal?: AbortSignal;
}

type Method<I extends DescMessage, O extends DescMessage> = DescMethod & { input: I; output: O };

export interface Caller {
  unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O> & { methodKind: "unary" },
    request: MessageInitShape<I>,
    options: Options,
  ): Promise<MessageShape<O>>;
  stream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O> & { methodKind: "server_streaming" },
    request: MessageInitShape<I>,
    options: Options,
  ): AsyncIterable<MessageShape<O>>;
}

/** How a call failed, whoever made it. */
export interface Failure {
  code: number;
  message: string;
  /** The names of the details' types. */
  details: string[];
}

/** Buf's, over whatever transport. */
export function connect(transport: Transport): Caller {
  const headers = ({ token }: Options) => (token ? { authorization: `Bearer ${token}` } : {});
  return {
    async unary(method, request, options) {
      const { signal, timeoutMs } = options;
      return (await transport.unary(method, signal, timeoutMs, headers(options), request)).message;
    },
    async *stream(method, request, options) {
      const { signal, timeoutMs } = options;
      const requests = (async function* () {
        yield request;
      })();
      yield* (await transport.stream(method, signal, timeoutMs, headers(options), requests)).message;
    },
  };
}

export function connectWeb(url: string): Caller {
  return connect(createGrpcWebTransport({ baseUrl: url }));
}

/** Google's. */
export function grpcWeb(url: string, format: "binary" | "text"): Caller {
  const client = new GrpcWebClientBase({ format });
  const start = <I extends DescMessage, O extends DescMessage>(method: Method<I, O>, type: string) =>
    new MethodDescriptor<MessageShape<I>, MessageShape<O>>(
      `/${method.parent.typeName}/${method.name}`,
      type,
      Object as never,
      Object as never,
      (request: MessageShape<I>) => toBinary(method.input, request),
      (bytes: Uint8Array) => fromBinary(method.output, bytes),
    );
  const metadata = ({ token, timeoutMs }: Options): Record<string, string> => ({
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(timeoutMs ? { deadline: String(Date.now() + timeoutMs) } : {}),
  });
  return {
    unary(method, request, options) {
      const path = `${url}/${method.parent.typeName}/${method.name}`;
      const message = create(method.input, request);
      return client.unaryCall(path, message, metadata(options), start(method, MethodType.UNARY));
    },
    async *stream(method, request, options) {
      const path = `${url}/${method.parent.typeName}/${method.name}`;
      const message = create(method.input, request);
      const stream = client.serverStreaming(path, message, metadata(options), start(method, MethodType.SERVER_STREAMING));
      const found: MessageShape<typeof method.output>[] = [];
      let over: { error?: unknown } | undefined;
      let wake = () => {};
      const waking = (change: () => void) => () => (change(), wake());
      stream.on("data", (response) => waking(() => found.push(response))());
      stream.on("error", (error) => waking(() => (over ??= { error }))());
      stream.on("end", waking(() => (over ??= {})));
      try {
        for (;;) {
          const message = found.shift();
          if (message !== undefined) yield message;
          else if (over?.error) throw over.error as Error;
          else if (over) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        stream.cancel();
      }
    },
  };
}

/** Ours, over the WebSocket: one socket for each token. */
export function meshSocket(url: string, implementation?: typeof WebSocket): Caller & { close(): void } {
  const sockets = new Map<string, MeshSocket>();
  const of = (token: string) => {
    const options = { url, token: () => token, ...(implementation ? { WebSocket: implementation } : {}) };
    const socket = sockets.get(token) ?? new MeshSocket(options);
    sockets.set(token, socket);
    return socket;
  };
  return {
    unary: (method, request, { token, ...options }) => of(token).unary(method, request, options),
    stream: (method, request, { token, ...options }) => of(token).serverStreaming(method, request, options),
    close: () => sockets.forEach((socket) => socket.close()),
  };
}

/** What a client's error says. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ConnectError) {
    const details = error.details.map((detail) => ("type" in detail ? detail.type : detail.desc.typeName));
    return { code: error.code, message: error.rawMessage, details };
  }
  if (error instanceof CallError) {
    return { code: error.code, message: error.message, details: error.details.map(({ typeUrl }) => typeName(typeUrl)) };
  }
  const { code, message, metadata } = error as RpcError;
  if (typeof code !== "number") throw error;
  const encoded = metadata?.["grpc-status-details-bin"];
  const status = encoded ? fromBinary(StatusSchema, Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0))) : undefined;
  return { code, message, details: status?.details.map(({ typeUrl }) => typeName(typeUrl)) ?? [] };
}

function typeName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}
