// Whether elements are before the reader's eyes.

export class Sight {
  private readonly seen = new Set<Element>();
  private watched: Element[] = [];
  private readonly observer: IntersectionObserver | null;

  constructor(onChange: () => void) {
    this.observer =
      typeof IntersectionObserver === "undefined"
        ? null
        : new IntersectionObserver((entries) => {
            for (const { target, isIntersecting } of entries) {
              if (isIntersecting) this.seen.add(target);
              else this.seen.delete(target);
            }
            onChange();
          });
  }

  /** Watch these and no others. */
  watch(elements: Element[]): void {
    const gone = this.watched.filter((element) => !elements.includes(element));
    for (const element of gone) {
      this.observer?.unobserve(element);
      this.seen.delete(element);
    }
    const fresh = elements.filter((element) => !this.watched.includes(element));
    this.watched = elements;
    for (const element of fresh) {
      // Until it is known better: it may come on the page only now.
      this.seen.add(element);
      this.observer?.observe(element);
    }
  }

  has(element: Element): boolean {
    return this.seen.has(element);
  }

  dispose(): void {
    this.observer?.disconnect();
  }
}
