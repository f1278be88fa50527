/** System: the settings of all servers or of one, as a draft until its differences were looked at. */
import "../../styles/controls.css";
import "../../styles/dialogs.css";
import { Button, Modal, Skeleton } from "@mantine/core";
import { IconLock, IconServer, IconWorld } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useBlocker } from "@tanstack/react-router";
import { type ComponentType, useState } from "react";
import { api } from "../../api/client.ts";
import { toProblem } from "../../api/problem.ts";
import type { Document, Scope, SystemSettings } from "../../api/types.ts";
import { useServer } from "../../live/live.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import dialog from "../../ui/dialog.module.css";
import { Empty } from "../../ui/empty.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import { Tabs } from "../../ui/tabs.tsx";
import { usePageTitle } from "../../ui/title.ts";
import { say } from "../../ui/toasts.tsx";
import { type Change, changes, told } from "./changes.ts";
import {
  ApplicationsSection,
  GlobalDebugSection,
  ProfilesSection,
  RolesSection,
  type SectionProps,
  SignInSection,
} from "./global.tsx";
import { LocalDebugSection, ServerSection, StaticDataSection } from "./local.tsx";
import { systemQuery } from "./query.ts";
import { ScriptsSection } from "./scripts.tsx";
import { wrongIn } from "./settings.ts";
import classes from "./system.module.css";

const words = text.system;
const route = getRouteApi("/signed-in/shell/system/$scope");

const SECTIONS = {
  global: ["signIn", "roles", "applications", "profiles", "scripts", "debugging"],
  local: ["server", "staticData", "debugging"],
} as const;
type Section = (typeof SECTIONS)[Scope][number];

export function System() {
  usePageTitle(words.title);
  const me = useMe();
  const scope: Scope = route.useParams().scope === "local" ? "local" : "global";
  const settings = useQuery(systemQuery(scope));
  if (me.role !== "admin") return <Empty whole title={words.notAllowed} hint={text.servers.notAllowedHint} />;
  return (
    <>
      <h1 className={classes.title}>{words.title}</h1>
      <Tabs
        label={words.scope}
        tabs={[
          { to: "/system/global", label: words.scopes.global },
          { to: "/system/local", label: words.scopes.local },
        ]}
      />
      <Mark scope={scope} />
      {settings.isPending ? (
        <Skeleton height={320} radius="md" />
      ) : settings.isError ? (
        <ProblemView error={settings.error} onRetry={() => void settings.refetch()} />
      ) : (
        <Editor key={`${scope} ${settings.data.generation}`} scope={scope} settings={settings.data} />
      )}
    </>
  );
}

