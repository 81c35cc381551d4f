//! A tap on the wire in front of a server: it sees every request, and may answer, hold or cut where the server would not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};

/// What the tap does to a request, or to its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The server never hears of it; the answer is this status with this S3 error code.
    Answer(u16, &'static str),
    /// The server never hears of it, and the answer is "done".
    Pretend,
    /// The answer's body breaks off behind so many bytes.
    CutAt(usize),
    /// The answer has this header besides.
    With(&'static str, &'static str),
    /// The answer lacks this header.
    Without(&'static str),
    /// The server never hears of it, and there is no answer.
    Hang,
    /// The server does it, and the answer never comes.
    Mute,
}

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) operation: &'static str,
    pub(crate) headers: HeaderMap,
}

#[derive(Debug)]
pub(crate) struct Tap {
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<BTreeMap<&'static str, Vec<Fault>>>,
    held: Mutex<Option<&'static str>>,
    under_way: Mutex<BTreeMap<&'static str, (usize, usize)>>,
}

/// Counts a request as under way until it is dropped.
struct UnderWay(Arc<Tap>, &'static str);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap().entry(self.1).or_default().0 -= 1;
    }
}

impl Tap {
    pub(crate) fn new() -> Arc<Tap> {
        let (seen, faults, held, under_way) = Default::default();
        Arc::new(Tap { seen, faults, held, under_way })
    }

    /// The next requests of this operation meet these faults, one each.
    pub(crate) fn play(&self, operation: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().entry(operation).or_default().extend(faults);
    }

    /// From now on requests of this operation wait at the tap.
    pub(crate) fn hold(&self, operation: &'static str) {
        *self.held.lock().unwrap() = Some(operation);
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| seen.operation == operation).count()
    }

    /// The last request of this operation.
    pub(crate) fn last(&self, operation: &str) -> Seen {
        let seen = self.seen.lock().unwrap();
        seen.iter().rfind(|seen| seen.operation == operation).expect("none was seen").clone()
    }

    /// Requests of this operation under way now.
    pub(crate) fn under_way(&self, operation: &'static str) -> usize {
        self.under_way.lock().unwrap().entry(operation).or_default().0
    }

    /// Most requests of this operation that were under way at once.
    pub(crate) fn most_at_once(&self, operation: &'static str) -> usize {
        self.under_way.lock().unwrap().entry(operation).or_default().1
    }

    fn enter(self: &Arc<Self>, operation: &'static str) -> UnderWay {
        let mut under_way = self.under_way.lock().unwrap();
        let (now, most) = under_way.entry(operation).or_default();
        *now += 1;
        *most = (*most).max(*now);
        UnderWay(Arc::clone(self), operation)
    }

    pub(crate) async fn pass<F>(self: Arc<Self>, request: Request, server: impl FnOnce(Request) -> F) -> Response
    where
        F: Future<Output = Response>,
    {
        let operation = operation(&request);
        self.seen.lock().unwrap().push(Seen { operation, headers: request.headers().clone() });
        let _under_way = self.enter(operation);
        if *self.held.lock().unwrap() == Some(operation) {
            std::future::pending::<()>().await;
        }
        let fault =
            self.faults.lock().unwrap().get_mut(operation).filter(|left| !left.is_empty()).map(|left| left.remove(0));
        match fault {
            None => server(request).await,
            Some(Fault::Answer(status, code)) => error(status, code),
            Some(Fault::Pretend) => done(),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Mute) => {
                server(request).await;
                std::future::pending().await
            }
            Some(Fault::CutAt(length)) => cut(server(request).await, length),
            Some(Fault::With(header, value)) => {
                let mut response = server(request).await;
                response.headers_mut().insert(header, value.parse().unwrap());
                response
            }
            Some(Fault::Without(header)) => {
                let mut response = server(request).await;
                response.headers_mut().remove(header);
                response
            }
        }
    }
}

fn operation(request: &Request) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let is_bucket = request.uri().path().trim_matches('/').split('/').count() < 2;
    match *request.method() {
        Method::PUT if has("partNumber") => "UploadPart",
        Method::PUT => "PutObject",
        Method::POST if has("uploads") => "CreateMultipartUpload",
        Method::POST if has("uploadId") => "CompleteMultipartUpload",
        Method::POST if has("delete") => "DeleteObjects",
        Method::DELETE if has("uploadId") => "AbortMultipartUpload",
        Method::DELETE => "DeleteObject",
        Method::HEAD if is_bucket => "HeadBucket",
        Method::HEAD => "HeadObject",
        Method::GET if has("uploads") => "ListMultipartUploads",
        Method::GET if is_bucket => "ListObjects",
        Method::GET => "GetObject",
        _ => "another",
    }
}

fn error(status: u16, code: &str) -> Response {
    let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>played</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), xml).into_response()
}

fn done() -> Response {
    ([("etag", "\"of-nothing\"")], "").into_response()
}

/// The length still promises all of it.
fn cut(response: Response, length: usize) -> Response {
    let (head, body) = response.into_parts();
    let mut left = length;
    let kept = body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        let piece = piece.slice(..piece.len().min(left));
        left -= piece.len();
        Ok::<Bytes, std::io::Error>(piece)
    });
    let kept = kept.take_while(|piece| futures::future::ready(piece.as_ref().is_ok_and(|piece| !piece.is_empty())));
    let cut = stream::once(async {
        // Without a pause the server's HTTP library would not even send what came before.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(std::io::Error::other("cut"))
    });
    Response::from_parts(head, Body::from_stream(kept.chain(cut)))
}
