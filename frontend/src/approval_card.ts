// The card of one proposed change: what, where, why, how risky, the diff, and what to do.

import type { ApprovalStates } from "./approval_state";
import { DiffView } from "./diff";
import { button, freshId, h, visibleName, type Attributes } from "./dom";
import { menuButton, type MenuItem } from "./menu";
import type { Store } from "./store";
import type { ApprovalView, ChangeView, Decide } from "./wire";

type Scope = NonNullable<Decide["scope"]>;

/**
 * Buttons that appear under a moving pointer take no click for this long: the user meant
 * what was there before.
 */
const ARMING_MS = 300;
const EDIT_ROWS = 24;
const LEFTOVER = "This was decided elsewhere while you were writing. What you had written:";

const KINDS: Record<string, string> = {
  edit: "edit of a file",
  create: "new file",
  move: "move of a file",
  delete: "deletion",
  make_directory: "new folder",
  resources: "change of resources",
  restart: "restart of jobs",
};

/** What the card needs of the desk it lies on. */
export interface CardContext {
  store: Store;
  states: ApprovalStates;
  /** The card of another change. */
  card(id: string): HTMLElement;
  /** Bring the card of another change into view. */
  reveal(id: string): void;
}

export class ApprovalCard {
  readonly element: HTMLElement;
  private readonly status = h("span", { class: "lm-tag", attr: { role: "status" } });
  private readonly outcome = h("div", { class: "lm-card-outcome" });
  private readonly change = h("div", { class: "lm-card-change" });
  private readonly actions = h("div", { class: "lm-card-actions" });
  private readonly titleId = freshId("change");
  private diff: DiffView | undefined;
  private isFolded: boolean | undefined;
  private arming: ReturnType<typeof setTimeout> | undefined;
  private diffText = "";
  private drawn = "";

  constructor(
    private readonly id: string,
    private readonly context: CardContext,
  ) {
    this.element = h("article", {
      class: "lm-card",
      attr: { tabindex: "-1", "aria-labelledby": this.titleId },
    });
    this.update();
  }

  dispose(): void {
    clearTimeout(this.arming);
    this.diff?.dispose();
  }

  /** Draw what has changed. */
  update(): void {
    const approval = this.context.store.approval(this.id);
    if (!approval) {
      this.element.replaceChildren(h("p", { class: "lm-soft" }, "Loading the change …"));
      return;
    }
    if (!this.drawn) this.drawFrame(approval);
    const phase = this.context.states.phase(this.id);
    const made = this.context.store.changes.find((change) => change.id === approval.change_id);
    const { diff, text, ...facts } = approval;
    const error = this.context.states.error(this.id);
    const leftover = this.context.states.leftover(this.id);
    const state = JSON.stringify([facts, text.length, phase.name, error, leftover, made?.by]);
    if (state === this.drawn && diff === this.diffText) return;
    this.drawn = state;
    const hadFocus = this.element.contains(focusedIn(this.element));
    this.element.dataset["status"] = approval.undone ? "undone" : approval.status;
    this.element.setAttribute("aria-busy", String(isWaiting(approval, phase.name)));
    this.status.textContent = statusWord(approval);
    this.drawChange(approval);
    this.drawOutcome(approval, made);
    this.drawActions(approval);
    // What had the focus may be gone; the next Tab should go on from here.
    if (hadFocus && !this.element.contains(focusedIn(this.element))) this.focusInside();
  }

  private drawFrame(approval: ApprovalView): void {
    this.element.replaceChildren(
      h(
        "header",
        { class: "lm-card-head" },
        h(
          "div",
          { class: "lm-card-title" },
          h("span", { class: "lm-card-kind" }, KINDS[approval.kind] ?? approval.kind),
          h("strong", { attr: { id: this.titleId } }, approval.summary),
        ),
        this.status,
      ),
      factsOf(approval),
      this.change,
      this.outcome,
      this.actions,
    );
  }

  private drawChange(approval: ApprovalView): void {
    const isFolded = approval.status !== "pending";
    const isSame = approval.diff === this.diffText;
    if (isSame && isFolded === this.isFolded) return;
    if (!isSame) {
      this.diff?.dispose();
      this.diff = undefined;
    }
    this.diffText = approval.diff;
    this.isFolded = isFolded;
    if (!isFolded) {
      this.change.replaceChildren(this.shownDiff());
      return;
    }
    const details = h("details", {
      on: {
        // A long thread has many old changes; few of them are looked at.
        toggle: () => {
          if (details.open) details.append(this.shownDiff());
        },
      },
    }, h("summary", {}, "Show the change"));
    this.change.replaceChildren(details);
  }

