// Signs and tampers with the cases of cases.json by Twilio's own Node library, and asks it what it thinks of each.
// Prints one JSON object a line. Arguments: the account's SID and its auth token.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const {
  getExpectedBodyHash,
  getExpectedTwilioSignature,
  validateRequest,
  validateRequestWithBody,
} = require("twilio/lib/webhooks/webhooks");

function encode(pairs, encoding) {
  if (encoding === "percent") {
    return pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
  }
  const encoded = new URLSearchParams(pairs).toString();
  return encoding === "lower" ? encoded.replace(/%../g, (escape) => escape.toLowerCase()) : encoded;
}

// Parameters as the library takes them from express: an array where a name is repeated.
function asObject(pairs) {
  const object = Object.create(null);
  for (const [name, value] of pairs) {
    object[name] = name in object ? [].concat(object[name], value) : value;
  }
  return object;
}

function changed(pairs, changes) {
  const names = new Set(pairs.map(([name]) => name));
  const kept = pairs.map(([name, value]) => [name, name in changes ? changes[name] : value]);
  const added = Object.entries(changes).filter(([name]) => !names.has(name));
  return [...kept, ...added].filter(([, value]) => value !== null);
}

const withQuery = (target, query) => target + (target.includes("?") ? "&" : "?") + query;

function replay(given, accountSid, token) {
  const defaults = { base: "https://voice.example.com", target: "/webhooks/recording", method: "POST", encoding: "plus" };
  const one = { ...defaults, params: [], sent_params: {}, token, ...given };
  const pairs = [
    ["AccountSid", accountSid],
    ["CallSid", "CA" + "b".repeat(32)],
    ["RecordingSid", "RE" + "c".repeat(32)],
    ["RecordingStatus", "completed"],
    ...one.params,
  ];
  if (one.order === "reversed") pairs.reverse();
  const sent = encode(changed(pairs, one.sent_params), one.encoding);
  const isPost = one.method === "POST";
  if (one.body_hash) one.target = withQuery(one.target, "bodySHA256=" + getExpectedBodyHash(encode(pairs, one.encoding)));
  const sentTarget = one.sent_target ?? one.target;

  const url = (one.signed_base ?? one.base) + (isPost ? one.target : withQuery(one.target, encode(pairs, one.encoding)));
  const signature = one.signature ?? getExpectedTwilioSignature(one.token, url, isPost && !one.body_hash ? asObject(pairs) : {});
  const target = isPost ? sentTarget : withQuery(sentTarget, sent);
  const body = isPost ? sent : "";
  const headers = { "X-Twilio-Signature": signature };
  if (isPost) headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8";
  const received = asObject(new URLSearchParams(body));
  const isValid = one.body_hash
    ? validateRequestWithBody(token, signature, one.base + target, body)
    : validateRequest(token, signature, one.base + target, received);
  return { name: one.name, base: one.base, method: one.method, target, headers, body, is_valid: isValid };
}

const [accountSid, token] = process.argv.slice(2);
const cases = JSON.parse(fs.readFileSync(path.join(__dirname, "cases.json"), "utf8"));
// The Node library knows no shared keys.
for (const one of cases.filter((one) => !one.shared_key)) console.log(JSON.stringify(replay(one, accountSid, token)));
