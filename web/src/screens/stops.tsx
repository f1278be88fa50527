/** Where a way ends: nothing at this address, or the screen could not be loaded. */
import { Button } from "@mantine/core";
import { type ErrorComponentProps, Link, useRouter } from "@tanstack/react-router";
import { text } from "../text.ts";
import { Empty } from "../ui/empty.tsx";
import { ProblemView } from "../ui/problem.tsx";
import { usePageTitle } from "../ui/title.ts";
import classes from "./stops.module.css";

export function Missing() {
  usePageTitle(text.common.notFound);
  return (
    <main className={classes.page}>
      <Empty whole title={text.common.notFound} hint={text.common.notFoundHint}>
        <Button component={Link} to="/">
          {text.common.back}
        </Button>
      </Empty>
    </main>
  );
}

export function Failed({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <main className={classes.page}>
      <h1 className="hidden">{text.product}</h1>
      <ProblemView error={error} onRetry={retry} />
    </main>
  );
}
