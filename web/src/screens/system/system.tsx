/** System: the settings of all servers or of one, as a draft until its differences were looked at. */
import "../../styles/controls.css";
import "../../styles/dialogs.css";
import { Skeleton } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useBlocker } from "@tanstack/react-router";
import { type ComponentType, useState } from "react";
import type { Document, Scope, SystemSettings } from "../../api/types.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Empty } from "../../ui/empty.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import { Tabs } from "../../ui/tabs.tsx";
import { usePageTitle } from "../../ui/title.ts";
import { changes } from "./changes.ts";
import {
  ApplicationsSection,
  GlobalDebugSection,
  ProfilesSection,
  RolesSection,
  type SectionProps,
  SignInSection,
} from "./global.tsx";
import { History } from "./history.tsx";
import { LocalDebugSection, ServerSection, StaticDataSection, wrongData } from "./local.tsx";
import { Locked, Mark } from "./marks.tsx";
import { systemQuery } from "./query.ts";
import { Review, SaveBar } from "./review.tsx";
import { ScriptsSection } from "./scripts.tsx";
import { wrongIn } from "./settings.ts";
import classes from "./system.module.css";

const words = text.system;
const route = getRouteApi("/signed-in/shell/system/$scope");

const SECTIONS = {
  global: ["signIn", "roles", "applications", "profiles", "scripts", "debugging", "history"],
  local: ["server", "staticData", "debugging", "history"],
} as const;
type Section = (typeof SECTIONS)[Scope][number];

export function System() {
  usePageTitle(words.title);
  const me = useMe();
  const scope: Scope = route.useParams().scope === "local" ? "local" : "global";
  const settings = useQuery(systemQuery(scope));
  // Kept here: the editor begins anew with what was saved, and its reader stays where they are.
  const [sections, setSections] = useState<Record<Scope, Section>>({ global: "signIn", local: "server" });
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
        <Editor
          key={`${scope} ${settings.data.generation}`}
          scope={scope}
          settings={settings.data}
          section={sections[scope]}
          onSection={section => setSections(before => ({ ...before, [scope]: section }))}
        />
      )}
    </>
  );
}

interface EditorProps {
  scope: Scope;
  settings: SystemSettings;
  section: Section;
  onSection: (section: Section) => void;
}

function Editor({ scope, settings, section, onSection }: EditorProps) {
  const [draft, setDraft] = useState<Document>(settings.document);
  const [typedData, setTypedData] = useState<string>();
  const [reviewing, setReviewing] = useState(false);
  // A draft that is discarded takes what was typed beside it along.
  const [round, setRound] = useState(0);
  const differences = changes(settings.document, draft);
  const wrong = wrongIn(draft);
  const badData = wrongData(typedData) !== "";
  const dirty = differences.length > 0 || badData;
  const locked = settings.managedBy !== "";
  const blocker = useBlocker({
    shouldBlockFn: () => dirty,
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  const replace = (document: Document) => {
    setDraft(document);
    setTypedData(undefined);
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
        <Sections scope={scope} section={section} onSection={onSection} />
        {section === "history" ? (
          <section className={classes.form} aria-labelledby="section">
            <h2 id="section">{words.sectionNames.history}</h2>
            <History scope={scope} settings={settings} draft={draft} dirty={dirty} onTake={replace} />
          </section>
        ) : (
          <form className={classes.form} onSubmit={event => event.preventDefault()} aria-labelledby="section">
            <h2 id="section">{words.sectionNames[section]}</h2>
            <fieldset key={round} disabled={locked} className={classes.fields}>
              <legend className="hidden">{words.sectionNames[section]}</legend>
              {section === "staticData" ? (
                <StaticDataSection {...parts} typed={typedData} onType={setTypedData} />
              ) : (
                <Chosen scope={scope} section={section} parts={parts} />
              )}
            </fieldset>
          </form>
        )}
      </div>
      {dirty ? (
        <SaveBar
          count={differences.length}
          wrong={badData || Object.keys(wrong).length > 0}
          onDiscard={() => replace(settings.document)}
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

function Sections({ scope, section, onSection }: Omit<EditorProps, "settings">) {
  return (
    <nav className={classes.sections} aria-label={words.sections}>
      {SECTIONS[scope].map(each => (
        <button
          key={each}
          type="button"
          aria-current={each === section ? "true" : undefined}
          data-apart={each === "history" || undefined}
          onClick={() => onSection(each)}
        >
          {each === "history" ? <IconHistory size={16} aria-hidden /> : null}
          {words.sectionNames[each]}
        </button>
      ))}
    </nav>
  );
}

const VIEWS: Record<Exclude<Section, "staticData" | "debugging" | "history">, ComponentType<SectionProps>> = {
  signIn: SignInSection,
  roles: RolesSection,
  applications: ApplicationsSection,
  profiles: ProfilesSection,
  scripts: ScriptsSection,
  server: ServerSection,
};

interface ChosenProps {
  scope: Scope;
  section: Exclude<Section, "staticData" | "history">;
  parts: SectionProps;
}

function Chosen({ scope, section, parts }: ChosenProps) {
  if (section === "debugging")
    return scope === "global" ? <GlobalDebugSection {...parts} /> : <LocalDebugSection {...parts} />;
  const View = VIEWS[section];
  return <View {...parts} />;
}
