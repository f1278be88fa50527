/** Where a way ends or has not begun: nothing at this address, a screen that could not be loaded, a slow answer. */
import { Button, Loader } from "@mantine/core";
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

/** While the server is asked who the reader is, when that takes longer than usual. */
export function Waiting() {
  return (
    <main className={classes.page}>
      <h1 className="hidden">{text.product}</h1>
      <output className={classes.waiting}>
        <Loader size={20} /> {text.common.loading}
      </output>
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
