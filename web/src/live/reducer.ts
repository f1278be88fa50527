/** What the event stream has told so far: sessions and servers, by their ids. */
import type { ServerEntry, ServerObject, Session, StreamEvent } from "../api/types.ts";

/** A server, whatever part of it the reader may see. */
export interface Server {
  serverId: string;
  hostname: string;
  online: boolean;
  /** Only managers get these two. */
  lastSeen?: string;
  details?: ServerObject;
}

export interface LiveState {
  /** False until the stream has said everything once. */
  known: boolean;
  sessions: Readonly<Record<string, Session>>;
  servers: Readonly<Record<string, Server>>;
}

export const EMPTY: LiveState = { known: false, sessions: {}, servers: {} };

export function serverOf(entry: ServerEntry): Server {
  const { serverId, hostname, online, lastSeen, server } = entry;
  return {
    serverId,
    hostname: hostname || serverId,
    online,
    ...(lastSeen ? { lastSeen } : {}),
    ...(server ? { details: server } : {}),
  };
}

function byId<T>(items: readonly T[], id: (item: T) => string): Record<string, T> {
  return Object.fromEntries(items.map(item => [id(item), item]));
}

function without<T>(items: Readonly<Record<string, T>>, id: string): Readonly<Record<string, T>> {
  if (!(id in items)) return items;
  const { [id]: _gone, ...rest } = items;
  return rest;
}

/** A session as known, unless what is known is newer already. */
export function withSession(state: LiveState, session: Session): LiveState {
  const present = state.sessions[session.id];
  if (present && present.version > session.version) return state;
  return { ...state, sessions: { ...state.sessions, [session.id]: session } };
}

export function reduce(state: LiveState, event: StreamEvent): LiveState {
  switch (event.name) {
    case "reset":
      return {
        known: true,
        sessions: byId(event.data.sessions, session => session.id),
        servers: byId(event.data.servers.map(serverOf), server => server.serverId),
      };
    case "session":
      return withSession(state, event.data.session);
    case "sessionRemoved": {
      const sessions = without(state.sessions, event.data.id);
      return sessions === state.sessions ? state : { ...state, sessions };
    }
    case "server": {
      const server = serverOf(event.data.server);
      return { ...state, servers: { ...state.servers, [server.serverId]: server } };
    }
    case "serverRemoved": {
      const servers = without(state.servers, event.data.serverId);
      return servers === state.servers ? state : { ...state, servers };
    }
    case "signedOut":
      return EMPTY;
  }
}

/** Newest first, and stable: what a session does never moves its card. */
export function sessionsOf(state: LiveState, login: string): Session[] {
  return Object.values(state.sessions)
    .filter(session => session.login === login)
    .sort((a, b) => b.started.localeCompare(a.started) || a.id.localeCompare(b.id));
}

/** What others share with the reader; as steady as the reader's own. */
export function sharedOf(state: LiveState, login: string): Session[] {
  return Object.values(state.sessions)
    .filter(session => session.sharedWithMe && session.login !== login && session.state !== "ended")
    .sort((a, b) => b.started.localeCompare(a.started) || a.id.localeCompare(b.id));
}

export function serversOf(state: LiveState): Server[] {
  return Object.values(state.servers).sort((a, b) =>
    a.hostname.localeCompare(b.hostname, undefined, { numeric: true }),
  );
}
