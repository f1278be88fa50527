/** What stands over the picture while there is none, or no fresh one. */
import { Button, Loader } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { ProblemError } from "../../api/problem.ts";
import type { Session } from "../../api/types.ts";
import type { ViewerState } from "../../display/state.ts";
import { text } from "../../text.ts";
import { ProblemView } from "../../ui/problem.tsx";
import { Phases } from "../start/phases.tsx";
import classes from "./overlay.module.css";

interface Props {
  state: ViewerState;
  session: Session | undefined;
  /** Started just now and never opened: its start is told in phases. */
  fresh: boolean;
  /** Flashes when keys were refused. */
  refused: number;
  onRetry: () => void;
}

export function Overlay(props: Props) {
  const { state, refused } = props;
  const body = overlayBody(props);
  if (!body) return null;
  return (
    <div className={classes.veil} data-dim={state.kind !== "opening"}>
      {/* Two names for one movement, so that each refused key moves the card anew. */}
      <div
        className={classes.card}
        data-bare={state.kind === "over" && state.how === "refused" ? true : undefined}
        data-refused={refused > 0 ? (refused % 2 === 0 ? "even" : "odd") : undefined}
      >
        {body}
      </div>
    </div>
  );
}

function overlayBody({ state, session, fresh, refused, onRetry }: Props): ReactNode {
  const words = text.desktop;
  if (session?.state === "ended" && state.kind !== "live") {
    return <Over title={words.endedTitle} why={session.endReason} />;
  }
  switch (state.kind) {
    case "live":
      return null;
    case "opening":
      return <Opening session={session} fresh={fresh} />;
    case "waiting":
    case "retrying":
      return <Waiting state={state} session={session} refused={refused} onRetry={onRetry} />;
    case "paused":
      return (
        <>
          <h1>{words.pausedTitle}</h1>
          <p>{state.why}</p>
          <Note refused={refused}>{words.pausedHint}</Note>
          <div className={classes.actions}>
            <BackButton />
            <Button onClick={onRetry} autoFocus>
              {words.connect}
            </Button>
          </div>
        </>
      );
    case "over":
      if (state.how === "refused" && state.problem) {
        return (
          <ProblemView error={new ProblemError(state.problem)}>
            <BackButton />
          </ProblemView>
        );
      }
      return state.how === "gone" ? (
        <Over title={words.goneTitle} why={words.goneHint} />
      ) : (
        <Over title={words.endedTitle} why={session?.endReason || state.why} />
      );
  }
}

/** What holds meanwhile; says instead that keys were refused once somebody typed. */
function Note({ refused, children }: { refused: number; children: ReactNode }) {
  return (
    <p className={refused > 0 ? classes.refused : classes.quiet} role={refused > 0 ? "alert" : undefined}>
      {refused > 0 ? text.desktop.refusedKeys : children}
    </p>
  );
}

function Opening({ session, fresh }: { session: Session | undefined; fresh: boolean }) {
  if (!fresh || !session) return <Delayed>{text.desktop.opening}</Delayed>;
  const phase = session.state === "starting" ? "starting" : "picture";
  return <Phases phase={phase} server={session.serverName || session.serverId} />;
}

const PATIENCE_MS = 350;

/** Nothing at all for the usual short wait. */
function Delayed({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p className={classes.opening} role="status" data-shown={shown}>
      <Loader size={18} /> {children}
    </p>
  );
}

interface WaitingProps {
  state: Extract<ViewerState, { kind: "waiting" | "retrying" }>;
  session: Session | undefined;
  refused: number;
  onRetry: () => void;
}

function Waiting({ state, session, refused, onRetry }: WaitingProps) {
  const left = useSecondsLeft(state.kind === "waiting" ? state.retryAt : undefined);
  const silent = session?.state === "unreachable";
  const why = navigator.onLine ? state.why : text.desktop.offline;
  return (
    <>
      <h1>{silent ? text.desktop.unreachableTitle : text.line.lost}</h1>
      {why ? <p role="status">{why}</p> : null}
      <Note refused={refused}>{silent ? text.session.unreachableHint : text.desktop.pausedHint}</Note>
      <div className={classes.actions}>
        <span className={classes.count}>{text.desktop.waiting(left)}</span>
        <BackButton />
        <Button onClick={onRetry}>{text.desktop.now}</Button>
      </div>
    </>
  );
}

function Over({ title, why }: { title: string; why: string | undefined }) {
  return (
    <>
      <h1>{title}</h1>
      {why && why !== text.closes[4410] ? <p className={classes.reason}>{why}</p> : null}
      <div className={classes.actions}>
        <Button component={Link} to="/" autoFocus>
          {text.common.back}
        </Button>
      </div>
    </>
  );
}

function BackButton() {
  return (
    <Button component={Link} to="/" variant="default">
      {text.common.back}
    </Button>
  );
}

const TICK_MS = 200;

function useSecondsLeft(until: number | undefined): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (until === undefined) return;
    const tick = () => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    tick();
    const timer = setInterval(tick, TICK_MS);
    return () => clearInterval(timer);
  }, [until]);
  return until === undefined ? 0 : left;
}
