/** The scripts that choose a server: compiled by the server before they are stored, faults shown where they are. */
import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type RefObject, useMemo, useRef, useState } from "react";
import { api } from "../../api/client.ts";
import { useServers } from "../../live/live.ts";
import { text } from "../../text.ts";
import { ProblemView } from "../../ui/problem.tsx";
import { completion } from "./completion.ts";
import { Area, Choice, Named, Whole, Word } from "./fields.tsx";
import type { SectionProps } from "./global.tsx";
import { entries, lineAt, type ScriptSetting } from "./settings.ts";
import classes from "./system.module.css";

const labels = text.system;

const BUILTINS = ["fewestSessions", "mostAvailableMemory", "roundRobin", "whereIAmConnected"] as const;
const FIRST_LINES = "function choose(input) {\n  return input.servers[0].serverId;\n}\n";

export function ScriptsSection({ draft, wrong, change }: SectionProps) {
  const fresh: ScriptSetting = {
    name: "",
    actions: ["session/start"],
    order: 0,
    source: FIRST_LINES,
    builtin: "",
  };
  return (
    <>
      <p className={classes.hint}>{labels.scriptsHint}</p>
      <Named<ScriptSetting>
        items={entries<ScriptSetting>(draft, "scripts")}
        fresh={fresh}
        add={labels.addScript}
        empty={labels.noScripts}
        remove={item => labels.remove(item.name)}
        onChange={scripts => change({ scripts })}
      >
        {(item, index, set) => (
          <>
            <Word
              label={labels.names.name}
              mono
              value={item.name ?? ""}
              error={wrong[`scripts.${index}.name`]}
              onChange={name => set({ name })}
            />
            <Whole
              label={labels.names.order}
              hint={labels.orderHint}
              value={item.order ?? 0}
              onChange={order => set({ order })}
            />
            <Choice
              label={labels.names.builtin}
              value={item.builtin ?? ""}
              options={[
                { value: "", label: labels.ownScript },
                ...BUILTINS.map(name => ({ value: name, label: labels.builtins[name] })),
              ]}
              onChange={builtin => set({ builtin, source: builtin ? "" : item.source || FIRST_LINES })}
            />
            {item.builtin ? null : (
              <Source
                source={item.source ?? ""}
                error={wrong[`scripts.${index}.source`]}
                onChange={source => set({ source })}
              />
            )}
          </>
        )}
      </Named>
    </>
  );
}

interface SourceProps {
  source: string;
  error?: string | undefined;
  onChange: (source: string) => void;
}

/** What was found is said until the text is another one. */
function Source({ source, error, onChange }: SourceProps) {
  const box = useRef<HTMLTextAreaElement>(null);
  const [caret, setCaret] = useState<number>();
  const check = useMutation({ mutationFn: (tried: string) => api.checkScript(tried) });
  const found = check.variables === source ? check.data : undefined;
  const fault = found && !found.ok ? labels.fault(found.message, found.line, found.column) : undefined;
  const show = (line: number) => {
    const [from, to] = lineAt(source, line);
    box.current?.focus();
    box.current?.setSelectionRange(from, to);
  };
  const line = found?.line;
  return (
    <div className={classes.source}>
      <Area
        label={labels.names.source}
        hint={labels.sourceHint}
        rows={Math.min(24, Math.max(8, source.split("\n").length + 1))}
        box={box}
        script
        error={error ?? fault}
        value={source}
        onChange={onChange}
        onLeave={() => source.trim() && check.mutate(source)}
        onCaret={setCaret}
      />
      <Names source={source} caret={caret} box={box} onChange={onChange} />
      <p role="status" className={classes.hint}>
        {found?.ok ? labels.compiles : ""}
      </p>
      <div className={classes.try}>
        <Button
          variant="default"
          size="compact-sm"
          loading={check.isPending}
          disabled={!source.trim()}
          onClick={() => check.mutate(source)}
        >
          {labels.checkScript}
        </Button>
        {line ? (
          <Button variant="subtle" size="compact-sm" onClick={() => show(line)}>
            {labels.showLine(line)}
          </Button>
        ) : null}
      </div>
      {check.isError ? <ProblemView error={check.error} /> : null}
    </div>
  );
}

interface NamesProps {
  source: string;
  caret: number | undefined;
  box: RefObject<HTMLTextAreaElement | null>;
  onChange: (source: string) => void;
}

/** What may follow the dot before the caret: the next stop of Tab, and a press puts it there. */
function Names({ source, caret, box, onChange }: NamesProps) {
  const servers = useServers();
  const own = useMemo(
    () => [
      ...new Set(
        servers.flatMap(({ details }) => Object.keys({ ...details?.staticData, ...details?.metrics })),
      ),
    ],
    [servers],
  );
  const offered = caret === undefined ? undefined : completion(source, caret, own);
  const put = (name: string) => {
    if (!box.current || !offered || caret === undefined) return;
    box.current.focus();
    box.current.setRangeText(name, offered.from, caret, "end");
    onChange(box.current.value);
  };
  return (
    <fieldset className={classes.names} aria-label={labels.complete}>
      {offered ? (
        offered.names.map(name => (
          <button key={name} type="button" onClick={() => put(name)}>
            {name}
          </button>
        ))
      ) : (
        <p className={classes.hint}>{labels.completeHint}</p>
      )}
    </fieldset>
  );
}
