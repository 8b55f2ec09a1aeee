// Why the jobs of a group failed, with the lines that prove it and what can be done.

import { button, counted, freshId, h, visibleName, withCode } from "./dom";
import { GROUP_STATES } from "./groups";
import { renderMarkdown } from "./markdown";
import type { Shell } from "./shell";
import { messageOf, type Store } from "./store";
import type { EvidenceLine, GroupView, RemedyView } from "./wire";

const N_NAMES = 8;
const BUSY_WORDS = { fix: "Looking for a fix …", release: "Starting them again …" };

export class DiagnosisPane {
  readonly element = h("section", { class: "lm-diagnosis", hidden: true });
  private readonly titleId = freshId("diagnosis");
  private readonly stop: () => void;
  private key = "";
  private drawn = "";
  private busy: "" | "fix" | "release" = "";

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    this.element.setAttribute("aria-labelledby", this.titleId);
    this.stop = store.on("groups", () => {
      this.update();
    });
  }

  /** Show a group; "" hides it. */
  show(key: string): void {
    if (key !== this.key) this.busy = "";
    this.key = key;
    this.update();
  }

  dispose(): void {
    this.stop();
  }

  private update(): void {
    const group = this.key ? this.store.group(this.key) : undefined;
    this.element.hidden = !group;
    if (!group) return;
    // Another failure of the same kind is no reason to draw all of it anew.
    const state = JSON.stringify([{ ...group, last_seen: "" }, this.busy]);
    if (state === this.drawn) return;
    const opened = this.element.querySelectorAll<HTMLElement>("details[open]");
    const wasOpen = new Set([...opened].map((details) => details.dataset["name"]));
    this.drawn = state;
    this.element.replaceChildren(
      this.headOf(group),
      renderMarkdown(group.diagnosis.explanation),
      ...this.proofOf(group.diagnosis.evidence),
      ...doubtsOf(group.diagnosis.doubts),
      ...remediesOf(group.diagnosis.remedies),
      ...affectedOf(group),
      this.actionsOf(group),
    );
    for (const details of this.element.querySelectorAll("details")) {
      details.open = wasOpen.has(details.dataset["name"]);
    }
  }

  private headOf(group: GroupView): HTMLElement {
    const { diagnosis } = group;
    const percent = `${String(Math.round(diagnosis.confidence * 100))} %`;
    const source = diagnosis.source === "model" ? "by the model" : "by the rules";
    const isBusy = group.state === "diagnosing";
    return h(
      "header",
      { class: "lm-diagnosis-head" },
      h("h3", { attr: { id: this.titleId } }, ...withCode(diagnosis.title || group.title)),
      h(
        "p",
        { class: "lm-diagnosis-facts lm-soft" },
        h("span", { class: `lm-tag lm-state-${group.state}` }, GROUP_STATES[group.state]),
        isBusy ? h("span", { class: "lm-spinner", attr: { "aria-hidden": "true" } }) : null,
        counted(group.count, "failure"),
        group.n_known ? ` (${group.n_known.toLocaleString("en")} known from before)` : "",
        ` · ${diagnosis.category.replaceAll("_", " ")} · `,
        h("span", { title: "How sure the diagnosis is" }, `${percent} sure, ${source}`),
      ),
    );
  }

  private proofOf(evidence: EvidenceLine[]): HTMLElement[] {
    if (!evidence.length) return [];
    const entries = evidence.map((proof) => {
      const name = visibleName(proof.file.split("/").at(-1) ?? proof.file);
      const place = proof.line ? `${name}:${String(proof.line)}` : name;
      const entry = button("", () => {
        this.shell.openLog(proof.file, proof.line);
      }, { class: "lm-proof", title: `Open ${visibleName(proof.file)}` });
      entry.append(
        h("span", { class: "lm-proof-place" }, place),
        h("code", { class: "lm-proof-text" }, proof.text),
      );
      return h("li", {}, entry);
    });
    return [h("h4", {}, "What proves it"), h("ul", { class: "lm-proofs" }, ...entries)];
  }

  private actionsOf(group: GroupView): HTMLElement {
    const actions = h("div", { class: "lm-card-actions" });
    if (this.busy) {
      actions.append(
        h("span", { class: "lm-spinner", attr: { "aria-hidden": "true" } }),
        h("span", { class: "lm-soft" }, BUSY_WORDS[this.busy]),
      );
      return actions;
    }
    if (group.state !== "fixed" && group.state !== "diagnosing") {
      actions.append(
        button("Fix", () => void this.act("fix", group), {
          class: "lm-primary",
          title: "Propose a change that makes these jobs pass",
        }),
      );
    }
    if (group.state === "held" || group.state === "fixed") {
      actions.append(
        button("Release", () => void this.act("release", group), {
          title: "Start the held jobs of this group again",
        }),
      );
    }
    return actions;
  }

  private async act(type: "fix" | "release", group: GroupView): Promise<void> {
    if (this.busy) return;
    this.busy = type;
    this.update();
    // Another group may be shown later, which is busy with nothing, and is not left.
    const isShown = (): boolean => this.key === group.key || this.key === group.thread_id;
    try {
      const data = await this.store.request({ type, group: group.key });
      if (type === "fix" && isShown()) this.shell.showThread(String(data["thread_id"] ?? group.thread_id));
      else if (type === "release") this.shell.toast("The held jobs start again.");
    } catch (error) {
      this.shell.toast(messageOf(error), "error");
    } finally {
      if (isShown()) {
        this.busy = "";
        this.update();
      }
    }
  }
}

function doubtsOf(doubts: string[]): HTMLElement[] {
  if (!doubts.length) return [];
  const entries = doubts.map((doubt) => h("li", {}, doubt));
  return [h("h4", {}, "What speaks against it"), h("ul", { class: "lm-doubts" }, ...entries)];
}

function remediesOf(remedies: RemedyView[]): HTMLElement[] {
  if (!remedies.length) return [];
  const entries = remedies.map((remedy) =>
    h(
      "li",
      {},
      remedy.details
        ? h(
            "details",
            { data: { name: `remedy ${remedy.summary}` } },
            h("summary", {}, ...withCode(remedy.summary)),
            renderMarkdown(remedy.details),
          )
        : h("span", {}, ...withCode(remedy.summary)),
    ),
  );
  return [h("h4", {}, "What can be done"), h("ol", { class: "lm-remedies" }, ...entries)];
}

function affectedOf(group: GroupView): HTMLElement[] {
  const facts: [string, string[]][] = [
    ["Learners", group.learners],
    ["Jobs", group.job_ids],
    ["Nodes", group.nodes],
  ];
  const list = h("dl", { class: "lm-fact-list" });
  for (const [name, names] of facts) {
    if (!names.length) continue;
    list.append(h("dt", {}, name), h("dd", { class: "lm-path" }, namesOf(names.map(visibleName))));
  }
  const words = `Node ${group.bad_node} seems to be the cause: jobs fail there and not elsewhere.`;
  const found: HTMLElement[] = group.bad_node ? [h("p", { class: "lm-warning" }, words)] : [];
  if (list.children.length) {
    const title = h("summary", {}, "Which jobs");
    found.push(h("details", { data: { name: "affected" } }, title, list));
  }
  return found;
}

function namesOf(names: string[]): HTMLElement {
  const shown = h("span", {}, names.slice(0, N_NAMES).join(", "));
  const nMore = names.length - N_NAMES;
  if (nMore > 0) {
    const more = button(`and ${String(nMore)} more`, () => {
      more.remove();
      shown.textContent = names.join(", ");
    }, { class: "lm-quiet" });
    shown.append(" ", more);
  }
  return shown;
}
