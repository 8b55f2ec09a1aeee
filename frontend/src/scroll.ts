// Keeps a growing transcript at its end, unless the reader has moved away from it.

import { button } from "./dom";

const NEAR_PX = 40;

export class ScrollKeeper {
  /** Shown while the end is out of sight. */
  readonly toEnd: HTMLButtonElement;
  private isAtEnd = true;
  private lastTop = 0;
  private readonly observer: ResizeObserver | null;

  constructor(
    private readonly frame: HTMLElement,
    content: HTMLElement,
    onTop: () => void,
    private readonly onEnd: () => void = () => undefined,
  ) {
    this.toEnd = button("Go to the latest", () => { this.goToEnd(); }, {
      icon: "down",
      class: "lm-to-end",
    });
    this.toEnd.hidden = true;
    frame.addEventListener(
      "scroll",
      () => {
        // Entries may have grown since the scroll that this event tells of: only a move
        // upwards is the reader's wish to leave the end, however small it is.
        const isUp = frame.scrollTop < this.lastTop - 1;
        if (this.distance() < (isUp ? 2 : NEAR_PX)) this.setAtEnd(true);
        else if (isUp) this.setAtEnd(false);
        this.lastTop = frame.scrollTop;
        if (frame.scrollTop < 200) onTop();
      },
      { passive: true },
    );
    // Who opens something wants to see it where it is.
    frame.addEventListener("click", (event) => {
      if ((event.target as Element | null)?.closest("summary, button")) this.setAtEnd(false);
    });
    this.observer =
      typeof ResizeObserver === "undefined"
        ? null
        : new ResizeObserver(() => {
            if (this.isAtEnd) this.lastTop = this.jump(this.frame.scrollHeight);
            else this.setAtEnd(this.distance() < 2);
          });
    this.observer?.observe(content);
    this.observer?.observe(frame);
  }

  /** Whether the end is kept in sight. */
  get isFollowing(): boolean {
    return this.isAtEnd;
  }

  goToEnd(): void {
    this.setAtEnd(true);
    this.frame.scrollTop = this.frame.scrollHeight;
  }

  goToTop(): void {
    this.restore(0);
  }

  /** Where the reader is, to come back to. */
  position(): number {
    return this.isAtEnd ? Infinity : this.frame.scrollTop;
  }

  restore(position: number): void {
    if (position === Infinity) {
      this.goToEnd();
      return;
    }
    this.setAtEnd(false);
    this.jump(position);
    // Its event is a move away from the end, also where that is near.
    this.lastTop = Infinity;
  }

  /** Do something that adds entries at the top; what is seen stays where it is. */
  keepWhile(change: () => void): void {
    const fromEnd = this.frame.scrollHeight - this.frame.scrollTop;
    change();
    this.frame.scrollTop = this.frame.scrollHeight - fromEnd;
  }

  dispose(): void {
    this.observer?.disconnect();
  }

  private jump(top: number): number {
    this.frame.scrollTop = top;
    return this.frame.scrollTop;
  }

  private distance(): number {
    return this.frame.scrollHeight - this.frame.scrollTop - this.frame.clientHeight;
  }

  private setAtEnd(isAtEnd: boolean): void {
    const isBack = isAtEnd && !this.isAtEnd;
    this.isAtEnd = isAtEnd;
    // Where everything is in sight there is no way to go.
    this.toEnd.hidden = isAtEnd || this.distance() < NEAR_PX;
    if (isBack) this.onEnd();
  }
}
