// What every client is promised. The checks run wherever the client does, in Node or in a page, so they depend on
// neither.

import { CategoryService } from "../../src/gen/focusflow/v1/category_pb.js";
import { ChangeService } from "../../src/gen/focusflow/v1/change_pb.js";
import { failureOf, type Caller, type Failure } from "./callers.js";

/** Who asks: a person of the check's own, with the four categories of a new account. */
export interface Person {
  token: string;
}

type Check = (caller: Caller, person: Person) => Promise<void>;

const CANCELED = 1;
const DEADLINE_EXCEEDED = 4;
const ALREADY_EXISTS = 6;
const UNAUTHENTICATED = 16;

export const checks: Record<string, Check> = {
  async "a unary call is answered"(caller, { token }) {
    const created = await caller.unary(CategoryService.method.createCategory, category("Büro"), { token });
    equal(created.name, "Büro");
  },

  async "a server stream arrives message by message"(caller, { token }) {
    const numbers: bigint[] = [];
    for await (const { change } of caller.stream(ChangeService.method.watch, { since: 0n }, { token })) {
      numbers.push(change?.number ?? 0n);
      // It would go on for ever: what arrives before its end arrives as it comes.
      if (numbers.length === 4) break;
    }
    equal(numbers.join(), "1,2,3,4");
  },

  async "a failure says what is wrong, in any language and with details"(caller, { token }) {
    const name = "Grüße ☕ 日本";
    await caller.unary(CategoryService.method.createCategory, category(name), { token });
    const failure = await failing(caller.unary(CategoryService.method.createCategory, category(name), { token }));
    equal(failure.code, ALREADY_EXISTS, failure.message);
    equal(failure.message.includes(name), true, failure.message);
    equal(failure.details.join(), "google.rpc.ResourceInfo");
  },

  async "a call that is refused before it begins says why"(caller) {
    const failure = await failing(caller.unary(CategoryService.method.listCategories, {}, { token: "" }));
    equal(failure.code, UNAUTHENTICATED, failure.message);
    equal(failure.message.includes("access token"), true, failure.message);
    equal(failure.details.join(), "google.rpc.ErrorInfo");
  },

  async "a stream ends at its deadline"(caller, { token }) {
    const stream = caller.stream(ChangeService.method.watch, { since: 0n }, { token, timeoutMs: 400 });
    equal((await failing(drain(stream))).code, DEADLINE_EXCEEDED);
  },

  async "a call can be cancelled"(caller, { token }) {
    const controller = new AbortController();
    const stream = caller.stream(ChangeService.method.watch, { since: 0n }, { token, signal: controller.signal });
    const failure = await failing(drain(stream, () => controller.abort()));
    equal(failure.code, CANCELED);
  },
};

/** What Google's client promises too: it has no signal, and a stream is left by leaving it. */
export const checksWithoutSignal = Object.keys(checks).filter((name) => name !== "a call can be cancelled");

/** And in its binary mode it has unary calls only. */
export const unaryChecks = checksWithoutSignal.filter((name) => !name.includes("stream"));

function category(name: string) {
  return { category: { name, color: "#336699" } };
}

async function drain(stream: AsyncIterable<unknown>, onMessage = () => {}): Promise<void> {
  for await (const _ of stream) onMessage();
}

async function failing(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    return failureOf(error);
  }
  throw new Error("the call did not fail");
}

function equal<T>(found: T, expected: T, about = ""): void {
  if (found !== expected) throw new Error(`found ${String(found)}, expected ${String(expected)} ${about}`);
}
