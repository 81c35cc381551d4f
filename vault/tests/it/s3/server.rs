//! s3s-fs in this process, behind a tap.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use vault::contract::Place;
use vault::{ByteStream, ObjectKey, ObjectStore, S3Options, S3Server, open_store};

use super::tap::Tap;

pub(crate) const ACCESS_KEY: &str = "AKTEST";
pub(crate) const SECRET_KEY: &str = "a secret of the tests";
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

fn service(folder: &Path) -> S3Service {
    let files = FileSystem::new(folder).unwrap();
    let mut service = S3ServiceBuilder::new(WithUploads { files, uploads: Mutex::default() });
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    service.build()
}

async fn answer(service: S3Service, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
    }
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

/// s3s-fs, and the list of uploads under way that it does not keep.
struct WithUploads {
    files: FileSystem,
    uploads: Mutex<Vec<(MultipartUpload, String)>>,
}

impl WithUploads {
    fn forget(&self, id: &str) {
        self.uploads.lock().unwrap().retain(|(upload, _)| upload.upload_id.as_deref() != Some(id));
    }
}

type Answer<T> = S3Result<S3Response<T>>;

#[async_trait]
impl S3 for WithUploads {
    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let begun = self.files.create_multipart_upload(req).await?;
        #[expect(clippy::disallowed_methods, reason = "a server has the system's clock")]
        let now = SystemTime::now();
        let upload = MultipartUpload {
            key: Some(key),
            upload_id: begun.output.upload_id.clone(),
            initiated: Some(now.into()),
            ..MultipartUpload::default()
        };
        self.uploads.lock().unwrap().push((upload, bucket));
        Ok(begun)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let prefix = req.input.prefix.unwrap_or_default();
        let uploads = self.uploads.lock().unwrap().clone().into_iter();
        let uploads = uploads.filter(|(upload, bucket)| {
            *bucket == req.input.bucket && upload.key.as_ref().is_some_and(|key| key.starts_with(&prefix))
        });
        let uploads = Some(uploads.map(|(upload, _)| upload).collect());
        Ok(S3Response::new(ListMultipartUploadsOutput { uploads, ..ListMultipartUploadsOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        self.forget(&req.input.upload_id);
        self.files.complete_multipart_upload(req).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        self.forget(&req.input.upload_id);
        self.files.abort_multipart_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        self.files.upload_part(req).await
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        self.files.put_object(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        self.files.get_object(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        self.files.head_object(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.files.head_bucket(req).await
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        self.files.delete_object(req).await
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        self.files.list_objects_v2(req).await
    }
}
