// The Merkle tree over the entries and the tiles it is cut into, as docs/audit-format.md describes them.

import { sha256 } from "./bytes.mjs";

export const leafHash = (body) => sha256(Buffer.of(0), body);
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right);

export function mth(row) {
  if (row.length === 0) return sha256();
  while (row.length > 1) {
    const above = [];
    for (let at = 0; at < row.length; at += 2) above.push(at + 1 < row.length ? nodeHash(row[at], row[at + 1]) : row[at]);
    row = above;
  }
  return row[0];
}

export const countAt = (size, level) => Math.floor(size / 256 ** level); // hashes on a level of tiles
const grouped = (index) => {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, "0");
  const groups = digits.match(/.{3}/g);
  return [...groups.slice(0, -1).map((group) => `x${group}`), groups.at(-1)].join("/");
};
export const tileName = (level, index, width) => `tile/${level}/${grouped(index)}${width === 256 ? "" : `.p/${width}`}`;
export const shortName = (level, index) => `tile ${level}/${index}`;

export class Tiles {
  constructor(size, files) {
    this.size = size;
    this.files = files;
    this.bad = new Map(); // place to what is wrong with it
    this.known = new Map();
  }

  width(level, index) {
    return Math.min(256, countAt(this.size, level) - index * 256);
  }

  // The hashes of a tile, or undefined if the bundle has no such tile or it has another length.
  tile(level, index) {
    const width = this.width(level, index);
    const name = tileName(level, index, width);
    if (!this.known.has(name)) {
      const bytes = this.files.get(name);
      const whole = bytes !== undefined && bytes.length === width * 32;
      if (bytes !== undefined && !whole) this.bad.set(shortName(level, index), `has ${bytes.length} bytes, not ${width * 32}`);
      this.known.set(name, whole ? Array.from({ length: width }, (_, at) => bytes.subarray(at * 32, at * 32 + 32)) : undefined);
    }
    return this.known.get(name);
  }

  leaf(seq) {
    return this.tile(0, Math.floor(seq / 256))?.[seq % 256];
  }

  // The root over the first `size` leaves from partial tiles alone: of each level the hashes behind the last full tile.
  root(size) {
    let below;
    for (let level = 0; countAt(size, level) > 0; level += 1) {
      const count = countAt(size, level);
      const held = count % 256;
      const row = held === 0 ? [] : this.tile(level, Math.floor(count / 256))?.slice(0, held);
      if (row === undefined) return undefined;
      if (below !== undefined) row.push(below);
      if (row.length > 0) below = mth(row);
    }
    return below ?? mth([]);
  }
}
