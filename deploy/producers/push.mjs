// Pushes one event, once, with ioredis (npm install ioredis); push_once.lua must be beside this file:
//
//   node push.mjs USER NAME [MEMBERS]         MEMBERS is JSON, such as '{"vars":{"cds":2}}'
//   node push.mjs --shard SHARDS USER...      only prints the shard of each user; needs no package
//   node push.mjs --marker LIST KEY EVENT...  only prints the marker of a push, and what it holds then
//
// REDIS_URL, QUEUE, SHARDS and IDEMPOTENCY_KEY come from the environment. With an IDEMPOTENCY_KEY the push may be run
// again for a day. Exit 1: not pushed, or perhaps pushed.
import { createHash, randomUUID } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PUSH_ONCE = readFileSync(new URL("push_once.lua", import.meta.url), "utf8");
const DAY = 86_400_000;
/** Milliseconds that a key lives which nobody knows: longer than a command is repeated. */
const AUTOMATIC = 120_000;

/** CRC-32 as in zlib and gzip. From Node 22.2 on, zlib.crc32 is the same. */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** The shard of a user. Integers beyond 2^53 must come as text or BigInt: a number has lost its last digits. */
export const shardOf = (userId, shards) => crc32(Buffer.from(String(userId), "utf8")) % shards;

export const listName = (queue, shard, shards) => (shards === 1 ? queue : `${queue}:${shard}`);

export const markerName = (list, key) => `{${list}}:pushed:${key}`;

/** With several lists, their number is part of the key: after a resharding a list has the same name, but other events. */
export const keyOf = (key, shards) => (shards === 1 ? key : `${shards}:${key}`);

/** The digest of all events of a push, as they are before a date is added. A BigInt: a number would lose digits. */
export function digestOf(events) {
  const hash = createHash("sha256");
  for (const event of events) hash.update(`${event}\n`);
  return 1n + (hash.digest().readBigUInt64BE() % 9_223_372_034n);
}

export async function connect(url) {
  const { Redis } = await import("ioredis");
  // ioredis sends a command again when its connection was lost before the reply came. That is what push_once.lua is for.
  return new Redis(url, { maxRetriesPerRequest: 20, commandTimeout: 30_000 });
}

/**
 * Pushes one event. If it throws after the command was sent, the event may have been pushed: with the same key it can be
 * pushed again.
 */
export async function push(redis, event, { queue = "events", shards = 1, key } = {}) {
  if (!Number.isInteger(shards) || shards < 1) throw new Error("shards must be an integer, at least 1");
  const told = await redis.get(`{${queue}}:shards`); // a service asks once, when it starts
  if (told !== null && Number(told) !== shards) throw new Error(`shards is ${shards}, but Redis says ${told}`);
  const { user_id, name, date = null, ...members } = event;
  const element = (when) => JSON.stringify({ user_id, name, date: when, ...members });
  const list = listName(queue, shardOf(user_id, shards), shards);
  const [, outcome] = await redis.eval(
    ...[PUSH_ONCE, 2, list, markerName(list, keyOf(key ?? randomUUID(), shards))],
    ...["RPUSH", digestOf([element(date)]), 0, 0, key === undefined ? AUTOMATIC : DAY],
    element(date ?? new Date().toISOString()),
  );
  if (outcome !== "ok") throw new Error("not pushed: the key was used for another event");
}

// A program that imports this file has arguments of its own.
const started = process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
const [first, ...rest] = started ? process.argv.slice(2) : [];
if (first === "--shard") {
  for (const user of rest.slice(1)) console.log(shardOf(user, Number(rest[0])));
} else if (first === "--marker") {
  const [list, key, ...events] = rest;
  console.log(markerName(list, key), `${digestOf(events)}${String(events.length).padStart(9, "0")}`);
} else if (first !== undefined) {
  const { REDIS_URL = "redis://127.0.0.1:6379/0", QUEUE = "events", SHARDS = "1", IDEMPOTENCY_KEY } = process.env;
  const redis = await connect(REDIS_URL);
  redis.on("error", () => {}); // what fails says so itself
  const event = { user_id: first, name: rest[0], ...JSON.parse(rest[1] ?? "{}") };
  try {
    await push(redis, event, { queue: QUEUE, shards: Number(SHARDS), key: IDEMPOTENCY_KEY || undefined });
  } catch (error) {
    console.error(`push.mjs: ${error.message}`);
    process.exitCode = 1;
  }
  redis.disconnect();
}
