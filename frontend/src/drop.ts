// Text dragged into the box: a selection of the page, or a notebook's cell with its error.

const MAX_CHARS = 20_000;
// Escape sequences that colour a traceback in a cell's output.
// eslint-disable-next-line no-control-regex -- the escape character is what it looks for
const ANSI = /\u001b\[[0-9;]*[A-Za-z]/g;

/** JupyterLab's own kind of drag, which moves cells (Lumino's `Drag.Event`). */
interface CellDrag extends Event {
  mimeData: { getData(mime: string): unknown };
  dropAction: string;
}

/** The text as it goes into the box: several lines become a block of code. */
export function droppedText(text: string): string {
  const plain = text.replace(ANSI, "").replace(/\r\n?/g, "\n").trim();
  const kept =
    plain.length > MAX_CHARS
      ? `${plain.slice(0, MAX_CHARS / 2)}\n[\u2026]\n${plain.slice(-MAX_CHARS / 2)}`
      : plain;
  if (!kept.includes("\n")) return kept;
  // A fence must be longer than any in the text.
  const longest = Math.max(2, ...[...kept.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `\n${fence}\n${kept}\n${fence}\n`;
}

/** What a dragged cell says: its errors where it has any, else its source. */
export function cellText(cells: unknown): string {
  const texts = (Array.isArray(cells) ? cells : []).map((cell: unknown) => {
    const { outputs, source } = cell as { outputs?: unknown; source?: unknown };
    const errors = (Array.isArray(outputs) ? outputs : []).flatMap((output: unknown) => {
      const { output_type: kind, traceback } = output as Record<string, unknown>;
      return kind === "error" && Array.isArray(traceback) ? [traceback.join("\n")] : [];
    });
    return errors.length ? errors.join("\n") : joined(source);
  });
  return texts.filter(Boolean).join("\n\n");
}

function joined(source: unknown): string {
  if (Array.isArray(source)) return source.join("");
  return typeof source === "string" ? source : "";
}

/** Let texts be dropped on `zone`; each is handed to `insert`. Returns what ends it. */
export function acceptDrops(zone: HTMLElement, insert: (text: string) => void): () => void {
  const mark = (isOver: boolean) => { zone.classList.toggle("lm-drop", isOver); };
  zone.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("text/plain")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    mark(true);
  });
  zone.addEventListener("dragleave", () => { mark(false); });
  zone.addEventListener("drop", (event) => {
    mark(false);
    const text = event.dataTransfer?.getData("text/plain") ?? "";
    if (!text) return;
    event.preventDefault();
    event.stopPropagation();
    insert(droppedText(text));
  });
  return acceptCells(zone, insert, mark);
}

/** Take cells before the notebook does, which is around the zone and sees them on their way in. */
function acceptCells(
  zone: HTMLElement,
  insert: (text: string) => void,
  mark: (isOver: boolean) => void,
): () => void {
  const stop = new AbortController();
  const take = (event: Event): void => {
    if (!zone.contains(event.target as Node)) return;
    const isDrop = event.type === "lm-drop";
    const text = event.type === "lm-dragleave" ? "" : draggedText(event as CellDrag);
    mark(text !== "" && !isDrop);
    // A file or a tab that is dragged over it is none of its business.
    if (!text) return;
    event.preventDefault();
    event.stopPropagation();
    (event as CellDrag).dropAction = "copy";
    if (isDrop) insert(droppedText(text));
  };
  for (const step of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(`lm-${step}`, take, { capture: true, signal: stop.signal });
  }
  return () => { stop.abort(); };
}

function draggedText({ mimeData }: CellDrag): string {
  const cells = mimeData.getData("application/vnd.jupyter.cells");
  const text = cells ? cellText(cells) : mimeData.getData("text/plain");
  return typeof text === "string" ? text : "";
}
