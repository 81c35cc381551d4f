//! `GET Recordings/{RE}.wav` and `.mp3`: the media, whole or in part, and the ways in which it goes wrong.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use twilio::MediaFormat;

use crate::account::Recording;
use crate::counters::InFlight;
use crate::faults::MediaFault;
use crate::media::{Content, Media};
use crate::problem::Problem;
use crate::range::Part;
use crate::rest::parameter;
use crate::sending::body;
use crate::state::{State, locked};

/// What `WrongLength` promises beyond what there is.
const WRONG_LENGTH_EXTRA: u64 = 512;

/// What of a recording is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) format: MediaFormat,
    pub(crate) query: &'a Vec<(String, String)>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) path: &'a str,
}

/// Answers with the media. The request counts as under way until the body was sent or dropped.
pub(crate) fn media(
    state: &Arc<State>,
    recording: &Recording,
    wanted: &Wanted<'_>,
    in_flight: InFlight,
) -> Result<Response<Body>, Problem> {
    let content = content(recording, wanted)?;
    let mut injector = locked(&state.injector);
    if injector.is_media_missing(&recording.sid) {
        return Err(Problem::not_found(wanted.path));
    }
    let fault = injector.media_fault();
    if let Some(MediaFault::XmlAsXml | MediaFault::XmlAsAudio) = fault {
        return Ok(xml_as_200(fault, wanted));
    }
    let is_range_honoured = !injector.faults().ignore_range;
    let is_chunked = injector.faults().chunked_media;
    drop(injector);

    let asked = wanted.headers.get(RANGE).and_then(|value| value.to_str().ok()).filter(|_| is_range_honoured);
    let part = match asked {
        Some(asked) => Part::asked(asked, content.len()),
        None => Part::Whole,
    };
    let mut response = match part {
        Part::Unsatisfiable => return Ok(unsatisfiable(content.len())),
        Part::Whole => Response::new(body(state, content.clone(), 0..content.len(), fault, in_flight)),
        Part::Range(ref range) => {
            let mut response = Response::new(body(state, content.clone(), range.clone(), fault, in_flight));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response
        }
    };
    describe(response.headers_mut(), &content, &part, wanted.format, fault, is_chunked);
    Ok(response)
}

fn content(recording: &Recording, wanted: &Wanted<'_>) -> Result<Content, Problem> {
    let bad_request = |code, message: &str| Problem::new(StatusCode::BAD_REQUEST, code, message);
    let media = recording.media().ok_or_else(|| Problem::not_found(wanted.path))?;
    if matches!((media, wanted.format), (Media::Encrypted(_), MediaFormat::Mp3)) {
        return Err(bad_request(16109, "Encrypted recordings are not available as MP3"));
    }
    // A conference comes as one channel unless two are asked for; a call comes as it was created.
    let channels = match parameter(wanted.query, "RequestedChannels") {
        None if recording.conference_sid.is_some() => 1,
        None => media.channels(),
        Some("1") => 1,
        Some("2") if media.channels() == 2 => 2,
        Some("2") => {
            return Err(bad_request(16113, "Dual-channel audio is not available for this recording"));
        }
        Some(_) => return Err(bad_request(20001, "RequestedChannels must be 1 or 2")),
    };
    media.content(wanted.format, channels).ok_or_else(|| Problem::not_found(wanted.path))
}

/// An error page that says 200: seen saved as audio by those who look at the status alone.
fn xml_as_200(fault: Option<MediaFault>, wanted: &Wanted<'_>) -> Response<Body> {
    let page = Problem::server_error(500, None).xml();
    let content_type = if fault == Some(MediaFault::XmlAsXml) { "application/xml" } else { mime(wanted.format) };
    let mut response = Response::new(Body::from(page));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn unsatisfiable(total: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{total}"));
    response
}

fn describe(
    headers: &mut HeaderMap,
    content: &Content,
    part: &Part,
    format: MediaFormat,
    fault: Option<MediaFault>,
    is_chunked: bool,
) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime(format)));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let mut length = content.len();
    if let Part::Range(range) = part {
        length = range.end - range.start;
        insert(headers, CONTENT_RANGE, &format!("bytes {}-{}/{}", range.start, range.end - 1, content.len()));
    }
    if fault == Some(MediaFault::WrongLength) {
        length += WRONG_LENGTH_EXTRA;
    }
    if !is_chunked {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

fn insert(headers: &mut HeaderMap, name: axum::http::HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("digits and punctuation make a header value"));
}

fn mime(format: MediaFormat) -> &'static str {
    match format {
        MediaFormat::Wav => "audio/x-wav",
        MediaFormat::Mp3 => "audio/mpeg",
    }
}
