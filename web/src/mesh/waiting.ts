// What calls wait with.

/** Values on their way from those who have them to one who waits for them. */
export class Queue<T> {
  readonly #values: T[];
  #failure: { error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** Begins with `count` values that say nothing. */
  constructor(count = 0) {
    this.#values = new Array<T>(count).fill(undefined as T);
  }

  put(value: T): void {
    this.#values.push(value);
    this.#wake?.();
  }

  /** What is there already is still handed out; then the failure. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  async next(): Promise<T> {
    while (this.#values.length === 0) {
      if (this.#failure) throw this.#failure.error;
      await new Promise<void>((wake) => (this.#wake = wake));
    }
    return this.#values.shift() as T;
  }
}

/** Waits longer after each failure, up to a limit, and not as long as everybody else. */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly options = { firstMs: 250, mostMs: 30_000 },
    private readonly random: () => number = Math.random,
  ) {}

  /** Nothing the first time; then between half and all of a time that doubles. */
  async wait(signal?: AbortSignal): Promise<void> {
    const { firstMs, mostMs } = this.options;
    const delayMs = this.#failures === 0 ? 0 : Math.min(mostMs, firstMs * 2 ** (this.#failures - 1));
    this.#failures += 1;
    if (delayMs === 0) return;
    const jittered = delayMs * (0.5 + this.random() / 2);
    await abortable(new Promise<void>((done) => setTimeout(done, jittered)), signal);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** The promise, unless the signal comes first. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (abort) signal.removeEventListener("abort", abort);
  }
}
