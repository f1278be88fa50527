/** How far a start has come, with the time that each part took. */
import { Loader } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { text } from "../../text.ts";
import classes from "./phases.module.css";

export type Phase = "choosing" | "starting" | "picture";

const ORDER: readonly Phase[] = ["choosing", "starting", "picture"];
const TICK_MS = 100;

interface Props {
  phase: Phase;
  server: string | undefined;
}

export function Phases({ phase, server }: Props) {
  const spent = useSpent(phase);
  const reached = ORDER.indexOf(phase);
  return (
    <ol className={classes.phases} aria-label={text.start.progress}>
      {ORDER.map((each, index) => {
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
  if (state === "done" || !server) return text.phases.started;
  return text.phases.starting(shortName(server));
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
