// What is pressed stays where and what it is until it is released.

/** Who holds something longer than this sees what is new again. */
const LONGEST_MS = 10_000;
/** The click comes a moment behind the release, after a touch sometimes a long one. */
const CLICK_MS = 50;
const TOUCH_CLICK_MS = 350;
/** A scrollbar or a text that is selected is held for long and needs what is new. */
const CLICKABLE = "a, button, label, select, summary, [role=option], " +
  "input:not([type=text], [type=search], [type=number])";

/**
 * Holds back what is new while something in the panel is pressed.
 *
 * A press is a click only if it ends on the element on which it began: what is drawn anew in
 * between swallows it, and what moves hands it to a neighbour.
 */
export class Press {
  private readonly held: (() => void)[] = [];
  private phase: "" | "down" | "released" = "";
  private isPassing = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Do something now or, while something is pressed, later; in the order of the calls. */
  after(action: () => void): void {
    const isHeld = this.phase !== "" || this.held.length > 0;
    if (isHeld && !this.isPassing) this.held.push(action);
    else action();
  }

  /** Do what the user has chosen; what comes of it shows at once. */
  pass(action: () => void): void {
    this.isPassing = true;
    try {
      action();
    } finally {
      this.isPassing = false;
    }
  }

  /** Hold while something in `element` is pressed; returns how to stop it. */
  watch(element: HTMLElement): () => void {
    const down = (event: Event): void => {
      if (!isPress(event)) return;
      this.phase = "down";
      this.goOnIn(LONGEST_MS);
    };
    const window = element.ownerDocument.defaultView;
    const up = (event: Event): void => {
      if (this.phase !== "down" || !isEnd(event)) return;
      this.phase = "released";
      const isTouch = (event as PointerEvent).pointerType === "touch";
      this.goOnIn(isTouch ? TOUCH_CLICK_MS : CLICK_MS);
    };
    const starts = ["pointerdown", "keydown"] as const;
    const ends = ["pointerup", "pointercancel", "pointermove", "keyup", "change", "blur"] as const;
    for (const kind of starts) element.addEventListener(kind, down, true);
    for (const kind of ends) window?.addEventListener(kind, up, true);
    return () => {
      for (const kind of starts) element.removeEventListener(kind, down, true);
      for (const kind of ends) window?.removeEventListener(kind, up, true);
      clearTimeout(this.timer);
    };
  }

  private goOnIn(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.phase = "";
      this.goOn();
    }, delayMs);
  }

  private goOn(): void {
    const next = this.held.shift();
    if (!next) return;
    try {
      next();
    } finally {
      // What fails must not hold back the rest.
      this.goOn();
    }
  }
}

function isEnd(event: Event): boolean {
  // Elements lose the focus when something else is pressed; only a window's loss ends that.
  if (event.type === "blur") return !(event.target instanceof Node);
  // Menus of the system and other windows keep the release to themselves.
  return event.type !== "pointermove" || !(event as PointerEvent).buttons;
}

function isPress(event: Event): boolean {
  if (event instanceof KeyboardEvent && event.key !== " ") return false;
  return event.target instanceof Element && event.target.closest(CLICKABLE) !== null;
}
