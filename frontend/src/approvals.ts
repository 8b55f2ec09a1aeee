// All cards of proposed changes, and the bar with which several are decided together.

import { ApprovalCard } from "./approval_card";
import { ApprovalStates } from "./approval_state";
import { button, counted, h } from "./dom";
import type { Shell } from "./shell";
import { Sight } from "./sight";
import { messageOf, type Store } from "./store";
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
  private readonly sight: Sight;
  private shown = "";
  private earlier = { about: "", n: 0 };

  /** `bring` puts the card of a change on the page; of any that waits, without an id. */
  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
    private readonly bring: (approvalId: string) => Promise<void> = () => Promise.resolve(),
  ) {
    this.states = new ApprovalStates(store, (id) => {
      this.cards.get(id)?.update();
      this.drawBar();
    });
    const redraw = (): void => {
      this.drawBar();
    };
    this.sight = new Sight(() => { store.press.after(redraw); });
    this.subscriptions = [
      store.on("approval", (approval) => {
        this.receive(approval);
      }),
      store.on("active", redraw),
      store.on("conversation", redraw),
      store.on("threads", redraw),
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
        reveal: (id) => void this.reveal(id),
      });
      this.cards.set(approvalId, card);
    }
    return card.element;
  }

  /** Bring a card into view and put the focus on it. */
  async reveal(approvalId: string): Promise<void> {
    const threadId = this.store.active;
    try {
      await this.bring(approvalId);
    } catch (error) {
      this.shell.toast(messageOf(error), "error");
    }
    const first = approvalId || this.store.pendingApprovals(threadId)[0]?.id;
    if (!first || this.store.active !== threadId) return;
    const card = this.card(first);
    if (!card.isConnected) return;
    card.scrollIntoView({ block: "nearest" });
    card.focus({ preventScroll: true });
  }

  dispose(): void {
    for (const stop of this.subscriptions) stop();
    for (const card of this.cards.values()) card.dispose();
    this.states.dispose();
    this.sight.dispose();
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
    this.sight.watch(pending.map((approval) => this.card(approval.id)));
    const single = this.unseen(pending);
    const nEarlier = this.countEarlier(pending.length);
    const ids = pending.map((x) => x.id);
    const state = JSON.stringify([this.store.active, ids, open.length, single?.id, nEarlier]);
    if (state === this.shown) return;
    this.shown = state;
    this.bar.hidden = pending.length < 2 && !single && !nEarlier;
    if (pending.length < 2) {
      this.left.clear();
      this.boxes.clear();
      this.bar.replaceChildren(...signs(single, nEarlier, (id) => void this.reveal(id)));
      return;
    }
    // Who has opened the list wants it open after one of them was decided.
    const isListed = this.bar.querySelector("details")?.open ?? false;
    const title = `${counted(pending.length, "change")} wait for you`;
    const list = h("details", {}, h("summary", {}, title));
    list.open = isListed;
    list.append(h("ul", {}, ...pending.map((approval) => this.entryOf(approval))));
    const signed = signs(undefined, nEarlier, (id) => void this.reveal(id));
    this.bar.replaceChildren(list, this.makeButtons(open), ...signed);
  }

  /** The one that waits, while its card is out of sight. */
  private unseen(pending: ApprovalView[]): ApprovalView | undefined {
    const [first, second] = pending;
    return first && !second && !this.sight.has(this.card(first.id)) ? first : undefined;
  }

  /** How many wait in entries that are not here yet; only the kernel knows them. */
  private countEarlier(nHere: number): number {
    const { active, threads } = this.store;
    const { nEarlier } = this.store.thread(active);
    const n = nEarlier ? (threads.find((thread) => thread.id === active)?.n_pending ?? 0) : 0;
    const rest = Math.max(0, n - nHere);
    const about = JSON.stringify([active, nEarlier, n]);
    // The list follows a decision a moment later; nothing else waits because of that.
    const isNews = about !== this.earlier.about;
    this.earlier = { about, n: isNews ? rest : Math.min(rest, this.earlier.n) };
    return this.earlier.n;
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
      button("Show", () => void this.reveal(approval.id), {
        class: "lm-quiet",
        attr: { "aria-label": `Show: ${approval.summary}` },
      }),
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

/** What leads to changes that can't be seen from where the reader is. */
function signs(
  single: ApprovalView | undefined,
  nEarlier: number,
  reveal: (approvalId: string) => void,
): HTMLElement[] {
  const rows: [string, string, string][] = [];
  if (single) rows.push(["A change waits for you", single.summary, single.id]);
  if (nEarlier) rows.push([`${counted(nEarlier, "change")} to decide`, "Earlier messages", ""]);
  return rows.map(([title, what, id]) =>
    h(
      "div",
      { class: "lm-pending-sign" },
      h("span", {}, `${title}: ${what}`),
      button("Show", () => { reveal(id); }, {
        class: "lm-quiet",
        attr: { "aria-label": `Show: ${what}` },
      }),
    ),
  );
}
