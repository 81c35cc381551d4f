//! Whether the store is the one that holds our recordings, before it is written to.

use std::sync::Arc;

use anyhow::Context;
use catalog::{Catalog, CatalogError, ListFilter, Status};
use futures::StreamExt;
use vault::ObjectStore;

use crate::config::Config;
use crate::wiring;

/// How many of the newest recordings are looked at for one whose audio should be there.
const NEWEST: u32 = 100;

/// The store, ready to be filled: made, where it is missing. Not where the catalog knows of recordings that it should
/// hold: then it is merely away, and one begun in its place would hide that.
pub(crate) async fn ready(config: &Config, catalog: &Catalog) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let (store, _) = present(config, catalog).await?;
    store.prepare().await.context("RECORDINGS_BUCKET")?;
    Ok(store)
}

/// The store as it is, and whether the catalog knows of recordings in it; an error where it does and there are none.
pub(crate) async fn present(config: &Config, catalog: &Catalog) -> anyhow::Result<(Arc<dyn ObjectStore>, bool)> {
    let store = wiring::store(config).await?;
    let has_archived = has_archived(catalog).await.context("DATABASE_URL")?;
    if has_archived {
        let object = store.list("recordings/").next().await.transpose().context("RECORDINGS_BUCKET")?;
        object.with_context(|| {
            let bucket = &config.recordings_bucket;
            format!(
                "RECORDINGS_BUCKET: {bucket} is empty and the catalog knows of recordings in it: is its disk mounted?"
            )
        })?;
    }
    Ok((store, has_archived))
}

/// Audio goes by the date of its start: where that of the newest is gone, all is. What is marked for deletion may be gone
/// already.
pub(crate) async fn has_archived(catalog: &Catalog) -> Result<bool, CatalogError> {
    for status in [Status::Archived, Status::Transcribed, Status::Failed] {
        let newest = ListFilter { status: Some(status), limit: NEWEST, ..ListFilter::default() };
        if catalog.list(&newest).await?.iter().any(|row| row.is_archived() && row.media.is_some() && !row.is_marked) {
            return Ok(true);
        }
    }
    Ok(false)
}