/** Whom a change reaches, where nobody can miss it. */
function Mark({ scope }: { scope: Scope }) {
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

function Editor({ scope, settings }: { scope: Scope; settings: SystemSettings }) {
  const [draft, setDraft] = useState<Document>(settings.document);
  const [section, setSection] = useState<Section>(SECTIONS[scope][0]);
  const [badData, setBadData] = useState("");
  const [reviewing, setReviewing] = useState(false);
  // A draft that is discarded takes what was typed beside it along.
  const [round, setRound] = useState(0);
  const differences = changes(settings.document, draft);
  const wrong = wrongIn(draft);
  const dirty = differences.length > 0 || badData !== "";
  const locked = settings.managedBy !== "";
  const blocker = useBlocker({
    shouldBlockFn: () => dirty,
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  const discard = () => {
    setDraft(settings.document);
    setBadData("");
    setRound(before => before + 1);
  };
  const parts: SectionProps = {
    draft,
    wrong,
    change: part => setDraft(before => ({ ...before, ...part })),
  };
  return (
    <>
      {locked ? <Locked scope={scope} managedBy={settings.managedBy} /> : null}
      <div className={classes.page}>
        <nav className={classes.sections} aria-label={words.sections}>
          {SECTIONS[scope].map(each => (
            <button
              key={each}
              type="button"
              aria-current={each === section ? "true" : undefined}
              onClick={() => setSection(each)}
            >
              {words.sectionNames[each]}
            </button>
          ))}
        </nav>
        <form className={classes.form} onSubmit={event => event.preventDefault()} aria-labelledby="section">
          <h2 id="section">{words.sectionNames[section]}</h2>
          <fieldset key={round} disabled={locked} className={classes.fields}>
            <legend className="hidden">{words.sectionNames[section]}</legend>
            {section === "staticData" ? (
              <StaticDataSection {...parts} onWrong={setBadData} />
            ) : (
              <Chosen scope={scope} section={section} parts={parts} />
            )}
          </fieldset>
        </form>
      </div>
      {dirty ? (
        <SaveBar
          count={differences.length}
          wrong={badData !== "" || Object.keys(wrong).length > 0}
          onDiscard={discard}
          onReview={() => setReviewing(true)}
        />
      ) : null}
      <Review
        scope={scope}
        settings={settings}
        draft={draft}
        differences={differences}
        opened={reviewing}
        onClose={() => setReviewing(false)}
      />
      <Confirm
        opened={blocker.status === "blocked"}
        title={words.leaveTitle}
        confirm={words.leave}
        cancel={words.stay}
        onConfirm={() => blocker.proceed?.()}
        onClose={() => blocker.reset?.()}
      >
        <p>{words.leaveLoss}</p>
      </Confirm>
    </>
  );
}

const VIEWS: Record<Exclude<Section, "staticData" | "debugging">, ComponentType<SectionProps>> = {
  signIn: SignInSection,
  roles: RolesSection,
  applications: ApplicationsSection,
  profiles: ProfilesSection,
  scripts: ScriptsSection,
  server: ServerSection,
};

interface ChosenProps {
  scope: Scope;
  section: Exclude<Section, "staticData">;
  parts: SectionProps;
}

function Chosen({ scope, section, parts }: ChosenProps) {
  if (section === "debugging")
    return scope === "global" ? <GlobalDebugSection {...parts} /> : <LocalDebugSection {...parts} />;
  const View = VIEWS[section];
  return <View {...parts} />;
}

/** The resource that holds the settings, and the line that edits it. */
function Locked({ scope, managedBy }: { scope: Scope; managedBy: string }) {
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

interface SaveBarProps {
  count: number;
  wrong: boolean;
  onDiscard: () => void;
  onReview: () => void;
}

function SaveBar({ count, wrong, onDiscard, onReview }: SaveBarProps) {
  return (
    <section className={classes.save} aria-label={words.unsaved}>
      <p role="status">{wrong ? words.fix : words.changes(count)}</p>
      <Button variant="default" onClick={onDiscard}>
        {words.discard}
      </Button>
      <Button onClick={onReview} disabled={wrong || count === 0}>
        {words.review}
      </Button>
    </section>
  );
}

interface ReviewProps {
  scope: Scope;
  settings: SystemSettings;
  draft: Document;
  differences: Change[];
  opened: boolean;
  onClose: () => void;
}

function Review({ scope, settings, draft, differences, opened, onClose }: ReviewProps) {
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () => api.saveSystem(scope, { generation: settings.generation, document: draft }),
    onSuccess: stored => {
      say(words.saved[scope]);
      onClose();
      queries.setQueryData(systemQuery(scope).queryKey, stored);
    },
  });
  const stale = save.isError && toProblem(save.error).type === "config-changed";
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      size="xl"
      title={words.reviewTitle(differences.length)}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      <div className={dialog.body}>
        <Mark scope={scope} />
        <ul className={classes.changes}>
          {differences.map(change => (
            <Difference key={change.path.join("/")} change={change} />
          ))}
        </ul>
        {save.isError ? (
          <ProblemView error={save.error}>
            {stale ? (
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => void queries.invalidateQueries({ queryKey: systemQuery(scope).queryKey })}
              >
                {words.loadNewer}
              </Button>
            ) : null}
          </ProblemView>
        ) : null}
        <div className={dialog.actions}>
          <Button variant="default" onClick={onClose}>
            {words.goOn}
          </Button>
          <Button loading={save.isPending} disabled={stale} onClick={() => save.mutate()} data-autofocus>
            {words.save[scope]}
          </Button>
        </div>
      </div>
    </Modal>
  );
}

function Difference({ change }: { change: Change }) {
  const names: Record<string, string | undefined> = words.names;
  const path = change.path.map(each => names[each] ?? each).join(" › ");
  const [before, after] = [told(change.before), told(change.after)];
  return (
    <li>
      <p>{path}</p>
      {before ? (
        <del>
          <span className="hidden">{words.was} </span>
          {before}
        </del>
      ) : null}
      {after ? (
        <ins>
          <span className="hidden">{words.is} </span>
          {after}
        </ins>
      ) : (
        <ins data-none>{words.nothing}</ins>
      )}
    </li>
  );
}
