/** What the reader may start. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "../../api/client.ts";

export const applicationsQuery = queryOptions({
  queryKey: ["applications"],
  queryFn: ({ signal }) => api.applications(signal),
});
