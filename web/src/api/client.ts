/** The one place that talks HTTP to the node. */
import { note } from "../report.ts";
import { ProblemError, problemFrom, unreachable } from "./problem.ts";
import type {
  Applications,
  ConnectAnswer,
  Conversation,
  Decision,
  Info,
  LogText,
  Me,
  NewToken,
  OneSession,
  Scope,
  ScriptCheck,
  Share,
  ShareMode,
  SignInAnswer,
  SignInRequest,
  StartAnswer,
  StartRequest,
  SystemChange,
  SystemHistory,
  SystemSettings,
  Tokens,
  Users,
  ViewMode,
} from "./types.ts";

const BASE = "/api/v1";
/** Longest wait for an answer; a start may wait for a display, hence more. */
const ANSWER_LIMIT_MS = 15_000;
const START_LIMIT_MS = 60_000;
/** An SSH server may be slow to check a password, or wait for a phone. */
const SIGN_IN_LIMIT_MS = 60_000;

/** Here "not signed in" is an answer like another, and the caller deals with it. */
const ASKS_WHO = /^\/(login(\/.*)?|me|servers\/[^/]+\/link(\/.*)?)$/;

/** Either it is done, or the server asks more first. */
export type Asked<T> =
  | { done: T; conversation?: undefined }
  | { conversation: Conversation; done?: undefined };

interface Options {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  headers?: Record<string, string>;
  limit?: number;
  signal?: AbortSignal | undefined;
  cache?: RequestCache;
}

let csrf = "";
let onSignedOut: (() => void) | undefined;

/** Told whenever the node says that this browser is not signed in. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

async function send(path: string, options: Options = {}): Promise<Response> {
  const { method = "GET", body, headers = {}, limit = ANSWER_LIMIT_MS, signal, cache } = options;
  const limits = [AbortSignal.timeout(limit), ...(signal ? [signal] : [])];
  const request: RequestInit = {
    method,
    credentials: "same-origin",
    signal: AbortSignal.any(limits),
    headers: {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(method === "GET" ? {} : { "X-Fastx-Csrf": csrf }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(cache ? { cache } : {}),
  };
  let response: Response;
  try {
    response = await fetch(BASE + path, request);
  } catch (error) {
    if (signal?.aborted) throw error;
    note(unreachable(), path, new Date());
    throw new ProblemError(unreachable());
  }
  if (response.ok) return response;
  throw await refusal(response, path);
}

async function refusal(response: Response, path: string): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => undefined);
  const problem = problemFrom(body, response.status);
  note(problem, path, new Date());
  if (response.status === 401 && !ASKS_WHO.test(path)) onSignedOut?.();
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ProblemError(problem, Number.isFinite(wait) ? wait : undefined);
}

async function json<T>(path: string, options?: Options): Promise<T> {
  const response = await send(path, options);
  return (await response.json()) as T;
}

/** An answer that asks for more, or what `done` makes of the answer that does not. */
async function conversed<T>(
  path: string,
  body: unknown,
  done: (response: Response) => Promise<T>,
): Promise<Asked<T>> {
  const response = await send(path, { method: "POST", body, limit: SIGN_IN_LIMIT_MS });
  if (response.status === 202) return { conversation: (await response.json()) as Conversation };
  return { done: await done(response) };
}

async function signedIn(response: Response): Promise<Me> {
  const answer = (await response.json()) as SignInAnswer;
  csrf = answer.csrf;
  return { ...answer.user, csrf: answer.csrf };
}

const nothing = async () => undefined;
const link = (serverId: string) => `/servers/${encodeURIComponent(serverId)}/link`;
const session = (id: string) => `/sessions/${encodeURIComponent(id)}`;

