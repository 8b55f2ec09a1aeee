// What the user is doing with each proposed change. One decision is asked for once,
// however often it is clicked and in however many places it is shown.

import { messageOf, type Store } from "./store";
import type { ApprovalView, Decide } from "./wire";

export type Phase =
  /** Nothing is being done with it. */
  | { name: "open" }
  /** A reason is being written. */
  | { name: "rejecting"; message: string }
  /** The proposed text is being changed. */
  | { name: "editing"; text: string }
  /** The kernel was asked; waiting for what it did. */
  | { name: "deciding"; decision: Decide["decision"]; text: string }
  | { name: "undoing" };

export type Choice = Pick<Decide, "decision" | "message" | "text" | "scope">;

const OPEN: Phase = { name: "open" };
/** The new state follows the reply at once; when it was lost, the user may try again. */
const STATE_WAIT_MS = 4000;

export class ApprovalStates {
  private readonly phases = new Map<string, Phase>();
  private readonly errors = new Map<string, string>();
  private readonly leftovers = new Map<string, string>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();

  /** `onChange` is called with the id of whatever has to be drawn anew. */
  constructor(
    private readonly store: Store,
    private readonly onChange: (id: string) => void,
  ) {}

  phase(id: string): Phase {
    return this.phases.get(id) ?? OPEN;
  }

  /** Why the last request failed; empty when none did. */
  error(id: string): string {
    return this.errors.get(id) ?? "";
  }

  /** What was being written when it was decided elsewhere; empty for nothing. */
  leftover(id: string): string {
    return this.leftovers.get(id) ?? "";
  }

  /** Whether it can be decided now. */
  isOpen(id: string): boolean {
    const { name } = this.phase(id);
    return this.store.approval(id)?.status === "pending" && name !== "deciding";
  }

  startReject(id: string): void {
    if (this.isOpen(id)) this.set(id, { name: "rejecting", message: "" });
  }

  startEdit(id: string): void {
    const approval = this.store.approval(id);
    if (!approval?.can_edit || !this.isOpen(id)) return;
    this.set(id, { name: "editing", text: approval.text });
  }

  /** Keep what is being written; nothing is drawn anew, the user is writing there. */
  write(id: string, text: string): void {
    const phase = this.phase(id);
    if (phase.name === "editing") phase.text = text;
    if (phase.name === "rejecting") phase.message = text;
  }

  /** Stop writing. */
  cancel(id: string): void {
    const { name } = this.phase(id);
    if (name === "rejecting" || name === "editing") this.set(id, OPEN);
  }

  /** Ask the kernel to decide those of `ids` that still wait. */
  async decide(ids: string[], choice: Choice): Promise<void> {
    const open = ids.filter((id) => this.isOpen(id));
    if (!open.length) return;
    const before = open.map((id): [string, Phase] => [id, this.phase(id)]);
    const { decision, text = "" } = choice;
    for (const id of open) this.set(id, { name: "deciding", decision, text });
    try {
      await this.store.request({ type: "decide", approval_ids: open, ...choice });
      this.later(() => {
        for (const [id, phase] of before) {
          if (this.phase(id).name === "deciding") this.set(id, phase);
        }
      });
    } catch (error) {
      // What was written is not lost.
      for (const [id, phase] of before) {
        if (this.store.approval(id)?.status === "pending") this.set(id, phase, messageOf(error));
        else if (decision === "edit") this.keepText(id, text);
      }
    }
  }

  /** Undo what was done. */
  async undo(id: string): Promise<void> {
    const approval = this.store.approval(id);
    if (!approval?.can_undo || approval.undone || this.phase(id).name === "undoing") return;
    this.set(id, { name: "undoing" });
    try {
      await this.store.request({ type: "undo", change_id: approval.change_id });
      this.later(() => {
        if (this.phase(id).name === "undoing") this.set(id, OPEN);
      });
    } catch (error) {
      this.set(id, OPEN, messageOf(error));
    }
  }

  /** The kernel says what became of it. */
  receive(approval: ApprovalView): void {
    const phase = this.phase(approval.id);
    const { name } = phase;
    const isSettled = name === "undoing" ? approval.undone : approval.status !== "pending";
    if (isSettled) {
      this.phases.delete(approval.id);
      this.errors.delete(approval.id);
      // A text on its way may be what was carried out; if it was not, the answer says so.
      const isTaken = approval.status === "approved" || approval.status === "done";
      const isLost = name === "editing" || (name === "deciding" && !isTaken);
      if (isLost && phase.text) this.keepText(approval.id, phase.text);
    }
    this.onChange(approval.id);
  }

  dispose(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  private keepText(id: string, text: string): void {
    if (text === this.store.approval(id)?.text) return;
    this.leftovers.set(id, text);
    this.onChange(id);
  }

  private set(id: string, phase: Phase, error = ""): void {
    this.phases.set(id, phase);
    if (error) this.errors.set(id, error);
    else this.errors.delete(id);
    this.onChange(id);
  }

  private later(action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.store.press.after(action);
    }, STATE_WAIT_MS);
    this.timers.add(timer);
  }
}
