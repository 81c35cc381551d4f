//! moto, which scripts/with-test-servers runs: one server for all tests, a bucket for each.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use vault::contract::Place;
use vault::{ObjectKey, ObjectStore, S3Options, open_store};

use super::server;

/// A bucket of its own.
pub(crate) struct Bucket {
    pub(crate) url: String,
    pub(crate) name: String,
}

pub(crate) async fn fresh() -> Bucket {
    let url = std::env::var("TEST_AWS_URL").expect("TEST_AWS_URL names no S3 server: run make test, which starts one");
    let bucket = Bucket { url, name: format!("calls-{}", uuid::Uuid::now_v7()) };
    bucket.client().create_bucket().bucket(&bucket.name).send().await.unwrap();
    bucket
}

pub(crate) async fn fresh_versioned() -> Bucket {
    let bucket = fresh().await;
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = bucket.client().put_bucket_versioning().bucket(&bucket.name).versioning_configuration(enabled);
    put.send().await.unwrap();
    bucket
}

impl Bucket {
    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        server::client(&self.url)
    }

    pub(crate) async fn store(&self, options: S3Options) -> Arc<dyn ObjectStore> {
        open_store(&format!("s3://{}/vault", self.name), options).await.unwrap()
    }

    /// Versions and delete markers, of all keys.
    pub(crate) async fn versions(&self) -> usize {
        let listed = self.client().list_object_versions().bucket(&self.name).send().await.unwrap();
        listed.versions().len() + listed.delete_markers().len()
    }
}

#[async_trait]
impl Place for Bucket {
    async fn open(&self) -> Arc<dyn ObjectStore> {
        self.store(server::options(&self.url)).await
    }

    async fn begin_and_die(&self, key: &ObjectKey) {
        server::begin_and_die(&self.url, &self.name, key).await;
    }

    async fn unfinished(&self) -> usize {
        self.client().list_multipart_uploads().bucket(&self.name).send().await.unwrap().uploads().len()
    }
}
