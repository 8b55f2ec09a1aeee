// What was changed, the newest first, with undo for one change or for all of an answer.

import { DiffView } from "./diff";
import { button, counted, h, visibleName } from "./dom";
import type { Shell } from "./shell";
import { messageOf, type Store } from "./store";
import type { ChangeView } from "./wire";

const ALLOWED_BY: Record<string, string> = {
  approval: "approved by you",
  rule: "by your earlier approval",
  yolo: "YOLO, without asking",
  undo: "undo",
};

interface Row {
  element: HTMLElement;
  state: string;
  diff: DiffView | undefined;
}

export class ChangesPane {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "lm-changes" });
  private readonly empty = h("p", { class: "lm-soft" }, "Nothing was changed yet.");
  private readonly heading = h("summary");
  private readonly rows = new Map<string, Row>();
  /** Ids of changes or turns whose undo was asked for. */
  private readonly undoing = new Set<string>();
  private readonly stop: () => void;

  /** With `isWanted`, a part of them is listed; call `update` when it is another part. */
  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
    private readonly isWanted?: (change: ChangeView) => boolean,
  ) {
    this.element = isWanted
      ? h("div", { class: "lm-changes-pane" }, this.empty, this.list)
      : h("details", { class: "lm-changes-pane" }, this.heading, this.empty, this.list);
    this.stop = store.on("changes", () => {
      this.update();
    });
    this.update();
  }

  dispose(): void {
    this.stop();
    for (const row of this.rows.values()) row.diff?.dispose();
  }

  update(): void {
    const changes = this.store.changes
      .filter((change) => this.isWanted?.(change) ?? true)
      .sort((a, b) => b.made_at.localeCompare(a.made_at));
    this.empty.hidden = changes.length > 0;
    this.heading.textContent = `Changes (${String(changes.length)})`;
    const elements = changes.map((change) => this.rowOf(change, changes));
    for (const [id, row] of this.rows) {
      if (changes.some((change) => change.id === id)) continue;
      row.diff?.dispose();
      this.rows.delete(id);
    }
    const isSame =
      elements.length === this.list.children.length &&
      elements.every((element, index) => element === this.list.children[index]);
    if (!isSame) this.list.replaceChildren(...elements);
  }

  private rowOf(change: ChangeView, all: ChangeView[]): HTMLElement {
    const inTurn = all.filter((other) => other.turn_id === change.turn_id && isUndoable(other));
    // The button for a whole answer stands at the newest of its changes.
    const nTurn = inTurn[0]?.id === change.id && change.turn_id ? inTurn.length : 0;
    const isBusy = this.undoing.has(change.id) || this.undoing.has(change.turn_id);
    const state = JSON.stringify([change.undone_by, nTurn, isBusy]);
    let row = this.rows.get(change.id);
    if (!row) {
      row = { element: h("li", { class: "lm-change" }), state: "", diff: undefined };
      this.rows.set(change.id, row);
    }
    if (row.state !== state) {
      row.state = state;
      this.drawRow(row, change, nTurn, isBusy);
    }
    return row.element;
  }

  private drawRow(row: Row, change: ChangeView, nTurn: number, isBusy: boolean): void {
    const isOpen = row.element.querySelector("details")?.open ?? false;
    const details = h("details", {
      on: {
        toggle: () => {
          if (!details.open || row.diff) return;
          // The list may have only the beginning; the card has all.
          const approval = this.store.approval(change.approval_id);
          row.diff = new DiffView(approval?.diff ?? change.diff);
          details.append(row.diff.element);
        },
      },
    }, h("summary", {}, "Show the change"));
    if (row.diff) details.append(row.diff.element);
    details.open = isOpen;
    row.element.classList.toggle("lm-undone", Boolean(change.undone_by));
    row.element.replaceChildren(
      h(
        "div",
        { class: "lm-change-head" },
        h("span", { class: "lm-change-summary" }, change.summary),
        change.undone_by && h("span", { class: "lm-tag" }, "Undone"),
      ),
      h("div", { class: "lm-soft lm-path" }, change.targets.map(visibleName).join("\n")),
      h(
        "div",
        { class: "lm-soft" },
        `${ALLOWED_BY[change.by] ?? change.by} · `,
        h("time", { attr: { datetime: change.made_at } }, shortTime(change.made_at)),
      ),
      details,
      this.buttonsOf(change, nTurn, isBusy),
    );
  }

  private buttonsOf(change: ChangeView, nTurn: number, isBusy: boolean): HTMLElement {
    const actions = h("div", { class: "lm-card-actions" });
    if (isBusy) {
      actions.append(
        h("span", { class: "lm-spinner", attr: { "aria-hidden": "true" } }),
        h("span", { class: "lm-soft" }, "Undoing …"),
      );
      return actions;
    }
    if (!change.undone_by) {
      const label = change.by === "undo" ? "Do it again" : "Undo";
      actions.append(
        button(label, (event) => {
          if (event.detail <= 1) void this.undo(change.id, { change_id: change.id });
        }, { attr: { "aria-label": `${label}: ${change.summary}` } }),
      );
    }
    if (nTurn > 1) {
      actions.append(
        button(`Undo all ${counted(nTurn, "change")} of this answer`, (event) => {
          if (event.detail <= 1) void this.undo(change.turn_id, { turn_id: change.turn_id });
        }),
      );
    }
    return actions;
  }

  private async undo(
    key: string,
    what: { change_id: string } | { turn_id: string },
  ): Promise<void> {
    if (this.undoing.has(key)) return;
    this.undoing.add(key);
    this.update();
    try {
      await this.store.request({ type: "undo", ...what });
      this.shell.announce("Undone.");
    } catch (error) {
      this.shell.toast(messageOf(error), "error");
    } finally {
      this.undoing.delete(key);
      this.update();
    }
  }
}

function isUndoable(change: ChangeView): boolean {
  return !change.undone_by && change.by !== "undo";
}

/** A time as people say it: without the date when it is today. */
export function shortTime(iso: string, now = new Date()): string {
  const then = new Date(iso);
  if (Number.isNaN(then.getTime())) return iso;
  const time = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (then.toDateString() === now.toDateString()) return time;
  return `${then.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}
