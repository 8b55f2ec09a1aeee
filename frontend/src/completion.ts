// Completes @job, @file and /command where the user writes.

import { freshId, h } from "./dom";
import type { Store } from "./store";

const DELAY_MS = 80;
const MAX_SHOWN = 50;
// A word ends long before that; a text that was pasted is not sent at each key.
const MAX_SENT_CHARS = 1000;

/** The word before the caret that can be completed, and where it begins. */
export function wordToComplete(text: string, caret: number): { word: string; start: number } | null {
  const before = text.slice(0, caret);
  // A command stands at the beginning; a slash elsewhere is part of a path.
  const word =
    /^\/[\w-]*$/.exec(before)?.[0] ??
    /^\/(?:diagnose|fix) (\S*)$/.exec(before)?.[1] ??
    /(?:^|[\s(])(@[^\s@]*)$/.exec(before)?.[1];
  return word === undefined ? null : { word, start: caret - word.length };
}

export class Completion {
  /** Goes into the page near the box. */
  readonly element: HTMLElement;
  private readonly id = freshId("choices");
  private choices: string[] = [];
  private chosen = 0;
  private asked = 0;
  private dismissed: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly box: HTMLTextAreaElement,
  ) {
    this.element = h("ul", {
      class: "lm-choices",
      hidden: true,
      attr: { id: this.id, role: "listbox", "aria-label": "Completions" },
    });
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-haspopup", "listbox");
    box.setAttribute("aria-controls", this.id);
    box.addEventListener("input", () => { this.askSoon(); });
    box.addEventListener("click", () => { this.close(); });
    box.addEventListener("blur", () => { this.close(); });
    // The box keeps the focus while something in the list is clicked.
    this.element.addEventListener("mousedown", (event) => { event.preventDefault(); });
    this.close();
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  /** Take a key of the box; true when it was for the list. */
  handleKey(event: KeyboardEvent): boolean {
    if (!this.isOpen) return false;
    const { length } = this.choices;
    if (event.key === "ArrowDown") this.choose((this.chosen + 1) % length);
    else if (event.key === "ArrowUp") this.choose((this.chosen + length - 1) % length);
    else if (event.key === "Escape") {
      this.dismissed = this.current()?.word ?? null;
      this.close();
    } else if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey)) {
      // What is written in full already is sent, not completed again.
      const isWhole = this.choices[this.chosen] === this.current()?.word;
      this.close();
      if (isWhole && event.key === "Enter") return false;
      this.accept(this.choices[this.chosen] ?? "");
    } else return false;
    event.preventDefault();
    return true;
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  close(): void {
    clearTimeout(this.timer);
    this.asked += 1;
    this.element.hidden = true;
    this.box.removeAttribute("aria-activedescendant");
  }

  private current(): { word: string; start: number } | null {
    if (this.box.selectionStart !== this.box.selectionEnd) return null;
    return wordToComplete(this.box.value, this.box.selectionStart);
  }

  private before(): string {
    return this.box.value.slice(0, this.box.selectionStart).slice(-MAX_SENT_CHARS);
  }

  private askSoon(): void {
    const found = this.current();
    if (!found || found.word === this.dismissed) {
      this.close();
      return;
    }
    this.dismissed = null;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(found.word), DELAY_MS);
  }

  private async ask(word: string): Promise<void> {
    const asked = (this.asked += 1);
    let data: Record<string, unknown>;
    try {
      data = await this.store.request({ type: "complete", text: this.before() });
    } catch {
      // Without an answer there is nothing to complete.
      data = {};
    }
    // The user may have gone on writing meanwhile.
    if (asked !== this.asked || this.current()?.word !== word) return;
    const { choices, about } = data;
    const texts = Array.isArray(choices) ? choices.filter((choice) => typeof choice === "string") : [];
    this.open(texts.slice(0, MAX_SHOWN), { ...(about as Record<string, unknown> | undefined) });
  }

  private open(choices: string[], about: Record<string, unknown>): void {
    this.choices = choices;
    if (!choices.length) {
      this.close();
      return;
    }
    this.element.replaceChildren(
      ...choices.map((choice, index) =>
        h(
          "li",
          {
            attr: { role: "option", id: `${this.id}-${String(index)}` },
            on: { click: () => { this.accept(choice); } },
          },
          choice,
          typeof about[choice] === "string" && h("span", { class: "lm-soft" }, ` ${about[choice]}`),
        ),
      ),
    );
    this.element.hidden = false;
    this.choose(0);
  }

  private choose(index: number): void {
    this.chosen = index;
    for (const [at, option] of [...this.element.children].entries()) {
      option.setAttribute("aria-selected", String(at === index));
    }
    const option = this.element.children[index];
    option?.scrollIntoView?.({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", `${this.id}-${String(index)}`);
  }

  private accept(choice: string): void {
    const found = this.current();
    this.close();
    if (!found || !choice) return;
    // A folder is gone into; anything else is followed by the next word.
    const isFolder = choice.endsWith("/") && choice.startsWith("@");
    const text = isFolder ? choice : `${choice} `;
    this.box.setRangeText(text, found.start, found.start + found.word.length, "end");
    this.box.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
