/** Opens one candidate's WebSocket with its ticket. */
import type { Candidate } from "../api/types.ts";
import { Channel } from "./channel.ts";
import type { Dial, Failure } from "./race.ts";

const SUBPROTOCOL = "binary";
const TICKET_PREFIX = "fastx.ticket.";

export function dial(candidate: Candidate): Dial<Channel> {
  let socket: WebSocket;
  try {
    socket = new WebSocket(candidate.url, [SUBPROTOCOL, TICKET_PREFIX + candidate.ticket]);
  } catch {
    // The policy of the page may not know an address that joined later.
    const failure: Failure = { code: 1006, reason: "" };
    const failed = Promise.reject(failure);
    failed.catch(() => undefined);
    return { opened: failed, ready: failed, close: () => undefined };
  }
  const channel = new Channel(socket);
  const opened = new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("close", event =>
      reject({ code: event.code, reason: event.reason } satisfies Failure),
    );
  });
  const ready = new Promise<Channel>((resolve, reject) => {
    socket.addEventListener("message", () => resolve(channel), { once: true });
    socket.addEventListener("close", event =>
      reject({ code: event.code, reason: event.reason } satisfies Failure),
    );
  });
  // Whoever waits hears of the failure; nobody has to.
  opened.catch(() => undefined);
  ready.catch(() => undefined);
  return { opened, ready, close: () => socket.close() };
}
