// Bytes to values, each in the one spelling that docs/audit-format.md allows.

import { createHash } from "node:crypto";

export class Bad extends Error {} // what is wrong with some bytes; turned into a finding by whoever knows where they stand

export const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function textOf(bytes) {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new Bad("is not UTF-8");
  }
}

export function base64(text, length, what) {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw new Bad(`${what} is not base64 in its one spelling`);
  if (length !== undefined && bytes.length !== length) throw new Bad(`${what} has ${bytes.length} bytes, not ${length}`);
  return bytes;
}

export function decimal(text, what) {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text)) throw new Bad(`${what} is no decimal`);
  if (!Number.isSafeInteger(Number(text))) throw new Bad(`${what} is larger than this program counts`);
  return Number(text);
}

function canonical(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new Bad(`the number ${value} is no integer below 2^53`);
    return String(value);
  }
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value)) throw new Bad("a string has half a surrogate pair");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const names = Object.keys(value).sort();
  if (!names.every((name) => /^[\x00-\x7f]*$/.test(name))) throw new Bad("a member's name is not ASCII");
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

export function canonicalValue(bytes) {
  const text = textOf(bytes);
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Bad(`is not JSON (${error.message.slice(0, 60)})`);
  }
  if (canonical(value) !== text) throw new Bad("is not canonical JSON");
  return value;
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export function members(value, names) {
  if (!isObject(value) || Object.keys(value).sort().join() !== names.join()) throw new Bad(`is not an object of ${names.join(", ")}`);
  return value;
}

// Microseconds since 1970, or a Bad.
export function timeOf(text) {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z$/.exec(text);
  const milliseconds = found === null ? NaN : Date.parse(`${found[1]}Z`);
  if (Number.isNaN(milliseconds) || !new Date(milliseconds).toISOString().startsWith(found[1])) throw new Bad("has a time in another form");
  return BigInt(milliseconds) * 1000n + BigInt(found[2]);
}
