//! What is in the bucket: objects, and uploads that never ended.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::types::{MultipartUpload, Object};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::bucket::Bucket;
use super::fault::code;
use crate::error::StoreError;
use crate::key::ObjectKey;
use crate::store::ObjectMeta;

enum Page {
    First,
    After(String),
    None,
}

/// Objects whose names are no keys of ours are somebody else's, and passed over.
pub(super) fn objects(bucket: &Bucket, prefix: &str) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
    let (bucket, prefix) = (bucket.clone(), format!("{}{prefix}", bucket.prefix));
    let pages = stream::try_unfold((bucket, prefix, Page::First), |(bucket, prefix, page)| async move {
        let token = match page {
            Page::First => None,
            Page::After(token) => Some(token),
            Page::None => return Ok(None),
        };
        let request = bucket.client.list_objects_v2().bucket(&*bucket.name).prefix(&prefix);
        let listed = request.set_continuation_token(token).send().await;
        let listed = listed.map_err(|error| bucket.failed(&prefix, "s3:ListBucket", error))?;
        bucket.saw();
        let metas: Vec<_> = listed.contents().iter().filter_map(|object| meta(&bucket, object)).collect();
        let next = listed.next_continuation_token.map_or(Page::None, Page::After);
        Ok(Some((stream::iter(metas), (bucket, prefix, next))))
    });
    pages.try_flatten().boxed()
}

fn meta(bucket: &Bucket, object: &Object) -> Option<Result<ObjectMeta, StoreError>> {
    let key = bucket.key(object.key()?)?;
    Some(bucket.meta(&key, object.size().unwrap_or(-1), object.last_modified()))
}

/// What to do with uploads that never ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    Count,
    Abort,
}

/// Counts uploads that began before so long, or aborts them. Of other programs' in a shared bucket it keeps its hands.
pub(super) async fn unfinished_uploads(
    bucket: &Bucket,
    older_than: Duration,
    mode: Unfinished,
) -> Result<usize, StoreError> {
    let mut old = 0;
    let (mut key_marker, mut upload_marker) = (None, None);
    loop {
        let request = bucket.client.list_multipart_uploads().bucket(&*bucket.name).prefix(&*bucket.prefix);
        let listed = request.set_key_marker(key_marker).set_upload_id_marker(upload_marker).send().await;
        let what = format!("unfinished uploads of {}", bucket.name);
        let listed = listed.map_err(|error| bucket.failed(&what, "s3:ListBucketMultipartUploads", error))?;
        for upload in listed.uploads() {
            if let Some(key) = ours(bucket, upload).filter(|_| is_older(upload, older_than)) {
                old += usize::from(mode == Unfinished::Count || abort(bucket, &key, upload).await?);
            }
        }
        if listed.is_truncated() != Some(true) {
            return Ok(old);
        }
        (key_marker, upload_marker) = (listed.next_key_marker, listed.next_upload_id_marker);
    }
}

/// Whatever is sealed ends so.
fn ours(bucket: &Bucket, upload: &MultipartUpload) -> Option<ObjectKey> {
    upload.key().filter(|path| path.ends_with(".age")).and_then(|path| bucket.key(path))
}

fn is_older(upload: &MultipartUpload, than: Duration) -> bool {
    let begun = upload.initiated().and_then(|begun| SystemTime::try_from(*begun).ok());
    // A clock that is behind the server's makes an upload look newer than now: it is left for the next sweep.
    begun.is_some_and(|begun| begun.elapsed().is_ok_and(|age| age >= than))
}

/// Whether there was something to abort.
async fn abort(bucket: &Bucket, key: &ObjectKey, upload: &MultipartUpload) -> Result<bool, StoreError> {
    let request = bucket.client.abort_multipart_upload().bucket(&*bucket.name).key(bucket.path(key));
    match request.set_upload_id(upload.upload_id().map(str::to_owned)).send().await {
        Ok(_) => Ok(true),
        Err(error) if code(&error) == Some("NoSuchUpload") => Ok(false),
        Err(error) => Err(bucket.failed(key, "s3:AbortMultipartUpload", error)),
    }
}
