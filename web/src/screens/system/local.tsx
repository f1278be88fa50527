/** The sections of the settings of one server. */
import { Switch } from "@mantine/core";
import type { Document } from "../../api/types.ts";
import { text } from "../../text.ts";
import { Area, Lines, Word } from "./fields.tsx";
import { LogLevel, type SectionProps } from "./global.tsx";
import { flag, list, part, words } from "./settings.ts";
import classes from "./system.module.css";

const labels = text.system;

export function ServerSection({ draft, change }: SectionProps) {
  return (
    <>
      <div className={classes.group}>
        {(["startSessions", "logins", "directConnections"] as const).map(key => (
          <Switch
            key={key}
            label={labels.names[key]}
            description={labels.switchHints[key]}
            checked={flag(draft, key)}
            onChange={event => change({ [key]: event.currentTarget.checked })}
          />
        ))}
      </div>
      <Word
        label={labels.names.hostname}
        value={words(draft, "hostname")}
        onChange={hostname => change({ hostname })}
      />
      <Lines
        label={labels.names.urls}
        hint={labels.urlsHint}
        value={list(draft, "urls")}
        onChange={urls => change({ urls })}
      />
    </>
  );
}

interface StaticProps extends SectionProps {
  /** As it was typed, which may be no data yet. */
  typed: string | undefined;
  onType: (source: string) => void;
}

/** Kept as typed while it is not valid: nothing of the draft is lost to a missing comma. */
export function StaticDataSection({ draft, typed, change, onType }: StaticProps) {
  const take = (source: string) => {
    onType(source);
    const read = readData(source);
    if (typeof read !== "string") change({ staticData: read });
  };
  return (
    <Area
      label={labels.names.staticData}
      hint={labels.staticDataHint}
      rows={16}
      error={wrongData(typed) || undefined}
      value={typed ?? JSON.stringify(part(draft, "staticData"), null, 2)}
      onChange={take}
    />
  );
}

/** What is wrong with static data as it was typed. */
export function wrongData(typed: string | undefined): string {
  const read = typed === undefined ? {} : readData(typed);
  return typeof read === "string" ? read : "";
}

function readData(source: string): Document | string {
  if (!source.trim()) return {};
  try {
    const value: unknown = JSON.parse(source);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Document;
    return labels.wrong.object;
  } catch (error) {
    return labels.wrong.json(error instanceof Error ? error.message : String(error));
  }
}

export function LocalDebugSection({ draft, change }: SectionProps) {
  return (
    <>
      <LogLevel
        inherit
        hint={labels.logLevelLocalHint}
        value={words(draft, "logLevel")}
        onChange={logLevel => change({ logLevel })}
      />
      <Lines
        label={labels.names.debug}
        hint={labels.debugHint}
        value={list(draft, "debug")}
        onChange={debug => change({ debug })}
      />
    </>
  );
}
