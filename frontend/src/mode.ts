// What may be changed without asking: the switch, and the banner of YOLO mode.

import { ChangesPane } from "./changes";
import { ask } from "./dialog";
import { button, counted, freshId, h } from "./dom";
import type { Shell } from "./shell";
import { messageOf, type Store } from "./store";
import type { PanelMode } from "./wire";

const MODES: { mode: PanelMode; label: string; title: string }[] = [
  { mode: "read-only", label: "Read-only", title: "Nothing is changed; the model only looks" },
  { mode: "approve", label: "Approve", title: "Each change waits for your decision" },
  { mode: "yolo", label: "YOLO", title: "Changes are made without asking" },
];

/** `element`: the switch, for the header; `banner`: of YOLO mode, below the header. */
export class ModeSwitch {
  readonly element: HTMLElement;
  readonly banner = h("section", {
    class: "lm-yolo",
    hidden: true,
    attr: { "aria-label": "YOLO mode" },
  });
  private readonly inputs = new Map<PanelMode, HTMLInputElement>();
  private readonly counter = h("span", { class: "lm-yolo-count", attr: { role: "status" } });
  private readonly still = h("p", { class: "lm-yolo-still" });
  private readonly changes: ChangesPane;
  private readonly stop: () => void;
  private isAsking = false;
  private wanted: PanelMode | undefined;

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    const name = freshId("mode");
    this.element = h(
      "div",
      { class: "lm-modes", attr: { role: "radiogroup", "aria-label": "What may be changed" } },
      ...MODES.map((entry) => this.makeChoice(name, entry)),
    );
    this.changes = new ChangesPane(store, shell, (change) => {
      // Those that the counter counts.
      const since = Date.parse(store.overview.yolo_since);
      const isBefore = Date.parse(change.made_at) < since;
      return change.by === "yolo" && !isBefore;
    });
    this.drawBanner();
    this.stop = store.on("overview", () => {
      this.update();
    });
    this.update();
  }

  dispose(): void {
    this.stop();
    this.changes.dispose();
  }

  private makeChoice(name: string, { mode, label, title }: (typeof MODES)[number]): HTMLElement {
    const input = h("input", {
      attr: { type: "radio", name, value: mode },
      on: {
        change: () => {
          void this.choose(mode);
        },
      },
    });
    this.inputs.set(mode, input);
    return h("label", { class: `lm-mode lm-mode-${mode}`, title }, input, h("span", {}, label));
  }

  private drawBanner(): void {
    const list = h("div", { hidden: true, attr: { id: freshId("yolo-changes") } });
    list.append(this.changes.element);
    const toggle = button("Show its changes", () => {
      list.hidden = !list.hidden;
      toggle.setAttribute("aria-expanded", String(!list.hidden));
      toggle.textContent = list.hidden ? "Show its changes" : "Hide its changes";
    }, { attr: { "aria-expanded": "false", "aria-controls": list.id } });
    const off = button("Switch YOLO off", () => void this.choose("approve"), {
      class: "lm-strong",
    });
    this.banner.append(
      h(
        "div",
        { class: "lm-yolo-line" },
        h("strong", {}, "YOLO mode is on: changes are made without asking you."),
        this.counter,
        h("span", { class: "lm-yolo-buttons" }, toggle, off),
      ),
      this.still,
      list,
    );
  }

  private async choose(mode: PanelMode): Promise<void> {
    if (this.isAsking || mode === this.store.overview.mode) {
      this.update();
      return;
    }
    this.isAsking = true;
    // YOLO is not shown as chosen before it is confirmed and holds.
    this.wanted = mode === "yolo" ? undefined : mode;
    this.update();
    try {
      if (mode === "yolo" && !(await this.confirmYolo())) return;
      await this.store.request({ type: "set_mode", mode });
    } catch (error) {
      this.shell.toast(messageOf(error), "error");
    } finally {
      this.isAsking = false;
      this.wanted = undefined;
      this.update();
      const { activeElement: at } = this.element.getRootNode() as Document | ShadowRoot;
      // Who has gone on to something else meanwhile is not called back.
      const isHere = [this.element, this.banner].some((part) => part.contains(at));
      if (isHere || !at || at.contains(this.element)) {
        this.inputs.get(this.store.overview.mode)?.focus();
      }
    }
  }

  private confirmYolo(): Promise<boolean> {
    const { asks_anyway: asks } = this.store.overview;
    return ask(this.shell.root, {
      title: "Switch YOLO mode on?",
      texts: [
        "The model will edit files and change or restart jobs without asking you first. " +
          "Every change is listed and can be undone; what ran because of it can't.",
        ...(asks ? [asks] : []),
      ],
      confirm: "Switch YOLO on",
      isDangerous: true,
    });
  }

  private update(): void {
    const { mode, yolo_changes: count, asks_anyway: asks } = this.store.overview;
    for (const [each, input] of this.inputs) input.checked = each === (this.wanted ?? mode);
    const isOn = mode === "yolo";
    if (isOn && this.banner.hidden) this.shell.announce("YOLO mode is on.");
    if (!isOn && !this.banner.hidden) this.shell.announce("YOLO mode is off.");
    this.banner.hidden = !isOn;
    this.changes.update();
    this.shell.root.dataset["mode"] = mode;
    const words = `${counted(count, "change")} made`;
    if (this.counter.textContent !== words) this.counter.textContent = words;
    this.still.textContent = asks;
    this.still.hidden = !asks;
  }
}
