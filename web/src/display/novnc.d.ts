declare module "@novnc/novnc" {
  /** The part of noVNC 1.7.0 that the client uses. */
  export default class RFB extends EventTarget {
    static messages: { clientFence(sock: RfbSocket, flags: number, payload: string): void };
    constructor(target: HTMLElement, channel: unknown, options?: { shared?: boolean });
    viewOnly: boolean;
    focusOnClick: boolean;
    clipViewport: boolean;
    dragViewport: boolean;
    scaleViewport: boolean;
    resizeSession: boolean;
    showDotCursor: boolean;
    background: string;
    qualityLevel: number;
    compressionLevel: number;
    disconnect(): void;
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    focus(options?: FocusOptions): void;
    blur(): void;
    clipboardPasteFrom(text: string): void;
  }

  export interface RfbSocket {
    rQwait(what: string, bytes: number, goback?: number): boolean;
    rQpeekBytes(length: number): Uint8Array;
    rQskipBytes(length: number): void;
  }
}
