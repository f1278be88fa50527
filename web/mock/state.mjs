/** The small cluster that the mock pretends to be. */
import { randomBytes } from "node:crypto";
import { defaultHistory } from "./history.mjs";
import { createScreen } from "./rfb.mjs";

const GIB = 1024 ** 3;
const MINUTE = 60_000;
const ago = minutes => new Date(Date.now() - minutes * MINUTE).toISOString();
export const newId = () => randomBytes(8).toString("hex");

export const users = {
  student: { password: "student", role: "user", groups: ["staff"] },
  operator: { password: "operator", role: "manager", groups: ["staff", "operators"] },
  helper: { password: "helper", role: "user", groups: ["staff"] },
  chief: { password: "chief", role: "admin", groups: ["staff"] },
};

export const applications = [
  { name: "desktop", title: "Desktop", icon: "desktop", windowMode: "desktop", profile: "" },
  { name: "terminal", title: "Terminal", icon: "terminal", windowMode: "rootless", profile: "" },
  { name: "browser", title: "Web browser", icon: "browser", windowMode: "rootless", profile: "" },
  { name: "editor", title: "Editor", icon: "editor", windowMode: "rootless", profile: "large" },
  { name: "paraview", title: "ParaView", icon: "tool", windowMode: "rootless", profile: "gpu" },
];

export const commands = {
  desktop: "startxfce4",
  terminal: "xfce4-terminal",
  browser: "firefox-esr",
  editor: "code",
  paraview: "paraview",
};

export function server(serverId, part = {}) {
  const { online = true, lastSeen = new Date().toISOString(), ...object } = part;
  return {
    online,
    lastSeen,
    server: {
      serverId,
      hostname: `${serverId}.lab.example.org`,
      urls: [`https://${serverId}.lab.example.org:3300`],
      peerUrls: [],
      cpu: 12,
      freemem: 20 * GIB,
      totalmem: 32 * GIB,
      loggedInUsers: 1,
      sessions: 1,
      uptime: 9 * 24 * 3600,
      loadavg: [0.42, 0.51, 0.48],
      version: "0.1.0",
      staticData: {},
      metrics: {},
      startSessions: true,
      logins: true,
      users: [],
      configRevision: "4f1c2a9",
      brokerGeneration: 3,
      faults: [],
      ...object,
    },
  };
}

const defaultServers = () => [
  server("node-1", { cpu: 23, freemem: 18 * GIB, sessions: 2, staticData: { rack: "A1", gpu: false } }),
  server("node-2", { cpu: 64, freemem: 5 * GIB, sessions: 5, loggedInUsers: 4, loadavg: [5.1, 4.2, 3.9] }),
  server("node-3", {
    cpu: 8,
    freemem: 110 * GIB,
    totalmem: 128 * GIB,
    sessions: 1,
    staticData: { rack: "B2", gpu: true, model: "L4" },
    metrics: { gpuFree: 22.5 },
  }),
  server("node-4", { startSessions: false, sessions: 3, cpu: 41 }),
  server("node-5", { online: false, lastSeen: ago(74), sessions: 1, cpu: 0 }),
  server("node-6", {
    cpu: 96,
    freemem: 1 * GIB,
    sessions: 7,
    loggedInUsers: 6,
    faults: ["The disk of /home is full (99 %)."],
  }),
];

export function session(part = {}) {
  const id = part.id ?? newId();
  const now = new Date().toISOString();
  return {
    id,
    serverId: "node-1",
    login: "student",
    shares: [],
    viewersList: [],
    idleSince: null,
    endsAt: null,
    endsReason: "",
    warning: null,
    state: "running",
    name: "Desktop",
    application: "desktop",
    command: "startxfce4",
    profile: "",
    geometry: "1280x800",
    display: ":1",
    params: {},
    started: now,
    changed: now,
    viewers: 0,
    endReason: "",
    version: 1,
    ...part,
  };
}

