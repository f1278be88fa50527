/** The parts that the table, the cards and the details of a server share. */
import type { Server } from "../../live/reducer.ts";
import { text } from "../../text.ts";
import { When } from "../../ui/when.tsx";
import { memoryUsed, share } from "./list.ts";
import classes from "./parts.module.css";

/** A share of something as a thin bar with its figure. */
export function Meter({ share, label, name }: { share: number; label: string; name: string }) {
  const percent = Math.round(share * 100);
  return (
    <div className={classes.meter}>
      <span>{label}</span>
      <meter className="hidden" min={0} max={100} value={percent} aria-label={name}>
        {label}
      </meter>
      <span className={classes.track} aria-hidden>
        <span data-high={percent >= 90 || undefined} style={{ width: `${percent}%` }} />
      </span>
    </div>
  );
}

export function Load({ server }: { server: Server }) {
  const cpu = server.details?.cpu;
  if (!server.online || cpu === undefined) return <Unknown />;
  return (
    <Meter
      name={text.servers.columns.load}
      share={Math.min(100, cpu) / 100}
      label={text.servers.cpu(Math.round(cpu))}
    />
  );
}

export function Memory({ server }: { server: Server }) {
  const used = memoryUsed(server);
  const total = server.details?.totalmem ?? 0;
  if (!server.online || used === undefined) return <Unknown />;
  return <Meter name={text.servers.columns.memory} share={used} label={share(total * used, total)} />;
}

function Unknown() {
  return <span className={classes.unknown}>–</span>;
}

/** What is not as usual with a server; nothing when all is well. */
export function Marks({ server }: { server: Server }) {
  const { online, details } = server;
  const words = text.servers.state;
  const faults = details?.faults ?? [];
  return (
    <span className={classes.marks}>
      {online ? null : <span data-tone="danger">{words.lost}</span>}
      {online && faults.length > 0 ? <span data-tone="danger">{words.fault}</span> : null}
      {online && details?.startSessions === false ? <span>{words.noSessions}</span> : null}
      {online && details?.logins === false ? <span>{words.noLogins}</span> : null}
    </span>
  );
}

export function Seen({ server }: { server: Server }) {
  if (!server.lastSeen) return <Unknown />;
  if (server.online) return <When at={server.lastSeen} />;
  return (
    <span className={classes.lost}>
      {text.servers.lostSince} <When at={server.lastSeen} as="clock" />
    </span>
  );
}

/** What a server says is missing, in one line; its details tell all of it. */
export function Missing({ server }: { server: Server }) {
  const [first, ...more] = server.online ? (server.details?.faults ?? []) : [];
  if (!first) return null;
  return (
    <p className={classes.missing}>
      {first}
      {more.length > 0 ? ` ${text.servers.moreFaults(more.length)}` : ""}
    </p>
  );
}
