/** One view of one session: finds a way, shows the picture, comes back after each cut. */
import RFB from "@novnc/novnc";
import { toProblem } from "../api/problem.ts";
import type { Candidate, ConnectAnswer, ViewMode } from "../api/types.ts";
import { text } from "../text.ts";
import type { Channel } from "./channel.ts";
import { afterClose, closeWords } from "./closes.ts";
import { dial } from "./dial.ts";
import type { Combination } from "./keys.ts";
import { noteOrigin, worthTrying } from "./origins.ts";
import { Probe } from "./probe.ts";
import { RaceError, race } from "./race.ts";
import { broken, refused, type ViewerState } from "./state.ts";

export type Fit = "resize" | "scale" | "actual";
export type Quality = "auto" | "sharp" | "fast";

export interface Look {
  fit: Fit;
  quality: Quality;
  viewOnly: boolean;
}

export interface Figures {
  frames: number;
  bytesIn: number;
  roundTrip: number | undefined;
  width: number;
  height: number;
}

export interface ViewerDeps {
  connect(mode: ViewMode, signal: AbortSignal): Promise<ConnectAnswer>;
  onState(state: ViewerState): void;
  onClipboard(text: string): void;
  label: string;
  memory: Storage;
}

/** A line that held this long was a good one: the next wait starts small again. */
const GOOD_LINE_MS = 5_000;
/** Longest wait from an open path to the first picture. */
const FIRST_PICTURE_MS = 15_000;
const QUALITY: Record<Quality, { quality: number; compression: number }> = {
  auto: { quality: 6, compression: 2 },
  sharp: { quality: 9, compression: 1 },
  fast: { quality: 2, compression: 6 },
};

interface Attached {
  rfb: RFB;
  probe: Probe;
  channel: Channel;
  layer: HTMLElement;
  /** The line is gone, and the library knows. */
  closed: boolean;
}

export class Viewer {
  private readonly host: HTMLElement;
  private readonly deps: ViewerDeps;
  private look: Look;
  private state: ViewerState = { kind: "opening", step: "path" };
  private attached: Attached | undefined;
  private still: HTMLCanvasElement | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private tries = new AbortController();
  private failures = 0;
  /** Whether this window sets the size of the session; of two tabs only the one in front does. */
  private inFront = true;

  constructor(host: HTMLElement, look: Look, deps: ViewerDeps) {
    this.host = host;
    this.look = look;
    this.deps = deps;
  }

  start(): void {
    void this.open();
  }

  /** Ends this view; the session keeps running. */
  stop(): void {
    clearTimeout(this.timer);
    this.tries.abort();
    this.detach();
  }

  retryNow(): void {
    if (this.state.kind !== "waiting" && this.state.kind !== "paused") return;
    clearTimeout(this.timer);
    if (this.state.kind === "paused") this.failures = 0;
    void this.open();
  }

  /** Leaves on the reader's wish, with the last picture kept. */
  pause(why: string): void {
    clearTimeout(this.timer);
    this.tries.abort();
    this.keepStill();
    this.detach();
    this.set({ kind: "paused", why });
  }

  setLook(look: Look): void {
    this.look = look;
    this.applyLook();
  }

  setInFront(inFront: boolean): void {
    this.inFront = inFront;
    this.applyLook();
  }

  press({ keys }: Combination): void {
    const rfb = this.attached?.rfb;
    if (!rfb) return;
    for (const { keysym, code } of keys) rfb.sendKey(keysym, code, true);
    for (const { keysym, code } of [...keys].reverse()) rfb.sendKey(keysym, code, false);
  }

  type(keysym: number): void {
    this.attached?.rfb.sendKey(keysym, null);
  }

  paste(words: string): void {
    this.attached?.rfb.clipboardPasteFrom(words);
  }

  focus(): void {
    this.attached?.rfb.focus({ preventScroll: true });
  }

  figures(): Figures | undefined {
    if (!this.attached) return undefined;
    const { probe, channel, layer } = this.attached;
    probe.ping(performance.now());
    const canvas = layer.querySelector("canvas");
    return {
      frames: probe.frames,
      bytesIn: channel.bytesIn,
      roundTrip: probe.roundTrip,
      width: canvas?.width ?? 0,
      height: canvas?.height ?? 0,
    };
  }

  private set(state: ViewerState): void {
    this.state = state;
    this.deps.onState(state);
  }

  private async open(): Promise<void> {
    this.tries.abort();
    this.tries = new AbortController();
    const signal = this.tries.signal;
    if (this.state.kind === "waiting") this.set({ ...this.state, kind: "retrying" });
    else
      this.set(
        this.still
          ? { kind: "retrying", why: "", attempt: this.failures }
          : { kind: "opening", step: "path" },
      );
    try {
      const answer = await this.deps.connect(this.look.viewOnly ? "view" : "control", signal);
      const { line, candidate } = await this.findWay(answer.candidates, signal);
      if (signal.aborted) return line.close();
      this.attach(line, candidate);
    } catch (error) {
      if (!signal.aborted) this.failed(error);
    }
  }

