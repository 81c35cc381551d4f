//! What is there.

use futures::{StreamExt, TryStreamExt, stream};

use super::place::{Place, bytes, key, keys, put};
use crate::ObjectKey;

pub async fn list_has_every_object_under_the_prefix_once(place: &dyn Place) {
    let store = place.open().await;
    let names = ["recordings/AC1/a.age", "recordings/AC1/2026/b.age", "recordings/AC2/c.age", "transcripts/AC1/a.age"];
    for name in names {
        put(store.as_ref(), &name.parse().unwrap(), &bytes(name.len())).await;
    }
    assert_eq!(keys(store.as_ref(), "recordings/").await, [names[1], names[0], names[2]]);
    assert_eq!(keys(store.as_ref(), "recordings/AC1/").await, [names[1], names[0]]);
    assert_eq!(keys(store.as_ref(), "").await.len(), 4);
    let metas: Vec<_> = store.list("").try_collect().await.unwrap();
    assert!(metas.iter().all(|meta| meta.bytes == meta.key.as_str().len() as u64), "{metas:?}");
}

pub async fn list_of_nothing_is_empty(place: &dyn Place) {
    let store = place.open().await;
    assert!(keys(store.as_ref(), "").await.is_empty());
    put(store.as_ref(), &key("RE1"), b"x").await;
    assert!(keys(store.as_ref(), "transcripts/").await.is_empty());
}

pub async fn list_goes_on_past_a_thousand_objects(place: &dyn Place) {
    let store = place.open().await;
    let names: Vec<ObjectKey> = (0..1_050).map(|at| key(&format!("RE{at:04}"))).collect();
    stream::iter(&names).for_each_concurrent(32, |name| put(store.as_ref(), name, b"x")).await;
    let listed = keys(store.as_ref(), "recordings/").await;
    assert_eq!(listed, names.iter().map(ToString::to_string).collect::<Vec<_>>());
}

pub async fn list_shows_nothing_unfinished(place: &dyn Place) {
    let store = place.open().await;
    place.begin_and_die(&key("RE1")).await;
    assert!(keys(store.as_ref(), "").await.is_empty());
}

pub async fn healthy_store_passes_its_check_and_keeps_nothing_of_it(place: &dyn Place) {
    let store = place.open().await;
    store.check().await.unwrap();
    assert!(keys(store.as_ref(), "").await.is_empty());
}
