//! What the catalog says, read past the product: straight from its tables.

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::world::{LEASE_SECS, World};

#[derive(Debug, Deserialize)]
pub(crate) struct Recording {
    pub(crate) recording_sid: String,
    pub(crate) status: String,
    pub(crate) error: Option<String>,
    pub(crate) media_state: Option<String>,
    pub(crate) media_object: Option<String>,
    pub(crate) media_sha256: Option<String>,
    pub(crate) leftover_objects: String,
    pub(crate) flags: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Transcript {
    pub(crate) recording_sid: String,
    pub(crate) version: u32,
    pub(crate) state: String,
    pub(crate) object: Option<String>,
    pub(crate) delivered_at: Option<i64>,
}

pub(crate) async fn recordings(world: &World) -> anyhow::Result<Vec<Recording>> {
    all(world, "recordings").await
}

pub(crate) async fn transcripts(world: &World) -> anyhow::Result<Vec<Transcript>> {
    all(world, "transcripts").await
}

/// How many claims nobody has let go and that have not run out. What a clock that was ahead wrote is believed by
/// nobody.
pub(crate) async fn live_claims(world: &World) -> anyhow::Result<u64> {
    let now_ms = "extract(epoch FROM now()) * 1000";
    let believed_ms = 2000 * LEASE_SECS;
    let count =
        format!("SELECT count(*) FROM claims WHERE expires_at > {now_ms} AND expires_at <= {now_ms} + {believed_ms}");
    let counted = world.servers.postgres.lock().await.sql(&world.name, &count)?;
    counted.trim().parse().context("a count of claims")
}

async fn all<T: DeserializeOwned>(world: &World, table: &str) -> anyhow::Result<Vec<T>> {
    let select = format!("SELECT coalesce(json_agg(row_to_json({table})), '[]') FROM {table}");
    let rows = world.servers.postgres.lock().await.sql(&world.name, &select)?;
    serde_json::from_str(&rows).with_context(|| format!("the rows of {table}"))
}
