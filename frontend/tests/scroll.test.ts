// Where the transcript stands while it grows and while the reader moves in it.

import { afterEach, expect, test, vi } from "vitest";

import { ScrollKeeper } from "../src/scroll";

const HEIGHT = 500;
let grow: () => void = () => undefined;

/** A frame whose content is `height` high; `grow` does what a page does after it has grown. */
function opened(height: number) {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe(): void { /* it is told by hand */ }
      disconnect(): void { /* as above */ }
      constructor(tell: () => void) { grow = tell; }
    },
  );
  const frame = document.createElement("div");
  let [top, whole] = [0, height];
  vi.spyOn(frame, "clientHeight", "get").mockReturnValue(HEIGHT);
  vi.spyOn(frame, "scrollHeight", "get").mockImplementation(() => whole);
  vi.spyOn(frame, "scrollTop", "get").mockImplementation(() => top);
  vi.spyOn(frame, "scrollTop", "set").mockImplementation((wanted) => {
    top = Math.max(0, Math.min(wanted, whole - HEIGHT));
  });
  const keeper = new ScrollKeeper(frame, document.createElement("div"), () => undefined);
  return {
    frame,
    keeper,
    scroll: (to: number): void => {
      frame.scrollTop = to;
      frame.dispatchEvent(new Event("scroll"));
    },
    growTo: (height: number): void => {
      const before = top;
      whole = height;
      grow();
      if (top !== before) frame.dispatchEvent(new Event("scroll"));
    },
  };
}

afterEach(() => { vi.unstubAllGlobals(); });

test("the end stays in sight while the transcript grows", () => {
  const { frame, keeper, growTo } = opened(800);
  keeper.goToEnd();
  growTo(1000);
  expect(frame.scrollTop).toBe(500);
  expect(keeper.isFollowing).toBe(true);
});

test("the top is shown where it was asked for, however near the end is", () => {
  const { frame, keeper, growTo } = opened(HEIGHT + 32);
  keeper.goToEnd();
  keeper.goToTop();
  frame.dispatchEvent(new Event("scroll"));
  growTo(HEIGHT + 32);
  expect(frame.scrollTop).toBe(0);
  growTo(900);
  expect(frame.scrollTop).toBe(0);
  expect(keeper.isFollowing).toBe(false);
});

test("a small move upwards is heeded, and one back to the end too", () => {
  const { frame, keeper, scroll, growTo } = opened(1000);
  keeper.goToEnd();
  scroll(500);
  scroll(480);
  growTo(1200);
  expect(frame.scrollTop).toBe(480);
  scroll(670);
  growTo(1400);
  expect(frame.scrollTop).toBe(900);
});

test("a transcript that gets shorter at its end is still followed", () => {
  const { frame, keeper, growTo } = opened(1000);
  keeper.goToEnd();
  frame.dispatchEvent(new Event("scroll"));
  frame.scrollTop = 470; // what the page does by itself
  growTo(970);
  growTo(1300);
  expect(frame.scrollTop).toBe(800);
});
