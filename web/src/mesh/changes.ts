// A person's changes, without end: what breaks is resumed after the last number seen.

import { ChangeService, type Change } from "../gen/focusflow/v1/change_pb.js";
import { CallError, Code } from "./error.js";
import type { MeshSocket } from "./socket.js";
import { Backoff } from "./waiting.js";

/** Failures after which the same request may succeed, on another socket or with another token. */
const PASSING = new Set([Code.Unavailable, Code.ResourceExhausted, Code.DeadlineExceeded, Code.Unauthenticated]);

export interface WatchOptions {
  /** The last number that was seen; 0n: from the beginning. */
  since: bigint;
  signal?: AbortSignal;
  backoff?: Backoff;
}

/**
 * Every change after `since`, in order, none missed and none twice, whatever happens to connections.
 *
 * Ends with its signal. Throws what does not pass: above all OUT_OF_RANGE with the reason BEYOND_LAST_CHANGE, after which everything has to be
 * read anew.
 */
export async function* watchChanges(socket: MeshSocket, options: WatchOptions): AsyncGenerator<Change, void> {
  const backoff = options.backoff ?? new Backoff();
  const call = options.signal ? { signal: options.signal } : {};
  let { since } = options;
  while (!options.signal?.aborted) {
    try {
      await backoff.wait(options.signal);
      for await (const { change } of socket.serverStreaming(ChangeService.method.watch, { since }, call)) {
        if (!change) continue;
        backoff.reset();
        since = change.number;
        yield change;
      }
    } catch (error) {
      if (options.signal?.aborted) return;
      if (!(error instanceof CallError && PASSING.has(error.code))) throw error;
    }
  }
}
