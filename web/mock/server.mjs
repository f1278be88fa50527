/** The node's HTTP API over a pretended cluster, with the real page in front of it and switches for every fault. */
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect as connectTcp } from "node:net";
import { extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { keep, versionOf, versionsOf } from "./history.mjs";
import { serve } from "./rfb.mjs";
import { png, scene } from "./scene.mjs";
import {
  applications,
  commands,
  createState,
  newId,
  session as newSession,
  token as newToken,
  profiles,
  screenOf,
  server as serverRecord,
  users,
} from "./state.mjs";
import { accept } from "./ws.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const COOKIE = "__Host-fastx";
const KEEP_EVENTS = 1000;
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** The built page, read once: a build that runs meanwhile must not pull it from under a test. */
function readDist() {
  const files = readdirSync(DIST, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile());
  const paths = files.map(entry => join(entry.parentPath, entry.name));
  return new Map(paths.map(path => [`/${relative(DIST, path)}`, readFileSync(path)]));
}

class Refusal extends Error {
  constructor(status, type, title, more = {}, headers = {}) {
    super(title);
    this.problem = { type, title, status, traceId: newId() + newId(), ...more };
    this.headers = headers;
  }
}

const notFound = () =>
  new Refusal(404, "not-found", "Not found", { detail: "There is no such session, or it is not yours." });

/** Starts a mock on `port` (0 for any); answers its address and the hands to turn it. */
export async function createMock({
  port = 0,
  empty = false,
  startDelay = 400,
  methods = ["local"],
  display,
} = {}) {
  const mock = {
    state: createState({ empty }),
    /** Faults that tests switch on. */
    faults: {
      refuse: undefined,
      cut: false,
      tries: 0,
      direct: "open",
      relay: "open",
      /** What an SSH server asks: nothing more, a one-time code, or a new password after it; or its key is unknown. */
      ssh: "plain",
      /** Servers that want a sign-in before a start. */
      unlinked: [],
      /** As on a server of an older version. */
      noSystem: false,
    },
    methods,
    log: { keys: [], clipboard: [], sizes: [], dialled: [], opened: [], starts: [], logins: [] },
    startDelay,
    display,
    files: readDist(),
    streams: new Set(),
    lines: new Set(),
    events: [],
    epoch: newId(),
    counter: 0,
  };
  const timers = new Set();
  const later = (ms, run) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  };

  const http = createServer((request, response) => void answer(mock, request, response, later));
  http.on("upgrade", (request, socket) => upgrade(mock, request, socket, "relay"));
  const direct = createServer((_request, response) => response.writeHead(404).end());
  direct.on("upgrade", (request, socket) => upgrade(mock, request, socket, "direct"));
  const sockets = new Set();
  for (const each of [http, direct]) {
    each.on("connection", socket => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    });
  }
  await new Promise(resolve => http.listen(port, "localhost", resolve));
  await new Promise(resolve => direct.listen(0, "localhost", resolve));
  mock.url = `http://localhost:${http.address().port}`;
  mock.directUrl = `ws://localhost:${direct.address().port}`;
  const life = setInterval(() => {
    for (const stream of mock.streams) stream.response.write(":\n\n");
  }, 10_000);

  Object.assign(mock, hands(mock, later));
  mock.stop = async () => {
    clearInterval(life);
    for (const timer of timers) clearTimeout(timer);
    for (const stream of mock.streams) stream.response.destroy();
    for (const { line } of mock.lines) line.cut();
    for (const socket of sockets) socket.destroy();
    await Promise.all([new Promise(done => http.close(done)), new Promise(done => direct.close(done))]);
  };
  return mock;
}

