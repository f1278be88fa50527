/** A start that needs the reader to sign in to a server first: asks once, and lets the start go on. */
import { type Asked, api } from "../../api/client.ts";
import { ProblemError } from "../../api/problem.ts";
import type { Conversation } from "../../api/types.ts";
import { Store, useStore } from "../../live/store.ts";

export interface Asking {
  serverId: string;
  conversation: Conversation;
  /** Called when the link is there. */
  done: () => void;
  /** Called when the reader does not want to, or the server says no. */
  giveUp: (error?: unknown) => void;
}

/** What is asked now; one question at a time. */
export const asking = new Store<Asking | undefined>(undefined);

export function useAsking(): Asking | undefined {
  return useStore(asking, value => value);
}

/** The server that a refused start needs a sign-in at. */
export function serverToAsk(error: unknown): string | undefined {
  if (!(error instanceof ProblemError)) return undefined;
  const { type, serverId } = error.problem;
  return type === "authentication-required" && serverId ? serverId : undefined;
}

async function link(serverId: string, refusal: unknown): Promise<void> {
  const first: Asked<undefined> = await api.link(serverId);
  const { conversation } = first;
  if (!conversation) return;
  await new Promise<void>((resolve, reject) => {
    const end = () => asking.set(undefined);
    asking.set({
      serverId,
      conversation,
      done: () => {
        end();
        resolve();
      },
      giveUp: (error = refusal) => {
        end();
        reject(error);
      },
    });
  });
}

/** Runs `start`; each server that wants a sign-in first is asked for once, then the start is repeated. */
export async function withLinks<T>(start: () => Promise<T>): Promise<T> {
  const asked = new Set<string>();
  for (;;) {
    try {
      return await start();
    } catch (error) {
      const serverId = serverToAsk(error);
      if (!serverId || asked.has(serverId)) throw error;
      asked.add(serverId);
      await link(serverId, error);
    }
  }
}