export const api = {
  info: (signal?: AbortSignal) => json<Info>("/info", { signal }),

  async me(signal?: AbortSignal): Promise<Me> {
    const me = await json<Me>("/me", { signal });
    csrf = me.csrf;
    return me;
  },

  signIn: (request: SignInRequest) => conversed("/login", request, signedIn),

  answerSignIn: (id: string, answers: string[]) =>
    conversed(`/login/conversations/${encodeURIComponent(id)}`, { answers }, signedIn),

  /** Where a sign-in at the provider begins; the browser goes there, and comes back to `to`. */
  providerAddress: (to: string) => `${BASE}/login/oidc?return=${encodeURIComponent(to)}`,

  /** Makes sure that something of the reader runs on a server and can start sessions there. */
  link: (serverId: string) => conversed(link(serverId), {}, nothing),

  answerLink: (serverId: string, id: string, answers: string[]) =>
    conversed(`${link(serverId)}/${encodeURIComponent(id)}`, { answers }, nothing),

  async signOut(): Promise<void> {
    await send("/logout", { method: "POST" });
    csrf = "";
  },

  applications: (signal?: AbortSignal) => json<Applications>("/applications", { signal }),

  /** The same key asks for the same start again, however often the answer got lost. */
  start: (request: StartRequest, key: string) =>
    json<StartAnswer>("/sessions", {
      method: "POST",
      body: request,
      headers: { "Idempotency-Key": key },
      limit: START_LIMIT_MS,
    }),

  connect: (id: string, mode: ViewMode, signal?: AbortSignal) =>
    json<ConnectAnswer>(`${session(id)}/connect`, { method: "POST", body: { mode }, signal }),

  async disconnect(id: string): Promise<void> {
    await send(`${session(id)}/disconnect`, { method: "POST" });
  },

  /** The owner of a session that somebody else ends reads the reason. */
  async end(id: string, reason = ""): Promise<void> {
    const why = reason ? `?reason=${encodeURIComponent(reason)}` : "";
    await send(session(id) + why, { method: "DELETE" });
  },

  /** Forgets the record of a session that is over, or whose server is gone. */
  async purge(id: string): Promise<void> {
    await send(`${session(id)}/record`, { method: "DELETE" });
  },

  async rename(id: string, name: string): Promise<void> {
    await send(session(id), { method: "PATCH", body: { name } });
  },

  /** An empty login makes a link; the answer is the only place where it is shown. */
  share: (id: string, wish: { login: string; mode: ShareMode; minutes: number }) =>
    json<Share>(`${session(id)}/shares`, { method: "POST", body: wish }),

  async unshare(id: string, share: string): Promise<void> {
    await send(`${session(id)}/shares/${encodeURIComponent(share)}`, { method: "DELETE" });
  },

  /** Puts the session of a link among the reader's; answers its id. */
  acceptShare: (secret: string) =>
    json<{ sessionId: string }>(`/shares/${encodeURIComponent(secret)}`, { method: "POST" }).then(
      answer => answer.sessionId,
    ),

  /** Answers the warning that the session is about to end. */
  async stay(id: string): Promise<void> {
    await send(`${session(id)}/stay`, { method: "POST" });
  },

  session: (id: string, signal?: AbortSignal) =>
    json<OneSession>(session(id), { signal }).then(answer => answer.session),

  decision: (id: string, signal?: AbortSignal) => json<Decision>(`${session(id)}/decision`, { signal }),

  log: (id: string, signal?: AbortSignal) =>
    json<LogText>(`${session(id)}/log`, { signal }).then(answer => answer.text),

  /** Asks the cache to check with the node, so that an unchanged picture costs a few bytes. */
  async screenshot(id: string, width: number, signal?: AbortSignal): Promise<Blob> {
    const response = await send(`${session(id)}/screenshot?width=${width}`, { signal, cache: "no-cache" });
    return response.blob();
  },

  /** The reader's own, or everybody's for administrators. */
  tokens: (all: boolean, signal?: AbortSignal) =>
    json<Tokens>(`/tokens${all ? "?all=true" : ""}`, { signal }),

  /** For a program; the answer is the only place where the token is ever shown. */
  createToken: (label: string, days: number) =>
    json<NewToken>("/tokens", { method: "POST", body: { label, days } }),

  async renameToken(id: string, label: string): Promise<void> {
    await send(`/tokens/${encodeURIComponent(id)}`, { method: "PATCH", body: { label } });
  },

  async revokeToken(id: string): Promise<void> {
    await send(`/tokens/${encodeURIComponent(id)}`, { method: "DELETE" });
  },

  users: (signal?: AbortSignal) => json<Users>("/users", { signal }),

  system: (scope: Scope, signal?: AbortSignal) => json<SystemSettings>(`/system/${scope}`, { signal }),

  saveSystem: (scope: Scope, change: SystemChange) =>
    json<SystemSettings>(`/system/${scope}`, { method: "PUT", body: change }),

  /** The versions of the settings that are kept, newest first. */
  systemHistory: (scope: Scope, signal?: AbortSignal) =>
    json<SystemHistory>(`/system/${scope}/history`, { signal }),

  /** The settings as they were in a version. */
  systemVersion: (scope: Scope, generation: number, signal?: AbortSignal) =>
    json<SystemSettings>(`/system/${scope}/history/${generation}`, { signal }),

  /** Whether a script compiles; nothing is stored. */
  checkScript: (source: string) =>
    json<ScriptCheck>("/system/scripts/check", { method: "POST", body: { source } }),

  /** The open event stream, of everybody's sessions for managers; the caller reads its body. */
  async events(
    everybody: boolean,
    lastEventId: string,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (lastEventId) headers["Last-Event-ID"] = lastEventId;
    let response: Response;
    try {
      response = await fetch(`${BASE}/events${everybody ? "?all=true" : ""}`, {
        headers,
        signal,
        credentials: "same-origin",
        cache: "no-store",
      });
    } catch {
      throw new ProblemError(unreachable());
    }
    if (!response.ok || !response.body) throw await refusal(response, "/events");
    return response.body;
  },
};
