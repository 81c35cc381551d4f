//! `GET Recordings.json`: filters and pages.

use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};
use twilio::{AccountSid, RecordingSid};

use crate::account::Filter;
use crate::problem::Problem;
use crate::resource;
use crate::rest::{parameter, with_deleted};
use crate::state::{State, locked};

const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 1000;
const TOKEN_START: &str = "PA";

type Query = Vec<(String, String)>;

/// One page of the list, newest first.
///
/// `PageToken` names the last recording of the page before, so new recordings don't shift the pages.
pub(crate) fn page(state: &State, account_sid: AccountSid, path: &str, query: &Query) -> Result<Value, Problem> {
    let most = locked(&state.injector).faults().list_page_max.map_or(PAGE_SIZE_MAX, |most| most as usize);
    let size = page_size(query)?.min(most.max(1));
    let number: usize = number(query, "Page")?.unwrap_or(0);
    let cursor = page_token(query)?;
    let filter = filter(account_sid, query)?;
    let skip = if cursor.is_some() { 0 } else { number.saturating_mul(size) };

    let account = locked(&state.account);
    let (recordings, has_more) = account.page(&filter, cursor.as_ref(), skip, size, state.now());
    let next = recordings
        .last()
        .filter(|_| has_more)
        .map(|last| uri(path, query, size, number + 1, Some(&format!("{TOKEN_START}{}", last.sid))));
    let start = number.saturating_mul(size);
    Ok(json!({
        "first_page_uri": uri(path, query, size, 0, None),
        "next_page_uri": next,
        "previous_page_uri": (number > 0).then(|| uri(path, query, size, number - 1, None)),
        "uri": uri(path, query, size, number, parameter(query, "PageToken")),
        "page": number,
        "page_size": size,
        "start": start,
        "end": start + recordings.len().saturating_sub(1),
        "recordings": recordings.iter().map(|one| resource::json(one)).collect::<Vec<_>>(),
    }))
}

fn page_size(query: &Query) -> Result<usize, Problem> {
    let size = number(query, "PageSize")?.unwrap_or(PAGE_SIZE_DEFAULT);
    if size > PAGE_SIZE_MAX {
        return Err(Problem::new(StatusCode::BAD_REQUEST, 20007, "Page size must be less than or equal to 1000"));
    }
    Ok(size.max(1))
}

fn number(query: &Query, name: &str) -> Result<Option<usize>, Problem> {
    let value = parameter(query, name);
    value.map(|value| value.parse().map_err(|_| invalid(name))).transpose()
}

fn page_token(query: &Query) -> Result<Option<RecordingSid>, Problem> {
    let token = parameter(query, "PageToken").filter(|token| !token.is_empty());
    let sid = |token: &str| token.strip_prefix(TOKEN_START).and_then(|sid| sid.parse().ok());
    token.map(|token| sid(token).ok_or_else(|| invalid("PageToken"))).transpose()
}

fn filter(account_sid: AccountSid, query: &Query) -> Result<Filter, Problem> {
    let at = |name| parameter(query, name).map(|value| instant(value).ok_or_else(|| invalid(name))).transpose();
    let on_day = at("DateCreated")?;
    let from = at("DateCreated>")?;
    Ok(Filter {
        account_sid,
        not_before: from.or(on_day),
        not_after: at("DateCreated<")?,
        before: on_day.map(|day| day + TimeDelta::days(1)),
        call_sid: parameter(query, "CallSid").map(str::to_owned),
        conference_sid: parameter(query, "ConferenceSid").map(str::to_owned),
        with_deleted: with_deleted(query),
    })
}

/// A day stands for its first instant in GMT: "at or before midnight", "at or after midnight". SDKs send instants.
fn instant(value: &str) -> Option<DateTime<Utc>> {
    if let Ok(day) = value.parse::<NaiveDate>() {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    value.parse::<DateTime<Utc>>().ok()
}

fn invalid(name: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, 20001, format!("Invalid parameter {name}"))
}

/// The same request for another page; relative, as Twilio's are.
fn uri(path: &str, query: &Query, size: usize, page: usize, token: Option<&str>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let of_pages = ["PageSize", "Page", "PageToken"];
    form.extend_pairs(query.iter().filter(|(key, _)| !of_pages.contains(&key.as_str())));
    form.append_pair("PageSize", &size.to_string());
    form.append_pair("Page", &page.to_string());
    if let Some(token) = token {
        form.append_pair("PageToken", token);
    }
    format!("{path}?{}", form.finish())
}
