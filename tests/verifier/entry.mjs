// An entry's body and the bundles that bodies stand in.

import { Bad, canonicalValue, isObject, members, timeOf } from "./bytes.mjs";

const LONGEST_BODY = 32768;
const ENTRY = "action,actor,detail,event_type,format,log,prev,record_id,recorded_at,resource,seq,source,symbol".split(",");
const isText = (value, most) => typeof value === "string" && value !== "" && [...value].length <= most;
const isCode = (value) => value === null || (typeof value === "string" && /^[\x00-\x7f]{0,16}$/.test(value));

export function parseEntry(body) {
  if (body.length > LONGEST_BODY) throw new Bad(`has ${body.length} bytes`);
  const entry = members(canonicalValue(body), ENTRY);
  const wrong = [
    ["action", isText(entry.action, 32)],
    ["actor", isText(entry.actor, 128)],
    ["detail", isObject(entry.detail)],
    ["event_type", isCode(entry.event_type)],
    ["format", entry.format === 1],
    ["prev", typeof entry.prev === "string" && /^[0-9a-f]{64}$/.test(entry.prev)],
    ["record_id", isText(entry.record_id, 320) && /^[\x20-\x7e]+$/.test(entry.record_id)],
    ["resource", isText(entry.resource, 320)],
    ["seq", Number.isInteger(entry.seq) && entry.seq >= 0],
    ["symbol", isCode(entry.symbol)],
  ].filter(([, fits]) => !fits);
  if (wrong.length > 0) throw new Bad(`has a wrong ${wrong.map(([name]) => name).join(", ")}`);
  if (entry.source !== null) {
    const { offset, partition, topic } = members(entry.source, ["offset", "partition", "topic"]);
    if (!Number.isInteger(offset) || !Number.isInteger(partition) || typeof topic !== "string") throw new Bad("has a wrong source");
  }
  return { ...entry, recordedAt: timeOf(entry.recorded_at) };
}

export function bodiesOf(bundle) {
  const bodies = [];
  for (let at = 0; at < bundle.length; ) {
    const begin = at + 2;
    at = begin <= bundle.length ? begin + bundle.readUInt16BE(at) : Infinity;
    if (at > bundle.length) return { bodies, cut: true };
    bodies.push(bundle.subarray(begin, at));
  }
  return { bodies, cut: false };
}
