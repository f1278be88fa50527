/** The settings as the server has them, and as it had them before. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "../../api/client.ts";
import type { Scope } from "../../api/types.ts";

export const systemQuery = (scope: Scope) =>
  queryOptions({
    queryKey: ["system", scope],
    queryFn: ({ signal }) => api.system(scope, signal),
    // Never anew under a draft: a change of somebody else is told when it is saved.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });

export const historyQuery = (scope: Scope) =>
  queryOptions({
    queryKey: ["system-history", scope],
    queryFn: ({ signal }) => api.systemHistory(scope, signal),
    // Asked for whenever it is looked at: nothing tells that somebody saved.
    staleTime: 0,
  });

export const versionQuery = (scope: Scope, generation: number) =>
  queryOptions({
    queryKey: ["system-version", scope, generation],
    queryFn: ({ signal }) => api.systemVersion(scope, generation, signal),
    // A version never changes.
    staleTime: Number.POSITIVE_INFINITY,
  });
