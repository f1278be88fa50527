/** Says that the page is not connected, since when, and offers to try now. */
import { Button } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { retryLine, useLine } from "../live/live.ts";
import { text } from "../text.ts";
import classes from "./line-banner.module.css";
import { clockTime, useNow } from "./time.ts";

/** A short cut mends itself before anybody has to know. */
const GRACE_MS = 1_500;

export function LineBanner() {
  const line = useLine();
  const now = useNow();
  const since = line.kind === "lost" ? line.since : undefined;
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (since === undefined) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), GRACE_MS);
    return () => clearTimeout(timer);
  }, [since]);
  return (
    <div role="status" className={classes.place}>
      {shown && since !== undefined ? (
        <div className={classes.banner}>
          <IconPlugConnectedX size={18} aria-hidden />
          <p>
            <strong>{text.line.lost}.</strong> {text.line.since(clockTime(since, now))}
          </p>
          <Button variant="default" size="compact-sm" onClick={retryLine}>
            {text.line.retryNow}
          </Button>
        </div>
      ) : null}
    </div>
  );
}
