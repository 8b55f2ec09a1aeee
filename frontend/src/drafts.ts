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

  /** `run` names the run that is talked to; empty while it is not known. */
  constructor(private readonly run: () => string) {}

  get(threadId: string): string {
    return this.written.get(threadId) ?? this.kept(threadId);
  }

  /** Note what is written now; an empty text is forgotten. */
  set(threadId: string, text: string): void {
    this.written.set(threadId, text);
    const isKept = text.trim() !== "" && text.length <= MAX_CHARS && !SECRET.test(text);
    withStorage((storage) => {
      const key = this.keyOf(threadId);
      storage.removeItem(key);
      if (!isKept || !this.run()) return;
      const keys = Object.keys(storage).filter((name) => name.startsWith(PREFIX));
      for (const name of keys.slice(0, keys.length - MAX_KEPT + 1)) storage.removeItem(name);
      storage.setItem(key, text);
    });
  }

  private kept(threadId: string): string {
    return (this.run() && withStorage((storage) => storage.getItem(this.keyOf(threadId)))) || "";
  }

  private keyOf(threadId: string): string {
    return JSON.stringify([NAME, this.run(), threadId]);
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
