// Finds jobs by number, name or learner, and leads to what is known of each.

import { button, counted, h, visibleName } from "./dom";
import type { Shell } from "./shell";
import { messageOf, type Store } from "./store";
import type { JobState, JobView } from "./wire";

const STATES: Record<JobState, string> = {
  failed: "Failed",
  held: "Held",
  running: "Running",
  pending: "In the queue",
  waiting: "Waiting",
  done: "Done",
};
const TYPING_MS = 200;
/** How often the list follows the run while it is looked at. */
const REFRESH_MS = 2000;

export class JobPicker {
  readonly element: HTMLElement;
  private readonly search: HTMLInputElement;
  private readonly states: HTMLSelectElement;
  private readonly list = h("ul", { class: "lm-jobs" });
  private readonly note = h("p", { class: "lm-soft", attr: { role: "status" } });
  private readonly more: HTMLButtonElement;
  private readonly stop: () => void;
  private jobs: JobView[] = [];
  private asked = 0;
  private isVisible = false;
  private hasMorePages = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    this.search = h("input", {
      class: "lm-input",
      attr: {
        type: "search",
        placeholder: "Search by job or learner",
        "aria-label": "Search jobs by job or learner",
      },
      on: {
        input: () => {
          this.later(TYPING_MS);
        },
      },
    });
    this.states = this.makeStates();
    this.more = button("Show more", () => void this.find(this.jobs.length), { hidden: true });
    this.element = h(
      "div",
      { class: "lm-job-picker" },
      h("div", { class: "lm-job-search" }, this.search, this.states),
      this.note,
      this.list,
      this.more,
    );
    this.stop = store.on("overview", () => {
      // Many pieces of news in a row are one question; of a closed run there are none.
      if (this.store.overview.is_closed) return;
      if (this.isVisible && this.timer === undefined) this.later(REFRESH_MS);
    });
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.stop();
  }

  /** Jobs are asked for only while somebody looks at them. */
  setVisible(isVisible: boolean): void {
    if (isVisible && !this.isVisible) void this.find(0);
    this.isVisible = isVisible;
  }

  private makeStates(): HTMLSelectElement {
    const states = h("select", {
      class: "lm-input",
      attr: { "aria-label": "State of the jobs" },
      on: {
        change: () => void this.find(0),
      },
    }, h("option", { attr: { value: "" } }, "Any state"));
    for (const [state, label] of Object.entries(STATES)) {
      states.append(h("option", { attr: { value: state } }, label));
    }
    return states;
  }

  private later(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      // Who has asked for more pages reads there; the list must not jump back.
      if (this.isVisible && !(this.hasMorePages && delayMs === REFRESH_MS)) void this.find(0);
    }, delayMs);
  }

  /** Ask for jobs; those before `start` are there already. */
  private async find(start: number): Promise<void> {
    const asked = ++this.asked;
    const state = this.states.value as JobState | "";
    try {
      const data = await this.store.request({
        type: "find_jobs",
        text: this.search.value.trim(),
        states: state ? [state] : [],
        start,
      });
      // A slow answer to an older question must not replace a newer one.
      if (asked !== this.asked) return;
      const found = data["jobs"] as JobView[];
      this.jobs = start ? [...this.jobs, ...found] : found;
      this.hasMorePages = start > 0;
      this.draw(Number(data["n"]), start);
    } catch (error) {
      if (asked === this.asked) this.note.textContent = messageOf(error);
    }
  }

  private draw(nFound: number, start: number): void {
    this.note.textContent = counted(nFound, "job");
    const root = this.list.getRootNode() as Document | ShadowRoot;
    const at = [...this.list.children].findIndex((row) => row.contains(root.activeElement));
    this.list.replaceChildren(...this.jobs.map((job) => this.rowOf(job)));
    this.more.hidden = this.jobs.length >= nFound;
    const focused = this.list.children[start || at]?.firstElementChild;
    if (at < 0 && !start) return;
    (focused as HTMLElement | null | undefined)?.focus({ preventScroll: true });
  }

  private rowOf(job: JobView): HTMLElement {
    const choose = (): void => {
      if (job.group && this.store.group(job.group)) this.shell.showGroup(job.group);
      else this.shell.draft(`@${job.job_id || job.job_name} `);
    };
    const facts = [
      job.job_id && `job ${job.job_id}`,
      job.elapsed_s === null ? "" : formatDuration(job.elapsed_s),
      job.note,
    ].filter(Boolean);
    const entry = button("", choose, {
      class: "lm-job",
      title: job.group ? "Show why it failed" : "Ask about this job",
    });
    entry.append(
      h("span", { class: "lm-job-name" }, visibleName(job.learner || job.job_name)),
      h("span", { class: `lm-tag lm-job-${job.state}` }, STATES[job.state]),
      h("span", { class: "lm-soft lm-job-facts" }, facts.join(" · ")),
    );
    return h("li", {}, entry);
  }
}

/** A duration in its two largest units: "45 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function formatDuration(seconds: number): string {
  const units: [number, string][] = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const whole = Math.max(0, Math.round(seconds));
  const at = Math.max(0, units.findIndex(([size]) => whole >= size));
  if (whole === 0) return "0 s";
  const [size, unit] = units[at] ?? [1, "s"];
  const [nextSize, nextUnit] = units[at + 1] ?? [0, ""];
  const first = Math.floor(whole / size);
  const rest = nextSize ? Math.floor((whole % size) / nextSize) : 0;
  return rest ? `${String(first)} ${unit} ${String(rest)} ${nextUnit}` : `${String(first)} ${unit}`;
}
