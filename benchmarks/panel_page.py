"""What `panel.py` looks at in the browser: bytes on the wire, frames, first words."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

COUNT_BYTES = """
// Counts what goes over the kernel's socket, both ways, as it is: headers and all.
window.wire = {received: 0, sent: 0, frames: 0};
const sizeOf = data => typeof data === "string" ? new Blob([data]).size
  : data.byteLength ?? data.size ?? 0;
window.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    if (!String(url).includes("/channels")) return;
    this.isKernel = true;
    this.addEventListener("message", event => {
      window.wire.received += sizeOf(event.data);
      window.wire.frames += 1;
    });
  }
  send(data) {
    if (this.isKernel) window.wire.sent += sizeOf(data);
    super.send(data);
  }
};
"""
WATCH = """
([selector, firstWord, lastWord]) => {
  const seen = {frames: [], first: 0, last: 0};
  window.seen = seen;
  const find = () => document.querySelector(selector)?.textContent ?? "";
  // A task after the frame's callbacks runs when the frame was painted.
  const whenPainted = action => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = action;
    channel.port2.postMessage(null);
  });
  const observer = new MutationObserver(() => {
    if (!find().includes(firstWord)) return;
    observer.disconnect();
    whenPainted(() => { seen.first = Date.now(); });
    const frame = now => {
      seen.frames.push(now);
      if (find().includes(lastWord)) whenPainted(() => { seen.last = Date.now(); });
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  observer.observe(document.body, {childList: true, characterData: true, subtree: true});
}
"""


@dataclass(frozen=True)
class Stream:
    """How an answer came onto the screen."""

    first_s: float
    """When its first word was painted; as `time.time`."""
    last_s: float
    frames_ms: tuple[float, ...]
    """From frame to frame, while it grew."""
    wire_bytes: int
    n_messages: int
    """That came from the kernel."""

    @property
    def frame_95_ms(self) -> float:
        """The interval that 95 % of the frames keep below."""
        ordered = sorted(self.frames_ms)
        return ordered[int(0.95 * (len(ordered) - 1))] if ordered else 0.0


def watch(page: Any, selector: str, first_word: str, last_word: str) -> None:
    """Begin to look for an answer in the last element that fits."""
    page.evaluate("Object.assign(window.wire, {received: 0, sent: 0, frames: 0})")
    page.evaluate(WATCH, [selector, first_word, last_word])


def wait_for_end(page: Any, limit_s: float) -> Stream | None:
    """Wait until the last word is painted and nothing more comes; ``None`` when it never does."""
    from playwright.sync_api import TimeoutError as NeverHappened

    try:
        page.wait_for_function("window.seen.last > 0", timeout=limit_s * 1000, polling=100)
    except NeverHappened:
        return None
    wire = page.evaluate("window.wire")
    while True:  # the end of the turn is told after the last word
        page.wait_for_timeout(1000)
        now = page.evaluate("window.wire")
        if now == wire:
            break
        wire = now
    seen = page.evaluate("window.seen")
    frames = seen["frames"]
    return Stream(
        first_s=seen["first"] / 1000,
        last_s=seen["last"] / 1000,
        frames_ms=tuple(b - a for a, b in pairwise(frames)),
        wire_bytes=wire["received"] + wire["sent"],
        n_messages=wire["frames"],
    )
