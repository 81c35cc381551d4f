//! Puts that end, and puts that don't.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::place::{Place, body, broken_body, bytes, get, key, put};
use crate::StoreErrorKind;

/// Below, at and above where stores change from one request to several, or to one that streams.
const LENGTHS: [usize; 7] = [0, 1, 65_536, (512 << 10) + 1, 5 << 20, (5 << 20) + 1, 17_000_000];

pub async fn object_of_any_length_comes_back_as_it_was_put(place: &dyn Place) {
    let store = place.open().await;
    for length in LENGTHS {
        put(store.as_ref(), &key("RE1"), &bytes(length)).await;
        assert!(get(store.as_ref(), &key("RE1")).await == bytes(length), "{length} bytes differ");
    }
    assert_eq!(place.unfinished().await, 0);
}

pub async fn put_replaces_what_was_there(place: &dyn Place) {
    let store = place.open().await;
    put(store.as_ref(), &key("RE1"), b"a longer first content").await;
    put(store.as_ref(), &key("RE1"), b"second").await;
    assert_eq!(get(store.as_ref(), &key("RE1")).await, b"second");
    assert_eq!(store.head(&key("RE1")).await.unwrap().unwrap().bytes, 6);
}

pub async fn object_of_known_length_comes_back_as_it_was_put_and_replaces_what_was_there(place: &dyn Place) {
    let store = place.open().await;
    put(store.as_ref(), &key("RE1"), &bytes(17_000_001)).await;
    for length in LENGTHS {
        let (told, content) = (Some(length as u64), bytes(length));
        assert_eq!(store.put(&key("RE1"), body(&content), told).await.unwrap(), length as u64);
        assert!(get(store.as_ref(), &key("RE1")).await == content, "{length} bytes differ");
    }
    assert_eq!(place.unfinished().await, 0);
}

pub async fn body_of_another_length_than_was_told_leaves_nothing(place: &dyn Place) {
    let store = place.open().await;
    for length in LENGTHS {
        for told in [length as u64 + 1, (length as u64).saturating_sub(1), 3_000_000]
            .into_iter()
            .filter(|told| *told != length as u64)
        {
            let error = store.put(&key("RE1"), body(&bytes(length)), Some(told)).await.unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Source, "{length}, not {told}: {error}");
            assert_eq!(store.head(&key("RE1")).await.unwrap(), None, "{length}, not {told}");
            assert_eq!(place.unfinished().await, 0, "{length}, not {told}");
        }
    }
}

pub async fn body_of_known_length_that_breaks_off_leaves_what_was_there(place: &dyn Place) {
    let store = place.open().await;
    for (old, length) in [None, Some(b"old")].into_iter().flat_map(|old| LENGTHS.map(|length| (old, length))) {
        if let Some(old) = old {
            put(store.as_ref(), &key("RE1"), old).await;
        }
        // In the middle, and where all is there but the end.
        for told in [length as u64 * 2 + 1, length as u64] {
            let error = store.put(&key("RE1"), broken_body(&bytes(length)), Some(told)).await.unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Source, "{length} of {told}: {error}");
            let left = store.head(&key("RE1")).await.unwrap().map(|meta| meta.bytes);
            assert_eq!(left, old.map(|old| old.len() as u64), "{length} of {told}");
        }
    }
    assert_eq!(place.unfinished().await, 0);
}

pub async fn object_outlives_the_handle_that_put_it(place: &dyn Place) {
    put(place.open().await.as_ref(), &key("RE1"), b"content").await;
    assert_eq!(get(place.open().await.as_ref(), &key("RE1")).await, b"content");
}

pub async fn body_that_breaks_off_leaves_nothing(place: &dyn Place) {
    let store = place.open().await;
    for length in LENGTHS {
        assert!(store.put(&key("RE1"), broken_body(&bytes(length)), None).await.is_err(), "{length}");
        assert_eq!(store.head(&key("RE1")).await.unwrap(), None, "{length}");
        assert_eq!(place.unfinished().await, 0, "{length}");
    }
}

pub async fn body_that_breaks_off_leaves_the_old_object(place: &dyn Place) {
    let store = place.open().await;
    put(store.as_ref(), &key("RE1"), b"old").await;
    assert!(store.put(&key("RE1"), broken_body(&bytes(17_000_000)), None).await.is_err());
    assert_eq!(get(store.as_ref(), &key("RE1")).await, b"old");
}

pub async fn abandoned_put_is_never_visible(place: &dyn Place) {
    let store = place.open().await;
    let abandoned = key("RE1");
    for (length, is_told) in LENGTHS.into_iter().flat_map(|length| [(length, false), (length, true)]) {
        let stalled = body(&bytes(length)).chain(stream::pending()).boxed();
        let put = store.put(&abandoned, stalled, is_told.then_some(length as u64));
        assert!(tokio::time::timeout(Duration::from_millis(300), put).await.is_err(), "a stalled body never ends");
        assert_eq!(store.head(&abandoned).await.unwrap(), None, "{length}");
    }
    put(store.as_ref(), &key("RE2"), b"the store works on").await;
}

pub async fn puts_of_one_key_at_once_leave_one_of_them_whole(place: &dyn Place) {
    let store = place.open().await;
    let contents: Vec<Vec<u8>> = (0..8).map(|at| vec![at; 300_000]).collect();
    let target = key("RE1");
    let puts = contents.iter().map(|content| store.put(&target, body(content), None));
    for written in futures::future::join_all(puts).await {
        assert_eq!(written.unwrap(), 300_000);
    }
    let kept = Bytes::from(get(store.as_ref(), &target).await);
    assert!(contents.iter().any(|content| *content == kept), "a mixture of two puts");
}
