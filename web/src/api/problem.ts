/** Turns whatever went wrong into one shape that a person can act on. */
import { text } from "../text.ts";
import type { Problem, ServerVerdict } from "./types.ts";

/** An error that carries a problem document. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** Seconds after which a new try makes sense, when the server said so. */
  readonly retryAfter: number | undefined;

  constructor(problem: Problem, retryAfter?: number) {
    super(problem.title);
    this.name = "ProblemError";
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function words(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function verdicts(value: unknown): ServerVerdict[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isRecord).map(entry => ({
    serverId: words(entry.serverId) || words(entry.server_id),
    chosen: entry.chosen === true,
    by: words(entry.by),
    reason: words(entry.reason),
  }));
}

/** Reads a problem document; an answer without one still becomes a sentence that helps. */
export function problemFrom(body: unknown, status: number): Problem {
  if (isRecord(body) && typeof body.title === "string" && typeof body.type === "string") {
    return {
      type: body.type.replace(/^.*[/:#]/, ""),
      title: body.title,
      status: typeof body.status === "number" ? body.status : status,
      detail: words(body.detail),
      action: words(body.action),
      traceId: words(body.traceId) || words(body.trace_id),
      servers: verdicts(body.servers),
      ...(typeof body.serverId === "string" ? { serverId: body.serverId } : {}),
      ...(typeof body.login === "string" ? { login: body.login } : {}),
    };
  }
  const known = status >= 500 ? text.problem.serverFault : text.problem.unexpected;
  return {
    type: "unexpected-answer",
    title: known.title,
    status,
    detail: known.detail(status),
    action: known.action,
  };
}

/** The problem when no answer came at all. */
export function unreachable(): Problem {
  const { title, detail, action } = text.problem.unreachable;
  return { type: "unreachable", title, status: 0, detail, action };
}

export function toProblem(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  const { title, action } = text.problem.internal;
  const detail = error instanceof Error ? error.message : String(error);
  return { type: "client-fault", title, status: 0, detail, action };
}

/** A refusal as plain text, for a report to somebody who can help. */
export function problemReport(problem: Problem, at: Date, page: string): string {
  const lines = [
    `${problem.title} (${problem.type}${problem.status ? `, ${problem.status}` : ""})`,
    problem.detail,
    problem.action,
    ...(problem.servers ?? []).map(verdict => `${verdict.serverId}: ${verdictReason(verdict)}`),
    problem.traceId ? `${text.problem.traceId}: ${problem.traceId}` : "",
    `${at.toISOString()} ${page}`,
  ];
  return lines.filter(line => line).join("\n");
}

/** Why a server was or was not chosen, with who said so. */
export function verdictReason(verdict: ServerVerdict): string {
  if (verdict.chosen) return text.decision.chosen;
  const reason = verdict.reason || text.decision.noReason;
  if (!verdict.by || verdict.by === "cluster") return reason;
  return text.decision.reasonBy(reason, verdict.by);
}
