// Runs once in each fresh script engine, before any script: takes away what a script must not have,
// freezes what all calls share, and returns the functions that the host calls.
(() => {
  "use strict";

  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf, isExtensible } = Object;
  const { construct, deleteProperty, ownKeys, setPrototypeOf } = Reflect;
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const global = globalThis;
  const globalPrototype = getPrototypeOf(global);
  const RealDate = Date;
  const RealPromise = Promise;

  const LINES = 50;
  const LINE_LENGTH = 400;
  const TEXT_LENGTH = 2000;
  const ID_LENGTH = 100;
  const ENTRIES = 100000;

  let now = 0;
  let lines = [];
  let [x, y, z, w] = [1, 2, 3, 4];

  const clip = (text, length) =>
    (text.length > length ? `${text.slice(0, length)}…` : text).toWellFormed();

  // --- no clock, no chance, no eval, nothing whose result hangs on the garbage collector -------------

  for (const name of [
    "Atomics", "DOMException", "FinalizationRegistry", "SharedArrayBuffer", "WeakRef",
    "eval", "performance", "queueMicrotask",
  ]) {
    delete global[name];
  }
  delete Error.prepareStackTrace;
  delete Error.stackTraceLimit;

  const GivenDate = function Date(...parts) {
    if (new.target === undefined) return new RealDate(now).toString();
    return construct(RealDate, parts.length === 0 ? [now] : parts, new.target);
  };
  for (const key of ownKeys(RealDate)) {
    if (key !== "now") defineProperty(GivenDate, key, getOwnPropertyDescriptor(RealDate, key));
  }
  defineProperty(GivenDate, "now", { value: () => now });
  defineProperty(RealDate.prototype, "constructor", { value: GivenDate });
  defineProperty(global, "Date", { value: GivenDate });

  // Xorshift with 128 bits of state, seeded anew for each call.
  Math.random = () => {
    const mixed = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = w ^ (w >>> 19) ^ mixed ^ (mixed >>> 8);
    return (w >>> 0) / 4294967296;
  };

  // --- console: bounded lines that travel with the answer --------------------------------------------

  const shown = (value) => {
    if (typeof value === "string") return value;
    if (typeof value === "object" && value !== null) {
      if (value instanceof Error) return `${value.name}: ${value.message}`;
      return stringify(value) ?? "undefined";
    }
    return String(value);
  };
  const print = (...values) => {
    if (lines.length > LINES) return;
    if (lines.length === LINES) {
      lines.push("…");
      return;
    }
    let text = "";
    for (let i = 0; i < values.length && text.length <= LINE_LENGTH; i++) {
      text += (i ? " " : "") + clip(shown(values[i]), LINE_LENGTH);
    }
    lines.push(clip(text, LINE_LENGTH));
  };
  global.console = { log: print, info: print, warn: print, error: print, debug: print };

  // --- nothing built in can be changed, so no call leaves traces for the next ------------------------

  // Freezing makes plain assignment to a same-named property of an inheriting object fail;
  // with accessors, `error.name = …` and `counts["constructor"] = …` work as everywhere.
  const overridable = (prototype) => {
    for (const key of ownKeys(prototype)) {
      const { configurable, enumerable, value } = getOwnPropertyDescriptor(prototype, key);
      if (!configurable || value === undefined) continue;
      defineProperty(prototype, key, {
        configurable: false,
        enumerable,
        get: () => value,
        set(replacement) {
          if (this === prototype) throw new TypeError(`built-in ${String(key)} cannot be changed`);
          defineProperty(this, key, {
            configurable: true, enumerable: true, value: replacement, writable: true,
          });
        },
      });
    }
  };
  for (const type of [
    Object, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError,
  ]) {
    overridable(type.prototype);
  }

  const frozen = new Set([global]);
  const freezeAll = (root) => {
    const open = [root];
    while (open.length > 0) {
      const value = open.pop();
      if ((typeof value !== "object" && typeof value !== "function") || value === null) continue;
      if (frozen.has(value)) continue;
      frozen.add(value);
      freeze(value);
      open.push(getPrototypeOf(value));
      for (const key of ownKeys(value)) {
        const property = getOwnPropertyDescriptor(value, key);
        open.push(property.value, property.get, property.set);
      }
    }
  };
  for (const key of ownKeys(global)) {
    const property = getOwnPropertyDescriptor(global, key);
    if (property.configurable) {
      defineProperty(global, key, "value" in property
        ? { configurable: false, writable: false }
        : { configurable: false });
    }
    freezeAll(property.value);
    freezeAll(property.get);
    freezeAll(property.set);
  }
  freezeAll(globalPrototype);
  // Built-ins that no global name leads to.
  for (const hidden of [
    function* () {}, async function () {}, async function* () {}, async () => {},
    [].values(), [].values().map((v) => v), Iterator.from({ next() {} }),
    new Map().values(), new Set().values(), "".matchAll(/x/g), ""[Symbol.iterator](),
    (function* () {})(), (async function* () {})(), new Uint8Array(0),
    (function () { return arguments; })(),
  ]) {
    freezeAll(getPrototypeOf(hidden));
  }
  frozen.clear();

  const names = new Set(ownKeys(global));
  // Sloppy code makes globals by accident (`for (i = 0; …)`): it may, but only for its own call.
  const tidy = () => {
    let clean = true;
    for (const key of ownKeys(global)) {
      if (!names.has(key)) clean = deleteProperty(global, key) && clean;
    }
    if (getPrototypeOf(global) !== globalPrototype) {
      clean = setPrototypeOf(global, globalPrototype) && clean;
    }
    return clean && isExtensible(global);
  };

  // --- servers: kept here, never handed out themselves -----------------------------------------------

  const servers = new Map();

  const still = (value) => {
    if (typeof value === "object" && value !== null) {
      for (const key of ownKeys(value)) still(value[key]);
      freeze(value);
    }
    return value;
  };

  const update = (text) => {
    const { changes, forget } = parse(text);
    // First, since a server that left may be back among the changes.
    for (const id of forget) servers.delete(id);
    for (const { id, set, unset } of changes) {
      let server = servers.get(id);
      if (!server) servers.set(id, (server = {}));
      for (const key of ownKeys(set)) server[key] = still(set[key]);
      for (const key of unset) delete server[key];
    }
  };

  // A fresh object for each call: a script may write on it, and nobody else sees that.
  const view = (id) => ({ ...(servers.get(id) ?? { serverId: id }) });

  // --- what came back --------------------------------------------------------------------------------

  const described = (value) => {
    switch (typeof value) {
      case "number":
      case "boolean":
      case "bigint":
        return `the ${typeof value} ${clip(String(value), ID_LENGTH)}`;
      case "undefined":
        return "undefined";
      case "function":
        return "a function";
      case "symbol":
        return "a symbol";
      case "string":
        return `the string \`${clip(value, ID_LENGTH)}\``;
      default:
        if (value === null) return "null";
        if (isArray(value)) return "an array";
        if (value instanceof RealPromise) return "a promise, but scripts cannot wait";
        return typeof value.serverId === "string"
          ? "a server object, but it must return its `serverId` or an array"
          : "an object";
    }
  };
  const invalid = (what) => ({ kind: "invalid", what });

  const listed = (value) => {
    const { length } = value;
    if (typeof length !== "number" || !(length <= ENTRIES)) return invalid("an array that is too long");
    const ids = [];
    for (let i = 0; i < length; i++) {
      const entry = value[i];
      const object = typeof entry === "object" && entry !== null;
      const id = object ? entry.serverId : entry;
      if (typeof id !== "string") {
        const what = object ? "an object without a `serverId`" : described(entry);
        return invalid(`an array whose entry ${i} is ${what}`);
      }
      ids.push(clip(id, ID_LENGTH));
    }
    return { kind: "kept", ids };
  };

  const answer = (value) => {
    if (!value) return { kind: "passed" };
    if (typeof value === "string") return { kind: "chose", id: clip(value, ID_LENGTH) };
    if (isArray(value)) return listed(value);
    return invalid(described(value));
  };

  const textOf = (value) => (typeof value === "string" ? clip(value, TEXT_LENGTH) : "");
  const thrown = (value) => {
    if (value === null) return { kind: "threwNull" };
    const out = { kind: "threw", name: "", message: "", stack: "" };
    try {
      if (typeof value === "object" && value !== null) {
        const { message } = value;
        out.message = typeof message === "object" ? "" : clip(String(message ?? ""), TEXT_LENGTH);
        if (value instanceof Error) {
          out.name = textOf(value.name);
          out.stack = textOf(value.stack);
        }
      } else if (typeof value !== "undefined" && typeof value !== "function") {
        out.message = clip(String(value), TEXT_LENGTH);
      }
    } catch {
      // What was thrown throws itself when looked at: then there is no message.
    }
    return out;
  };

  const call = (factory, text) => {
    const { input, list, local, now: given, seed } = parse(text);
    now = given;
    [x, y, z, w] = seed;
    lines = [];
    let result;
    try {
      input.local = view(local);
      input.servers = [];
      for (const id of list) input.servers.push(view(id));
      const main = factory();
      result = answer(main(input));
    } catch (error) {
      result = thrown(error);
    }
    const clean = tidy();
    return stringify({ answer: result, lines, clean });
  };

  // What a source makes: "function", or words for what it is instead.
  const inspect = (factory) => {
    try {
      const made = factory();
      return typeof made === "function" ? "function" : described(made);
    } finally {
      tidy();
    }
  };

  return { call, inspect, update };
})()
