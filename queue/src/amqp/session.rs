//! One publishing channel: what was sent through it, and what became of it.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::connection::Link;
use super::publishing::Request;
use super::topology::Topology;
use super::trouble::{Trouble, within};

/// Confirms that a channel may wait for.
const OUTSTANDING_MOST: usize = 256;
const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// A confirm that has not come by then never comes: the channel is replaced, so that it does not fill up with such.
const OVERDUE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// From a channel's opening to its end.
pub(super) struct Session {
    connection: Arc<Connection>,
    channel: Channel,
    topology: Topology,
    /// Messages that wait for their confirm. A process's UUIDs of version 7 are in the order in which they were made (as the
    /// uuid crate promises of `now_v7`): the first waits longest.
    outstanding: BTreeMap<Uuid, Outstanding>,
    /// Each is looked at when it has come, not whenever any has: there are hundreds.
    confirms: FuturesUnordered<BoxFuture<'static, Confirmed>>,
    /// Messages that came back and are still to be confirmed.
    returned: HashSet<Uuid>,
    /// Makes a missing queue again.
    repair: Option<JoinHandle<()>>,
}

/// A message on its way.
struct Outstanding {
    queue: String,
    since: Instant,
    answer: oneshot::Sender<Result<(), Trouble>>,
}

/// What became of the message of an id.
type Confirmed = (Uuid, Result<Confirmation, lapin::Error>);

impl Session {
    pub(super) async fn open(link: &Link, topology: &Topology) -> Result<Session, Trouble> {
        let connection = link.connection().await?;
        if connection.status().blocked() {
            return Err(Trouble::blocked());
        }
        topology.declare(&connection).await?;
        let channel = within(OPEN_LIMIT, async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await.map(|()| channel)
        });
        let channel = channel.await?;
        Ok(Session {
            connection,
            channel,
            topology: topology.clone(),
            outstanding: BTreeMap::new(),
            confirms: FuturesUnordered::new(),
            returned: HashSet::new(),
            repair: None,
        })
    }

    /// Publishes what is asked for while the channel lives; breaks off when nobody can ask any more. `held` are requests
    /// that came too late for this channel.
    pub(super) async fn serve(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        held: &mut Vec<Request>,
    ) -> ControlFlow<()> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.is_alive() && !self.is_overdue() {
            for request in held.drain(..) {
                self.send(request);
            }
            let room = OUTSTANDING_MOST.saturating_sub(self.outstanding.len());
            let is_heard = room > 0 || self.connection.status().blocked();
            tokio::select! {
                // What comes while publishing is blocked takes no room: it is refused.
                asked = requests.recv_many(held, room.max(1)), if is_heard => {
                    if asked == 0 {
                        return ControlFlow::Break(());
                    }
                }
                confirmed = confirmed(&mut self.confirms), if !self.confirms.is_empty() => self.answer(confirmed),
                _ = looks.tick(), if !self.outstanding.is_empty() => {}
            }
        }
        // The channel's end is every outstanding message's, and says why.
        let ends = async {
            while !self.confirms.is_empty() {
                let confirmed = confirmed(&mut self.confirms).await;
                self.answer(confirmed);
            }
        };
        let _ = tokio::time::timeout(LOOK_EVERY, ends).await;
        ControlFlow::Continue(())
    }

    fn is_alive(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// What is blocked has not been sent: its confirm may still come.
    fn is_overdue(&self) -> bool {
        let oldest = self.outstanding.first_key_value().map(|(_, oldest)| oldest.since.elapsed());
        oldest > Some(OVERDUE) && !self.connection.status().blocked()
    }

    fn send(&mut self, request: Request) {
        let Request { queue, message, answer } = request;
        // Who left was told that it failed.
        if answer.is_closed() {
            return;
        }
        if self.connection.status().blocked() {
            let _ = answer.send(Err(Trouble::blocked()));
            return;
        }
        let (id, channel, key) = (Uuid::now_v7(), self.channel.clone(), queue.as_str().into());
        let publish = async move {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let properties = message.properties(id);
            channel.basic_publish("".into(), key, options, &message.body, properties).await?.await
        };
        self.confirms.push(publish.map(move |confirm| (id, confirm)).boxed());
        self.outstanding.insert(id, Outstanding { queue, since: Instant::now(), answer });
    }

    /// Tells each caller what became of its message.
    fn answer(&mut self, confirmed: Vec<Confirmed>) {
        let returned: Vec<Uuid> = confirmed.iter().filter_map(|(_, confirm)| returned(confirm)).collect();
        let is_missing = !returned.is_empty();
        self.returned.extend(returned);
        for (id, confirm) in confirmed {
            let Some(message) = self.outstanding.remove(&id) else { continue };
            let is_returned = self.returned.remove(&id);
            let _ = message.answer.send(verdict(&message.queue, confirm, is_returned));
        }
        // Of one whose confirm came with another's return, its own return may come after it was judged.
        self.returned.retain(|id| self.outstanding.contains_key(id));
        if is_missing && self.repair.as_ref().is_none_or(JoinHandle::is_finished) {
            let (topology, connection) = (self.topology.clone(), Arc::clone(&self.connection));
            self.repair = Some(tokio::spawn(async move {
                if let Err(trouble) = topology.declare_later(&connection).await {
                    tracing::error!(problem = trouble.problem, "a queue is missing");
                }
            }));
        }
    }
}

/// What became of a message. One that reached no queue is returned, and then confirmed all the same.
fn verdict(queue: &str, confirm: Result<Confirmation, lapin::Error>, is_returned: bool) -> Result<(), Trouble> {
    match confirm {
        Err(error) => Err(error.into()),
        _ if is_returned => {
            Err(Trouble::new(format!("the queue {queue} is missing; it is made again in a moment, if this user may")))
        }
        Ok(Confirmation::Ack(None)) => Ok(()),
        // Its own may still be to come.
        Ok(Confirmation::Ack(Some(_))) => Err(Trouble::new("the confirm came with another message's return")),
        _ => Err(Trouble::new(format!("the broker refused the message: the queue {queue} is full or has no majority"))),
    }
}

/// The id of the returned message that came with this confirm, whosever it is.
fn returned(confirm: &Result<Confirmation, lapin::Error>) -> Option<Uuid> {
    let Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) = confirm else { return None };
    Some(message.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok()).unwrap_or_default())
}

/// Those whose confirm has come; waits for the first.
///
/// lapin hangs a returned message on the confirm that comes next, which may be another's, and resolves that one before the
/// returned message's own or with it. They are here in the order in which they were resolved: what was returned is known
/// when it is judged.
async fn confirmed(confirms: &mut FuturesUnordered<BoxFuture<'static, Confirmed>>) -> Vec<Confirmed> {
    let mut confirmed: Vec<Confirmed> = confirms.next().await.into_iter().collect();
    while let Some(Some(next)) = confirms.next().now_or_never() {
        confirmed.push(next);
    }
    confirmed
}
