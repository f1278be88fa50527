/** A refusal with its reason, what to do, the servers' reasons folded, and a report to copy. */
import { Button } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { problemReport, toProblem, verdictReason } from "../api/problem.ts";
import type { ServerVerdict } from "../api/types.ts";
import { text } from "../text.ts";
import { CopyButton } from "./copy.tsx";
import classes from "./problem.module.css";

interface Props {
  error: unknown;
  /** Names what failed, above the problem's own title. */
  heading?: string;
  onRetry?: () => void;
  children?: ReactNode;
}

export function ProblemView({ error, heading, onRetry, children }: Props) {
  const problem = toProblem(error);
  const { title, detail, action, traceId, servers = [] } = problem;
  const report = () => problemReport(problem, new Date(), window.location.pathname);
  return (
    <div className={classes.box} role="alert">
      <IconAlertTriangle className={classes.icon} size={20} aria-hidden />
      <div className={classes.body}>
        {heading ? <p className={classes.heading}>{heading}</p> : null}
        <p className={classes.title}>{title}</p>
        {detail ? <Told words={detail} /> : null}
        {action ? <Told words={action} /> : null}
        {servers.length > 0 ? (
          <details className={classes.fold}>
            <summary>{text.decision.everyServer(servers.length)}</summary>
            <Verdicts verdicts={servers} />
          </details>
        ) : null}
        <div className={classes.foot}>
          {onRetry ? (
            <Button variant="default" size="compact-sm" onClick={onRetry}>
              {text.common.retry}
            </Button>
          ) : null}
          {children}
          {traceId ? (
            <>
              <CopyButton value={report} label={text.problem.copyReport} />
              <span className={classes.trace}>
                {text.problem.traceId} <code>{traceId}</code>
              </span>
            </>
          ) : null}
        </div>
      </div>
    </div>
  );
}

/** A sentence of the server; a command in it stands on its own line, ready to be copied. */
function Told({ words }: { words: string }) {
  const parts = words.split("`");
  if (parts.length < 3) return <p className={classes.words}>{words}</p>;
  const commands = parts.filter((_, index) => index % 2 === 1 && index < parts.length - 1);
  return (
    <>
      <p className={classes.words}>
        {parts.map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part))}
      </p>
      {commands.map(command => (
        <CopyButton key={command} value={() => command} label={text.problem.copyCommand} />
      ))}
    </>
  );
}

/** For each server, whether it was chosen and if not, why. */
export function Verdicts({ verdicts }: { verdicts: readonly ServerVerdict[] }) {
  return (
    <dl className={classes.verdicts}>
      {verdicts.map(verdict => (
        <div key={verdict.serverId}>
          <dt>{verdict.serverId}</dt>
          <dd>{verdictReason(verdict)}</dd>
        </div>
      ))}
    </dl>
  );
}
