/** The way out of a captured keyboard: Ctrl, Alt and Shift pressed and released with nothing between. */

const PARTS: ReadonlySet<string> = new Set(["Control", "Alt", "AltGraph", "Meta", "Shift"]);

export class LeaveChord {
  private readonly down = new Set<string>();
  private complete = false;

  /** Answers true when the chord was just released. */
  onKey(type: "keydown" | "keyup", key: string): boolean {
    const part = key === "AltGraph" || key === "Meta" ? "Alt" : key;
    if (type === "keydown") {
      if (!PARTS.has(key)) {
        this.complete = false;
        this.down.clear();
        return false;
      }
      this.down.add(part);
      if (this.down.size === 3) this.complete = true;
      return false;
    }
    this.down.delete(part);
    const released = this.complete && this.down.size === 0 && PARTS.has(key);
    if (released) this.complete = false;
    return released;
  }
}
