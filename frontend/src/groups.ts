// The failure groups, with filters by state and by text.

import { button, counted, h, visibleName, withCode } from "./dom";
import type { Shell } from "./shell";
import type { Store } from "./store";
import type { GroupState, GroupView } from "./wire";

export const GROUP_STATES: Record<GroupState, string> = {
  new: "New",
  diagnosing: "Diagnosing",
  diagnosed: "Diagnosed",
  fix_proposed: "Fix proposed",
  fixed: "Fixed",
  held: "Held",
};
const PAGE = 100;

export class GroupList {
  readonly element: HTMLElement;
  private readonly chips = h("div", {
    class: "lm-chips",
    attr: { role: "group", "aria-label": "Show only" },
  });
  private readonly search: HTMLInputElement;
  private readonly list = h("ul", { class: "lm-groups" });
  private readonly empty = h("p", { class: "lm-soft" });
  private readonly more: HTMLButtonElement;
  private readonly rows = new Map<string, { element: HTMLElement; state: string }>();
  private readonly stop: (() => void)[];
  private state: GroupState | "" = "";
  private nShown = PAGE;
  private drawnChips = "";

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    this.search = h("input", {
      class: "lm-input",
      attr: {
        type: "search",
        placeholder: "Cause, job, learner or node",
        "aria-label": "Filter failures by cause, job, learner or node",
      },
      on: {
        input: () => {
          this.nShown = PAGE;
          this.update();
        },
      },
    });
    this.more = button("", () => {
      this.nShown += PAGE;
      this.update();
    }, { hidden: true });
    this.element = h(
      "div",
      { class: "lm-group-list" },
      this.search,
      this.chips,
      this.empty,
      this.list,
      this.more,
    );
    const update = (): void => {
      this.update();
    };
    this.stop = [store.on("groups", update), store.on("active", update)];
    this.update();
  }

  dispose(): void {
    for (const stop of this.stop) stop();
  }

  private update(): void {
    const { groups } = this.store;
    this.drawChips(groups);
    this.search.hidden = groups.length < 2 && !this.search.value;
    const text = this.search.value.trim().toLowerCase();
    const found = groups.filter(
      (group) => (!this.state || group.state === this.state) && (!text || isAbout(group, text)),
    );
    const shown = found.slice(0, this.nShown).map((group) => this.rowOf(group));
    const isSame =
      shown.length === this.list.children.length &&
      shown.every((row, index) => row === this.list.children[index]);
    if (!isSame) this.replaceRows(shown);
    const known = new Set(groups.map((group) => group.key));
    for (const key of this.rows.keys()) if (!known.has(key)) this.rows.delete(key);
    this.more.hidden = found.length <= this.nShown;
    const nMore = Math.min(PAGE, found.length - this.nShown);
    this.more.textContent = `Show ${String(nMore)} more of ${String(found.length)}`;
    const words = groups.length ? "No failure fits this filter." : "No job has failed.";
    const { n_groups: nAll } = this.store.overview;
    const isPart = nAll > groups.length;
    const part = `Those with the most failures are here: ${counted(groups.length, "cause")} of ` +
      `${nAll.toLocaleString("en")}. The others are found by their jobs.`;
    this.empty.textContent = found.length ? (isPart ? part : "") : words;
    this.empty.hidden = found.length > 0 && !isPart;
  }

  /** Put rows in order; the one with the focus keeps it. */
  private replaceRows(rows: HTMLElement[]): void {
    const root = this.list.getRootNode() as Document | ShadowRoot;
    const focused = root.activeElement;
    this.list.replaceChildren(...rows);
    if (focused instanceof HTMLElement && this.list.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
  }

  private drawChips(groups: GroupView[]): void {
    const counts = new Map<GroupState, number>();
    for (const { state } of groups) counts.set(state, (counts.get(state) ?? 0) + 1);
    if (this.state && !counts.has(this.state)) this.state = "";
    const drawn = JSON.stringify([[...counts].sort(), this.state]);
    if (drawn === this.drawnChips) return;
    this.drawnChips = drawn;
    const states = (Object.keys(GROUP_STATES) as GroupState[]).filter((state) => counts.has(state));
    // With one state only there is nothing to choose.
    this.chips.hidden = states.length < 2;
    const focused = (this.chips.getRootNode() as Document | ShadowRoot).activeElement;
    const at = [...this.chips.children].indexOf(focused as Element);
    this.chips.replaceChildren(
      this.chipOf("", `All ${String(groups.length)}`),
      ...states.map((state) =>
        this.chipOf(state, `${GROUP_STATES[state]} ${String(counts.get(state) ?? 0)}`),
      ),
    );
    (this.chips.children[at] as HTMLElement | undefined)?.focus();
  }

  private chipOf(state: GroupState | "", label: string): HTMLElement {
    return button(label, () => {
      this.state = state;
      this.nShown = PAGE;
      this.update();
    }, { class: "lm-filter", attr: { "aria-pressed": String(this.state === state) } });
  }

  private rowOf(group: GroupView): HTMLElement {
    const isActive = this.store.active !== "" && group.thread_id === this.store.active;
    const state = JSON.stringify([
      group.title, group.count, group.state, group.learners.slice(0, 3), group.bad_node, isActive,
    ]);
    let row = this.rows.get(group.key);
    if (!row) {
      row = { element: h("li"), state: "" };
      this.rows.set(group.key, row);
      row.element.append(
        button("", () => {
          this.shell.showGroup(group.key);
        }, { class: "lm-group" }),
      );
    }
    if (row.state !== state) {
      row.state = state;
      const entry = row.element.firstElementChild as HTMLElement;
      if (isActive) entry.setAttribute("aria-current", "true");
      else entry.removeAttribute("aria-current");
      entry.replaceChildren(...rowContent(group));
    }
    return row.element;
  }
}

function rowContent(group: GroupView): HTMLElement[] {
  // The list is narrow; the folders, which are often the same, are with the diagnosis.
  const names = group.learners.slice(0, 3).map((name) => visibleName(name.replace(/.*\//s, "")));
  const learners = names.join(", ");
  const more = group.learners.length > 3 ? " …" : "";
  const times = `${group.count.toLocaleString("en")}×`;
  return [
    h("span", { class: "lm-group-title" }, ...withCode(group.title)),
    h("span", { class: "lm-group-count", title: counted(group.count, "failure") }, times),
    h(
      "span",
      { class: "lm-group-facts lm-soft" },
      h("span", { class: `lm-tag lm-state-${group.state}` }, GROUP_STATES[group.state]),
      " ",
      group.bad_node ? `node ${group.bad_node} · ` : "",
      learners + more,
    ),
  ];
}

function isAbout(group: GroupView, text: string): boolean {
  return [group.title, group.category, ...group.learners, ...group.job_ids, ...group.nodes].some(
    (word) => word.toLowerCase().includes(text),
  );
}
