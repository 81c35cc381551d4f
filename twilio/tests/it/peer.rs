//! A peer that says word for word what it is told to.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What a peer says to one request: the bytes as they go over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    /// Say no more and leave the connection open until the client leaves.
    stalls: bool,
}

/// A status line, headers and a body: `answer("200 OK\nContent-Length: 2", "hi")`. The connection is closed after it.
pub(crate) fn answer(head: &str, body: impl AsRef<[u8]>) -> Answer {
    let head = head.replace('\n', "\r\n");
    let mut bytes = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body.as_ref());
    Answer { bytes, stalls: false }
}

/// With the Content-Length that the body has.
pub(crate) fn sized(head: &str, body: &str) -> Answer {
    answer(&format!("{head}\nContent-Length: {}", body.len()), body)
}

/// The same, and then silence.
pub(crate) fn stalled(answer: Answer) -> Answer {
    Answer { stalls: true, ..answer }
}

/// Not a word.
pub(crate) fn silence() -> Answer {
    Answer { bytes: Vec::new(), stalls: true }
}

/// A peer on a port of its own: to the client, another host.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) url: Url,
    heard: Arc<Mutex<Vec<String>>>,
    left: Arc<Mutex<usize>>,
}

impl Peer {
    /// `answer` is given how many requests came before, and this one.
    pub(crate) async fn start(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let peer = Peer { url, heard: Arc::default(), left: Arc::default() };
        let (serving, answer) = (peer.clone(), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (peer, answer) = (serving.clone(), Arc::clone(&answer));
                tokio::spawn(async move { peer.serve(stream, &*answer).await });
            }
        });
        peer
    }

    /// One answer after the other; the last one again and again.
    pub(crate) async fn saying(answers: impl Into<Vec<Answer>>) -> Peer {
        let answers = answers.into();
        Peer::start(move |before, _| answers[before.min(answers.len() - 1)].clone()).await
    }

    async fn serve(&self, mut stream: TcpStream, answer: &(dyn Fn(usize, &str) -> Answer + Send + Sync)) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let answer = {
            let mut heard = self.heard.lock().unwrap();
            heard.push(head);
            answer(heard.len() - 1, heard.last().unwrap())
        };
        // The client may have left; that is its right.
        let _ = stream.write_all(&answer.bytes).await;
        if answer.stalls {
            let _ = stream.read_u8().await;
            *self.left.lock().unwrap() += 1;
        }
    }

    /// Every request so far: its request line and headers.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// One header of every request; empty where a request had none.
    pub(crate) fn heard_header(&self, name: &str) -> Vec<String> {
        let value = |request: &String| {
            let headers = request.lines().filter_map(|line| line.split_once(": "));
            let values = headers.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            values.collect::<Vec<_>>().join(", ")
        };
        self.heard().iter().map(value).collect()
    }

    /// Clients that closed their connection while the peer stalled.
    pub(crate) fn left(&self) -> usize {
        *self.left.lock().unwrap()
    }
}
