//! Objects out of the world: where the bucket keeps versions, every one of them.

use std::collections::HashSet;

use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;
use aws_sdk_s3::types::{Delete, DeletedObject, ObjectIdentifier};
use futures::stream::{self, StreamExt};

use super::bucket::Bucket;
use super::fault::status;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::ObjectKey;

/// What a request takes: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.
const KEYS_MOST: usize = 1000;
/// Objects that are deleted each by itself, at once.
const ALONE_AT_ONCE: usize = 16;

/// What a bucket keeps under one key, as ids.
#[derive(Default)]
struct Versions {
    objects: Vec<String>,
    delete_markers: Vec<String>,
}

/// A bucket that keeps versions answers a plain delete with a delete marker, and only then are versions asked for: most
/// buckets keep none, and one request is enough.
pub(super) async fn delete(bucket: &Bucket, key: &ObjectKey) -> Result<(), StoreError> {
    delete_and_tell(bucket, key).await.map(drop)
}

/// The same, and whether the bucket keeps versions.
async fn delete_and_tell(bucket: &Bucket, key: &ObjectKey) -> Result<bool, StoreError> {
    let deleted = delete_one(bucket, key, None).await?;
    if deleted.version_id().is_none() && deleted.delete_marker() != Some(true) {
        return Ok(false);
    }
    delete_versions(bucket, key).await?;
    let left = versions(bucket, key).await?;
    if left.objects.is_empty() && left.delete_markers.is_empty() {
        return Ok(true);
    }
    let left = left.objects.len() + left.delete_markers.len();
    Err(StoreError::new(StoreErrorKind::Unavailable, format!("{key}: {left} versions are there after the delete")))
}

/// Many in a request. The first one goes by itself: of versions its answer tells more than that of many does, and where
/// there are any, or it fails, each of the others goes by itself too. So does what a request for many leaves (a lock, a
/// server that does not know such a request): what stands against it is told there.
pub(super) async fn delete_all(bucket: &Bucket, keys: &[ObjectKey]) -> Vec<Result<(), StoreError>> {
    let Some((first, rest)) = keys.split_first() else { return Vec::new() };
    let first = delete_and_tell(bucket, first).await;
    let is_plain = matches!(first, Ok(false));
    let mut deleted = vec![first.map(drop)];
    for keys in rest.chunks(KEYS_MOST) {
        let together =
            if is_plain && keys.len() > 1 { delete_together(bucket, keys).await } else { Together::default() };
        let deleting = keys.iter().map(|key| {
            let (is_gone, is_spared) = (together.gone.contains(&bucket.path(key)), together.is_overloaded);
            async move {
                match is_spared {
                    _ if is_gone => Ok(()),
                    true => Err(overloaded(bucket, key)),
                    false => delete(bucket, key).await,
                }
            }
        });
        let one_by_one = stream::iter(deleting.collect::<Vec<_>>()).buffered(ALONE_AT_ONCE);
        deleted.extend(one_by_one.collect::<Vec<_>>().await);
    }
    deleted
}

/// What one request for many came to.
#[derive(Default)]
struct Together {
    /// The paths of those that are gone.
    gone: HashSet<String>,
    /// The server did not answer, or asked to be spared: not with one request for each now.
    is_overloaded: bool,
}

async fn delete_together(bucket: &Bucket, keys: &[ObjectKey]) -> Together {
    let named = keys.iter().map(|key| ObjectIdentifier::builder().key(bucket.path(key)).build());
    // Each has the key that it has to have.
    let named = named.collect::<Result<Vec<_>, _>>().unwrap_or_default();
    let Ok(delete) = Delete::builder().set_objects(Some(named)).build() else { return Together::default() };
    match bucket.client.delete_objects().bucket(&*bucket.name).delete(delete).send().await {
        Ok(answer) => {
            bucket.saw();
            let gone = answer.deleted.unwrap_or_default().into_iter().filter(is_gone);
            Together { gone: gone.filter_map(|deleted| deleted.key).collect(), is_overloaded: false }
        }
        Err(error) => {
            let is_overloaded = status(&error).is_none_or(|status| status == 429 || (status >= 500 && status != 501));
            Together { gone: HashSet::new(), is_overloaded }
        }
    }
}

fn is_gone(deleted: &DeletedObject) -> bool {
    deleted.version_id.is_none() && deleted.delete_marker != Some(true) && deleted.delete_marker_version_id.is_none()
}

fn overloaded(bucket: &Bucket, key: &ObjectKey) -> StoreError {
    let problem = format!("{key}: {} did not delete it, with others: it is overloaded, or away", bucket.place);
    StoreError::new(StoreErrorKind::Unavailable, problem)
}

/// Objects before markers: what is refused (Object Lock) is made visible again, as what is hidden reads as gone.
async fn delete_versions(bucket: &Bucket, key: &ObjectKey) -> Result<(), StoreError> {
    let versions = versions(bucket, key).await?;
    for object in &versions.objects {
        let Err(error) = delete_one(bucket, key, Some(object)).await else { continue };
        if error.kind != StoreErrorKind::Denied {
            return Err(error);
        }
        for marker in &versions.delete_markers {
            delete_one(bucket, key, Some(marker)).await?;
        }
        let problem =
            format!("{error}; or Object Lock (a retention period, a legal hold) still covers version {object}");
        return Err(StoreError::new(StoreErrorKind::Denied, problem));
    }
    for marker in &versions.delete_markers {
        delete_one(bucket, key, Some(marker)).await?;
    }
    Ok(())
}

async fn delete_one(
    bucket: &Bucket,
    key: &ObjectKey,
    version: Option<&String>,
) -> Result<DeleteObjectOutput, StoreError> {
    let right = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    let request = bucket.client.delete_object().bucket(&*bucket.name).key(bucket.path(key));
    let deleted = request.set_version_id(version.cloned()).send().await;
    let deleted = deleted.map_err(|error| bucket.failed(key, right, error))?;
    bucket.saw();
    Ok(deleted)
}

/// Of exactly this key: a prefix is all that can be asked for, and the key itself comes first under it.
async fn versions(bucket: &Bucket, key: &ObjectKey) -> Result<Versions, StoreError> {
    let path = bucket.path(key);
    let mut found = Versions::default();
    let (mut key_marker, mut version_marker) = (None, None);
    loop {
        let request = bucket.client.list_object_versions().bucket(&*bucket.name).prefix(&path);
        let request = request.set_key_marker(key_marker).set_version_id_marker(version_marker);
        let page = request.send().await.map_err(|error| bucket.failed(key, "s3:ListBucketVersions", error))?;
        let objects = page.versions().iter().filter(|version| version.key() == Some(&path));
        found.objects.extend(objects.filter_map(|version| version.version_id().map(str::to_owned)));
        let markers = page.delete_markers().iter().filter(|marker| marker.key() == Some(&path));
        found.delete_markers.extend(markers.filter_map(|marker| marker.version_id().map(str::to_owned)));
        if page.is_truncated() != Some(true) || page.next_key_marker() != Some(&path) {
            return Ok(found);
        }
        (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
    }
}