/** What a test or a developer can do to the cluster. */
function hands(mock, later) {
  const publish = (name, data, login) => {
    mock.counter += 1;
    const event = { id: `${mock.epoch}-${mock.counter}`, name, data, login };
    mock.events.push(event);
    if (mock.events.length > KEEP_EVENTS) mock.events.shift();
    for (const stream of mock.streams) write(mock, stream, event);
  };
  return {
    publish,
    putSession(part) {
      const known = part.id ? mock.state.sessions.get(part.id) : undefined;
      const next = known
        ? { ...known, ...part, version: known.version + 1, changed: new Date().toISOString() }
        : newSession(part);
      mock.state.sessions.set(next.id, next);
      publish("session", { session: withName(mock, next) });
      return next;
    },
    /** `viewers` look at a session now, by their logins. */
    look(id, ...viewers) {
      const since = new Date().toISOString();
      const viewersList = viewers.map(login => ({ login, mode: "control", since, path: "direct" }));
      mock.putSession({ id, viewers: viewers.length, viewersList });
    },
    /** The session ends soon, unless somebody wants it to stay. */
    warn(id, minutes, text) {
      const at = new Date(Date.now() + minutes * 60_000 + 1_000).toISOString();
      mock.putSession({ id, endsAt: at, endsReason: text, warning: { at, text } });
    },
    session: id => mock.state.sessions.get(id),
    removeSession(id) {
      mock.state.sessions.delete(id);
      publish("sessionRemoved", { id });
    },
    putServer(serverId, part) {
      const known = mock.state.servers.get(serverId);
      const { online = true, lastSeen = new Date().toISOString(), ...object } = part;
      const next = known
        ? { ...known, online, lastSeen, server: { ...known.server, ...object } }
        : serverRecord(serverId, part);
      mock.state.servers.set(serverId, next);
      publish("server", { server: full(next) });
    },
    removeServer(serverId) {
      mock.state.servers.delete(serverId);
      publish("serverRemoved", { serverId });
    },
    endSession(id, endReason = "Ended by its owner.") {
      mock.putSession({ id, state: "ended", viewers: 0, endReason });
      mock.closeDisplays(4410, endReason, id);
    },
    /** Takes every line away and refuses new ones until `restore`. */
    cut() {
      mock.faults.cut = true;
      for (const stream of [...mock.streams]) stream.response.destroy();
      for (const { line } of [...mock.lines]) line.cut();
    },
    restore() {
      mock.faults.cut = false;
    },
    /** As after a restart: resumption is not possible. */
    forget() {
      mock.epoch = newId();
      mock.events = [];
    },
    closeDisplays(code, reason, id) {
      for (const { line, session } of [...mock.lines]) if (!id || session === id) line.close(code, reason);
    },
    cutDisplays() {
      for (const { line } of [...mock.lines]) line.cut();
    },
    /** The session's program copied a text. */
    copyInSession(words) {
      const head = Buffer.alloc(8);
      head[0] = 3;
      head.writeUInt32BE(words.length, 4);
      for (const { line } of mock.lines) line.send(Buffer.concat([head, Buffer.from(words, "latin1")]));
    },
    signIn(login) {
      const secret = newId() + newId();
      const listed = newToken({ login, label: "" });
      mock.state.tokens.set(listed.id, listed);
      mock.state.logins.set(secret, { login, csrf: newId(), id: listed.id });
      return secret;
    },
    signOut(reason) {
      publish("signedOut", { reason });
      mock.state.logins.clear();
      for (const stream of [...mock.streams]) later(50, () => stream.response.end());
    },
  };
}

function withName(mock, session) {
  return {
    ...session,
    serverName: mock.state.servers.get(session.serverId)?.server.hostname ?? session.serverId,
  };
}

function full({ server, online, lastSeen }) {
  return {
    serverId: server.serverId,
    hostname: server.hostname,
    online,
    lastSeen,
    boot: "b",
    sequence: 1,
    server,
  };
}

function brief({ serverId, hostname, online }) {
  return { serverId, hostname, online };
}

/** A session as `login` may know it: shares are the owner's, and who shares with whom between the two. */
function seenBy(session, login) {
  const mine = session.login === login;
  const share = session.shares.find(each => each.login === login || each.guests.includes(login));
  const told = Object.entries(session).filter(([, value]) => value !== null);
  return {
    ...Object.fromEntries(told),
    mine,
    shares: mine ? session.shares : [],
    ...(!mine && share ? { sharedWithMe: { mode: share.mode, expires: share.expires } } : {}),
  };
}

const maySee = (session, { login, all }) =>
  all || session.login === login || seenBy(session, login).sharedWithMe !== undefined;

function visible(event, { login, role, all }) {
  if (event.login !== undefined && event.login !== login) return undefined;
  if (event.name === "session") {
    const { session } = event.data;
    return maySee(session, { login, all }) ? { session: seenBy(session, login) } : undefined;
  }
  if (event.name === "server" && role === "user") return { server: brief(event.data.server) };
  return event.data;
}

