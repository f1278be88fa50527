/** How a token is told in a list. */
import type { Token } from "../../api/types.ts";
import { text } from "../../text.ts";
import type { Column } from "../../ui/listing.tsx";
import { When } from "../../ui/when.tsx";
import classes from "./tokens.module.css";

const words = text.tokens;

export function methodWords(method: string): string {
  const known: Record<string, string | undefined> = words.methods;
  return known[method] ?? method;
}

export function nameOf(token: Token): string {
  return token.label || words.unnamed;
}

/** `owned` adds whose each is. */
export function tokenColumns(owned: boolean): Column<Token>[] {
  const owner: Column<Token> = {
    key: "login",
    label: words.columns.login,
    value: ({ login }) => login ?? "",
    cell: ({ login }) => login ?? "–",
  };
  const rest: Column<Token>[] = [
    {
      key: "label",
      label: words.columns.label,
      value: nameOf,
      cell: token => (
        <span className={classes.name}>
          {nameOf(token)}
          {token.current ? <span className={classes.mark}>{words.current}</span> : null}
        </span>
      ),
    },
    {
      key: "method",
      label: words.columns.method,
      value: ({ method }) => methodWords(method),
      cell: ({ method }) => methodWords(method),
    },
    {
      key: "address",
      label: words.columns.address,
      value: ({ address }) => address,
      cell: ({ address }) => address || "–",
    },
    {
      key: "issuer",
      label: words.columns.issuer,
      value: ({ issuer }) => issuer,
      cell: ({ issuer }) => issuer,
    },
    {
      key: "issued",
      label: words.columns.issued,
      value: ({ issued }) => issued,
      cell: ({ issued }) => <When at={issued} />,
    },
    {
      key: "expires",
      label: words.columns.expires,
      value: ({ expires }) => expires,
      cell: ({ expires }) => <When at={expires} as="clock" />,
    },
  ];
  return owned ? [owner, ...rest] : rest;
}
