// Archives recordings: streams each from Twilio, encrypted, into S3. A recording is acknowledged when S3 has it.
//
//   AMQP_URL, QUEUE, CONCURRENCY, TWILIO_API_URL, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, BUCKET, MASTER_KEY (32 bytes, hex),
//   HEALTH_PORT, and the AWS SDK's own variables
//
// An object is the nonce (12 bytes), the ciphertext and the tag (16 bytes) of AES-256-GCM under a key of its own, which is
// kept, wrapped by the master key, in the object's metadata.

import crypto from "node:crypto";
import http from "node:http";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import amqp from "amqplib";
import { Agent, request } from "undici";
import { QUEUE, declareQueues, endWith } from "./topology.js";

const { AMQP_URL, BUCKET, HEALTH_PORT, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN } = process.env;
const TWILIO_API_URL = process.env.TWILIO_API_URL ?? "https://api.twilio.com";
const CONCURRENCY = Number(process.env.CONCURRENCY ?? 16);
const MASTER_KEY = Buffer.from(process.env.MASTER_KEY, "hex");
const ALGORITHM = "aes-256-gcm";
const AUTHORIZATION = "Basic " + Buffer.from(`${TWILIO_ACCOUNT_SID}:${TWILIO_AUTH_TOKEN}`).toString("base64");

const twilio = new Agent({ connections: CONCURRENCY, bodyTimeout: 30_000, headersTimeout: 30_000 });
const s3 = new S3Client({ forcePathStyle: true });

async function download({ AccountSid, RecordingSid }) {
  const url = new URL(`/2010-04-01/Accounts/${AccountSid}/Recordings/${RecordingSid}.wav`, TWILIO_API_URL);
  const { statusCode, body } = await request(url, { dispatcher: twilio, headers: { authorization: AUTHORIZATION } });
  if (statusCode !== 200) {
    await body.dump();
    throw new Error(`Twilio answers ${statusCode} for the media`);
  }
  return body;
}

/** A stream that seals what goes through it, under a key of its own, and that key, wrapped. */
function sealing() {
  const [key, nonce] = [crypto.randomBytes(32), crypto.randomBytes(12)];
  const cipher = crypto.createCipheriv(ALGORITHM, key, nonce);
  const stream = new Transform({
    construct(done) {
      this.push(nonce);
      done();
    },
    transform(chunk, _encoding, done) {
      done(null, cipher.update(chunk));
    },
    flush(done) {
      this.push(cipher.final());
      done(null, cipher.getAuthTag());
    },
  });
  return { stream, wrappedKey: wrap(key) };
}

function wrap(key) {
  const nonce = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv(ALGORITHM, MASTER_KEY, nonce);
  const wrapped = Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  return wrapped.toString("base64");
}

/** Counts and hashes what goes through. */
function tallying() {
  const hash = crypto.createHash("sha256");
  const tally = { bytes: 0, sha256: () => hash.digest("hex") };
  const stream = new Transform({
    transform(chunk, _encoding, done) {
      tally.bytes += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return { stream, tally };
}

async function archive(job) {
  const [{ stream: tap, tally }, { stream: seal, wrappedKey }] = [tallying(), sealing()];
  const media = await download(job);
  const upload = new Upload({
    client: s3,
    queueSize: 2,
    params: {
      Bucket: BUCKET,
      Key: `recordings/${job.AccountSid}/${job.RecordingSid}.wav.enc`,
      Body: seal,
      Metadata: { key: wrappedKey },
    },
  });
  try {
    // Media that break off fail the pipeline, and with it the upload.
    await Promise.all([pipeline(media, tap, seal), upload.done()]);
  } catch (error) {
    seal.destroy(error);
    await upload.abort();
    throw error;
  }
  console.log(JSON.stringify({ archived: job.RecordingSid, bytes: tally.bytes, sha256: tally.sha256() }));
}

const connection = await amqp.connect(AMQP_URL);
endWith(connection);
const channel = await connection.createChannel();
await declareQueues(channel);
await channel.prefetch(CONCURRENCY);
await channel.consume(QUEUE, async (message) => {
  try {
    await archive(JSON.parse(message.content.toString()));
    channel.ack(message);
  } catch (error) {
    console.error("not archived:", error.message);
    channel.nack(message);
  }
});

if (HEALTH_PORT) http.createServer((_req, res) => res.end("ok")).listen(Number(HEALTH_PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
