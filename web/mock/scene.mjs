/** A painted desktop as a list of rectangles, and as a PNG. */
import { crc32, deflateSync } from "node:zlib";

const mix = (from, to, share) => from.map((value, index) => Math.round(value + (to[index] - value) * share));

/** Rectangles `{x, y, w, h, c}` from back to front for a screen of `width` × `height`. */
export function scene(width, height, { typed = "", seed = 0 } = {}) {
  const rects = [];
  const add = (x, y, w, h, c) => {
    const left = Math.max(0, Math.round(x));
    const top = Math.max(0, Math.round(y));
    const right = Math.min(width, Math.round(x + w));
    const bottom = Math.min(height, Math.round(y + h));
    if (right > left && bottom > top) rects.push({ x: left, y: top, w: right - left, h: bottom - top, c });
  };
  const skies = [
    [
      [28, 66, 74],
      [214, 158, 122],
    ],
    [
      [36, 48, 82],
      [140, 158, 190],
    ],
    [
      [40, 62, 48],
      [196, 190, 140],
    ],
  ];
  const [high, low] = skies[seed % skies.length];
  const bands = 48;
  for (let band = 0; band < bands; band += 1) {
    add(0, (height * band) / bands, width, height / bands + 1, mix(high, low, band / bands));
  }
  for (let hill = 0; hill < 3; hill += 1) {
    const shade = mix(high, [12, 22, 24], 0.35 + hill * 0.22);
    for (let step = 0; step < 64; step += 1) {
      const wave = Math.sin(step / (7 - hill) + hill * 2 + seed) + Math.sin(step / 3.1 + hill + seed) * 0.35;
      const top = height * (0.62 + hill * 0.1) + (wave * height) / 22;
      add((width * step) / 64, top, width / 64 + 1, height - top, shade);
    }
  }
  add(0, 0, width, 26, [24, 30, 32]);
  add(10, 8, 10, 10, [114, 212, 198]);
  for (let item = 0; item < 3; item += 1) add(34 + item * 58, 11, 40, 5, [150, 160, 160]);
  add(width - 60, 11, 46, 5, [150, 160, 160]);
  window(
    add,
    width * 0.08,
    height * 0.14,
    Math.min(width * 0.46, 620),
    Math.min(height * 0.6, 460),
    typed,
    seed,
  );
  editor(add, width * 0.5, height * 0.24, Math.min(width * 0.42, 560), Math.min(height * 0.56, 430));
  return rects;
}

function window(add, x, y, w, h, typed, seed) {
  add(x, y, w, h, [18, 22, 24]);
  add(x, y, w, 26, [46, 54, 56]);
  dots(add, x, y);
  const green = [130, 200, 160];
  const grey = [170, 180, 180];
  for (let row = 0; row < Math.floor((h - 60) / 18); row += 1) {
    const length = 40 + ((row * 97 + seed * 31) % 190);
    add(x + 14, y + 42 + row * 18, 26, 6, green);
    add(x + 48, y + 42 + row * 18, Math.min(length, w - 70), 6, grey);
  }
  for (let index = 0; index < typed.length; index += 1) {
    add(x + 14 + (index % 40) * 11, y + h - 18, 8, 10, [240, 240, 240]);
  }
}

function editor(add, x, y, w, h) {
  add(x, y, w, h, [246, 247, 246]);
  add(x, y, w, 26, [222, 226, 225]);
  dots(add, x, y);
  add(x, y + 26, w * 0.24, h - 26, [234, 238, 237]);
  for (let row = 0; row < 9; row += 1)
    add(x + 12, y + 44 + row * 20, 40 + ((row * 37) % 40), 6, [160, 170, 168]);
  const colours = [
    [11, 110, 102],
    [120, 130, 128],
    [170, 90, 60],
    [120, 130, 128],
  ];
  for (let row = 0; row < Math.floor((h - 60) / 17); row += 1) {
    const indent = ((row * 7) % 4) * 16;
    add(x + w * 0.24 + 18 + indent, y + 44 + row * 17, 30 + ((row * 53) % 60), 6, colours[row % 4]);
    add(
      x + w * 0.24 + 60 + indent + ((row * 53) % 60),
      y + 44 + row * 17,
      (row * 71) % 130,
      6,
      [190, 198, 196],
    );
  }
}

function dots(add, x, y) {
  add(x + 10, y + 9, 8, 8, [214, 110, 96]);
  add(x + 24, y + 9, 8, 8, [216, 176, 92]);
  add(x + 38, y + 9, 8, 8, [110, 178, 130]);
}

export function png(width, height, rects) {
  const stride = width * 3 + 1;
  const pixels = Buffer.alloc(stride * height);
  for (const { x, y, w, h, c } of rects) {
    for (let row = y; row < y + h; row += 1) {
      for (let column = x; column < x + w; column += 1) {
        const at = row * stride + 1 + column * 3;
        pixels[at] = c[0];
        pixels[at + 1] = c[1];
        pixels[at + 2] = c[2];
      }
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [chunk("IHDR", header), chunk("IDAT", deflateSync(pixels)), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
