/** Copies a text and says so. */
import { Button } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { text } from "../text.ts";
import { say } from "./say.ts";

interface Props {
  /** Read at the click. */
  value: () => string;
  label?: string;
  /** What the reader came for, rather than something beside it. */
  main?: boolean;
}

const SHOWN_MS = 2_000;

export function CopyButton({ value, label = text.common.copy, main = false }: Props) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => {
    // Browsers give the clipboard to pages over HTTPS only, and may refuse it there, too.
    const written = navigator.clipboard?.writeText(value()) ?? Promise.reject(new Error("no clipboard"));
    written.then(
      () => setDone(true),
      () => say(text.common.copyFailed),
    );
  };
  const Icon = done ? IconCheck : IconCopy;
  return (
    <Button
      {...(main ? {} : { variant: "default", size: "compact-sm" })}
      leftSection={<Icon size={14} aria-hidden />}
      onClick={copy}
    >
      <span aria-live="polite">{done ? text.common.copied : label}</span>
    </Button>
  );
}
