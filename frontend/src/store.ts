// All that this view knows: the widget's traits and, on top of them, what events told.

import { Channel, messageOf, RequestError, type Model, type RequestBody } from "./channel";
import { Outbox, type Outgoing } from "./outbox";
import { Press } from "./press";
import {
  applyEvents,
  emptyThread,
  prependItems,
  replaceThread,
  type Change,
  type ThreadState,
} from "./thread_state";
import { Emitter } from "./topics";
import type {
  ApprovalView,
  ChangeView,
  Conversation,
  Events,
  GroupView,
  Notification,
  Overview,
  Reply,
  ThreadView,
} from "./wire";
import { EMPTY_OVERVIEW } from "./wire_defaults";

export { messageOf, RequestError, type Model, type RequestBody } from "./channel";
export type { Outgoing } from "./outbox";
export type { ThreadState } from "./thread_state";
export type { Topics } from "./topics";

const RESYNC_DELAY_MS = 250;
const OUTGOING_MS = 2000;

export class Store extends Emitter {
  /** News wait while something is pressed. */
  readonly press = new Press();
  private readonly channel: Channel;
  private readonly states = new Map<string, ThreadState>();
  private readonly approvalsById = new Map<string, ApprovalView>();
  private readonly sending = new Outbox((threadId) => {
    this.emit("outbox", threadId);
  });
  private readonly resyncing = new Map<string, Events[]>();
  private readonly subscriptions: [string, (...args: never[]) => void][] = [];
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private session = "";
  private nChosen = 0;
  /** False after the kernel went away. */
  isConnected = true;

  constructor(private readonly model: Model) {
    super();
    this.channel = new Channel(model, (n) => {
      this.emit("waiting", n);
    });
    this.listen("msg:custom", (message: unknown) => {
      this.receive(message);
    });
    for (const name of ["overview", "groups", "threads", "changes"] as const) {
      this.listen(`change:${name}`, () => { this.emit(name, this[name]); });
    }
    this.listen("change:active", () => {
      this.emit("active", this.active);
      this.load(this.active);
    });
    this.listen("change:conversations", () => {
      this.adoptTraits();
    });
    // Jupyter's widget manager fires it when a restart cuts the line to the kernel.
    this.listen("comm_live_update", () => {
      this.disconnect();
    });
    this.session = this.trait("session", "");
    this.adoptTraits();
    this.load(this.active);
  }

  // -- what there is ---------------------------------------------------------------

  get overview(): Overview {
    return { ...EMPTY_OVERVIEW, ...this.trait<Partial<Overview>>("overview", {}) };
  }

  get groups(): GroupView[] {
    return this.trait("groups", []);
  }

  get threads(): ThreadView[] {
    return this.trait("threads", []);
  }

  get changes(): ChangeView[] {
    return this.trait("changes", []);
  }

  /** Id of the thread that is shown; empty for none. */
  get active(): string {
    return this.trait("active", "");
  }

  /** The group with this key, or the one whose thread it is. */
  group(keyOrThread: string): GroupView | undefined {
    return this.groups.find(
      (group) => group.key === keyOrThread || group.thread_id === keyOrThread,
    );
  }

  thread(threadId: string): ThreadState {
    let state = this.states.get(threadId);
    if (!state) {
      state = emptyThread(threadId);
      this.states.set(threadId, state);
    }
    return state;
  }

  approval(id: string): ApprovalView | undefined {
    return this.approvalsById.get(id);
  }

  /** Changes of a thread that wait for a decision, the oldest first. */
  pendingApprovals(threadId: string): ApprovalView[] {
    return [...this.approvalsById.values()].filter(
      (approval) => approval.thread_id === threadId && approval.status === "pending",
    );
  }

  outbox(threadId: string): readonly Outgoing[] {
    return this.sending.of(threadId);
  }

  /** Stop listening to the widget; the view is gone. */
  dispose(): void {
    for (const [name, callback] of this.subscriptions) this.model.off(name, callback);
    for (const timer of this.timers) clearTimeout(timer);
    this.channel.close();
    this.silence();
  }

  // -- asking ----------------------------------------------------------------------

  /** Ask the kernel; rejected with a `RequestError` whose message is for the user. */
  request(body: RequestBody): Promise<Record<string, unknown>> {
    if (!this.isConnected) return Promise.reject(new RequestError(GONE));
    return this.channel.request(body);
  }

