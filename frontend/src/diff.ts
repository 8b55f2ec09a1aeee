// A diff as the user reads it: unified or side by side by the room there is.

import { counted, button, h } from "./dom";
import { countChanges, describeFile, parseDiff, type FileDiff, type Hunk } from "./diff_parse";
import { drawPairs, drawUnified } from "./diff_lines";
import { foldContext, makeRows, type MarkedLine, type Pair } from "./diff_rows";
import { languageOf } from "./highlight";

type Layout = "unified" | "split";

/** Rows are drawn in pieces of this many, one per task, so that the page stays alive. */
const CHUNK_ROWS = 200;
/** Pieces this long are not laid out while they are out of sight. */
const LONG_ROWS = 60;
/** Rows that are drawn without being asked for. */
const MAX_ROWS = 5000;
const MIN_SPLIT_WIDTH_PX = 700;

/** Something to draw into a body: a piece of lines, or a line on what is not shown. */
type Piece = (body: HTMLElement) => void;

export class DiffView {
  readonly element: HTMLElement;
  private readonly files: FileDiff[];
  // It scrolls, so the keyboard must reach it.
  private readonly bodies = h("div", {
    class: "lm-diff-files",
    attr: { tabindex: "0", role: "group", "aria-label": "What changes" },
  });
  private readonly toggle: HTMLButtonElement;
  private readonly observer: ResizeObserver | undefined;
  private layout: Layout = "unified";
  private isChosen = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(diff: string) {
    this.files = parseDiff(diff);
    this.toggle = button("", () => {
      this.isChosen = true;
      this.setLayout(this.layout === "split" ? "unified" : "split");
    }, { class: "lm-quiet lm-diff-toggle" });
    this.element = h(
      "div",
      { class: "lm-diff" },
      h("div", { class: "lm-diff-bar" }, countLabel(this.files), this.toggle),
      this.bodies,
    );
    this.draw();
    this.observer = this.observeWidth();
  }

  /** Stop drawing and watching. */
  dispose(): void {
    clearTimeout(this.timer);
    this.observer?.disconnect();
  }

  private observeWidth(): ResizeObserver | undefined {
    if (typeof ResizeObserver === "undefined") return undefined;
    const observer = new ResizeObserver((entries) => {
      const width = entries.at(-1)?.contentRect.width ?? 0;
      if (this.isChosen || !width) return;
      this.setLayout(width >= MIN_SPLIT_WIDTH_PX ? "split" : "unified");
    });
    observer.observe(this.element);
    return observer;
  }

  private setLayout(layout: Layout): void {
    if (layout === this.layout) return;
    this.layout = layout;
    this.draw();
  }

  private draw(): void {
    clearTimeout(this.timer);
    this.toggle.textContent = this.layout === "split" ? "Show unified" : "Show side by side";
    this.element.dataset["layout"] = this.layout;
    const pieces: [HTMLElement, Piece][] = [];
    const sections = this.files.map((file) => {
      const body = h("div", { class: "lm-diff-body" });
      pieces.push(...this.piecesOf(file).map((piece): [HTMLElement, Piece] => [body, piece]));
      return sectionOf(file, body);
    });
    this.bodies.replaceChildren(...sections);
    this.drawNext(pieces, MAX_ROWS);
  }

  /** Draw some pieces now and the others in tasks of their own. */
  private drawNext(pieces: [HTMLElement, Piece][], rowsLeft: number): void {
    let [at, nRows] = [0, 0];
    while (at < pieces.length && nRows < CHUNK_ROWS) {
      const [body, piece] = pieces[at++] as [HTMLElement, Piece];
      piece(body);
      nRows += body.lastElementChild?.childElementCount ?? 0;
    }
    const rest = pieces.slice(at);
    const left = rowsLeft - nRows;
    if (!rest.length) return;
    if (left > 0) {
      this.timer = setTimeout(() => {
        this.drawNext(rest, left);
      });
      return;
    }
    const more = button("Show the rest of the changes", () => {
      more.remove();
      this.drawNext(rest, MAX_ROWS);
    }, { class: "lm-diff-more" });
    this.bodies.append(more);
  }

