/** How far a start has come, with the time that each part took. */
import { Loader } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useServer } from "../../live/live.ts";
import { text } from "../../text.ts";
import { useAsking } from "../link/asking.ts";
import classes from "./phases.module.css";

export type Phase = "choosing" | "asking" | "starting" | "picture";

const ORDER: readonly Phase[] = ["choosing", "starting", "picture"];
const ORDER_WITH_QUESTIONS: readonly Phase[] = ["choosing", "asking", "starting", "picture"];
const TICK_MS = 100;

interface Props {
  phase: Phase;
  server: string | undefined;
  /** Whether the server asks the reader to sign in on the way. */
  asked?: boolean;
}

export function Phases({ phase, server, asked = phase === "asking" }: Props) {
  const spent = useSpent(phase);
  const order = asked ? ORDER_WITH_QUESTIONS : ORDER;
  const reached = order.indexOf(phase);
  return (
    <ol className={classes.phases} aria-label={text.start.progress}>
      {order.map((each, index) => {
        const state = index < reached ? "done" : index === reached ? "now" : "next";
        return (
          <li key={each} data-state={state} aria-current={state === "now" ? "step" : undefined}>
            <span className={classes.mark} aria-hidden>
              {state === "done" ? (
                <IconCheck size={14} stroke={2.4} />
              ) : state === "now" ? (
                <Loader size={16} />
              ) : null}
            </span>
            <span className={classes.words}>{wordsOf(each, state, server)}</span>
            <span className={classes.time} aria-hidden>
              {spent[each] === undefined ? "" : text.phases.seconds(((spent[each] ?? 0) / 1000).toFixed(1))}
            </span>
          </li>
        );
      })}
    </ol>
  );
}

function wordsOf(phase: Phase, state: "done" | "now" | "next", server: string | undefined): string {
  if (phase === "choosing") return state === "done" ? text.phases.chosen : text.phases.choosing;
  if (phase === "picture") return text.phases.picture;
  if (phase === "asking")
    return state === "done" ? text.phases.asked : text.phases.asking(shortName(server ?? ""));
  if (state === "done" || !server) return text.phases.started;
  return text.phases.starting(shortName(server));
}

/** The phases of a start that has no session yet: choosing, then perhaps a sign-in at the chosen server. */
export function StartPhases() {
  const asking = useAsking();
  const last = useRef<string>(undefined);
  last.current = asking?.serverId ?? last.current;
  const server = useServer(last.current);
  const name = server?.hostname ?? last.current;
  const phase = asking ? "asking" : last.current ? "starting" : "choosing";
  return <Phases phase={phase} server={name} asked={last.current !== undefined} />;
}

/** Milliseconds in each phase that was seen from its beginning. */
function useSpent(phase: Phase): Partial<Record<Phase, number>> {
  const [spent, setSpent] = useState<Partial<Record<Phase, number>>>({});
  const began = useRef({ phase, at: performance.now() });
  useEffect(() => {
    if (began.current.phase !== phase) began.current = { phase, at: performance.now() };
    const { at } = began.current;
    const tick = () => setSpent(before => ({ ...before, [phase]: performance.now() - at }));
    const timer = setInterval(tick, TICK_MS);
    return () => {
      clearInterval(timer);
      tick();
    };
  }, [phase]);
  return spent;
}

/** The first part of a host name; addresses stay whole. */
function shortName(host: string): string {
  return /^[\d.:[\]a-f]+$/i.test(host) ? host : (host.split(".")[0] ?? host);
}
