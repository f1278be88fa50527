/** Reads server-sent events from text that arrives in pieces. */

export interface Message {
  id: string | undefined;
  event: string;
  data: string;
}

/** Longest event that is kept; a stream that sends more in one event is broken. */
const LIMIT = 16 * 1024 * 1024;

export class EventReader {
  private rest = "";
  private id: string | undefined;
  private event = "";
  private data: string[] = [];

  /** The events that `chunk` completes; comments count as a sign of life only. */
  push(chunk: string): Message[] {
    this.rest += chunk;
    if (this.rest.length > LIMIT) throw new Error("an event of the stream is too long");
    const messages: Message[] = [];
    for (;;) {
      const end = this.rest.search(/\r\n|\n|\r(?!$)/);
      if (end < 0) return messages;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith("\r\n", end) ? 2 : 1));
      const done = this.line(line);
      if (done) messages.push(done);
    }
  }

  private line(line: string): Message | undefined {
    if (line === "") return this.finish();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
    return undefined;
  }

  private finish(): Message | undefined {
    const message = { id: this.id, event: this.event || "message", data: this.data.join("\n") };
    const empty = this.data.length === 0;
    this.event = "";
    this.data = [];
    return empty ? undefined : message;
  }
}
