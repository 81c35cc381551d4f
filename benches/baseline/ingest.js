// Takes Twilio's recording status callbacks: checks the signature, queues the recording, and answers 200 once the
// broker confirmed that it has it on disk.
//
//   PORT, PUBLIC_BASE_URL, TWILIO_AUTH_TOKEN, AMQP_URL, QUEUE

import amqp from "amqplib";
import express from "express";
import twilio from "twilio";
import { QUEUE, declareQueues, endWith } from "./topology.js";

const { AMQP_URL, PORT = "3000", PUBLIC_BASE_URL, TWILIO_AUTH_TOKEN } = process.env;

const connection = await amqp.connect(AMQP_URL);
endWith(connection);
const channel = await connection.createConfirmChannel();
await declareQueues(channel);

function isSigned(req) {
  const signature = req.get("X-Twilio-Signature") ?? "";
  return twilio.validateRequest(TWILIO_AUTH_TOKEN, signature, PUBLIC_BASE_URL + req.originalUrl, req.body ?? {});
}

/** Resolves when the broker has it on disk. */
function publish(job) {
  const [body, options] = [Buffer.from(JSON.stringify(job)), { contentType: "application/json", persistent: true }];
  return new Promise((resolve, reject) => {
    channel.sendToQueue(QUEUE, body, options, (error) => (error ? reject(error) : resolve()));
  });
}

const app = express();
app.disable("x-powered-by");

app.post("/webhooks/recording", express.urlencoded({ extended: false, limit: "64kb" }), async (req, res) => {
  if (!isSigned(req)) return res.status(403).send("signature missing or wrong");
  const { AccountSid, CallSid, RecordingSid, RecordingStatus, RecordingUrl } = req.body;
  if (!AccountSid || !RecordingSid) return res.status(400).send("AccountSid or RecordingSid is missing");
  if (RecordingStatus === "completed") {
    try {
      await publish({ AccountSid, CallSid, RecordingSid, RecordingUrl, receivedAt: new Date().toISOString() });
    } catch (error) {
      console.error("not queued:", error.message);
      return res.status(503).set("Retry-After", "1").send("the queue cannot take it");
    }
  }
  res.status(200).end();
});

app.get("/healthz", (_req, res) => res.send("ok"));

const server = app.listen(Number(PORT), "127.0.0.1");

process.once("SIGTERM", () => server.close(() => process.exit(0)));
