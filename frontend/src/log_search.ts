// The search box of the log viewer. The kernel searches a huge file in slices, each of
// them one request, so that the user sees how far it is and can stop.

import { button, h } from "./dom";
import type { LogWindow } from "./log_window";
import { messageOf, type Store } from "./store";
import type { LogLine, LogPage } from "./wire";

export interface SearchedLog {
  file(): string;
  window: LogWindow;
  /** Show the piece of the log around the line that was found. */
  showPage(page: LogPage): void;
  announce(text: string): void;
}

export class LogSearch {
  readonly element: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly note = h("span", { class: "lm-soft lm-log-found" });
  private readonly halt: HTMLButtonElement;
  /** Byte of the line that was found last; -1 when none was. */
  private found = -1;
  /** Byte from which the next one is searched for. */
  private after = -1;
  private soughtText = "";
  /** Whether the end was reached, so that the next search begins at the other end. */
  private isExhausted = false;
  private turn = 0;

  constructor(
    private readonly store: Store,
    private readonly log: SearchedLog,
  ) {
    this.input = h("input", {
      class: "lm-input",
      attr: { type: "search", placeholder: "Search the log", "aria-label": "Search the log" },
      on: {
        keydown: (event) => {
          if (event.key !== "Enter" || event.isComposing) return;
          event.preventDefault();
          event.stopPropagation();
          void this.find(event.shiftKey);
        },
      },
    });
    this.halt = button("Stop searching", () => {
      this.stop();
      this.note.textContent = "Stopped.";
    }, { hidden: true, class: "lm-quiet" });
    this.element = h(
      "div",
      { class: "lm-log-search", attr: { role: "search" } },
      this.input,
      button("Previous match", () => void this.find(true), { icon: "up" }),
      button("Next match", () => void this.find(false), { icon: "down" }),
      this.halt,
      this.note,
    );
  }

  /** Forget what was found; another log is shown. */
  reset(): void {
    this.stop();
    this.found = -1;
    this.isExhausted = false;
    this.note.textContent = "";
  }

  /** Give up the search that is under way. */
  stop(): void {
    this.turn += 1;
    this.halt.hidden = true;
  }

  private async find(backwards: boolean): Promise<void> {
    const text = this.input.value;
    if (!text) return;
    if (text !== this.soughtText) {
      this.soughtText = text;
      this.found = -1;
      this.isExhausted = false;
    }
    const turn = ++this.turn;
    this.log.window.seek(text);
    this.halt.hidden = false;
    this.note.textContent = "Searching …";
    try {
      await this.findFrom(this.startOf(backwards), text, backwards, turn);
    } catch (error) {
      if (turn === this.turn) this.note.textContent = messageOf(error);
    } finally {
      if (turn === this.turn) this.halt.hidden = true;
    }
  }

  /** Where to begin: beside the last match, or at what is in view. */
  private startOf(backwards: boolean): number {
    if (this.isExhausted) return backwards ? Number.MAX_SAFE_INTEGER : 0;
    const { window } = this.log;
    if (this.found < 0) return window.firstVisible?.offset ?? 0;
    return backwards ? this.found : this.after;
  }

  private async findFrom(
    start: number,
    text: string,
    backwards: boolean,
    turn: number,
  ): Promise<void> {
    let offset = start;
    for (;;) {
      const data = await this.store.request({
        type: "search_log", file: this.log.file(), text, offset, backwards,
      });
      if (turn !== this.turn) return;
      const page = data as unknown as LogPage;
      // With a size it is a remark, such as that only a part was unpacked.
      if (page.problem && !page.size) throw new Error(page.problem);
      if (page.found >= 0) {
        this.showFound(page);
        return;
      }
      // A slice that doesn't get on would be asked for for ever.
      if (!page.is_searching || page.end === offset) break;
      offset = page.end;
      const share = page.size ? Math.min(99, Math.round((100 * offset) / page.size)) : 0;
      this.note.textContent = `Searching … at ${String(share)} %`;
    }
    this.isExhausted = true;
    this.found = -1;
    const side = backwards ? "start" : "end";
    const other = backwards ? "end" : "start";
    this.note.textContent = `Nothing more up to the ${side}; search again from the ${other}.`;
    this.log.announce(this.note.textContent);
  }

  private showFound(page: LogPage): void {
    this.found = page.found;
    this.after = page.after;
    this.isExhausted = false;
    if (!this.log.window.show(page.found)) this.log.showPage(page);
    const line = page.lines.find((each) => each.offset === page.found);
    this.note.textContent = placeOf(line, page);
    this.log.announce(`${this.note.textContent} ${line?.text.slice(0, 200) ?? ""}`);
  }
}

/** Deep in a huge log the number is not known; deep in a huge line it does not say much. */
function placeOf(line: LogLine | undefined, page: LogPage): string {
  const number = line?.number ? `Line ${line.number.toLocaleString("en")}` : "";
  if (number && !line?.is_rest) return number;
  const share = `${String(Math.floor((100 * page.found) / Math.max(1, page.size)))} % into the log`;
  return number ? `${number}, ${share}` : `Found, ${share}`;
}
