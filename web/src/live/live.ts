/** The page's one view of the cluster, fed by the event stream while somebody is signed in. */
import { useEffect, useMemo } from "react";
import { api } from "../api/client.ts";
import type { Session } from "../api/types.ts";
import {
  EMPTY,
  type LiveState,
  reduce,
  type Server,
  serversOf,
  sessionsOf,
  sharedOf,
  withSession,
} from "./reducer.ts";
import { Store, useStore } from "./store.ts";
import { EventStream, type LineState } from "./stream.ts";

export const live = new Store<LiveState>(EMPTY);
export const line = new Store<LineState>({ kind: "connecting" });

let current: EventStream | undefined;

/** Opens the stream for as long as the calling component is there. */
export function useEventStream(everybody: boolean, onSignedOut: (reason: string) => void): void {
  useEffect(() => {
    const stream = new EventStream({
      open: (lastEventId, signal) => api.events(everybody, lastEventId, signal),
      now: () => Date.now(),
      random: Math.random,
      onLine: next => {
        if (next.kind !== line.get().kind || next.kind === "lost") line.set(next);
      },
      onEvent: event => {
        live.set(reduce(live.get(), event));
        if (event.name === "signedOut") onSignedOut(event.data.reason);
      },
    });
    current = stream;
    stream.start();
    const back = () => stream.retry();
    const gone = () => stream.drop();
    const seen = () => {
      if (document.visibilityState === "visible") stream.retry();
    };
    window.addEventListener("online", back);
    window.addEventListener("offline", gone);
    document.addEventListener("visibilitychange", seen);
    return () => {
      window.removeEventListener("online", back);
      window.removeEventListener("offline", gone);
      document.removeEventListener("visibilitychange", seen);
      stream.stop();
      current = undefined;
      live.set(EMPTY);
      line.set({ kind: "connecting" });
    };
  }, [everybody, onSignedOut]);
}

export function retryLine(): void {
  current?.retry();
}

/** Takes in what an answer said, ahead of the event that will say the same. */
export function learnSession(session: Session): void {
  live.set(withSession(live.get(), session));
}

export function useLine(): LineState {
  return useStore(line, state => state);
}

export function useKnown(): boolean {
  return useStore(live, state => state.known);
}

export function useSession(id: string): Session | undefined {
  return useStore(live, state => state.sessions[id]);
}

export function useServer(id: string | undefined): Server | undefined {
  return useStore(live, state => (id === undefined ? undefined : state.servers[id]));
}

export function useSessions(login: string): Session[] {
  const state = useStore(live, value => value);
  return useMemo(() => sessionsOf(state, login), [state, login]);
}

export function useSharedWithMe(login: string): Session[] {
  const state = useStore(live, value => value);
  return useMemo(() => sharedOf(state, login), [state, login]);
}

export function useAllSessions(): Readonly<Record<string, Session>> {
  return useStore(live, state => state.sessions);
}

export function useServers(): Server[] {
  const servers = useStore(live, state => state.servers);
  return useMemo(() => serversOf({ ...EMPTY, servers }), [servers]);
}
