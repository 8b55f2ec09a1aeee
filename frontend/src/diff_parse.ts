// Unified diffs as data. Every line of the text ends up in the result: what doesn't fit
// the format becomes a note, so that no diff can hide a part of itself.

export interface DiffLine {
  kind: "context" | "add" | "remove";
  text: string;
  /** Number in the old file; 0 for an added line. */
  oldNumber: number;
  /** Number in the new file; 0 for a removed line. */
  newNumber: number;
  /** Whether the file ends here without a line break. */
  isUnended: boolean;
}

export interface Hunk {
  oldStart: number;
  newStart: number;
  /** What follows the second `@@`. */
  heading: string;
  lines: DiffLine[];
}

export interface FileDiff {
  /** "/dev/null" for a file that is made; empty without a head. */
  oldPath: string;
  /** "/dev/null" for a file that is deleted; empty without a head. */
  newPath: string;
  /** Lines outside of hunks: renames, modes, "Binary content differs". */
  notes: string[];
  hunks: Hunk[];
  /** Lines after the hunks, such as what says that the rest was left out. */
  tail: string[];
}

const NOWHERE = "/dev/null";
// What stands before the head of its file.
const PRELUDE = /^(?:diff|index|old mode|new mode|rename|similarity) /u;
// What begins the account of another file or folder.
const FIRST = /^(?:diff|old mode|rename from|[+-] folder) /u;
const UNENDED = /^\\ No newline /u;
const HUNK_HEAD = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)$/su;

/** Take a unified diff of any number of files apart. */
export function parseDiff(diff: string): FileDiff[] {
  const lines = diff.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return new Parser(lines).parse();
}

class Parser {
  private readonly files: FileDiff[] = [];
  private at = 0;

  constructor(private readonly lines: string[]) {}

  parse(): FileDiff[] {
    while (this.at < this.lines.length) {
      const line = this.lines[this.at] ?? "";
      const next = this.lines[this.at + 1];
      if (line.startsWith("--- ") && next?.startsWith("+++ ")) {
        this.openFile(pathOf(line), pathOf(next));
        this.at += 2;
      } else if (!this.takeHunk(line)) {
        this.takeNote(line);
        this.at += 1;
      }
    }
    return this.files;
  }

  private openFile(oldPath: string, newPath: string): void {
    const last = this.files.at(-1);
    const isPrelude = last && !last.oldPath && !last.hunks.length;
    if (isPrelude && last.notes.every((note) => PRELUDE.test(note))) {
      last.oldPath = oldPath;
      last.newPath = newPath;
    } else {
      this.files.push({ oldPath, newPath, notes: [], hunks: [], tail: [] });
    }
  }

  private takeNote(line: string): void {
    const last = this.files.at(-1);
    const isGit = last && !last.hunks.length && !last.oldPath && last.notes[0]?.startsWith("diff ");
    const isFirst = isGit ? line.startsWith("diff ") : FIRST.test(line);
    if (last && !isFirst) (last.hunks.length ? last.tail : last.notes).push(line);
    else this.files.push({ oldPath: "", newPath: "", notes: [line], hunks: [], tail: [] });
  }

  /** Read a hunk by the counts in its head: its lines may look like heads themselves. */
  private takeHunk(line: string): boolean {
    const head = HUNK_HEAD.exec(line);
    if (!head) return false;
    const file = this.files.at(-1) ?? { oldPath: "", newPath: "", notes: [], hunks: [], tail: [] };
    if (!this.files.length) this.files.push(file);
    const oldStart = Number(head[1]);
    const newStart = Number(head[3]);
    const hunk: Hunk = { oldStart, newStart, heading: head[5] ?? "", lines: [] };
    file.hunks.push(hunk);
    this.at += 1;
    this.takeLines(hunk, Number(head[2] ?? 1), Number(head[4] ?? 1));
    return true;
  }

  private takeLines(hunk: Hunk, nOld: number, nNew: number): void {
    // A file that isn't there has its lines from number 0 on.
    let oldNumber = Math.max(hunk.oldStart, 1);
    let newNumber = Math.max(hunk.newStart, 1);
    let [oldLeft, newLeft] = [nOld, nNew];
    for (; this.at < this.lines.length; this.at += 1) {
      const line = this.lines[this.at] ?? "";
      const text = line.slice(1);
      const last = hunk.lines.at(-1);
      if (UNENDED.test(line) && last) {
        last.isUnended = true;
      } else if ((line.startsWith(" ") || line === "") && oldLeft > 0 && newLeft > 0) {
        hunk.lines.push({ kind: "context", text, oldNumber, newNumber, isUnended: false });
        [oldNumber, oldLeft] = [oldNumber + 1, oldLeft - 1];
        [newNumber, newLeft] = [newNumber + 1, newLeft - 1];
      } else if (line.startsWith("-") && oldLeft > 0) {
        hunk.lines.push({ kind: "remove", text, oldNumber, newNumber: 0, isUnended: false });
        [oldNumber, oldLeft] = [oldNumber + 1, oldLeft - 1];
      } else if (line.startsWith("+") && newLeft > 0) {
        hunk.lines.push({ kind: "add", text, oldNumber: 0, newNumber, isUnended: false });
        [newNumber, newLeft] = [newNumber + 1, newLeft - 1];
      } else {
        return;
      }
    }
  }
}

function pathOf(line: string): string {
  // A tab ends the name; what follows it is a date.
  return line.slice(4).split("\t", 1)[0] ?? "";
}

/** The name to show for a file, and what happens to it. */
export function describeFile(file: FileDiff): { path: string; change: string } {
  if (file.oldPath === NOWHERE) return { path: file.newPath, change: "new file" };
  if (file.newPath === NOWHERE) return { path: file.oldPath, change: "deleted" };
  if (file.oldPath && file.newPath && file.oldPath !== file.newPath) {
    return { path: file.newPath, change: `was ${file.oldPath}` };
  }
  return { path: file.newPath, change: "" };
}

/** How many lines are added and removed. */
export function countChanges(files: FileDiff[]): { added: number; removed: number } {
  const count = { added: 0, removed: 0 };
  for (const line of files.flatMap((file) => file.hunks.flatMap((hunk) => hunk.lines))) {
    if (line.kind === "add") count.added += 1;
    if (line.kind === "remove") count.removed += 1;
  }
  return count;
}
