/** Who is signed in. */
import { type QueryClient, queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { api } from "./api/client.ts";
import type { Me } from "./api/types.ts";

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => api.me(signal),
  staleTime: Number.POSITIVE_INFINITY,
  gcTime: Number.POSITIVE_INFINITY,
});

/** Only below the signed-in route, which has loaded it. */
export function useMe(): Me {
  return useSuspenseQuery(meQuery).data;
}

export function forgetMe(client: QueryClient): void {
  client.removeQueries({ predicate: query => query.queryKey[0] !== "info" });
}
