/** A headless Chromium that tests drive by its DevTools protocol. @module */

import { start, until } from "./process.ts";

/** A page in a browser; disposal ends the browser. */
export interface Page extends AsyncDisposable {
  /** Goes to an address, and waits until all of it is loaded. */
  open(url: string): Promise<void>;
  /** The value of an expression in the page; a promise is awaited. */
  evaluate<T>(expression: string): Promise<T>;
  /** What the page complained of: errors on its console, exceptions, resources that could not be had. */
  readonly complaints: readonly string[];
  /** A picture of what is to be seen, as PNG. */
  picture(): Promise<Uint8Array<ArrayBuffer>>;
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  // The protocol's values are as many as its methods; tests look into them as they expect them.
  // deno-lint-ignore no-explicit-any
  readonly params?: any;
  // deno-lint-ignore no-explicit-any
  readonly result?: any;
  readonly error?: { readonly message: string };
}

/** Starts a browser with one empty page of the given size. */
export async function openBrowser(width = 1280, height = 900): Promise<Page> {
  const folder = await Deno.makeTempDir();
  const process = start([
    ...["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"],
    ...["--remote-debugging-port=0", `--user-data-dir=${folder}/profile`],
    ...[`--window-size=${width},${height}`, "about:blank"],
  ], `${folder}/chromium.log`);
  let port = "";
  await until("the browser listens", async () => {
    const file = `${folder}/profile/DevToolsActivePort`;
    port = (await Deno.readTextFile(file).catch(() => "")).split("\n")[0]!;
    return port !== "";
  }, 60_000);
  const pages = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
  const address = pages.find(({ type }: { type: string }) => type === "page").webSocketDebuggerUrl;
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return new DrivenPage(socket, async () => {
    await process[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  });
}

class DrivenPage implements Page {
  readonly complaints: string[] = [];
  readonly #socket: WebSocket;
  readonly #end: () => Promise<void>;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #loaded: (() => void) | undefined;
  #last = 0;

  constructor(socket: WebSocket, end: () => Promise<void>) {
    this.#socket = socket;
    this.#end = end;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
  }

  async open(url: string): Promise<void> {
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.#ask(`${domain}.enable`);
    const loaded = new Promise<void>((resolve) => this.#loaded = resolve);
    await this.#ask("Page.navigate", { url });
    await loaded;
  }

  async evaluate<T>(expression: string): Promise<T> {
    const { exceptionDetails, result } = await this.#ask("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value as T;
  }

  async picture(): Promise<Uint8Array<ArrayBuffer>> {
    const { data } = await this.#ask("Page.captureScreenshot", { format: "png" });
    return Uint8Array.fromBase64(data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    this.#socket.close();
    await closed;
    await this.#end();
  }

  // deno-lint-ignore no-explicit-any
  #ask(method: string, params: object = {}): Promise<any> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ error, result }) => {
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  #take({ error, id, method, params, result }: Answer): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.({ ...(error && { error }), result });
      this.#waiting.delete(id);
    } else if (method === "Page.loadEventFired") this.#loaded?.();
    else if (method === "Runtime.exceptionThrown") {
      this.complaints.push(JSON.stringify(params.exceptionDetails));
    } else if (method === "Runtime.consoleAPICalled" && params.type === "error") {
      this.complaints.push(JSON.stringify(params.args));
    } else if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.complaints.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    }
  }
}
