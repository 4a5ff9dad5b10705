// A BullMQ worker, and with the argument `load` what enqueues for it.
import { readFileSync } from "node:fs";
import { Queue, Worker } from "bullmq";
import { Agent, request } from "undici";

const env = process.env;
const redis = new URL(env.BENCH_REDIS);
const connection = { host: redis.hostname, port: Number(redis.port), maxRetriesPerRequest: null };
const queue = new Queue("events", { connection });

if (process.argv[2] === "load") {
  await queue.pause();
  const lines = readFileSync(env.BENCH_ELEMENTS, "utf8").trimEnd().split("\n");
  for (let start = 0; start < lines.length; start += 1000) {
    const jobs = lines.slice(start, start + 1000).map((line) => {
      const { user_id, ...event } = JSON.parse(line);
      return { name: "post", data: { user: user_id, event }, opts: { removeOnComplete: true } };
    });
    await queue.addBulk(jobs);
  }
  await queue.close();
} else {
  const atOnce = Number(env.BENCH_AT_ONCE);
  const rate = Number(env.BENCH_RATE);
  const dispatcher = new Agent({ connections: atOnce });
  const headers = {
    authorization: "Basic " + Buffer.from(":" + env.BENCH_KEY).toString("base64"),
    "content-type": "application/json",
    accept: "application/json",
  };
  const post = async ({ data: { user, event } }) => {
    const url = `${env.BENCH_SINK}/v6/users/${user}/events`;
    const body = JSON.stringify({ events: [event] });
    const answer = await request(url, { method: "POST", headers, body, dispatcher });
    await answer.body.dump();
    if (answer.statusCode !== 202) throw new Error(`status ${answer.statusCode}`);
  };
  const limiter = rate ? { max: rate, duration: 1000 } : undefined;
  const worker = new Worker("events", post, { connection, concurrency: atOnce, limiter });
  worker.on("error", (error) => console.error(error));
  process.on("SIGUSR2", () => queue.resume());
  await worker.waitUntilReady();
  console.log("ready");
}