  /** Make a thread the one that is shown, in every view of this widget. */
  setActive(threadId: string): void {
    this.nChosen += 1;
    if (threadId !== this.active) {
      this.press.pass(() => { this.model.set("active", threadId); });
      this.model.save_changes();
    } else {
      this.load(threadId);
    }
  }

  /** Say something; in a new thread when `threadId` is empty. */
  async say(text: string, threadId: string): Promise<void> {
    const id = threadId || (await this.newThread());
    const outgoing = this.sending.put(id, text);
    try {
      const data = await this.request({ type: "send", thread_id: id, text });
      // Its entry comes with the events; a command may have none, or lead elsewhere.
      this.later(OUTGOING_MS, () => {
        this.sending.takeOut(id, outgoing.id);
      });
      const answered = data["thread_id"];
      if (typeof answered === "string" && answered && answered !== id) {
        this.sending.takeOut(id, outgoing.id);
        if (this.active === id) this.setActive(answered);
      }
    } catch (error) {
      this.sending.fail(id, outgoing, messageOf(error));
    }
  }

  /** Show what the kernel refused as not sent, so that it can be had back. */
  keepUnsent(threadId: string, text: string, error: string): void {
    this.sending.fail(threadId, this.sending.put(threadId, text), error);
  }

  /** Forget what could not be sent. */
  takeOut(threadId: string, outgoingId: number): void {
    this.sending.takeOut(threadId, outgoingId);
  }

  /** Make a thread, show it, and return its id. */
  async newThread(title = ""): Promise<string> {
    const { nChosen } = this;
    const made = await this.request({ type: "change_thread", action: "new", title });
    const id = String(made["thread_id"] ?? "");
    this.thread(id).isLoaded = true;
    // Who has chosen something else meanwhile stays there.
    if (this.nChosen === nChosen) this.setActive(id);
    return id;
  }

  /** Fetch entries older than those that are there. */
  async loadEarlier(threadId: string): Promise<void> {
    const state = this.thread(threadId);
    const oldest = state.items[0];
    if (!oldest || !state.nEarlier) return;
    const wanted = { type: "open_thread", thread_id: threadId, before: oldest.id } as const;
    const older = conversationOf(await this.request(wanted));
    this.keepApprovals(older);
    prependItems(state, older);
    this.emit("conversation", threadId);
  }

  // -- from the kernel -------------------------------------------------------------

  private receive(message: unknown): void {
    switch ((message as { type?: unknown } | null)?.type) {
      case "events":
        this.receiveEvents(message as Events);
        break;
      case "reply":
        this.channel.receive(message as Reply);
        break;
      case "notification":
        this.emit("notification", message as Notification);
        break;
    }
  }

  private receiveEvents(message: Events): void {
    const held = this.resyncing.get(message.thread_id);
    if (held) {
      held.push(message);
      return;
    }
    // A thread that nobody has opened here is fetched when somebody does.
    const state = this.states.get(message.thread_id);
    if (!state && message.thread_id !== this.active) return;
    const changes = applyEvents(this.thread(message.thread_id), message);
    if (changes === "gap") this.resync(message.thread_id, [message]);
    else this.tell(message.thread_id, changes);
  }

  private tell(threadId: string, changes: Change[]): void {
    const items = new Set<string>();
    let isRebuilt = false;
    for (const change of changes) {
      if (change.kind === "items") isRebuilt = true;
      else if (change.kind === "item") items.add(change.itemId);
      else if (change.kind === "busy") this.emit("busy", threadId);
      else this.keepApproval(change.approval);
    }
    if (isRebuilt) {
      this.sending.settle(threadId, this.thread(threadId).items);
      this.emit("conversation", threadId);
    }
    // Many pieces of one entry in one message are one repaint.
    for (const itemId of items) this.emit("item", { threadId, itemId });
  }

  /** Ask for the whole thread; what comes meanwhile is applied on top. */
  private resync(threadId: string, held: Events[] = []): void {
    if (!threadId || this.resyncing.has(threadId)) return;
    this.resyncing.set(threadId, held);
    this.request({ type: "open_thread", thread_id: threadId }).then(
      (data) => {
        this.adopt(threadId, conversationOf(data));
        this.endResync(threadId);
      },
      () => {
        // Events that come later show the gap again, and the question is asked again.
        this.later(RESYNC_DELAY_MS, () => this.resyncing.delete(threadId));
        this.thread(threadId).isLoaded = true;
        this.emit("conversation", threadId);
      },
    );
  }

