// Where the user writes: the box, its keys, quick prompts, and what the answer costs.

import { Completion } from "./completion";
import { button, counted, freshId, h } from "./dom";
import { Drafts } from "./drafts";
import { acceptDrops } from "./drop";
import type { Shell } from "./shell";
import { messageOf, type Store } from "./store";

const MAX_HEIGHT_PX = 220;
// Of a text this long the page need not find out by seconds of layout that it is higher.
const SURELY_HIGH_CHARS = 20_000;
// A reply that takes longer is waiting for a cell to end.
const SLOW_MS = 1500;

export class Composer {
  readonly element: HTMLElement;
  readonly box: HTMLTextAreaElement;
  private readonly completion: Completion;
  private readonly send: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private readonly prompts = h("div", {
    class: "lm-prompts",
    attr: { role: "group", "aria-label": "Suggested questions" },
  });
  private readonly hint = h("div", { class: "lm-hint" });
  private readonly closed = h("p", {
    class: "lm-warning lm-closed",
    hidden: true,
    attr: { role: "status" },
  });
  private readonly facts = h("div", { class: "lm-facts" });
  private readonly stops: (() => void)[];
  private readonly drafts = new Drafts();
  private threadId: string;
  /** How far back the arrows have gone; 0 is what is being written. */
  private recalled = 0;
  private unsent = "";
  private isStopping = false;
  private hintTimer: ReturnType<typeof setTimeout> | undefined;
  private nWaiting = 0;
  private drawnFacts = "";

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    this.threadId = store.active;
    const hintId = freshId("hint");
    this.hint.id = hintId;
    this.box = h("textarea", {
      class: "lm-box",
      attr: {
        rows: "1",
        "aria-label": "Message",
        "aria-describedby": hintId,
        placeholder: "Ask about the run\u2026",
        spellcheck: "true",
        autocomplete: "off",
      },
    });
    this.completion = new Completion(store, this.box);
    this.send = button("Send", () => { this.submit(); }, { icon: "send", class: "lm-primary" });
    this.stop = button("Stop (Esc)", () => { this.stopTurn(); }, {
      icon: "stop",
      class: "lm-stop",
    });
    const frame = h(
      "div",
      { class: "lm-box-frame" },
      this.box,
      h("div", { class: "lm-box-buttons" }, this.stop, this.send),
    );
    this.element = h(
      "section",
      { class: "lm-composer", attr: { "aria-label": "Write a message" } },
      this.closed,
      this.prompts,
      h("div", { class: "lm-choices-anchor" }, this.completion.element),
      frame,
      h("div", { class: "lm-status" }, this.facts, this.hint),
    );
    this.box.addEventListener("keydown", (event) => { this.handleKey(event); });
    this.box.addEventListener("input", () => {
      this.recalled = 0;
      this.keepDraft();
      this.fit();
    });
    this.stops = [acceptDrops(frame, (text) => { this.insert(text); }), ...this.subscribe()];
    this.restoreDraft();
    this.paint();
  }

  dispose(): void {
    for (const stop of this.stops) stop();
    this.completion.dispose();
    clearTimeout(this.hintTimer);
  }

  /** Put a text into the box, after what is there. */
  insert(text: string): void {
    const { value, selectionStart, selectionEnd } = this.box;
    const gap = selectionStart > 0 && !/\s$/.test(value.slice(0, selectionStart)) ? " " : "";
    // A block of code needs no blank line before it in an empty box.
    const inserted = value ? gap + text : text.trimStart();
    this.box.setRangeText(inserted, selectionStart, selectionEnd, "end");
    this.keepDraft();
    this.fit();
    this.box.focus();
  }

  private keepDraft(): void {
    this.drafts.set(this.threadId, this.box.value);
  }

  /** After a reload, as soon as the run is known for which drafts are kept. */
  private restoreDraft(): void {
    if (!this.drafts.open(this.store.overview.run_id) || this.box.value) return;
    const text = this.drafts.get(this.threadId);
    if (!text) return;
    this.box.value = text;
    this.fit();
  }

  /** Stop the turn; true when there was one. */
  stopTurn(): boolean {
    if (!this.store.thread(this.threadId).isBusy) return false;
    if (this.isStopping) return true;
    this.isStopping = true;
    this.paintButtons();
    this.store
      .request({ type: "stop", thread_id: this.threadId })
      .catch((error: unknown) => { this.shell.toast(messageOf(error), "error"); })
      .finally(() => {
        this.isStopping = false;
        this.paintButtons();
      });
    return true;
  }

  private subscribe(): (() => void)[] {
    return [
      this.store.on("active", (threadId) => { this.changeThread(threadId); }),
      this.store.on("overview", () => {
        this.restoreDraft();
        this.paint();
      }),
      this.store.on("threads", () => { this.paintFacts(); }),
      this.store.on("busy", () => { this.paintButtons(); }),
      this.store.on("waiting", (n) => { this.noteWaiting(n); }),
      this.store.on("disconnected", () => { this.paint(); }),
    ];
  }

  private changeThread(threadId: string): void {
    const written = this.recalled ? this.unsent : this.box.value;
    const draft = this.drafts.get(threadId);
    // Nothing leads back to where there was no conversation: what is written there goes along.
    const taken = this.threadId ? "" : written;
    this.drafts.set(this.threadId, taken ? "" : written);
    this.threadId = threadId;
    const text = draft && taken ? `${draft}\n${taken}` : draft || taken;
    // Set anew, it would lose the caret and what an input method composes.
    if (this.box.value !== text) this.box.value = text;
    if (taken) this.keepDraft();
    this.recalled = 0;
    this.completion.close();
    this.fit();
    this.paint();
  }

  // -- keys ------------------------------------------------------------------------

  private handleKey(event: KeyboardEvent): void {
    // While an input method composes, its keys are its own (229 is Safari's way to say so).
    if (event.isComposing || event.keyCode === 229) return;
    if (this.completion.handleKey(event)) {
      event.stopPropagation();
      return;
    }
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "ArrowUp" && this.canRecall(-1)) {
      event.preventDefault();
      this.recall(1);
    } else if (event.key === "ArrowDown" && this.canRecall(1)) {
      event.preventDefault();
      this.recall(-1);
    }
  }

  /** Arrows move in the text first; only at its very end they leave it. */
  private canRecall(direction: -1 | 1): boolean {
    const { value, selectionStart, selectionEnd } = this.box;
    if (selectionStart !== selectionEnd) return false;
    if (direction > 0) return this.recalled > 0 && !value.slice(selectionEnd).includes("\n");
    return (!value || this.recalled > 0) && !value.slice(0, selectionStart).includes("\n");
  }

  private recall(step: number): void {
    const said = this.store
      .thread(this.threadId)
      .items.filter((item) => item.role === "user")
      .map((item) => item.text)
      .reverse();
    const wanted = Math.min(Math.max(this.recalled + step, 0), said.length);
    if (wanted === this.recalled) return;
    if (this.recalled === 0) this.unsent = this.box.value;
    this.recalled = wanted;
    this.box.value = wanted ? (said[wanted - 1] ?? "") : this.unsent;
    this.box.setSelectionRange(this.box.value.length, this.box.value.length);
    this.fit();
  }

  private submit(): void {
    const text = this.box.value.trim();
    if (!text || !this.store.isConnected) return;
    if (this.store.thread(this.threadId).isBusy) {
      this.shell.toast("An answer is being written. Esc stops it.");
      return;
    }
    this.box.value = "";
    this.recalled = 0;
    this.keepDraft();
    this.completion.close();
    this.fit();
    this.shell.say(text, this.threadId);
  }

  // -- drawing ---------------------------------------------------------------------

  private fit(): void {
    let height = MAX_HEIGHT_PX;
    if (this.box.value.length < SURELY_HIGH_CHARS) {
      this.box.style.height = "auto";
      height = Math.min(this.box.scrollHeight, height);
    }
    this.box.style.height = `${String(height)}px`;
  }

  private paint(): void {
    this.box.disabled = !this.store.isConnected;
    this.paintClosed();
    this.paintButtons();
    this.paintPrompts();
    this.paintFacts();
    this.paintHint();
  }

  private paintClosed(): void {
    const { is_closed: isClosed } = this.store.overview;
    if (this.closed.hidden !== isClosed) return;
    this.closed.hidden = !isClosed;
    this.closed.textContent = isClosed
      ? "The run is closed, and nothing new shows here. What you say or decide opens it again."
      : "";
  }

  private paintButtons(): void {
    const { isBusy } = this.store.thread(this.threadId);
    const hadFocus = document.activeElement === this.stop;
    this.stop.hidden = !isBusy;
    this.stop.disabled = this.isStopping;
    this.send.hidden = isBusy;
    this.send.disabled = !this.store.isConnected;
    // A button that goes away must not take the focus with it.
    if (hadFocus && !isBusy) this.box.focus();
  }

  private paintPrompts(): void {
    const texts = this.store.overview.quick_prompts;
    const shown = [...this.prompts.children].map((child) => child.textContent);
    // A chip that stays the same keeps its element, and with it the focus.
    if (texts.length === shown.length && texts.every((text, at) => text === shown[at])) return;
    this.prompts.hidden = !texts.length;
    this.prompts.replaceChildren(
      ...texts.map((text) =>
        button(text, () => { this.ask(text); }, { class: "lm-chip", title: text }),
      ),
    );
  }

  private ask(text: string): void {
    if (this.store.thread(this.threadId).isBusy) {
      this.insert(text);
      return;
    }
    this.shell.say(text, this.threadId);
    this.box.focus();
  }

  private paintFacts(): void {
    const { model, how_to_configure: howTo, budget_left: budget } = this.store.overview;
    const thread = this.store.threads.find((candidate) => candidate.id === this.threadId);
    const parts: [string, string][] = [];
    if (model) parts.push([`Model: ${model}`, model]);
    if (thread?.tokens) {
      const tokens = counted(thread.tokens, "token");
      parts.push([`This conversation: ${tokens}`, tokens]);
    }
    if (thread?.money != null) {
      const cost = moneyText(thread.money);
      parts.push([`This conversation: ${cost}`, cost]);
    }
    if (budget) parts.push([`The model's budget, ${budget}`, scarcest(budget)]);
    // The button keeps the focus while nothing changes.
    const drawn = JSON.stringify([model, howTo, parts]);
    if (drawn === this.drawnFacts) return;
    this.drawnFacts = drawn;
    this.facts.classList.toggle("lm-no-model", !model);
    this.facts.replaceChildren(
      ...(model
        ? parts.map(([title, text]) => h("span", { title }, text))
        : [
            h("span", { title: howTo }, "No model: the rules answer."),
            howTo && button("How to have one", () => { this.shell.toast(howTo); }, {
              class: "lm-quiet",
            }),
          ].filter((part) => part !== "")),
    );
  }

  private noteWaiting(n: number): void {
    const isLess = n < this.nWaiting;
    this.nWaiting = n;
    if (n && !isLess && this.hintTimer !== undefined) return;
    clearTimeout(this.hintTimer);
    this.hintTimer = undefined;
    if (n) this.hintTimer = setTimeout(() => { this.paintHint(); }, SLOW_MS);
    else this.paintHint();
  }

  private paintHint(): void {
    this.hint.classList.toggle("lm-urgent", !this.store.isConnected || this.nWaiting > 0);
    this.hint.textContent = !this.store.isConnected
      ? "The kernel is gone. Run the cell again to go on."
      : this.nWaiting
        ? "Waiting: the kernel is busy"
        : "Enter sends, Shift+Enter breaks the line";
  }
}

/** What is left of the limit that is reached first, which the kernel names first. */
function scarcest(budget: string): string {
  const first = budget.replace(/^left: /, "").split(", ")[0] ?? "";
  const [, amount, unit, when] = /^([\d.,]+) (\w+) (today|this run)$/.exec(first) ?? [];
  if (!amount || !unit || !when) return `budget left: ${first}`;
  return unit === "money" ? `budget: ${amount} left ${when}` : `${amount} ${unit} left ${when}`;
}

/** Costs are often parts of a cent. */
function moneyText(money: number): string {
  return `cost ${money >= 1 ? money.toFixed(2) : money.toPrecision(2)}`;
}
