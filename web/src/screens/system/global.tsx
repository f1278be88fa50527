/** The sections of the settings of all servers. */
import { ActionIcon, Switch } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useState } from "react";
import type { Document } from "../../api/types.ts";
import { text } from "../../text.ts";
import { Area, Choice, Lines, Minutes, Named, Word } from "./fields.tsx";
import {
  type ApplicationSetting,
  EVENTS,
  entries,
  list,
  type ProfileSetting,
  part,
  type Wrong,
  words,
} from "./settings.ts";
import classes from "./system.module.css";

const labels = text.system;

export interface SectionProps {
  draft: Document;
  wrong: Wrong;
  change: (part: Document) => void;
}

const METHODS = ["ssh", "local", "oidc"] as const;

export function SignInSection({ draft, change }: SectionProps) {
  return (
    <>
      <Word
        label={labels.displayName}
        hint={labels.displayNameHint}
        value={words(draft, "displayName")}
        onChange={displayName => change({ displayName })}
      />
      <Area
        label={labels.message}
        hint={labels.messageHint}
        rows={3}
        value={words(draft, "message")}
        onChange={message => change({ message })}
      />
      <Methods value={list(draft, "methods")} onChange={methods => change({ methods })} />
    </>
  );
}

/** Which ways to sign in are offered, and in which order. */
function Methods({ value, onChange }: { value: string[]; onChange: (value: string[]) => void }) {
  const all = [...value, ...METHODS.filter(method => !value.includes(method))];
  const name = (method: string) =>
    (labels.methodNames as Record<string, string | undefined>)[method] ?? method;
  const move = (method: string, by: number) => {
    const at = value.indexOf(method);
    const next = value.filter(each => each !== method);
    next.splice(at + by, 0, method);
    onChange(next);
  };
  return (
    <fieldset className={classes.group}>
      <legend>{labels.methods}</legend>
      <p className={classes.hint}>{labels.methodsHint}</p>
      <ol className={classes.methods}>
        {all.map(method => {
          const at = value.indexOf(method);
          return (
            <li key={method}>
              <Switch
                label={name(method)}
                checked={at >= 0}
                onChange={event =>
                  onChange(
                    event.currentTarget.checked ? [...value, method] : value.filter(each => each !== method),
                  )
                }
              />
              <ActionIcon
                aria-label={labels.earlier(name(method))}
                disabled={at < 1}
                onClick={() => move(method, -1)}
              >
                <IconArrowUp size={16} aria-hidden />
              </ActionIcon>
              <ActionIcon
                aria-label={labels.later(name(method))}
                disabled={at < 0 || at === value.length - 1}
                onClick={() => move(method, 1)}
              >
                <IconArrowDown size={16} aria-hidden />
              </ActionIcon>
            </li>
          );
        })}
      </ol>
    </fieldset>
  );
}

export function RolesSection({ draft, change }: SectionProps) {
  const roles = part(draft, "roles");
  const set = (key: string) => (value: string[]) => change({ roles: { ...roles, [key]: value } });
  return (
    <>
      <p className={classes.hint}>{labels.rolesHint}</p>
      <div className={classes.pairs}>
        {(["adminUsers", "adminGroups", "managerUsers", "managerGroups"] as const).map(key => (
          <Lines key={key} label={labels.names[key]} value={list(roles, key)} onChange={set(key)} />
        ))}
      </div>
    </>
  );
}

const ICONS = ["desktop", "terminal", "browser", "editor", "tool"] as const;

export function ApplicationsSection({ draft, wrong, change }: SectionProps) {
  const profiles = entries<ProfileSetting>(draft, "profiles").map(({ name }) => name);
  const fresh: ApplicationSetting = {
    name: "",
    title: "",
    command: "",
    icon: "desktop",
    windowMode: "desktop",
    profile: "",
  };
  return (
    <Named<ApplicationSetting>
      items={entries<ApplicationSetting>(draft, "applications")}
      fresh={fresh}
      add={labels.addApplication}
      empty={labels.noApplications}
      remove={item => labels.remove(item.title || item.name)}
      onChange={applications => change({ applications })}
    >
      {(item, index, set) => (
        <>
          <Word
            label={labels.names.name}
            mono
            value={item.name ?? ""}
            error={wrong[`applications.${index}.name`]}
            onChange={name => set({ name })}
          />
          <Word label={labels.names.title} value={item.title ?? ""} onChange={title => set({ title })} />
          <Word
            label={labels.names.command}
            mono
            value={item.command ?? ""}
            error={wrong[`applications.${index}.command`]}
            onChange={command => set({ command })}
          />
          <Choice
            label={labels.names.windowMode}
            value={item.windowMode ?? ""}
            options={[
              { value: "desktop", label: labels.windowModes.desktop },
              { value: "rootless", label: labels.windowModes.rootless },
            ]}
            onChange={windowMode => set({ windowMode })}
          />
          <Choice
            label={labels.names.icon}
            value={item.icon ?? ""}
            options={ICONS.map(icon => ({ value: icon, label: labels.icons[icon] }))}
            onChange={icon => set({ icon })}
          />
          <Choice
            label={labels.names.profile}
            value={item.profile ?? ""}
            options={[
              { value: "", label: text.details.default },
              ...profiles.filter(Boolean).map(name => ({ value: name, label: name })),
            ]}
            onChange={profile => set({ profile })}
          />
        </>
      )}
    </Named>
  );
}

