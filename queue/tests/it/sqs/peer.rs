//! A peer that answers as SQS was seen to, where moto never would: it is told each answer, and remembers what it was
//! asked.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the peer was asked: the action, and its JSON.
pub(crate) type Asked = (String, Value);
/// Status and JSON of an answer; `None` hangs up on it.
pub(crate) type Answer = Option<(u16, Value)>;

/// Ends with the test's runtime.
pub(crate) struct Peer {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    /// `answer` is given every request but the look-up of a queue, which always succeeds.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                tokio::spawn(async move {
                    // A client that left ends the exchange.
                    let _ = exchange(stream, &noted, answer.as_ref()).await;
                });
            }
        });
        Peer { url, asked }
    }

    /// What was asked so far, in its order, look-ups left out.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The actions of it.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.asked().into_iter().map(|(action, _)| action).collect()
    }
}

/// One request a connection.
async fn exchange(
    mut stream: TcpStream,
    noted: &Mutex<Vec<Asked>>,
    answer: &(dyn Fn(&Asked) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let asked = read(&mut stream).await?;
    let answer = if asked.0 == "GetQueueUrl" {
        let url =
            format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{}", asked.1["QueueName"].as_str().unwrap());
        Some((200, json!({ "QueueUrl": url })))
    } else {
        let answer = answer(&asked);
        noted.lock().unwrap().push(asked);
        answer
    };
    let Some((status, body)) = answer else { return Ok(()) };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} .\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Asked> {
    let mut stream = BufReader::new(stream);
    let (mut action, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                action = value.trim().trim_start_matches("AmazonSQS.").to_owned();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap()
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((action, serde_json::from_slice(&body).unwrap_or_default()))
}
