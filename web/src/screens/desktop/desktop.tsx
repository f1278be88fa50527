/** The desktop of one session, in the whole window. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { toProblem } from "../../api/problem.ts";
import type { Session } from "../../api/types.ts";
import { LeaveChord } from "../../display/chord.ts";
import type { ViewerState } from "../../display/state.ts";
import type { Fit, Look, Quality } from "../../display/viewer.ts";
import { useKnown, useSession } from "../../live/live.ts";
import { useMe } from "../../me.ts";
import { usePreference } from "../../preferences.ts";
import { text } from "../../text.ts";
import { Lazily } from "../../ui/lazily.tsx";
import { say } from "../../ui/say.ts";
import { usePageTitle } from "../../ui/title.ts";
import { isMine, titleOf } from "../home/standing.ts";
import { EndDialog, ShareDialog } from "../session/dialogs.ts";
import { EndingNote } from "../session/ending.tsx";
import { oneSessionQuery } from "../session/one-session.ts";
import { FIXED_SIZE_PARAM } from "../start/request.ts";
import { useAlsoOpen } from "./also-open.ts";
import { Bar, EDGES } from "./bar.tsx";
import classes from "./desktop.module.css";
import { Overlay } from "./overlay.tsx";
import { TouchKeyboard } from "./touch-keyboard.tsx";
import { useClipboard } from "./use-clipboard.ts";
import { useViewer } from "./use-viewer.ts";

const route = getRouteApi("/signed-in/desktop/$sessionId");
const FRESH_MS = 2 * 60_000;

export function Desktop() {
  const { sessionId } = route.useParams();
  return <SessionDesktop key={sessionId} id={sessionId} />;
}

function SessionDesktop({ id }: { id: string }) {
  const navigate = useNavigate();
  const { session, missing } = useWantedSession(id);
  const title = session ? titleOf(session, text.session.unnamed) : text.session.unnamed;
  usePageTitle(title);
  const me = useMe();
  const shared = session && !isMine(session, me.login) ? session.sharedWithMe : undefined;
  const { look, change } = useLook(session, shared?.mode === "view");
  const [edge, setEdge] = usePreference("barEdge", EDGES as unknown as [(typeof EDGES)[number]]);
  const [capture, setCapture] = usePreference("captureKeys", ["off", "on"]);
  const [shown, setShown] = useState(true);
  const [ending, setEnding] = useState(false);
  const [sharing, setSharing] = useState(false);
  const clipboardIn = useRef<(words: string) => void>(() => undefined);
  const ready = session !== undefined && session.state !== "starting" && session.state !== "ended";
  const opened = useOnce(ready);
  const fresh = useFresh(session);
  const { host, viewer, state } = useViewer({
    id,
    label: text.desktop.stage(title),
    look,
    ready: opened,
    onClipboard: words => clipboardIn.current(words),
  });
  const live = state.kind === "live";
  const clipboard = useClipboard(viewer, live);
  clipboardIn.current = clipboard.onRemote;
  const refused = useRefusedKeys(state);
  const comeBack = useComeBack(state, () => viewer.current?.retryNow());
  const rule = useQuery({ ...oneSessionQuery(id), enabled: live }).data?.limits?.clipboard;
  const touchField = useRef<HTMLTextAreaElement>(null);
  const screen = useLeaveChord(useCallback(() => setShown(true), []));
  useAlsoOpen(
    id,
    useCallback(() => say(text.desktop.alsoOpen), []),
  );

  const shownState: ViewerState = missing ? { kind: "over", how: "gone", why: "" } : state;
  return (
    <main ref={screen} className={classes.screen} data-state={state.kind}>
      <p id="stage-hint" className="hidden">
        {text.desktop.stageHint}
      </p>
      <div ref={host} className={classes.stage} data-fit={look.fit} />
      <Overlay
        state={shownState}
        session={session}
        fresh={fresh}
        refused={refused}
        onRetry={() => viewer.current?.retryNow()}
      />
      {shownState.kind === "over" || session?.state === "ended" ? null : (
        <Bar
          title={title}
          address={`/desktop/${encodeURIComponent(id)}`}
          viewer={viewer}
          live={live}
          candidate={state.kind === "live" ? state.candidate : undefined}
          look={look}
          edge={edge}
          capture={capture === "on"}
          clipboard={clipboard}
          clipboardRule={rule ?? "both"}
          onlyLook={shared?.mode === "view"}
          here={session?.viewers ?? 0}
          shown={shown}
          onShown={setShown}
          onLook={change}
          onEdge={setEdge}
          onCapture={on => setCapture(on ? "on" : "off")}
          onTouchKeyboard={() => touchField.current?.focus()}
          onDisconnect={() => void navigate({ to: "/" })}
          onShare={() => setSharing(true)}
          {...(shared ? {} : { onEnd: () => setEnding(true) })}
        />
      )}
      {session && live && !shared ? <EndingNote session={session} title={title} floating /> : null}
      <TouchKeyboard viewer={viewer} field={touchField} />
      {session ? (
        <Lazily opened={sharing}>
          <ShareDialog
            session={session}
            title={title}
            opened={sharing}
            onClose={() => setSharing(false)}
            onDisconnect={comeBack}
          />
        </Lazily>
      ) : null}
      {session ? (
        <Lazily opened={ending}>
          <EndDialog
            session={session}
            title={title}
            opened={ending}
            others={Math.max(0, (session.viewers ?? 0) - 1)}
            onClose={() => setEnding(false)}
            onEnded={() => void navigate({ to: "/" })}
          />
        </Lazily>
      ) : null}
    </main>
  );
}

/** From the stream; asked for when the stream does not tell of it, such as another user's for a manager. */
function useWantedSession(id: string): { session: Session | undefined; missing: boolean } {
  const known = useKnown();
  const told = useSession(id);
  const asked = useQuery({ ...oneSessionQuery(id), enabled: known && !told });
  const last = useRef<Session>(undefined);
  last.current = told ?? asked.data ?? last.current;
  const missing = last.current === undefined && asked.isError && toProblem(asked.error).status === 404;
  return { session: last.current, missing };
}

