// What was said and is not in its thread yet.

import type { Item } from "./wire";

export interface Outgoing {
  id: number;
  text: string;
  /** Empty while it is on its way. */
  error: string;
}

/** Keeps what is on its way; `onChange` is told the thread in which that changed. */
export class Outbox {
  private readonly byThread = new Map<string, Outgoing[]>();
  private nextId = 1;

  constructor(private readonly onChange: (threadId: string) => void) {}

  of(threadId: string): readonly Outgoing[] {
    return this.byThread.get(threadId) ?? [];
  }

  put(threadId: string, text: string): Outgoing {
    const outgoing = { id: this.nextId++, text, error: "" };
    this.set(threadId, [...this.of(threadId), outgoing]);
    return outgoing;
  }

  fail(threadId: string, outgoing: Outgoing, error: string): void {
    outgoing.error = error;
    this.onChange(threadId);
  }

  takeOut(threadId: string, outgoingId: number): void {
    this.set(
      threadId,
      this.of(threadId).filter((outgoing) => outgoing.id !== outgoingId),
    );
  }

  /** Take out what has its own entry by now. */
  settle(threadId: string, items: Item[]): void {
    const said = new Set(
      items
        .slice(-20)
        .filter((item) => item.role === "user")
        .map((item) => item.text.trim()),
    );
    this.set(
      threadId,
      this.of(threadId).filter((outgoing) => outgoing.error || !said.has(outgoing.text.trim())),
    );
  }

  private set(threadId: string, all: Outgoing[]): void {
    if (all.length === this.of(threadId).length) return;
    this.byThread.set(threadId, all);
    this.onChange(threadId);
  }
}
