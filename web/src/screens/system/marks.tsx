/** Whom the settings reach, and who else holds them. */
import { IconLock, IconServer, IconWorld } from "@tabler/icons-react";
import type { Scope } from "../../api/types.ts";
import { useServer } from "../../live/live.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { CopyButton } from "../../ui/copy.tsx";
import classes from "./system.module.css";

const words = text.system;

/** Whom a change reaches, where nobody can miss it. */
export function Mark({ scope }: { scope: Scope }) {
  const me = useMe();
  const server = useServer(me.serverId);
  const Icon = scope === "global" ? IconWorld : IconServer;
  return (
    <p className={classes.mark} data-scope={scope}>
      <Icon size={20} stroke={1.7} aria-hidden />
      <span>
        <strong>{words.marks[scope]}</strong>{" "}
        {scope === "global" ? words.reaches.global : words.reaches.local(server?.hostname ?? me.serverId)}
      </span>
    </p>
  );
}

/** The resource that holds the settings, and the line that edits it. */
export function Locked({ scope, managedBy }: { scope: Scope; managedBy: string }) {
  const [namespace = "", name = ""] = managedBy.split("/");
  const kind = scope === "global" ? "fastxcluster" : "computenode";
  const command = `kubectl --namespace ${namespace} edit ${kind} ${name}`;
  return (
    <div className={classes.locked}>
      <IconLock size={20} stroke={1.7} aria-hidden />
      <div>
        <p>
          <strong>{text.servers.managedBy}.</strong> {words.locked(kind, managedBy)}
        </p>
        <p className={classes.command}>
          <code>{command}</code> <CopyButton value={() => command} label={text.problem.copyCommand} />
        </p>
      </div>
    </div>
  );
}