function write(_mock, stream, event) {
  const data = visible(event, stream);
  if (!data) return;
  stream.response.write(`id: ${event.id}\nevent: ${event.name}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Whether browsers may try the server's own addresses: it names none where direct connections are off. */
const isDirect = ({ server }) => server.urls.length > 0;

function policy(mock) {
  const members = [...mock.state.servers.values()].some(isDirect) ? ` ${mock.directUrl}` : "";
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    `connect-src 'self'${members}`,
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}

async function answer(mock, request, response, later) {
  const url = new URL(request.url, mock.url);
  try {
    if (url.pathname.startsWith("/mock/")) return await control(mock, request, response, url);
    if (!url.pathname.startsWith("/api/")) return page(mock, url, response);
    if (mock.faults.cut) return request.socket.destroy();
    await api(mock, request, response, url, later);
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal(500, "internal", String(error));
    if (response.headersSent) return response.destroy();
    response.writeHead(refusal.problem.status, {
      "Content-Type": "application/problem+json",
      ...refusal.headers,
    });
    response.end(JSON.stringify(refusal.problem));
  }
}

async function control(mock, request, response, url) {
  const verb = url.pathname.slice("/mock/".length);
  const args = await body(request);
  const result =
    typeof mock[verb] === "function" ? mock[verb](...(Array.isArray(args) ? args : [])) : undefined;
  if (verb === "faults") Object.assign(mock.faults, args);
  send(response, 200, { result: result ?? null });
}

function page(mock, url, response) {
  const name = mock.files.has(url.pathname) ? url.pathname : "/index.html";
  response.writeHead(200, {
    "Content-Type": TYPES[extname(name)] ?? "application/octet-stream",
    "Content-Security-Policy": policy(mock),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
  });
  response.end(mock.files.get(name));
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const text = Buffer.concat(parts).toString();
  return text ? JSON.parse(text) : {};
}

function send(response, status, value, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(value === undefined ? undefined : JSON.stringify(value));
}

function caller(mock, request) {
  const token = new RegExp(`${COOKIE}=([^;]+)`).exec(request.headers.cookie ?? "")?.[1];
  const login = mock.state.logins.get(token);
  if (!login) {
    throw new Refusal(401, "not-signed-in", "You are not signed in", { action: "Sign in again." });
  }
  if (request.method !== "GET" && request.headers["x-fastx-csrf"] !== login.csrf) {
    throw new Refusal(403, "not-allowed", "Not allowed", {
      detail: "The request does not come from the page.",
    });
  }
  const { role, groups } = users[login.login];
  return { token, tokenId: login.id, login: login.login, csrf: login.csrf, role, groups };
}

function meOf({ login, role, groups, csrf }) {
  const expires = new Date(Date.now() + 8 * 3600_000).toISOString();
  return { login, role, groups, serverId: "node-1", expires, csrf, cluster: "Physics lab" };
}

async function api(mock, request, response, url, later) {
  const path = url.pathname.slice("/api/v1".length);
  const verb = `${request.method} ${path}`;
  if (verb === "GET /info") {
    return send(response, 200, {
      cluster: "Physics lab",
      message: "Maintenance on Friday at 18:00. Sessions keep running.",
      methods: mock.methods,
      oidc: mock.methods.includes("oidc") ? { title: "University login" } : null,
      serverId: "node-1",
      version: "0.1.0",
      apiVersion: 1,
    });
  }
  if (verb === "POST /login") return logIn(mock, await body(request), response);
  const talk = /^\/login\/conversations\/([^/]+)$/.exec(path);
  if (talk && request.method === "POST") return answerLogIn(mock, talk[1], await body(request), response);
  if (verb === "GET /login/oidc") return providerSignIn(mock, url, response);
  const me = caller(mock, request);
  if (verb === "POST /logout") {
    mock.state.logins.delete(me.token);
    mock.state.tokens.delete(me.tokenId);
    return send(response, 204);
  }
  if (verb === "GET /me") return send(response, 200, meOf(me));
  if (verb === "GET /applications") {
    return send(response, 200, {
      applications,
      commandAllowed: true,
      serverChoiceAllowed: me.role !== "user",
    });
  }
  if (verb === "GET /users") return send(response, 200, usersOf(mock, me));
  const token = /^\/tokens(?:\/([^/]+))?$/.exec(path);
  if (token) return tokens(mock, me, { request, response, url, id: token[1] });
  const system = /^\/system\/(global|local)$/.exec(path);
  if (system && !mock.faults.noSystem) return settings(mock, me, system[1], request, response);
  const past = /^\/system\/(global|local)\/history(?:\/(\d+))?$/.exec(path);
  if (past && request.method === "GET") return history(mock, me, past[1], past[2], response);
  if (path === "/system/scripts/check" && me.role === "admin") {
    return send(response, 200, compiled((await body(request)).source));
  }
  if (verb === "GET /events") {
    return events(
      mock,
      { ...me, all: me.role !== "user" && url.searchParams.get("all") === "true" },
      request,
      response,
    );
  }
  if (verb === "GET /servers") {
    const servers = [...mock.state.servers.values()];
    return send(response, 200, {
      servers: servers.map(full).map(me.role === "user" ? brief : entry => entry),
    });
  }
  const linked = /^\/servers\/([^/]+)\/link(?:\/([^/]+))?$/.exec(path);
  if (linked && request.method === "POST")
    return link(mock, me, linked[1], linked[2], await body(request), response);
  if (verb === "POST /sessions") return startSession(mock, me, request, response, later);
  const accepted = /^\/shares\/([^/]+)$/.exec(path);
  if (accepted && request.method === "POST") return acceptShare(mock, me, accepted[1], response);
  const share = /^\/sessions\/([^/]+)\/shares\/([^/]+)$/.exec(path);
  if (share && request.method === "DELETE") return unshare(mock, me, share[1], share[2], response);
  const found = /^\/sessions\/([^/]+)(?:\/(\w+))?$/.exec(path);
  if (found) return oneSession(mock, me, { request, response, url, id: found[1], part: found[2], later });
  throw notFound();
}

/** As the server's own compiler would say it; a script is fine unless a line has `??!`. */
function compiled(source) {
  const lines = source.split("\n");
  const line = lines.findIndex(each => each.includes("??!")) + 1;
  if (line === 0) return { ok: true, message: "" };
  return {
    ok: false,
    message: "unexpected token in expression: '!'",
    line,
    column: lines[line - 1].indexOf("??!") + 3,
  };
}

function logIn(mock, wanted, response) {
  const { method, login, password } = wanted;
  mock.log.logins.push(wanted);
  if (mock.faults.tries > 0) {
    throw new Refusal(
      429,
      "too-many-tries",
      "Too many tries",
      {},
      { "Retry-After": String(mock.faults.tries) },
    );
  }
  if (mock.faults.refuse === "no-manager") {
    throw new Refusal(503, "no-manager", "Not available right now", {
      detail: "No cluster manager answers, so passwords cannot be checked.",
      action: "Try again in a moment; if it stays so, tell your administrator.",
    });
  }
  if (!mock.methods.includes(method)) {
    throw new Refusal(400, "bad-request", "Bad request", { detail: `There is no sign-in method ${method}.` });
  }
  if (method === "ssh") {
    if (mock.faults.ssh === "host-key") throw unknownHostKey(wanted.serverId || "node-1");
    return converse(mock, sshSteps(mock, login, password), () => signedIn(mock, login, response), response);
  }
  if (users[login]?.password !== password) throw wrongCredentials();
  signedIn(mock, login, response);
}

const wrongCredentials = () => new Refusal(401, "wrong-credentials", "User name or password is wrong");

const FINGERPRINT = "SHA256:pW1b8gQyCq0pJ2bJf8l0bqkzq0m3mJ7i9GgXz4b6n2E";

const unknownHostKey = server =>
  new Refusal(403, "host-key-unknown", "The host is not known here", {
    detail: `The key ${FINGERPRINT} of ${server}:22 is not among those that this server knows.`,
    action: `An administrator compares the fingerprint with the host's own and runs \`fastx-node accept-host-key ${server}:22 ${FINGERPRINT}\` as the user of the service.`,
  });