  private shownDiff(): HTMLElement {
    this.diff ??= new DiffView(this.diffText);
    return this.diff.element;
  }

  private drawOutcome(approval: ApprovalView, made: ChangeView | undefined): void {
    const error = this.context.states.error(this.id);
    const lines: HTMLElement[] = [outcomeText(approval, made)].filter(Boolean).map((text) => h("p", {}, text));
    if (error) lines.push(h("p", { class: "lm-error", attr: { role: "alert" } }, error));
    const leftover = this.context.states.leftover(this.id);
    if (leftover) lines.push(h("p", {}, LEFTOVER), h("pre", { class: "lm-path" }, leftover));
    this.outcome.replaceChildren(...lines);
    if (approval.status !== "void" || !approval.replaced_by) return;
    const next = this.context.card(approval.replaced_by);
    // The conversation shows it elsewhere, most of the time.
    if (next.parentElement && next.parentElement !== this.outcome) {
      const { replaced_by: nextId } = approval;
      this.outcome.append(this.act("Show the new change", () => {
        this.context.reveal(nextId);
      }));
    } else {
      this.outcome.append(next);
    }
  }

  private drawActions(approval: ApprovalView): void {
    clearTimeout(this.arming);
    const { states } = this.context;
    const phase = states.phase(this.id);
    if (isWaiting(approval, phase.name)) {
      this.actions.replaceChildren(
        h("span", { class: "lm-spinner", attr: { "aria-hidden": "true" } }),
        h("span", { class: "lm-soft" }, waitingText(approval, phase.name)),
      );
    } else if (phase.name === "rejecting") {
      this.drawReject(phase.message);
    } else if (phase.name === "editing") {
      this.drawEdit(phase.text);
    } else if (approval.status === "pending") {
      this.drawChoices(approval);
    } else if (approval.can_undo && !approval.undone) {
      this.actions.replaceChildren(
        this.act("Undo", () => void states.undo(this.id), { title: "Put back what was there" }),
      );
    } else {
      this.actions.replaceChildren();
    }
  }

  private drawChoices(approval: ApprovalView): void {
    const { states } = this.context;
    const approve = (scope: Scope): void => {
      void states.decide([this.id], { decision: "approve", scope });
    };
    const buttons = [
      h(
        "div",
        { class: "lm-split" },
        this.act("Approve", () => {
          approve("call");
        }, { class: "lm-primary" }),
        menuButton("More ways to approve", scopesOf(approval, approve)),
      ),
      this.act("Reject", () => {
        states.startReject(this.id);
        this.actions.querySelector("input")?.focus();
      }),
    ];
    if (approval.can_edit) {
      buttons.push(this.act("Edit", () => {
        states.startEdit(this.id);
        this.actions.querySelector("textarea")?.focus();
        this.actions.scrollIntoView?.({ block: "nearest" }); // with the buttons below the text
      }));
    }
    this.actions.replaceChildren(...buttons);
    this.arm();
  }

  private drawReject(message: string): void {
    const { states } = this.context;
    const reject = (): void => {
      void states.decide([this.id], { decision: "reject", message: input.value.trim() });
    };
    const input = h("input", {
      class: "lm-input",
      attr: {
        type: "text",
        "aria-label": "Why it is rejected (optional)",
        placeholder: "Why? (optional; the model reads it)",
      },
      on: {
        input: () => {
          states.write(this.id, input.value);
        },
        keydown: (event) => {
          if (event.isComposing) return;
          if (event.key === "Enter") reject();
          else if (event.key === "Escape") this.stopWriting();
          else return;
          event.preventDefault();
          event.stopPropagation();
        },
      },
    });
    input.value = message;
    this.actions.replaceChildren(
      input,
      this.act("Reject", reject, { class: "lm-danger" }),
      this.act("Cancel", () => { this.stopWriting(); }, { class: "lm-quiet" }),
    );
  }

