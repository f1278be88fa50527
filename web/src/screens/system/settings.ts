/** The settings that this client knows, read from documents that may hold less and more. */
import type { Document } from "../../api/types.ts";
import { text } from "../../text.ts";

export interface ApplicationSetting {
  name: string;
  title: string;
  command: string;
  icon: string;
  windowMode: string;
  profile: string;
}

export interface ProfileSetting {
  name: string;
  maxGeometry: string;
  clipboard: string;
  disconnectIdleSeconds: number;
  endDisconnectedSeconds: number;
  eventScripts?: Partial<Record<SessionEvent, string>>;
}

/** What a profile may have a script for. */
export const EVENTS = ["start", "connect", "disconnect", "params", "terminate"] as const;
export type SessionEvent = (typeof EVENTS)[number];

export interface ScriptSetting {
  name: string;
  actions: string[];
  order: number;
  /** JavaScript of one function; empty with `builtin`. */
  source: string;
  builtin: string;
}

/** Where a line begins and ends in a text; lines count from 1. */
export function lineAt(source: string, line: number): [number, number] {
  const before = source.split("\n").slice(0, line - 1);
  const from = before.reduce((sum, each) => sum + each.length + 1, 0);
  const end = source.indexOf("\n", from);
  return [Math.min(from, source.length), end < 0 ? source.length : end];
}

export const words = (document: Document, key: string): string =>
  typeof document[key] === "string" ? document[key] : "";

export const flag = (document: Document, key: string): boolean => document[key] === true;

export function list(document: Document, key: string): string[] {
  const value = document[key];
  return Array.isArray(value) ? value.filter(each => typeof each === "string") : [];
}

export function part(document: Document, key: string): Document {
  const value = document[key];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Document) : {};
}

export function entries<T>(document: Document, key: string): T[] {
  const value = document[key];
  return Array.isArray(value) ? (value as T[]) : [];
}

const NAME = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/;
const GEOMETRY = /^\d{2,5}x\d{2,5}$/;

/** What is wrong, by the id of its field. */
export type Wrong = Readonly<Record<string, string>>;

/** The fields of lists of named things that cannot be stored as they are. */
export function wrongIn(document: Document): Wrong {
  const wrong: Record<string, string> = {};
  const told = text.system.wrong;
  for (const key of ["scripts", "applications", "profiles"] as const) {
    const seen = new Set<string>();
    entries<{ name?: string }>(document, key).forEach(({ name = "" }, index) => {
      if (!NAME.test(name)) wrong[`${key}.${index}.name`] = told.name;
      else if (seen.has(name)) wrong[`${key}.${index}.name`] = told.twice;
      seen.add(name);
    });
  }
  entries<ScriptSetting>(document, "scripts").forEach(({ source = "", builtin = "" }, index) => {
    if (!builtin && !source.trim()) wrong[`scripts.${index}.source`] = told.source;
  });
  entries<ApplicationSetting>(document, "applications").forEach(({ command = "" }, index) => {
    if (!command.trim()) wrong[`applications.${index}.command`] = told.command;
  });
  entries<ProfileSetting>(document, "profiles").forEach(({ maxGeometry = "" }, index) => {
    if (maxGeometry && !GEOMETRY.test(maxGeometry)) wrong[`profiles.${index}.maxGeometry`] = told.geometry;
  });
  return wrong;
}
