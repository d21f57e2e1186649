// What a page of the tests can do; bundled for the browser.

import { connectWeb, grpcWeb, meshSocket, type Caller } from "./callers.js";
import { checks } from "./checks.js";

const clients: Record<string, (url: string) => Caller> = {
  "connect-web": connectWeb,
  "grpc-web, text": (url) => grpcWeb(url, "text"),
  "grpc-web, binary": (url) => grpcWeb(url, "binary"),
  "the WebSocket": (url) => meshSocket(`${url.replace("http", "ws")}/ws`),
};

/** Runs a check; answers what is wrong, or nothing. */
async function run(client: string, check: string, url: string, token: string): Promise<string> {
  const caller = clients[client]?.(url) as Caller & { close?: () => void };
  try {
    await checks[check]?.(caller, { token });
    return "";
  } catch (error) {
    return String((error as Error).stack ?? error);
  } finally {
    caller.close?.();
  }
}

Object.assign(globalThis, { run });