function signedIn(mock, login, response) {
  const token = mock.signIn(login);
  const { csrf } = mock.state.logins.get(token);
  const cookie = `${COOKIE}=${token}; Path=/; HttpOnly; Secure; SameSite=Strict`;
  send(response, 200, { user: meOf({ login, csrf, ...users[login] }), csrf }, { "Set-Cookie": cookie });
}

/** The provider is skipped: it would send the browser back here with a code. */
function providerSignIn(mock, url, response) {
  const token = mock.signIn("student");
  response.writeHead(302, {
    Location: url.searchParams.get("return") ?? "/",
    "Set-Cookie": `${COOKIE}=${token}; Path=/; HttpOnly; Secure; SameSite=Strict`,
  });
  response.end();
}

/** What an SSH server asks, each step with the answers that it takes; a given password answers the first. */
function sshSteps(mock, login, password) {
  const right = users[login]?.password;
  const first = {
    title: "",
    instruction: "",
    prompts: [{ text: `${login}'s password: `, echo: false }],
    right: ([answer]) => answer === right,
  };
  const code = {
    title: "One-time code",
    instruction: "Enter the six digits that your authenticator shows.",
    prompts: [{ text: "Verification code: ", echo: false }],
    right: ([answer]) => answer === "123456",
  };
  const renew = {
    title: "Your password has expired",
    instruction: "Choose a new one. It needs twelve letters or more.",
    prompts: [
      { text: "New password: ", echo: false },
      { text: "Retype new password: ", echo: false },
    ],
    right: ([one, two]) => one === two && one.length >= 12,
  };
  const more = { plain: [], code: [code], several: [code, renew] }[mock.faults.ssh] ?? [];
  if (!password) return [first, ...more];
  return first.right([password]) ? more : [{ ...first, right: undefined }];
}

