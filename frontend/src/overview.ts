// What happened: the run's state, its failure groups, and all of its jobs.

import { button, counted, freshId, h } from "./dom";
import { GroupList } from "./groups";
import { JobPicker } from "./jobs";
import type { Shell } from "./shell";
import type { Store } from "./store";
import type { JobState } from "./wire";

const JOB_STATES: [JobState, string][] = [
  ["failed", "failed"],
  ["held", "held"],
  ["running", "running"],
  ["pending", "in the queue"],
  ["waiting", "waiting"],
  ["done", "done"],
];

export class OverviewPane {
  readonly element: HTMLElement;
  private readonly counts = h("p", { class: "lm-counts", attr: { role: "status" } });
  private readonly problem = h("p", { class: "lm-problem", hidden: true, attr: { role: "alert" } });
  private readonly groups: GroupList;
  private readonly jobs: JobPicker;
  private readonly tabs: { tab: HTMLButtonElement; panel: HTMLElement }[];
  private readonly stop: (() => void)[];

  constructor(
    private readonly store: Store,
    shell: Shell,
  ) {
    this.groups = new GroupList(store, shell);
    this.jobs = new JobPicker(store, shell);
    this.tabs = [
      this.makeTab("Failures", this.groups.element),
      this.makeTab("Jobs", this.jobs.element),
    ];
    this.element = h(
      "section",
      { class: "lm-overview", attr: { "aria-label": "What happened" } },
      this.problem,
      this.counts,
      h(
        "div",
        {
          class: "lm-tabs",
          attr: { role: "tablist", "aria-label": "What happened" },
          on: {
            keydown: (event) => {
              this.moveTab(event);
            },
          },
        },
        ...this.tabs.map(({ tab }) => tab),
      ),
      ...this.tabs.map(({ panel }) => panel),
    );
    const update = (): void => {
      this.update();
    };
    this.stop = [store.on("overview", update), store.on("groups", update)];
    this.choose(0);
    this.update();
  }

  dispose(): void {
    for (const stop of this.stop) stop();
    this.groups.dispose();
    this.jobs.dispose();
  }

  private makeTab(label: string, content: HTMLElement): (typeof this.tabs)[number] {
    const [tabId, panelId] = [freshId("tab"), freshId("tabpanel")];
    const tab = button(label, () => {
      this.choose(this.tabs.findIndex((each) => each.tab === tab));
    }, { class: "lm-tab", attr: { role: "tab", id: tabId, "aria-controls": panelId } });
    const panel = h(
      "div",
      { attr: { role: "tabpanel", id: panelId, "aria-labelledby": tabId } },
      content,
    );
    return { tab, panel };
  }

  private choose(index: number): void {
    for (const [at, { tab, panel }] of this.tabs.entries()) {
      tab.setAttribute("aria-selected", String(at === index));
      tab.tabIndex = at === index ? 0 : -1;
      panel.hidden = at !== index;
    }
    this.jobs.setVisible(index === 1);
  }

  private moveTab(event: KeyboardEvent): void {
    const at = this.tabs.findIndex(({ tab }) => tab === event.target);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (at < 0 || !step) return;
    const to = (at + step + this.tabs.length) % this.tabs.length;
    this.choose(to);
    this.tabs[to]?.tab.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  private update(): void {
    const { overview } = this.store;
    const words = JOB_STATES.flatMap(([state, word]) => {
      const n = overview.n_jobs[state] ?? 0;
      return n ? [`${n.toLocaleString("en")} ${word}`] : [];
    });
    if (overview.n_pending) {
      words.push(`${counted(overview.n_pending, "diagnosis", "diagnoses")} under way`);
    }
    const text = words.join(" · ") || "No jobs yet.";
    // The same text again would be read out again.
    if (this.counts.textContent !== text) this.counts.textContent = text;
    this.counts.classList.toggle("lm-counting", overview.n_pending > 0);
    if (this.problem.textContent !== overview.problem) this.problem.textContent = overview.problem;
    this.problem.hidden = !overview.problem;
    const nGroups = Math.max(overview.n_groups, this.store.groups.length);
    const label = `Failures (${nGroups.toLocaleString("en")})`;
    const tab = this.tabs[0]?.tab;
    if (tab && tab.textContent !== label) tab.textContent = label;
  }
}