  private findWay(candidates: readonly Candidate[], signal: AbortSignal) {
    const { memory } = this.deps;
    const barred = new Set<string>();
    // An address that the page's own policy bars says nothing about the network.
    const onBarred = (event: SecurityPolicyViolationEvent) => barred.add(event.blockedURI);
    document.addEventListener("securitypolicyviolation", onBarred);
    const won = race<Channel>(
      worthTrying(candidates, memory, Date.now()),
      {
        dial,
        isFinal: code => code !== 0 && afterClose(code) !== "retry",
        onReach: ({ kind, url }, reached) => {
          const byPolicy = [...barred].some(uri => uri !== "" && url.startsWith(uri.replace(/\/$/, "")));
          if (kind === "direct" && !byPolicy && navigator.onLine)
            noteOrigin(memory, url, reached, Date.now());
        },
      },
      signal,
    );
    return won.finally(() => document.removeEventListener("securitypolicyviolation", onBarred));
  }

  private failed(error: unknown): void {
    const now = Date.now();
    const next =
      error instanceof RaceError
        ? broken(this.failures, { code: error.failure.code, why: raceWords(error), now, random: Math.random })
        : refused(this.failures, toProblem(error), now, Math.random);
    this.failures += 1;
    this.follow(next);
  }

  private follow(next: ViewerState): void {
    this.set(next);
    if (next.kind !== "waiting") return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.open(), Math.max(0, next.retryAt - Date.now()));
  }

  private attach(channel: Channel, candidate: Candidate): void {
    const layer = document.createElement("div");
    layer.dataset.layer = "picture";
    this.host.append(layer);
    const rfb = new RFB(layer, channel, { shared: true });
    const probe = new Probe(rfb);
    const attached: Attached = { rfb, probe, channel, layer, closed: false };
    this.attached = attached;
    this.name(layer);
    this.applyLook();
    if (this.state.kind === "opening") this.set({ kind: "opening", step: "picture" });
    const late = setTimeout(() => channel.close(), FIRST_PICTURE_MS);
    let since: number | undefined;
    probe.onFrame = () => {
      probe.onFrame = undefined;
      clearTimeout(late);
      since = Date.now();
      this.firstPicture(attached, candidate);
    };
    rfb.addEventListener("connect", () => {
      if (!probe.seesFrames) probe.onFrame?.();
    });
    rfb.addEventListener("clipboard", event =>
      this.deps.onClipboard((event as CustomEvent<{ text: string }>).detail.text),
    );
    channel.beforeClose = (code, reason) => {
      clearTimeout(late);
      attached.closed = true;
      if (this.attached !== attached) return;
      if (since !== undefined) this.keepStill();
      if (since !== undefined && Date.now() - since >= GOOD_LINE_MS) this.failures = 0;
      const why = closeWords(code, reason);
      const next = broken(this.failures, { code, why, now: Date.now(), random: Math.random });
      this.failures += 1;
      queueMicrotask(() => {
        if (this.attached !== attached) return;
        this.detach();
        this.follow(next);
      });
    };
    // The library gives up on its own only when the display does not speak its protocol.
    rfb.addEventListener("disconnect", () => channel.close());
  }

  private firstPicture(attached: Attached, candidate: Candidate): void {
    if (this.attached !== attached) return;
    this.still?.remove();
    this.still = undefined;
    attached.layer.dataset.layer = "live";
    this.set({ kind: "live", candidate });
    if (document.activeElement === document.body || this.host.contains(document.activeElement)) this.focus();
  }

  private detach(): void {
    const attached = this.attached;
    if (!attached) return;
    this.attached = undefined;
    attached.channel.beforeClose = undefined;
    if (!attached.closed) attached.rfb.disconnect();
    attached.channel.close();
    attached.layer.remove();
  }

  /** Copies the picture, because the library takes its own away when the line breaks. */
  private keepStill(): void {
    const source = this.attached?.layer.querySelector("canvas");
    if (!source || source.width === 0 || source.height === 0) return;
    const still = document.createElement("canvas");
    still.width = source.width;
    still.height = source.height;
    still.style.width = source.style.width || `${source.clientWidth}px`;
    still.style.height = source.style.height || `${source.clientHeight}px`;
    still.dataset.layer = "still";
    still.setAttribute("aria-hidden", "true");
    still.getContext("2d")?.drawImage(source, 0, 0);
    this.still?.remove();
    this.still = still;
    this.host.append(still);
  }

  private name(layer: HTMLElement): void {
    const canvas = layer.querySelector("canvas");
    if (!canvas) return;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", this.deps.label);
    canvas.setAttribute("aria-describedby", "stage-hint");
  }

  private applyLook(): void {
    const rfb = this.attached?.rfb;
    if (!rfb) return;
    const { fit, quality, viewOnly } = this.look;
    const levels = QUALITY[quality];
    rfb.viewOnly = viewOnly;
    rfb.focusOnClick = true;
    rfb.background = "transparent";
    rfb.clipViewport = false;
    // Where the display cannot change its size, scaling is what fits it into the window.
    rfb.scaleViewport = fit !== "actual";
    rfb.resizeSession = fit === "resize" && this.inFront;
    rfb.qualityLevel = levels.quality;
    rfb.compressionLevel = levels.compression;
    rfb.showDotCursor = false;
  }
}

function raceWords(error: RaceError): string {
  const { code, reason } = error.failure;
  if (code === 0) return text.closes.timeout;
  if (code === 1006 && !reason) return text.closes.noWay;
  return closeWords(code, reason);
}
