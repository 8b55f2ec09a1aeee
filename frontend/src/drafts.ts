// What was written and not said yet, for each conversation; survives a reload of the page.
//
// It is kept by the browser, for this tab and until it is closed: never in the notebook,
// which people share. What looks like a key is kept nowhere but in the page itself.

const NAME = "llm-scheduler-draft";
const PREFIX = `["${NAME}"`;
const MAX_CHARS = 20_000;
const MAX_KEPT = 20;
const SECRET =
  /-----BEGIN|\b(?:sk|pk|rk|ghp|gho|ghs|glpat|hf|xox[abps]|AKIA|ASIA|eyJ)[-_]?[\w-]{12,}|(?:passw(?:or)?d|passphrase|secret|token|credential|api[-_ ]?key)\w*["']?\s*[:=]\s*\S/i;

export class Drafts {
  private readonly written = new Map<string, string>();
  private run = "";

  /**
   * Take over what was kept for a run; true the first time that one is named.
   *
   * Never again: what another view keeps later is being written there, not here.
   */
  open(run: string): boolean {
    if (!run || this.run) return false;
    this.run = run;
    const own = [...this.written];
    withStorage((storage) => {
      for (const key of Object.keys(storage).filter((name) => name.startsWith(PREFIX))) {
        const [, ofRun, threadId = ""] = JSON.parse(key) as string[];
        if (ofRun !== run || this.written.has(threadId)) continue;
        this.written.set(threadId, storage.getItem(key) ?? "");
      }
    });
    for (const [threadId, text] of own) this.keep(threadId, text);
    return true;
  }

  get(threadId: string): string {
    return this.written.get(threadId) ?? "";
  }

  /** Note what is written now; an empty text is forgotten. */
  set(threadId: string, text: string): void {
    // Where nothing was written, what another view has kept is left alone.
    if (text === this.get(threadId)) return;
    this.written.set(threadId, text);
    this.keep(threadId, text);
  }

  private keep(threadId: string, text: string): void {
    const isKept = text.trim() !== "" && text.length <= MAX_CHARS && !SECRET.test(text);
    withStorage((storage) => {
      const key = this.keyOf(threadId);
      storage.removeItem(key);
      if (!isKept || !this.run) return;
      const keys = Object.keys(storage).filter((name) => name.startsWith(PREFIX));
      for (const name of keys.slice(0, keys.length - MAX_KEPT + 1)) storage.removeItem(name);
      storage.setItem(key, text);
    });
  }

  private keyOf(threadId: string): string {
    return JSON.stringify([NAME, this.run, threadId]);
  }
}

/** Some pages may not store anything, and say so by an error. */
function withStorage<T>(action: (storage: Storage) => T): T | undefined {
  try {
    return action(sessionStorage);
  } catch {
    return undefined;
  }
}
