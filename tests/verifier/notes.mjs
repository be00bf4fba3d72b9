// Signed notes and what is stated in them: checkpoints, batches, keys.

import { createPublicKey, verify as verifyBytes } from "node:crypto";
import { Bad, base64, canonicalValue, decimal, isObject, sha256, textOf, timeOf } from "./bytes.mjs";

const MOST_SIGNATURES = 16;

export function parseKey(vkey, type) {
  const [, name, id, encoded] = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(vkey) ?? [];
  if (!isKeyName(name ?? "")) throw new Bad("is no vkey");
  const material = base64(encoded, 33, "the key of a vkey");
  const keyId = sha256(`${name}\n`, material).subarray(0, 4);
  if (material[0] !== type) throw new Bad(`is a vkey of type ${material[0]}, not ${type}`);
  if (keyId.toString("hex") !== id) throw new Bad("is a vkey whose id is not that of its key");
  const x = material.subarray(1).toString("base64url");
  return { vkey, name, keyId, type, key: createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }) };
}

const isKeyName = (name) => name !== "" && !/[\s+\x00-\x1f]/u.test(name);

export function parseNote(bytes) {
  const whole = textOf(bytes);
  if (/[\x00-\x09\x0b-\x1f]/.test(whole)) throw new Bad("is a note with control characters");
  const cut = whole.lastIndexOf("\n\n");
  if (cut < 0 || !whole.endsWith("\n")) throw new Bad("is no signed note");
  const lines = whole.slice(cut + 2, -1).split("\n");
  if (lines.length > MOST_SIGNATURES) throw new Bad(`is a note with ${lines.length} signatures`);
  const signatures = lines.map((line) => {
    const [, name, encoded] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
    if (!isKeyName(name ?? "")) throw new Bad("is a note with a line that is no signature");
    const value = base64(encoded, undefined, "a signature");
    if (value.length < 5) throw new Bad("is a note with a signature that is too short");
    return { name, keyId: value.subarray(0, 4), value: value.subarray(4) };
  });
  return { text: whole.slice(0, cut + 1), signatures };
}

const linesOf = (note, key) => note.signatures.filter((line) => line.name === key.name && line.keyId.equals(key.keyId));
const verifies = (key, text, signature) => signature.length === 64 && verifyBytes(null, Buffer.from(text), key.key, signature);

export function signedBy(note, key) {
  const lines = linesOf(note, key);
  return lines.length > 0 && lines.every((line) => verifies(key, note.text, line.value));
}

// The time of the witness's cosignature in seconds, or undefined.
export function cosignedAt(note, key) {
  const times = linesOf(note, key).map((line) => {
    const time = line.value.length === 72 ? line.value.readBigUInt64BE() : 0n;
    return time > 0n && verifies(key, `cosignature/v1\ntime ${time}\n${note.text}`, line.value.subarray(8)) ? time : undefined;
  });
  return times.includes(undefined) ? undefined : times.sort((one, other) => (one < other ? -1 : 1))[0];
}

function linesOfText(text, count, header) {
  const lines = text.split("\n");
  if (lines.length !== count + 1 || lines.indexOf("") !== count) throw new Bad(`has not ${count} lines`);
  if (header !== undefined && lines[0] !== header) throw new Bad(`does not begin with ${header}`);
  return lines;
}

export function parseCheckpoint(note) {
  const [origin, size, root] = linesOfText(note.text, 3);
  return { origin, size: decimal(size, "the size"), root: base64(root, 32, "the root") };
}

export function parseBatch(note) {
  const [, origin, epoch, range, recordedAt, offsets, batchRoot, treeRoot] = linesOfText(note.text, 8, "corporate-actions/audit-batch/v1");
  const [first, size, ...more] = range.split(" ").map((text) => decimal(text, "the range"));
  if (size === undefined || more.length > 0 || first >= size) throw new Bad("has a range that is none");
  const moved = canonicalValue(Buffer.from(offsets));
  const fits = ([partition, offset]) => /^(0|[1-9][0-9]*)$/.test(partition) && Number.isInteger(offset) && offset >= 0;
  if (!isObject(moved) || !Object.entries(moved).every(fits)) throw new Bad("has offsets that are none");
  const roots = { batchRoot: base64(batchRoot, 32, "the batch root"), treeRoot: base64(treeRoot, 32, "the tree root") };
  return { origin, epoch: decimal(epoch, "the epoch"), first, size, recordedAt: timeOf(recordedAt), offsets: moved, ...roots };
}

// Which log of the key's name: the name itself is 1, name/2 the next one.
export function logNumber(name, origin) {
  if (origin === name) return 1;
  const number = origin.startsWith(`${name}/`) ? origin.slice(name.length + 1) : "";
  if (!/^([2-9]|[1-9][0-9]+)$/.test(number)) throw new Bad(`is about ${origin}, which is no log of ${name}`);
  return Number(number);
}

function parseStatement(note) {
  const [, name, origin, number, from, vkey] = linesOfText(note.text, 6, "corporate-actions/audit-key/v1");
  const key = parseKey(vkey, 1);
  if (key.name !== name) throw new Bad("states a key of another name");
  return { number: decimal(number, "the number"), log: logNumber(name, origin), from: decimal(from, "the first entry"), key };
}

const isBefore = (one, other) => one.log < other.log || (one.log === other.log && one.from < other.from);

// The periods from the pinned key on; stops at the first statement that does not lead on.
export function walkKeys(files, pinned, finding) {
  const periods = [];
  for (let number = 1; files.has(`keys/${number}`); number += 1) {
    try {
      const note = parseNote(files.get(`keys/${number}`));
      const next = parseStatement(note);
      const last = periods.at(-1);
      if (next.number !== number) throw new Bad(`states number ${next.number}`);
      if (!signedBy(note, next.key)) throw new Bad("is not signed by the key that it states");
      if (last === undefined && (next.log !== 1 || next.from !== 0)) throw new Bad("does not begin with entry 0 of the first log");
      if (last !== undefined && next.key.name !== last.key.name) throw new Bad("states a key of another name");
      if (last !== undefined && !isBefore(last, next)) throw new Bad("does not begin after the key before");
      if (periods.some((period) => period.key.vkey === next.key.vkey)) throw new Bad("states a key that was in use before");
      if (last !== undefined && !signedBy(note, last.key)) throw new Bad("is not signed by the key before");
      periods.push(next);
    } catch (error) {
      finding("key", `key ${number}`, error);
      break;
    }
  }
  const start = periods.findIndex((period) => period.key.vkey === pinned.vkey);
  if (start < 0) finding("key", "key history", "does not lead to the pinned key");
  return start < 0 ? [] : periods.slice(start);
}

// The period in which an entry of a log lies; undefined if it is older than the pinned key.
export const periodFor = (periods, log, seq) => periods.findLast((period) => !isBefore({ log, from: seq }, period));
