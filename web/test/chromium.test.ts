// The same clients in pages of a real Chromium, from an origin that may and one that may not.

import { build } from "esbuild";
import { strictEqual, notStrictEqual } from "node:assert";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { checks, checksWithoutSignal, unaryChecks } from "./support/checks.js";
import { FocusFlow } from "./support/focusflow.js";

declare function run(client: string, check: string, url: string, token: string): Promise<string>;

const all = Object.keys(checks);
const clients: Record<string, string[]> = {
  "connect-web": all,
  "grpc-web, text": checksWithoutSignal,
  "grpc-web, binary": unaryChecks,
  "the WebSocket": all,
};

let sites: Server[];
let focusflow: FocusFlow;
let browser: Browser;
let page: Page;
let strangersPage: Page;

before(async () => {
  sites = await Promise.all([site(), site()]);
  const [ours, strangers] = sites.map(originOf) as [string, string];
  focusflow = await FocusFlow.start([ours]);
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  // A container has no user namespaces of its own, and the pages are ours.
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  page = await open(ours);
  strangersPage = await open(strangers);
});

after(async () => {
  await browser?.close();
  await focusflow?.stop();
  sites?.forEach((server) => server.close());
});

let people = 0;
async function outcome(on: Page, client: string, check: string): Promise<string> {
  const token = await focusflow.register(`page${(people += 1)}@example.org`);
  return on.evaluate(([client, check, url, token]) => run(client, check, url, token), [
    client,
    check,
    focusflow.url,
    token,
  ] as const);
}

for (const [client, promised] of Object.entries(clients)) {
  describe(`${client} in Chromium`, () => {
    for (const check of promised) {
      test(check, async () => strictEqual(await outcome(page, client, check), ""));
    }
    test("a page of another origin is refused", async () => {
      notStrictEqual(await outcome(strangersPage, client, "a unary call is answered"), "");
    });
  });
}

/** A site with one page, which has the clients. */
async function site(): Promise<Server> {
  const entryPoints = [fileURLToPath(new URL("support/page.ts", import.meta.url))];
  const bundle = await build({ entryPoints, bundle: true, write: false, format: "iife", target: "es2022" });
  const script = bundle.outputFiles[0]?.text ?? "";
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><meta charset="utf-8"><script src="/page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function originOf(server: Server): string {
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

async function open(origin: string): Promise<Page> {
  const opened = await browser.newPage();
  await opened.goto(origin);
  return opened;
}
