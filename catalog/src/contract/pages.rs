//! Every recording, page by page.

use chrono::TimeDelta;
use twilio::Recording;

use super::fixture::{Fixture, THIRTY_DAYS, completed, day, heard_at, sid, start, transcript_object};
use crate::Span;

async fn numbers(fixture: &Fixture, span: Span, limit: u32) -> Vec<Vec<u32>> {
    let (mut pages, mut last) = (Vec::new(), None);
    loop {
        let page = fixture.catalog.page(span, last.as_ref(), limit).await.unwrap();
        let Some(newest) = page.last() else { return pages };
        last = Some(newest.recording_sid.clone());
        let number = |sid: &str| u32::from_str_radix(&sid[2..], 16).unwrap();
        pages.push(page.iter().map(|row| number(row.recording_sid.as_str())).collect());
    }
}

pub async fn pages_hold_every_recording_once_and_in_order(fixture: &Fixture) {
    for number in [5, 1, 4] {
        fixture.received(number).await;
    }
    fixture.archived(3).await;
    fixture.transcribed(2).await;
    fixture.purge(2, &THIRTY_DAYS, day(30)).await;
    assert_eq!(numbers(fixture, Span::default(), 2).await, [vec![1, 2], vec![3, 4], vec![5]]);
}

pub async fn page_narrows_by_when_recordings_started(fixture: &Fixture) {
    for number in 1..=3 {
        fixture.hear(&Recording { started_at: Some(day(number.into())), ..completed(number) }).await;
    }
    let span = |since, until| Span { since: Some(day(since)), until: Some(day(until)) };
    assert_eq!(numbers(fixture, span(2, 3), 10).await, [[2]], "since is in, until is out");
    assert_eq!(numbers(fixture, Span { since: Some(day(2)), until: None }, 10).await, [[2, 3]]);
    assert!(numbers(fixture, Span { since: None, until: Some(start() - TimeDelta::days(1)) }, 10).await.is_empty());
}

pub async fn versions_of_many_recordings_are_read_at_once(fixture: &Fixture) {
    for number in [1, 2] {
        fixture.transcribed(number).await;
    }
    fixture.transcribe(2, 2).await;
    fixture.received(3).await;
    let asked: Vec<_> = (1..=3).map(sid).collect();
    let versions = fixture.catalog.transcripts_of(&asked).await.unwrap();
    assert_eq!(versions.len(), 2, "those without any are not in it");
    let keys: Vec<_> = versions[&sid(2)].iter().map(|version| version.object.clone().unwrap()).collect();
    assert_eq!(keys, [transcript_object(2, 1), transcript_object(2, 2)]);
}

pub async fn tombstone_names_the_rule_that_made_it(fixture: &Fixture) {
    fixture.transcribed(1).await;
    assert_eq!(fixture.row(1).await.deleted_by, None);
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!(fixture.row(1).await.deleted_by, None, "it is only marked");
    fixture.received(2).await;
    fixture.catalog.request_erasure(&sid(2), "asked for", "anna", heard_at()).await.unwrap();
    fixture.purge(2, &THIRTY_DAYS, day(1)).await;
    assert_eq!(fixture.row(2).await.deleted_by.as_deref(), Some("erasure: asked for"));
}
