//! s3s-fs in this process, behind a tap.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::net::TcpListener;
use vault::contract::Place;
pub(crate) use vault::contract::s3_server::{ACCESS_KEY, SECRET_KEY};
use vault::contract::s3_server::{answer, service};
use vault::{ByteStream, ObjectKey, ObjectStore, S3Options, S3Server, open_store};

use super::tap::Tap;

pub(crate) const BUCKET: &str = "calls";
const PATIENCE: Duration = Duration::from_secs(30);

/// A server of its own, with an empty bucket.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) tap: Arc<Tap>,
}

pub(crate) async fn fresh() -> Server {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
    let tap = Tap::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (service, tapped) = (service(folder.path()), Arc::clone(&tap));
    let router = Router::new().fallback(move |request: Request| {
        let (service, tap) = (service.clone(), Arc::clone(&tapped));
        tap.pass(request, |request| answer(service, request))
    });
    tokio::spawn(async { axum::serve(listener, router).await });
    Server { folder, url, tap }
}

impl Server {
    pub(crate) fn options(&self) -> S3Options {
        options(&self.url)
    }

    pub(crate) async fn store(&self, options: S3Options) -> Arc<dyn ObjectStore> {
        open_store(&format!("s3://{BUCKET}/vault"), options).await.unwrap()
    }

    /// The file that holds the object.
    pub(crate) fn file(&self, key: &ObjectKey) -> std::path::PathBuf {
        self.folder.path().join(BUCKET).join("vault").join(key.as_str())
    }

    pub(crate) fn remove_bucket(&self) {
        std::fs::remove_dir_all(self.folder.path().join(BUCKET)).unwrap();
    }
}

pub(crate) fn options(url: &str) -> S3Options {
    let server = S3Server {
        endpoint_url: url.to_owned(),
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: SECRET_KEY.into(),
    };
    S3Options { server: Some(server), ..S3Options::default() }
}

pub(crate) fn key(name: &str) -> ObjectKey {
    format!("recordings/AC1/{name}.wav.age").parse().unwrap()
}

pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8 ^ (at >> 16) as u8).collect()
}

pub(crate) fn body(content: &[u8]) -> ByteStream {
    let pieces: Vec<_> = content.chunks(65_536).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

/// The whole object, or why not.
pub(crate) async fn read(store: &dyn ObjectStore, key: &ObjectKey) -> std::io::Result<Vec<u8>> {
    let body = store.get(key, 0, None).await.map_err(std::io::Error::other)?;
    Ok(body.try_collect::<Vec<Bytes>>().await?.concat())
}

/// Waits for a condition, and fails the test when it does not come true.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A client of the SDK itself, for what the store would never do.
pub(crate) fn client(url: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(url)
        .force_path_style(true)
        .region(aws_sdk_s3::config::Region::from_static("us-east-1"))
        .credentials_provider(aws_sdk_s3::config::Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests"));
    aws_sdk_s3::Client::from_conf(config.build())
}

/// Begins a put as a process would that dies behind its first part.
pub(crate) async fn begin_and_die(url: &str, bucket: &str, key: &ObjectKey) {
    let (client, path) = (client(url), format!("vault/{key}"));
    let begun = client.create_multipart_upload().bucket(bucket).key(&path).send().await.unwrap();
    let part = client.upload_part().bucket(bucket).key(path).set_upload_id(begun.upload_id).part_number(1);
    part.body(vec![1; 5 << 20].into()).send().await.unwrap();
}

#[async_trait]
impl Place for Server {
    async fn open(&self) -> Arc<dyn ObjectStore> {
        self.store(self.options()).await
    }

    async fn begin_and_die(&self, key: &ObjectKey) {
        begin_and_die(&self.url, BUCKET, key).await;
    }

    async fn unfinished(&self) -> usize {
        let names = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().is_some_and(|name| name.starts_with(".upload-"))).count()
    }
}