const CONVERSATION_MS = 2 * 60_000;

/** Asks the next step, or is done; a step without a right answer has failed already. */
function converse(mock, steps, done, response) {
  const [step] = steps;
  if (!step) return done();
  if (!step.right) throw wrongCredentials();
  const id = newId();
  mock.state.conversations.set(id, { steps, done });
  const { title, instruction, prompts } = step;
  const expires = new Date(Date.now() + CONVERSATION_MS).toISOString();
  send(response, 202, { id, title, instruction, prompts, expires });
}

/** Takes the answers of a step; `done` gets the response that came with the last ones. */
function goOn(mock, id, answers, response, done) {
  const talk = mock.state.conversations.get(id);
  mock.state.conversations.delete(id);
  if (!talk) {
    throw new Refusal(410, "conversation-over", "This sign-in is over", {
      detail: "It took longer than two minutes, or was answered already.",
      action: "Sign in again.",
    });
  }
  const [step, ...rest] = talk.steps;
  if (!step.right(answers)) throw wrongCredentials();
  converse(mock, rest, done, response);
}

function answerLogIn(mock, id, { answers }, response) {
  const talk = mock.state.conversations.get(id);
  const login = mock.log.logins.at(-1)?.login;
  goOn(mock, id, answers, response, () => signedIn(mock, talk?.login ?? login, response));
}

function link(mock, me, serverId, id, { answers }, response) {
  const there = () => {
    mock.faults.unlinked = mock.faults.unlinked.filter(each => each !== serverId);
    send(response, 204);
  };
  if (id) return goOn(mock, id, answers, response, there);
  if (!mock.faults.unlinked.includes(serverId)) return send(response, 204);
  if (mock.faults.ssh === "host-key") throw unknownHostKey(serverId);
  converse(mock, sshSteps(mock, me.login, ""), there, response);
}

const notAllowed = detail => new Refusal(403, "not-allowed", "Not allowed", { detail });

function usersOf(mock, me) {
  if (me.role === "user") throw notAllowed("Only managers see the users.");
  const logins = new Set([...Object.keys(users), ...[...mock.state.sessions.values()].map(s => s.login)]);
  const count = (map, login) => [...map.values()].filter(each => each.login === login).length;
  return {
    more: false,
    users: [...logins].map(login => ({
      login,
      tokens: count(mock.state.tokens, login),
      sessions: [...mock.state.sessions.values()].filter(s => s.login === login && s.state !== "ended")
        .length,
      lastSignIn:
        [...mock.state.tokens.values()]
          .filter(each => each.login === login)
          .map(({ issued }) => issued)
          .sort()
          .at(-1) ?? null,
    })),
  };
}

async function settings(mock, me, scope, request, response) {
  if (me.role !== "admin") throw notAllowed("Only administrators see the settings.");
  const { system } = mock.state;
  const managedBy = system.managedBy[scope];
  if (request.method === "PUT") {
    const { generation, document } = await body(request);
    if (managedBy) {
      throw new Refusal(409, "managed-by-kubernetes", "Kubernetes manages these settings", {
        detail: `They come from ${managedBy}.`,
        action: "Change the resource.",
      });
    }
    if (generation !== system.generation) {
      throw new Refusal(409, "config-changed", "The settings have changed meanwhile", {
        detail: "Somebody else saved settings after you read them.",
        action: "Read them again and repeat the change.",
      });
    }
    system.generation += 1;
    keep(system, scope, { at: new Date().toISOString(), via: "administrator", by: me.login });
    system[scope] = document;
  }
  const { generation } = system;
  const document = system[scope];
  send(response, 200, { scope, generation, revision: `4f1c2a9${generation}`, managedBy, document });
}

function history(mock, me, scope, generation, response) {
  if (me.role !== "admin") throw notAllowed("Only administrators see the settings.");
  const { system } = mock.state;
  if (generation === undefined) return send(response, 200, { scope, versions: versionsOf(system, scope) });
  const document = versionOf(system, scope, Number(generation));
  if (!document) {
    throw new Refusal(404, "no-such-version", "That version is not kept", {
      detail: `Generation ${generation} is no version of these settings, or it was removed as one of the oldest.`,
      action: "Choose one from the history.",
    });
  }
  const { managedBy = "" } = document;
  const revision = `4f1c2a9${generation}`;
  send(response, 200, { scope, generation: Number(generation), revision, managedBy, document });
}

