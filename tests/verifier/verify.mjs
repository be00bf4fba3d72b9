// A second verifier of the audit log's export bundles, written from docs/audit-format.md alone. It shares no code, language or library with the product.
//
//   node verify.mjs <bundle folder> --key <vkey> [--witness <vkey>]
//
// Prints "verified: N entries" and exits 0; or prints one line for each finding, "<check>: <place>: <what is wrong>", and exits 1.
// Exits 2 if it was called wrongly. It holds the whole bundle in memory.

import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Bad, canonicalValue, isObject, members, sha256, timeOf } from "./bytes.mjs";
import { bodiesOf, parseEntry } from "./entry.mjs";
import { cosignedAt, logNumber, parseBatch, parseCheckpoint, parseKey, parseNote, periodFor, signedBy, walkKeys } from "./notes.mjs";
import { Tiles, countAt, leafHash, mth, shortName, tileName } from "./tree.mjs";

const SEGMENT = 65536;
const CLOCKS_MAY_DIFFER = 60; // seconds between the machines of log and witness
const PRINTED = 200; // findings; the rest is counted
const MANIFEST = ["created_at", "end", "files", "first", "format", "log_id", "origin", "size"];

function readFolder(folder, finding) {
  const files = new Map();
  const walk = (path) => {
    for (const name of readdirSync(join(folder, path)).sort()) {
      const inner = path === "" ? name : `${path}/${name}`;
      const status = lstatSync(join(folder, inner));
      if (status.isDirectory()) walk(inner);
      else if (status.isFile()) files.set(inner, readFileSync(join(folder, inner)));
      else finding("manifest", inner, "is neither a file nor a folder");
    }
  };
  walk("");
  return files;
}

function parseManifest(bytes) {
  if (bytes === undefined) throw new Bad("is missing");
  const manifest = members(canonicalValue(bytes), MANIFEST);
  const counts = [manifest.first, manifest.end, manifest.size, manifest.log_id];
  if (manifest.format !== 1) throw new Bad("has another format than 1");
  if (!counts.every(Number.isInteger) || typeof manifest.origin !== "string" || !isObject(manifest.files)) throw new Bad("has members of a wrong type");
  if (!(0 <= manifest.first && manifest.first < manifest.end && manifest.end <= manifest.size)) throw new Bad("has a range that is none");
  timeOf(manifest.created_at);
  return manifest;
}

class Verification {
  findings = [];

  constructor(folder, pinned, witness) {
    this.finding = (check, place, detail) => {
      if (detail instanceof Error && !(detail instanceof Bad)) throw detail;
      this.findings.push(`${check}: ${place}: ${detail instanceof Bad ? detail.message : detail}`);
    };
    this.pinned = pinned;
    this.witness = witness;
    this.files = readFolder(folder, this.finding);
  }

  run() {
    try {
      this.manifest = parseManifest(this.files.get("manifest.json"));
      this.log = logNumber(this.pinned.name, this.manifest.origin);
      if (this.log !== this.manifest.log_id) throw new Bad(`names log ${this.manifest.log_id}, but its origin is that of log ${this.log}`);
    } catch (error) {
      return this.finding("manifest", "manifest.json", error);
    }
    this.tiles = new Tiles(this.manifest.size, this.files);
    this.checkFiles();
    this.periods = walkKeys(this.files, this.pinned, this.finding);
    this.checkCheckpoint();
    this.checkTiles();
    this.checkEntries();
    this.checkBatches();
    this.checkOwnEntries();
  }

  checkFiles() {
    const { files, first, end } = this.manifest;
    for (const [path, listed] of Object.entries(files)) {
      const bytes = this.files.get(path);
      if (bytes === undefined) this.finding("manifest", path, "is listed but missing");
      else if (sha256(bytes).toString("hex") !== listed) this.finding("manifest", path, "has another SHA-256 than the manifest says");
    }
    const belongs = new Set(["manifest.json", "checkpoint", ...[...this.tilesNeeded(), ...this.bundlesNeeded()].map(({ name }) => name)]);
    for (const path of this.files.keys()) {
      if (path !== "manifest.json" && !Object.hasOwn(files, path)) this.finding("manifest", path, "is not listed");
      const [, kind, text] = /^(keys|batches)\/(0|[1-9][0-9]*)$/.exec(path) ?? [];
      const number = Number(text);
      const isBatch = kind === "batches" && first <= number && number < end;
      const isKey = kind === "keys" && (number === 1 || this.files.has(`keys/${number - 1}`));
      if (!isBatch && !isKey && !belongs.has(path)) this.finding("manifest", path, "is no file of this bundle");
    }
  }

  tilesNeeded() {
    const { first, end, size } = this.manifest;
    const needed = [];
    for (let level = 0; countAt(size, level) > 0; level += 1) {
      const span = 256 ** (level + 1);
      const last = Math.floor(countAt(size, level) / 256);
      const indexes = new Set([last]);
      for (let index = Math.floor(Math.max(0, first - 1) / span); index <= Math.floor((end - 1) / span); index += 1) indexes.add(index);
      for (const index of indexes) {
        const width = this.tiles.width(level, index);
        if (width > 0) needed.push({ level, index, width, name: tileName(level, index, width) });
      }
    }
    return needed;
  }

