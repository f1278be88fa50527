/** Just enough of RFC 6455 for a server that speaks binary frames. */
import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Answers the upgrade and gives the open line: `message` and `close` events, `send` and `close`. */
export function accept(request, socket, protocol) {
  const key = createHash("sha1")
    .update(request.headers["sec-websocket-key"] + GUID)
    .digest("base64");
  socket.write(
    [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${key}`,
      `Sec-WebSocket-Protocol: ${protocol}`,
      "\r\n",
    ].join("\r\n"),
  );
  socket.setNoDelay(true);
  return new Line(socket);
}

class Line extends EventEmitter {
  constructor(socket) {
    super();
    this.socket = socket;
    this.rest = Buffer.alloc(0);
    this.open = true;
    socket.on("data", data => this.read(data));
    socket.on("error", () => this.gone());
    socket.on("close", () => this.gone());
  }

  send(data) {
    if (this.open) this.socket.write(frame(0x2, data));
  }

  close(code, reason = "") {
    if (!this.open) return;
    const body = Buffer.alloc(2 + Buffer.byteLength(reason));
    body.writeUInt16BE(code, 0);
    body.write(reason, 2);
    this.socket.end(frame(0x8, body));
    this.gone();
  }

  /** Cuts the line without a word, as a network does. */
  cut() {
    this.socket.destroy();
    this.gone();
  }

  gone() {
    if (!this.open) return;
    this.open = false;
    this.emit("close");
  }

  read(data) {
    this.rest = Buffer.concat([this.rest, data]);
    for (;;) {
      const taken = unframe(this.rest);
      if (!taken) return;
      this.rest = this.rest.subarray(taken.size);
      if (taken.opcode === 0x8) return this.close(1000);
      if (taken.opcode === 0x9) this.socket.write(frame(0xa, taken.payload));
      if (taken.opcode <= 0x2) this.emit("message", taken.payload);
    }
  }
}

function frame(opcode, payload) {
  const body = Buffer.from(payload);
  let head;
  if (body.length < 126) {
    head = Buffer.from([0x80 | opcode, body.length]);
  } else if (body.length < 65536) {
    head = Buffer.from([0x80 | opcode, 126, 0, 0]);
    head.writeUInt16BE(body.length, 2);
  } else {
    head = Buffer.alloc(10);
    head[0] = 0x80 | opcode;
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(body.length), 2);
  }
  return Buffer.concat([head, body]);
}

function unframe(data) {
  if (data.length < 2) return undefined;
  let length = data[1] & 0x7f;
  let at = 2;
  if (length === 126) {
    if (data.length < 4) return undefined;
    length = data.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (data.length < 10) return undefined;
    length = Number(data.readBigUInt64BE(2));
    at = 10;
  }
  const masked = (data[1] & 0x80) !== 0;
  if (data.length < at + (masked ? 4 : 0) + length) return undefined;
  const mask = masked ? data.subarray(at, at + 4) : undefined;
  if (masked) at += 4;
  const payload = Buffer.from(data.subarray(at, at + length));
  if (mask) for (let index = 0; index < length; index += 1) payload[index] ^= mask[index & 3];
  return { opcode: data[0] & 0x0f, payload, size: at + length };
}