async function tokens(mock, me, { request, response, url, id }) {
  const listed = mock.state.tokens;
  if (id) {
    const known = listed.get(id);
    if (!known || (known.login !== me.login && me.role !== "admin")) throw notFound();
    if (request.method === "PATCH") {
      if (known.login !== me.login) throw notFound();
      listed.set(id, { ...known, label: (await body(request)).label });
      return send(response, 204);
    }
    listed.delete(id);
    for (const [secret, login] of mock.state.logins) if (login.id === id) mock.state.logins.delete(secret);
    return send(response, 204);
  }
  if (request.method === "POST") {
    const { label, days = 30 } = await body(request);
    const expires = new Date(Date.now() + days * 24 * 3600_000).toISOString();
    const made = newToken({ login: me.login, label, expires });
    listed.set(made.id, made);
    return send(response, 201, { token: `fastx_${newId()}${newId()}`, id: made.id });
  }
  const login = url.searchParams.get("login");
  const all = url.searchParams.get("all") === "true";
  if ((all || login) && me.role !== "admin") throw notAllowed("Only administrators see tokens of others.");
  const wanted = [...listed.values()].filter(each => all || each.login === (login ?? me.login));
  send(response, 200, {
    more: false,
    tokens: wanted.map(({ login: owner, ...each }) => ({
      ...each,
      current: each.id === me.tokenId,
      ...(all || login ? { login: owner } : {}),
    })),
  });
}

function events(mock, me, request, response) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const stream = { response, login: me.login, role: me.role, all: me.all };
  mock.streams.add(stream);
  response.on("close", () => mock.streams.delete(stream));
  const last = request.headers["last-event-id"] ?? "";
  const at = mock.events.findIndex(({ id }) => id === last);
  if (at >= 0) {
    response.write(":\n\n");
    for (const event of mock.events.slice(at + 1)) write(mock, stream, event);
    return;
  }
  if (last === `${mock.epoch}-0`) {
    response.write(":\n\n");
    for (const event of mock.events) write(mock, stream, event);
    return;
  }
  const sessions = [...mock.state.sessions.values()]
    .filter(session => maySee(session, me))
    .map(session => seenBy(withName(mock, session), me.login));
  const servers = [...mock.state.servers.values()].map(full).map(me.role === "user" ? brief : entry => entry);
  const id = `${mock.epoch}-${mock.counter}`;
  response.write(`id: ${id}\nevent: reset\ndata: ${JSON.stringify({ sessions, servers })}\n\n`);
}

function verdicts(mock, chosen) {
  return [...mock.state.servers.values()].map(({ server, online }) => {
    const reason = !online
      ? "It has been silent for more than 90 seconds."
      : !server.startSessions
        ? "It takes no new sessions."
        : "It has less free memory than the chosen one.";
    const is = server.serverId === chosen;
    const by = is ? "" : online && server.startSessions ? "most-free-memory" : "cluster";
    return { serverId: server.serverId, chosen: is, by, reason: is ? "" : reason };
  });
}

async function startSession(mock, me, request, response, later) {
  const wanted = await body(request);
  const key = request.headers["idempotency-key"];
  mock.log.starts.push({ key, ...wanted });
  const known = mock.state.starts.get(key);
  if (known) return send(response, 201, known);
  await new Promise(resolve => later(mock.startDelay, resolve));
  if (mock.faults.refuse === "no-server-fits") {
    throw new Refusal(503, "no-server-fits", "No server fits", {
      detail: "None of the servers can take this session right now.",
      action: "Try again later, or ask your administrator for room.",
      servers: verdicts(mock, "").map(verdict =>
        verdict.by === "cluster" ? verdict : { ...verdict, by: "gpu-only", reason: "It has no free GPU." },
      ),
    });
  }
  const serverId = wanted.serverId || "node-3";
  if (mock.faults.unlinked.includes(serverId)) {
    throw new Refusal(428, "authentication-required", "Sign in to the server first", {
      detail: `Nothing of ${me.login} runs on ${serverId} yet.`,
      action: "Answer the questions of the server, then start again.",
      serverId,
      login: me.login,
    });
  }
  const session = newSession({
    login: me.login,
    serverId,
    state: "starting",
    name:
      wanted.name || applications.find(({ name }) => name === wanted.application)?.title || wanted.command,
    application: wanted.application ?? "",
    command: wanted.command || commands[wanted.application] || "",
    geometry: wanted.geometry ?? "",
    profile: wanted.profile || applications.find(({ name }) => name === wanted.application)?.profile || "",
    params: wanted.params ?? {},
  });
  const decision = {
    action: "session/start",
    login: me.login,
    local: "node-1",
    at: session.started,
    chosen: serverId,
    servers: verdicts(mock, serverId),
    steps: [{ script: "most-free-memory", outcome: "chose", detail: serverId, micros: 412 }],
    configRevision: "4f1c2a9",
  };
  const result = { session: seenBy(withName(mock, session), me.login), decision };
  mock.state.starts.set(key, result);
  mock.putSession(session);
  if (mock.faults.refuse !== "never-runs") {
    later(mock.startDelay, () => {
      if (mock.state.sessions.get(session.id)?.state === "starting")
        mock.putSession({ id: session.id, state: "running" });
    });
  }
  send(response, 201, result);
}

