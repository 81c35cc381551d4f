//! An S3 server in this process that checks signatures: s3s-fs, over a folder.

use std::path::Path;
use std::sync::Mutex;
use std::time::SystemTime;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

/// Of the user who may do anything.
pub const ACCESS_KEY: &str = "AKTEST";
/// Of every user.
pub const SECRET_KEY: &str = "a secret of the tests";
/// Of users who lack the right to one operation each: `AKTEST-WITHOUT-PutObject`.
pub const WITHOUT: &str = "AKTEST-WITHOUT-";

/// The server's URL; it ends with the runtime. A folder in `folder` is a bucket, a file in that an object; files of the
/// server's own begin with a dot.
pub async fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = service(folder);
    let router = Router::new().fallback(move |request: Request| answer(service.clone(), request));
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// What the server does with a request, however it is connected.
pub fn service(folder: &Path) -> S3Service {
    let files = FileSystem::new(folder).unwrap();
    let mut service = S3ServiceBuilder::new(WithUploads { files, uploads: Mutex::default() });
    service.set_auth(Users);
    service.set_access(Users);
    service.build()
}

/// One request and its answer.
pub async fn answer(service: S3Service, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
    }
}

/// [`ACCESS_KEY`], and one [`WITHOUT`] each operation.
struct Users;

#[async_trait]
impl S3Auth for Users {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY || access_key.starts_with(WITHOUT) {
            return Ok(SECRET_KEY.into());
        }
        Err(s3s::s3_error!(InvalidAccessKeyId))
    }
}

#[async_trait]
impl S3Access for Users {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(user) = cx.credentials() else { return Err(s3s::s3_error!(AccessDenied)) };
        if user.access_key.strip_prefix(WITHOUT) == Some(cx.s3_op().name()) {
            return Err(s3s::s3_error!(AccessDenied));
        }
        Ok(())
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