  private piecesOf(file: FileDiff): Piece[] {
    const language = languageOf(describeFile(file).path);
    let end = 1;
    return file.hunks.flatMap((hunk) => {
      const start = Math.max(hunk.oldStart, 1);
      const gap = start - end;
      end = start + hunk.lines.filter((line) => line.kind !== "add").length;
      return [gapPiece(gap, hunk.heading), ...this.hunkPieces(hunk, language)];
    });
  }

  private hunkPieces(hunk: Hunk, language: string): Piece[] {
    const { lines, pairs } = makeRows(hunk);
    if (this.layout === "split") {
      const isContext = (pair: Pair): boolean => pair.left === pair.right;
      return rowPieces(pairs, isContext, (rows) => drawPairs(rows, language));
    }
    const isContext = (line: MarkedLine): boolean => line.kind === "context";
    return rowPieces(lines, isContext, (rows) => drawUnified(rows, language));
  }
}

function rowPieces<T>(
  rows: T[],
  isContext: (row: T) => boolean,
  draw: (rows: T[]) => HTMLElement[],
): Piece[] {
  return foldContext(rows, isContext).flatMap((segment): Piece[] => {
    const pieces = chunks(segment.rows).map((chunk): Piece => (body) => {
      const style = chunk.length >= LONG_ROWS ? "lm-diff-chunk lm-diff-long" : "lm-diff-chunk";
      body.append(h("div", { class: style }, ...draw(chunk)));
    });
    return segment.isFolded ? [foldPiece(segment.rows.length, pieces)] : pieces;
  });
}

function chunks<T>(rows: T[]): T[][] {
  const cut: T[][] = [];
  for (let i = 0; i < rows.length; i += CHUNK_ROWS) cut.push(rows.slice(i, i + CHUNK_ROWS));
  return cut;
}

function foldPiece(nLines: number, pieces: Piece[]): Piece {
  return (body) => {
    const place = h("div");
    const unfold = button(`Show ${counted(nLines, "unchanged line")}`, () => {
      place.replaceChildren();
      for (const piece of pieces) piece(place);
      place.tabIndex = -1;
      place.focus({ preventScroll: true });
    }, { class: "lm-diff-fold" });
    place.append(unfold);
    body.append(place);
  };
}

function gapPiece(nLines: number, heading: string): Piece {
  return (body) => {
    const words = nLines > 0 ? `${counted(nLines, "unchanged line")} not shown` : "";
    const text = [words, heading].filter(Boolean).join(" · ");
    if (text) body.append(h("div", { class: "lm-diff-gap" }, text));
  };
}

function sectionOf(file: FileDiff, body: HTMLElement): HTMLElement {
  const { path, change } = describeFile(file);
  return h(
    "section",
    { class: "lm-diff-file" },
    path
      ? h(
          "div",
          { class: "lm-diff-head" },
          h("span", { class: "lm-diff-path" }, path),
          change && h("span", { class: "lm-diff-change" }, change),
        )
      : null,
    ...file.notes.map((note) => h("div", { class: "lm-diff-note" }, note)),
    file.hunks.length ? body : null,
    ...file.tail.map((note) => h("div", { class: "lm-diff-note" }, note)),
  );
}

function countLabel(files: FileDiff[]): HTMLElement {
  const { added, removed } = countChanges(files);
  const words = `${counted(added, "line")} added, ${counted(removed, "line")} removed`;
  return h(
    "span",
    { class: "lm-diff-count", attr: { role: "img", "aria-label": words }, title: words },
    h("span", { class: "lm-added" }, `+${added.toLocaleString("en")}`),
    " ",
    h("span", { class: "lm-removed" }, `−${removed.toLocaleString("en")}`),
  );
}
