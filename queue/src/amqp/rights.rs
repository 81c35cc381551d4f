//! Whether this user may receive, found out without receiving.

use futures::future::join_all;
use lapin::options::BasicConsumeOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ErrorKind};

/// Fails where a queue may not be read, or is missing. No message moves: what is asked for is a consumer with a priority
/// that is no number, which the broker refuses only after it has looked at the rights.
pub(super) async fn may_read(connection: &Connection, queues: &[String]) -> Result<(), lapin::Error> {
    let asked = join_all(queues.iter().map(|queue| may_read_one(connection, queue))).await;
    // The first in their order, however the answers came.
    asked.into_iter().collect()
}

async fn may_read_one(connection: &Connection, queue: &str) -> Result<(), lapin::Error> {
    // The refusal ends the channel.
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority".into(), AMQPValue::LongString("none".into()));
    match channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), arguments).await {
        Err(error) if is_bad_argument(&error) => Ok(()),
        asked => asked.map(drop),
    }
}

fn is_bad_argument(error: &lapin::Error) -> bool {
    let bad = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
    matches!(error.kind(), ErrorKind::ProtocolError(said) if *said.kind() == bad)
}
