/** A tiny RFB 3.8 server: draws a painted desktop, echoes keys as blocks, takes sizes, answers fences. */
import { scene } from "./scene.mjs";

const ENCODING = { rre: 2, desktopSize: -308, fence: -312 };
/** Why a size is told: of the server's own accord, or because this viewer asked. */
const REASON = { server: 0, asked: 1 };
const KEY_LIMIT = 400;

/** Serves one viewer of `session` over a line; `log` gets what the viewer does. */
export function serve(line, session, log) {
  const screen = session.screen;
  const view = {
    encodings: new Set(),
    waiting: false,
    dirty: true,
    sizeTold: false,
    asked: false,
    bytes: Buffer.alloc(0),
  };
  let step = version;
  line.on("message", data => {
    view.bytes = Buffer.concat([view.bytes, data]);
    while (line.open && step) {
      const next = step();
      if (next === undefined) return;
      step = next;
    }
  });
  const changed = resized => {
    if (resized) view.sizeTold = false;
    view.dirty = true;
    flush();
  };
  screen.viewers.add(changed);
  line.on("close", () => screen.viewers.delete(changed));
  line.send(Buffer.from("RFB 003.008\n"));

  function take(count) {
    if (view.bytes.length < count) return undefined;
    const taken = view.bytes.subarray(0, count);
    view.bytes = view.bytes.subarray(count);
    return taken;
  }

  function version() {
    if (!take(12)) return undefined;
    line.send(Buffer.from([1, 1]));
    return security;
  }

  function security() {
    if (!take(1)) return undefined;
    line.send(Buffer.alloc(4));
    return start;
  }

  function start() {
    if (!take(1)) return undefined;
    const name = Buffer.from(session.name || "session");
    const head = Buffer.alloc(24);
    head.writeUInt16BE(screen.width, 0);
    head.writeUInt16BE(screen.height, 2);
    head.set([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0], 4);
    head.writeUInt32BE(name.length, 20);
    line.send(Buffer.concat([head, name]));
    return message;
  }

  function message() {
    const { bytes } = view;
    if (bytes.length < 1) return undefined;
    switch (bytes[0]) {
      case 0:
        return take(20) && message;
      case 2: {
        if (bytes.length < 4) return undefined;
        const count = bytes.readUInt16BE(2);
        const all = take(4 + count * 4);
        if (!all) return undefined;
        view.encodings = new Set(Array.from({ length: count }, (_, index) => all.readInt32BE(4 + index * 4)));
        if (view.encodings.has(ENCODING.fence)) line.send(fence(0x80000000, "hello"));
        return message;
      }
      case 3: {
        const request = take(10);
        if (!request) return undefined;
        view.waiting = true;
        if (request[1] === 0) view.dirty = true;
        flush();
        return message;
      }
      case 4: {
        const key = take(8);
        if (!key) return undefined;
        if (key[1] === 1) press(key.readUInt32BE(4));
        return message;
      }
      case 5:
        return take(6) && message;
      case 6: {
        if (bytes.length < 8) return undefined;
        const text = take(8 + Math.abs(bytes.readInt32BE(4)));
        if (!text) return undefined;
        log.clipboard.push(text.subarray(8).toString("latin1"));
        return message;
      }
      case 150:
        return take(10) && message;
      case 248: {
        if (bytes.length < 9) return undefined;
        const all = take(9 + bytes[8]);
        if (!all) return undefined;
        const flags = all.readUInt32BE(4);
        if (flags >= 0x80000000) line.send(fence(flags & 0x7, all.subarray(9).toString("latin1")));
        return message;
      }
      case 251: {
        if (bytes.length < 8) return undefined;
        const all = take(8 + bytes[6] * 16);
        if (!all) return undefined;
        log.sizes.push(`${all.readUInt16BE(2)}x${all.readUInt16BE(4)}`);
        view.asked = true;
        screen.resize(all.readUInt16BE(2), all.readUInt16BE(4));
        return message;
      }
      case 255:
        if (bytes.length < 12) return undefined;
        if (bytes.readUInt16BE(2) === 1) press(bytes.readUInt32BE(4));
        return take(12) && message;
      default:
        line.close(1002, `message ${bytes[0]} is not known`);
        return undefined;
    }
  }

  function press(keysym) {
    log.keys.push(keysym);
    if (log.keys.length > KEY_LIMIT) log.keys.shift();
    if (keysym < 0x100) screen.type(String.fromCharCode(keysym));
  }

  function flush() {
    const sizeNews = view.encodings.has(ENCODING.desktopSize) && !view.sizeTold;
    if (!view.waiting || !(view.dirty || sizeNews) || !line.open) return;
    view.waiting = false;
    if (sizeNews) {
      view.sizeTold = true;
      view.dirty = true;
      const reason = view.asked ? REASON.asked : REASON.server;
      view.asked = false;
      return line.send(sizeUpdate(screen, reason));
    }
    view.dirty = false;
    line.send(picture(screen));
  }
}

/** What all viewers of one session see. */
export function createScreen(seed) {
  const screen = {
    width: 1280,
    height: 800,
    typed: "",
    seed,
    viewers: new Set(),
    resize(width, height) {
      screen.width = width;
      screen.height = height;
      for (const viewer of screen.viewers) viewer(true);
    },
    type(character) {
      screen.typed = (screen.typed + character).slice(-40);
      for (const viewer of screen.viewers) viewer(false);
    },
  };
  return screen;
}

function fence(flags, payload) {
  const out = Buffer.alloc(9 + payload.length);
  out[0] = 248;
  out.writeUInt32BE(flags >>> 0, 4);
  out[8] = payload.length;
  out.write(payload, 9, "latin1");
  return out;
}

function updateHead(rects) {
  return Buffer.from([0, 0, rects >> 8, rects & 0xff]);
}

function rectHead(width, height, encoding, x = 0) {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(x, 0);
  head.writeUInt16BE(width, 4);
  head.writeUInt16BE(height, 6);
  head.writeInt32BE(encoding, 8);
  return head;
}

function sizeUpdate({ width, height }, reason) {
  const layout = Buffer.alloc(20);
  layout[0] = 1;
  layout.writeUInt16BE(width, 12);
  layout.writeUInt16BE(height, 14);
  return Buffer.concat([updateHead(1), rectHead(width, height, ENCODING.desktopSize, reason), layout]);
}

function picture({ width, height, typed, seed }) {
  const rects = scene(width, height, { typed, seed });
  const body = Buffer.alloc(8 + rects.length * 12);
  body.writeUInt32BE(rects.length, 0);
  rects.forEach(({ x, y, w, h, c }, index) => {
    const at = 8 + index * 12;
    body.set([c[0], c[1], c[2], 0], at);
    [x, y, w, h].forEach((value, part) => {
      body.writeUInt16BE(value, at + 4 + part * 2);
    });
  });
  return Buffer.concat([updateHead(1), rectHead(width, height, ENCODING.rre), body]);
}
