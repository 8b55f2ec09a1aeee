// All cards of proposed changes, and the bar with which several are decided together.

import { ApprovalCard } from "./approval_card";
import { ApprovalStates } from "./approval_state";
import { button, counted, h } from "./dom";
import type { Shell } from "./shell";
import type { Store } from "./store";
import type { ApprovalView } from "./wire";

export class ApprovalDesk {
  /** Shown while several changes of the active thread wait; goes above the composer. */
  readonly bar = h("section", {
    class: "lm-pending-bar",
    hidden: true,
    attr: { "aria-label": "Changes that wait for a decision" },
  });
  private readonly states: ApprovalStates;
  private readonly cards = new Map<string, ApprovalCard>();
  /** Ids of those that the user took out of what is decided together. */
  private readonly left = new Set<string>();
  private readonly boxes = new Map<string, HTMLInputElement>();
  private readonly subscriptions: (() => void)[];
  private shown = "";

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    this.states = new ApprovalStates(store, (id) => {
      this.cards.get(id)?.update();
      this.drawBar();
    });
    const redraw = (): void => {
      this.drawBar();
    };
    this.subscriptions = [
      store.on("approval", (approval) => {
        this.receive(approval);
      }),
      store.on("active", redraw),
      store.on("conversation", redraw),
      // Who allowed a change is known once it is in the journal.
      store.on("changes", () => {
        for (const card of this.cards.values()) card.update();
      }),
    ];
    this.drawBar();
  }

  /** The card of a change: always the same element, which keeps itself up to date. */
  card(approvalId: string): HTMLElement {
    let card = this.cards.get(approvalId);
    if (!card) {
      card = new ApprovalCard(approvalId, {
        store: this.store,
        states: this.states,
        card: (id) => this.card(id),
        reveal: (id) => {
          this.reveal(id);
        },
      });
      this.cards.set(approvalId, card);
    }
    return card.element;
  }

  /** Bring a card into view and put the focus on it. */
  reveal(approvalId: string): void {
    const card = this.card(approvalId);
    card.scrollIntoView({ block: "nearest" });
    card.focus({ preventScroll: true });
  }

  dispose(): void {
    for (const stop of this.subscriptions) stop();
    for (const card of this.cards.values()) card.dispose();
    this.states.dispose();
  }

  private receive(approval: ApprovalView): void {
    this.states.receive(approval);
    // A card that was replaced shows the new one once it is known.
    for (const card of this.cards.values()) card.update();
    if (approval.thread_id !== this.store.active) return;
    const said = {
      pending: "A change waits for your decision",
      approved: "",
      done: approval.undone ? "Undone" : "Done",
      rejected: "Rejected",
      void: "Out of date",
      failed: "Failed",
    }[approval.status];
    if (said) this.shell.announce(`${said}: ${approval.summary}`);
  }

  private drawBar(): void {
    const pending = this.store.pendingApprovals(this.store.active);
    const open = pending.filter((approval) => this.states.isOpen(approval.id));
    const state = JSON.stringify([this.store.active, pending.map((x) => x.id), open.length]);
    if (state === this.shown) return;
    this.shown = state;
    this.bar.hidden = pending.length < 2;
    if (this.bar.hidden) {
      this.left.clear();
      this.boxes.clear();
      this.bar.replaceChildren();
      return;
    }
    // Who has opened the list wants it open after one of them was decided.
    const isListed = this.bar.querySelector("details")?.open ?? false;
    const title = `${counted(pending.length, "change")} wait for you`;
    const list = h("details", {}, h("summary", {}, title));
    list.open = isListed;
    list.append(h("ul", {}, ...pending.map((approval) => this.entryOf(approval))));
    this.bar.replaceChildren(list, this.makeButtons(open));
  }

  private entryOf(approval: ApprovalView): HTMLElement {
    const box = h("input", {
      attr: { type: "checkbox" },
      on: {
        change: () => {
          if (box.checked) this.left.delete(approval.id);
          else this.left.add(approval.id);
          this.shown = "";
          this.drawBar();
          this.boxes.get(approval.id)?.focus();
        },
      },
    });
    box.checked = !this.left.has(approval.id);
    this.boxes.set(approval.id, box);
    return h(
      "li",
      { data: { id: approval.id } },
      h("label", {}, box, h("span", {}, approval.summary)),
      button("Show", () => {
        this.reveal(approval.id);
      }, { class: "lm-quiet", attr: { "aria-label": `Show: ${approval.summary}` } }),
    );
  }

  private makeButtons(open: ApprovalView[]): HTMLElement {
    const ids = open.map((approval) => approval.id).filter((id) => !this.left.has(id));
    const disabled = ids.length === 0;
    const decide = (decision: "approve" | "reject") => (event: MouseEvent) => {
      if (event.detail <= 1) void this.states.decide(ids, { decision });
    };
    const which = this.left.size ? String(ids.length) : `all ${String(ids.length)}`;
    return h(
      "div",
      { class: "lm-card-actions" },
      button(`Approve ${which}`, decide("approve"), { class: "lm-primary", disabled }),
      button(`Reject ${which}`, decide("reject"), { disabled }),
    );
  }
}
