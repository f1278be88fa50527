/** The settings as the server has them. */
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
