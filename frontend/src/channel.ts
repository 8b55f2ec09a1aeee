// Requests to the kernel and their replies.

import type { PanelRequest, Reply } from "./wire";

/** What anywidget hands to `render`, as far as it is used here. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(name: string, callback: (...args: never[]) => void): void;
  off(name: string, callback: (...args: never[]) => void): void;
}

/** A request without the id, which the channel chooses. */
export type RequestBody = PanelRequest extends infer R
  ? R extends PanelRequest
    ? Omit<R, "request_id">
    : never
  : never;

/** The kernel refused; `message` is a sentence for the user. */
export class RequestError extends Error {
  override name = "RequestError";
}

/** The sentence of an error, for the user. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// A message is lost when the line to the server breaks; the kernel carries out a request
// with the same id once, so that asking again does no harm.
const FIRST_REPEAT_MS = 10_000;
const MAX_REPEAT_MS = 80_000;

interface Waiting {
  timer: ReturnType<typeof setTimeout> | undefined;
  resolve(data: Record<string, unknown>): void;
  reject(error: RequestError): void;
}

const UNREACHED = "The kernel can't be reached. Start it and run the cell again to go on.";

/** Sends requests and hands each reply to the one who asked. */
export class Channel {
  // Another view of the same widget gets the same replies; its ids differ.
  private readonly prefix = randomId();
  private readonly waiting = new Map<string, Waiting>();
  private count = 0;

  constructor(
    private readonly model: Model,
    private readonly onWaiting: (n: number) => void,
  ) {}

  /** Send a request; the promise is rejected with a `RequestError` when it fails. */
  request(body: RequestBody): Promise<Record<string, unknown>> {
    this.count += 1;
    const requestId = `${this.prefix}-${String(this.count)}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(requestId, { resolve, reject, timer: undefined });
      this.onWaiting(this.waiting.size);
      try {
        this.send({ ...body, request_id: requestId }, requestId, FIRST_REPEAT_MS);
      } catch {
        // Jupyter's own words are about its sockets.
        this.settle(requestId)?.reject(new RequestError(UNREACHED));
      }
    });
  }

  /** Take a reply; one for another view is passed over. */
  receive(reply: Reply): void {
    const asked = this.settle(reply.request_id);
    if (!asked) return;
    if (reply.ok) asked.resolve(reply.data);
    else asked.reject(new RequestError(reply.error || "The request failed."));
  }

  /** Ask no more; whoever waits for an answer is gone. */
  close(): void {
    for (const { timer } of this.waiting.values()) clearTimeout(timer);
    this.waiting.clear();
  }

  /** Give up on all that is unanswered. */
  abandon(reason: string): void {
    for (const id of [...this.waiting.keys()]) this.settle(id)?.reject(new RequestError(reason));
  }

  private send(message: object, requestId: string, repeatMs: number): void {
    this.model.send(message);
    const asked = this.waiting.get(requestId);
    if (!asked) return;
    asked.timer = setTimeout(() => {
      this.send(message, requestId, Math.min(2 * repeatMs, MAX_REPEAT_MS));
    }, repeatMs);
  }

  private settle(requestId: string): Waiting | undefined {
    const asked = this.waiting.get(requestId);
    clearTimeout(asked?.timer);
    if (this.waiting.delete(requestId)) this.onWaiting(this.waiting.size);
    return asked;
  }
}

function randomId(): string {
  // crypto.randomUUID is missing on pages served over plain HTTP, as many hubs are.
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
