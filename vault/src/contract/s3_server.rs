//! An S3 server in this process that checks signatures: s3s-fs, over a folder.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};
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
use s3s::{S3, S3Error, S3Request, S3Response, S3Result};
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
    let mut service = S3ServiceBuilder::new(WithUploads { files, folder: folder.to_owned() });
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

/// s3s-fs, and the list of uploads under way that it does not keep: beside its own file for each there is one of ours, so
/// that a server which was killed knows them still.
struct WithUploads {
    files: FileSystem,
    folder: PathBuf,
}

impl WithUploads {
    fn note(&self, id: &str) -> PathBuf {
        self.folder.join(format!(".listed-{id}"))
    }

    fn forget(&self, id: &str) {
        let _ = std::fs::remove_file(self.note(id));
    }

    /// The uploads to one bucket; `None` where the folder cannot be read.
    fn uploads(&self, bucket: &str) -> Option<Vec<MultipartUpload>> {
        let mut uploads = Vec::new();
        for entry in std::fs::read_dir(&self.folder).ok()?.flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            let Some(id) = name.strip_prefix(".listed-") else { continue };
            // One that ends meanwhile is none any more.
            let (Ok(text), Ok(began)) = (std::fs::read_to_string(entry.path()), modified(&entry)) else { continue };
            let is_known = self.folder.join(format!(".upload-{id}.json")).exists();
            let Some((_, key)) = text.split_once('\n').filter(|(its_bucket, _)| *its_bucket == bucket && is_known)
            else {
                continue;
            };
            uploads.push(MultipartUpload {
                key: Some(key.to_owned()),
                upload_id: Some(id.to_owned()),
                initiated: Some(began.into()),
                ..MultipartUpload::default()
            });
        }
        Some(uploads)
    }
}

fn modified(entry: &DirEntry) -> std::io::Result<SystemTime> {
    entry.metadata()?.modified()
}

type Answer<T> = S3Result<S3Response<T>>;

#[async_trait]
impl S3 for WithUploads {
    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let listed = format!("{}\n{}", req.input.bucket, req.input.key);
        let begun = self.files.create_multipart_upload(req).await?;
        let id = begun.output.upload_id.clone().unwrap_or_default();
        std::fs::write(self.note(&id), listed).map_err(S3Error::internal_error)?;
        Ok(begun)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let prefix = req.input.prefix.unwrap_or_default();
        let mut uploads = self.uploads(&req.input.bucket).unwrap_or_default();
        uploads.retain(|upload| upload.key.as_ref().is_some_and(|key| key.starts_with(&prefix)));
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads),
            ..ListMultipartUploadsOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let id = req.input.upload_id.clone();
        let completed = self.files.complete_multipart_upload(req).await?;
        self.forget(&id);
        Ok(completed)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        let id = req.input.upload_id.clone();
        let aborted = self.files.abort_multipart_upload(req).await?;
        self.forget(&id);
        Ok(aborted)
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

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        self.files.delete_objects(req).await
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        self.files.list_objects_v2(req).await
    }
}
