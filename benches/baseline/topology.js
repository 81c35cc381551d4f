// The queue of recordings to archive. Both programs declare it, so that either may start first.

export const QUEUE = process.env.QUEUE ?? "baseline.archive";

/** Makes the quorum queue, and the one that takes what failed ten times. Safe to repeat. */
export async function declareQueues(channel) {
  const quorum = { "x-queue-type": "quorum" };
  await channel.assertQueue(`${QUEUE}.dead`, { durable: true, arguments: quorum });
  await channel.assertQueue(QUEUE, {
    durable: true,
    arguments: {
      ...quorum,
      "x-delivery-limit": 10,
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": `${QUEUE}.dead`,
    },
  });
}

/** A program that lost the broker ends; whatever started it starts it again. */
export function endWith(connection) {
  connection.on("error", (error) => console.error("broker:", error.message));
  connection.on("close", () => process.exit(1));
}
