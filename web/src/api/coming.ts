/** Documents of the API that the OpenAPI document does not hold yet; each moves to `schema.ts` once it does. */

/** What `GET /info` says of the ways to sign in, beyond their names. */
export interface MoreInfo {
  oidc?: { title: string } | null;
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
