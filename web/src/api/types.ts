/** The documents of the node's HTTP API, as the contract between the parts names them. */

export type Role = "user" | "manager" | "admin";

export interface Info {
  cluster: string;
  message: string;
  methods: string[];
  serverId: string;
  version: string;
  apiVersion: number;
}

export interface Me {
  login: string;
  role: Role;
  groups: string[];
  serverId: string;
  expires: string;
  csrf: string;
  cluster: string;
}

export interface SignInRequest {
  method: string;
  login: string;
  password: string;
}

export interface SignInAnswer {
  user: Me;
  csrf: string;
}

export interface Application {
  name: string;
  title: string;
  icon: string;
  windowMode: string;
  profile: string;
}

export interface Applications {
  applications: Application[];
  commandAllowed: boolean;
  serverChoiceAllowed: boolean;
}

export type SessionState = "starting" | "running" | "ending" | "ended" | "unreachable";

export interface Session {
  id: string;
  serverId: string;
  serverName?: string;
  login: string;
  state: SessionState;
  name: string;
  application?: string;
  command: string;
  profile?: string;
  geometry?: string;
  display?: string;
  params?: Record<string, string>;
  started: string;
  changed: string;
  lastConnect?: string;
  lastDisconnect?: string;
  viewers?: number;
  endReason?: string;
  version: number;
}

export interface StartRequest {
  application?: string;
  command?: string;
  name?: string;
  geometry?: string;
  profile?: string;
  serverId?: string;
  params?: Record<string, string>;
}

export interface ServerVerdict {
  serverId: string;
  chosen: boolean;
  by?: string;
  reason?: string;
}

export interface ScriptStep {
  script: string;
  outcome: string;
  detail?: string;
  micros?: number;
}

export interface Decision {
  action: string;
  login: string;
  local: string;
  at: string;
  chosen?: string;
  servers: ServerVerdict[];
  steps: ScriptStep[];
  configRevision?: string;
}

export interface StartAnswer {
  session: Session;
  decision: Decision;
}

export type ViewMode = "control" | "view";

export interface Candidate {
  kind: "direct" | "relay";
  url: string;
  ticket: string;
  expires: string;
}

export interface ConnectAnswer {
  attempt: string;
  candidates: Candidate[];
}

export interface ServerObject {
  serverId: string;
  hostname?: string;
  urls?: string[];
  peerUrls?: string[];
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

/** What managers get of a server. */
export interface ServerRecord {
  server: ServerObject;
  lastSeen: string;
  online: boolean;
}

/** What everybody gets of a server. */
export interface ServerBrief {
  serverId: string;
  hostname: string;
  online: boolean;
}

export type ServerEntry = ServerRecord | ServerBrief;

/** A refusal, RFC 9457. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  action?: string;
  traceId?: string;
  servers?: ServerVerdict[];
}

/** What the event stream carries, by the name of the event. */
export interface StreamEvents {
  reset: { sessions: Session[]; servers: ServerEntry[] };
  session: { session: Session };
  sessionRemoved: { id: string };
  server: { server: ServerEntry };
  serverRemoved: { serverId: string };
  signedOut: { reason: string };
}

export type StreamEvent = {
  [Name in keyof StreamEvents]: { name: Name; data: StreamEvents[Name] };
}[keyof StreamEvents];
