//! What stands between an engine and the broker, and fails when told to.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, watch};

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Open,
    /// What the broker says gets no further; what the proxy says does.
    Deaf,
    /// No server: every connection ends, and so do new ones.
    Gone,
}

pub(super) struct Proxy {
    port: u16,
    way: watch::Sender<Way>,
    cuts: broadcast::Sender<()>,
    said: broadcast::Sender<Arc<[u8]>>,
}

impl Proxy {
    /// Before the broker at `host`, which is HOST:PORT.
    pub(super) async fn before(host: String) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            way: watch::Sender::new(Way::Open),
            cuts: broadcast::Sender::new(8),
            said: broadcast::Sender::new(8),
        };
        let (way, cuts, said) = (proxy.way.subscribe(), proxy.cuts.clone(), proxy.said.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (way, mut cut, said, host) = (way.clone(), cuts.subscribe(), said.subscribe(), host.clone());
                tokio::spawn(async move {
                    if *way.borrow() == Way::Gone {
                        return;
                    }
                    let (from_client, to_client) = client.into_split();
                    let (from_broker, to_broker) = TcpStream::connect(host).await.unwrap().into_split();
                    tokio::select! {
                        () = forward(from_client, to_broker) => {}
                        () = answer(from_broker, to_client, way, said) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        proxy
    }

    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn set(&self, way: Way) {
        self.way.send_replace(way);
        if way == Way::Gone {
            self.cut();
        }
    }

    /// Ends every connection there is, without a word.
    pub(super) fn cut(&self) {
        let _ = self.cuts.send(());
    }

    /// Says on every connection there is that the broker reads no more, with its reason: connection.blocked (10, 60).
    pub(super) fn block(&self, reason: &str) {
        let reason = [&[u8::try_from(reason.len()).unwrap()], reason.as_bytes()].concat();
        self.say(60, &reason);
    }

    /// connection.unblocked (10, 61).
    pub(super) fn unblock(&self) {
        self.say(61, &[]);
    }

    /// A method frame of class 10 on channel 0, as AMQP 0-9-1, section 2.3 lays it out.
    fn say(&self, method: u8, arguments: &[u8]) {
        let size = u8::try_from(4 + arguments.len()).unwrap();
        let frame = [&[1, 0, 0, 0, 0, 0, size, 0, 10, 0, method], arguments, &[0xce]].concat();
        self.said.send(frame.into()).unwrap();
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

/// Frame by frame, so that others can go between.
async fn answer(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    way: watch::Receiver<Way>,
    said: broadcast::Receiver<Arc<[u8]>>,
) {
    let (frames, framed) = mpsc::unbounded_channel();
    let _ = tokio::try_join!(read_frames(from, frames), write_frames(framed, said, way, to));
}

async fn read_frames(mut from: OwnedReadHalf, frames: mpsc::UnboundedSender<Vec<u8>>) -> io::Result<()> {
    loop {
        let mut frame = vec![0; 7];
        from.read_exact(&mut frame).await?;
        let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]);
        frame.resize(7 + usize::try_from(size).unwrap() + 1, 0);
        from.read_exact(&mut frame[7..]).await?;
        frames.send(frame).map_err(io::Error::other)?;
    }
}

async fn write_frames(
    mut framed: mpsc::UnboundedReceiver<Vec<u8>>,
    mut said: broadcast::Receiver<Arc<[u8]>>,
    mut way: watch::Receiver<Way>,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    loop {
        let is_deaf = *way.borrow_and_update() == Way::Deaf;
        let frame: Arc<[u8]> = tokio::select! {
            Some(frame) = framed.recv(), if !is_deaf => frame.into(),
            Ok(frame) = said.recv() => frame,
            changed = way.changed() => match changed {
                Ok(()) => continue,
                Err(error) => return Err(io::Error::other(error)),
            },
            else => return Ok(()),
        };
        to.write_all(&frame).await?;
    }
}
