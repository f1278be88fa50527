/** Servers as a table that sorts by any column. */
import { UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import type { Server } from "../../live/reducer.ts";
import { text } from "../../text.ts";
import table from "../../ui/table.module.css";
import type { Column, Order } from "./list.ts";
import { Load, Marks, Memory, Missing, Seen } from "./parts.tsx";
import classes from "./server-table.module.css";

const COLUMNS: readonly Column[] = ["server", "load", "memory", "sessions", "logins", "version", "seen"];

/** Columns of numbers that are compared by their last digits. */
const FIGURES: ReadonlySet<Column> = new Set(["sessions", "logins"]);

interface Props {
  servers: readonly Server[];
  order: Order;
  onSort: (column: Column) => void;
  onOpen: (serverId: string) => void;
}

export function ServerTable({ servers, order, onSort, onOpen }: Props) {
  return (
    <div className={table.scroll}>
      <table className={table.table}>
        <thead>
          <tr>
            {COLUMNS.map(column => (
              <th
                key={column}
                scope="col"
                data-figure={FIGURES.has(column) || undefined}
                aria-sort={order.column === column ? (order.down ? "descending" : "ascending") : "none"}
              >
                <UnstyledButton className={table.sort} onClick={() => onSort(column)}>
                  {text.servers.columns[column]}
                  {order.column !== column ? null : order.down ? (
                    <IconArrowDown size={13} aria-hidden />
                  ) : (
                    <IconArrowUp size={13} aria-hidden />
                  )}
                </UnstyledButton>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {servers.map(server => (
            <Row key={server.serverId} server={server} onOpen={() => onOpen(server.serverId)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ server, onOpen }: { server: Server; onOpen: () => void }) {
  const { details } = server;
  return (
    <tr data-lost={server.online ? undefined : true}>
      <th scope="row">
        <UnstyledButton
          className={classes.name}
          onClick={onOpen}
          aria-label={text.servers.details(server.hostname)}
        >
          {server.hostname}
        </UnstyledButton>
        <Marks server={server} />
        <Missing server={server} />
      </th>
      <td>
        <Load server={server} />
      </td>
      <td>
        <Memory server={server} />
      </td>
      <td data-figure>{details?.sessions ?? 0}</td>
      <td data-figure>{details?.loggedInUsers ?? 0}</td>
      <td>{details?.version || "–"}</td>
      <td>
        <Seen server={server} />
      </td>
    </tr>
  );
}
