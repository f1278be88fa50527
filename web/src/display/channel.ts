/** A WebSocket that keeps what arrives until the viewer is there to take it, and counts the bytes. */

type Listener<E> = ((event: E) => void) | null;

export class Channel {
  binaryType: BinaryType = "arraybuffer";
  onopen: Listener<Event> = null;
  onerror: Listener<Event> = null;
  onclose: Listener<CloseEvent> = null;
  bytesIn = 0;
  bytesOut = 0;
  /** Runs before the viewer learns that the line is gone: the last moment to copy its picture. */
  beforeClose: ((code: number, reason: string) => void) | undefined;
  private readonly socket: WebSocket;
  private readonly waiting: MessageEvent[] = [];
  private listener: Listener<MessageEvent> = null;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = event => this.receive(event);
    socket.onclose = event => {
      this.beforeClose?.(event.code, event.reason);
      this.onclose?.(event);
    };
    socket.onerror = event => this.onerror?.(event);
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get readyState(): number {
    return this.socket.readyState;
  }

  get onmessage(): Listener<MessageEvent> {
    return this.listener;
  }

  set onmessage(listener: Listener<MessageEvent>) {
    this.listener = listener;
    // The viewer sets its listener first and gets ready in the same turn; what waited comes after that.
    queueMicrotask(() => {
      for (const event of this.waiting.splice(0)) this.listener?.(event);
    });
  }

  send(data: ArrayBufferView<ArrayBuffer>): void {
    this.bytesOut += data.byteLength;
    this.socket.send(data);
  }

  close(): void {
    this.socket.close();
  }

  private receive(event: MessageEvent): void {
    if (event.data instanceof ArrayBuffer) this.bytesIn += event.data.byteLength;
    if (this.listener && this.waiting.length === 0) this.listener(event);
    else this.waiting.push(event);
  }
}
