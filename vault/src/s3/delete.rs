//! Objects out of the world: where the bucket keeps versions, every one of them.

use std::collections::HashSet;

use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;
use aws_sdk_s3::types::{Delete, DeletedObject, ObjectIdentifier};
use futures::stream::{self, StreamExt};

use super::bucket::Bucket;
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
    let deleted = delete_one(bucket, key, None).await?;
    if deleted.version_id().is_none() && deleted.delete_marker() != Some(true) {
        return Ok(());
    }
    delete_versions(bucket, key).await?;
    let left = versions(bucket, key).await?;
    if left.objects.is_empty() && left.delete_markers.is_empty() {
        return Ok(());
    }
    let left = left.objects.len() + left.delete_markers.len();
    Err(StoreError::new(StoreErrorKind::Unavailable, format!("{key}: {left} versions are there after the delete")))
}

/// Many in a request. What that leaves, whatever the reason (a bucket that keeps versions, a lock, a server that does not
/// know the request), is deleted by itself: what stands against it is told there.
pub(super) async fn delete_all(bucket: &Bucket, keys: &[ObjectKey]) -> Vec<Result<(), StoreError>> {
    let mut gone = HashSet::new();
    for keys in keys.chunks(KEYS_MOST).filter(|keys| keys.len() > 1) {
        gone.extend(delete_together(bucket, keys).await);
    }
    let deleting = keys.iter().map(|key| {
        let is_gone = gone.contains(&bucket.path(key));
        async move { if is_gone { Ok(()) } else { delete(bucket, key).await } }
    });
    stream::iter(deleting.collect::<Vec<_>>()).buffered(ALONE_AT_ONCE).collect().await
}

/// The paths of those that are gone with all their versions.
async fn delete_together(bucket: &Bucket, keys: &[ObjectKey]) -> Vec<String> {
    let named = keys.iter().map(|key| ObjectIdentifier::builder().key(bucket.path(key)).build());
    // Each has the key that it has to have.
    let named = named.collect::<Result<Vec<_>, _>>().unwrap_or_default();
    let Ok(delete) = Delete::builder().set_objects(Some(named)).build() else { return Vec::new() };
    let request = bucket.client.delete_objects().bucket(&*bucket.name).delete(delete);
    let Ok(answer) = request.send().await else { return Vec::new() };
    bucket.saw();
    let is_gone = |deleted: &DeletedObject| deleted.version_id.is_none() && deleted.delete_marker != Some(true);
    answer.deleted.unwrap_or_default().into_iter().filter(is_gone).filter_map(|deleted| deleted.key).collect()
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
