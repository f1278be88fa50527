/** Everything behind the sign-in: holds the event stream and fetches the viewer ahead of its use. */
import { useQueryClient } from "@tanstack/react-query";
import { Outlet, useNavigate, useRouter } from "@tanstack/react-router";
import { lazy, useCallback, useEffect } from "react";
import { useEventStream } from "../live/live.ts";
import { leave, useMe } from "../me.ts";
import { Lazily } from "../ui/lazily.tsx";
import { useAsking } from "./link/asking.ts";

const LinkDialog = lazy(() =>
  import("./link/link-dialog.tsx").then(module => ({ default: module.LinkDialog })),
);
const IDLE_FALLBACK_MS = 2_000;

export function SignedIn() {
  const me = useMe();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const router = useRouter();
  const onSignedOut = useCallback(
    (reason: string) => {
      const to = router.state.location.href;
      void leave(queries, () => navigate({ to: "/signin", search: to === "/" ? {} : { to } }), reason);
    },
    [queries, navigate, router],
  );
  useEventStream(me.role !== "user", onSignedOut);
  useEffect(() => {
    const fetchViewer = () => void import("./desktop/desktop.tsx").catch(() => undefined);
    if (!("requestIdleCallback" in window)) {
      const timer = setTimeout(fetchViewer, IDLE_FALLBACK_MS);
      return () => clearTimeout(timer);
    }
    const idle = requestIdleCallback(fetchViewer);
    return () => cancelIdleCallback(idle);
  }, []);
  const asking = useAsking();
  return (
    <>
      <Outlet />
      <Lazily opened={asking !== undefined}>
        <LinkDialog />
      </Lazily>
    </>
  );
}
