//! Twilio's REST API, 2010-04-01: who asks, what they ask for, and what stands in the way.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use twilio::{AccountSid, MediaFormat, RecordingSid};

use crate::account::{Deletion, Recording};
use crate::counters::{Gauge, InFlight};
use crate::problem::Problem;
use crate::state::{State, locked};
use crate::{derive, download, listing, resource};

type Query = Vec<(String, String)>;

/// The routes under `/2010-04-01`.
pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new().route("/2010-04-01/{*path}", any(serve))
}

/// What a request is for.
#[derive(Debug)]
enum Target {
    List,
    Recording(RecordingSid),
    Media(RecordingSid, MediaFormat),
    Delete(RecordingSid),
}

impl Target {
    /// `None`: Twilio has nothing there.
    fn of(method: &Method, path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/2010-04-01/Accounts/")?;
        let (_, resource) = rest.split_once('/')?;
        if resource == "Recordings.json" {
            return (method == Method::GET).then_some(Self::List);
        }
        let file = resource.strip_prefix("Recordings/")?;
        let (sid, extension) = file.split_once('.').unwrap_or((file, ""));
        let sid: RecordingSid = sid.parse().ok()?;
        match (method, extension) {
            (&Method::DELETE, "json" | "") => Some(Self::Delete(sid)),
            (&Method::GET, "json") => Some(Self::Recording(sid)),
            (&Method::GET, "wav" | "") => Some(Self::Media(sid, MediaFormat::Wav)),
            (&Method::GET, "mp3") => Some(Self::Media(sid, MediaFormat::Mp3)),
            _ => None,
        }
    }

    fn endpoint(&self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Recording(_) => "recording",
            Self::Media(..) => "media",
            Self::Delete(_) => "delete",
        }
    }
}

async fn serve(Shared(state): Shared<Arc<State>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let target = Target::of(request.method(), &path);
    let endpoint = target.as_ref().map_or("unknown", Target::endpoint);
    state.tally.request(endpoint);
    let in_flight = state.tally.begin(Gauge::Twilio);
    let concurrent = in_flight.others;

    let answer = answer(&state, target, &path, &request, in_flight);
    let mut response = answer.unwrap_or_else(|problem| problem.response(path.ends_with(".json")));
    state.tally.response(endpoint, response.status().as_u16());
    let request_id = format!("RQ{}", derive::hex_digits(state.seed, state.next_serial(), "request"));
    let headers = response.headers_mut();
    // RFC 9110, 5.6.7: the account's clock, which may be ahead.
    if let Ok(date) = HeaderValue::from_str(&state.now().format("%a, %d %b %Y %T GMT").to_string()) {
        headers.insert(DATE, date);
    }
    headers.insert(HeaderName::from_static("twilio-concurrent-requests"), HeaderValue::from(concurrent));
    if let Ok(request_id) = HeaderValue::from_str(&request_id) {
        headers.insert(HeaderName::from_static("twilio-request-id"), request_id);
    }
    response
}

fn answer(
    state: &Arc<State>,
    target: Option<Target>,
    path: &str,
    request: &Request,
    in_flight: InFlight,
) -> Result<Response<Body>, Problem> {
    let account_sid = authenticate(state, path, request.headers())?;
    let target = target.ok_or_else(|| Problem::not_found(path))?;
    obstruct(state, &account_sid, &target, &in_flight)?;
    let query: Query =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    match target {
        Target::List => Ok(json(&listing::page(state, account_sid, path, &query)?)),
        Target::Recording(sid) => {
            let recording =
                find(state, &account_sid, &sid, with_deleted(&query)).ok_or_else(|| Problem::not_found(path))?;
            Ok(json(&resource::json(&recording)))
        }
        Target::Delete(sid) => delete(state, &account_sid, &sid, path),
        Target::Media(sid, format) => {
            let recording = find(state, &account_sid, &sid, false).ok_or_else(|| Problem::not_found(path))?;
            let wanted = download::Wanted { format, query: &query, headers: request.headers(), path };
            download::media(state, &recording, &wanted, in_flight)
        }
    }
}

/// Basic authentication with the token of the account that the path names, or an API key of the main one.
fn authenticate(state: &State, path: &str, headers: &HeaderMap) -> Result<AccountSid, Problem> {
    let (user, password) = basic(headers).ok_or_else(Problem::unauthorized)?;
    let account = path.split('/').nth(3).and_then(|account| account.trim_end_matches(".json").parse().ok());
    let account: AccountSid = account.ok_or_else(Problem::unauthorized)?;
    let token = state.token_of(&account).ok_or_else(Problem::unauthorized)?;
    let is_account = user == account.as_str() && password == token.expose_secret();
    let is_key =
        || locked(&state.api_keys).iter().any(|(sid, secret)| user == *sid && password == secret.expose_secret());
    if is_account || (account == state.account_sid && is_key()) { Ok(account) } else { Err(Problem::unauthorized()) }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The faults that any request can meet.
fn obstruct(state: &State, account_sid: &AccountSid, target: &Target, in_flight: &InFlight) -> Result<(), Problem> {
    let mut injector = locked(&state.injector);
    let retry_after = injector.faults().retry_after_secs;
    let limit = injector.faults().concurrency_limit;
    if injector.faults().throttle_account.as_ref() == Some(account_sid) {
        return Err(Problem::throttled(retry_after));
    }
    if limit.is_some_and(|limit| in_flight.others > u64::from(limit)) || injector.is_throttled() {
        return Err(Problem::throttled(retry_after));
    }
    if let Some(status) = injector.server_error() {
        return Err(Problem::server_error(status, retry_after));
    }
    match target {
        Target::List if injector.is_list_error() => Err(Problem::server_error(503, retry_after)),
        Target::Delete(_) if injector.is_delete_error() => Err(Problem::server_error(500, None)),
        _ => Ok(()),
    }
}

fn find(state: &State, account_sid: &AccountSid, sid: &RecordingSid, with_deleted: bool) -> Option<Recording> {
    let found = locked(&state.account).find(sid, with_deleted, state.now()).cloned();
    found.filter(|recording| recording.account_sid == *account_sid)
}

pub(crate) fn with_deleted(query: &Query) -> bool {
    parameter(query, "IncludeSoftDeleted").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The first value of a query parameter.
pub(crate) fn parameter<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn delete(state: &State, account_sid: &AccountSid, sid: &RecordingSid, path: &str) -> Result<Response<Body>, Problem> {
    find(state, account_sid, sid, true).ok_or_else(|| Problem::not_found(path))?;
    match locked(&state.account).delete(sid, state.now()) {
        Deletion::NotFound => Err(Problem::not_found(path)),
        Deletion::NotCompleted => {
            let message = "Recording is not completed and cannot be deleted";
            Err(Problem::new(StatusCode::CONFLICT, 20409, message))
        }
        Deletion::Deleted => {
            state.tally.count(|counters| counters.deletes += 1);
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
    }
}

fn json(value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    response
}