  bundlesNeeded() {
    const needed = [];
    for (let index = Math.floor(this.manifest.first / 256); index <= Math.floor((this.manifest.end - 1) / 256); index += 1) {
      const width = this.tiles.width(0, index);
      needed.push({ index, width, name: tileName("entries", index, width) });
    }
    return needed;
  }

  checkCheckpoint() {
    const { origin, size } = this.manifest;
    try {
      if (!this.files.has("checkpoint")) throw new Bad("is missing");
      const note = parseNote(this.files.get("checkpoint"));
      const found = parseCheckpoint(note);
      if (found.origin !== origin || found.size !== size) throw new Bad(`is of ${found.origin} at ${found.size}`);
      this.root = found.root;
      const keys = [size - 1, size].map((seq) => periodFor(this.periods, this.log, seq)?.key);
      if (this.periods.length > 0 && !keys.some((key) => key !== undefined && signedBy(note, key))) this.finding("checkpoint", `checkpoint ${size}`, "is not signed by the log's key");
      if (this.witness === undefined) return;
      this.witnessed = cosignedAt(note, this.witness);
      if (this.witnessed === undefined) this.finding("checkpoint", `checkpoint ${size}`, "is not cosigned by the witness");
    } catch (error) {
      this.finding("checkpoint", `checkpoint ${size}`, error);
    }
  }

  checkTiles() {
    for (const { level, index, width, name } of this.tilesNeeded()) {
      const hashes = this.tiles.tile(level, index);
      const above = this.tiles.tile(level + 1, Math.floor(index / 256));
      if (!this.files.has(name)) this.finding("tile", shortName(level, index), "is missing");
      if (hashes === undefined || width < 256 || above === undefined) continue;
      const parent = shortName(level + 1, Math.floor(index / 256));
      if (!mth(hashes).equals(above[index % 256])) this.finding("tile", shortName(level, index), `does not give its hash in ${parent}`);
    }
    for (const [place, detail] of this.tiles.bad) this.finding("tile", place, detail);
    const root = this.tiles.root(this.manifest.size);
    if (root !== undefined && this.root !== undefined && !root.equals(this.root)) {
      this.finding("root", `checkpoint ${this.manifest.size}`, "its root is not the one that the partial tiles give");
    }
  }

  checkEntries() {
    this.entries = new Map();
    this.seen = new Map();
    for (const { index, width, name } of this.bundlesNeeded()) {
      const first = index * 256;
      const bundle = this.files.get(name);
      if (bundle === undefined) {
        this.finding("sequence", `entries ${first} to ${first + width - 1}`, `${name} is missing`);
        continue;
      }
      const { bodies, cut } = bodiesOf(bundle);
      const count = bodies.length;
      if (cut) this.finding("sequence", `entry ${first + count}`, `${name} is cut off in it`);
      else if (count !== width) this.finding("sequence", `entry ${first + Math.min(count, width)}`, `${name} holds ${count} entries, not ${width}`);
      bodies.slice(0, width).forEach((body, at) => this.checkEntry(first + at, body));
    }
  }

  checkEntry(seq, body) {
    const place = `entry ${seq}`;
    const leaf = this.tiles.leaf(seq);
    if (leaf !== undefined && !leafHash(body).equals(leaf)) return this.finding("body", place, "its bytes do not give the hash in the tile");
    let entry;
    try {
      entry = parseEntry(body);
    } catch (error) {
      return this.finding("body", place, error);
    }
    this.entries.set(seq, entry);
    if (entry.log !== this.manifest.origin) this.finding("body", place, `is of the log ${entry.log}`);
    if (entry.seq !== seq) this.finding("sequence", place, `says that it is entry ${entry.seq}`);
    const before = seq === 0 ? Buffer.alloc(32) : this.tiles.leaf(seq - 1);
    if (before !== undefined && entry.prev !== before.toString("hex")) this.finding("chain", place, "prev is not the hash of the entry before");
    if (this.entries.get(seq - 1)?.recordedAt > entry.recordedAt) this.finding("time", place, "was recorded before the entry before");
    if (this.witnessed !== undefined && entry.recordedAt / 1000000n > this.witnessed + BigInt(CLOCKS_MAY_DIFFER)) {
      this.finding("time", place, "was recorded after the witness had seen it");
    }
    if (this.seen.has(entry.record_id)) this.finding("sequence", place, `has the record_id of entry ${this.seen.get(entry.record_id)}`);
    this.seen.set(entry.record_id, seq);
  }