/** Comes back once after disconnecting everybody, oneself too. */
function useComeBack(state: ViewerState, retry: () => void): () => void {
  const wanted = useRef(false);
  const latest = useRef(retry);
  latest.current = retry;
  useEffect(() => {
    if (state.kind !== "paused" || !wanted.current) return;
    wanted.current = false;
    latest.current();
  }, [state]);
  return useCallback(() => {
    wanted.current = true;
  }, []);
}

function useLook(
  session: Session | undefined,
  onlyLook: boolean,
): { look: Look; change: (part: Partial<Look>) => void } {
  const fixed = session?.params?.[FIXED_SIZE_PARAM] === "fixed";
  const [kept, setKept] = usePreference<Fit>("fit", ["resize", "scale", "actual"]);
  const [quality, setQuality] = usePreference<Quality>("quality", ["auto", "sharp", "fast"]);
  const [chosen, setChosen] = useState<Fit>();
  const [viewOnly, setViewOnly] = useState(false);
  // A session of chosen size keeps it, unless the reader says otherwise here.
  const fit = chosen ?? (fixed ? "scale" : kept);
  const look = useMemo(
    () => ({ fit, quality, viewOnly: viewOnly || onlyLook }),
    [fit, quality, viewOnly, onlyLook],
  );
  const change = (part: Partial<Look>) => {
    if (part.fit) {
      setChosen(part.fit);
      if (!fixed) setKept(part.fit);
    }
    if (part.quality) setQuality(part.quality);
    if (part.viewOnly !== undefined) setViewOnly(part.viewOnly);
  };
  return { look, change };
}

/** True from the first time on. */
function useOnce(value: boolean): boolean {
  const seen = useRef(false);
  if (value) seen.current = true;
  return seen.current;
}

/** Whether the screen was reached by a start; decided when the session is first seen. */
function useFresh(session: Session | undefined): boolean {
  const fresh = useRef<boolean>(undefined);
  if (session && fresh.current === undefined) {
    const young = Date.now() - new Date(session.started).getTime() < FRESH_MS;
    fresh.current = session.state === "starting" || (young && !session.lastConnect);
  }
  return fresh.current ?? false;
}

/** Counts keys that were pressed while nothing takes them. */
function useRefusedKeys(state: ViewerState): number {
  const [count, setCount] = useState(0);
  const refusing = state.kind === "waiting" || state.kind === "retrying" || state.kind === "paused";
  useEffect(() => {
    if (!refusing) {
      setCount(0);
      return;
    }
    const onKeyDown = (event: KeyboardEvent) => {
      const on = event.target instanceof Element ? event.target : document.body;
      const typesElsewhere = on.closest("input, textarea, [role=dialog]");
      const pressesButton = on.closest("button, a") && (event.key === "Enter" || event.key === " ");
      const moves = ["Tab", "Shift", "Control", "Alt", "Meta", "Escape"].includes(event.key);
      if (typesElsewhere || pressesButton || moves || event.repeat) return;
      event.preventDefault();
      setCount(value => value + 1);
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [refusing]);
  return count;
}

/** The keyboard's way out: shows the bar and moves the focus there. */
function useLeaveChord(onLeave: () => void) {
  const screen = useRef<HTMLElement>(null);
  useEffect(() => {
    const chord = new LeaveChord();
    const onKey = (event: KeyboardEvent) => {
      if (event.type !== "keydown" && event.type !== "keyup") return;
      if (!chord.onKey(event.type, event.key)) return;
      onLeave();
      // After the viewer has seen the release of the keys, and the bar is there.
      setTimeout(
        () => screen.current?.querySelector<HTMLElement>("[role=toolbar] button:not(:disabled)")?.focus(),
        50,
      );
    };
    window.addEventListener("keydown", onKey, true);
    window.addEventListener("keyup", onKey, true);
    return () => {
      window.removeEventListener("keydown", onKey, true);
      window.removeEventListener("keyup", onKey, true);
    };
  }, [onLeave]);
  return screen;
}
