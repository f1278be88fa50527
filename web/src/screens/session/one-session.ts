/** One session as its server tells it, with what the event stream leaves out. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "../../api/client.ts";

export const oneSessionQuery = (id: string) =>
  queryOptions({ queryKey: ["session", id], queryFn: ({ signal }) => api.session(id, signal) });
