// What the parts of the panel can listen to.

import type { ApprovalView, ChangeView, GroupView, Notification, Overview, ThreadView } from "./wire";

/** What can be listened to, and what the listener is given. */
export interface Topics {
  overview: Overview;
  groups: GroupView[];
  threads: ThreadView[];
  changes: ChangeView[];
  /** Id of the thread that is now shown. */
  active: string;
  /** Id of the thread whose entries came, went or were replaced. */
  conversation: string;
  /** An entry got more text, a call, an approval, or its end. */
  item: { threadId: string; itemId: string };
  /** A proposed change is new or has another state. */
  approval: ApprovalView;
  /** Id of the thread whose turn began, goes on with something else, or ended. */
  busy: string;
  /** Id of the thread to which something was said that the kernel has not taken yet. */
  outbox: string;
  notification: Notification;
  /** How many requests are unanswered. */
  waiting: number;
  /** The kernel is gone; nothing can be asked any more. */
  disconnected: undefined;
}

type Listener<T extends keyof Topics> = (value: Topics[T]) => void;

/** Calls those who listen to a topic. */
export class Emitter {
  private readonly listeners = new Map<keyof Topics, Set<Listener<never>>>();

  /** Call `listener` whenever `topic` changes; returns how to stop it. */
  on<T extends keyof Topics>(topic: T, listener: Listener<T>): () => void {
    const all = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, all);
    all.add(listener as Listener<never>);
    return () => {
      all.delete(listener as Listener<never>);
    };
  }

  protected emit<T extends keyof Topics>(topic: T, value: Topics[T]): void {
    for (const listener of [...(this.listeners.get(topic) ?? [])]) {
      try {
        (listener as Listener<T>)(value);
      } catch (error) {
        // One part that fails must not silence the others.
        console.error(`llm_scheduler: the panel could not show "${topic}"`, error);
      }
    }
  }

  protected silence(): void {
    this.listeners.clear();
  }
}
