/** Starts an application or a command with chosen size, name, profile and server. */
import "../../styles/controls.css";
import { Button, NativeSelect, SegmentedControl, Skeleton, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type FormEvent, useId, useRef, useState } from "react";
import type { Applications, StartRequest } from "../../api/types.ts";
import { useServers } from "../../live/live.ts";
import { text } from "../../text.ts";
import { ProblemView } from "../../ui/problem.tsx";
import { usePageTitle } from "../../ui/title.ts";
import { applicationsQuery } from "../home/applications.ts";
import { StartPhases } from "./phases.tsx";
import { FIXED_SIZES, requestOf, type StartForm } from "./request.ts";
import classes from "./start.module.css";
import { newKey, useStart } from "./use-start.ts";

const route = getRouteApi("/signed-in/shell/start");
const COMMAND = "";

export function Start() {
  usePageTitle(text.start.pageTitle);
  const applications = useQuery(applicationsQuery);
  return (
    <div className={classes.page}>
      <h1>{text.start.title}</h1>
      {applications.isPending ? (
        <Skeleton height={360} radius="md" />
      ) : applications.isError ? (
        <ProblemView error={applications.error} onRetry={() => void applications.refetch()} />
      ) : (
        <StartFields offered={applications.data} />
      )}
    </div>
  );
}

function StartFields({ offered }: { offered: Applications }) {
  const wanted = route.useSearch().application;
  const known = offered.applications.some(({ name }) => name === wanted);
  const commandField = useRef<HTMLInputElement>(null);
  const start = useStart();
  const [error, setError] = useState("");
  const [form, setForm] = useState<StartForm>({
    application:
      known && wanted ? wanted : offered.commandAllowed ? COMMAND : (offered.applications[0]?.name ?? ""),
    command: "",
    size: "fit",
    resolution: FIXED_SIZES[1],
    name: "",
    profile: "",
    serverId: "",
  });
  const change = (part: Partial<StartForm>) => setForm(before => ({ ...before, ...part }));
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (form.application === COMMAND && !form.command.trim()) {
      setError(text.start.needCommand);
      commandField.current?.focus();
      return;
    }
    setError("");
    const request: StartRequest = requestOf(form, { width: window.innerWidth, height: window.innerHeight });
    start.mutate({ request, key: newKey() });
  };
  if (start.isPending || start.isSuccess) return <StartPhases />;
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      {start.isError ? (
        <ProblemView heading={text.start.refused} error={start.error} onRetry={() => submit()} />
      ) : null}
      <What offered={offered} form={form} change={change} />
      {form.application === COMMAND ? (
        <TextInput
          ref={commandField}
          label={text.start.command}
          description={text.start.commandHint}
          autoFocus
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          classNames={{ input: classes.mono ?? "" }}
          value={form.command}
          error={error}
          onChange={event => change({ command: event.currentTarget.value })}
        />
      ) : null}
      <Size form={form} change={change} />
      <TextInput
        label={text.start.name}
        description={text.start.nameHint}
        autoComplete="off"
        maxLength={128}
        value={form.name}
        onChange={event => change({ name: event.currentTarget.value })}
      />
      <ProfileChoice offered={offered} form={form} change={change} />
      {offered.serverChoiceAllowed ? <ServerChoice form={form} change={change} /> : null}
      <div className={classes.actions}>
        <Button type="submit" size="md">
          {text.start.submit}
        </Button>
        <Button component={Link} to="/" size="md" variant="subtle">
          {text.common.cancel}
        </Button>
      </div>
    </form>
  );
}

interface PartProps {
  form: StartForm;
  change: (part: Partial<StartForm>) => void;
}

function What({ offered, form, change }: PartProps & { offered: Applications }) {
  const choices = [
    ...offered.applications.map(({ name, title }) => ({ value: name, label: title || name })),
    ...(offered.commandAllowed ? [{ value: COMMAND, label: text.home.other }] : []),
  ];
  if (choices.length < 2) return null;
  return (
    <NativeSelect
      label={text.start.what}
      data={choices}
      value={form.application}
      onChange={event => change({ application: event.currentTarget.value })}
    />
  );
}

function Size({ form, change }: PartProps) {
  const label = useId();
  return (
    <div className={classes.size}>
      <div>
        <p id={label} className={classes.label}>
          {text.start.size}
        </p>
        <SegmentedControl
          aria-labelledby={label}
          data={[
            { value: "fit", label: text.start.fit },
            { value: "fixed", label: text.start.fixed },
          ]}
          value={form.size}
          onChange={size => change({ size: size === "fixed" ? "fixed" : "fit" })}
        />
      </div>
      {form.size === "fixed" ? (
        <NativeSelect
          label={text.start.resolution}
          data={FIXED_SIZES.map(size => ({ value: size, label: size.replace("x", " × ") }))}
          value={form.resolution}
          onChange={event => change({ resolution: event.currentTarget.value })}
        />
      ) : null}
    </div>
  );
}

/** The profiles that applications here use; a command may want one of them, too. */
function ProfileChoice({ offered, form, change }: PartProps & { offered: Applications }) {
  const names = [...new Set(offered.applications.map(({ profile }) => profile))].filter(Boolean).sort();
  if (names.length === 0) return null;
  return (
    <NativeSelect
      label={text.start.profile}
      description={text.start.profileHint}
      data={[
        { value: "", label: text.start.usualProfile },
        ...names.map(name => ({ value: name, label: name })),
      ]}
      value={form.profile}
      onChange={event => change({ profile: event.currentTarget.value })}
    />
  );
}

function ServerChoice({ form, change }: PartProps) {
  const servers = useServers();
  return (
    <NativeSelect
      label={text.start.server}
      data={[
        { value: "", label: text.start.automatic },
        ...servers.map(({ serverId, hostname, online }) => ({
          value: serverId,
          label: online ? hostname : `${hostname} (${text.start.offline})`,
          disabled: !online,
        })),
      ]}
      value={form.serverId}
      onChange={event => change({ serverId: event.currentTarget.value })}
    />
  );
}
