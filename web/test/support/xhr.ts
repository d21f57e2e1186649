// XMLHttpRequest for Node, as much of it as Google's client uses. The packages that offer it show a text only when it
// is complete, and a stream never is.

export class XmlHttpRequest {
  onreadystatechange: (() => void) | null = null;
  readyState = 0;
  status = 0;
  statusText = "";
  responseType: "" | "arraybuffer" = "";
  responseText = "";
  response: ArrayBuffer | string = "";
  withCredentials = false;
  readonly #controller = new AbortController();
  readonly #requestHeaders = new Headers();
  #responseHeaders = new Headers();
  #method = "";
  #url = "";

  open(method: string, url: string): void {
    [this.#method, this.#url] = [method, url];
    this.#enter(1);
  }

  setRequestHeader(name: string, value: string): void {
    this.#requestHeaders.append(name, value);
  }

  getResponseHeader(name: string): string | null {
    return this.#responseHeaders.get(name);
  }

  getAllResponseHeaders(): string {
    return [...this.#responseHeaders].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  }

  abort(): void {
    this.#controller.abort();
  }

  send(body: string | Uint8Array<ArrayBuffer>): void {
    // A failure is a request that is done and has no status.
    this.#exchange(body).catch(() => this.#enter(4));
  }

  async #exchange(body: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const { signal } = this.#controller;
    const answer = await fetch(this.#url, { method: this.#method, headers: this.#requestHeaders, body, signal });
    [this.status, this.statusText, this.#responseHeaders] = [answer.status, answer.statusText, answer.headers];
    this.#enter(2);
    if (this.responseType === "arraybuffer") {
      this.response = await answer.arrayBuffer();
    } else {
      const decoder = new TextDecoder();
      for await (const piece of answer.body ?? []) {
        this.responseText += decoder.decode(piece, { stream: true });
        this.#enter(3);
      }
      this.response = this.responseText;
    }
    this.#enter(4);
  }

  #enter(state: number): void {
    if (this.#controller.signal.aborted) return;
    this.readyState = state;
    this.onreadystatechange?.();
  }
}
