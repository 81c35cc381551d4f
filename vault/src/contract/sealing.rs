//! A vault over the store.

use super::place::{Place, body, broken_body, bytes, collect, get, key, put};
use crate::{Identities, Vault, generate_identity_file};

async fn vault(place: &dyn Place) -> Vault {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity.txt");
    let recipients = generate_identity_file(&file).unwrap();
    Vault::new(place.open().await, recipients, Some(Identities::from_file(&file).unwrap()))
}

pub async fn sealed_object_opens_as_it_was(place: &dyn Place) {
    let vault = vault(place).await;
    let lengths = [0, 1, 65_536, 12_000_000];
    for (length, is_told) in lengths.into_iter().flat_map(|length| [(length, false), (length, true)]) {
        let plain = bytes(length);
        let told = is_told.then_some(length as u64);
        let sealed = vault.seal(&key("RE1"), body(&plain), told).await.unwrap();
        assert_eq!(vault.head(&key("RE1")).await.unwrap().unwrap().bytes, sealed.sealed_bytes);
        assert!(collect(vault.open(&key("RE1")).await.unwrap()).await.unwrap() == plain, "{length} bytes differ");
    }
}

pub async fn sealed_object_shows_nothing_of_what_is_in_it(place: &dyn Place) {
    let vault = vault(place).await;
    let plain = bytes(400_000);
    vault.seal(&key("RE1"), body(&plain), None).await.unwrap();
    let stored = get(vault.store().as_ref(), &key("RE1")).await;
    let pieces: std::collections::HashSet<&[u8]> = plain.chunks_exact(16).collect();
    assert!(!stored.windows(16).any(|window| pieces.contains(window)), "16 bytes in a row as they were");
}

pub async fn range_of_a_sealed_object_is_what_was_sealed_there(place: &dyn Place) {
    let vault = vault(place).await;
    let plain = bytes(400_000);
    vault.seal(&key("RE1"), body(&plain), None).await.unwrap();
    for range in [0..10, 65_530..65_540, 131_072..400_000, 399_999..500_000, 7..7] {
        let got = collect(vault.open_range(&key("RE1"), range.clone()).await.unwrap()).await.unwrap();
        assert!(got == plain[range.start as usize..(range.end as usize).min(400_000)], "{range:?}");
    }
}

pub async fn damaged_object_fails_before_its_end(place: &dyn Place) {
    let vault = vault(place).await;
    vault.seal(&key("RE1"), body(&bytes(400_000)), None).await.unwrap();
    let store = vault.store();
    let whole = get(store.as_ref(), &key("RE1")).await;
    let mut flipped = whole.clone();
    flipped[300_000] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..100]] {
        put(store.as_ref(), &key("RE1"), damaged).await;
        let opened = match vault.open(&key("RE1")).await {
            Ok(body) => collect(body).await.is_ok(),
            Err(_) => false,
        };
        assert!(!opened, "{} bytes", damaged.len());
    }
}

pub async fn seal_that_breaks_off_leaves_nothing(place: &dyn Place) {
    let vault = vault(place).await;
    assert!(vault.seal(&key("RE1"), broken_body(&bytes(12_000_000)), None).await.is_err());
    assert_eq!(vault.head(&key("RE1")).await.unwrap(), None);
    assert_eq!(place.unfinished().await, 0);
}

pub async fn seal_of_another_length_than_was_told_leaves_nothing(place: &dyn Place) {
    let vault = vault(place).await;
    for (length, told) in [(0, 1), (1, 0), (65_536, 65_537), (12_000_000, 11_999_999), (12_000_000, u64::MAX)] {
        let sealed = vault.seal(&key("RE1"), body(&bytes(length)), Some(told)).await;
        assert!(sealed.is_err(), "{length}, not {told}");
        assert_eq!(vault.head(&key("RE1")).await.unwrap(), None);
    }
}

pub async fn purged_object_is_seen_to_be_gone(place: &dyn Place) {
    let vault = vault(place).await;
    vault.seal(&key("RE1"), body(b"speech"), None).await.unwrap();
    vault.delete_all(&[key("RE1")]).await.remove(0).unwrap();
    assert_eq!(vault.head(&key("RE1")).await.unwrap(), None);
    vault.delete_all(&[key("RE1")]).await.remove(0).unwrap();
}
