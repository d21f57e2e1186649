// A FocusFlow of a test's own: free ports, a folder of its own, gone with the test.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.FOCUSFLOW_BINARY ?? fileURLToPath(new URL("../../../target/debug/focusflow", import.meta.url));

export class FocusFlow {
  #process: ChildProcess | undefined;
  #address = "";

  private constructor(
    private readonly folder: string,
    private readonly origins: string[],
  ) {}

  /** `focusflow up`, ready, for pages of these origins. */
  static async start(origins: string[] = []): Promise<FocusFlow> {
    const focusflow = new FocusFlow(await mkdtemp(join(tmpdir(), "focusflow-web-")), origins);
    await focusflow.resume(0);
    return focusflow;
  }

  /** Starts it on what it has left. */
  async resume(port = this.port): Promise<void> {
    const places = ["storage", "ai", "admin"].map((name) => `--${name}-port=0`);
    const started = spawn(BINARY, ["up", "--json", `--port=${port}`, ...places, "--data-dir", this.folder], {
      // Each check signs a person up, all from one address.
      env: { ...process.env, RATE_LIMIT: "off", RUST_LOG: "error", FRONTEND_URL: this.origins.join(",") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = started;
    const [line] = await Promise.race([
      once(createInterface(started.stdout), "line"),
      once(started, "exit").then(() => {
        throw new Error("focusflow up ended before it was ready");
      }),
    ]);
    this.#address = (JSON.parse(line as string) as { gateway: string }).gateway;
  }

  get url(): string {
    return `http://${this.#address}`;
  }

  get socketUrl(): string {
    return `ws://${this.#address}/ws`;
  }

  get port(): number {
    return Number(this.#address.split(":").at(-1));
  }

  /** Ends it as a power cut does. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    await rm(this.folder, { recursive: true });
  }

  /** A new person's access token. */
  async register(email: string): Promise<string> {
    const answer = await fetch(`${this.url}/api/v1/auth/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email, password: "correct horse battery", firstName: "Ada", timeZone: "Europe/London" }),
    });
    const session = (await answer.json()) as { accessToken?: string };
    if (!session.accessToken) throw new Error(JSON.stringify(session));
    return session.accessToken;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    running.kill(signal);
    await once(running, "exit");
  }
}
