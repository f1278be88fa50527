/** Manage › Servers: every server of the cluster, live, as a table or as cards. */
import "../../styles/controls.css";
import { Button, Menu, NativeSelect, SegmentedControl, Skeleton, TextInput } from "@mantine/core";
import { IconDownload, IconSearch } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { saveFile } from "../../csv.ts";
import { useKnown, useLine, useServers } from "../../live/live.ts";
import type { Server } from "../../live/reducer.ts";
import { usePreference } from "../../preferences.ts";
import { text } from "../../text.ts";
import { Empty } from "../../ui/empty.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import { useSteady } from "../../ui/steady.ts";
import { usePageTitle } from "../../ui/title.ts";
import { useWide } from "../../ui/use-wide.ts";
import { arrange, type Column, type Group, inGroup, matches, type Order, toCsv } from "./list.ts";
import { ServerCards } from "./server-cards.tsx";
import { ServerDetails } from "./server-details.tsx";
import { ServerTable } from "./server-table.tsx";
import classes from "./servers.module.css";

const GROUPS: readonly Group[] = ["all", "online", "lost", "closed"];

const idOf = ({ serverId }: Server) => serverId;

export function Servers() {
  usePageTitle(text.servers.pageTitle);
  const known = useKnown();
  const line = useLine();
  const servers = useServers();
  const [filter, setFilter] = useState("");
  const [group, setGroup] = useState<Group>("all");
  const [order, setOrder] = useState<Order>({ column: "server", down: false });
  const [layout, setLayout] = usePreference("serverLayout", ["table", "cards"]);
  const [openId, setOpenId] = useState<string>();
  const wide = useWide();
  const table = wide && layout === "table";
  const inOrder = useMemo(
    () =>
      arrange(
        servers.filter(server => inGroup(server, group) && matches(server, filter)),
        order,
      ),
    [servers, group, filter, order],
  );
  const [shown, hold] = useSteady(inOrder, idOf, [order.column, order.down, group, filter].join("\n"));
  const open = servers.find(({ serverId }) => serverId === openId);
  const groups = GROUPS.map(each => ({
    value: each,
    label: text.servers[each](servers.filter(server => inGroup(server, each)).length),
  }));
  const sort = (column: Column) =>
    setOrder(before => ({ column, down: before.column === column ? !before.down : startsDown(column) }));
  const clear = () => {
    setFilter("");
    setGroup("all");
  };
  return (
    <>
      <div className={classes.head}>
        <h1>{text.servers.title}</h1>
        {wide ? (
          <SegmentedControl
            aria-label={text.servers.layout}
            size="xs"
            data={[
              { value: "table", label: text.servers.table },
              { value: "cards", label: text.servers.cards },
            ]}
            value={layout}
            onChange={value => setLayout(value === "cards" ? "cards" : "table")}
          />
        ) : null}
        <Export servers={shown} />
      </div>
      <div className={classes.tools}>
        <TextInput
          className={classes.filter ?? ""}
          aria-label={text.servers.filter}
          placeholder={text.servers.filter}
          type="search"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={filter}
          onChange={event => setFilter(event.currentTarget.value)}
        />
        <SegmentedControl
          aria-label={text.servers.show}
          className={classes.groups ?? ""}
          data={groups}
          value={group}
          onChange={value => setGroup(value as Group)}
        />
        {table ? null : (
          <NativeSelect
            aria-label={text.servers.sortBy}
            data={Object.entries(text.servers.columns).map(([value, label]) => ({ value, label }))}
            value={order.column}
            onChange={event => {
              const column = event.currentTarget.value as Column;
              setOrder({ column, down: startsDown(column) });
            }}
          />
        )}
      </div>
      {!known ? (
        line.kind === "lost" ? (
          <ProblemView error={line.error} />
        ) : (
          <Waiting />
        )
      ) : servers.length === 0 ? (
        <Empty title={text.servers.empty} hint={text.servers.emptyHint} />
      ) : shown.length === 0 ? (
        <Empty title={text.servers.nothing}>
          <Button variant="default" onClick={clear}>
            {text.servers.clear}
          </Button>
        </Empty>
      ) : (
        <div {...hold}>
          {table ? (
            <ServerTable servers={shown} order={order} onSort={sort} onOpen={setOpenId} />
          ) : (
            <ServerCards servers={shown} onOpen={setOpenId} />
          )}
        </div>
      )}
      <ServerDetails server={open} onClose={() => setOpenId(undefined)} />
    </>
  );
}

/** Figures are looked at from the largest, names from A. */
function startsDown(column: Column): boolean {
  return column !== "server" && column !== "version" && column !== "seen";
}

function Waiting() {
  return (
    <output className={classes.waiting} aria-label={text.common.loading}>
      {[1, 2, 3, 4, 5].map(row => (
        <Skeleton key={row} height={52} radius="md" />
      ))}
    </output>
  );
}

function Export({ servers }: { servers: readonly Server[] }) {
  const json = () => JSON.stringify(servers, null, 2);
  return (
    <Menu>
      <Menu.Target>
        <Button
          variant="default"
          size="compact-md"
          fz="sm"
          leftSection={<IconDownload size={16} aria-hidden />}
          disabled={servers.length === 0}
        >
          {text.servers.export}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => saveFile("servers.csv", "text/csv", toCsv(servers))}>
          {text.servers.exportCsv}
        </Menu.Item>
        <Menu.Item onClick={() => saveFile("servers.json", "application/json", json())}>
          {text.servers.exportJson}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
