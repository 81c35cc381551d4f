//! Gets and heads.

use super::place::{Place, bytes, collect, key, put};
use crate::StoreError;

pub async fn range_is_what_the_object_holds_there(place: &dyn Place) {
    let store = place.open().await;
    let content = bytes(700_000);
    put(store.as_ref(), &key("RE1"), &content).await;
    for (start, end) in [(0, Some(1)), (0, Some(700_000)), (262_143, Some(262_145)), (699_999, None), (5, None)] {
        let got = collect(store.get(&key("RE1"), start, end).await.unwrap()).await.unwrap();
        let end = end.unwrap_or(700_000) as usize;
        assert!(got == content[start as usize..end], "{start}..{end}");
    }
}

pub async fn range_behind_the_end_is_empty(place: &dyn Place) {
    let store = place.open().await;
    put(store.as_ref(), &key("RE1"), &bytes(10)).await;
    for (start, end) in [(10, None), (10, Some(20)), (50, Some(60)), (4, Some(4))] {
        let got = collect(store.get(&key("RE1"), start, end).await.unwrap()).await.unwrap();
        assert!(got.is_empty(), "{start}..{end:?}: {}", got.len());
    }
    let got = collect(store.get(&key("RE1"), 8, Some(20)).await.unwrap()).await.unwrap();
    assert_eq!(got, bytes(10)[8..]);
}

pub async fn missing_object_is_not_found(place: &dyn Place) {
    let store = place.open().await;
    put(store.as_ref(), &key("RE1"), b"x").await;
    assert_eq!(store.head(&key("RE2")).await.unwrap(), None);
    let got = store.get(&key("RE2"), 0, None).await;
    assert!(got.is_err_and(|error: StoreError| error.is_not_found()));
}

#[expect(clippy::disallowed_methods, reason = "compared with the time that a store of the system's tells")]
pub async fn head_tells_length_and_time(place: &dyn Place) {
    let store = place.open().await;
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(5);
    put(store.as_ref(), &key("RE1"), &bytes(70_000)).await;
    let meta = store.head(&key("RE1")).await.unwrap().unwrap();
    assert_eq!((meta.key, meta.bytes), (key("RE1"), 70_000));
    let age = meta.modified_at - chrono::DateTime::<chrono::Utc>::from(before);
    assert!((0..60).contains(&age.num_seconds()), "{}", meta.modified_at);
}
