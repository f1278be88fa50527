/** Help: the keyboard, what this is, and how to report what goes wrong. */
import "../styles/dialogs.css";
import { Button, Modal } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import { saveFile } from "../csv.ts";
import { useLine } from "../live/live.ts";
import { useMe } from "../me.ts";
import { report } from "../report.ts";
import { text } from "../text.ts";
import classes from "./about.module.css";
import { CopyButton } from "./copy.tsx";
import facts from "./facts.module.css";

const words = text.about;

export function About({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const info = useQuery({ queryKey: ["info"], queryFn: ({ signal }) => api.info(signal), enabled: opened });
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={words.title}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      {words.keyboard.map(({ where, keys }) => (
        <section key={where}>
          <h3 className={classes.heading}>{where}</h3>
          <dl className={classes.keys}>
            {keys.map(({ keys: names, means }) => (
              <div key={means}>
                <dt>
                  {names.map(key => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{means}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      <h3 className={classes.heading}>{words.reporting}</h3>
      <Report version={info.data?.version ?? ""} serverId={info.data?.serverId ?? ""} />
      <h3 className={classes.heading}>{`${words.about} ${text.product}`}</h3>
      <dl className={facts.facts}>
        <dt>{words.cluster}</dt>
        <dd>{info.data?.cluster ?? "…"}</dd>
        <dt>{words.server}</dt>
        <dd>{info.data?.serverId ?? "…"}</dd>
        <dt>{words.version}</dt>
        <dd>{info.data?.version ?? "…"}</dd>
      </dl>
      <p className={classes.notices}>
        <a href="/third-party-notices.txt" target="_blank" rel="noreferrer">
          {words.notices}
        </a>
      </p>
    </Modal>
  );
}

function Report({ version, serverId }: { version: string; serverId: string }) {
  const me = useMe();
  const line = useLine();
  const make = () =>
    report(
      { cluster: me.cluster, version, serverId, role: me.role, line: line.kind },
      window.location.pathname,
      new Date(),
    );
  return (
    <div className={classes.report}>
      <p>{words.reportHint}</p>
      <details>
        <summary>{words.reportShow}</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a text that scrolls must be reachable by keyboard */}
        <pre className={classes.reportText} tabIndex={0}>
          {make()}
        </pre>
      </details>
      <div className={classes.actions}>
        <CopyButton value={make} label={text.problem.copyReport} />
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconDownload size={14} aria-hidden />}
          onClick={() => saveFile("fastx-report.json", "application/json", make())}
        >
          {words.reportSave}
        </Button>
      </div>
    </div>
  );
}
