// The line under an answer that is being written.

import { h } from "./dom";

/** Shows that something moves, what it is, and for how long it does. */
export class BusyLine {
  readonly element: HTMLElement;
  private readonly doing = h("span");
  private readonly clock = h("span", { class: "lm-clock", attr: { "aria-hidden": "true" } });
  private timer: ReturnType<typeof setInterval> | undefined;
  private since = 0;

  constructor() {
    this.element = h(
      "div",
      { class: "lm-busy" },
      h("span", { class: "lm-dots", attr: { "aria-hidden": "true" } }, h("i"), h("i"), h("i")),
      this.doing,
      this.clock,
    );
  }

  show(isBusy: boolean, doing: string): void {
    this.element.classList.toggle("lm-on", isBusy);
    this.doing.textContent = isBusy ? doing || "Thinking" : "";
    if (isBusy && this.timer === undefined) {
      this.since = performance.now();
      this.timer = setInterval(() => { this.tick(); }, 1000);
    } else if (!isBusy) {
      this.dispose();
    }
    this.tick();
  }

  dispose(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    const seconds = Math.floor((performance.now() - this.since) / 1000);
    this.clock.textContent = this.timer !== undefined && seconds > 1 ? `${String(seconds)} s` : "";
  }
}
