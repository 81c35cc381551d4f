//! What is deleted is gone.

use super::place::{Place, get, key, keys, put};

pub async fn deleted_object_is_gone(place: &dyn Place) {
    let store = place.open().await;
    put(store.as_ref(), &key("RE1"), b"content").await;
    store.delete(&key("RE1")).await.unwrap();
    assert_eq!(store.head(&key("RE1")).await.unwrap(), None);
    assert!(store.get(&key("RE1"), 0, None).await.is_err_and(|error| error.is_not_found()));
    assert!(keys(store.as_ref(), "recordings/").await.is_empty());
}

pub async fn deleting_what_is_not_there_succeeds(place: &dyn Place) {
    let store = place.open().await;
    put(store.as_ref(), &key("RE1"), b"content").await;
    for _ in 0..2 {
        store.delete(&key("RE1")).await.unwrap();
        store.delete(&key("RE2")).await.unwrap();
    }
}

/// Where a store keeps old versions, deleting the newest would bring the one before it back.
pub async fn every_version_is_deleted(place: &dyn Place) {
    let store = place.open().await;
    for content in [b"one", b"two", b"six"] {
        put(store.as_ref(), &key("RE1"), content).await;
    }
    for _ in 0..2 {
        store.delete(&key("RE1")).await.unwrap();
        assert_eq!(store.head(&key("RE1")).await.unwrap(), None);
    }
}

pub async fn of_many_deleted_together_none_is_left_and_the_others_stay(place: &dyn Place) {
    let store = place.open().await;
    let deleted: Vec<_> = (1..=30).map(|number| key(&format!("RE{number}"))).collect();
    for _ in 0..2 {
        for key in deleted.iter().skip(1).chain([&key("RE31")]) {
            put(store.as_ref(), key, b"content").await;
        }
    }
    let answers = store.delete_all(&deleted).await;
    assert!(answers.len() == 30 && answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(keys(store.as_ref(), "recordings/").await, [key("RE31").to_string()]);
    for key in &deleted {
        assert_eq!(store.head(key).await.unwrap(), None);
    }
}

pub async fn neighbours_of_a_deleted_object_stay(place: &dyn Place) {
    let store = place.open().await;
    let longer = "recordings/AC1/2026/01/31/RE1.wav.age.v2".parse().unwrap();
    for other in [&key("RE1"), &key("RE2"), &longer] {
        put(store.as_ref(), other, b"content").await;
    }
    store.delete(&key("RE1")).await.unwrap();
    assert_eq!(get(store.as_ref(), &key("RE2")).await, b"content");
    assert_eq!(get(store.as_ref(), &longer).await, b"content");
}