const MOST_MINUTES = 7 * 24 * 60;

async function shareSession(mock, me, session, request, response) {
  if (session.login !== me.login) throw notAllowed("Only its owner may share a session.");
  const { login = "", mode, minutes } = await body(request);
  if (!(minutes >= 1 && minutes <= MOST_MINUTES)) {
    throw new Refusal(422, "bad-request", "The request is not valid", {
      detail: "`minutes` is between 1 and 10080.",
    });
  }
  const expires = new Date(Date.now() + minutes * 60_000).toISOString();
  const made = { id: newId(), login, guests: [], mode, expires };
  const secret = login ? undefined : newId() + newId();
  if (secret) mock.state.shareLinks.set(secret, { session: session.id, share: made.id });
  mock.putSession({ id: session.id, shares: [...session.shares, made] });
  send(response, 201, { ...made, ...(secret ? { url: `/share/${secret}` } : {}) });
}

function unshare(mock, me, id, shareId, response) {
  const session = mock.state.sessions.get(id);
  if (session?.login !== me.login || !session.shares.some(each => each.id === shareId)) throw notFound();
  const gone = session.shares.find(each => each.id === shareId);
  mock.putSession({ id, shares: session.shares.filter(each => each !== gone) });
  for (const login of [gone.login, ...gone.guests]) if (login) mock.publish("sessionRemoved", { id }, login);
  send(response, 204);
}

function acceptShare(mock, me, secret, response) {
  const link = mock.state.shareLinks.get(secret);
  const session = link && mock.state.sessions.get(link.session);
  const share = session?.shares.find(each => each.id === link.share);
  if (!share) {
    throw new Refusal(404, "no-share", "The link does not work any more", {
      detail: "Its time is over, its owner took it back, or the session has ended.",
      action: "Ask for a new link.",
    });
  }
  if (session.login !== me.login) {
    const guests = [...new Set([...share.guests, me.login])];
    const shares = session.shares.map(each => (each.id === share.id ? { ...each, guests } : each));
    mock.putSession({ id: session.id, shares });
  }
  send(response, 200, { sessionId: session.id });
}

async function oneSession(mock, me, { request, response, url, id, part, later }) {
  const session = mock.state.sessions.get(id);
  if (!session || !maySee(session, { login: me.login, all: me.role !== "user" })) throw notFound();
  const limits = profiles[session.profile] ?? profiles[""];
  switch (`${request.method} ${part ?? ""}`) {
    case "GET ":
      return send(response, 200, { session: { ...seenBy(withName(mock, session), me.login), limits } });
    case "DELETE record":
      if (session.state !== "ended" && mock.state.servers.get(session.serverId)?.online !== false)
        throw new Refusal(409, "session-alive", "The session still runs");
      mock.removeSession(id);
      return send(response, 204);
    case "POST shares":
      return shareSession(mock, me, session, request, response);
    case "POST stay":
      mock.putSession({ id, endsAt: null, endsReason: "", warning: null });
      return send(response, 204);
    case "DELETE ":
      mock.putSession({ id, state: "ending" });
      later(mock.startDelay, () => {
        const reason = url.searchParams.get("reason");
        mock.endSession(id, reason ? `Ended by ${me.login}: ${reason}` : undefined);
        later(mock.startDelay, () => mock.removeSession(id));
      });
      return send(response, 202);
    case "PATCH ":
      mock.putSession({ id, ...(await body(request)) });
      return send(response, 200, {
        session: seenBy(withName(mock, mock.state.sessions.get(id)), me.login),
      });
    case "POST disconnect":
      mock.closeDisplays(4408, `Disconnected by ${me.login}.`, id);
      mock.putSession({ id, viewers: 0, viewersList: [], lastDisconnect: new Date().toISOString() });
      return send(response, 204);
    case "POST connect":
      return connect(mock, me, session, (await body(request)).mode, response);
    case "GET decision":
      return send(response, 200, {
        action: "session/start",
        login: session.login,
        local: "node-1",
        at: session.started,
        chosen: session.serverId,
        servers: verdicts(mock, session.serverId),
        steps: [],
      });
    case "GET log":
      return send(response, 200, {
        text: "Xvnc TigerVNC 1.12.0 - built for tests\nvncext: listening on a local socket\n",
      });
    case "GET screenshot":
      return screenshot(mock, session, url, request, response);
    default:
      throw notFound();
  }
}

