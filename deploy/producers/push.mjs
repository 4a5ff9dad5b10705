// Pushes one event, with ioredis (npm install ioredis):
//
//   node push.mjs USER NAME [MEMBERS]         MEMBERS is JSON, such as '{"vars":{"cds":2}}'
//   node push.mjs --shard SHARDS USER...      only prints the shard of each user; needs no package
//
// REDIS_URL, QUEUE and SHARDS come from the environment. Exit 1: the event may have been pushed, or was not.

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

export async function connect(url) {
  const { Redis } = await import("ioredis");
  // By default ioredis sends a command again when its connection was lost before the reply came: the event doubles.
  return new Redis(url, { maxRetriesPerRequest: 0 });
}

/** Pushes one event. If it throws after the command was sent, the event may have been pushed. */
export async function push(redis, event, { queue = "events", shards = 1 } = {}) {
  if (!Number.isInteger(shards) || shards < 1) throw new Error("shards must be an integer, at least 1");
  const told = await redis.get(`{${queue}}:shards`); // a service asks once, when it starts
  if (told !== null && Number(told) !== shards) throw new Error(`shards is ${shards}, but Redis says ${told}`);
  const element = JSON.stringify({ ...event, date: event.date ?? new Date().toISOString() });
  await redis.rpush(listName(queue, shardOf(event.user_id, shards), shards), element);
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--shard") {
  for (const user of rest.slice(1)) console.log(shardOf(user, Number(rest[0])));
} else if (first !== undefined) {
  const { REDIS_URL = "redis://127.0.0.1:6379/0", QUEUE = "events", SHARDS = "1" } = process.env;
  const redis = await connect(REDIS_URL);
  redis.on("error", () => {}); // what fails says so itself
  const event = { user_id: first, name: rest[0], ...JSON.parse(rest[1] ?? "{}") };
  try {
    await push(redis, event, { queue: QUEUE, shards: Number(SHARDS) });
  } catch (error) {
    console.error(`push.mjs: ${error.message}`);
    process.exitCode = 1;
  }
  redis.disconnect();
}
