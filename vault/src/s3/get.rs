//! Objects out of the bucket, a range at a time.

use std::io;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream as S3Body;
use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::bucket::Bucket;
use super::fault::{code, status};
use crate::ByteStream;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;

/// How often one get goes on after its body broke off.
const RESUMES: usize = 8;

/// A body under way.
struct Reading {
    bucket: Bucket,
    key: ObjectKey,
    /// Of the object the first byte came from: what follows must be of the same.
    e_tag: Option<String>,
    at: u64,
    end: u64,
    body: S3Body,
    resumes_left: usize,
}

pub(super) async fn get(
    bucket: &Bucket,
    key: &ObjectKey,
    start: u64,
    end: Option<u64>,
) -> Result<ByteStream, StoreError> {
    if end.is_some_and(|end| end <= start) {
        let object = bucket.head(key).await?;
        return object.map(|_| stream::empty().boxed()).ok_or_else(|| StoreError::not_found(key));
    }
    let Some(got) = request(bucket, key, start, end, None).await? else { return Ok(stream::empty().boxed()) };
    let reading = Reading {
        bucket: bucket.clone(),
        key: key.clone(),
        e_tag: got.e_tag,
        at: start,
        end: start + got.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default(),
        body: got.body,
        resumes_left: RESUMES,
    };
    Ok(stream::try_unfold(reading, Reading::next).boxed())
}

/// `None` where the object ends before `start`.
async fn request(
    bucket: &Bucket,
    key: &ObjectKey,
    start: u64,
    end: Option<u64>,
    e_tag: Option<String>,
) -> Result<Option<GetObjectOutput>, StoreError> {
    let range = match (start, end) {
        (0, None) => None,
        (start, None) => Some(format!("bytes={start}-")),
        (start, Some(end)) => Some(format!("bytes={start}-{}", end - 1)),
    };
    let is_ranged = range.is_some();
    let request = bucket.client.get_object().bucket(&*bucket.name).key(bucket.path(key));
    match request.set_range(range).set_if_match(e_tag.clone()).send().await {
        Ok(got) => {
            bucket.saw();
            // Not every server heeds If-Match.
            if e_tag.is_some() && got.e_tag != e_tag {
                return Err(replaced(key));
            }
            let is_there = |range: &str| range.starts_with(&format!("bytes {start}-"));
            if is_ranged && !got.content_range().is_some_and(is_there) {
                let problem = format!("{key}: {} answers a range with something else", bucket.place);
                return Err(StoreError::new(StoreErrorKind::Unsupported, problem));
            }
            Ok(Some(got))
        }
        Err(error) if status(&error) == Some(416) => Ok(None),
        Err(error) if status(&error) == Some(412) => Err(replaced(key)),
        Err(error) if status(&error) == Some(404) && code(&error) != Some("NoSuchBucket") => {
            bucket.must_be_there().await?;
            Err(StoreError::not_found(key))
        }
        Err(error) => Err(bucket.failed(key, "s3:GetObject", error)),
    }
}

fn replaced(key: &ObjectKey) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("{key} was replaced while it was read"))
}

impl Reading {
    async fn next(mut self) -> io::Result<Option<(Bytes, Reading)>> {
        loop {
            let why = match self.body.next().await {
                Some(Ok(chunk)) => {
                    self.at += chunk.len() as u64;
                    return Ok(Some((chunk, self)));
                }
                None if self.at >= self.end => return Ok(None),
                None => "it ended early".to_owned(),
                Some(Err(error)) => error.to_string(),
            };
            self.resume(&why).await.map_err(io::Error::other)?;
        }
    }

    /// Goes on where the body broke off; an error where it does so too often, or where the object is another by now.
    async fn resume(&mut self, why: &str) -> Result<(), StoreError> {
        if self.resumes_left == 0 {
            let problem = format!("{}: broke off {RESUMES} times while it was read ({why})", self.key);
            return Err(StoreError::new(StoreErrorKind::Unavailable, problem));
        }
        self.resumes_left -= 1;
        let again = request(&self.bucket, &self.key, self.at, Some(self.end), self.e_tag.clone()).await?;
        self.body = again.ok_or_else(|| replaced(&self.key))?.body;
        Ok(())
    }
}
