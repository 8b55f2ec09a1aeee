// What the parts of the panel ask of the panel around them.
//
// Each part is a class made of the store and this shell, with its `element` and `dispose`.

/** What the parts ask of the panel around them. */
export interface Shell {
  /** The panel's outermost element, for dialogs. */
  readonly root: HTMLElement;
  /** Show a log, at `line` when it is not 0. */
  openLog(file: string, line?: number): void;
  /** Put a text into the box where the user writes, without sending it. */
  draft(text: string): void;
  /** Say a text in a thread; in the one that is shown when none is given. */
  say(text: string, threadId?: string): void;
  /** Make a thread the one that is shown. */
  showThread(threadId: string): void;
  /** Show a group's diagnosis and its thread. */
  showGroup(key: string): void;
  /** Tell a screen reader what otherwise is only seen. */
  announce(text: string): void;
  /** Show a sentence for a while. */
  toast(text: string, kind?: "info" | "error"): void;
}
