// What our own client adds: streams in both directions, and changes that survive a server.

import { strictEqual, rejects } from "node:assert";
import { after, before, test } from "node:test";
import WebSocketOfNode from "ws";
import { CategoryService } from "../src/gen/focusflow/v1/category_pb.js";
import type { Change } from "../src/gen/focusflow/v1/change_pb.js";
import { ImportService, ImportSource_Format } from "../src/gen/focusflow/v1/transfer_pb.js";
import { watchChanges } from "../src/mesh/changes.js";
import { CallError, Code } from "../src/mesh/error.js";
import { MeshSocket } from "../src/mesh/socket.js";
import { Backoff } from "../src/mesh/waiting.js";
import { FocusFlow } from "./support/focusflow.js";

const implementation = WebSocketOfNode as unknown as typeof WebSocket;
const quick = () => new Backoff({ firstMs: 20, mostMs: 200 });

let focusflow: FocusFlow;
before(async () => (focusflow = await FocusFlow.start()));
after(() => focusflow.stop());

function socketFor(token: string): MeshSocket {
  return new MeshSocket({ url: focusflow.socketUrl, token: () => token, WebSocket: implementation, backoff: quick() });
}

async function addCategory(socket: MeshSocket, name: string): Promise<string> {
  return (await socket.unary(CategoryService.method.createCategory, { category: { name, color: "#336699" } })).id;
}

test("a file goes up while its progress comes down", async () => {
  const socket = socketFor(await focusflow.register("import@example.org"));
  const rows = Array.from({ length: 400 }, (_, row) => `task,Row ${row},4,1,,,2026-01-05,en,Europe/London`);
  const file = new TextEncoder().encode(["TYPE,CONTENT,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE", ...rows].join("\n"));
  async function* pieces() {
    yield { part: { case: "source" as const, value: { format: ImportSource_Format.TODOIST } } };
    // Many more pieces than may be sent without credit.
    for (let start = 0; start < file.length; start += 512) {
      yield { part: { case: "data" as const, value: file.subarray(start, start + 512) } };
    }
  }
  let imported = 0;
  for await (const { progress } of socket.bidiStreaming(ImportService.method.import, pieces())) {
    imported = progress?.rowsImported ?? 0;
  }
  strictEqual(imported, 400);
  socket.close();
});

test("changes go on after the server was killed, none missed and none twice", async () => {
  const token = await focusflow.register("watch@example.org");
  const socket = socketFor(token);
  const controller = new AbortController();
  const changes = watchChanges(socket, { since: 0n, signal: controller.signal, backoff: quick() });
  let last = 0n;
  const arrives = async (id: string) => {
    for (;;) {
      const { number, resourceId } = (await changes.next()).value as Change;
      strictEqual(number, (last += 1n));
      if (resourceId === id) return;
    }
  };
  await arrives(await addCategory(socket, "before"));

  await focusflow.kill();
  await focusflow.resume();
  // By another client: the one that watches finds the server again by itself.
  const another = socketFor(token);
  await arrives(await addCategory(another, "meanwhile"));
  await arrives(await addCategory(socket, "afterwards"));
  controller.abort();
  strictEqual((await changes.next()).done, true);
  for (const opened of [socket, another]) opened.close();
});

test("a number beyond the last is not resumed but reported", async () => {
  const socket = socketFor(await focusflow.register("beyond@example.org"));
  const changes = watchChanges(socket, { since: 1_000_000n });
  await rejects(changes.next(), (error) => {
    return error instanceof CallError && error.code === Code.OutOfRange && error.reason === "BEYOND_LAST_CHANGE";
  });
  socket.close();
});

test("a token that is refused fails the call with the status", async () => {
  const socket = socketFor("nonsense");
  await rejects(addCategory(socket, "never"), (error) => {
    return error instanceof CallError && error.code === Code.Unauthenticated && error.reason === "TOKEN_INVALID";
  });
});

test("a closed client opens no further socket", async () => {
  const socket = socketFor(await focusflow.register("closed@example.org"));
  await addCategory(socket, "before");
  socket.close();
  await rejects(addCategory(socket, "after"), (error) => error instanceof CallError && error.code === Code.Canceled);
});
