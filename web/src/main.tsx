/** Puts the client together. */
import "./styles/base.css";
import "./styles/mantine.css";
import "./styles/tokens.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { whenSignedOut } from "./api/client.ts";
import { ProblemError } from "./api/problem.ts";
import { leave } from "./me.ts";
import { buildRouter } from "./router.tsx";
import { theme } from "./ui/theme.ts";
import { Toasts } from "./ui/toasts.tsx";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A refusal stays one; only a missing answer is worth asking again.
      retry: (failures, error) => failures < 2 && error instanceof ProblemError && error.problem.status === 0,
      refetchOnWindowFocus: false,
      staleTime: 60_000,
    },
  },
});
const router = buildRouter(queries);

whenSignedOut(() => {
  const { pathname, href } = router.state.location;
  if (pathname === "/signin") return;
  void leave(queries, () => router.navigate({ to: "/signin", search: href === "/" ? {} : { to: href } }));
});

/** After an update the parts of the old page are gone: begin anew, but not over and over. */
const RELOADED = "fastx.reloaded";
const RELOAD_REST_MS = 60_000;
window.addEventListener("vite:preloadError", () => {
  const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
  if (Date.now() - last < RELOAD_REST_MS) return;
  sessionStorage.setItem(RELOADED, String(Date.now()));
  window.location.reload();
});

const place = document.getElementById("root");
if (place) {
  createRoot(place).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        withCssVariables={false}
        withGlobalClasses={false}
      >
        <QueryClientProvider client={queries}>
          <RouterProvider router={router} />
          <Toasts />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