  private drawEdit(text: string): void {
    const { states } = this.context;
    const approve = (): void => {
      void states.decide([this.id], { decision: "edit", text: area.value });
    };
    const area = h("textarea", {
      class: "lm-edit",
      attr: {
        "aria-label": "The proposed text, to be changed",
        spellcheck: "false",
        rows: String(Math.min(EDIT_ROWS, Math.max(4, text.split("\n").length + 1))),
      },
      on: {
        input: () => {
          states.write(this.id, area.value);
        },
        keydown: (event) => {
          if (event.isComposing) return;
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) approve();
          else if (event.key === "Escape") this.stopWriting();
          else return;
          event.preventDefault();
          event.stopPropagation();
        },
      },
    });
    area.value = text;
    this.actions.replaceChildren(
      area,
      this.act("Approve my version", approve, { class: "lm-primary" }),
      this.act("Cancel", () => { this.stopWriting(); }, { class: "lm-quiet" }),
      h("span", { class: "lm-soft" }, "Ctrl+Enter approves, Esc cancels"),
    );
  }

  private stopWriting(): void {
    this.context.states.cancel(this.id);
    this.focusInside();
  }

  private focusInside(): void {
    const next = this.actions.querySelector<HTMLElement>("button:not([disabled])");
    (next ?? this.element).focus({ preventScroll: true });
  }

  /** A button that a double click hits once: its second half belongs to no button. */
  private act(label: string, action: () => void, attributes: Attributes = {}): HTMLButtonElement {
    return button(label, (event) => {
      if (event.detail <= 1) action();
    }, attributes);
  }

  private arm(): void {
    const buttons = [...this.actions.querySelectorAll("button")];
    for (const each of buttons) each.disabled = true;
    this.arming = setTimeout(() => {
      for (const each of buttons) each.disabled = false;
    }, ARMING_MS);
  }
}

/** How far an approval can reach beyond the one change. */
function scopesOf(approval: ApprovalView, approve: (scope: Scope) => void): MenuItem[] {
  const turn = {
    label: "Approve for this turn",
    detail: "This and what else is proposed in this answer",
    onSelect: () => {
      approve("turn");
    },
  };
  // What is deleted is asked for each time.
  if (approval.kind === "delete") return [turn];
  const kind = KINDS[approval.kind] ?? approval.kind;
  const where = approval.targets.some((target) => target.startsWith("learner:"))
    ? "of these learners"
    : "in the same folder";
  return [
    turn,
    {
      label: "Approve this kind here",
      detail: `This and every later ${kind} ${where}, until the session ends`,
      onSelect: () => {
        approve("kind");
      },
    },
  ];
}

function factsOf(approval: ApprovalView): HTMLElement {
  const facts: [string, string, string][] = [
    [approval.targets.length > 1 ? "Files" : "File", approval.targets.map(visibleName).join("\n"), "lm-path"],
    ["Reason", approval.reason, ""],
    ["Risk", approval.risk, ""],
  ];
  const list = h("dl", { class: "lm-fact-list" });
  for (const [name, text, style] of facts) {
    if (text) list.append(h("dt", {}, name), h("dd", style ? { class: style } : {}, text));
  }
  return list;
}

function isWaiting(approval: ApprovalView, phase: string): boolean {
  return phase === "deciding" || phase === "undoing" || approval.status === "approved";
}

function waitingText(approval: ApprovalView, phase: string): string {
  if (phase === "undoing") return "Undoing …";
  return approval.status === "approved" ? "Carrying it out …" : "Sending your decision …";
}

function statusWord(approval: ApprovalView): string {
  if (approval.undone) return "Undone";
  return {
    pending: "Waits for you",
    approved: "Approved",
    done: "Done",
    rejected: "Rejected",
    void: "Out of date",
    failed: "Failed",
  }[approval.status];
}

function outcomeText(approval: ApprovalView, made: ChangeView | undefined): string {
  if (approval.undone) return "This was done and then undone: what was there before is back.";
  switch (approval.status) {
    case "done":
      if (made?.by === "yolo") return "Made without asking, because YOLO mode was on.";
      if (made?.by === "rule") return "Made without asking, as you allowed for changes like this.";
      return "You approved this, and it was carried out.";
    case "rejected":
      return approval.message ? `You rejected this: ${approval.message}` : "You rejected this.";
    case "void":
      return `Nothing was changed. ${approval.message || "The file has changed since."}`;
    case "failed":
      return `This could not be carried out. ${approval.message}`.trim();
    default:
      return "";
  }
}

function focusedIn(element: HTMLElement): Element | null {
  return (element.getRootNode() as Document | ShadowRoot).activeElement ?? null;
}
