/** The documents of the node's HTTP API under their plain names; `schema.ts` is generated from `openapi.json`. */
import type { components } from "./schema.ts";

type Schemas = components["schemas"];

export type Role = "user" | "manager" | "admin";

export type Info = Schemas["Info"];
/** The document says "a string" where only these are meant. */
export type Me = Schemas["Me"] & { role: Role };
export type SignInRequest = Omit<Schemas["LoginRequest"], "token">;
export type SignInAnswer = Omit<Schemas["LoginAnswer"], "user"> & { user: Me };
export type Conversation = Schemas["Conversation"];
export type Prompt = Schemas["Question"];
export type Token = Schemas["Token"];
export type Tokens = Schemas["Tokens"];
export type NewToken = Schemas["MadeToken"];
export type User = Schemas["User"];
export type Users = Schemas["Users"];
export type Application = Schemas["Application"];
export type Applications = Schemas["Applications"];
export type SessionState = Schemas["State"];
export type Session = Schemas["Session"];
export type OneSession = Schemas["OneSession"];
export type Share = Schemas["Share"];
export type ShareMode = Schemas["ViewerMode"];
export type SessionViewer = Schemas["SessionViewer"];
export type SessionLimits = Schemas["SessionLimits"];
export type StartRequest = Partial<Schemas["StartSession"]>;
export type StartAnswer = Schemas["StartedSession"];
export type ServerVerdict = Schemas["Verdict"];
export type Decision = Schemas["Decision"];
export type ViewMode = Schemas["ViewerMode"];
export type Candidate = Schemas["Candidate"] & { kind: "direct" | "relay" };
export type ConnectAnswer = Omit<Schemas["ConnectAnswer"], "candidates"> & { candidates: Candidate[] };
export type Scope = "global" | "local";
/** Settings by name; what this version does not know is kept. */
export type Document = Record<string, unknown>;
export type SystemSettings = Omit<Schemas["SystemSettings"], "document"> & { document: Document };
export type SystemChange = Omit<Schemas["SystemChange"], "document"> & { document: Document };
export type SystemVersion = Schemas["SystemVersion"];
export type SystemHistory = Schemas["SystemHistory"];
export type ScriptCheck = Schemas["ScriptCheck"];
export type LogText = Schemas["LogText"];
/** Problems that this page finds itself have no trace id. */
export type Problem = Omit<Schemas["Problem"], "traceId"> & { traceId?: string };

/** What a server says about itself; the document leaves it open, because nodes of other versions send more or less. */
export interface ServerObject {
  serverId: string;
  hostname?: string;
  urls?: string[];
  cpu?: number;
  freemem?: number;
  totalmem?: number;
  loggedInUsers?: number;
  sessions?: number;
  uptime?: number;
  loadavg?: number[];
  version?: string;
  staticData?: Record<string, unknown>;
  metrics?: Record<string, unknown>;
  startSessions?: boolean;
  logins?: boolean;
  users?: string[];
  configRevision?: string;
  brokerGeneration?: number;
  faults?: string[];
}

/** A server; only managers get more than the first three fields. */
export interface ServerEntry {
  serverId: string;
  hostname: string;
  online: boolean;
  lastSeen?: string;
  server?: ServerObject;
}

/** What the event stream carries, by the name of the event. */
export interface StreamEvents {
  reset: { sessions: Session[]; servers: ServerEntry[] };
  session: OneSession;
  sessionRemoved: Schemas["SessionRemovedEvent"];
  server: { server: ServerEntry };
  serverRemoved: Schemas["ServerRemovedEvent"];
  signedOut: Schemas["SignedOutEvent"];
}

export type StreamEvent = {
  [Name in keyof StreamEvents]: { name: Name; data: StreamEvents[Name] };
}[keyof StreamEvents];
