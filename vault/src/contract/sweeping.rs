//! What puts that never ended leave behind.

use std::time::Duration;

use super::place::{Place, get, key, put};

pub async fn unfinished_puts_are_swept_when_old_and_left_when_fresh(place: &dyn Place) {
    let store = place.open().await;
    place.begin_and_die(&key("RE1")).await;
    put(store.as_ref(), &key("RE2"), b"finished").await;
    let hour = Duration::from_secs(3600);
    assert_eq!((store.count_unfinished(hour).await.unwrap(), store.sweep_unfinished(hour).await.unwrap()), (0, 0));
    assert_eq!(place.unfinished().await, 1);
    // Stores may tell time in whole seconds.
    let mut counted = 0;
    for _ in 0..50 {
        counted = store.count_unfinished(Duration::ZERO).await.unwrap();
        if counted > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((counted, place.unfinished().await), (1, 1), "counting removes nothing");
    assert_eq!((store.sweep_unfinished(Duration::ZERO).await.unwrap(), place.unfinished().await), (1, 0));
    assert_eq!(get(store.as_ref(), &key("RE2")).await, b"finished");
}
