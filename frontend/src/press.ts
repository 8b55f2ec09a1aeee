// What is pressed stays where and what it is until it is released.

/** Who holds a button longer than this drags something, and sees what is new again. */
const LONGEST_MS = 10_000;
/** After a touch the click comes a moment behind the release. */
const CLICK_MS = 50;
const PRESSED_BY_SPACE = "button, summary, input:not([type=text], [type=search], [type=number])";

/**
 * Holds back what is new while something in the panel is pressed.
 *
 * A press is a click only if it ends on the element on which it began: what is drawn anew in
 * between swallows it, and what moves hands it to a neighbour.
 */
export class Press {
  private readonly held: (() => void)[] = [];
  private isDown = false;
  private isPassing = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Do something now or, while something is pressed, later; in the order of the calls. */
  after(action: () => void): void {
    const isHeld = this.isDown || this.held.length > 0;
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
      if (event instanceof KeyboardEvent && !isPressedBy(event)) return;
      this.isDown = true;
      this.releaseIn(LONGEST_MS);
    };
    const window = element.ownerDocument.defaultView;
    const up = (event: Event): void => {
      // Elements lose the focus when something else is pressed; only a window's loss ends that.
      const isEnd = event.type !== "blur" || !(event.target instanceof Node);
      if (this.isDown && isEnd) this.releaseIn(CLICK_MS);
    };
    const starts = ["pointerdown", "keydown"] as const;
    const ends = ["pointerup", "pointercancel", "keyup", "blur"] as const;
    for (const kind of starts) element.addEventListener(kind, down, true);
    for (const kind of ends) window?.addEventListener(kind, up, true);
    return () => {
      for (const kind of starts) element.removeEventListener(kind, down, true);
      for (const kind of ends) window?.removeEventListener(kind, up, true);
      clearTimeout(this.timer);
    };
  }

  private releaseIn(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.isDown = false;
      for (let next = this.held.shift(); next; next = this.held.shift()) next();
    }, delayMs);
  }
}

function isPressedBy(event: KeyboardEvent): boolean {
  return event.key === " " && event.target instanceof Element && event.target.matches(PRESSED_BY_SPACE);
}
