/** Starts a session and goes to its desktop. */
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { api } from "../../api/client.ts";
import { toProblem } from "../../api/problem.ts";
import type { StartRequest } from "../../api/types.ts";
import { learnSession } from "../../live/live.ts";
import { useMe } from "../../me.ts";
import { noteStart } from "../../preferences.ts";
import { withLinks } from "../link/asking.ts";

const TRIES = 3;

export function useStart() {
  const me = useMe();
  const navigate = useNavigate();
  return useMutation({
    // A server that wants a sign-in first gets it, and then the same start under the same key.
    mutationFn: ({ request, key }: { request: StartRequest; key: string }) =>
      withLinks(() => api.start(request, key)),
    // The key makes a repeated start harmless, so a lost answer is asked for again.
    retry: (failures, error) => failures < TRIES - 1 && toProblem(error).status === 0,
    onSuccess: ({ session }, { request }) => {
      if (request.application) noteStart(me.login, request.application);
      learnSession(session);
      void navigate({ to: "/desktop/$sessionId", params: { sessionId: session.id } });
    },
  });
}

export function newKey(): string {
  return crypto.randomUUID();
}