  checkBatches() {
    const { first, end } = this.manifest;
    const names = [...this.files.keys()].filter((path) => path.startsWith("batches/"));
    const starts = names.map((path) => Number(path.slice("batches/".length))).sort((one, other) => one - other);
    const after = (at) => starts.find((start) => start > at) ?? end;
    const surplus = new Set(starts);
    let before;
    for (let at = first; at < end; ) {
      surplus.delete(at);
      if (!starts.includes(at)) {
        this.finding("sequence", `entry ${at}`, `the entries ${at} to ${after(at) - 1} are in no signed batch`);
        at = after(at);
        continue;
      }
      try {
        const note = parseNote(this.files.get(`batches/${at}`));
        const batch = parseBatch(note);
        this.checkSignature(at, note);
        this.checkBatch(at, batch, before);
        before = batch;
        at = batch.first === at && batch.size <= end ? batch.size : after(at);
      } catch (error) {
        this.finding("batch", `batch ${at}`, error);
        at = after(at);
      }
    }
    for (const at of surplus) this.finding("batch", `batch ${at}`, "does not begin where the batch before ends");
  }

  checkSignature(at, note) {
    if (this.periods.length === 0) return; // the history does not lead to the pinned key, which is said already
    const key = periodFor(this.periods, this.log, at)?.key;
    if (key === undefined) this.finding("key", `batch ${at}`, "is older than the pinned key, which proves nothing of it");
    else if (!signedBy(note, key)) this.finding("signature", `batch ${at}`, "is not signed by the key of its period");
  }

  checkBatch(at, batch, before) {
    const place = `batch ${at}`;
    if (batch.origin !== this.manifest.origin) throw new Bad(`is of the log ${batch.origin}`);
    if (batch.first !== at) throw new Bad(`says that it begins at ${batch.first}`);
    if (batch.size > this.manifest.end) throw new Bad(`ends at ${batch.size}, behind the range`);
    if (Math.floor(at / SEGMENT) !== Math.floor((batch.size - 1) / SEGMENT)) this.finding("batch", place, "crosses the end of a segment");
    if (before !== undefined && batch.epoch < before.epoch) this.finding("batch", place, "its epoch steps back");
    for (const [partition, offset] of Object.entries(before?.offsets ?? {})) {
      if (!(batch.offsets[partition] >= offset)) this.finding("batch", place, `the offset of partition ${partition} steps back`);
    }
    const leaves = Array.from({ length: batch.size - at }, (_, index) => this.tiles.leaf(at + index));
    if (!leaves.includes(undefined) && !mth(leaves).equals(batch.batchRoot)) this.finding("batch", place, "its root is not that of its entries");
    const root = this.tiles.root(batch.size);
    if (root !== undefined && !root.equals(batch.treeRoot)) this.finding("root", place, `its tree root is not that of ${batch.size} entries`);
    for (let seq = at; seq < batch.size; seq += 1) this.checkInBatch(seq, batch, before);
  }

  checkInBatch(seq, batch, before) {
    const entry = this.entries.get(seq);
    if (entry === undefined) return;
    if (entry.recordedAt !== batch.recordedAt) this.finding("time", `entry ${seq}`, "has another recorded_at than its batch");
    if (entry.source === null) return;
    const { partition, offset } = entry.source;
    if (!(offset < batch.offsets[partition]) || offset < (before?.offsets[partition] ?? 0)) {
      this.finding("batch", `entry ${seq}`, `its offset ${offset} of partition ${partition} is not one of its batch`);
    }
  }

  checkOwnEntries() {
    const { first, end } = this.manifest;
    for (let seq = first; seq < end; seq += 1) {
      const entry = this.entries.get(seq);
      const opens = entry?.action === "LOG_OPENED";
      if (entry !== undefined && opens !== (seq === 0)) this.finding("sequence", `entry ${seq}`, `${entry.action} stands in a wrong place`);
      const period = seq === 0 ? periodFor(this.periods, this.log, 0) : this.periods.find((each) => each.log === this.log && each.from === seq);
      if (entry === undefined || period === undefined) continue;
      const statement = String(this.files.get(`keys/${period.number}`));
      const told = seq === 0 ? entry.detail.key === period.key.vkey : entry.detail.statement === statement;
      if (!told) this.finding("key", `entry ${seq}`, `does not tell of key ${period.number}, which begins here`);
    }
  }
}

function main(values) {
  const usage = "usage: verify.mjs <bundle folder> --key <vkey> [--witness <vkey>]";
  const options = { "--key": undefined, "--witness": undefined };
  const [folder, ...rest] = values;
  for (let at = 0; at < rest.length; at += 2) {
    if (!Object.hasOwn(options, rest[at]) || rest[at + 1] === undefined) throw new Bad(usage);
    options[rest[at]] = rest[at + 1];
  }
  if (folder === undefined || options["--key"] === undefined) throw new Bad(usage);
  const witness = options["--witness"] === undefined ? undefined : parseKey(options["--witness"], 4);
  const verification = new Verification(folder, parseKey(options["--key"], 1), witness);
  verification.run();
  const { findings, manifest } = verification;
  findings.slice(0, PRINTED).forEach((line) => console.log(line));
  if (findings.length > PRINTED) console.log(`and ${findings.length - PRINTED} more`);
  if (findings.length === 0) console.log(`verified: ${manifest.end - manifest.first} entries`);
  return findings.length === 0 ? 0 : 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
}
