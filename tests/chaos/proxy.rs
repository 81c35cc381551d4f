//! What stands on the way to a peer, and fails when told to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const PIECE: usize = 16 * 1024;
/// About 50 KB a second and direction.
const SLOW_PIECE: usize = 1024;
const SLOW_PAUSE: Duration = Duration::from_millis(20);
/// The silence that ends an answer, and the one before it is said again.
const ANSWER_PAUSE: Duration = Duration::from_millis(10);
const ANSWER_MOST: usize = 1024 * 1024;

/// What becomes of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// All end in good order, new ones at once.
    Cut,
    /// All end by a reset, new ones at once.
    Reset,
    /// Nothing gets through, and nothing is lost: it goes on when this is over.
    Stalled,
    Slow,
    /// All go silent for good, new ones too: the peer is gone and nobody says so, however long one waits.
    HalfOpen,
    /// What the peer says does not arrive; what it is told does.
    Deaf,
    /// What the peer is told does not arrive; what it says does.
    Mute,
    /// Each is reset once it carried so many bytes in one direction.
    Torn(usize),
    /// What the peer says in one go it says twice: an answer that nobody asked for comes after each that somebody did.
    Twice,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToPeer,
    FromPeer,
}

impl Way {
    fn passes(self, direction: Direction) -> bool {
        match self {
            Way::Stalled => false,
            Way::Deaf => direction == Direction::ToPeer,
            Way::Mute => direction == Direction::FromPeer,
            _ => true,
        }
    }

    fn ends_connections(self) -> bool {
        matches!(self, Way::Cut | Way::Reset | Way::HalfOpen)
    }
}

/// Listens on a port of its own; everything ends when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Connections go on to the peers in turn; to the next one where the first does not listen.
    pub(crate) async fn before(peers: Vec<SocketAddr>) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, way) = (listener.local_addr()?, watch::Sender::new(Way::Open));
        let subscriber = way.clone();
        let accepting = tokio::spawn(async move {
            for turn in 0.. {
                let Ok((client, _)) = listener.accept().await else { return };
                let (way, mut peers) = (subscriber.subscribe(), peers.clone());
                let first = turn % peers.len();
                peers.rotate_left(first);
                tokio::spawn(carry(client, peers, way));
            }
        });
        Ok(Proxy { address, way, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Way::Cut);
    }
}

/// One connection, to its end.
async fn carry(mut client: TcpStream, peers: Vec<SocketAddr>, mut way: watch::Receiver<Way>) {
    let now = *way.borrow_and_update();
    if now.ends_connections() {
        return end(client, now, way).await;
    }
    let Some(mut peer) = connected(&peers).await else { return end(client, Way::Reset, way).await };
    let _ = (client.set_nodelay(true), peer.set_nodelay(true));
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_peer, to_peer) = peer.split();
        tokio::select! {
            ended = pump(from_client, to_peer, Direction::ToPeer, way.clone()) => ended,
            ended = pump(from_peer, to_client, Direction::FromPeer, way.clone()) => ended,
            Ok(struck) = way.wait_for(|way| way.ends_connections()) => *struck,
            else => Way::Cut,
        }
    };
    if ended == Way::Reset {
        let _ = peer.set_zero_linger();
    }
    drop(peer);
    end(client, ended, way).await;
}

async fn connected(peers: &[SocketAddr]) -> Option<TcpStream> {
    for peer in peers {
        if let Ok(stream) = TcpStream::connect(peer).await {
            return Some(stream);
        }
    }
    None
}

async fn end(client: TcpStream, ended: Way, mut way: watch::Receiver<Way>) {
    match ended {
        Way::Reset => drop(client.set_zero_linger()),
        // Until the proxy itself is gone.
        Way::HalfOpen => while way.changed().await.is_ok() {},
        _ => {}
    }
}

/// Passes on what comes, as long as it may; how the connection is to end then.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    mut way: watch::Receiver<Way>,
) -> Way {
    let (mut piece, mut torn) = (vec![0; PIECE], 0);
    loop {
        let Ok(now) = way.wait_for(|way| way.passes(direction)).await.map(|way| *way) else { return Way::Cut };
        let most = if now == Way::Slow { SLOW_PIECE } else { PIECE };
        let Ok(length @ 1..) = from.read(&mut piece[..most]).await else { return Way::Cut };
        // What came meanwhile counts: it may not pass any more.
        let Ok(now) = way.wait_for(|way| way.passes(direction)).await.map(|way| *way) else { return Way::Cut };
        match now {
            Way::Torn(most) if torn + length > most => return Way::Reset,
            Way::Torn(_) => torn += length,
            Way::Slow => tokio::time::sleep(SLOW_PAUSE).await,
            Way::Twice if direction == Direction::FromPeer => {
                let answer = whole_answer(&mut from, &piece[..length]).await;
                if to.write_all(&answer).await.is_err() {
                    return Way::Cut;
                }
                // Whoever asked may have asked for something else on the connection by then.
                tokio::time::sleep(ANSWER_PAUSE).await;
                if to.write_all(&answer).await.is_err() {
                    return Way::Cut;
                }
                continue;
            }
            _ => torn = 0,
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return Way::Cut;
        }
    }
}

/// What comes after `begun` without a pause, with it.
async fn whole_answer(from: &mut (impl AsyncRead + Unpin), begun: &[u8]) -> Vec<u8> {
    let mut answer = begun.to_vec();
    while answer.len() < ANSWER_MOST
        && let Ok(Ok(1..)) = tokio::time::timeout(ANSWER_PAUSE, from.read_buf(&mut answer)).await
    {}
    answer
}
