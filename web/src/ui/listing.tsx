/** A list that filters, sorts and exports: a table where there is room, otherwise cards. */
import "../styles/controls.css";
import { Button, NativeSelect, SegmentedControl, Skeleton, TextInput, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconDownload, IconSearch } from "@tabler/icons-react";
import { type ReactNode, useMemo, useState } from "react";
import { saveFile } from "../csv.ts";
import { text } from "../text.ts";
import { Empty } from "./empty.tsx";
import classes from "./listing.module.css";
import { ProblemView } from "./problem.tsx";
import { type Fields, fits, type RowOrder, rowsToCsv, sorted } from "./rows.ts";
import { useSteady } from "./steady.ts";
import table from "./table.module.css";
import { useWide } from "./use-wide.ts";

export interface Column<T> extends Fields<T> {
  label: string;
  cell: (row: T) => ReactNode;
  /** A figure: at the end of its column, sorted from the largest. */
  figure?: boolean;
}

export interface RowGroup<T> {
  key: string;
  label: (count: number) => string;
  has: (row: T) => boolean;
}

interface Props<T> {
  title: string;
  /** Below the title. */
  hint?: ReactNode;
  /** Further buttons beside the title. */
  tools?: ReactNode;
  filter: string;
  /** The first names the row. */
  columns: readonly Column<T>[];
  groups?: readonly RowGroup<T>[];
  /** Undefined until they are known. */
  rows: readonly T[] | undefined;
  error?: unknown;
  onRetry?: () => void;
  id: (row: T) => string;
  order: RowOrder;
  empty: { title: string; hint: string };
  /** Name of the exported file, without its ending; without one there is no export. */
  file?: string;
  actions?: (row: T) => ReactNode;
  /** Whether a row stands for something that is wrong. */
  wrong?: (row: T) => boolean;
  /** Below another heading of the page. */
  part?: boolean;
}

export function Listing<T>(props: Props<T>) {
  const { title, hint, tools, columns, groups, rows, error, onRetry, id, empty, file, part } = props;
  const [filter, setFilter] = useState("");
  const [group, setGroup] = useState(groups?.[0]?.key ?? "");
  const [order, setOrder] = useState(props.order);
  const within = groups?.find(({ key }) => key === group);
  const wide = useWide();
  const inOrder = useMemo(() => {
    const kept = (rows ?? []).filter(
      row => (within?.has(row) ?? true) && fits(columns.map(({ value }) => value(row)).join("\n"), filter),
    );
    return sorted(kept, columns, order, id);
  }, [rows, columns, within, filter, order, id]);
  const [shown, hold] = useSteady(inOrder, id, [order.key, order.down, group, filter].join("\n"));
  const sort = (column: Column<T>) =>
    setOrder(before => ({
      key: column.key,
      down: before.key === column.key ? !before.down : column.figure === true,
    }));
  const clear = () => {
    setFilter("");
    setGroup(groups?.[0]?.key ?? "");
  };
  const Heading = part ? "h2" : "h1";
  return (
    <section aria-label={title}>
      <div className={classes.head}>
        <Heading className={classes.title}>{title}</Heading>
        {tools}
        {file ? (
          <Button
            variant="default"
            size="compact-md"
            fz="sm"
            leftSection={<IconDownload size={16} aria-hidden />}
            disabled={shown.length === 0}
            onClick={() => saveFile(`${file}.csv`, "text/csv", rowsToCsv(shown, columns))}
          >
            {text.listing.exportCsv}
          </Button>
        ) : null}
      </div>
      {hint ? <p className={classes.hint}>{hint}</p> : null}
      {rows && rows.length > 0 ? (
        <div className={classes.tools}>
          <TextInput
            className={classes.filter ?? ""}
            aria-label={props.filter}
            placeholder={props.filter}
            type="search"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={filter}
            onChange={event => setFilter(event.currentTarget.value)}
          />
          {groups ? (
            <SegmentedControl
              aria-label={text.listing.show}
              className={classes.groups ?? ""}
              data={groups.map(({ key, label, has }) => ({
                value: key,
                label: label(rows.filter(has).length),
              }))}
              value={group}
              onChange={setGroup}
            />
          ) : null}
          {wide ? null : (
            <NativeSelect
              aria-label={text.listing.sortBy}
              data={columns.map(({ key, label }) => ({ value: key, label }))}
              value={order.key}
              onChange={event => {
                const column = columns.find(({ key }) => key === event.currentTarget.value);
                if (column) setOrder({ key: column.key, down: column.figure === true });
              }}
            />
          )}
        </div>
      ) : null}
      {error && !rows ? (
        <ProblemView error={error} {...(onRetry ? { onRetry } : {})} />
      ) : !rows ? (
        <output className={classes.waiting} aria-label={text.common.loading}>
          {[1, 2, 3].map(row => (
            <Skeleton key={row} height={52} radius="md" />
          ))}
        </output>
      ) : rows.length === 0 ? (
        <Empty title={empty.title} hint={empty.hint} />
      ) : shown.length === 0 ? (
        <Empty title={text.listing.nothing}>
          <Button variant="default" onClick={clear}>
            {text.listing.clear}
          </Button>
        </Empty>
      ) : (
        <div {...hold}>
          {wide ? (
            <Table {...props} shown={shown} by={order} onSort={sort} />
          ) : (
            <Cards {...props} shown={shown} />
          )}
        </div>
      )}
    </section>
  );
}

interface TableProps<T> extends Props<T> {
  shown: readonly T[];
  by: RowOrder;
  onSort: (column: Column<T>) => void;
}

function Table<T>({ columns, shown, by, onSort, id, actions, wrong, title }: TableProps<T>) {
  return (
    <div className={table.scroll}>
      <table className={table.table} aria-label={title}>
        <thead>
          <tr>
            {columns.map(column => (
              <th
                key={column.key}
                scope="col"
                data-figure={column.figure || undefined}
                aria-sort={by.key === column.key ? (by.down ? "descending" : "ascending") : "none"}
              >
                <UnstyledButton className={table.sort} onClick={() => onSort(column)}>
                  {column.label}
                  {by.key !== column.key ? null : by.down ? (
                    <IconArrowDown size={13} aria-hidden />
                  ) : (
                    <IconArrowUp size={13} aria-hidden />
                  )}
                </UnstyledButton>
              </th>
            ))}
            {actions ? (
              <th scope="col">
                <span className="hidden">{text.listing.actions}</span>
              </th>
            ) : null}
          </tr>
        </thead>
        <tbody>
          {shown.map(row => (
            <tr key={id(row)} data-wrong={wrong?.(row) || undefined}>
              {columns.map((column, index) =>
                index === 0 ? (
                  <th key={column.key} scope="row">
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.key} data-figure={column.figure || undefined}>
                    {column.cell(row)}
                  </td>
                ),
              )}
              {actions ? <td className={classes.actions}>{actions(row)}</td> : null}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cards<T>({ columns, shown, id, actions, wrong, title }: Props<T> & { shown: readonly T[] }) {
  const [name, ...rest] = columns;
  return (
    <ul className={classes.cards} aria-label={title}>
      {shown.map(row => (
        <li key={id(row)} className={classes.card} data-wrong={wrong?.(row) || undefined}>
          <div className={classes.cardHead}>
            <div className={classes.cardName}>{name?.cell(row)}</div>
            {actions?.(row)}
          </div>
          <dl className={classes.facts}>
            {rest.map(column => (
              <div key={column.key}>
                <dt>{column.label}</dt>
                <dd>{column.cell(row)}</dd>
              </div>
            ))}
          </dl>
        </li>
      ))}
    </ul>
  );
}
