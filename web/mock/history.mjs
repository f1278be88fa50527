/** The versions of the settings that the pretended cluster keeps, each scope's newest first. */
const KEPT = 50;
const HOURS = 60;
const DAYS = 24 * HOURS;

const FIRST_SCRIPT = `function choose(input) {
  // The GPUs are for those who ask for them.
  return input.servers.filter(server => !server.staticData.gpu);
}
`;

/** The documents of earlier versions; the one in force is not kept twice. */
export function defaultHistory({ global, local }, ago) {
  const { applications, roles, profiles } = global;
  const quiet = { ...global, message: "", roles: { ...roles, managerUsers: ["anna"] } };
  const scripted = {
    ...quiet,
    applications: applications.slice(0, 4),
    profiles: profiles.slice(0, 1),
    scripts: [
      { name: "keep-gpus", actions: ["session/start"], order: 10, source: FIRST_SCRIPT, builtin: "" },
    ],
  };
  return {
    global: [
      { generation: 7, at: ago(3 * HOURS + 10), via: "administrator", by: "chief" },
      { generation: 6, at: ago(2 * DAYS), via: "administrator", by: "anna", document: quiet },
      {
        generation: 4,
        at: ago(9 * DAYS),
        via: "kubernetes",
        by: "lab/physics",
        document: { ...scripted, managedBy: "lab/physics" },
      },
      {
        generation: 2,
        at: ago(40 * DAYS),
        via: "manager",
        by: "",
        document: { ...scripted, displayName: "Physics", scripts: [] },
      },
      { generation: 1, via: "unknown", by: "", document: { schema: 1, displayName: "" } },
    ],
    local: [
      { generation: 5, at: ago(8 * DAYS), via: "administrator", by: "chief" },
      {
        generation: 3,
        at: ago(39 * DAYS),
        via: "join",
        by: "node-1",
        document: { ...local, hostname: "node-1", staticData: {} },
      },
    ],
  };
}

/** What is in force now becomes an earlier version; `made` says who makes the next one. */
export function keep(system, scope, made) {
  const [present, ...earlier] = system.history[scope];
  const next = { generation: system.generation, ...made };
  const former = present ? [{ ...present, document: system[scope] }] : [];
  system.history[scope] = [next, ...former, ...earlier].slice(0, KEPT);
}

export function versionsOf(system, scope) {
  return system.history[scope].map(({ document: _kept, ...version }, index) => ({
    ...version,
    inForce: index === 0,
  }));
}

export function versionOf(system, scope, generation) {
  const found = system.history[scope].find(version => version.generation === generation);
  return found && (found.document ?? system[scope]);
}
