/** Version, where the page comes from, and the keyboard. */
import "../styles/dialogs.css";
import { Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import { text } from "../text.ts";
import classes from "./about.module.css";
import facts from "./facts.module.css";

export function About({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const info = useQuery({ queryKey: ["info"], queryFn: ({ signal }) => api.info(signal), enabled: opened });
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={`${text.about.title} ${text.product}`}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      <dl className={facts.facts}>
        <dt>{text.about.cluster}</dt>
        <dd>{info.data?.cluster ?? "…"}</dd>
        <dt>{text.about.server}</dt>
        <dd>{info.data?.serverId ?? "…"}</dd>
        <dt>{text.about.version}</dt>
        <dd>{info.data?.version ?? "…"}</dd>
      </dl>
      <h3 className={classes.heading}>{text.about.keyboard}</h3>
      <dl className={classes.keys}>
        {text.about.keys.map(({ keys, means }) => (
          <div key={means}>
            <dt>
              {keys.map(key => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{means}</dd>
          </div>
        ))}
      </dl>
      <p className={classes.notices}>
        <a href="/third-party-notices.txt" target="_blank" rel="noreferrer">
          {text.about.notices}
        </a>
      </p>
    </Modal>
  );
}
