/** The addresses of the client and who may see them. */
import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { toProblem } from "./api/problem.ts";
import { meQuery } from "./me.ts";
import { ownPath } from "./own-path.ts";
import { Home } from "./screens/home/home.tsx";
import { SignedIn } from "./screens/signed-in.tsx";
import { SignIn } from "./screens/signin/signin.tsx";
import { Failed, Missing, Waiting } from "./screens/stops.tsx";
import { Shell } from "./ui/shell.tsx";

interface Context {
  queries: QueryClient;
}

const words = (value: unknown): string | undefined =>
  typeof value === "string" && value ? value : undefined;

const root = createRootRouteWithContext<Context>()({
  component: Outlet,
  notFoundComponent: Missing,
  errorComponent: Failed,
});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/signin",
  // Named even when it is refused: what is not named here would pass unchecked.
  validateSearch: (search): { to?: string | undefined; refused?: string | undefined } => ({
    to: ownPath(search.to),
    refused: words(search.refused),
  }),
  component: SignIn,
});

const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queries.ensureQueryData(meQuery);
    } catch (error) {
      if (toProblem(error).status !== 401) throw error;
      const to = location.href === "/" ? undefined : location.href;
      throw redirect({ to: "/signin", search: to ? { to } : {} });
    }
  },
  component: SignedIn,
  pendingComponent: Waiting,
  errorComponent: Failed,
});

const shell = createRoute({ getParentRoute: () => signedIn, id: "shell", component: Shell });

const home = createRoute({ getParentRoute: () => shell, path: "/", component: Home });

const start = createRoute({
  getParentRoute: () => shell,
  path: "/start",
  validateSearch: (search): { application?: string | undefined } => ({
    application: words(search.application),
  }),
  component: lazyRouteComponent(() => import("./screens/start/start.tsx"), "Start"),
});

const tokens = createRoute({
  getParentRoute: () => shell,
  path: "/account/tokens",
  component: lazyRouteComponent(() => import("./screens/account/tokens.tsx"), "MyTokens"),
});

const shared = createRoute({
  getParentRoute: () => shell,
  path: "/share/$secret",
  component: lazyRouteComponent(() => import("./screens/session/accept-share.tsx"), "AcceptShare"),
});

const manage = createRoute({
  getParentRoute: () => shell,
  path: "/manage",
  component: lazyRouteComponent(() => import("./screens/manage/manage.tsx"), "Manage"),
});

const manageIndex = createRoute({
  getParentRoute: () => manage,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/manage/servers", replace: true });
  },
});

const servers = createRoute({
  getParentRoute: () => manage,
  path: "/servers",
  component: lazyRouteComponent(() => import("./screens/manage/servers.tsx"), "Servers"),
});

const allSessions = createRoute({
  getParentRoute: () => manage,
  path: "/sessions",
  component: lazyRouteComponent(() => import("./screens/manage/all-sessions.tsx"), "AllSessions"),
});

const users = createRoute({
  getParentRoute: () => manage,
  path: "/users",
  component: lazyRouteComponent(() => import("./screens/manage/users.tsx"), "Users"),
});

const system = createRoute({
  getParentRoute: () => shell,
  path: "/system/$scope",
  component: lazyRouteComponent(() => import("./screens/system/system.tsx"), "System"),
});

const desktop = createRoute({
  getParentRoute: () => signedIn,
  path: "/desktop/$sessionId",
  component: lazyRouteComponent(() => import("./screens/desktop/desktop.tsx"), "Desktop"),
});

const tree = root.addChildren([
  signIn,
  signedIn.addChildren([
    shell.addChildren([
      home,
      start,
      tokens,
      shared,
      manage.addChildren([manageIndex, servers, allSessions, users]),
      system,
    ]),
    desktop,
  ]),
]);

export function buildRouter(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queries },
    defaultNotFoundComponent: Missing,
    defaultErrorComponent: Failed,
    defaultPendingMs: 400,
    defaultPreload: "intent",
    scrollRestoration: false,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof buildRouter>;
  }
}