const defaultSessions = () => [
  session({
    id: "a1",
    name: "Thesis",
    started: ago(190),
    lastConnect: ago(180),
    lastDisconnect: ago(12),
    version: 4,
  }),
  session({
    id: "a2",
    name: "Flow around a wing",
    application: "paraview",
    command: "paraview wing.vtk",
    serverId: "node-3",
    profile: "gpu",
    started: ago(60 * 26),
    lastConnect: ago(30),
    viewers: 1,
    viewersList: [
      { login: "student", mode: "control", since: ago(30), path: "relay", address: "192.0.2.17" },
    ],
    version: 9,
  }),
  session({
    id: "a3",
    name: "Logs",
    application: "terminal",
    command: "xfce4-terminal",
    serverId: "node-5",
    state: "unreachable",
    started: ago(400),
    changed: ago(74),
    version: 3,
  }),
  session({ id: "m1", login: "operator", name: "Desktop", serverId: "node-2", started: ago(20), version: 2 }),
];

const days = count => count * 24 * 60 * MINUTE;
const after = span => new Date(Date.now() + span).toISOString();

export function token(part = {}) {
  return {
    id: newId(),
    login: "student",
    label: "",
    method: "local",
    address: "192.0.2.17",
    issuer: "node-1",
    issued: new Date().toISOString(),
    expires: after(days(30)),
    ...part,
  };
}

const defaultTokens = () => [
  token({ id: "t1", label: "Laptop at home", method: "ssh", issuer: "node-3", issued: ago(60 * 50) }),
  token({
    id: "t2",
    label: "Nightly render",
    method: "ssh",
    issued: ago(60 * 24 * 12),
    expires: after(days(78)),
  }),
  token({ id: "t3", method: "oidc", address: "2001:db8::7", issued: ago(95) }),
  token({ id: "t4", login: "operator", method: "local", address: "192.0.2.80", issued: ago(300) }),
];

/** Profiles as the configuration has them; sessions name one, or none for the first. */
export const profiles = {
  "": { maxGeometry: "", disconnectIdleSeconds: 0, endDisconnectedSeconds: 0, clipboard: "both" },
  gpu: {
    maxGeometry: "2560x1440",
    disconnectIdleSeconds: 1800,
    endDisconnectedSeconds: 7200,
    clipboard: "out",
  },
};

/** The configuration as administrators see it: of all servers, and of the one that answers. */
const defaultSettings = () => ({
  generation: 7,
  managedBy: { global: "", local: "" },
  global: {
    schema: 1,
    displayName: "Physics lab",
    message: "Maintenance on Friday at 18:00. Sessions keep running.",
    methods: ["ssh", "local"],
    roles: { adminUsers: ["chief"], adminGroups: [], managerUsers: [], managerGroups: ["operators"] },
    scripts: [],
    scriptLimits: { timeMs: 200, memoryBytes: 67108864 },
    applications: applications.map(each => ({ ...each, command: commands[each.name] })),
    profiles: [
      { name: "default", ...profiles[""] },
      { name: "gpu", ...profiles.gpu },
    ],
    offlineGraceSeconds: 86400,
    trustedProxies: [],
    webOrigins: [],
    logLevel: "info",
    managedBy: "",
  },
  local: {
    schema: 1,
    hostname: "node-1.lab.example.org",
    urls: ["https://node-1.lab.example.org:3300"],
    peerUrls: [],
    startSessions: true,
    logins: true,
    directConnections: true,
    staticData: { rack: "A1", gpu: false },
    debug: [],
    managedBy: "",
  },
});

function defaultSystem() {
  const settings = defaultSettings();
  return { ...settings, history: defaultHistory(settings, ago) };
}

/** A whole cluster; `empty` leaves out the sessions. */
export function createState({ empty = false } = {}) {
  const sessions = new Map();
  const servers = new Map(defaultServers().map(entry => [entry.server.serverId, entry]));
  if (!empty) for (const entry of defaultSessions()) sessions.set(entry.id, entry);
  return {
    sessions,
    servers,
    screens: new Map(),
    logins: new Map(),
    tokens: new Map(defaultTokens().map(entry => [entry.id, entry])),
    conversations: new Map(),
    system: defaultSystem(),
    shareLinks: new Map(),
    tickets: new Map(),
    starts: new Map(),
  };
}

export function screenOf(state, id) {
  if (!state.screens.has(id)) state.screens.set(id, createScreen(state.screens.size));
  return state.screens.get(id);
}
