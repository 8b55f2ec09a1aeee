// The transcript of the thread that is shown.

import { ApprovalDesk } from "./approvals";
import { BusyLine } from "./busy";
import { DiagnosisPane } from "./diagnosis";
import { button, h } from "./dom";
import { ItemView, type ItemActions } from "./item";
import { placeOfChange, placeOfPending } from "./places";
import { ScrollKeeper } from "./scroll";
import type { Shell } from "./shell";
import { messageOf, type Store, type ThreadState } from "./store";
import type { Item } from "./wire";

// So many entries are made at once; older ones when the reader comes near them.
const PORTION = 40;
// More than these are not kept in the page while the end is read: each frame of a growing
// answer would have to lay all of them out.
const MOST_SHOWN = 120;
const KEPT = 60;
const MAX_OUTGOING_CHARS = 4000;

export class Conversation {
  readonly element: HTMLElement;
  readonly desk: ApprovalDesk;
  private readonly diagnosis: DiagnosisPane;
  private readonly frame: HTMLElement;
  private readonly list = h("div", { class: "lm-items" });
  private readonly outbox = h("div", { class: "lm-outbox" });
  private readonly busy: BusyLine;
  private readonly empty = h("div", { class: "lm-empty" });
  private readonly earlier: HTMLButtonElement;
  private readonly scroll: ScrollKeeper;
  private readonly views = new Map<string, ItemView>();
  private readonly positions = new Map<string, number>();
  private readonly dirty = new Set<string>();
  private readonly stops: (() => void)[];
  private frameRequest = 0;
  private threadId = "";
  /** Id of the oldest entry that is shown. */
  private firstShown = "";
  private fetching: Promise<void> | undefined;

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    this.desk = new ApprovalDesk(store, shell, (id) => this.bring(id));
    this.diagnosis = new DiagnosisPane(store, shell);
    this.busy = new BusyLine();
    this.earlier = button("Show earlier messages", () => void this.showEarlier(), {
      class: "lm-earlier",
    });
    const content = h(
      "div",
      { class: "lm-content" },
      this.earlier,
      this.diagnosis.element,
      this.empty,
      this.list,
      this.outbox,
      this.busy.element,
    );
    this.frame = h(
      "div",
      {
        class: "lm-transcript",
        // Pieces of an answer are not read out one by one; its end is announced.
        attr: { role: "log", "aria-label": "Conversation", "aria-live": "off", tabindex: "0" },
      },
      content,
    );
    this.scroll = new ScrollKeeper(
      this.frame,
      content,
      () => void this.showEarlier(),
      () => { this.letGo(); },
    );
    this.element = h("div", { class: "lm-conversation" }, this.frame, this.scroll.toEnd);
    this.stops = this.subscribe();
    this.show(store.active);
  }

  dispose(): void {
    for (const stop of this.stops) stop();
    cancelAnimationFrame(this.frameRequest);
    this.busy.dispose();
    this.scroll.dispose();
    this.desk.dispose();
    this.diagnosis.dispose();
  }

  /** Show the diagnosis, which is at the top. */
  showTop(): void {
    this.scroll.goToTop();
  }

  showEnd(): void {
    this.scroll.goToEnd();
  }

  /** Say again what was said last. */
  retryLast(): void {
    const last = this.store.thread(this.threadId).items.findLast((item) => item.role === "user");
    if (last) this.resend(last.id, last.text, false);
  }

  private subscribe(): (() => void)[] {
    const here = (threadId: string, action: () => void): void => {
      if (threadId === this.threadId) action();
    };
    return [
      this.store.on("active", (threadId) => { this.show(threadId); }),
      this.store.on("conversation", (threadId) => {
        here(threadId, () => {
          this.paintAll();
          this.letGo();
        });
      }),
      this.store.on("item", ({ threadId, itemId }) => {
        here(threadId, () => { this.paintSoon(itemId); });
      }),
      this.store.on("outbox", (threadId) => {
        here(threadId, () => {
          this.paintOutbox();
          this.scroll.goToEnd();
        });
      }),
      this.store.on("busy", (threadId) => {
        here(threadId, () => { this.paintBusy(); });
      }),
      this.store.on("approval", ({ thread_id: threadId }) => {
        here(threadId, () => { this.showPending(); });
      }),
      this.store.on("groups", () => { this.paintDiagnosis(); }),
      this.store.on("overview", () => { this.paintEmpty(); }),
    ];
  }

  private show(threadId: string): void {
    if (threadId !== this.threadId) {
      this.positions.set(this.threadId, this.scroll.position());
      this.views.clear();
      this.list.replaceChildren();
      this.firstShown = "";
    }
    const isNew = threadId !== this.threadId;
    this.threadId = threadId;
    this.paintAll();
    this.paintOutbox();
    if (isNew) this.scroll.restore(this.positions.get(threadId) ?? Infinity);
  }

  // -- drawing ---------------------------------------------------------------------

  private paintAll(): void {
    const state = this.store.thread(this.threadId);
    const start = this.startOf(state.items);
    const items = state.items.slice(start);
    this.firstShown = items[0]?.id ?? "";
    const wanted = new Set(items.map((item) => item.id));
    for (const [id, view] of this.views) {
      if (wanted.has(id)) continue;
      view.element.remove();
      this.views.delete(id);
    }
    let next = this.list.firstElementChild;
    for (const item of items) {
      const view = this.viewOf(item);
      if (view.element === next) next = next.nextElementSibling;
      else this.list.insertBefore(view.element, next);
    }
    this.earlier.hidden = start === 0 && !state.nEarlier;
    this.paintDiagnosis();
    this.paintEmpty();
    this.paintBusy();
  }

  /** Take old entries off the page when the reader is at the end; they come back above. */
  private letGo(): void {
    if (!this.scroll.isFollowing || this.views.size <= MOST_SHOWN) return;
    const { items } = this.store.thread(this.threadId);
    const start = Math.min(items.length - KEPT, placeOfPending(this.store, items));
    if (start <= this.startOf(items)) return;
    const isInUse = items.slice(0, start).some((item) => this.views.get(item.id)?.isInUse);
    if (isInUse) return;
    this.firstShown = items[start]?.id ?? "";
    this.scroll.keepWhile(() => { this.paintAll(); });
  }

  private startOf(items: Item[]): number {
    const known = items.findIndex((item) => item.id === this.firstShown);
    const start = known >= 0 ? known : Math.max(0, items.length - PORTION);
    // Nothing that can be approved is out of reach.
    return Math.min(start, placeOfPending(this.store, items));
  }

  private viewOf(item: Item): ItemView {
    const known = this.views.get(item.id);
    if (known) {
      known.update(item);
      return known;
    }
    const made = new ItemView(item, this.actions());
    this.views.set(item.id, made);
    return made;
  }

  private actions(): ItemActions {
    return {
      resend: (itemId, text) => { this.resend(itemId, text, true); },
      retry: (itemId) => { this.retry(itemId); },
      approvalCard: (id) => this.desk.card(id),
    };
  }

  /** Many messages of one frame are one repaint. */
  private paintSoon(itemId: string): void {
    this.dirty.add(itemId);
    if (this.frameRequest) return;
    this.frameRequest = requestAnimationFrame(() => {
      this.store.press.after(() => { this.paintDirty(); });
    });
  }

  private paintDirty(): void {
    this.frameRequest = 0;
    const { items } = this.store.thread(this.threadId);
    for (const id of this.dirty) {
      const item = items.findLast((candidate) => candidate.id === id);
      if (item) this.views.get(id)?.update(item);
    }
    this.dirty.clear();
  }

  private paintDiagnosis(): void {
    this.diagnosis.show(this.store.group(this.threadId)?.key ?? "");
  }

  private paintEmpty(): void {
    const state = this.store.thread(this.threadId);
    const isEmpty = !state.items.length && !this.store.outbox(this.threadId).length;
    this.empty.hidden = !isEmpty || (this.threadId !== "" && !!this.store.group(this.threadId));
    if (this.empty.hidden) return;
    const isLoading = this.threadId !== "" && !state.isLoaded;
    this.empty.classList.toggle("lm-loading", isLoading);
    const { run } = this.store.overview;
    this.empty.replaceChildren(
      ...(isLoading
        ? [h("p", {}, "Loading the conversation\u2026")]
        : [
            h("h2", {}, run ? `Ask about ${run}` : "Ask about the run"),
            h(
              "p",
              {},
              "Choose a failure to see why it happened, or ask a question below. " +
                "@\u00a0names a job or a file, /\u00a0a\u00a0command.",
            ),
          ]),
    );
  }

  private paintBusy(): void {
    const state = this.store.thread(this.threadId);
    this.busy.show(state.isBusy, state.doing);
  }

  private paintOutbox(): void {
    const rows = this.store.outbox(this.threadId).map((outgoing) =>
      h(
        "article",
        { class: "lm-item lm-item-user lm-outgoing", attr: { "aria-label": "You" } },
        h("div", { class: "lm-plain" }, shortened(outgoing.text)),
        outgoing.error
          ? h(
              "div",
              { class: "lm-row lm-failed", attr: { role: "alert" } },
              h("span", {}, outgoing.error),
              button("Send again", () => {
                this.store.takeOut(this.threadId, outgoing.id);
                this.shell.say(outgoing.text, this.threadId);
              }),
              button("Back to the box", () => {
                this.store.takeOut(this.threadId, outgoing.id);
                this.shell.draft(outgoing.text);
              }),
            )
          : h("div", { class: "lm-small" }, "Sending\u2026"),
      ),
    );
    this.outbox.replaceChildren(...rows);
    this.paintEmpty();
  }

  // -- asking ----------------------------------------------------------------------

  private async showEarlier(): Promise<void> {
    const state = this.store.thread(this.threadId);
    const start = this.startOf(state.items);
    if (this.fetching || (start === 0 && !state.nEarlier)) return;
    try {
      if (start === 0) await this.fetchEarlier();
      this.showFrom(this.startOf(state.items) - PORTION);
    } catch (error) {
      this.shell.toast(messageOf(error), "error");
    }
  }

  /** Asked for twice, the same entries come once. */
  private fetchEarlier(): Promise<void> {
    this.fetching ??= this.store.loadEarlier(this.threadId).finally(() => {
      this.fetching = undefined;
    });
    return this.fetching;
  }

  /** A change that is known to wait only now may be far above. */
  private showPending(): void {
    const { items } = this.store.thread(this.threadId);
    const shown = items.findIndex((item) => item.id === this.firstShown);
    if (placeOfPending(this.store, items) < shown) this.showFrom(this.startOf(items));
  }

  private showFrom(place: number): void {
    const { items } = this.store.thread(this.threadId);
    this.firstShown = items[Math.max(0, place)]?.id ?? "";
    this.scroll.keepWhile(() => { this.paintAll(); });
  }

  /** Have the card of a change on the page; without an id, of any that waits. */
  private async bring(approvalId: string): Promise<void> {
    const { threadId } = this;
    // A kernel that is started anew has another state of it.
    const state = (): ThreadState => this.store.thread(threadId);
    const find = (): number =>
      approvalId
        ? placeOfChange(this.store, state().items, approvalId)
        : placeOfPending(this.store, state().items);
    while (!(find() in state().items) && state().nEarlier) {
      await this.fetchEarlier();
      if (this.threadId !== threadId) return;
    }
    const place = find();
    if (place in state().items && place < this.startOf(state().items)) this.showFrom(place);
  }

  private retry(itemId: string): void {
    const { items } = this.store.thread(this.threadId);
    const at = items.findIndex((item) => item.id === itemId);
    const asked = items.slice(0, at).findLast((item) => item.role === "user");
    if (asked) this.resend(asked.id, asked.text, false);
    else this.shell.toast("There is no question to ask again.");
  }

  private resend(itemId: string, text: string, isWritten: boolean): void {
    const { threadId } = this;
    this.store
      .request({ type: "resend", thread_id: threadId, item_id: itemId, text })
      .catch((error: unknown) => {
        // What was written is put back where it was, or where all that is not sent is.
        const view = threadId === this.threadId ? this.views.get(itemId) : undefined;
        if (!view || (isWritten && view.isBeingWritten)) {
          this.store.keepUnsent(threadId, text, messageOf(error));
          return;
        }
        this.shell.toast(messageOf(error), "error");
        if (isWritten) view.edit(text);
      });
    this.scroll.goToEnd();
  }
}

/** What is on its way is shown to be known again; a megabyte would take seconds to lay out. */
function shortened(text: string): string {
  return text.length > MAX_OUTGOING_CHARS ? `${text.slice(0, MAX_OUTGOING_CHARS)} \u2026` : text;
}
