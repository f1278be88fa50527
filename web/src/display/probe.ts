/**
 * Measures pictures and round trips inside the viewer.
 * The library has no events for them, so this reaches into its private methods; the version is pinned, and
 * without them the figures are simply missing.
 */
import RFB, { type RfbSocket } from "@novnc/novnc";

interface Inside {
  _sock?: RfbSocket;
  _supportsFence?: boolean;
  _FBU?: { encoding: number | null };
  _framebufferUpdate?: () => boolean;
  _handleRect?: () => boolean;
  _handleServerFenceMsg?: () => boolean;
}

const REQUEST_BIT = 0x80000000;
const HEADER = 8;
const BLOCK_BEFORE = 1;
const MARK = "fx";

export class Probe {
  frames = 0;
  /** Whether pictures can be told; without, the open line has to do. */
  readonly seesFrames: boolean;
  /** Milliseconds to the session's display and back; unknown before the first answer. */
  roundTrip: number | undefined;
  onFrame: (() => void) | undefined;
  private readonly inside: Inside;
  private sentAt: number | undefined;

  constructor(rfb: RFB) {
    this.inside = rfb as unknown as Inside;
    this.seesFrames = this.countFrames();
    this.catchFences();
  }

  /** Asks the display for a sign; the answer sets `roundTrip`. */
  ping(now: number): void {
    const { _sock: sock, _supportsFence: fences } = this.inside;
    if (!sock || !fences || (this.sentAt !== undefined && now - this.sentAt < 5_000)) return;
    this.sentAt = now;
    // The display answers once it has done everything that came before.
    RFB.messages.clientFence(sock, (REQUEST_BIT | BLOCK_BEFORE) >>> 0, MARK);
  }

  private countFrames(): boolean {
    const original = this.inside._framebufferUpdate?.bind(this.inside);
    const rectangle = this.inside._handleRect?.bind(this.inside);
    if (!original || !rectangle) return false;
    // Updates that only tell a size or a cursor, with negative encodings, are no pictures.
    let painted = false;
    this.inside._handleRect = () => {
      if ((this.inside._FBU?.encoding ?? 0) >= 0) painted = true;
      return rectangle();
    };
    this.inside._framebufferUpdate = () => {
      const complete = original();
      if (complete && painted) {
        painted = false;
        this.frames += 1;
        this.onFrame?.();
      }
      return complete;
    };
    return true;
  }

  private catchFences(): void {
    const original = this.inside._handleServerFenceMsg?.bind(this.inside);
    if (!original) return;
    this.inside._handleServerFenceMsg = () => {
      const sock = this.inside._sock;
      if (!sock) return original();
      if (sock.rQwait("fence header", HEADER, 1)) return false;
      const header = sock.rQpeekBytes(HEADER);
      const isRequest = ((header[3] ?? 0) & 0x80) !== 0;
      if (isRequest) return original();
      const length = header[7] ?? 0;
      if (sock.rQwait("fence payload", HEADER + length, 1)) return false;
      sock.rQskipBytes(HEADER + length);
      if (this.sentAt !== undefined) this.roundTrip = Math.round(performance.now() - this.sentAt);
      this.sentAt = undefined;
      return true;
    };
  }
}
