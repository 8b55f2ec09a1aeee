// Stands in for the widget's model: traits, and messages in both directions.

import type { Model } from "../src/channel";
import type { ApprovalView, Conversation, Item, PanelEvent } from "../src/wire";

type Callback = (...args: never[]) => void;
export type Sent = Record<string, unknown> & { type: string; request_id: string };

export class FakeModel implements Model {
  readonly sent: Sent[] = [];
  readonly saved: string[] = [];
  private readonly callbacks = new Map<string, Set<Callback>>();

  constructor(readonly traits: Record<string, unknown> = {}) {}

  get(name: string): unknown {
    return this.traits[name];
  }

  set(name: string, value: unknown): void {
    this.traits[name] = value;
    this.saved.push(name);
    this.fire(`change:${name}`);
  }

  save_changes(): void {
    this.saved.push("save");
  }

  send(content: unknown): void {
    this.sent.push(content as Sent);
  }

  on(name: string, callback: Callback): void {
    const all = this.callbacks.get(name) ?? new Set();
    this.callbacks.set(name, all.add(callback));
  }

  off(name: string, callback: Callback): void {
    this.callbacks.get(name)?.delete(callback);
  }

  /** Number of callbacks that are still there. */
  get nCallbacks(): number {
    return [...this.callbacks.values()].reduce((n, all) => n + all.size, 0);
  }

  fire(name: string, value?: unknown): void {
    for (const callback of [...(this.callbacks.get(name) ?? [])]) callback(value as never);
  }

  // -- as the kernel ---------------------------------------------------------------

  events(threadId: string, seq: number, ...events: PanelEvent[]): void {
    this.fire("msg:custom", { type: "events", thread_id: threadId, seq, events });
  }

  /** The last request of this type. */
  last(type: string): Sent | undefined {
    return this.sent.findLast((message) => message.type === type);
  }

  count(type: string): number {
    return this.sent.filter((message) => message.type === type).length;
  }

  async reply(request: Sent | undefined, data: unknown = {}): Promise<void> {
    if (!request) throw new Error("nothing was asked");
    this.fire("msg:custom", {
      type: "reply",
      request_id: request.request_id,
      ok: true,
      error: "",
      data,
    });
    await settled();
  }

  async refuse(request: Sent | undefined, error: string): Promise<void> {
    if (!request) throw new Error("nothing was asked");
    this.fire("msg:custom", {
      type: "reply",
      request_id: request.request_id,
      ok: false,
      error,
      data: {},
    });
    await settled();
  }
}

/** Let promises that are settled call what waits for them. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

export function item(id: string, changes: Partial<Item> = {}): Item {
  return {
    id,
    role: "assistant",
    text: "",
    calls: [],
    approvals: [],
    turn_id: "",
    at: "",
    is_final: true,
    is_stopped: false,
    ...changes,
  };
}

export function conversation(changes: Partial<Conversation> = {}): Conversation {
  return {
    thread_id: "t",
    items: [],
    n_earlier: 0,
    approvals: [],
    seq: 0,
    is_busy: false,
    ...changes,
  };
}

export function approval(id: string, changes: Partial<ApprovalView> = {}): ApprovalView {
  return {
    id,
    thread_id: "t",
    tool: "edit_file",
    kind: "edit",
    targets: ["model.py"],
    summary: "Change model.py",
    diff: "--- a/model.py\n+++ b/model.py\n@@ -1 +1 @@\n-a\n+b\n",
    reason: "It fails.",
    risk: "low",
    status: "pending",
    message: "",
    replaced_by: "",
    change_id: "",
    can_edit: false,
    text: "",
    can_undo: false,
    undone: false,
    ...changes,
  };
}

export const added = (id: string, changes: Partial<Item> = {}): PanelEvent => ({
  type: "item",
  item: item(id, { is_final: false, ...changes }),
});
export const text = (itemId: string, piece: string): PanelEvent => ({
  type: "text",
  item_id: itemId,
  text: piece,
});
export const finished = (itemId: string, isStopped = false): PanelEvent => ({
  type: "finished",
  item_id: itemId,
  is_stopped: isStopped,
});
export const busy = (isBusy: boolean, status = "", doing = ""): PanelEvent => ({
  type: "busy",
  is_busy: isBusy,
  status,
  doing,
});
