//! One publishing channel for all of a process: publishes follow each other without waiting, each caller waits for its own
//! confirm.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::connection::{Backoff, Link};
use super::headers::Message;
use super::session::Session;
use super::topology::Topology;
use super::trouble::{Trouble, within};

/// How long a confirm is waited for, unless a caller has less time.
pub(super) const CONFIRM_LIMIT: Duration = Duration::from_secs(3);
/// Callers that may wait for the channel.
const WAITING_MOST: usize = 4096;

/// Publishes for whoever asks; lives as long as one of its clones.
#[derive(Debug, Clone)]
pub(super) struct Publisher {
    requests: mpsc::Sender<Request>,
}

/// A message to publish, and who waits for its confirm.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) queue: String,
    pub(super) message: Message,
    pub(super) answer: oneshot::Sender<Result<(), Trouble>>,
}

impl Publisher {
    /// Connects, declares the topology and gets ready. Fails where the broker refuses; where it is only away it is waited
    /// for, as after every later loss, and publishes are told so meanwhile.
    pub(super) async fn open(link: Arc<Link>, topology: Topology) -> Result<Publisher, Trouble> {
        let opened = Session::open(&link, &topology).await;
        if let Err(trouble) = &opened {
            if trouble.is_refusal {
                return Err(trouble.clone());
            }
            tracing::warn!(problem = trouble.problem, "cannot publish yet: trying again");
        }
        let (requests, queued) = mpsc::channel(WAITING_MOST);
        tokio::spawn(run(opened, link, topology, queued));
        Ok(Publisher { requests })
    }

    /// Returns when the broker has the message on its disks, and on a majority of them where it has several. An error
    /// means it may or may not be there.
    pub(super) async fn publish(&self, queue: String, message: Message, limit: Duration) -> Result<(), Trouble> {
        let (answer, answered) = oneshot::channel();
        let confirmed = async {
            let request = Request { queue, message, answer };
            self.requests.send(request).await.map_err(|_| Trouble::lost())?;
            answered.await.unwrap_or_else(|_| Err(Trouble::lost()))
        };
        within(limit, confirmed).await
    }
}

/// Works until every handle is gone, over as many channels as it takes.
async fn run(
    mut opened: Result<Session, Trouble>,
    link: Arc<Link>,
    topology: Topology,
    mut requests: mpsc::Receiver<Request>,
) {
    let mut held = Vec::new();
    loop {
        let trouble = match opened {
            Ok(mut session) => match session.serve(&mut requests, &mut held).await {
                ControlFlow::Break(()) => return,
                ControlFlow::Continue(()) => None,
            },
            Err(trouble) => Some(trouble),
        };
        let reopening = reopen(&link, &topology, &mut requests, &mut held, trouble);
        let Some(session) = reopening.await else { return };
        opened = Ok(session);
    }
}

/// A new channel after as many attempts as it takes; `None` when nobody can ask any more. `trouble` is known already.
async fn reopen(
    link: &Link,
    topology: &Topology,
    requests: &mut mpsc::Receiver<Request>,
    held: &mut Vec<Request>,
    mut trouble: Option<Trouble>,
) -> Option<Session> {
    let mut backoff = Backoff::default();
    let mut is_first = trouble.is_none();
    loop {
        let opening = async {
            if !is_first {
                tokio::time::sleep(backoff.pause()).await;
            }
            Session::open(link, topology).await
        };
        let opened = tokio::select! {
            opened = opening => opened,
            () = refuse(requests, held, trouble.as_ref()) => return None,
        };
        match opened {
            Ok(session) => return Some(session),
            Err(failed) => {
                tracing::warn!(problem = failed.problem, "cannot publish: trying again");
                // The first attempt may have met what is left of the lost connection.
                trouble = (!is_first).then_some(failed);
                is_first = false;
            }
        }
    }
}

/// Tells all who ask what is wrong, until nobody can ask any more. Before anything is known to be wrong they wait: the
/// channel may be back in a moment.
async fn refuse(requests: &mut mpsc::Receiver<Request>, held: &mut Vec<Request>, trouble: Option<&Trouble>) {
    let Some(trouble) = trouble else { return std::future::pending().await };
    loop {
        for request in held.drain(..) {
            let _ = request.answer.send(Err(trouble.clone()));
        }
        if requests.recv_many(held, WAITING_MOST).await == 0 {
            return;
        }
    }
}
