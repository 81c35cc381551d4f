//! What a case gets to work with.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use futures::{Stream, TryStreamExt};

use crate::{ByteStream, ObjectKey, ObjectStore, StoreError};

/// A store of its own, and what makes handles on it.
#[async_trait]
pub trait Place: Send + Sync {
    /// A new handle on the same store, as another process would have it.
    async fn open(&self) -> Arc<dyn ObjectStore>;

    /// Begins a put as a process would that dies in its middle.
    async fn begin_and_die(&self, key: &ObjectKey);

    /// How many puts were begun and neither finished nor cleared away.
    async fn unfinished(&self) -> usize;
}

pub(super) fn key(name: &str) -> ObjectKey {
    format!("recordings/AC1/2026/01/31/{name}.wav.age").parse().unwrap()
}

/// Bytes that differ from place to place.
pub(super) fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8 ^ (at >> 16) as u8).collect()
}

/// A body in pieces of no convenient length.
pub(super) fn body(bytes: &[u8]) -> ByteStream {
    let pieces: Vec<_> = bytes.chunks(100_003).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

/// A body that breaks off behind these bytes.
pub(super) fn broken_body(bytes: &[u8]) -> ByteStream {
    body(bytes).chain(stream::iter([Err(io::Error::other("cut"))])).boxed()
}

pub(super) async fn put(store: &dyn ObjectStore, key: &ObjectKey, content: &[u8]) {
    assert_eq!(store.put(key, body(content), None).await.unwrap(), content.len() as u64);
}

pub(super) async fn get(store: &dyn ObjectStore, key: &ObjectKey) -> Vec<u8> {
    collect(store.get(key, 0, None).await.unwrap()).await.unwrap()
}

pub(super) async fn collect(body: impl Stream<Item = io::Result<Bytes>>) -> io::Result<Vec<u8>> {
    Ok(body.try_collect::<Vec<Bytes>>().await?.concat())
}

/// The keys under a prefix, sorted.
pub(super) async fn keys(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    let listed: Result<Vec<_>, StoreError> = store.list(prefix).map_ok(|meta| meta.key.to_string()).try_collect().await;
    let mut keys = listed.unwrap();
    keys.sort();
    keys
}
