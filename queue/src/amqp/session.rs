//! One publishing channel: what was sent through it, and what became of it.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
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
    outstanding: Vec<Outstanding>,
    /// Messages that came back and are still to be confirmed.
    returned: HashSet<Uuid>,
    /// Makes a missing queue again.
    repair: Option<JoinHandle<()>>,
}

/// A message whose confirm has not been looked at yet.
struct Outstanding {
    id: Uuid,
    queue: String,
    since: Instant,
    confirm: Pin<Box<dyn Future<Output = Result<Confirmation, lapin::Error>> + Send>>,
    confirmed: Option<Result<Confirmation, lapin::Error>>,
    answer: oneshot::Sender<Result<(), Trouble>>,
}

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
            outstanding: Vec::new(),
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
                settled = settled(&mut self.outstanding) => self.answer(settled),
                () = tokio::time::sleep(LOOK_EVERY), if !self.outstanding.is_empty() => {}
            }
        }
        // The channel's end is every outstanding message's, and says why.
        let ends = async {
            while !self.outstanding.is_empty() {
                let settled = settled(&mut self.outstanding).await;
                self.answer(settled);
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
        let oldest = self.outstanding.first().map(|oldest| oldest.since.elapsed());
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
        let confirm = async move {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let properties = message.properties(id);
            channel.basic_publish("".into(), key, options, &message.body, properties).await?.await
        };
        let confirm = Box::pin(confirm);
        self.outstanding.push(Outstanding { id, queue, since: Instant::now(), confirm, confirmed: None, answer });
    }

    /// Tells each caller what became of its message.
    fn answer(&mut self, settled: Vec<Outstanding>) {
        let is_missing = settled.iter().any(|outstanding| outstanding.returned().is_some());
        self.returned.extend(settled.iter().filter_map(Outstanding::returned));
        for outstanding in settled {
            let is_returned = self.returned.remove(&outstanding.id);
            let _ = outstanding.answer.send(verdict(&outstanding.queue, outstanding.confirmed, is_returned));
        }
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
fn verdict(
    queue: &str,
    confirmed: Option<Result<Confirmation, lapin::Error>>,
    is_returned: bool,
) -> Result<(), Trouble> {
    match confirmed {
        Some(Err(error)) => Err(error.into()),
        _ if is_returned => {
            Err(Trouble::new(format!("the queue {queue} is missing; it is made again in a moment, if this user may")))
        }
        Some(Ok(Confirmation::Ack(None))) => Ok(()),
        // Its own may still be to come.
        Some(Ok(Confirmation::Ack(Some(_)))) => Err(Trouble::new("the confirm came with another message's return")),
        _ => Err(Trouble::new(format!("the broker refused the message: the queue {queue} is full or has no majority"))),
    }
}

impl Outstanding {
    /// The id of the returned message that came with this confirm, whosever it is.
    fn returned(&self) -> Option<Uuid> {
        let Some(Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message)))) = &self.confirmed else {
            return None;
        };
        Some(message.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok()).unwrap_or_default())
    }

    /// Looks for the confirm; whether it has come just now.
    fn look(&mut self, context: &mut Context<'_>) -> bool {
        if self.confirmed.is_none()
            && let Poll::Ready(confirmed) = self.confirm.as_mut().poll(context)
        {
            self.confirmed = Some(confirmed);
            return true;
        }
        false
    }
}

/// Those whose confirm has come; waits for the first.
///
/// lapin hangs a returned message on the confirm that comes next, which may be another's: for one message to be judged,
/// all that were confirmed before it must be in sight. So this looks until a look finds nothing new.
async fn settled(outstanding: &mut Vec<Outstanding>) -> Vec<Outstanding> {
    std::future::poll_fn(|context| {
        let mut look = || outstanding.iter_mut().map(|each| each.look(context)).filter(|is_new| *is_new).count() > 0;
        if !look() {
            return Poll::Pending;
        }
        while look() {}
        Poll::Ready(outstanding.extract_if(.., |each| each.confirmed.is_some()).collect())
    })
    .await
}