export function ProfilesSection({ draft, wrong, change }: SectionProps) {
  const fresh: ProfileSetting = {
    name: "",
    maxGeometry: "",
    clipboard: "both",
    disconnectIdleSeconds: 0,
    endDisconnectedSeconds: 0,
  };
  return (
    <>
      <p className={classes.hint}>{labels.profilesHint}</p>
      <Named<ProfileSetting>
        items={entries<ProfileSetting>(draft, "profiles")}
        fresh={fresh}
        add={labels.addProfile}
        empty={labels.noProfiles}
        remove={item => labels.remove(item.name)}
        onChange={profiles => change({ profiles })}
      >
        {(item, index, set) => (
          <>
            <Word
              label={labels.names.name}
              mono
              value={item.name ?? ""}
              error={wrong[`profiles.${index}.name`]}
              onChange={name => set({ name })}
            />
            <Word
              label={labels.names.maxGeometry}
              hint={labels.geometryHint}
              mono
              value={item.maxGeometry ?? ""}
              error={wrong[`profiles.${index}.maxGeometry`]}
              onChange={maxGeometry => set({ maxGeometry })}
            />
            <Choice
              label={labels.names.clipboard}
              value={item.clipboard || "both"}
              options={Object.entries(text.limits.clipboards).map(([value, label]) => ({ value, label }))}
              onChange={clipboard => set({ clipboard })}
            />
            <Minutes
              label={labels.names.disconnectIdleSeconds}
              hint={labels.minutesHint}
              value={item.disconnectIdleSeconds ?? 0}
              onChange={disconnectIdleSeconds => set({ disconnectIdleSeconds })}
            />
            <Minutes
              label={labels.names.endDisconnectedSeconds}
              hint={labels.minutesHint}
              value={item.endDisconnectedSeconds ?? 0}
              onChange={endDisconnectedSeconds => set({ endDisconnectedSeconds })}
            />
            <Events scripts={item.eventScripts ?? {}} onChange={eventScripts => set({ eventScripts })} />
          </>
        )}
      </Named>
    </>
  );
}

interface EventsProps {
  scripts: NonNullable<ProfileSetting["eventScripts"]>;
  onChange: (scripts: NonNullable<ProfileSetting["eventScripts"]>) => void;
}

/** Scripts at events of the profile's sessions: few profiles have any. */
function Events({ scripts, onChange }: EventsProps) {
  const set = EVENTS.filter(event => scripts[event]).length;
  // From then on it is the reader who folds it: it must not close while the last script is deleted.
  const [open] = useState(set > 0);
  return (
    <details className={classes.events} open={open}>
      <summary>{labels.events(set)}</summary>
      <p className={classes.hint}>{labels.eventsHint}</p>
      {EVENTS.map(event => (
        <Area
          key={event}
          label={labels.names[event]}
          rows={2}
          value={scripts[event] ?? ""}
          onChange={script => {
            const { [event]: _former, ...others } = scripts;
            onChange(script ? { ...others, [event]: script } : others);
          }}
        />
      ))}
    </details>
  );
}

const LEVELS = ["error", "warn", "info", "debug"] as const;

export function GlobalDebugSection({ draft, change }: SectionProps) {
  return (
    <LogLevel
      hint={labels.logLevelGlobalHint}
      value={words(draft, "logLevel") || "info"}
      onChange={logLevel => change({ logLevel })}
    />
  );
}

interface LogLevelProps {
  hint: string;
  value: string;
  inherit?: boolean;
  onChange: (value: string) => void;
}

export function LogLevel({ hint, value, inherit = false, onChange }: LogLevelProps) {
  return (
    <Choice
      label={labels.names.logLevel}
      hint={hint}
      value={value}
      options={[
        ...(inherit ? [{ value: "", label: labels.asGlobal }] : []),
        ...LEVELS.map(level => ({ value: level, label: labels.levels[level] })),
      ]}
      onChange={onChange}
    />
  );
}
