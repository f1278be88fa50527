/** The link of a share: puts the session among the reader's and opens it. */
import { Button, Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, Navigate } from "@tanstack/react-router";
import { api } from "../../api/client.ts";
import { text } from "../../text.ts";
import { ProblemView } from "../../ui/problem.tsx";
import { usePageTitle } from "../../ui/title.ts";
import classes from "./accept-share.module.css";

const route = getRouteApi("/signed-in/shell/share/$secret");

export function AcceptShare() {
  const { secret } = route.useParams();
  usePageTitle(text.sharing.accepting);
  // As a query: asked once, however often the screen is drawn.
  const accepted = useQuery({
    queryKey: ["share", secret],
    queryFn: () => api.acceptShare(secret),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (accepted.isSuccess) {
    return <Navigate to="/desktop/$sessionId" params={{ sessionId: accepted.data }} replace />;
  }
  return (
    <div className={classes.page}>
      <h1>{accepted.isError ? text.sharing.refused : text.sharing.accepting}</h1>
      {accepted.isError ? (
        <ProblemView error={accepted.error} onRetry={() => void accepted.refetch()}>
          <Button component={Link} to="/" variant="default" size="compact-sm">
            {text.common.back}
          </Button>
        </ProblemView>
      ) : (
        <Loader size={22} />
      )}
    </div>
  );
}