function connect(mock, me, session, wanted, response) {
  // A share to look at is one to look at, whatever was asked for.
  const mode = seenBy(session, me.login).sharedWithMe?.mode === "view" ? "view" : wanted;
  if (session.state === "ended")
    throw new Refusal(410, "session-ended", "The session has ended", { detail: session.endReason });
  const attempt = newId();
  const expires = new Date(Date.now() + 30_000).toISOString();
  const ticket = () => {
    const value = newId() + newId();
    mock.state.tickets.set(value, { session: session.id, attempt, mode, login: me.login });
    return value;
  };
  const path = `/api/v1/sessions/${session.id}/display`;
  const home = mock.state.servers.get(session.serverId);
  const direct = home && isDirect(home) ? [mock.directUrl + path] : [];
  const candidates = [
    ...direct.map(url => ({ kind: "direct", url, ticket: ticket(), expires })),
    { kind: "relay", url: mock.url.replace("http", "ws") + path, ticket: ticket(), expires },
  ];
  send(response, 200, { attempt, candidates });
}

function screenshot(mock, session, url, request, response) {
  if (session.state !== "running") throw notFound();
  const etag = `"${session.id}-${session.version}"`;
  if (request.headers["if-none-match"] === etag) return response.writeHead(304, { ETag: etag }).end();
  const width = Number(url.searchParams.get("width") ?? 320);
  const { seed, typed } = screenOf(mock.state, session.id);
  const full = scene(1280, 800, { seed, typed });
  const scale = width / 1280;
  const rects = full.map(({ x, y, w, h, c }) => ({
    x: Math.floor(x * scale),
    y: Math.floor(y * scale),
    w: Math.max(1, Math.round(w * scale)),
    h: Math.max(1, Math.round(h * scale)),
    c,
  }));
  const height = Math.round(width / 1.6);
  const inside = rects.map(rect => ({
    ...rect,
    w: Math.min(rect.w + 1, width - rect.x),
    h: Math.min(rect.h + 1, height - rect.y),
  }));
  response.writeHead(200, { "Content-Type": "image/png", ETag: etag, "Cache-Control": "private, no-cache" });
  response.end(png(width, height, inside));
}

function upgrade(mock, request, socket, way) {
  socket.on("error", () => undefined);
  mock.log.dialled.push(way);
  if (mock.faults.cut || mock.faults[way] === "refused") return socket.destroy();
  if (mock.faults[way] === "silent") return;
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(/,\s*/);
  const ticketText = offered
    .find(protocol => protocol.startsWith("fastx.ticket."))
    ?.slice("fastx.ticket.".length);
  const ticket = mock.state.tickets.get(ticketText);
  const line = accept(request, socket, "binary");
  if (!ticket || !offered.includes("binary")) return line.close(4401, "the ticket is not known or was used");
  for (const [value, { attempt }] of mock.state.tickets)
    if (attempt === ticket.attempt) mock.state.tickets.delete(value);
  const session = mock.state.sessions.get(ticket.session);
  if (!session) return line.close(4404, "there is no such session");
  if (session.state === "ended") return line.close(4410, session.endReason);
  if (mock.faults[way] === "unreachable") return line.close(4503, "");
  const since = new Date().toISOString();
  const entry = { line, session: session.id, login: ticket.login, mode: ticket.mode, since, path: way };
  mock.lines.add(entry);
  mock.log.opened.push({ way, session: session.id, mode: ticket.mode });
  mock.putSession({
    id: session.id,
    ...viewersOf(mock, session.id),
    lastConnect: new Date().toISOString(),
  });
  line.on("close", () => {
    mock.lines.delete(entry);
    if (!mock.state.sessions.has(session.id)) return;
    mock.putSession({
      id: session.id,
      ...viewersOf(mock, session.id),
      lastDisconnect: new Date().toISOString(),
    });
  });
  if (mock.display) return bridge(line, mock.display);
  serve(line, { name: session.name, screen: screenOf(mock.state, session.id) }, mock.log);
}

/** Shows a real display, `host:port`, instead of the painted one. */
function bridge(line, display) {
  const [host, port] = display.split(":");
  const socket = connectTcp({ host, port: Number(port), noDelay: true });
  socket.on("data", data => line.send(data));
  socket.on("error", () => line.close(4503, "the display does not answer"));
  socket.on("close", () => line.close(4410, "the display has ended"));
  line.on("message", data => socket.write(data));
  line.on("close", () => socket.destroy());
}

function viewersOf(mock, id) {
  const here = [...mock.lines].filter(({ session }) => session === id);
  const viewersList = here.map(({ login, mode, since, path }) => ({ login, mode, since, path }));
  return { viewers: here.length, viewersList };
}
