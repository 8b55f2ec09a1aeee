// Where in a conversation a proposed change is shown.

import type { Store } from "./store";
import type { Item } from "./wire";

/** Place of the first entry with a change that waits; behind the last one without any. */
export function placeOfPending(store: Store, items: readonly Item[]): number {
  const place = items.findIndex((item) =>
    item.approvals.some((id) => [id, ...later(store, id)].some((one) => isPending(store, one))),
  );
  return place < 0 ? items.length : place;
}

/** Place of the entry with this change; behind the last one when it is in none. */
export function placeOfChange(store: Store, items: readonly Item[], approvalId: string): number {
  const place = items.findIndex((item) =>
    item.approvals.some((id) => id === approvalId || later(store, id).includes(approvalId)),
  );
  return place < 0 ? items.length : place;
}

/** Ids of those that have taken the place of a change; they are shown on its card. */
function later(store: Store, id: string): string[] {
  const found: string[] = [];
  for (let next = store.approval(id)?.replaced_by; next && !found.includes(next); ) {
    found.push(next);
    next = store.approval(next)?.replaced_by;
  }
  return found;
}

function isPending(store: Store, id: string): boolean {
  return store.approval(id)?.status === "pending";
}
