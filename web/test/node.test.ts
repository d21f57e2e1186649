// Clients in Node, over HTTP/1.1 and h2c, before the real system.

import { createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { after, before, describe, test } from "node:test";
import WebSocketOfNode from "ws";
import { connect, connectWeb, grpcWeb, meshSocket, type Caller } from "./support/callers.js";
import { checks, checksWithoutSignal, unaryChecks } from "./support/checks.js";
import { FocusFlow } from "./support/focusflow.js";
import { XmlHttpRequest } from "./support/xhr.js";

// Google's client was made for pages.
Object.assign(globalThis, { XMLHttpRequest: XmlHttpRequest });

const all = Object.keys(checks);
const clients: Record<string, [(focusflow: FocusFlow) => Caller, string[]]> = {
  "connect-web": [({ url }) => connectWeb(url), all],
  "connect-node, gRPC-Web over HTTP/1.1": [
    ({ url }) => connect(createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1" })),
    all,
  ],
  "connect-node, gRPC-Web over h2c": [
    ({ url }) => connect(createGrpcWebTransport({ baseUrl: url, httpVersion: "2" })),
    all,
  ],
  "connect-node, gRPC over h2c": [({ url }) => connect(createGrpcTransport({ baseUrl: url })), all],
  "grpc-web, text": [({ url }) => grpcWeb(url, "text"), checksWithoutSignal],
  "grpc-web, binary": [({ url }) => grpcWeb(url, "binary"), unaryChecks],
  "the WebSocket": [({ socketUrl }) => meshSocket(socketUrl, WebSocketOfNode as unknown as typeof WebSocket), all],
};

let focusflow: FocusFlow;
before(async () => (focusflow = await FocusFlow.start()));
after(() => focusflow.stop());

let people = 0;
for (const [client, [make, promised]] of Object.entries(clients)) {
  describe(client, () => {
    for (const name of promised) {
      test(name, async () => {
        const caller = make(focusflow);
        try {
          await checks[name]?.(caller, { token: await focusflow.register(`node${(people += 1)}@example.org`) });
        } finally {
          (caller as { close?: () => void }).close?.();
        }
      });
    }
  });
}
