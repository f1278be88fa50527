/** Documents of the API that the OpenAPI document does not hold yet; each moves to `schema.ts` once it does. */

/** What `GET /info` says of the ways to sign in, beyond their names. */
export interface MoreInfo {
  oidc?: { title: string } | null;
}

export type ShareMode = "view" | "control";

/** Somebody, or whoever has a link, may see a session or work in it for a time. */
export interface Share {
  id: string;
  /** Whom it is for; empty: whoever has the link. */
  login: string;
  /** Who has accepted the link. */
  guests?: string[];
  mode: ShareMode;
  expires: string;
  /** Path of the link; only in the answer that made it. */
  url?: string | null;
}

/** Somebody who looks at a session. */
export interface SessionViewer {
  login: string;
  mode: ShareMode;
  since: string;
  path: "direct" | "relay";
  address?: string;
}

/** Limits of a session's profile. */
export interface SessionLimits {
  /** `WIDTHxHEIGHT`; empty for none. */
  maxGeometry: string;
  /** 0 for never. */
  disconnectIdleSeconds: number;
  /** 0 for never. */
  endDisconnectedSeconds: number;
  /** Which way text may go: `off`, `in` (to the session), `out`, `both`. */
  clipboard: string;
}

/** What a session says beyond its state; servers of an older version say none of it. */
export interface MoreSession {
  mine?: boolean;
  /** Only for the owner. */
  shares?: Share[];
  sharedWithMe?: { mode: ShareMode; expires: string } | null;
  viewersList?: SessionViewer[];
  /** Since when nobody has typed or pointed. */
  idleSince?: string | null;
  endsAt?: string | null;
  endsReason?: string;
  /** What happens unless somebody answers it. */
  warning?: { at: string; text: string } | null;
  /** Only where one session is asked for. */
  limits?: SessionLimits;
}

export type Scope = "global" | "local";

/** Settings of all servers, or of the one that answers. */
export interface SystemSettings {
  scope: string;
  /** Goes back with a change, so that nobody else's change is overwritten. */
  generation: number;
  revision: string;
  /** Custom resource that the settings come from, `namespace/name`; empty where they can be changed here. */
  managedBy: string;
  document: Document;
}

/** Settings by name; what this version does not know is kept. */
export type Document = Record<string, unknown>;

export interface SystemChange {
  generation: number;
  document: Document;
}