  private endResync(threadId: string): void {
    const held = this.resyncing.get(threadId) ?? [];
    this.resyncing.delete(threadId);
    for (const [index, message] of held.entries()) {
      const changes = applyEvents(this.thread(threadId), message);
      if (changes === "gap") {
        // Not at once: a kernel that keeps losing events must not be asked in a circle.
        this.resyncing.set(threadId, held.slice(index));
        this.later(RESYNC_DELAY_MS, () => {
          const again = this.resyncing.get(threadId) ?? [];
          this.resyncing.delete(threadId);
          this.resync(threadId, again);
        });
        return;
      }
      this.tell(threadId, changes);
    }
  }

  /** Have a thread loaded that may not be among those the kernel keeps up to date. */
  private load(threadId: string): void {
    if (!threadId) return;
    const kept = this.conversations()[threadId];
    if (!kept || !this.thread(threadId).isLoaded) this.resync(threadId);
  }

  private adoptTraits(): void {
    const session = this.trait("session", "");
    if (session !== this.session) {
      // Another kernel counts anew; what this one said is no measure any more.
      this.session = session;
      this.states.clear();
      this.resyncing.clear();
    }
    for (const [threadId, whole] of Object.entries(this.conversations())) {
      const state = this.thread(threadId);
      if (!state.isLoaded) {
        this.adopt(threadId, whole);
        // The trait lacks what a turn that is going on has brought.
        if (whole.is_busy || this.isListedBusy(threadId)) this.resync(threadId);
        continue;
      }
      if (whole.seq >= state.seq) this.keepApprovals(whole);
      if (whole.seq > state.seq) {
        // Its events may be just behind it; if not, they were lost.
        this.later(RESYNC_DELAY_MS, () => {
          if (state.seq < whole.seq) this.resync(threadId);
        });
      }
    }
  }

  private isListedBusy(threadId: string): boolean {
    return this.threads.some((thread) => thread.id === threadId && thread.is_busy);
  }

  private adopt(threadId: string, whole: Conversation): void {
    replaceThread(this.thread(threadId), whole);
    // What a whole thread does not hold was deleted with what it was proposed for.
    const held = new Set(whole.approvals.map((approval) => approval.id));
    for (const { id } of whole.n_earlier ? [] : this.pendingApprovals(threadId)) {
      if (!held.has(id)) this.approvalsById.delete(id);
    }
    this.keepApprovals(whole);
    this.sending.settle(threadId, this.thread(threadId).items);
    this.emit("conversation", threadId);
    this.emit("busy", threadId);
  }

  private keepApprovals(whole: Conversation): void {
    for (const approval of whole.approvals) this.keepApproval(approval);
  }

  private keepApproval(approval: ApprovalView): void {
    const known = this.approvalsById.get(approval.id);
    // A trait may be older than the events: what was decided never waits again.
    if (known && known.status !== "pending" && approval.status === "pending") return;
    if (known && JSON.stringify(known) === JSON.stringify(approval)) return;
    this.approvalsById.set(approval.id, approval);
    this.emit("approval", approval);
  }

  private disconnect(): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.channel.abandon(GONE);
    this.emit("disconnected", undefined);
  }

  // -- small parts -----------------------------------------------------------------

  private conversations(): Record<string, Conversation> {
    return this.trait("conversations", {});
  }

  private trait<T>(name: string, otherwise: T): T {
    return (this.model.get(name) as T | undefined | null) ?? otherwise;
  }

  private listen(name: string, callback: (value: unknown) => void): void {
    const heard = (value: never): void => { this.press.after(() => { callback(value); }); };
    this.model.on(name, heard);
    this.subscriptions.push([name, heard]);
  }

  private later(delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.press.after(action);
    }, delayMs);
    this.timers.add(timer);
  }
}

const GONE = "The kernel is gone. Run the cell again to go on.";

function conversationOf(data: Record<string, unknown>): Conversation {
  // Either the reply is the conversation or it holds it under that name.
  return (data["conversation"] ?? data) as Conversation;
}
