// Reads logs of any size: a window of lines that moves through the file as one scrolls.

import { button, h, visibleName } from "./dom";
import { LogSearch } from "./log_search";
import { LogWindow } from "./log_window";
import type { Shell } from "./shell";
import { messageOf, type RequestBody, type Store } from "./store";
import type { LogPage } from "./wire";

/** Closer to an edge than this, the next lines are fetched. */
const NEAR_PX = 600;
const FOLLOW_MS = 1500;
const MAX_PLACES = 50;

/** Hidden while closed; lies over the rest of the panel. */
export class LogViewer {
  readonly element: HTMLElement;
  private readonly title = h("h3", { class: "lm-path" });
  private readonly place = h("span", { class: "lm-soft" });
  private readonly problem = h("p", { class: "lm-problem", hidden: true, attr: { role: "alert" } });
  private readonly window: LogWindow;
  private readonly search: LogSearch;
  private readonly number: HTMLInputElement;
  private readonly follow: HTMLInputElement;
  /** Byte of the line at the top, for each log that was read. */
  private readonly places = new Map<string, number>();
  private file = "";
  private begin = 0;
  private end = 0;
  private size = 0;
  /** Grows with everything that makes the answer to an earlier question worthless. */
  private turn = 0;
  private isLoading = false;
  private opener: HTMLElement | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    this.window = new LogWindow(() => {
      this.onScroll();
    });
    this.search = this.makeSearch();
    this.number = this.makeNumber();
    this.follow = h("input", {
      attr: { type: "checkbox" },
      on: {
        change: () => {
          this.toggleFollow();
        },
      },
    });
    this.element = h(
      "section",
      {
        class: "lm-log",
        hidden: true,
        attr: { role: "dialog", "aria-label": "Log" },
        on: {
          keydown: (event) => {
            if (event.key !== "Escape") return;
            event.stopPropagation();
            this.close();
          },
        },
      },
      this.makeHead(),
      this.problem,
      this.window.element,
      h("div", { class: "lm-log-foot" }, this.place),
    );
  }

  /** Open a log: at a line, where it was left, or at its end. */
  open(file: string, line = 0): void {
    if (this.element.hidden) {
      this.opener = (this.shell.root.getRootNode() as Document).activeElement as HTMLElement | null;
    }
    this.keepPlace();
    this.element.hidden = false;
    this.setCovered(true);
    this.element.setAttribute("aria-label", `Log ${visibleName(file)}`);
    this.title.textContent = visibleName(file);
    const isOther = file !== this.file;
    this.file = file;
    if (isOther) {
      this.search.reset();
      this.window.replace([], -1);
      this.follow.checked = false;
    }
    const kept = this.places.get(file);
    if (line > 0) void this.goToLine(line);
    else if (kept === undefined) void this.goToEnd();
    else void this.goTo({ offset: kept }, () => {
      this.window.scrollTo(kept);
    });
    this.window.element.focus({ preventScroll: true });
  }

  close(): void {
    if (this.element.hidden) return;
    this.keepPlace();
    this.turn += 1;
    this.search.stop();
    clearTimeout(this.timer);
    this.element.hidden = true;
    this.setCovered(false);
    if (this.opener?.isConnected) this.opener.focus({ preventScroll: true });
  }

  dispose(): void {
    this.turn += 1;
    clearTimeout(this.timer);
    this.search.stop();
  }

  // -- controls --------------------------------------------------------------------

  private makeHead(): HTMLElement {
    return h(
      "header",
      { class: "lm-log-head" },
      h(
        "div",
        { class: "lm-log-title" },
        this.title,
        button("Close the log", () => {
          this.close();
        }, { icon: "close" }),
      ),
      h(
        "div",
        { class: "lm-log-tools" },
        this.search.element,
        this.number,
        button("Start", () => void this.goToStart()),
        button("End", () => void this.goToEnd()),
        h(
          "label",
          { class: "lm-log-follow", title: "Show new lines as they are written" },
          this.follow,
          "Follow",
        ),
      ),
    );
  }

  private makeSearch(): LogSearch {
    return new LogSearch(this.store, {
      file: () => this.file,
      window: this.window,
      showPage: (page) => {
        this.turn += 1;
        this.isLoading = false;
        this.showPage(page, page.found);
        this.window.show(page.found);
      },
      announce: (text) => {
        this.shell.announce(text);
      },
    });
  }

  private makeNumber(): HTMLInputElement {
    const input = h("input", {
      class: "lm-input lm-log-number",
      attr: { type: "text", inputmode: "numeric", placeholder: "Line", "aria-label": "Go to line" },
      on: {
        keydown: (event) => {
          if (event.key !== "Enter" || event.isComposing) return;
          event.preventDefault();
          event.stopPropagation();
          const line = Number(input.value.replaceAll(/[\s,.]/g, ""));
          if (Number.isSafeInteger(line) && line > 0) void this.goToLine(line);
        },
      },
    });
    return input;
  }

  private toggleFollow(): void {
    clearTimeout(this.timer);
    if (this.follow.checked) void this.goToEnd();
  }

  // -- moving ----------------------------------------------------------------------

  private goToLine(line: number): Promise<void> {
    return this.goTo({ line }, (page) => {
      const target = page.lines.find((each) => each.number === line);
      if (target) this.window.show(target.offset);
      else this.window.scrollToEnd();
    });
  }

  private goToStart(): Promise<void> {
    return this.goTo({ offset: 0 }, () => {
      this.window.element.scrollTop = 0;
    });
  }

  private goToEnd(): Promise<void> {
    return this.goTo({ offset: -1, backwards: true }, () => {
      this.window.scrollToEnd();
      if (this.follow.checked) this.followLater();
    });
  }

  /** Leave what is shown for another place of the file. */
  private async goTo(
    where: { line?: number; offset?: number; backwards?: boolean },
    then: (page: LogPage) => void,
  ): Promise<void> {
    this.turn += 1;
    clearTimeout(this.timer);
    this.element.setAttribute("aria-busy", "true");
    let page = await this.read(where);
    // Deep in a huge log lines have to be counted, which the kernel does bit by bit.
    for (let counted = -1; page?.is_searching && page.end > counted; ) {
      counted = page.end;
      const share = Math.round((100 * counted) / Math.max(1, page.size));
      this.place.textContent = `Counting lines … ${String(share)} %`;
      page = await this.read(where);
    }
    if (!page) return;
    this.showPage(page, -1);
    then(page);
    this.update();
  }

  /** Read a piece; `undefined` when it failed or nobody wants it any more. */
  private async read(
    where: Omit<Extract<RequestBody, { type: "read_log" }>, "type" | "file">,
  ): Promise<LogPage | undefined> {
    const turn = this.turn;
    this.isLoading = true;
    try {
      const data = await this.store.request({ type: "read_log", file: this.file, ...where });
      return turn === this.turn ? pageOf(data) : undefined;
    } catch (error) {
      if (turn === this.turn) this.showProblem(messageOf(error));
      return undefined;
    } finally {
      if (turn === this.turn) {
        this.isLoading = false;
        this.element.removeAttribute("aria-busy");
      }
    }
  }

  /** Read what goes on with the lines that are there; `undefined` when nothing does. */
  private async readMore(
    where: Omit<Extract<RequestBody, { type: "read_log" }>, "type" | "file">,
  ): Promise<LogPage | undefined> {
    const page = await this.read(where);
    if (!page) return undefined;
    if (page.size) {
      this.showProblem(page.problem);
      return page;
    }
    // It was deleted or emptied meanwhile; what was read of it stays in view.
    this.showProblem(page.problem || "The log is empty by now; this was in it before.");
    this.size = this.end;
    return undefined;
  }

  private showPage(page: LogPage, target: number): void {
    [this.begin, this.end, this.size] = [page.begin, page.end, page.size];
    this.window.replace(page.lines, target);
    this.showProblem(page.problem || (page.size ? "" : "The log is empty."));
    this.update();
  }

  private onScroll(): void {
    this.update();
    if (this.isLoading || this.element.hidden) return;
    const { scrollTop, clientHeight, scrollHeight } = this.window.element;
    if (scrollTop + clientHeight > scrollHeight - NEAR_PX && this.end < this.size) {
      void this.loadAfter();
    } else if (scrollTop < NEAR_PX && this.begin > 0) {
      void this.loadBefore();
    }
  }

  private async loadAfter(): Promise<void> {
    const page = await this.readMore({ offset: this.end });
    if (!page) return;
    this.size = page.size;
    const known = this.window.last?.offset ?? -1;
    const fresh = page.lines.filter((line) => line.offset > known);
    // A file that was cut short meanwhile has nothing more, and is not asked for ever.
    this.end = fresh.length ? page.end : page.size;
    if (this.window.append(fresh)) this.begin = this.window.first?.offset ?? this.begin;
    this.update();
  }

  private async loadBefore(): Promise<void> {
    const page = await this.readMore({ offset: this.begin, backwards: true });
    if (!page) return;
    this.size = page.size;
    const known = this.window.first?.offset ?? Infinity;
    const fresh = page.lines.filter((line) => line.offset < known);
    this.begin = fresh.length ? page.begin : 0;
    const dropped = this.window.prepend(fresh);
    // What is after the last line that stayed has to be read again.
    if (dropped) this.end = dropped.offset;
    this.update();
  }

  // -- following -------------------------------------------------------------------

  private followLater(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.followOn(), FOLLOW_MS);
  }

  /** Fetch what was written since; the last line may have been half written. */
  private async followOn(): Promise<void> {
    if (!this.follow.checked || this.element.hidden) return;
    const { last } = this.window;
    const page = await this.readMore({ offset: last?.offset ?? 0 });
    if (page && page.size < this.end) {
      void this.goToEnd();  // it is written anew
      return;
    }
    if (page && page.end > this.end && last === this.window.last) {
      const wasAtEnd = this.window.isAtEnd;
      if (last) this.window.dropLast();
      this.window.append(page.lines);
      [this.end, this.size] = [page.end, page.size];
      this.begin = this.window.first?.offset ?? this.begin;
      // Who has scrolled up reads something there.
      if (wasAtEnd) this.window.scrollToEnd();
      this.update();
    }
    this.followLater();
  }

  // -- small parts -----------------------------------------------------------------

  private keepPlace(): void {
    const top = this.window.firstVisible;
    if (!this.file || !top) return;
    this.places.delete(this.file);
    this.places.set(this.file, top.offset);
    const [oldest] = this.places.keys();
    if (this.places.size > MAX_PLACES && oldest !== undefined) this.places.delete(oldest);
  }

  /** What lies below can't be seen, so the keyboard must not get there. */
  private setCovered(isCovered: boolean): void {
    const below = ":scope > :is(.lm-header, .lm-body, .lm-yolo)";
    for (const part of this.shell.root.querySelectorAll(below)) {
      part.toggleAttribute("inert", isCovered);
    }
  }

  private showProblem(text: string): void {
    this.problem.textContent = text;
    this.problem.hidden = !text;
  }

  private update(): void {
    const top = this.window.firstVisible;
    const share = this.size ? Math.round((100 * (top?.offset ?? 0)) / this.size) : 0;
    const where = top?.number
      ? `line ${top.number.toLocaleString("en")}`
      : `${String(share)} % into the file`;
    const text = this.size ? `${where} · ${formatSize(this.size)}` : "";
    if (this.place.textContent !== text) this.place.textContent = text;
  }
}

function pageOf(data: Record<string, unknown>): LogPage {
  return data as unknown as LogPage;
}

/** A size in the unit that fits: "812 B", "3.4 MB". */
export function formatSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, at] = [bytes, 0];
  while (value >= 1000 && at < units.length - 1) [value, at] = [value / 1000, at + 1];
  return `${at && value < 10 ? value.toFixed(1) : String(Math.round(value))} ${units[at] ?? ""}`;
}
