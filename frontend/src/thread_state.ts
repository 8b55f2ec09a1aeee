// One thread as this view knows it: events are put in order, gaps and repeats are found.

import type { ApprovalView, Conversation, Events, Item, PanelEvent } from "./wire";

export interface ThreadState {
  readonly threadId: string;
  items: Item[];
  /** Older entries that can be asked for. */
  nEarlier: number;
  /** Number of the last event that is in `items`. */
  seq: number;
  isBusy: boolean;
  /** What the turn waits for, a few words. */
  doing: string;
  /** How the last turn ended. */
  status: string;
  /** Whether there is anything yet; else the view shows that it loads. */
  isLoaded: boolean;
}

/** What an event changed, for those who draw. */
export type Change =
  | { kind: "items" }
  | { kind: "item"; itemId: string }
  | { kind: "approval"; approval: ApprovalView }
  | { kind: "busy" };

export function emptyThread(threadId: string): ThreadState {
  return {
    threadId,
    items: [],
    nEarlier: 0,
    seq: 0,
    isBusy: false,
    doing: "",
    status: "",
    isLoaded: false,
  };
}

/**
 * Apply what is new in a message.
 *
 * Returns what changed, or "gap" (and changes nothing) when events before it are missing.
 */
export function applyEvents(state: ThreadState, message: Events): Change[] | "gap" {
  const next = state.seq + 1;
  if (!state.isLoaded || message.seq > next) return "gap";
  const fresh = message.events.slice(next - message.seq);
  const changes = fresh.flatMap((event) => applyEvent(state, event));
  state.seq += fresh.length;
  return changes;
}

function applyEvent(state: ThreadState, event: PanelEvent): Change[] {
  switch (event.type) {
    case "item": {
      const at = state.items.findIndex((item) => item.id === event.item.id);
      const item = structuredClone(event.item);
      if (at >= 0) state.items[at] = item;
      else state.items.push(item);
      return [{ kind: "items" }];
    }
    case "text":
      return changeItem(state, event.item_id, (item) => {
        item.text += event.text;
      });
    case "call":
      return changeItem(state, event.item_id, (item) => {
        const at = item.calls.findIndex((call) => call.call_id === event.call.call_id);
        if (at >= 0) item.calls[at] = event.call;
        else item.calls.push(event.call);
      });
    case "finished":
      return changeItem(state, event.item_id, (item) => {
        item.is_final = true;
        item.is_stopped = event.is_stopped;
      });
    case "removed": {
      const at = state.items.findIndex((item) => item.id === event.item_id);
      if (at < 0) return [];
      state.items.splice(at);
      return [{ kind: "items" }];
    }
    case "approval": {
      const { approval } = event;
      return [
        { kind: "approval", approval },
        ...changeItem(state, event.item_id, (item) => {
          if (!item.approvals.includes(approval.id)) item.approvals.push(approval.id);
        }),
      ];
    }
    case "busy":
      state.isBusy = event.is_busy;
      state.doing = event.is_busy ? event.doing : "";
      state.status = event.status;
      return [{ kind: "busy" }];
    default:
      // A newer kernel may know more kinds; the number counts all the same.
      return [];
  }
}

function changeItem(state: ThreadState, id: string, change: (item: Item) => void): Change[] {
  // The item that is being written is nearly always the last.
  const item = state.items.findLast((candidate) => candidate.id === id);
  if (!item) return [];
  change(item);
  return [{ kind: "item", itemId: id }];
}

/** Put the kernel's account of a thread in the place of what is there. */
export function replaceThread(state: ThreadState, whole: Conversation): void {
  const items = structuredClone(whole.items);
  const first = items[0];
  // Older entries that were asked for stay, so that nothing jumps away under the reader.
  const known = first ? state.items.findIndex((item) => item.id === first.id) : -1;
  const earlier = known > 0 && known <= whole.n_earlier ? state.items.slice(0, known) : [];
  state.items = [...earlier, ...items];
  state.nEarlier = whole.n_earlier - earlier.length;
  state.seq = whole.seq;
  state.isBusy = whole.is_busy;
  if (!whole.is_busy) state.doing = "";
  state.isLoaded = true;
}

/** Put older entries before those that are there. */
export function prependItems(state: ThreadState, older: Conversation): void {
  const known = new Set(state.items.map((item) => item.id));
  const fresh = older.items.filter((item) => !known.has(item.id));
  state.items = [...structuredClone(fresh), ...state.items];
  state.nEarlier = fresh.length ? older.n_earlier : 0;
}
