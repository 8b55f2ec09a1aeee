// The lines of a log that are in the page: never more than a bounded number, and what the
// user looks at stays where it is when lines come or go above it.

import { h } from "./dom";
import type { LogLine } from "./wire";

const MAX_LINES = 1500;

export class LogWindow {
  readonly element: HTMLElement;
  private lines: LogLine[] = [];
  private sought = "";
  private target = -1;

  constructor(onScroll: () => void) {
    this.element = h("div", {
      class: "lm-log-lines",
      attr: { tabindex: "0", role: "region", "aria-label": "Lines of the log" },
      on: { scroll: onScroll },
    });
  }

  get first(): LogLine | undefined {
    return this.lines[0];
  }

  get last(): LogLine | undefined {
    return this.lines.at(-1);
  }

  /** Show other lines; the one at byte `target`, if it is there, is marked. */
  replace(lines: LogLine[], target: number): void {
    this.lines = lines.slice(0, MAX_LINES);
    this.target = target;
    this.element.replaceChildren(...this.lines.map((line) => this.rowOf(line)));
  }

  /** Add lines at the end; returns whether as many were dropped at the top. */
  append(lines: LogLine[]): boolean {
    return this.keepingPlace(() => {
      this.lines.push(...lines);
      this.element.append(...lines.map((line) => this.rowOf(line)));
      const nExtra = Math.max(0, this.lines.length - MAX_LINES);
      this.lines.splice(0, nExtra);
      for (let i = 0; i < nExtra; i += 1) this.element.firstElementChild?.remove();
      return nExtra > 0;
    });
  }

  /** Add lines at the top; returns the first of those that were dropped at the end. */
  prepend(lines: LogLine[]): LogLine | undefined {
    return this.keepingPlace(() => {
      this.lines.unshift(...lines);
      this.element.prepend(...lines.map((line) => this.rowOf(line)));
      const dropped = this.lines.splice(MAX_LINES);
      for (let i = 0; i < dropped.length; i += 1) this.element.lastElementChild?.remove();
      return dropped[0];
    });
  }

  /** Forget the last line, which was not whole yet. */
  dropLast(): void {
    this.lines.pop();
    this.element.lastElementChild?.remove();
  }

  /** Mark a text wherever it is in the lines. */
  seek(text: string): void {
    if (text === this.sought) return;
    this.sought = text;
    this.lines.forEach((line, index) => {
      this.element.children[index]?.replaceWith(this.rowOf(line));
    });
  }

  /** Mark the line at this byte and bring it into view; `false` when it is not here. */
  show(offset: number): boolean {
    const index = this.lines.findIndex((line) => line.offset === offset);
    if (index < 0) return false;
    this.element.querySelector(".lm-log-target")?.classList.remove("lm-log-target");
    this.target = offset;
    const row = this.element.children[index] as HTMLElement;
    row.classList.add("lm-log-target");
    // Not scrollIntoView: it would also move the notebook.
    this.element.scrollTop = row.offsetTop - this.element.clientHeight / 3;
    return true;
  }

  /** Bring the line at this byte to the top. */
  scrollTo(offset: number): void {
    const index = this.lines.findIndex((line) => line.offset >= offset);
    const row = this.element.children[index] as HTMLElement | undefined;
    if (row) this.element.scrollTop = row.offsetTop;
  }

  scrollToEnd(): void {
    this.element.scrollTop = this.element.scrollHeight;
  }

  /** Whether the end of the lines is in view. */
  get isAtEnd(): boolean {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    return scrollTop + clientHeight >= scrollHeight - 4;
  }

  /** The first line that is in view. */
  get firstVisible(): LogLine | undefined {
    return this.lines[this.firstVisibleIndex()];
  }

  private firstVisibleIndex(): number {
    const top = this.element.scrollTop;
    let [low, high] = [0, this.element.children.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      const row = this.element.children[middle] as HTMLElement;
      if (row.offsetTop + row.offsetHeight > top) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private keepingPlace<T>(change: () => T): T {
    const anchor = this.element.children[this.firstVisibleIndex()] as HTMLElement | undefined;
    const before = anchor?.offsetTop ?? 0;
    const result = change();
    if (anchor?.isConnected) this.element.scrollTop += anchor.offsetTop - before;
    return result;
  }

  private rowOf(line: LogLine): HTMLElement {
    const isTarget = line.offset === this.target;
    return h(
      "div",
      {
        class: isTarget ? "lm-log-line lm-log-target" : "lm-log-line",
        // What goes on with a line has no number of its own.
        data: line.number && !line.is_rest ? { n: String(line.number) } : {},
      },
      h("span", { class: "lm-log-text" }, ...markText(line.text, this.sought)),
      line.is_cut && h("span", { class: "lm-soft" }, " … the line goes on"),
    );
  }
}

/** A text with every place marked that says `sought`, in whatever case. */
function markText(text: string, sought: string): (Node | string)[] {
  if (!sought) return [text];
  const [haystack, needle] = [text.toLowerCase(), sought.toLowerCase()];
  // Some letters change their length with their case; marks would then be beside the text.
  if (haystack.length !== text.length) return [text];
  const parts: (Node | string)[] = [];
  let from = 0;
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, from)) {
    parts.push(text.slice(from, at), h("mark", {}, text.slice(at, at + sought.length)));
    from = at + sought.length;
  }
  parts.push(text.slice(from));
  return parts;
}
