/** Who is signed in. */
import { type QueryClient, queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { api } from "./api/client.ts";
import type { Me } from "./api/types.ts";
import { Store } from "./live/store.ts";

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

/** Why the last login ended. Not in the address: a link must not put words into the sign-in page. */
export const farewell = new Store("");

/** Goes to the sign-in, then forgets what was only for whoever was signed in; screens still read it until then. */
export async function leave(
  client: QueryClient,
  goToSignIn: () => Promise<void>,
  reason = "",
): Promise<void> {
  farewell.set(reason);
  await goToSignIn();
  client.removeQueries({ predicate: query => query.queryKey[0] !== "info" });
}
